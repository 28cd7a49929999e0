"""One browser's media transport: ICE-lite link, DTLS-SRTP, and the answers to its offers.

Made by ``IcePort.open_peer``. It satisfies ``media.transport.Transport``. A network change moves it to another address under the same
keys; a page that reloads gets a new peer for the same leg.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from media import rtp
from media.answer import LocalSide, Offer, OpusPreferences, choose_codecs, read_offer, write_answer
from media.dtls import Certificate, DtlsFailure, DtlsLink
from media.ice_link import IceLink
from media.messages import MediaRefusal
from media.sender import RtpSender
from media.transport import PacketSink, StateSink
from media.video.lines import SlotSources
from media.wire import PathCounters, Wire
from rooms.audio import AudioCodec, Direction


@dataclass(frozen=True, slots=True)
class PeerTimes:
    """How long, in seconds, a browser may take or be away. ``checks_s``: until the first valid check; ``handshake_s``: DTLS after that;

    ``lost_s``: without check or packet (RFC 7675 consent, seen from the answering side); ``silent_s``: without RTP, though reachable.
    """

    checks_s: float = 30.0
    handshake_s: float = 15.0
    lost_s: float = 15.0
    silent_s: float = 3.0


@dataclass(slots=True)
class PortCounters:
    """What the port saw and dropped, in datagrams. ``strangers``: no check ever passed from their address."""

    checks: int = 0
    strangers: int = 0
    unknown_fragment: int = 0
    bad_integrity: int = 0
    limited: int = 0
    contested: int = 0
    role_conflicts: int = 0
    malformed: int = 0
    unsent: int = 0
    socket_errors: int = 0
    expired_peers: int = 0
    tcp_accepted: int = 0
    tcp_refused: int = 0
    tcp_malformed: int = 0
    tcp_unsent: int = 0
    candidates_ignored: int = 0


class PeerAnswer(NamedTuple):
    """``codecs``: our order, the browser's payload types; the browser sends the first one."""

    sdp: str
    codecs: tuple[AudioCodec, ...]
    dtmf_payload_type: int | None


class Port(Protocol):
    """What a peer asks of the port it lives on."""

    certificate: Certificate
    wire: Wire
    counted: PortCounters

    @property
    def candidates(self) -> tuple[tuple[str, int], ...]: ...

    @property
    def tcp_candidates(self) -> tuple[tuple[str, int], ...]: ...

    def renew(self, link: IceLink) -> None: ...

    def release(self, peer: "Peer") -> None: ...

    def own(self, task: "asyncio.Task[None]") -> None: ...


class Peer:
    """See ``media.transport`` for the callbacks. ``ssrc``: the one our answers announce; packets must carry it."""

    def __init__(self, port: Port, on_rtp: PacketSink, on_rtcp: PacketSink, on_state: StateSink, times: PeerTimes) -> None:
        self._port = port
        self._on_rtp, self._on_rtcp, self._on_state = on_rtp, on_rtcp, on_state
        self._times = times
        self._opened_s = time.monotonic()
        self.path = port.wire.path(self._received, secure=True)
        self.link = IceLink(self.path, self._selected)
        self.ssrc = secrets.randbits(32) or 1
        self.cname = secrets.token_urlsafe(9)
        self.offer: Offer | None = None
        self.state = "new"
        self._session_id = secrets.randbits(62)
        self._version = 0
        self._over = False
        self._dtls: DtlsLink | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._rtp_s = 0.0
        self.other_types: frozenset[int] = frozenset()
        """Payload types that go to ``on_other`` in place of the audio's sink."""
        self.on_other: PacketSink | None = None

    @property
    def direction(self) -> Direction:
        """What was agreed, seen from us."""
        return self.offer.direction.mirrored if self.offer is not None else Direction.INACTIVE

    # --- negotiation ---------------------------------------------------------------------------------------------------------------

    def answer(
        self,
        sdp: str,
        codecs: tuple[str, ...],
        opus: OpusPreferences | None = None,
        video: Callable[[str], SlotSources] | None = None,
    ) -> PeerAnswer:
        """Answer the browser's offer, the first or a later one. ``codecs``: names in our order; ``opus``: what its encoder shall do;
        ``video``: gives our sources on a video line, by its mid; None refuses video.

        A changed ICE fragment is an ICE restart. Raises MediaRefusal; the peer is then as it was.
        """
        if self._over:
            raise MediaRefusal("peer_closed", "This connection is over: the page must make a new RTCPeerConnection and offer again.")
        offer = read_offer(sdp)
        chosen = choose_codecs(offer, codecs)
        before = self.offer
        if before is not None and before.fingerprints != offer.fingerprints:
            raise MediaRefusal("certificate_changed", "The offer comes with another certificate: another connection must be a new peer.")
        if before is not None and before.fragment != offer.fragment:
            self._port.renew(self.link)
        if self._dtls is None:
            role = "server" if offer.setup == "active" else "client"
            self._dtls = DtlsLink(self.link, self._port.certificate, role, offer.fingerprints, self._far_end_closed)
        self.offer = offer
        self._port.counted.candidates_ignored += offer.candidates
        self._version += 1
        local = LocalSide(
            fragment=self.link.credentials.fragment,
            password=self.link.credentials.password,
            fingerprint=self._port.certificate.fingerprint,
            candidates=self._port.candidates,
            tcp_candidates=self._port.tcp_candidates,
            ssrc=self.ssrc,
            cname=self.cname,
            setup="active" if self._dtls.role == "client" else "passive",
            session_id=self._session_id,
            version=self._version,
            opus=opus or OpusPreferences(),
            video={line.mid: video(line.mid) for line in offer.video.values()} if video is not None else {},
        )
        return PeerAnswer(write_answer(offer, chosen, local), chosen, offer.event_payload_type(chosen[0].clock_rate))

    # --- connection ----------------------------------------------------------------------------------------------------------------

    def _selected(self) -> None:
        if self._dtls is not None and self._handshake is None:
            self._handshake = asyncio.get_running_loop().create_task(self._shake_hands(self._dtls), name="dtls-handshake")
            self._port.own(self._handshake)

    async def _shake_hands(self, dtls: DtlsLink) -> None:
        try:
            await dtls.shake_hands(self._times.handshake_s)
        except DtlsFailure as failure:
            if not self._over:
                self._fail(str(failure))
            return
        if self._over:
            return
        self.path.secure(dtls.sessions())
        self._rtp_s = time.monotonic()
        self._enter("connected", "")

    def _far_end_closed(self) -> None:
        if not self._over:
            self._fail("The browser ended the connection: its page was closed, reloaded or ended the call.", state="lost")

    def _fail(self, detail: str, state: str = "failed") -> None:
        self._enter(state, detail)
        self._end()

    def _enter(self, state: str, detail: str) -> None:
        self.state = state
        self._on_state(state, detail)

    def look(self, now_s: float) -> bool:
        """Called by the port twice a second: tells of loss, silence and return; True when the peer has just expired unused."""
        heard_s, times = self.link.heard_s, self._times
        if heard_s is None:
            if self.state == "new" and now_s - self._opened_s > times.checks_s:
                self._fail(f"No connectivity check came within {times.checks_s:.0f} s: a firewall blocks the way to {self._announced()}.")
                return True
        elif self.state in ("connected", "silent", "lost"):
            self._look_at_traffic(now_s, now_s - max(heard_s, self.path.heard_s))
        return False

    def _look_at_traffic(self, now_s: float, away_s: float) -> None:
        if away_s > self._times.lost_s:
            if self.state != "lost":
                self._enter("lost", f"Neither check nor packet for {away_s:.0f} s: the browser or its network is gone.")
            return
        quiet_s = now_s - max(self._rtp_s, self.path.heard_s)
        silent = self.direction.receives and quiet_s > self._times.silent_s
        if silent and self.state != "silent":
            self._enter("silent", f"The browser is reachable but sent no audio for {quiet_s:.1f} s.")
        elif not silent and self.state != "connected":
            self._enter("connected", "")

    def _announced(self) -> str:
        return ", ".join(f"{host} port {port}" for host, port in self._port.candidates)

    # --- packets -------------------------------------------------------------------------------------------------------------------

    def _received(self, packet: bytes, now_s: float) -> None:
        self.link.heard_s = now_s
        if rtp.is_rtcp(packet):
            self._on_rtcp(packet, now_s)
        else:
            self._rtp_s = now_s
            if self.on_other is not None and packet[1] & 0x7F in self.other_types:
                self.on_other(packet, now_s)
            else:
                self._on_rtp(packet, now_s)

    @property
    def counters(self) -> PathCounters:
        return self.path.counters

    def send_rtp(self, packet: bytes) -> None:
        """Protect and send; dropped and counted before the keys exist or when it is longer than SRTP takes."""
        self.path.send_rtp(packet)

    def send_frame(self, sender: RtpSender, payload: bytes, payload_type: int, now_s: float, marker: bool) -> None:
        self.path.send_frame(sender, payload, payload_type, now_s, marker)

    def send_rtcp(self, packet: bytes) -> None:
        """As ``send_rtp``, for a compound RTCP packet."""
        self.path.send_rtcp(packet)

    def close(self) -> None:
        """Say goodbye to the browser and give up the place. Idempotent; no callback comes after it."""
        self._end()
        self.state = "closed"

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        self.path.close()
        self._port.release(self)
        self._port.own(asyncio.get_running_loop().create_task(self._part(), name="dtls-close"))

    async def _part(self) -> None:
        """Close DTLS while the address still stands, then the link, which wakes a handshake that waits on it."""
        if self._dtls is not None:
            await self._dtls.close()
        self.link.close()
