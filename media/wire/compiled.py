"""The compiled packet path (``_wire.c``) behind the seam. One per process: its thread and its rings are the process's own.

Importing this raises ImportError where the extension was not built; ``media.wire.choose`` says what to do then.
"""

import asyncio
import socket
from typing import Self, cast

from media.receive_stats import Intervals, ReceiveStats
from media.recording.records import Records, Telling
from media.sender import RtpSender
from media.srtp import SrtpSessions, srtp_functions, srtp_pointers
from media.wire import _wire
from media.wire.seam import DatagramSink, Forward, PacketSink, Path, PathCounters, Play, WireSocket

_INTERVAL_S = 0.002
"""How long packets may wait for one another under load: a tenth of what a frame lasts, half of what forwarding may add."""


class CompiledReceiveStats(_wire.Reception, Intervals):
    """See ``media.receive_stats.ReceiveStats``."""

    def __init__(self, ssrc: int, clock_rate: int, *, probation: int = 1) -> None:
        super().__init__(ssrc, clock_rate, probation=probation)
        self._reported = self._looked = (0, 0, 0)
        self._report = None


class CompiledRecords(_wire.Records, Telling):
    """See ``media.recording.records.Records``."""


class CompiledSocket(_wire.Socket):
    """See ``media.wire.seam.WireSocket``."""

    def __init__(self, sock: socket.socket, on_datagram: DatagramSink) -> None:
        super().__init__(sock.fileno(), on_datagram)
        self._sock = sock

    def close(self) -> None:
        super().close()
        self._sock.close()

    async def wait_closed(self) -> None:
        """It is closed at once."""


class CompiledPath(_wire.Path):
    """See ``media.wire.seam.Path``."""

    @property
    def counters(self) -> PathCounters:
        return PathCounters(*self.counts)

    def secure(self, sessions: SrtpSessions | None) -> None:
        if sessions is None:
            self.secure_with()
        else:
            self.secure_with(*srtp_pointers(sessions), sessions)

    def forward(self, forward: Forward | None) -> None:
        if forward is None:
            self.forward_to()
            return
        target, codecs = cast(CompiledPath, forward.target), (forward.codec_in, forward.codec_out)
        self.forward_to(target, *codecs, forward.received, forward.sender, forward.said, forward.heard, forward.copies)

    def play(self, play: Play | None) -> None:
        if play is None:
            self.play_to()
        else:
            self.play_to(play.put, play.payload_type, play.received, play.omitted, *(play.place or ()))


class CompiledWire:
    """See ``media.wire.seam.Wire``."""

    name = "c"
    running = False
    """Does this process have one already?"""

    def __init__(self) -> None:
        self._descriptor = -1

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()

        def on_fault(fault: BaseException) -> None:
            loop.call_exception_handler({"message": "What was done with a packet failed", "exception": fault})

        self._descriptor = _wire.start(_INTERVAL_S, srtp_functions(), on_fault)
        CompiledWire.running = True
        loop.add_reader(self._descriptor, _wire.take)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        _wire.stop()
        CompiledWire.running = False

    async def open(self, sock: socket.socket, on_datagram: DatagramSink) -> WireSocket:
        sock.setblocking(False)
        return cast(WireSocket, CompiledSocket(sock, on_datagram))

    def path(self, on_packet: PacketSink, *, secure: bool) -> Path:
        return cast(Path, CompiledPath(on_packet, secure=secure))

    def sender(self, ssrc: int, sequence: int, timestamp: int, clock_rate_hz: int = 8_000) -> RtpSender:
        return cast(RtpSender, _wire.RtpSender(ssrc, sequence, timestamp, clock_rate_hz))

    def receive_stats(self, ssrc: int, clock_rate: int) -> ReceiveStats:
        return cast(ReceiveStats, CompiledReceiveStats(ssrc, clock_rate))

    def records(self, start_s: float, most_records: int) -> Records:
        return cast(Records, CompiledRecords(start_s, most_records))

    def take(self) -> None:
        _wire.take()

    def cork(self) -> None:
        _wire.cork()

    def uncork(self) -> None:
        _wire.uncork()

    @property
    def counters(self) -> dict[str, int]:
        return _wire.counters()
