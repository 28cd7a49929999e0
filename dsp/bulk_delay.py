"""Bulk delay: how long after the far end its echo begins in the near end, found by itself, and the far end delayed to meet it.

For every lag of 0 to 51 hops the spectra of the near end are compared in phase with those of the far end so many hops ago, in 24 bins
of 300-2,600 Hz: the sum over frames of X* E, with the far end X whitened by its own slow level and the near end E by its magnitude (the
phase transform of Knapp and Carter, *The generalized correlation method for estimation of time delay*, 1976, recursive over frames
and divided into lags of a hop like the partitions of an adaptive filter). Without echo such a sum is a random walk whose expected power
is known, so that a lag's *strength*, power over expected power, is near 1 whatever is said; with one it grows for as long as the
echo holds its phase. The sums forget only while the far end speaks. Levels do not matter, nor does near talk (a random walk as well)
or a bent loudspeaker (its linear part keeps the phase).

The delay is told when the strongest lag stands out from chance and from the other lags for long enough; it is the place of the first
lag that has a fair part of that strength, so that neither a room's tail nor a periodic sound nor a second echo pulls it back.
"""

import math

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import LANES, Array, fill, kernel, load, load_tile, most, reset_rows, root, select, store, store_tile, tiles
from dsp.spectrum import BINS, FRAME, HOP, SINE, WORK, forward

RATE_HZ = 16_000
HOP_S = HOP / RATE_HZ
LAGS = 52
"""Lags searched, in hops: 0 to 510 ms."""
BANDS = 24
FIRST_BIN, BIN_STEP = 6, 2
GROUP = 4
"""Hops between two looks: the sums are read and written once for so many."""
MEMORY_S = 0.8
LEAST_STRENGTH, LEAST_CONTRAST = 5.0, 4.0
"""What the strongest lag must have over chance, and over the (harmonic) mean of the lags, to count as evidence."""
ENOUGH_EVIDENCE = 4.0
"""Looks in a row that must agree; one with twice the strength and contrast counts for two."""
FIRST_PART = 0.15
"""The first lag with this part of the strongest's excess is where the echo begins."""
BEAT = 1.3
"""A new delay replaces a known one when so much stronger than what is left there."""
SAME_HOPS = 1.5
"""Estimates so close are the same delay."""
HEADROOM_HOPS = 2
EARLIEST_HOPS, LATEST_HOPS = 0.5, 6.0
"""Where in the aligned far end an echo may begin before the alignment is changed."""

_RING = LAGS + GROUP
_FORGET = np.float32(math.exp(-GROUP * HOP_S / MEMORY_S))
_SILENT_POWER = np.float32(1e-6)
_LOUDEST_POWER = np.float32(1e9)
_NEVER = -100.0


class BulkDelay:
    """Finds the delay of each leg's echo and delays its far end so that the echo begins 5 to 60 ms after it.

    ``delay_s`` float32 (capacity,): NaN while unknown, kept when the echo goes. ``shift_samples`` int (capacity,): how much the far end
    is delayed now, a multiple of 160. ``moved`` int (capacity,): samples by which that grew at the last call.
    """

    def __init__(self, capacity: int) -> None:
        count = tiles(capacity)
        self.delay_s = np.full(capacity, np.nan, np.float32)
        self.shift_samples = np.zeros(capacity, np.int64)
        self.moved = np.zeros(capacity, np.int64)
        self._next_shift = np.zeros(capacity, np.int64)
        self._line = np.zeros((capacity, LAGS, HOP), np.float32)
        self._hop = 0
        self._frames = np.zeros((2, count, FRAME, LANES), np.float32)
        self._level = np.zeros((count, BANDS, LANES), np.float32)
        self._far = np.zeros((2, count, _RING, BANDS, LANES), np.float32)
        self._far_energy = np.zeros((count, _RING, LANES), np.float32)
        self._near = np.zeros((2, count, GROUP, BANDS, LANES), np.float32)
        self._sums = np.zeros((2, count, LAGS, BANDS, LANES), np.float32)
        self._chance = np.zeros((count, LAGS, LANES), np.float32)
        self._strength = np.zeros((capacity, LAGS), np.float32)
        self._known = np.full(capacity, np.nan, np.float32)
        self._candidate = np.full(capacity, _NEVER, np.float32)
        self._evidence = np.zeros(capacity, np.float32)

    def process(self, near: Array, far: Array) -> Array:
        """``near`` and ``far`` float32 (rows, 160 k) of the same time, full scale ±1, at 16 kHz; returns the far end, aligned."""
        rows, samples = far.shape
        self.moved[:] = self._next_shift - self.shift_samples
        self.shift_samples[:] = self._next_shift
        aligned = np.empty_like(far)
        every, hops = np.arange(rows), self.shift_samples[:rows] // HOP
        for first in range(0, samples, HOP):
            self._line[:rows, self._hop % LAGS] = far[:, first : first + HOP]
            aligned[:, first : first + HOP] = self._line[every, (self._hop - hops) % LAGS]
            _correlate(
                near, far, first, self._hop, self._frames, self._level, self._far, self._far_energy, self._near, self._sums, self._chance,
                self._strength,
            )  # fmt: skip
            self._hop += 1
            if self._hop % GROUP == 0:
                _decide(self._strength[:rows], self._known, self._candidate, self._evidence)
                self._align()
        return aligned

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""
        self.delay_s[rows] = self._known[rows] = np.nan
        self.shift_samples[rows] = self._next_shift[rows] = self.moved[rows] = 0
        self._line[rows] = 0
        self._candidate[rows], self._evidence[rows] = _NEVER, 0
        for pair in (self._frames, self._far, self._near, self._sums):
            reset_rows(pair[0], rows)
            reset_rows(pair[1], rows)
        for state in (self._level, self._far_energy, self._chance):
            reset_rows(state, rows)

    def _align(self) -> None:
        """From the next call on: shift so that the echo begins within the filter's tail, if it would not."""
        self.delay_s[:] = self._known * np.float32(HOP_S)
        begins = self._known - self._next_shift / HOP
        outside = (begins > LATEST_HOPS) | ((begins < EARLIEST_HOPS) & (self._next_shift > 0))
        wanted = np.maximum(np.floor(self._known[outside]) - HEADROOM_HOPS, 0)
        self._next_shift[outside] = wanted.astype(np.int64) * HOP


@kernel
def _correlate(
    near: Array, far: Array, first: int, hop: int, frames: Array, level: Array, far_ring: Array, far_energy: Array, near_ring: Array,
    sums: Array, chance: Array, strength: Array,
) -> None:  # fmt: skip
    """Take in the hop of ``near`` and ``far`` (rows, samples) from ``first`` on; at a group's end bring the sums up to date."""
    fresh = np.empty((HOP, LANES), np.float32)
    windowed = np.empty((FRAME, LANES), np.float32)
    re, im = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    work = np.empty(WORK, np.float32)
    ratio = np.empty((LAGS, LANES), np.float32)
    newest, step = hop % _RING, hop % GROUP
    for tile in range(tiles(near.shape[0])):
        for side in range(2):
            load_tile(near if side == 0 else far, tile, first, fresh)
            for n in range(HOP):
                earlier, later = load(frames, (side, tile, HOP + n)), load(fresh, n)
                store(frames, (side, tile, n), earlier)
                store(frames, (side, tile, HOP + n), later)
                store(windowed, n, earlier * SINE[n])
                store(windowed, HOP + n, later * SINE[HOP + n])
            forward(windowed, re, im, work)
            energy = fill(0.0)
            for k in range(BANDS):
                a, b = load(re, FIRST_BIN + BIN_STEP * k), load(im, FIRST_BIN + BIN_STEP * k)
                power = a * a + b * b
                sound = power < _LOUDEST_POWER  # not so for NaN
                power = select(sound, power, 0.0)
                if side == 0:
                    scale = 1.0 / root(power + 1e-12)
                    store(near_ring, (0, tile, step, k), select(sound, a * scale, 0.0))
                    store(near_ring, (1, tile, step, k), select(sound, b * scale, 0.0))
                else:
                    slow = load(level, (tile, k))
                    slow += select(power > slow, 0.05, 0.005) * (power - slow)
                    store(level, (tile, k), slow)
                    scale = 1.0 / root(power + 0.3 * slow + _SILENT_POWER)
                    store(far_ring, (0, tile, newest, k), select(sound, a * scale, 0.0))
                    store(far_ring, (1, tile, newest, k), select(sound, b * scale, 0.0))
                    energy += power * scale * scale
            if side == 1:
                store(far_energy, (tile, newest), energy)
        if step == GROUP - 1:
            _accumulate(tile, hop, far_ring, far_energy, near_ring, sums, chance, ratio)
            store_tile(strength, tile, 0, ratio)


@kernel
def _accumulate(
    tile: int, hop: int, far_ring: Array, far_energy: Array, near_ring: Array, sums: Array, chance: Array, ratio: Array
) -> None:
    """Add the last ``GROUP`` hops of one tile to the sums of all lags; ``ratio`` (LAGS, LANES) becomes each lag's strength."""
    active = fill(0.0)
    for slot in range(_RING):
        active += load(far_energy, (tile, slot))
    forget = select(active > np.float32(0.02 * BANDS * _RING), _FORGET, 1.0)
    for lag in range(LAGS):
        oldest = hop - (GROUP - 1) - lag + 2 * _RING
        s0, s1, s2, s3 = oldest % _RING, (oldest + 1) % _RING, (oldest + 2) % _RING, (oldest + 3) % _RING
        total = fill(0.0)
        for k in range(BANDS):
            # The small number keeps decayed sums out of the range of denormals.
            re = load(sums, (0, tile, lag, k)) * forget + 1e-15
            im = load(sums, (1, tile, lag, k)) * forget + 1e-15
            xr, xi = load(far_ring, (0, tile, s0, k)), load(far_ring, (1, tile, s0, k))
            er, ei = load(near_ring, (0, tile, 0, k)), load(near_ring, (1, tile, 0, k))
            re += xr * er + xi * ei
            im += xr * ei - xi * er
            xr, xi = load(far_ring, (0, tile, s1, k)), load(far_ring, (1, tile, s1, k))
            er, ei = load(near_ring, (0, tile, 1, k)), load(near_ring, (1, tile, 1, k))
            re += xr * er + xi * ei
            im += xr * ei - xi * er
            xr, xi = load(far_ring, (0, tile, s2, k)), load(far_ring, (1, tile, s2, k))
            er, ei = load(near_ring, (0, tile, 2, k)), load(near_ring, (1, tile, 2, k))
            re += xr * er + xi * ei
            im += xr * ei - xi * er
            xr, xi = load(far_ring, (0, tile, s3, k)), load(far_ring, (1, tile, s3, k))
            er, ei = load(near_ring, (0, tile, 3, k)), load(near_ring, (1, tile, 3, k))
            re += xr * er + xi * ei
            im += xr * ei - xi * er
            store(sums, (0, tile, lag, k), re)
            store(sums, (1, tile, lag, k), im)
            total += re * re + im * im
        expected = load(chance, (tile, lag)) * (forget * forget) + 1e-15
        expected += (
            load(far_energy, (tile, s0)) + load(far_energy, (tile, s1)) + load(far_energy, (tile, s2)) + load(far_energy, (tile, s3))
        )
        store(chance, (tile, lag), expected)
        store(ratio, lag, total / most(expected, fill(1.0)))


@kernel
def _decide(strength: Array, known: Array, candidate: Array, evidence: Array) -> None:
    """One look at ``strength`` (rows, LAGS): gather evidence, and set ``known`` (rows,), the delay in hops."""
    for row in range(strength.shape[0]):
        inverse, strongest = 0.0, 0.0
        for lag in range(LAGS):
            inverse += 1.0 / max(strength[row, lag], 0.05)
            strongest = max(strongest, strength[row, lag])
        mean = LAGS / inverse
        proof = min(strongest / LEAST_STRENGTH, strongest / (LEAST_CONTRAST * mean))
        if proof <= 1.0:
            candidate[row], evidence[row] = _NEVER, 0.0
            continue
        chance = max(mean, 1.0)
        part = max(FIRST_PART * (strongest - chance), 1.0)
        lag = 0
        while strength[row, lag] - chance < part:
            lag += 1
        here = math.sqrt(strength[row, lag] - chance)
        after = math.sqrt(max(strength[row, min(lag + 1, LAGS - 1)] - chance, 0.0))
        place = lag + after / (here + after)
        if abs(place - candidate[row]) <= SAME_HOPS:
            candidate[row] += 0.3 * (place - candidate[row])
        else:
            candidate[row], evidence[row] = place, 0.0
        evidence[row] += min(proof, 2.0)
        if evidence[row] < ENOUGH_EVIDENCE:
            continue
        if abs(candidate[row] - known[row]) <= SAME_HOPS:
            known[row] += 0.1 * (candidate[row] - known[row])
            continue
        left = 0.0
        if not math.isnan(known[row]):
            at = int(known[row])
            left = max(strength[row, at], strength[row, min(at + 1, LAGS - 1)]) - chance
        if strongest - chance > BEAT * left:
            known[row] = candidate[row]
