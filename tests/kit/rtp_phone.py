"""A phone's media side and nothing else: one UDP socket, a tone that it speaks, and every packet that it hears, encrypted or not."""

import asyncio
import socket
import time
from collections.abc import Callable
from itertools import count
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from media import rtcp, rtp
from media.codec import make_decoder, make_encoder
from media.srtp import SrtpError, SrtpSessions, open_sessions, sent_session
from rooms.audio import AudioCodec, Direction, RtpEndpoint, SrtpKey, SrtpKeys, SrtpSuite
from tests.kit.pace import Pace

EVENT_TYPE = 101


def bound_socket(host: str = "127.0.0.1") -> socket.socket:
    """A UDP socket on a free loopback port, as the hub hands it to a worker."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.setblocking(False)
    return sock


def srtp_key(suite: SrtpSuite, seed: int) -> SrtpKey:
    return SrtpKey(suite, np.random.default_rng(seed).bytes(suite.key_bytes))


class RtpPhone(asyncio.DatagramProtocol):
    """``async with``. ``call(host, port)`` begins to speak: 50 packets a second of a tone. ``arrivals``: (monotonic s, packet)."""

    def __init__(
        self,
        codec: AudioCodec,
        *,
        frequency_hz: float = 440.0,
        amplitude: float = 0.25,
        host: str = "127.0.0.1",
        suite: SrtpSuite | None = None,
    ) -> None:
        self.codec = codec
        self.keys = SrtpKeys(srtp_key(suite, 1), srtp_key(suite, 2)) if suite is not None else None
        """Its own first; with a ``suite`` everything is encrypted."""
        self.refused = 0
        """Packets that were not encrypted as they should be."""
        self._sessions = open_sessions(self.keys) if self.keys is not None else None
        self.arrivals: list[tuple[float, bytes]] = []
        self.rtcp: list[bytes] = []
        self.sent: list[bytes] = []
        self.lose: set[int] = set()
        """Indices of packets that get lost on the way."""
        self.speaking = True
        self.wanted_ms = 20
        """How long it wants the packets to be that it hears."""
        self._tones: tuple[float, ...] = (frequency_hz,)
        self._amplitude = amplitude
        self._came = asyncio.Event()
        self._encoder = make_encoder(codec, rate_hz=16_000)
        self._sequence, self._timestamp = 30_000, 1_000
        self._pressed_at = -1
        self._task: asyncio.Task[None] | None = None
        self._transport: Any = None
        self._closed = asyncio.Event()
        self._far: tuple[str, int] = ("", 0)
        self.host = host

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, 0))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._transport.close()
        await self._closed.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._sessions is not None:
            try:
                data = (self._sessions.received.unprotect_rtcp if rtp.is_rtcp(data) else self._sessions.received.unprotect)(data)
            except SrtpError:
                self.refused += 1
                return
        if rtp.is_rtcp(data):
            self.rtcp.append(data)
        else:
            self.arrivals.append((time.monotonic(), data))
        self._came.set()

    # -- what it agrees to and sends

    def endpoint(self, *, direction: Direction = Direction.SENDRECV, events: bool = True) -> RtpEndpoint:
        host, port = self._transport.get_extra_info("sockname")[:2]
        keys = SrtpKeys(sent=self.keys.received, received=self.keys.sent) if self.keys is not None else None
        return RtpEndpoint(host, port, (self.codec,), EVENT_TYPE if events else None, direction, self.wanted_ms, srtp=keys)

    def renew_key(self, seed: int) -> Callable[[], None]:
        """Agree to another key of its own; what is returned has it sent under that one."""
        assert self.keys is not None and self._sessions is not None
        self.keys = SrtpKeys(srtp_key(self.keys.sent.suite, seed), self.keys.received)
        sessions = SrtpSessions(self._sessions.received, sent_session(self.keys.sent))

        def use() -> None:
            self._sessions = sessions

        return use

    def hum(self, *frequencies_hz: float) -> None:
        """These from now on, each as loud."""
        self._tones = frequencies_hz

    def call(self, host: str, port: int) -> None:
        self._far = (host, port)
        if self._task is not None:  # it speaks already, and from now on to somebody else
            return
        self._task = asyncio.get_running_loop().create_task(self._speak(), name="phone-speaks")

    async def _speak(self) -> None:
        pace = Pace()
        for index in count():
            await pace.turn()
            t = (320 * index + np.arange(320)) / 16_000
            tones = sum(np.sin(2 * np.pi * frequency_hz * t) for frequency_hz in self._tones)
            payload = self._encoder.encode((self._amplitude * tones).astype(np.float32))
            if self.speaking:
                self._send(payload, self.codec.payload_type, lost=index in self.lose)
            self._timestamp += self.codec.clock_rate // 50

    def _send(self, payload: bytes, payload_type: int, *, lost: bool = False) -> None:
        packet = rtp.build(payload_type, self._sequence, self._timestamp, 0x1234, payload)
        self._sequence += 1
        if not lost:
            self.sent.append(payload)
            self._came.set()
            self._transport.sendto(packet if self._sessions is None else self._sessions.sent.protect(packet), self._far)

    def spray(self, host: str, port: int, packets: int) -> None:
        """So many packets in sequence at once, to whoever listens there."""
        former, self._far = self._far, (host, port)
        for _ in range(packets):
            self._send(b"\x2a" * 160, self.codec.payload_type)
            self._timestamp += self.codec.clock_rate // 50
        self._far = former

    def press(self, digit: str) -> None:
        """One event as some phones send it: no marker, and only its last packets are the same. Each has a time of its own: pressed twice
        within a frame it is two keys."""
        if self._timestamp == self._pressed_at:
            self._timestamp += self.codec.clock_rate // 50
        self._pressed_at = self._timestamp
        for duration, end in ((160, False), (320, False), (480, True), (480, True)):
            self._send(rtp.build_event(rtp.TelephoneEvent(digit, end, duration)), EVENT_TYPE)

    def report(self, host: str, port: int) -> None:
        """A sender report with a block about the stream it hears, quoting the last report it got."""
        blocks: tuple[rtcp.ReportBlock, ...] = ()
        for compound in reversed(self.rtcp):
            found = rtcp.parse(compound) or []
            if found and isinstance(found[0], rtcp.SenderReport):
                blocks = (rtcp.ReportBlock(found[0].ssrc, 0.0, 0, 0, 0, rtcp.middle_of_ntp(found[0].ntp), 0),)
                break
        report = rtcp.SenderReport(0x1234, rtcp.ntp_time(time.monotonic()), 0, len(self.sent), 0, blocks)
        compound = rtcp.build(report, rtcp.SourceDescription(0x1234, "phone"))
        self._transport.sendto(compound if self._sessions is None else self._sessions.sent.protect_rtcp(compound), (host, port))

    # -- what it heard

    async def hear(self, packets: int, *, within_s: float = 30.0) -> None:
        """Wait until so many more packets have come."""
        wanted = len(self.arrivals) + packets
        await self._until(lambda: len(self.arrivals) >= wanted, within_s)

    async def say(self, packets: int, *, within_s: float = 30.0) -> None:
        """Wait until it has sent so many more: what it hears may have waited in its socket, what it says never has."""
        wanted = len(self.sent) + packets
        await self._until(lambda: len(self.sent) >= wanted, within_s)

    async def hear_rtcp(self, within_s: float = 30.0) -> None:
        await self._until(lambda: bool(self.rtcp), within_s)

    async def hear_report(self, wanted: Callable[[rtcp.ReportBlock], bool], *, within_s: float = 30.0) -> rtcp.ReportBlock:
        """The first report about our packets, past or to come, that is like this."""

        def found() -> rtcp.ReportBlock | None:
            reports = (report for compound in self.rtcp for report in rtcp.parse(compound) or [])
            blocks = (block for report in reports if isinstance(report, rtcp.SenderReport | rtcp.ReceiverReport) for block in report.blocks)
            return next((block for block in blocks if wanted(block)), None)

        await self._until(found, within_s)
        block = found()
        assert block is not None
        return block

    async def hear_metrics(self, within_s: float = 30.0) -> rtcp.VoipMetrics:
        """The first extended report on how we sound, past or to come."""

        def found() -> rtcp.VoipMetrics | None:
            reports = (report for compound in self.rtcp for report in rtcp.parse(compound) or [])
            return next((told for report in reports if isinstance(report, rtcp.ExtendedReport) for told in report.voip), None)

        await self._until(found, within_s)
        metrics = found()
        assert metrics is not None
        return metrics

    async def hear_bye(self, within_s: float = 30.0) -> None:
        await self._until(lambda: any(isinstance(r, rtcp.Bye) for compound in self.rtcp for r in rtcp.parse(compound) or []), within_s)

    async def _until(self, done: Any, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not done():
                self._came.clear()
                await self._came.wait()

    @property
    def headers(self) -> list[rtp.RtpHeader]:
        return [header for _, packet in self.arrivals if (header := rtp.parse(packet)) is not None]

    @property
    def payloads(self) -> list[bytes]:
        return [packet[h.payload_start : h.payload_end] for (_, packet), h in zip(self.arrivals, self.headers, strict=True)]

    def heard(self, *, last: int | None = None) -> NDArray[np.float32]:
        """The speech of (the last) packets at 16 kHz, decoded without any jitter buffer."""
        decoder = make_decoder(self.codec, rate_hz=16_000)
        audio = [p for p, h in zip(self.payloads, self.headers, strict=True) if h.payload_type == self.codec.payload_type]
        decoded = [decoder.decode(payload) for payload in audio]
        return np.concatenate(decoded[-last:] if last else decoded)
