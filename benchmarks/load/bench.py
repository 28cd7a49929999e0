"""One server under load: rooms are added, then a window is measured."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from api.load.browser import NotConnected
from api.load.python_loop import PythonLoop
from api.load.streams import Counts, Loop, Payloads, percentile_s
from benchmarks.load import process
from benchmarks.load.loop import NativeLoop, library
from benchmarks.load.servers import LOAD_CORE, Ours, Server, Side
from benchmarks.load.voices import Quality, quality
from media.codec import Samples
from media.dtls import DtlsFailure
from media.messages import MediaRefusal
from rooms.audio import AudioCodec

FULL = 0.9
_SATURATED, _AIMED_AT = 0.97, 0.8
_SAID_LEAST = 0.97
_LOST_MOST, _LATE_MOST = 0.001, 0.01
_CLIMBS, _STEEPEST = 4, 4
_AT_ONCE = 16
PACKETS_PER_S = 50


@dataclass(frozen=True, slots=True)
class Listened:
    """A stream that is kept and scored: its index, what it speaks, and the loops of those it is to hear."""

    index: int
    codec: AudioCodec
    loops: tuple[Samples, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One window. ``cpu_s``, ``load_cpu_s``: processor time of the server and of the generator's loop; ``waited_s``: what the server's

    threads waited for their core. Bytes are the server's.
    """

    legs: int
    seconds: float
    cpu_s: float
    waited_s: float
    load_cpu_s: float
    bytes_before: int
    bytes_empty: int
    bytes_after: int
    counts: Counts
    jitter_target_ms: float = 0.0
    """Of our jitter buffers, at the end."""

    @property
    def utilisation(self) -> float:
        """Cores that the server kept busy."""
        return self.cpu_s / self.seconds

    @property
    def frame_us(self) -> float:
        """Processor time per leg and 20 ms: one packet in and one out, unless somebody pauses."""
        return 1e6 * self.cpu_s / max(1, self.counts.frames_said)

    @property
    def legs_per_core(self) -> float:
        """At ``FULL`` load, each leg speaking as these did."""
        return FULL * 1e6 / PACKETS_PER_S / self.frame_us

    @property
    def bytes_per_leg(self) -> float:
        return (self.bytes_before - self.bytes_empty) / self.legs

    def delay_ms(self, percent: float) -> float:
        return 1000 * percentile_s(self.counts.delays, percent)

    @property
    def whole(self) -> bool:
        """The server kept up with what was asked of it, and the generator with asking."""
        counts = self.counts
        if counts.frames_said < _SAID_LEAST * PACKETS_PER_S * self.seconds * self.legs:
            return False
        return self.utilisation < _SATURATED and counts.lost <= counts.sent * _LOST_MOST and counts.late <= counts.sent * _LATE_MOST


class Bench:
    """``async with Bench(server, most)``: the server and the loop run until the end. ``add`` and ``measure`` as often as wanted."""

    def __init__(self, server: Server, most_legs: int) -> None:
        self.server = server
        self.loop: Loop = NativeLoop(most_legs) if library() is not None else PythonLoop()
        self.listened: list[Listened] = []
        self._stack = AsyncExitStack()
        self._bytes_empty = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
            process.pin(os.getpid(), LOAD_CORE)
            await stack.enter_async_context(self.server)  # type: ignore[arg-type]
            self._bytes_empty = process.usage(self.server.pids).bytes
            stack.push_async_callback(self._part)
            stack.enter_context(self.loop)  # type: ignore[arg-type]
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def _part(self) -> None:
        """The loop has stopped: say goodbye for everybody."""
        await asyncio.gather(*(endpoint.close() for endpoint in self.loop.endpoints if endpoint.close is not None))
        for endpoint in self.loop.endpoints:
            endpoint.sock.close()

    async def add(
        self,
        rooms: int,
        sides: Sequence[Side],
        voices: Sequence[Sequence[tuple[Payloads, Samples]]],
        *,
        forwarded: bool,
        listen_to: Sequence[int] = (),
        listen_s: float = 0.0,
        silent: Sequence[int] = (),
    ) -> None:
        """So many rooms more, each of these sides. ``voices``: for each side the speakers to choose from, room by room.

        ``forwarded``: in rooms of two each must hear the other's packets as they were sent. In the rooms of numbers ``listen_to`` every
        side is kept for its score; ``silent``: sides that say nothing worth hearing.
        """
        gate = asyncio.Semaphore(_AT_ONCE)

        async def opened(number: int) -> None:
            async with gate:
                endpoints = await self.server.room(sides)
            chosen = [choice[(number + 2 * side) % len(choice)] for side, choice in enumerate(voices)]
            first, listening = len(self.loop.endpoints), number in listen_to
            pairs = [1, 0] if len(sides) == 2 else [0]
            speakers = pairs if forwarded else [None] * len(sides)
            self.loop.add(endpoints, [voice for voice, _ in chosen], speakers=speakers, listen_s=listen_s if listening else 0.0)
            for side in range(len(sides)) if listening else ():
                others = range(len(sides)) if len(sides) == 1 else [other for other in range(len(sides)) if other != side]
                loops = tuple(chosen[other][1] for other in others if other not in silent)
                if loops:
                    self.listened.append(Listened(first + side, sides[side].codec, loops))

        async with asyncio.TaskGroup() as group:
            for number in range(rooms):
                group.create_task(opened(number))

    async def measure(self, seconds: float, *, warm_s: float) -> Measured:
        await asyncio.sleep(warm_s)
        await self.loop.open_window()
        begun_s, before = time.monotonic(), process.usage(self.server.pids)
        load_cpu_s = process.thread_cpu_s(self.loop.thread_id)
        await asyncio.sleep(seconds)
        ended_s, after = time.monotonic(), process.usage(self.server.pids)
        load_after_s = process.thread_cpu_s(self.loop.thread_id)
        await self.loop.close_window()
        return Measured(
            legs=len(self.loop.endpoints),
            seconds=ended_s - begun_s,
            cpu_s=after.cpu_s - before.cpu_s,
            waited_s=after.waited_s - before.waited_s,
            load_cpu_s=load_after_s - load_cpu_s,
            bytes_before=before.bytes,
            bytes_empty=self._bytes_empty,
            bytes_after=after.bytes,
            counts=self.loop.counts(),
            jitter_target_ms=self.server.jitter_target_ms if isinstance(self.server, Ours) else 0.0,
        )

    def quality(self, measured: Measured, codec: AudioCodec, band: str) -> Quality:
        """Of what the listeners of this codec heard."""
        tapes = measured.counts.tapes
        return quality([(tapes[one.index], one.loops) for one in self.listened if one.codec == codec], codec, band)


async def climb(
    bench: Bench, grow: Callable[[int], Awaitable[None]], *, first: int, most: int, seconds: float, warm_s: float
) -> tuple[int, Measured]:
    """Rooms are added, from ``first``, until the server is about as busy as it should ever be, or ``most`` are there; never so many at once
    that one step too far would leave nothing but a small one.

    ``grow(rooms)`` adds so many. Returns the last step at which nothing was lost, and what was measured there.
    """
    await grow(first)
    rooms, measured = first, await bench.measure(seconds, warm_s=warm_s)
    for _ in range(_CLIMBS):
        wanted = min(most, int(rooms * min(_STEEPEST, _AIMED_AT / max(0.01, measured.utilisation))))
        if not measured.whole or wanted < rooms * 1.15:
            break
        if not await _grown(grow, wanted - rooms):
            break
        higher = await bench.measure(seconds, warm_s=warm_s)
        if not higher.whole:
            break
        rooms, measured = wanted, higher
    return rooms, measured


async def _grown(grow: Callable[[int], Awaitable[None]], rooms: int) -> bool:
    """False where the server was too busy to let them in, or said so."""
    let_in = True
    try:
        await grow(rooms)
    except* (NotConnected, DtlsFailure, MediaRefusal):
        let_in = False
    return let_in
