"""What the suppressor's network is told of a hop, whatever its loudness: log powers over a running level, and over each bin's own floor."""

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import LANES, Array, fill, kernel, least, load, load_tile, log2, most, select, store
from dsp.spectrum import BINS

BANDS = 40
INPUTS = BINS + 3 * BANDS

LEVEL_RISE = np.float32(0.03)
LEVEL_FALL = np.float32(0.0015)
LEVEL_LEAST = np.float32(1e-7)
LEVEL_MOST = np.float32(1e7)
"""Mean power per bin; the least is at about -92 dBFS: below it silence counts as silence."""
LEAST = np.float32(1e-6)
MOST = np.float32(1e3)
"""Of powers over the running level."""
FLOOR_FALL = np.float32(0.15)
FLOOR_RISE = np.float32(0.02)
FLOOR_RISE_MOST = np.float32(0.01)
"""Decades per hop."""
FLOOR_LEAST = np.float32(-8.0)
HEIGHT_LEAST = np.float32(-1.0)
HEIGHT_MOST = np.float32(3.0)
PRIOR_MOST = np.float32(1.02)
"""Of a classical gain: its logarithm of odds reaches 4."""
_POWER_MOST = np.float32(1e12)
_LOG10_OF_2, _LN_OF_2 = np.float32(np.log10(2)), np.float32(np.log(2))


def _edges() -> NDArray[np.int64]:
    """Bands a seventh of an octave wide and at least a bin, (BANDS + 1,)."""
    found = [0]
    while len(found) <= BANDS:
        found.append(min(found[-1] + max(1, round(0.1 * found[-1])), BINS))
    return np.array(found)


BAND_EDGES = _edges()


@kernel
def describe(
    near_power: Array, echo_power: Array, gains: Array, level: Array, floor: Array, inputs: Array, height: Array, odds: Array
) -> None:
    """Fill ``inputs`` (tiles, INPUTS, LANES), ``height`` and ``odds`` (tiles, BINS, LANES), and bring the state a hop on.

    ``near_power``, ``echo_power`` and the classical suppressor's ``gains`` are (rows, BINS); ``odds`` are the logarithms of their odds.
    The state is ``level`` (tiles, 1, LANES), the mean power, which rises in 0.3 s and falls in 7 s, and ``floor`` (tiles, BINS, LANES),
    the decades under which a bin seldom is: it falls in 0.1 s and rises by a decade a second at most. ``level`` 0 is the first state of a
    row. Inputs are decades over the level, of the bins and of the echo's bands, then per band the height over the floor and the odds;
    ``height`` is each bin's.
    """
    near, echo = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    for tile in range(inputs.shape[0]):
        load_tile(near_power, tile, 0, near)
        load_tile(echo_power, tile, 0, echo)
        load_tile(gains, tile, 0, odds[tile])
        power = fill(0.0)
        for k in range(BINS):
            # the lesser of what is not a number and the limit is the limit
            limited = least(load(near, k), _POWER_MOST)
            store(near, k, limited)
            power += limited * (1 / BINS)
        before = load(level, (tile, 0))
        is_new = before < 0.5 * LEVEL_LEAST
        now = before + select(power > before, LEVEL_RISE, LEVEL_FALL) * (power - before)
        now = least(most(select(is_new, power, now), LEVEL_LEAST), LEVEL_MOST)
        store(level, (tile, 0), now)
        scale, decades_of_level = 1.0 / now, _LOG10_OF_2 * log2(now)
        for k in range(BINS):
            decades = _LOG10_OF_2 * log2(least(most(load(near, k) * scale, LEAST), MOST))
            absolute = most(decades + decades_of_level, FLOOR_LEAST)
            below = select(is_new, absolute, load(floor, (tile, k)))
            above = absolute - below
            store(floor, (tile, k), below + least(least(above * FLOOR_RISE, FLOOR_RISE_MOST), above * FLOOR_FALL))
            store(inputs, (tile, k), decades)
            store(height, (tile, k), least(most(above, HEIGHT_LEAST), HEIGHT_MOST))
            gain = load(odds, (tile, k))
            store(odds, (tile, k), _LN_OF_2 * (log2(gain) - log2(PRIOR_MOST - gain)))
        for band in range(BANDS):
            echoed, higher, likelier = fill(0.0), fill(0.0), fill(0.0)
            for k in range(BAND_EDGES[band], BAND_EDGES[band + 1]):
                echoed += least(load(echo, k), _POWER_MOST)
                higher += load(height, (tile, k))
                likelier += load(odds, (tile, k))
            share = np.float32(1 / (BAND_EDGES[band + 1] - BAND_EDGES[band]))
            store(inputs, (tile, BINS + band), _LOG10_OF_2 * log2(least(most(echoed * (share * scale), LEAST), MOST)))
            store(inputs, (tile, BINS + BANDS + band), share * higher)
            store(inputs, (tile, BINS + 2 * BANDS + band), share * likelier)
