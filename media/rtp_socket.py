"""One phone's media transport: a UDP socket of its own, symmetric RTP (RFC 4961) behind a source lock.

What a phone announced in SDP may lie behind a NAT, so its packets can come from elsewhere; but whoever else sends to the port (RTP
bleed) must neither be heard nor be answered. The lock decides:

    agreed -- packet from the agreed address -----------------------------------------------> locked, for good
    agreed -- RTP from another port of the agreed host --------------------------------------> locked on that port
    agreed -- RTP from the host that signals, where a NAT is possible ------------------------> locked on that host
    locked on another port or host -- RTP from the agreed address itself ---------------------> locked on the agreed one
    locked -- anything else ------------------------------------------------------------------> stranger: counted, dropped
    any    -- new agreement with another address ---------------------------------------------> agreed

A NAT is possible when the agreed address is private: then RTP is believed from the host that signalling comes from. Where that is not
known, no other host is believed, unless ``learns`` was set: then whoever sends five packets in sequence of one SSRC first. Only payload
types of the agreement, and comfort noise, count as RTP. Where packets are encrypted, only one that is verified moves the lock.

Who calls can name anybody's address. So an address that is not the signalling host's, and from which nothing came though it agreed to
send, is sent nothing more after ``_UNPROVEN_S`` until something comes.
"""

import ipaddress
import socket
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from media import rtp
from media.sender import RtpSender
from media.srtp import SrtpError, SrtpSessions, count_from, open_sessions, received_session, rollovers, sent_session, unprotect
from media.transport import PacketSink, StateSink
from media.wire import Address, PythonWire, Wire, WireSocket
from rooms.audio import RtpEndpoint, SrtpKeys

_PROOF_PACKETS = 5
_UNPROVEN_S = 15.0
_MOST_TRIES = 50


@dataclass(slots=True)
class SocketCounters:
    """Packets dropped, by reason. ``strangers``: from an address that the lock refuses; ``unsent``: nowhere to send them yet;

    ``refused``: they should be encrypted, and are forged, replayed or in clear.
    """

    strangers: int = 0
    malformed: int = 0
    unsent: int = 0
    socket_errors: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Candidate:
    """Somebody who may be the phone behind a NAT: how many packets of one SSRC came in sequence."""

    address: Address
    ssrc: int
    sequence: int
    count: int = 1


class RtpSocket:
    """See ``media.transport``. ``async with`` takes over both sockets, which are bound already.

    ``rtcp_sock`` None: RTCP shares ``sock``, as it does where that is agreed. ``learns``: believe unknown hosts as told above. ``wire``
    carries the datagrams.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_rtp: PacketSink,
        on_rtcp: PacketSink,
        on_state: StateSink,
        *,
        wire: Wire | None = None,
        rtcp_sock: socket.socket | None = None,
        learns: bool = False,
        silent_s: float = 3.0,
    ) -> None:
        self._sock, self._rtcp_sock = sock, rtcp_sock
        self._on_rtp, self._on_rtcp, self._on_state = on_rtp, on_rtcp, on_state
        self._learns = learns
        self._silent_s = silent_s
        self._wire = wire or PythonWire()
        self.path = self._wire.path(self._from_phone, secure=False)
        self._counted = SocketCounters()
        self.state = "new"
        self._agreed: Address | None = None
        self._agreed_rtcp: Address | None = None
        self._signalled_from = ""
        self._agreed_s = 0.0
        self._given_up = False
        """Nothing is sent any more to whom nothing ever came from."""
        self._muxed = rtcp_sock is None
        self._keys: SrtpKeys | None = None
        self._sessions: SrtpSessions | None = None
        self._aside: SrtpSessions | None = None
        """The same keys for what does not take the path: first packets, before it is known whose they are, and all RTCP that we send."""
        self._aside_sources: set[bytes] = set()
        self._tries = 0
        self._payload_types: frozenset[int] = frozenset()
        self._receives = True
        self._locked: Address | None = None
        self._locked_rtcp: Address | None = None
        self._candidate: _Candidate | None = None
        self._heard_s = time.monotonic()
        self._rtp: WireSocket | None = None
        self._rtcp: WireSocket | None = None

    async def __aenter__(self) -> Self:
        self._rtp = await self._wire.open(self._sock, self._received)
        if self._rtcp_sock is not None:
            self._rtcp = await self._wire.open(self._rtcp_sock, self._rtcp_received)
        self._lock(self._locked)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        for end in (self._rtp, self._rtcp):
            if end is not None:
                await end.wait_closed()

    @property
    def counters(self) -> SocketCounters:
        counters, ends = self._counted, [end for end in (self._rtp, self._rtcp) if end is not None]
        unsent = counters.unsent + self.path.counters.unsent + sum(end.unsent for end in ends)
        refused = counters.refused + self.path.counters.refused
        return SocketCounters(counters.strangers, counters.malformed, unsent, sum(end.errors for end in ends), refused)

    @property
    def local(self) -> tuple[str, int]:
        """Where we listen for RTP."""
        host, port = self._sock.getsockname()[:2]
        return host, port

    @property
    def remote(self) -> Address | None:
        """Where RTP goes: the locked address, else the agreed one, for as long as that may still prove itself."""
        return self._locked or (None if self._given_up else self._agreed)

    def agree(self, remote: RtpEndpoint) -> None:
        """Take a new agreement with the phone. The lock opens only when the address changes, or the host that it rests on.

        An unspecified host (0.0.0.0) or port 0 means: send nothing (hold as RFC 2543 had it).
        """
        address = _address(remote.host, remote.port)
        events = {number for number, _ in remote.events} | (set() if remote.dtmf_payload_type is None else {remote.dtmf_payload_type})
        agreed = frozenset((*(codec.payload_type for codec in remote.codecs), *events, rtp.COMFORT_NOISE))
        # What was agreed before with the same phone may still be on its way (RFC 3264, section 8.3.2).
        self._payload_types = agreed | self._payload_types if address == self._agreed else agreed
        self._receives = remote.direction.sends
        self._heard_s = time.monotonic()
        signalled_from = _host(remote.signalled_from)
        moved = self._signalled_from != signalled_from and self._locked is not None and self._locked[0] == self._signalled_from
        if address != self._agreed or moved:
            self._agreed_s, self._given_up = self._heard_s, False
            self._lock(None)
            self._locked_rtcp = self._candidate = None
        self._secure(remote.srtp)
        self._agreed, self._signalled_from = address, signalled_from
        self._agreed_rtcp = None if address is None else (address[0], remote.rtcp_port or address[1] + 1)
        self._muxed = self._rtcp_sock is None or remote.rtcp_mux
        self._direct()

    def _secure(self, keys: SrtpKeys | None) -> None:
        """Take these keys. A session whose key stays counts on: begun anew it would take old packets for new, or number new ones as old."""
        before, running = self._keys, self._sessions
        if keys == before:
            return
        self._keys = keys
        self._aside_sources.clear()
        if keys is None:
            self._sessions = self._aside = None
        elif before is None or running is None or self._aside is None:
            self._sessions, self._aside = open_sessions(keys), open_sessions(keys)
        else:
            hears, speaks = keys.received != before.received, keys.sent != before.sent
            self._sessions, self._aside = (
                SrtpSessions(
                    received_session(keys.received) if hears else sessions.received, sent_session(keys.sent) if speaks else sessions.sent
                )
                for sessions in (running, self._aside)
            )
        self.path.secure(self._sessions)

    # --- packets in ----------------------------------------------------------------------------------------------------------------

    def _received(self, data: bytes, source: Address) -> None:
        """From an address that is not locked, or no packet at all."""
        source = source[:2]
        if len(data) < 8 or data[0] >> 6 != 2:
            self._counted.malformed += 1
        elif source != self._locked and (192 <= data[1] <= 223 or not self._may_lock(data, source)):
            self._counted.strangers += 1
        elif (plain := self._opened(data)) is not None:
            if source != self._locked:
                self._lock(source)
                self._candidate = None
                self._enter("connected", "")
            self._from_phone(plain, time.monotonic())

    def _opened(self, datagram: bytes) -> bytes | None:
        """A packet beside the path in clear; None, and counted, where it should be encrypted and is not, or not by the phone."""
        if self._aside is None:
            return datagram
        try:
            return unprotect(self._aside, datagram, rtp.is_rtcp(datagram), self._aside_sources)
        except SrtpError:
            if self._joins_late(datagram):
                return self._opened(datagram)
            self._counted.refused += 1
            return None

    def _joins_late(self, datagram: bytes) -> bool:
        """Is it of a stream that has run for long? Where another worker had it before us, nobody tells how often it wrapped round."""
        if self._locked is not None or self._aside_sources or self._tries >= _MOST_TRIES or rtp.is_rtcp(datagram) or len(datagram) < 12:
            return False
        assert self._keys is not None and self._sessions is not None and self._aside is not None
        self._tries += 1
        key, ssrc = self._keys.received, int.from_bytes(datagram[8:12], "big")
        try:
            count = rollovers(key, datagram)
        except SrtpError:
            return False
        for sessions in (self._sessions, self._aside):  # the path has no address yet, so no thread of it uses them
            count_from(sessions.received, key, ssrc, count)
        self._tries = _MOST_TRIES
        return True

    def _from_phone(self, packet: bytes, now_s: float) -> None:
        if len(packet) < 8:
            self._counted.malformed += 1
        elif 192 <= packet[1] <= 223:
            if self._muxed:
                self._on_rtcp(packet, now_s)
            else:
                self._counted.strangers += 1
        elif packet[1] & 0x7F not in self._payload_types:
            self._counted.malformed += 1
        else:
            self._heard_s = now_s
            self._on_rtp(packet, now_s)

    def _may_lock(self, data: bytes, source: Address) -> bool:
        """Whether a packet from an address that is not locked may move the lock to it."""
        agreed, locked = self._agreed, self._locked
        header = rtp.parse(data)
        if agreed is None or locked == agreed or header is None or header.payload_type not in self._payload_types:
            return False
        return source == agreed or (locked is None and self._is_plausible(header, source, agreed[0]))

    def _lock(self, source: Address | None) -> None:
        """Believe packets of this address and no other."""
        if self._rtp is not None:
            if self._locked is not None:
                self._rtp.assign(self._locked, None)
            if source is not None:
                self._rtp.assign(source, self.path)
        self._locked = source
        self._given_up = self._given_up and source is None
        self._direct()

    def _direct(self) -> None:
        self.path.direct(self._rtp, self.remote)

    def _is_plausible(self, header: rtp.RtpHeader, source: Address, agreed_host: str) -> bool:
        """Whether a packet from another address than the agreed one may be the phone's, moved by a NAT."""
        if source[0] == agreed_host:
            return True
        if ipaddress.ip_address(agreed_host).is_global:
            return False
        if self._signalled_from:
            return bool(source[0] == self._signalled_from)
        return self._learns and self._proves(header, source)

    def _proves(self, header: rtp.RtpHeader, source: Address) -> bool:
        candidate = self._candidate
        if candidate is None or candidate.address != source or candidate.ssrc != header.ssrc:
            self._candidate = _Candidate(source, header.ssrc, header.sequence)
            return False
        if header.sequence != (candidate.sequence + 1) & 0xFFFF:
            candidate.count = 0
        candidate.sequence = header.sequence
        candidate.count += 1
        return candidate.count >= _PROOF_PACKETS

    def _rtcp_received(self, data: bytes, source: Address) -> None:
        """On a socket of its own RTCP is taken from the host that RTP is locked on, and from one port of it."""
        source = source[:2]
        if len(data) < 8 or data[0] >> 6 != 2 or not 192 <= data[1] <= 223:
            self._counted.malformed += 1
        elif self._locked is None or source[0] != self._locked[0] or source != (self._locked_rtcp or source):
            self._counted.strangers += 1
        elif (plain := self._opened(data)) is not None:
            self._locked_rtcp = source
            self._on_rtcp(plain, time.monotonic())

    def look(self, now_s: float) -> None:
        """Is the phone heard? To be called now and then."""
        if self._is_unproven(now_s):
            self._given_up = True
            self._direct()
        quiet_s = now_s - max(self._heard_s, self.path.heard_s)
        if self._agreed is not None and self._receives:
            if quiet_s > self._silent_s and self.state != "silent":
                self._enter("silent", f"The phone sent no audio for {quiet_s:.1f} s.")
            elif quiet_s <= self._silent_s and self.state == "silent" and self._locked is not None:
                self._enter("connected", "")

    def _is_unproven(self, now_s: float) -> bool:
        agreed = self._agreed
        if agreed is None or self._locked is not None or not self._receives or agreed[0] == self._signalled_from:
            return False
        return now_s - self._agreed_s > _UNPROVEN_S

    def _enter(self, state: str, detail: str) -> None:
        self.state = state
        self._on_state(state, detail)

    # --- packets out ---------------------------------------------------------------------------------------------------------------

    def send_rtp(self, packet: bytes) -> None:
        """To the locked or else the agreed address; counted as unsent where there is none."""
        self.path.send_rtp(packet)

    def send_frame(self, sender: RtpSender, payload: bytes, payload_type: int, now_s: float, marker: bool) -> None:
        self.path.send_frame(sender, payload, payload_type, now_s, marker)

    def send_rtcp(self, packet: bytes) -> None:
        end, address = (self._rtp, self.remote) if self._muxed else (self._rtcp, self._locked_rtcp or self._rtcp_address())
        if end is None or address is None:
            self._counted.unsent += 1
        elif self._aside is None:
            end.send(packet, address)
        else:
            try:
                end.send(self._aside.sent.protect_rtcp(packet), address)
            except (SrtpError, ValueError):
                self._counted.unsent += 1

    def _rtcp_address(self) -> Address | None:
        if self._locked is not None and self._locked != self._agreed:
            return self._locked[0], self._locked[1] + 1
        return None if self._given_up else self._agreed_rtcp

    def close(self) -> None:
        """Close the sockets. Idempotent; no callback comes after it."""
        self.state = "closed"
        self.path.close()
        for end in (self._rtp, self._rtcp):
            if end is not None:
                end.close()


def _address(host: str, port: int) -> Address | None:
    """A sendable address; None for hold or a name (the PBX side resolves names)."""
    plain = _host(host)
    return (plain, port) if plain and 0 < port < 65_536 else None


def _host(host: str) -> str:
    """An address in the form that the kernel reports sources in, "" for what is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return "" if address.is_unspecified else str(address)
