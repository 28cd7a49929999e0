"""Full-band legs: the chain works on the band below 8 kHz, what lies above follows with its gain.

    48 kHz ─┬─▶ low-pass, every third sample ─▶ the chain at 16 kHz ─▶ interpolate ─┬─▶ 48 kHz
            └─▶ delayed, less the interpolated low band = upper band ─▶ × gain ─────┘

The low band is taken out and put back by the same linear-phase filter, and the upper band is what that filter loses, so that with a chain
that does nothing the sum is the delayed input again, whatever the filter (a complementary pair; Vaidyanathan, *Multirate Systems and Filter
Banks*, 4.2). Echo, noise and level are a matter of the low band; the upper band's gain is the one that the chain gave to the highest octave
of it: the square root of the powers after and before, both through a second difference, which leaves the range around 4-8 kHz.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin

from dsp.lanes import LANES, Array, fill, kernel, least, load, load_tile, most, reset_rows, root, select, store, store_tile, tiles
from dsp.spectrum import HOP

RATIO = 3
WIDE_HOP = RATIO * HOP
"""Samples of a hop at 48 kHz."""
_TAPS = 97
_CUTOFF_HZ, _FULL_HZ = 7_400.0, 48_000.0
_FILTER = firwin(_TAPS, _CUTOFF_HZ, window=("kaiser", 7.0), fs=_FULL_HZ).astype(np.float32)
_MOST_GAIN = 10.0
_QUIET_POWER = 1e-10  # of the second difference, below which there is no gain to be seen

Rows = NDArray[np.bool_] | NDArray[np.int64]
DELAY_SAMPLES = _TAPS - 1
"""Of split and join together, at 48 kHz: 2 ms."""


class LowBand:
    """What lies below 8 kHz of full-band sound, for ``capacity`` rows."""

    def __init__(self, capacity: int) -> None:
        self._before = np.zeros((tiles(capacity), _TAPS - 1 + WIDE_HOP, LANES), np.float32)

    def process(self, block: Array) -> Array:
        """Float32 (rows, 160 k) at 16 kHz of (rows, 480 k) at 48 kHz, 1 ms late."""
        low = np.empty((block.shape[0], block.shape[1] // RATIO), np.float32)
        _split(block, low, self._before)
        return low

    def reset(self, rows: Rows) -> None:
        """Rows (mask or indices) back to silence."""
        reset_rows(self._before, rows)


class BandSplit:
    """``capacity`` rows. ``inner_delay_samples``: what the chain between ``split`` and ``join`` delays, at 16 kHz."""

    def __init__(self, capacity: int, *, inner_delay_samples: int) -> None:
        count = tiles(capacity)
        self._low_band = LowBand(capacity)
        self._low = np.zeros((count, inner_delay_samples + HOP + 2, LANES), np.float32)
        self._wide = np.zeros((count, RATIO * inner_delay_samples + DELAY_SAMPLES + WIDE_HOP, LANES), np.float32)
        self._change = np.zeros((count, _TAPS // RATIO + HOP, LANES), np.float32)
        self._after = np.zeros((count, HOP + 2, LANES), np.float32)
        self._powers = np.zeros((count, 2, LANES), np.float32)
        self._gain = np.ones((count, 1, LANES), np.float32)

    def split(self, block: Array) -> Array:
        """The low band, float32 (rows, 160 k) at 16 kHz, of (rows, 480 k) at 48 kHz; ``join`` has to follow before the next block."""
        return self._low_band.process(block)

    def join(self, block: Array, low: Array, processed: Array) -> Array:
        """Full band again, (rows, 480 k) at 48 kHz: ``block`` as it was split, its low band, and what the chain made of that."""
        out = np.empty_like(block)
        _join(block, low, processed, out, self._low, self._wide, self._change, self._after, self._powers, self._gain)
        return out

    def reset(self, rows: Rows) -> None:
        """Rows (mask or indices) back to silence."""
        self._low_band.reset(rows)
        for state in (self._low, self._wide, self._change, self._after, self._powers):
            reset_rows(state, rows)
        reset_rows(self._gain, rows, 1.0)


@kernel
def _split(block: Array, low: Array, before: Array) -> None:
    hop = np.empty((WIDE_HOP, LANES), np.float32)
    made = np.empty((HOP, LANES), np.float32)
    for tile in range(tiles(block.shape[0])):
        past = before[tile]
        for at in range(low.shape[1] // HOP):
            load_tile(block, tile, at * WIDE_HOP, hop)
            _push(past, hop)
            for n in range(HOP):
                total = fill(0.0)
                for k in range(_TAPS):
                    total += _FILTER[k] * load(past, RATIO * n + k)
                store(made, n, total)
            store_tile(low, tile, at * HOP, made)


@kernel
def _join(
    block: Array,
    low: Array,
    processed: Array,
    out: Array,
    plain_past: Array,
    wide_past: Array,
    change_past: Array,
    after_past: Array,
    powers: Array,
    gains: Array,
) -> None:
    hop = np.empty((HOP, LANES), np.float32)
    wide_hop = np.empty((WIDE_HOP, LANES), np.float32)
    for tile in range(tiles(block.shape[0])):
        plain, wide, change, after = plain_past[tile], wide_past[tile], change_past[tile], after_past[tile]
        for at in range(low.shape[1] // HOP):
            load_tile(block, tile, at * WIDE_HOP, wide_hop)
            _push(wide, wide_hop)
            load_tile(low, tile, at * HOP, hop)
            _push(plain, hop)
            load_tile(processed, tile, at * HOP, hop)
            _push(after, hop)
            was, power = fill(1e-12), fill(1e-12)
            for n in range(HOP):
                edge = load(plain, n) - 2.0 * load(plain, n + 1) + load(plain, n + 2)
                was += edge * edge
                edge = load(after, n) - 2.0 * load(after, n + 1) + load(after, n + 2)
                power += edge * edge
            was = 0.5 * (load(powers, (tile, 0)) + was)
            power = 0.5 * (load(powers, (tile, 1)) + power)
            store(powers, (tile, 0), was)
            store(powers, (tile, 1), power)
            former = load(gains, (tile, 0))
            gain = select(was > HOP * _QUIET_POWER, least(root(power / was), _MOST_GAIN), former)
            store(gains, (tile, 0), gain)
            step = (gain - former) * np.float32(1 / HOP)
            for n in range(HOP):
                store(hop, n, load(hop, n) - (former + step * n) * load(plain, n + 2))
            _push(change, hop)
            reach = _TAPS // RATIO
            for n in range(HOP):
                ramp = former + step * n
                for phase in range(RATIO):
                    total = fill(0.0)
                    for j in range((_TAPS - 1 - phase) // RATIO + 1):
                        total += _FILTER[RATIO * j + phase] * load(change, n + reach - j)
                    t = RATIO * n + phase
                    store(wide_hop, t, most(least(RATIO * total + ramp * load(wide, t), 1.0), -1.0))
            store_tile(out, tile, at * WIDE_HOP, wide_hop)


@kernel
def _push(past: Array, hop: Array) -> None:
    """Move ``past`` on by a hop: its oldest samples go, the hop comes at its end."""
    kept = past.shape[0] - hop.shape[0]
    for n in range(kept):
        store(past, n, load(past, n + hop.shape[0]))
    for n in range(hop.shape[0]):
        store(past, kept + n, load(hop, n))
