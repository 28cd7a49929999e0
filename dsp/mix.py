"""Mix: what every row hears of the others, out = gains @ in, for all rooms in one operation.

A room is a few rows of the block and a square matrix of gains, ``gains[listener, speaker]``. Rooms of one size lie in one array, so that
a tick costs one matrix product per size, however many rooms there are. A change of gains, of who is in a room, or of who is selected as
speaking ramps over one block. The sum is limited softly. What is not finite counts as silence.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import exact_kernel

Block = NDArray[np.float32]
Rows = NDArray[np.intp]
KNEE = 0.7
"""Up to this magnitude (-3.1 dBFS) the limiter leaves samples as they are."""
MOST = 4.0
"""No voice comes in beyond this."""


@dataclass
class _Size:
    """All rooms of one size. ``rows`` (rooms, n); ``wanted`` and ``played`` gains (rooms, n, n); ``selected`` (rooms, n)."""

    keys: list[Hashable] = field(default_factory=list)
    rows: Rows = field(default_factory=lambda: np.zeros((0, 0), np.intp))
    wanted: Block = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    played: Block = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    changed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


class Mix:
    """``capacity`` rows; each belongs to one room at most and hears silence without one."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._sizes: dict[int, _Size] = {}
        self._size_of: dict[Hashable, int] = {}
        self._audible = np.ones(capacity, np.float32)
        self._audible_before = np.ones(capacity, np.float32)

    def set_room(self, key: Hashable, rows: Sequence[int] | Rows, gains: Block, *, at_once: bool = False) -> None:
        """A new room, or another look of one: ``gains`` (n, n) float32, 0-1, [listener, speaker] in the order of ``rows`` (n,).

        Pairs of rows that were in the room before ramp from their former gain, others from 0; ``at_once`` none does.
        Raises ValueError for another shape.
        """
        places = np.asarray(rows, np.intp)
        if gains.shape != (len(places), len(places)):
            raise ValueError(f"gains of shape {gains.shape} for {len(places)} rows: it has to be square, one row and column each")
        played = gains.astype(np.float32) if at_once else np.zeros(gains.shape, np.float32)
        former = self._take(key)
        if former is not None and not at_once:
            common, here, there = np.intersect1d(places, former[0], return_indices=True)
            if len(common):
                played[np.ix_(here, here)] = former[1][np.ix_(there, there)]
        if not len(places):
            return
        size = self._sizes.setdefault(len(places), _empty(len(places)))
        size.keys.append(key)
        size.rows = np.concatenate((size.rows, places[None]))
        size.wanted = np.concatenate((size.wanted, gains[None].astype(np.float32)))
        size.played = np.concatenate((size.played, played[None]))
        size.changed = np.append(size.changed, True)
        self._size_of[key] = len(places)

    def remove_room(self, key: Hashable) -> None:
        """The room is gone; its rows hear silence. Does nothing for an unknown one."""
        self._take(key)

    def select(self, audible: NDArray[np.bool_]) -> None:
        """Only these speakers (capacity,) are heard from the next block on; all by default."""
        self._audible = audible.astype(np.float32)

    def process(self, block: Block, out: Block | None = None) -> Block:
        """What each row hears of ``block`` (rows, samples), rows <= capacity: (rows, samples), within ±1; in ``out`` where given."""
        said, peaks = _sane(block)
        out = np.empty_like(said) if out is None else out
        out[:] = 0.0
        ramp = np.linspace(0.0, 1.0, said.shape[1], endpoint=False, dtype=np.float32)
        turned = self._audible != self._audible_before
        for size in self._sizes.values():
            self._mix(size, said, peaks, out, ramp, turned)
        self._audible_before = self._audible
        return soft_limit(out)

    def _mix(self, size: _Size, said: Block, peaks: Block, out: Block, ramp: Block, turned: NDArray[np.bool_]) -> None:
        rows = size.rows
        _add_voices(rows, size.wanted, self._audible, said, peaks, out)
        moving = np.flatnonzero(size.changed | turned[rows].any(axis=1))
        if len(moving):
            gains = size.played[moving] * self._audible_before[rows[moving]][:, None, :]
            before = gains @ said[rows[moving]]
            out[rows[moving]] = before + (out[rows[moving]] - before) * ramp
            size.played[moving] = size.wanted[moving]
            size.changed[:] = False

    def _take(self, key: Hashable) -> tuple[Rows, Block] | None:
        """Remove a room; its rows and the gains it was last heard with."""
        n = self._size_of.pop(key, 0)
        if not n:
            return None
        size = self._sizes[n]
        at = size.keys.index(key)
        former = size.rows[at], size.played[at]
        keep = np.arange(len(size.keys)) != at
        del size.keys[at]
        size.rows, size.wanted, size.played, size.changed = size.rows[keep], size.wanted[keep], size.played[keep], size.changed[keep]
        if not size.keys:
            del self._sizes[n]
        return former


class ActiveSpeakers:
    """The loudest of each room, with hysteresis: who is heard in a large room, and who speaks.

    Levels rise within 50 ms and fall by 20 dB per second. Who is among the ``most`` stays, in silence too, until somebody else is
    ``margin_db`` louder. Meant for rooms of more than ``most`` legs.
    """

    def __init__(self, capacity: int, *, most: int = 3, margin_db: float = 6.0, floor_dbfs: float = -60.0) -> None:
        self.most, self.margin_db, self.floor_dbfs = most, margin_db, floor_dbfs
        self.level_dbfs = np.full(capacity, floor_dbfs)
        self.selected = np.zeros(capacity, np.bool_)
        self.dominant = np.zeros(capacity, np.bool_)
        """At most one row of each room: the one who speaks."""

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to silence."""
        self.level_dbfs[rows] = self.floor_dbfs
        self.selected[rows] = self.dominant[rows] = False

    def observe(self, level_dbfs: NDArray[np.floating], speaking: NDArray[np.bool_], block_s: float) -> None:
        """One block of ``block_s``: levels (capacity,) in dBFS count where somebody is ``speaking`` (capacity,)."""
        heard = np.where(speaking & np.isfinite(level_dbfs), level_dbfs, self.floor_dbfs)
        risen = self.level_dbfs + (heard - self.level_dbfs) * min(1.0, block_s / 0.05)
        self.level_dbfs = np.where(heard > self.level_dbfs, risen, np.maximum(heard, self.level_dbfs - 20.0 * block_s))

    def choose(self, rooms: Rows) -> None:
        """Select in rooms of one size: ``rooms`` (rooms, n) holds their rows."""
        level = self.level_dbfs[rooms]
        quiet, before = level <= self.floor_dbfs, self.selected[rooms]
        selected = _loudest(np.where(quiet & ~before, -np.inf, level + self.margin_db * before), self.most)
        dominant = _loudest(np.where(quiet, -np.inf, level + self.margin_db * self.dominant[rooms]), 1)
        self.selected[rooms], self.dominant[rooms] = selected, dominant


def soft_limit(block: Block) -> Block:
    """Samples beyond ``KNEE`` bent so that they stay within ±1, in place; a row (rows, samples) without such samples is left as it is."""
    loud = np.flatnonzero(_peaks(block) > KNEE)
    if len(loud):
        x = block[loud]
        over = np.maximum(np.abs(x) - np.float32(KNEE), np.float32(0.0)) / np.float32(1 - KNEE)
        bent = np.minimum(np.abs(x), np.float32(KNEE)) + np.float32(1 - KNEE) * np.tanh(over)
        block[loud] = np.copysign(bent, x)
    return block


def _sane(block: Block) -> tuple[Block, Block]:
    """The block itself, or with 0 for what is not finite and ±``MOST`` for what is absurd; and the peaks (rows,) of what it was."""
    peaks = _peaks(block)
    broken = np.flatnonzero(~(peaks <= MOST))
    if not len(broken):
        return block, peaks
    sane = block.copy()
    sane[broken] = np.clip(np.nan_to_num(block[broken], nan=0.0, posinf=0.0, neginf=0.0), -MOST, MOST)
    return sane, peaks


def _peaks(block: Block) -> Block:
    """Largest magnitude of each row (rows, samples); not finite where a sample is not."""
    words = np.empty(len(block), np.int32)
    _largest(np.ascontiguousarray(block).view(np.int32), words)
    return words.view(np.float32)


@exact_kernel
def _largest(words: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    """As whole numbers, magnitudes of float32 are in the same order; what is not finite lies above all others."""
    for row in range(len(words)):
        most = np.int32(0)
        for k in range(words.shape[1]):
            most = max(most, words[row, k] & np.int32(0x7FFFFFFF))
        out[row] = most


@exact_kernel
def _add_voices(rows: Rows, gains: Block, audible: Block, said: Block, peaks: Block, out: Block) -> None:
    """What each listener hears, onto ``out``, which is silent. Who is silent, as most are, costs nothing."""
    for room in range(len(rows)):
        for listener in range(rows.shape[1]):
            heard = out[rows[room, listener]]
            for speaker in range(rows.shape[1]):
                row = rows[room, speaker]
                gain = gains[room, listener, speaker] * audible[row]
                if gain == np.float32(0.0) or peaks[row] == np.float32(0.0):
                    continue
                voice = said[row]
                for k in range(len(heard)):
                    heard[k] += gain * voice[k]


def _loudest(level: NDArray[np.float64], most: int) -> NDArray[np.bool_]:
    """The ``most`` highest finite entries of each row (rooms, n); among equals the first."""
    rank = np.argsort(np.argsort(-level, axis=1, kind="stable"), axis=1, kind="stable")
    chosen: NDArray[np.bool_] = (rank < most) & np.isfinite(level)
    return chosen


def _empty(n: int) -> _Size:
    return _Size(rows=np.zeros((0, n), np.intp), wanted=np.zeros((0, n, n), np.float32), played=np.zeros((0, n, n), np.float32))
