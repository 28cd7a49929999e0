"""Bulk delay: how long after the far end its echo begins in the near end, found by itself, and the far end delayed to meet it.

For every lag of 0 to 51 hops the spectra of the near end are compared in phase with those of the far end so many hops ago, in 24 bins
of 300-2,600 Hz: the sum over frames of X* E, with the far end X whitened by its own slow level and the near end E by its magnitude (the
phase transform of Knapp and Carter, *The generalized correlation method for estimation of time delay*, 1976, recursive over frames
and divided into lags of a hop like the partitions of an adaptive filter). Without echo such a sum is a random walk whose expected power
is known, so that a lag's *strength*, power over expected power, is near 1 whatever is said; with one it grows for as long as the
echo holds its phase. The sums forget only while the far end speaks. Levels do not matter, nor does near talk (a random walk as well)
or a bent loudspeaker (its linear part keeps the phase).

A lag counts as much as it still *holds*: as what the last frames add to its sum agrees with what is there already. Where an echo has gone
from, nothing holds, long before its sum is forgotten.

The delay is told when the strongest lag stands out from chance and from the other lags for long enough; it is the place of the first
lag that has a fair part of that strength, so that neither a room's tail nor a periodic sound nor a second echo pulls it back.
"""

import math

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import LANES, Array, fill, kernel, least, load, load_tile, most, reset_rows, root, select, store, store_tile, tiles
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
HOLD = 0.8
"""What is left of a lag's holding at the next look: it is that of the last 0.2 s."""
HOLDS = 1.5
"""A lag that holds two thirds of what a steady echo does counts in full."""
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
        self._last = np.zeros((2, count, HOP, LANES), np.float32)
        self._level = np.zeros((count, BANDS, LANES), np.float32)
        self._far = np.zeros((2, count, _RING, BANDS, LANES), np.float32)
        self._far_energy = np.zeros((count, _RING, LANES), np.float32)
        self._near = np.zeros((2, count, GROUP, BANDS, LANES), np.float32)
        self._sums = np.zeros((2, count, LAGS, BANDS, LANES), np.float32)
        self._chance = np.zeros((count, LAGS, LANES), np.float32)
        self._agreed = np.zeros((count, LAGS, LANES), np.float32)
        self._said = np.zeros((count, LAGS, LANES), np.float32)
        self._strength = np.zeros((capacity, LAGS), np.float32)
        self._holding = np.zeros((capacity, LAGS), np.float32)
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
            slot = self._hop + first // HOP
            self._line[:rows, slot % LAGS] = far[:, first : first + HOP]
            aligned[:, first : first + HOP] = self._line[every, (slot - hops) % LAGS]
        first, end = 0, samples // HOP
        while first < end:
            count = min(end - first, GROUP - self._hop % GROUP)
            _correlate(
                near, far, first, count, self._hop, self._last, self._level, self._far, self._far_energy, self._near, self._sums,
                self._chance, self._agreed, self._said, self._strength, self._holding,
            )  # fmt: skip
            first += count
            self._hop += count
            if self._hop % GROUP == 0:
                _decide(self._strength[:rows], self._holding, self._known, self._candidate, self._evidence)
                self._align()
        return aligned

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""
        self.delay_s[rows] = self._known[rows] = np.nan
        self.shift_samples[rows] = self._next_shift[rows] = self.moved[rows] = 0
        self._line[rows] = 0
        self._candidate[rows], self._evidence[rows] = _NEVER, 0
        for pair in (self._last, self._far, self._near, self._sums):
            reset_rows(pair[0], rows)
            reset_rows(pair[1], rows)
        for state in (self._level, self._far_energy, self._chance, self._agreed, self._said):
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
    near: Array, far: Array, first: int, count: int, hop: int, last: Array, level: Array, far_ring: Array, far_energy: Array,
    near_ring: Array, sums: Array, chance: Array, agreed: Array, said: Array, strength: Array, holding: Array,
) -> None:  # fmt: skip
    """Take in ``count`` hops of ``near`` and ``far`` (rows, samples) from hop ``first`` on; at a group's end bring the sums up to date."""
    fresh = np.empty((HOP, LANES), np.float32)
    windowed = np.empty((FRAME, LANES), np.float32)
    re, im = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    work = np.empty(WORK, np.float32)
    ratio, held = np.empty((LAGS, LANES), np.float32), np.empty((LAGS, LANES), np.float32)
    for tile in range(tiles(near.shape[0])):
        for number in range(count):
            newest, step = (hop + number) % _RING, (hop + number) % GROUP
            for side in range(2):
                load_tile(near if side == 0 else far, tile, (first + number) * HOP, fresh)
                for n in range(HOP):
                    earlier, later = load(last, (side, tile, n)), load(fresh, n)
                    store(last, (side, tile, n), later)
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
                _accumulate(tile, hop + number, far_ring, far_energy, near_ring, sums, chance, agreed, said, ratio, held)
                store_tile(strength, tile, 0, ratio)
                store_tile(holding, tile, 0, held)


@kernel
def _accumulate(
    tile: int, hop: int, far_ring: Array, far_energy: Array, near_ring: Array, sums: Array, chance: Array, agreed: Array, said: Array,
    ratio: Array, held: Array,
) -> None:  # fmt: skip
    """Add the last ``GROUP`` hops of one tile to the sums of all lags; ``ratio`` and ``held`` (LAGS, LANES) become strength and holding."""
    energy = fill(0.0)
    for slot in range(_RING):
        energy += load(far_energy, (tile, slot))
    active = energy > np.float32(0.02 * BANDS * _RING)
    forget = select(active, _FORGET, 1.0)
    for lag in range(LAGS):
        oldest = hop - (GROUP - 1) - lag + 2 * _RING
        s0, s1, s2, s3 = oldest % _RING, (oldest + 1) % _RING, (oldest + 2) % _RING, (oldest + 3) % _RING
        before, after, agreement = fill(0.0), fill(0.0), fill(0.0)
        for k in range(BANDS):
            xr, xi = load(far_ring, (0, tile, s0, k)), load(far_ring, (1, tile, s0, k))
            er, ei = load(near_ring, (0, tile, 0, k)), load(near_ring, (1, tile, 0, k))
            re, im = xr * er + xi * ei, xr * ei - xi * er
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
            # The small number keeps decayed sums out of the range of denormals.
            old_re = load(sums, (0, tile, lag, k)) * forget + 1e-15
            old_im = load(sums, (1, tile, lag, k)) * forget + 1e-15
            before += old_re * old_re + old_im * old_im
            agreement += old_re * re + old_im * im
            re += old_re
            im += old_im
            after += re * re + im * im
            store(sums, (0, tile, lag, k), re)
            store(sums, (1, tile, lag, k), im)
        fresh = load(far_energy, (tile, s0)) + load(far_energy, (tile, s1)) + load(far_energy, (tile, s2)) + load(far_energy, (tile, s3))
        expected = load(chance, (tile, lag)) * (forget * forget) + 1e-15
        # A steady echo's sum grows by the part that the energy of these hops is of all that the sum was made of.
        agreement *= expected / most(before, fill(1e-6))
        agreement = select(active, load(agreed, (tile, lag)) * HOLD + 2.0 * agreement, load(agreed, (tile, lag)))
        heard = select(active, load(said, (tile, lag)) * HOLD + fresh, load(said, (tile, lag)))
        store(agreed, (tile, lag), agreement)
        store(said, (tile, lag), heard)
        store(held, lag, least(most(HOLDS * agreement / most(heard, fill(1e-3)), fill(0.0)), fill(1.0)))
        expected += fresh
        store(chance, (tile, lag), expected)
        store(ratio, lag, after / most(expected, fill(1.0)))


@kernel
def _decide(strength: Array, holding: Array, known: Array, candidate: Array, evidence: Array) -> None:
    """One look at ``strength`` and ``holding`` (rows, LAGS): gather evidence, and set ``known`` (rows,), the delay in hops."""
    excess = np.empty(LAGS, np.float32)
    for row in range(strength.shape[0]):
        inverse = 0.0
        for lag in range(LAGS):
            inverse += 1.0 / max(strength[row, lag], 0.05)
        mean = LAGS / inverse
        chance = max(mean, 1.0)
        best = 0
        for lag in range(LAGS):
            excess[lag] = max(strength[row, lag] - chance, 0.0) * holding[row, lag]
            if excess[lag] > excess[best]:
                best = lag
        proof = min(strength[row, best] / LEAST_STRENGTH, strength[row, best] / (LEAST_CONTRAST * mean))
        part = max(FIRST_PART * excess[best], 1.0)
        if proof <= 1.0 or excess[best] < part:
            candidate[row], evidence[row] = _NEVER, 0.0
            continue
        first = 0
        while excess[first] < part:
            first += 1
        here, after = math.sqrt(excess[first]), math.sqrt(excess[min(first + 1, LAGS - 1)])
        place = first + after / (here + after)
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
            left = max(excess[at], excess[min(at + 1, LAGS - 1)])
        if excess[best] > BEAT * left:
            known[row] = candidate[row]
