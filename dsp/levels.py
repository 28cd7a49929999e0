"""Levels: root mean square, peak, clipping, noise floor and signal-to-noise ratio of many legs, and silences inside speech.

Full scale is 1.0; 0 dBFS is the level of a constant 1.0 (a full-scale sine is -3.01 dBFS). Silence has no logarithm, so levels end
at ``FLOOR_DBFS``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import LANES, Array, absolute, fill, kernel, least, load, load_tile, log2, most, reset_rows, select, store, tiles
from dsp.spectrum import HOP

Samples = NDArray[np.float32]
FLOOR_DBFS = -100.0
WINDOW_S = 0.005

CLIPPED = 0.99
"""Magnitude from which on a sample counts as clipped; codecs turn a flat top into something just below full scale."""
SPEECH_BELOW = 10**-1.59
"""Power relative to the active level from which on a hop counts as speech: the margin of ITU-T P.56, 15.9 dB."""
_FLOOR_POWER = 10 ** (FLOOR_DBFS / 10)
_CLIPPING_S = 1.0
_SMOOTHING = np.float32(0.3)  # of a hop's power, before its minimum is looked for: 30 ms
_WINDOW_HOPS = np.float32(200)
_SPEECH_ABOVE = np.float32(10**0.9)  # over the noise floor, from which on a hop counts as speech
_ACTIVE_HOPS = np.float32(500)  # of speech over which the active level is averaged
_LEAK = np.float32(10**-0.003)  # per hop of speech that lies too low: 3 dB/s, so that a far quieter voice is found again
_DB = np.float32(10 * math.log10(2))


class Levels:
    """Levels of ``capacity`` rows at 16 kHz, renewed by each block.

    Published as float32 (capacity,): ``rms_dbfs`` and ``peak_dbfs`` of the last block, ``clipping`` the fraction of samples at full scale
    (forgotten within 1 s), ``noise_dbfs`` the floor (least of the smoothed level in the last 2-4 s), ``speech_dbfs`` the active level
    (mean power of what stands out of the floor and lies within 15.9 dB of that mean, ITU-T P.56 in spirit), ``snr_db`` their distance.
    The last three are ``FLOOR_DBFS``, ``FLOOR_DBFS`` and 0 until there is something to measure.
    """

    def __init__(self, capacity: int) -> None:
        self.rms_dbfs, self.peak_dbfs, self.noise_dbfs, self.speech_dbfs = np.full((4, capacity), FLOOR_DBFS, np.float32)
        self.clipping, self.snr_db = np.zeros((2, capacity), np.float32)
        self._floor = np.zeros((tiles(capacity), *FLOOR_STATE), np.float32)
        self._active = np.zeros((tiles(capacity), *ACTIVE_STATE), np.float32)
        self._clipping = np.zeros((tiles(capacity), 1, LANES), np.float32)

    def process(self, block: Array) -> None:
        """Measure (rows, 160 k) float32."""
        measured = np.empty((tiles(len(block)), 5, LANES), np.float32)
        _measure(block, measured, self._floor, self._active, self._clipping)
        rows = measured.transpose(0, 2, 1).reshape(-1, 5)[: len(block)].T
        for published, values in zip((self.rms_dbfs, self.peak_dbfs, self.noise_dbfs, self.speech_dbfs, self.clipping), rows, strict=True):
            published[: len(block)] = values
        self.snr_db[: len(block)] = np.where(rows[3] > FLOOR_DBFS, rows[3] - rows[2], 0.0)

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to having heard nothing."""
        for published in (self.rms_dbfs, self.peak_dbfs, self.noise_dbfs, self.speech_dbfs):
            published[rows] = FLOOR_DBFS
        self.clipping[rows] = self.snr_db[rows] = 0
        for state in (self._floor, self._active, self._clipping):
            reset_rows(state, rows)


FLOOR_STATE = (4, LANES)
ACTIVE_STATE = (2, LANES)


@kernel
def noise_floor(power: Array, state: Array) -> Array:
    """The floor under a hop's mean square (LANES,), as a power.

    The least of the smoothed power in the last one to two windows of 2 s (Martin 2001, without the bias, which is below 1 dB here).
    ``state`` FLOOR_STATE: smoothed power, its least in this window and in the one before, hops of this window.
    """
    hops = load(state, 3)
    heard = select(hops > 0.0, load(state, 0), power)
    smoothed = heard + _SMOOTHING * (power - heard)
    now = select(hops > 0.0, least(load(state, 1), smoothed), smoothed)
    before = select(hops > 0.0, load(state, 2), smoothed)
    full = hops >= _WINDOW_HOPS
    store(state, 0, smoothed)
    store(state, 1, select(full, smoothed, now))
    store(state, 2, select(full, now, before))
    store(state, 3, select(full, 1.0, hops + 1.0))
    return most(least(now, before), _FLOOR_POWER)


@kernel
def active_power(power: Array, speaks: Array, state: Array) -> Array:
    """Mean square of the speech so far, 0 before any, with a hop's ``power`` where ``speaks`` is 1.

    ``state`` ACTIVE_STATE: that mean, and over how many hops it goes.
    """
    level, hops = load(state, 0), load(state, 1)
    counts = select(power > SPEECH_BELOW * level, speaks, 0.0)
    hops = least(hops + counts, _ACTIVE_HOPS)
    mean = level + counts * (power - level) / most(hops, 1.0)
    leaked = select(speaks > counts, level * _LEAK, mean)
    store(state, 0, leaked)
    store(state, 1, hops)
    return leaked


@kernel
def _measure(block: Array, measured: Array, floors: Array, actives: Array, clippings: Array) -> None:
    hop = np.empty((HOP, LANES), np.float32)
    forget = np.float32(HOP / 16_000 / _CLIPPING_S)
    for tile in range(tiles(block.shape[0])):
        peak, total, clipping = fill(0.0), fill(0.0), load(clippings, (tile, 0))
        floor, active = fill(_FLOOR_POWER), fill(0.0)
        for at in range(0, block.shape[1], HOP):
            load_tile(block, tile, at, hop)
            square, flat = fill(0.0), fill(0.0)
            for n in range(HOP):
                x = absolute(load(hop, n))
                peak = most(x, peak)
                square += x * x
                flat += select(x >= CLIPPED, 1.0, 0.0)
            total += square
            clipping += forget * (flat * np.float32(1 / HOP) - clipping)
            power = square * np.float32(1 / HOP)
            floor = noise_floor(power, floors[tile])
            active = active_power(power, select(power > _SPEECH_ABOVE * floor, 1.0, 0.0), actives[tile])
        store(clippings, (tile, 0), clipping)
        store(measured, (tile, 0), _DB * log2(most(total / np.float32(block.shape[1]), _FLOOR_POWER)))
        store(measured, (tile, 1), _DB * log2(most(peak * peak, _FLOOR_POWER)))
        store(measured, (tile, 2), _DB * log2(floor))
        store(measured, (tile, 3), _DB * log2(most(active, _FLOOR_POWER)))
        store(measured, (tile, 4), clipping)


def rms_dbfs(x: Samples) -> float:
    """Level of one frame (n,) in dBFS; ``FLOOR_DBFS`` for silence or an empty frame."""
    power = float(np.dot(x, x)) / len(x) if len(x) else 0.0
    return max(FLOOR_DBFS, 10 * math.log10(power)) if power > 0 else FLOOR_DBFS


def peak_dbfs(x: Samples) -> float:
    """Largest magnitude of one frame (n,) in dBFS."""
    peak = float(np.abs(x).max()) if len(x) else 0.0
    return max(FLOOR_DBFS, 20 * math.log10(peak)) if peak > 0 else FLOOR_DBFS


def levels_dbfs(x: Samples, rate_hz: int, *, window_s: float = WINDOW_S) -> NDArray[np.float64]:
    """Level of each window of (n,): (n // window,) in dBFS."""
    window = int(window_s * rate_hz)
    rows = x[: len(x) // window * window].reshape(-1, window).astype(np.float64)
    levels: NDArray[np.float64] = np.maximum(FLOOR_DBFS, 10 * np.log10(np.maximum((rows * rows).mean(axis=1), 1e-30)))
    return levels


def longest_silence_s(heard: Samples, reference: Samples, rate_hz: int, *, below_db: float = 35.0, speech_db: float = 25.0) -> float:
    """The longest hole in ``heard`` inside the speech of ``reference`` (aligned, same rate), in seconds.

    In windows of 5 ms. Speech: within ``speech_db`` of the reference's active level (the mean power of its louder half of windows).
    Silence: more than ``below_db`` below that level. A hole is a run of silence while the reference speaks, after speech that was heard
    within the 20 ms before it: a swallowed beginning is not inside speech, as nothing could be known of it.
    """
    n = min(len(heard), len(reference))
    sound, voice = levels_dbfs(heard[:n], rate_hz), levels_dbfs(reference[:n], rate_hz)
    loud = voice[voice >= np.median(voice)]
    active = 10 * np.log10(np.mean(10 ** (loud / 10)))
    speech, silent = voice > active - speech_db, sound < active - below_db
    heard_speech = speech & ~silent
    longest = 0
    for start, end in runs(speech & silent):
        if heard_speech[max(0, start - 4) : start].any():
            longest = max(longest, end - start)
    return longest * WINDOW_S


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginning and end of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
