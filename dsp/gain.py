"""Level: an automatic gain brings each leg's speech to one level, and a limiter keeps what is sent below full scale.

The gain follows the active level of the speech, never that of noise, echo or pauses: it moves only while there is speech, slowly up and
faster down, so that pauses sound as they were and nothing pumps.
"""

import math

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import (
    LANES,
    Array,
    absolute,
    both,
    exp2,
    fill,
    kernel,
    least,
    load,
    load_tile,
    log2,
    most,
    reset_rows,
    select,
    store,
    store_tile,
    tiles,
)
from dsp.levels import ACTIVE_STATE, FLOOR_DBFS, FLOOR_STATE, SPEECH_BELOW, active_power, noise_floor
from dsp.spectrum import HOP

TARGET_DBFS = -23.0
"""Active speech level that the gain aims at (ITU-T P.56 in spirit)."""
MOST_GAIN_DB, LEAST_GAIN_DB = 30.0, -20.0
MOST_NOISE_DBFS = -50.0
"""A leg's noise floor is never lifted above this."""
UP_DB_S, DOWN_DB_S = 6.0, 20.0
"""How fast the gain moves at most, while there is speech."""
_TOLERANCE_DB = 1.5
_NEAR = 0.012  # of the distance per hop: the last decibels are approached with a time constant of 0.8 s
_FIRST_HOPS = 10.0  # of speech, before which its level is not known well enough to act on
_SPEECH_ABOVE = 10**0.6  # over the noise floor: what lies lower is no speech, whatever the probability says

CEILING = 10 ** (-1 / 20)
"""Largest magnitude that leaves the limiter: -1 dBFS."""
_KNEE = 10 ** (-4 / 20)
_RELEASE = math.exp(-1 / (0.08 * 16_000))

_DB = 10 * math.log10(2)
_FLOOR_POWER = 10 ** (FLOOR_DBFS / 10)


class AutomaticGain:
    """Gain towards ``TARGET_DBFS`` for ``capacity`` rows at 16 kHz; ``enabled`` bool (capacity,) switches per row.

    ``gain_db`` float32 (capacity,) is the gain at the end of the last block.
    """

    def __init__(self, capacity: int) -> None:
        self.enabled = np.ones(capacity, np.bool_)
        self.gain_db = np.zeros(capacity, np.float32)
        self._floor = np.zeros((tiles(capacity), *FLOOR_STATE), np.float32)
        self._active = np.zeros((tiles(capacity), *ACTIVE_STATE), np.float32)
        self._gain_db = np.zeros((tiles(capacity), 1, LANES), np.float32)

    def process(self, block: Array, speech: Array) -> Array:
        """Amplify (rows, 160 k) float32; ``speech`` float32 (rows,) is the probability that the leg itself speaks: below 0.5 it rests."""
        rows = len(block)
        out = np.empty_like(block)
        _amplify(block, out, speech, self._floor, self._active, self._gain_db)
        self.gain_db[:rows] = self._gain_db.reshape(-1)[:rows]
        off = np.flatnonzero(~self.enabled[:rows])
        out[off] = block[off]
        self.gain_db[off] = 0
        return out

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to a gain of 0 dB."""
        self.gain_db[rows] = 0
        for state in (self._floor, self._active, self._gain_db):
            reset_rows(state, rows)


class Limiter:
    """Keeps ``capacity`` rows within ``CEILING``, without delay: soft above -4 dBFS, released over 80 ms.

    The envelope rises at once with the sound, so that no sample passes it, and what comes after the first peak is undistorted.
    ``enabled`` bool (capacity,) switches per row.
    """

    def __init__(self, capacity: int) -> None:
        self.enabled = np.ones(capacity, np.bool_)
        self._envelope = np.zeros((tiles(capacity), 1, LANES), np.float32)

    def process(self, block: Array) -> Array:
        """Limit (rows, 160 k) float32; returns a new block."""
        out = np.empty_like(block)
        _limit(block, out, self._envelope)
        off = np.flatnonzero(~self.enabled[: len(block)])
        out[off] = block[off]
        return out

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to silence."""
        reset_rows(self._envelope, rows)


@kernel
def _amplify(block: Array, out: Array, speech: Array, floors: Array, actives: Array, gains_db: Array) -> None:
    hop = np.empty((HOP, LANES), np.float32)
    probability = np.zeros((1, LANES), np.float32)
    for tile in range(tiles(block.shape[0])):
        for lane in range(min(LANES, block.shape[0] - tile * LANES)):
            probability[0, lane] = speech[tile * LANES + lane]
        gain_db = load(gains_db, (tile, 0))
        gain = exp2(gain_db * (0.5 / _DB))
        for at in range(0, block.shape[1], HOP):
            load_tile(block, tile, at, hop)
            power = fill(0.0)
            for n in range(HOP):
                x = load(hop, n)
                power += x * x
            power = power * (1 / HOP)
            floor = noise_floor(power, floors[tile])
            speaks = select(both(load(probability, 0) >= 0.5, power > _SPEECH_ABOVE * floor), 1.0, 0.0)
            level = active_power(power, speaks, actives[tile])
            wanted = TARGET_DBFS - _DB * log2(most(level, _FLOOR_POWER))
            wanted = most(least(wanted, MOST_GAIN_DB), LEAST_GAIN_DB)
            quiet = most(MOST_NOISE_DBFS - _DB * log2(floor), 0.0)
            distance = least(wanted, quiet) - gain_db
            distance = select(distance > 0.0, most(distance - _TOLERANCE_DB, 0.0), least(distance + _TOLERANCE_DB, 0.0))
            step = most(least(_NEAR * distance, UP_DB_S / 100), -DOWN_DB_S / 100)
            known = both(load(actives, (tile, 1)) >= _FIRST_HOPS, power > SPEECH_BELOW * level)
            gain_db += select(known, speaks * step, 0.0)
            former = gain
            gain = exp2(gain_db * (0.5 / _DB))
            rise = (gain - former) * (1 / HOP)
            for n in range(HOP):
                store(hop, n, load(hop, n) * (former + rise * (n + 1)))
            store_tile(out, tile, at, hop)
        store(gains_db, (tile, 0), gain_db)


@kernel
def _limit(block: Array, out: Array, envelopes: Array) -> None:
    # Above the knee the curve is that of a hyperbola: it leaves the straight line without a corner and never reaches the ceiling.
    hop = np.empty((HOP, LANES), np.float32)
    room = CEILING - _KNEE
    for tile in range(tiles(block.shape[0])):
        envelope = load(envelopes, (tile, 0))
        for at in range(0, block.shape[1], HOP):
            load_tile(block, tile, at, hop)
            for n in range(HOP):
                x = load(hop, n)
                envelope = most(absolute(x), envelope * _RELEASE)
                over = most(envelope - _KNEE, 0.0)
                limited = (_KNEE * room + over * CEILING) / ((room + over) * (_KNEE + over))
                store(hop, n, most(least(x * select(over > 0.0, limited, 1.0), CEILING), -CEILING))
            store_tile(out, tile, at, hop)
        store(envelopes, (tile, 0), select(envelope > 1e-15, envelope, 0.0))
