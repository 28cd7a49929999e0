"""Speech activity: who is speaking, told for each hop of 10 ms of every row.

A score is the probability of speech: logistic in how far the sound stands out of the noise, in how voiced it was within the last second, in
how far it is below the speaker's loudest, and in what webrtcvad says. Where the learned suppressor tells its own probability, that
counts with it. Speech lasts from a score above the threshold until ``hangover_s`` after the last one.

Beginnings are soft and are only certain when what follows is heard, so a decision is about the hop ``DELAY_S`` earlier.
"""

from typing import Any

import numpy as np
import webrtcvad
from numpy.typing import NDArray
from scipy.signal import firwin

from dsp.lanes import LANES, Array, fill, kernel, least, load, load_tile, log2, most, reset_rows, root, select, store, tiles
from dsp.spectrum import BINS, FRAME, HOP, WORK, forward

RATE_HZ = 16_000
HOP_S = HOP / RATE_HZ
DELAY_HOPS = 2
DELAY_S = DELAY_HOPS * HOP_S

_RISE = np.sin(np.pi / 2 * (np.arange(240) + 0.5) / 240)
_FALL = np.cos(np.pi / 2 * (np.arange(80) + 0.5) / 80)
_WINDOW = np.concatenate((_RISE, _FALL)).astype(np.float32)
"""Its weight lies on the newest samples: the middle of a symmetric one would come 5 ms later."""
_EDGES = np.array([2, 4, 6, 8, 10, 12, 15, 18, 21, 25, 29, 34, 40, 47, 55, 65, 77, 91, 108, 130, 156])
_BANDS = len(_EDGES) - 1
_LEAST = 1e-8
_SMOOTHING, _FLOOR_RISE = 0.2, np.float32(10 ** (6.0 / 1000))  # the noise floor follows down at once and up by 6 dB per second
_DECIBELS = np.float32(10 * np.log10(2) / 10)  # tens of decibels per octave of power
_PEAK_FALL, _LEAST_PEAK = np.float32(0.002), np.float32(-4.0)  # tens of decibels: per hop; of a mean power per bin

_LOW_PASS = firwin(33, 1700, fs=RATE_HZ).astype(np.float32)
_DECIMATION, _LEAST_LAG, _MOST_LAG = 4, 10, 50  # at 4 kHz: 400 to 80 Hz
_SPAN = 160  # samples at 4 kHz that are compared: 40 ms
_STEP = HOP // _DECIMATION
_PAST = _SPAN + _MOST_LAG - _STEP
_TAPS = len(_LOW_PASS)
_QUICK, _SLOWER, _SLOW = np.float32(0.5), np.float32(0.15), np.float32(0.06)  # shares of the distance per hop
_VOICED_FALL = np.float32(0.01)  # per hop

# What a hop is judged by, and the weights of the logistic score: fitted by us to real voices in real and made noises at 0-20 dB, once
# without and once with the learned suppressor's log odds, which come last.
_STANDS_OUT, _STOOD_OUT, _BEST_BAND, _VOICED, _BELOW_PEAK, _VOTES, _VOTED, _LEARNED = range(8)
_ALONE, _ALONE_BIAS = np.array([0.52, -0.81, 0.52, 5.59, 1.08, 1.12, 2.48, 0.0], np.float32), np.float32(-5.7)
_WITH_LEARNED, _WITH_LEARNED_BIAS = np.array([0.57, -0.60, 0.06, 1.26, 0.81, 0.64, 1.59, 0.77], np.float32), np.float32(-1.92)
_LEAST_PROBABILITY = np.float32(1e-4)


class Activity:
    """Speech or none for ``capacity`` rows at 16 kHz.

    Settings per row, arrays of (capacity,): ``mode`` 0-3 (webrtcvad's aggressiveness; takes effect at a row's next reset), ``threshold``
    (0-1) and ``hangover_s``. Results: ``score`` float32 (capacity,), the last hop's probability of speech, and ``active`` bool (capacity,).
    """

    def __init__(self, capacity: int, *, mode: int = 2, threshold: float = 0.5, hangover_s: float = 0.02) -> None:
        self.mode = np.full(capacity, mode, np.int8)
        self.threshold = np.full(capacity, threshold, np.float32)
        self.hangover_s = np.full(capacity, hangover_s, np.float32)
        self.score = np.zeros(capacity, np.float32)
        self.active = np.zeros(capacity, np.bool_)
        self._detectors: list[Any] = [None] * capacity
        self._since_s = np.full(capacity, np.inf, np.float32)
        self._seen = np.zeros((capacity, len(_ALONE)), np.float32)
        count = tiles(capacity)
        self._frame = np.zeros((count, HOP, LANES), np.float32)
        self._power = np.zeros((count, 2, _BANDS, LANES), np.float32)
        self._peak = np.zeros((count, 1, LANES), np.float32)
        self._low = np.zeros((count, _TAPS - 1, LANES), np.float32)
        self._mean = np.zeros((count, 1, LANES), np.float32)
        self._past = np.zeros((count, _PAST, LANES), np.float32)

    def process(self, block: Array, speech: Array | None = None) -> NDArray[np.bool_]:
        """Whether there was speech in each hop of ``block`` float32 (rows, 160 k), rows <= capacity, told ``DELAY_S`` late: (rows, k).

        ``speech`` (rows,) is the learned suppressor's probability for the last hop, where there is one.
        """
        rows, hops = block.shape[0], block.shape[1] // HOP
        looks = np.zeros((tiles(rows), hops, 4, LANES), np.float32)
        _look(block, looks, self._frame, self._power, self._peak, self._low, self._mean, self._past)
        seen = looks.transpose(0, 3, 1, 2).reshape(-1, hops, 4)[:rows]
        votes = self._votes(block)
        active = np.zeros((rows, hops), np.bool_)
        for hop in range(hops):
            active[:, hop] = self._decide(seen[:, hop], votes[:, hop], speech)
        return active

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""
        for state in (self._frame, self._power, self._peak, self._low, self._mean, self._past):
            reset_rows(state, rows)
        self._seen[rows] = self.score[rows] = 0.0
        self.active[rows] = False
        self._since_s[rows] = np.inf
        for row in np.arange(len(self._detectors))[rows]:
            self._detectors[row] = None

    def _votes(self, block: Array) -> Array:
        """What webrtcvad says of each hop, 0 or 1: (rows, k)."""
        votes = np.zeros((block.shape[0], block.shape[1] // HOP), np.float32)
        pcm = np.clip(np.rint(block * np.float32(32768)), -32768, 32767).astype(np.int16)
        for row, samples in enumerate(pcm):
            detector = self._detectors[row]
            if detector is None:
                detector = self._detectors[row] = webrtcvad.Vad(int(self.mode[row]))
            for hop in range(votes.shape[1]):
                votes[row, hop] = detector.is_speech(samples[hop * HOP : (hop + 1) * HOP].tobytes(), RATE_HZ)
        return votes

    def _decide(self, look: Array, vote: Array, speech: Array | None) -> NDArray[np.bool_]:
        rows = len(look)
        seen = self._seen[:rows]
        stands_out, best_band, voiced, below_peak = look.T
        seen[:, _STANDS_OUT] += np.where(stands_out > seen[:, _STANDS_OUT], _QUICK, _SLOWER) * (stands_out - seen[:, _STANDS_OUT])
        seen[:, _STOOD_OUT] += _SLOW * (stands_out - seen[:, _STOOD_OUT])
        seen[:, _BEST_BAND] = best_band
        seen[:, _VOICED] = np.maximum(voiced, seen[:, _VOICED] - _VOICED_FALL)
        seen[:, _BELOW_PEAK] = below_peak
        seen[:, _VOTES] += np.where(vote > seen[:, _VOTES], _QUICK, _SLOWER) * (vote - seen[:, _VOTES])
        seen[:, _VOTED] += _SLOW * (vote - seen[:, _VOTED])
        weights, bias = _ALONE, _ALONE_BIAS
        if speech is not None:
            told = np.clip(speech, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
            seen[:, _LEARNED] = np.log(told / (1 - told))
            weights, bias = _WITH_LEARNED, _WITH_LEARNED_BIAS
        logit = bias + (seen * weights).sum(axis=1)  # a matrix product would round by the number of rows
        self.score[:rows] = 1.0 / (1.0 + np.exp(-logit))
        since = self._since_s[:rows]
        since += np.float32(HOP_S)
        since[self.score[:rows] > self.threshold[:rows]] = 0.0
        self.active[:rows] = since <= self.hangover_s[:rows] + np.float32(1e-4)
        return self.active[:rows]


@kernel
def _look(block: Array, looks: Array, frames: Array, powers: Array, peaks: Array, lows: Array, means: Array, pasts: Array) -> None:
    """Four figures per hop: mean and best band's tens of decibels above the noise floor, voicing 0-1, tens of decibels below the peak."""
    frame = np.empty((FRAME, LANES), np.float32)
    hop = np.empty((HOP, LANES), np.float32)
    re, im = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    work = np.empty(WORK, np.float32)
    filtered = np.empty((_TAPS - 1 + HOP, LANES), np.float32)
    slow = np.empty((_PAST + _STEP, LANES), np.float32)
    for tile in range(looks.shape[0]):
        for k in range(looks.shape[1]):
            load_tile(block, tile, k * HOP, hop)
            for n in range(HOP):
                x = load(hop, n)
                store(frame, n, load(frames, (tile, n)) * _WINDOW[n])
                store(frame, HOP + n, x * _WINDOW[HOP + n])
                store(frames, (tile, n), x)
            forward(frame, re, im, work)
            _bands(re, im, powers[tile], peaks[tile], looks[tile, k])
            for n in range(_TAPS - 1):
                store(filtered, n, load(lows, (tile, n)))
            for n in range(HOP):
                store(filtered, _TAPS - 1 + n, load(hop, n))
            for n in range(_TAPS - 1):
                store(lows, (tile, n), load(filtered, HOP + n))
            for n in range(_PAST):
                store(slow, n, load(pasts, (tile, n)))
            _decimate(filtered, means[tile], slow)
            for n in range(_PAST):
                store(pasts, (tile, n), load(slow, _STEP + n))
            store(looks, (tile, k, 2), _voicing(slow))


@kernel
def _bands(re: Array, im: Array, powers: Array, peak: Array, look: Array) -> None:
    """Band powers against their floors and their peak. ``powers`` (2, bands, LANES): smoothed, and the floor; 0 before the first hop."""
    total, mean, best = fill(0.0), fill(0.0), fill(0.0)
    for band in range(_BANDS):
        power = fill(0.0)
        for k in range(_EDGES[band], _EDGES[band + 1]):
            a, b = load(re, k), load(im, k)
            power += a * a + b * b
        power = power / np.float32(_EDGES[band + 1] - _EDGES[band]) + np.float32(_LEAST)
        before, floor = load(powers, (0, band)), load(powers, (1, band))
        smooth = select(before > 0.0, before + _SMOOTHING * (power - before), power)
        floor = select(floor > 0.0, least(smooth, floor * _FLOOR_RISE), smooth)
        store(powers, (0, band), smooth)
        store(powers, (1, band), floor)
        above = least(most(_DECIBELS * log2(power / floor), 0.0), 3.0)
        mean += above
        best = most(best, above)
        total += power
    level = _DECIBELS * log2(total / np.float32(_BANDS))
    highest = most(most(load(peak, 0) - _PEAK_FALL, level - _LEAST_PEAK), 0.0)
    store(peak, 0, highest)
    store(look, 0, mean / np.float32(_BANDS))
    store(look, 1, best)
    store(look, 3, level - _LEAST_PEAK - highest)


@kernel
def _decimate(filtered: Array, mean: Array, slow: Array) -> None:
    """16 to 4 kHz, and no direct current."""
    running = load(mean, 0)
    for n in range(_STEP):
        y = fill(0.0)
        for tap in range(_TAPS):
            y += load(filtered, _DECIMATION * n + _TAPS - 1 - tap) * _LOW_PASS[tap]
        running = running + np.float32(0.05) * (y - running)
        store(slow, _PAST + n, y - running)
    store(mean, 0, running)


@kernel
def _voicing(slow: Array) -> Array:
    """Largest normalised correlation of the last 40 ms with what lies 2.5-12.5 ms before."""
    energy = fill(0.0)
    other = fill(0.0)
    for n in range(_SPAN):
        a, b = load(slow, _MOST_LAG + n), load(slow, _MOST_LAG - _LEAST_LAG + n)
        energy += a * a
        other += b * b
    best = fill(-1.0)
    for lag in range(_LEAST_LAG, _MOST_LAG):
        product = fill(0.0)
        for n in range(_SPAN):
            product += load(slow, _MOST_LAG + n) * load(slow, _MOST_LAG - lag + n)
        best = most(product / root(most(energy * other, 0.0) + np.float32(1e-9)), best)
        entering, leaving = load(slow, _MOST_LAG - lag - 1), load(slow, _MOST_LAG - lag + _SPAN - 1)
        other += entering * entering - leaving * leaving
    return best
