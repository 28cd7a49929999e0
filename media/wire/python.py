"""The packet path on the event loop: every packet is handed over inside its datagram's arrival. No queue, no thread."""

import asyncio
import socket
import time
from typing import Any, Self

from media.receive_stats import ReceiveStats
from media.recording.records import Records
from media.sender import RtpSender
from media.srtp import MAX_PLAIN_BYTES, SrtpError, SrtpSessions, unprotect
from media.wire.seam import FORMER_KEY_S, Address, DatagramSink, Forward, PacketSink, Path, PathCounters, Play, WireSocket


class PythonSocket(asyncio.DatagramProtocol):
    """See ``media.wire.seam.WireSocket``."""

    def __init__(self, on_datagram: DatagramSink) -> None:
        self.unsent = self.errors = 0
        self._on_datagram = on_datagram
        self._paths: dict[Address, PythonPath] = {}
        self._transport: Any = None
        self._paused = False
        self._open = True
        self._closed = asyncio.Event()

    def assign(self, address: Address, path: Path | None) -> None:
        if path is None:
            self._paths.pop(address[:2], None)
        else:
            assert isinstance(path, PythonPath)
            self._paths[address[:2]] = path

    def send(self, datagram: bytes, address: Address) -> bool:
        if self._paused or not self._open:
            self.unsent += 1
            return False
        self._transport.sendto(datagram, address)
        return True

    def close(self) -> None:
        self._open = False
        self._transport.close()

    async def wait_closed(self) -> None:
        await self._closed.wait()

    # -- asyncio's side

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self._open:
            return
        path = self._paths.get(addr[:2])
        if path is not None and data and 127 < data[0] < 192:
            path.received(data, time.monotonic())
        else:
            self._on_datagram(data, addr)

    def pause_writing(self) -> None:
        self._paused = True  # the kernel's buffer and the loop's are full: late media is worth nothing

    def resume_writing(self) -> None:
        self._paused = False

    def error_received(self, exc: Exception) -> None:
        self.errors += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()


class PythonPath:
    """See ``media.wire.seam.Path``."""

    heard_s = 0.0

    def __init__(self, on_packet: PacketSink, *, secure: bool) -> None:
        self.urgent = self.urgent_reports = True
        self.counters = PathCounters()
        self._on_packet = on_packet
        self._secure = secure
        self._sessions: SrtpSessions | None = None
        self._former: SrtpSessions | None = None
        self._former_until_s = 0.0
        self._sources: set[bytes] = set()
        self._socket: WireSocket | None = None
        self._address: Address | None = None
        self._open = True

    def secure(self, sessions: SrtpSessions | None) -> None:
        before = self._sessions
        if sessions is not None and before is not None and before.received is not sessions.received:
            self._former, self._former_until_s = before, time.monotonic() + FORMER_KEY_S
            self._sources.clear()
        self._sessions, self._secure = sessions, sessions is not None

    def direct(self, sock: WireSocket | None, address: Address | None) -> None:
        self._socket, self._address = sock, address

    def received(self, datagram: bytes, now_s: float) -> None:
        """One datagram of this far end."""
        if not self._open:
            return
        if self._secure:
            plain = self._unprotected(datagram, now_s)
            if plain is None:
                return
            datagram = plain
        self._on_packet(datagram, now_s)

    def _unprotected(self, datagram: bytes, now_s: float) -> bytes | None:
        sessions = self._sessions
        if sessions is None or len(datagram) < 12:
            self.counters.early += 1
            return None
        is_rtcp = 192 <= datagram[1] <= 223
        try:
            return self._verified(sessions, datagram, is_rtcp, now_s)
        except SrtpError:
            self.counters.refused += 1
            return None

    def _verified(self, sessions: SrtpSessions, datagram: bytes, is_rtcp: bool, now_s: float) -> bytes:
        """Under the key, or for a while under the one before it. Raises SrtpError."""
        try:
            return unprotect(sessions, datagram, is_rtcp, self._sources)
        except SrtpError:
            if self._former is None or now_s >= self._former_until_s:
                raise
            return unprotect(self._former, datagram, is_rtcp, self._sources)

    def send_rtp(self, packet: bytes) -> None:
        self._send(packet, is_rtcp=False)

    def send_frame(self, sender: RtpSender, payload: bytes, payload_type: int, now_s: float, marker: bool) -> None:
        self.send_rtp(sender.frame(payload, payload_type, now_s, marker=marker))

    def send_rtcp(self, packet: bytes) -> None:
        self._send(packet, is_rtcp=True)

    def _send(self, packet: bytes, *, is_rtcp: bool) -> None:
        sock, address, sessions = self._socket, self._address, self._sessions
        if sock is None or address is None or len(packet) > MAX_PLAIN_BYTES or (self._secure and sessions is None) or not self._open:
            self.counters.unsent += 1
            return
        if sessions is not None:
            try:
                packet = sessions.sent.protect_rtcp(packet) if is_rtcp else sessions.sent.protect(packet)
            except SrtpError:
                self.counters.unsent += 1
                return
        sock.send(packet, address)

    def forward(self, forward: Forward | None) -> None:
        """Everything is handed over here, whatever the order is."""

    def play(self, play: Play | None) -> None:
        """Nor is there a shorter way to a jitter buffer."""

    def remembered(self) -> list[tuple[bytes, float]]:
        return []

    def close(self) -> None:
        self._open = False
        self._socket = self._address = self._sessions = self._former = None


class PythonWire:
    """See ``media.wire.seam.Wire``."""

    name = "python"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def open(self, sock: socket.socket, on_datagram: DatagramSink) -> PythonSocket:
        _, opened = await asyncio.get_running_loop().create_datagram_endpoint(lambda: PythonSocket(on_datagram), sock=sock)
        return opened

    def path(self, on_packet: PacketSink, *, secure: bool) -> PythonPath:
        return PythonPath(on_packet, secure=secure)

    def sender(self, ssrc: int, sequence: int, timestamp: int, clock_rate_hz: int = 8_000) -> RtpSender:
        return RtpSender(ssrc, sequence, timestamp, clock_rate_hz)

    def receive_stats(self, ssrc: int, clock_rate: int) -> ReceiveStats:
        return ReceiveStats(ssrc, clock_rate)

    def records(self, start_s: float, most_records: int) -> Records:
        return Records(start_s, most_records)

    def take(self) -> None:
        """Nothing waits."""

    def cork(self) -> None:
        """Each packet leaves at once."""

    def uncork(self) -> None:
        """Each packet left at once."""

    @property
    def counters(self) -> dict[str, int]:
        return {}
