"""What a load is made of: packets to say, far ends that say them, and what was counted of what they heard."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pylibsrtp
from numpy.typing import NDArray

BIN_S = 1e-5
BINS = 100_000
LATE_S = 0.02
TIMESTAMPNS = 35
"""SO_TIMESTAMPNS of Linux; the socket module has no name for it."""
ROOM_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Payloads:
    """A loop of speech as packets of 20 ms, in order; an empty one is not sent (DTX)."""

    codec: str
    payload_type: int
    clock_hz: int
    packets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One far end of the server, connected: its socket, its SRTP sessions where it has any, what STUN and the like is answered with."""

    sock: socket.socket
    payload_type: int
    tx: pylibsrtp.Session | None = None
    rx: pylibsrtp.Session | None = None
    answer: Callable[[bytes], bytes | None] | None = None
    ssrc: int = 0
    close: Callable[[], Awaitable[None]] | None = None
    """Say goodbye to the server; the socket is closed after that."""


Tape = Sequence[tuple[float, bytes]]
"""(arrival in Unix seconds, packet)."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over all streams of one window. ``delays``, ``lateness``: histograms in bins of ``BIN_S``, the latter of our own sending.

    ``lost``: what was to be forwarded and did not come whole, else the holes in what came. ``late``: more than 20 ms after it was sent,
    or behind the fastest of its stream, of which ``delays`` then tells.
    """

    frames_said: int
    """Of 20 ms, pauses included."""
    sent: int
    heard: int
    lost: int
    altered: int
    disordered: int
    forged: int
    unsent: int
    others: int
    late: int
    silent: int
    """Streams that heard nothing at all."""
    unlike: int
    """Streams that heard something, but nothing of what they were to hear untouched: it was mixed or transcoded."""
    longest_gap_s: float
    delays: NDArray[np.uint32]
    lateness: NDArray[np.uint32]
    tapes: dict[int, Tape]
    """What came within the window, of the streams that are listened to, by their index."""
    departures: dict[int, list[float]]
    """When each packet of theirs left since their beginning, whatever the window, Unix seconds."""


class Loop(Protocol):
    """Used as ``with``: sends and hears in a thread of its own. ``add`` any time; ``open_window``, ``close_window``, ``counts`` in turn."""

    endpoints: list[Endpoint]

    @property
    def thread_id(self) -> int: ...

    def add(
        self, endpoints: Sequence[Endpoint], voices: Sequence[Payloads], *, speakers: Sequence[int | None], listen_s: float = 0.0
    ) -> None:
        """A room. ``speakers``: which of these endpoints each one must hear untouched, None where what it hears is mixed or transcoded.

        ``listen_s``: that much of what comes is kept for ``counts``.
        """
        ...

    async def open_window(self) -> None: ...

    async def close_window(self) -> None:
        """And wait for what is on its way."""
        ...

    def counts(self) -> Counts:
        """Of the window that was closed."""
        ...


def first_frame(index: int, voice: Payloads) -> int:
    """Where in its loop the stream of this number begins: no two begin alike."""
    return index * 37 % len(voice.packets)


def prepared(sock: socket.socket) -> None:
    """For a loop: never waits, tells arrivals by the kernel's stamps, has room for a moment's neglect."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)


def bin_of(seconds: float) -> int:
    return min(max(0, int(seconds / BIN_S)), BINS - 1)


def percentile_s(bins: NDArray[np.uint32], percent: float) -> float:
    """Of a histogram; 0 where nothing was counted."""
    sums = np.cumsum(bins, dtype=np.int64)
    return float(np.searchsorted(sums, max(1, sums[-1] * percent / 100))) * BIN_S if sums[-1] else 0.0
