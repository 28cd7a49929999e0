"""What the suppressor's network is told of a hop, whatever its loudness: log powers over a running level, and over each bin's own floor."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

BINS = 161
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


def describe(near_power: Array, echo_power: Array, prior: Array, level: Array, floor: Array, inputs: Array, height: Array) -> None:
    """Fill ``inputs`` (rows, INPUTS) and ``height`` (rows, BINS) from powers (rows, BINS), and bring the state a hop on.

    ``prior`` (rows, BINS) comes as the classical suppressor's gains and goes as the logarithm of their odds.

    The state is ``level`` (rows,), the mean power, which rises in 0.3 s and falls in 7 s, and ``floor`` (rows, BINS), the decades under
    which a bin seldom is: it falls in 0.1 s and rises by a decade a second at most. ``level`` 0 is the first state of a row. Inputs are
    decades over the level, of the bins and of the echo's bands, then per band the height over the floor and the prior; ``height`` is each
    bin's.
    """
    bands = band_matrix()
    x = inputs[:, : BINS + BANDS]
    # fmax and fmin, unlike maximum and minimum, also turn NaN into a number
    np.fmin(near_power, _POWER_MOST, out=x[:, :BINS])
    np.matmul(np.fmin(echo_power, _POWER_MOST), bands, out=x[:, BINS:])
    power = x[:, :BINS].mean(axis=1)
    new = level == 0
    step = np.where(power > level, LEVEL_RISE, LEVEL_FALL)
    level[:] = np.fmin(np.fmax(np.where(new, power, level + step * (power - level)), LEVEL_LEAST), LEVEL_MOST)
    x *= (1 / level)[:, None]
    np.fmax(x, LEAST, out=x)
    np.fmin(x, MOST, out=x)
    np.log10(x, out=x)
    np.add(x[:, :BINS], np.log10(level)[:, None], out=height)
    np.maximum(height, FLOOR_LEAST, out=height)
    if new.any():
        floor[new] = height[new]
    height -= floor
    move = height * FLOOR_RISE
    np.minimum(move, FLOOR_RISE_MOST, out=move)
    np.minimum(move, height * FLOOR_FALL, out=move)
    floor += move
    np.clip(height, HEIGHT_LEAST, HEIGHT_MOST, out=height)
    np.matmul(height, bands, out=inputs[:, BINS + BANDS : BINS + 2 * BANDS])
    np.divide(prior, PRIOR_MOST - prior, out=prior)
    np.log(prior, out=prior)
    np.matmul(prior, bands, out=inputs[:, BINS + 2 * BANDS :])


@cache
def band_matrix() -> Array:
    """Mean over bands a seventh of an octave wide and at least a bin, float32 (161, BANDS)."""
    matrix = np.zeros((BINS, BANDS), np.float32)
    low = 0
    for band in range(BANDS):
        high = min(low + max(1, round(0.1 * low)), BINS)
        matrix[low:high, band] = 1 / (high - low)
        low = high
    return matrix
