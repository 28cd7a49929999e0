"""What is heard and spoken on a route point's leg: raw PCM, 16 bit little-endian, 8000 Hz, mono. Pure: who has a clock paces it."""

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

RATE_HZ = 8000
FRAME_MS = 20
FRAME_BYTES = RATE_HZ * 2 * FRAME_MS // 1000
MAX_KEPT_BYTES = 120 * RATE_HZ * 2
"""Two minutes of what was posted are kept, and as many records of when it came."""

Voice = Callable[[], bytes]
"""Gives the next 20 ms of what somebody says."""


def tone(frequency_hz: float = 440.0, amplitude: float = 0.25) -> Voice:
    """A voice that hums."""
    index = 0

    def next_frame() -> bytes:
        nonlocal index
        samples = range(index, index + RATE_HZ * FRAME_MS // 1000)
        index += RATE_HZ * FRAME_MS // 1000
        return struct.pack("<160h", *(round(32767 * amplitude * math.sin(2 * math.pi * frequency_hz * n / RATE_HZ)) for n in samples))

    return next_frame


def silence() -> bytes:
    return bytes(FRAME_BYTES)


class Pcm:
    """Sound on its way from one who gives it when it comes to one who takes 20 ms at a time. Bounded: the oldest gives way."""

    def __init__(self, longest_ms: int = 2000) -> None:
        self._kept = bytearray()
        self._longest = longest_ms * RATE_HZ * 2 // 1000

    def push(self, piece: bytes) -> None:
        self._kept += piece
        excess = len(self._kept) - self._longest
        if excess > 0:
            del self._kept[: excess + excess % 2]

    def pull(self) -> bytes:
        """The next 20 ms; silence where there is less."""
        if len(self._kept) < FRAME_BYTES:
            return silence()
        frame = bytes(self._kept[:FRAME_BYTES])
        del self._kept[:FRAME_BYTES]
        return frame


@dataclass(frozen=True, slots=True)
class Arrival:
    """A piece of a posted stream: when it came, in monotonic seconds, and how many bytes it had."""

    at: float
    size: int


@dataclass(slots=True)
class LegAudio:
    """``voice``: what the far end says. What the app posts waits in ``waiting`` for who hears it; ``posted`` and ``arrivals`` record it."""

    voice: Voice
    waiting: Pcm = field(default_factory=lambda: Pcm(10_000))
    posted: bytearray = field(default_factory=bytearray)
    arrivals: list[Arrival] = field(default_factory=list)
    ended_cleanly: bool | None = None
    """Did the last posted stream end with its final chunk? None while none ended."""

    def post(self, piece: bytes, now: float) -> None:
        if len(self.posted) + len(piece) <= MAX_KEPT_BYTES and len(self.arrivals) < MAX_KEPT_BYTES // FRAME_BYTES:
            self.posted += piece
            self.arrivals.append(Arrival(now, len(piece)))
        self.waiting.push(piece)

    def lead_s(self) -> float:
        """How far what was posted ran ahead of real time at most, in seconds, counted from the first piece."""
        lead = sent = 0.0
        for arrival in self.arrivals:
            sent += arrival.size / (RATE_HZ * 2)
            lead = max(lead, sent - (arrival.at - self.arrivals[0].at))
        return lead


def odd_chunks(frames: Callable[[], bytes], random: Random) -> Iterator[bytes]:
    """Frames cut anew at arbitrary borders, also within a sample; what is held back comes with the next one."""
    held = b""
    while True:
        held += frames()
        cut = max(1, len(held) - random.randrange(0, 64))
        yield held[:cut]
        held = held[cut:]
