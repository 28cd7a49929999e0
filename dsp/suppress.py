"""Spectral post-filter: one short-time spectrum in which residual echo and noise are taken away together, and the classical estimator.

The sine window of 20 ms moves by a hop of 10 ms and is applied twice, so that a spectrum left alone gives back the sound, 10 ms later.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import (
    LANES,
    Array,
    absolute,
    exp2,
    fill,
    kernel,
    least,
    load,
    load_tile,
    log2,
    most,
    reset_rows,
    root,
    select,
    store,
    store_tile,
    tiles,
)
from dsp.spectrum import BINS, FRAME, HOP, SINE, WORK, forward, inverse


class Suppressor(Protocol):
    """What tells speech from noise: classical or learned. ``speech`` float32 (capacity,) is the last hop's probability of speech.

    One whose gains lower echo as well, and with it whom it takes for echo, gives in ``cautious`` (rows, 161) the last hop's gains against
    noise alone; else that is None.
    """

    speech: Array
    cautious: Array | None

    def gains(self, near_power: Array, echo_power: Array) -> Array:
        """Powers of one hop (rows, 161) to gains in 0-1, (rows, 161) or more rows: |rfft|² of 320 sine-windowed samples, full scale 1."""

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""


class ResidualEcho(Protocol):
    """What tells the echo that is left from the near end."""

    @property
    def double_talk(self) -> Array:
        """How surely somebody near talked while there was echo in the last hop, 0-1, float32 (capacity,)."""

    def gains(self, near_power: Array, echo_power: Array, mic_power: Array, doubt: Array) -> Array:
        """Powers of one hop (rows, 161), and of the echo expected to be left (rows,), to gains in 0-1, (rows, 161) or more rows."""

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""


class PostFilter:
    """Residual-echo and noise gains in one spectrum, overlap-add, 10 ms late, for ``capacity`` rows at 16 kHz.

    ``noise`` and ``residual_echo`` bool (capacity,) switch per row; a row with both off is delayed, bit for bit, from its second hop on.
    ``speech`` float32 (capacity,) is the greatest probability of speech in the last block; less where most of a hop was residual echo.
    """

    def __init__(self, capacity: int, suppressor: Suppressor, residual: ResidualEcho | None = None) -> None:
        self.noise = np.ones(capacity, np.bool_)
        self.residual_echo = np.ones(capacity, np.bool_)
        self.speech = np.zeros(capacity, np.float32)
        self._talked = np.zeros(capacity, np.float32)
        self._suppressor = suppressor
        self._residual = residual
        count = tiles(capacity)
        self._near, self._echo = np.zeros((2, count, FRAME, LANES), np.float32)
        self._spectrum, self._echo_spectrum = np.zeros((2, count, 2, BINS, LANES), np.float32)
        self._tail = np.zeros((count, HOP, LANES), np.float32)
        self._plain = np.zeros((count, 1, LANES), np.float32)
        self._heard = np.zeros((count, 1, LANES), np.float32)

    def process(self, near: Array, echo: Array | None = None, doubt: Array | None = None) -> Array:
        """Filter (rows, 160 k), rows <= capacity: the canceller's error, beside its estimate of the echo and its ``doubt`` (rows, k), the
        power of the echo that it expects to have left, per hop."""
        rows = len(near)
        if doubt is None:
            doubt = np.zeros((rows, near.shape[1] // HOP), np.float32)
        out = np.empty_like(near)
        self.speech[:rows] = 0
        near_power, echo_power, mic_power = np.zeros((3, rows, BINS), np.float32)
        residual = self._residual if echo is not None else None
        switches = np.zeros((_SWITCHES, rows), np.float32)
        switches[_NOISE], switches[_RESIDUAL] = self.noise[:rows], self.residual_echo[:rows] if residual is not None else False
        for at in range(0, near.shape[1], HOP):
            _analyse(near, at, self._near, self._spectrum, near_power)
            if echo is not None:
                _analyse(echo, at, self._echo, self._echo_spectrum, echo_power)
            gains = kept = self._suppressor.gains(near_power, echo_power)
            cautious, speech = self._suppressor.cautious, self._suppressor.speech[:rows]
            if residual is not None:
                _together(self._spectrum, self._echo_spectrum, mic_power)
                kept = residual.gains(near_power, echo_power, mic_power, doubt[:, at // HOP])
                talked = self._talked[:rows]
                np.maximum(speech, _HELD * talked, out=talked)
                switches[_BOTH] = residual.double_talk[:rows] * np.clip(_SURE * (talked - _UNSURE), _NONE, _ONE)
            _synthesise(
                gains, gains if cautious is None else cautious, kept, switches, at,
                self._near, self._spectrum, self._tail, self._plain, self._heard, out,
            )  # fmt: skip
            np.maximum(self.speech[:rows], speech * self._heard.reshape(-1)[:rows], out=self.speech[:rows])
        return out

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to silence, and those of the suppressors with them."""
        for state in (self._near, self._echo, self._spectrum, self._echo_spectrum, self._tail, self._plain):
            reset_rows(state, rows)
        self.speech[rows] = self._talked[rows] = 0
        self._suppressor.reset(rows)
        if self._residual is not None:
            self._residual.reset(rows)


@kernel
def _analyse(block: Array, at: int, frames: Array, spectra: Array, power: Array) -> None:
    """The hop at ``at`` enters the frames (tiles, FRAME, LANES); their spectra (tiles, 2, BINS, LANES) and powers (rows, BINS)."""
    hop = np.empty((HOP, LANES), np.float32)
    windowed = np.empty((FRAME, LANES), np.float32)
    squares = np.empty((BINS, LANES), np.float32)
    work = np.empty(WORK, np.float32)
    for tile in range(tiles(block.shape[0])):
        load_tile(block, tile, at, hop)
        _spectrum(frames[tile], hop, windowed, spectra[tile, 0], spectra[tile, 1], squares, work)
        store_tile(power, tile, 0, squares)


@kernel
def _spectrum(frame: Array, hop: Array, windowed: Array, re: Array, im: Array, squares: Array, work: Array) -> None:
    for n in range(HOP):
        store(frame, n, load(frame, HOP + n))
        store(frame, HOP + n, load(hop, n))
    for n in range(FRAME):
        store(windowed, n, load(frame, n) * SINE[n])
    forward(windowed, re, im, work)
    for k in range(BINS):
        a, b = load(re, k), load(im, k)
        store(squares, k, a * a + b * b)


@kernel
def _together(near: Array, echo: Array, power: Array) -> None:
    """Powers (rows, BINS) of what the microphone heard: the canceller's error and its estimate of the echo again."""
    squares = np.empty((BINS, LANES), np.float32)
    for tile in range(tiles(power.shape[0])):
        for k in range(BINS):
            a = load(near, (tile, 0, k)) + load(echo, (tile, 0, k))
            b = load(near, (tile, 1, k)) + load(echo, (tile, 1, k))
            store(squares, k, a * a + b * b)
        store_tile(power, tile, 0, squares)


@kernel
def _synthesise(
    gains: Array, cautious: Array, kept: Array, switches: Array, at: int,
    frames: Array, spectra: Array, tails: Array, plains: Array, heard: Array, out: Array,
) -> None:  # fmt: skip
    """Overlap-add of the spectra with their gains (rows, BINS): those against noise, nearer to the cautious ones in double talk, or what
    is kept of residual echo, where that is less. Rows whose switches are off for the second time get their own samples. ``heard`` (tiles,
    1, LANES) becomes how far the hop may count as speech: the less, the more of it was residual echo."""
    gain, spared = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    lesser = np.empty((BINS, LANES), np.float32)
    switch = np.empty((_SWITCHES, LANES), np.float32)
    re, im = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    signal = np.empty((FRAME, LANES), np.float32)
    hop = np.empty((HOP, LANES), np.float32)
    work = np.empty(WORK, np.float32)
    for tile in range(tiles(out.shape[0])):
        load_tile(gains, tile, 0, gain)
        load_tile(cautious, tile, 0, spared)
        load_tile(kept, tile, 0, lesser)
        for part in range(_SWITCHES):
            for lane in range(LANES):
                row = tile * LANES + lane
                switch[part, lane] = switches[part, row] if row < out.shape[0] else 1.0
        noise, residual = load(switch, _NOISE), load(switch, _RESIDUAL)
        both = load(switch, _BOTH) * noise * residual
        whole, left = fill(_LEAST_POWER), fill(0.0)
        for k in range(BINS):
            g, r = load(gain, k), select(residual > 0.5, load(lesser, k), 1.0)
            a, b = load(spectra, (tile, 0, k)), load(spectra, (tile, 1, k))
            g += both * (most(load(spared, k), g) - g)
            g = least(select(noise > 0.5, g, 1.0), r)
            store(re, k, g * a)
            store(im, k, g * b)
            if _VOICE_BEGINS <= k < _VOICE_ENDS:
                power = a * a + b * b
                whole += power
                left += power * r * r
        store(heard, (tile, 0), select(residual > 0.5, least(_ECHOING * left / whole, 1.0), 1.0))
        inverse(re, im, signal, work)
        plain = select(noise + residual > 0.5, 0.0, 1.0)
        still = plain * load(plains, (tile, 0)) > 0.0
        store(plains, (tile, 0), plain)
        for n in range(HOP):
            added = load(tails, (tile, n)) + SINE[n] * load(signal, n)
            store(hop, n, select(still, load(frames, (tile, n)), added))
            store(tails, (tile, n), SINE[HOP + n] * load(signal, HOP + n))
        store_tile(out, tile, at, hop)


class LogSpectralSuppressor:
    """The classical estimator, for ``capacity`` rows: what a leg's noise is, and the gain that keeps its speech.

    - Noise power by the probability of speech per bin (Gerkmann and Hendriks, IEEE TASLP 20(4), 2012), frozen in digital silence.
    - A-priori ratio of speech to noise: geometric mean of the decision-directed one (Ephraim and Malah 1984) and of one smoothed in the
      cepstrum, where little but the envelope and the pitch may change fast (Breithaupt, Gerkmann and Martin, ICASSP 2008).
    - Gain of the log-spectral amplitude (Ephraim and Malah, IEEE TASSP 33(2), 1985), to a power of up to 3 where the surrounding 1.5 kHz
      has no speech, never below -24 dB. In pauses it goes to that floor as a whole, so that what is left of the noise keeps its sound.

    ``speech`` float32 (capacity,) is the probability of speech in the last hop.
    """

    def __init__(self, capacity: int) -> None:
        self.speech = np.zeros(capacity, np.float32)
        self.cautious: Array | None = None
        self._state = np.zeros((tiles(capacity), 4, BINS, LANES), np.float32)  # noise, clean power, presence, cepstrum
        self._hops = np.zeros((tiles(capacity), 2, LANES), np.float32)  # hops with sound up to 2, speech held through short pauses

    def gains(self, near_power: Array, echo_power: Array) -> Array:
        """Gains (rows, 161) of one hop, rows <= capacity; ``echo_power`` is not looked at."""
        gains = np.empty_like(near_power)
        _estimate(near_power, self._state, self._hops, gains, self.speech)
        return gains

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to knowing nothing of their noise."""
        reset_rows(self._state, rows)
        reset_rows(self._hops, rows)
        self.speech[rows] = 0


_LEAST_POWER, _MOST_POWER = 1e-12, 1e6
_SILENT_POWER = 1e-7  # mean power per bin, -92 dBFS: what is below tells nothing of the noise
_FIRST_REACH = 4  # bins to each side, over which the first hop's power is averaged for a first noise power
_EXPECTED = 10**1.5  # ratio of speech to noise where there is speech (Gerkmann and Hendriks: 15 dB)
_NOISE_STEP, _PRESENCE_STEP, _MOST_PRESENCE = 0.17, 0.05, 0.98
_LEAST_MEASURED = 0.03  # of the ratio, below which its logarithm would be noise
_ENVELOPE_ENDS, _FORMANTS_END, _PITCH_BEGINS = 2, 16, 32  # quefrencies in samples: envelope, formants, from 500 Hz down pitch
_ENVELOPE_KEEP, _FORMANTS_KEEP, _REST_KEEP = 0.2, 0.6, 0.92
_PITCH_PEAK, _PITCH_REACH = 0.29, 2.5  # cepstral peak that is a pitch, and how far around it the cepstrum follows at once
_SMOOTHING_BIAS = 0.505  # what averaging logarithms (to base 2) loses
_DIRECTED_KEEP = 0.94
_LEAST_RATIO = 1e-3
_AROUND = 15  # bins to each side
_AROUND_NONE, _AROUND_SOME, _AROUND_MOST = 0.1, 10**-0.5, 100.0  # mean ratio there: no speech, some speech; a bin's share at most
_MOST_EXPONENT = 3.0
_LEAST_GAIN_DB = -24.0
_PAUSE_NONE, _PAUSE_SOME = 10**-0.5, 1.0  # the same for the question whether a bin has to stay as it is in a pause
_HOLD, _PAUSE_BELOW = 0.93, 0.3  # of the probability of speech: kept from hop to hop, and where a pause begins
_VOICE_BEGINS, _VOICE_ENDS = 5, 80  # bins in which speech is told, 250-4,000 Hz
_VOICE_NONE, _VOICE_SURE, _VOICE_MOST = 0.25, 2.5, 10.0  # mean ratio there; a bin's share at most


@kernel
def _estimate(powers: Array, states: Array, hops: Array, gains: Array, speech: Array) -> None:
    power, ratio = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    re, im = np.empty((BINS, LANES), np.float32), np.zeros((BINS, LANES), np.float32)
    cepstrum, work = np.empty((FRAME, LANES), np.float32), np.empty(WORK, np.float32)
    voiced = np.empty((1, LANES), np.float32)
    for tile in range(tiles(powers.shape[0])):
        load_tile(powers, tile, 0, power)
        noise, clean, presence, smooth = states[tile, 0], states[tile, 1], states[tile, 2], states[tile, 3]
        _follow_noise(power, hops[tile], noise, presence)
        for k in range(BINS):
            floor = load(noise, k)
            store(re, k, log2(most(load(power, k) - floor, _LEAST_MEASURED * floor)))
        _smooth_cepstrum(hops[tile], smooth, re, im, cepstrum, work)
        for k in range(BINS):
            floor = load(noise, k)
            smoothed = most(exp2(load(re, k) + _SMOOTHING_BIAS) / floor, _LEAST_RATIO)
            measured = most(load(power, k) / floor - 1.0, 0.0)
            directed = most(_DIRECTED_KEEP * load(clean, k) / floor + (1.0 - _DIRECTED_KEEP) * measured, _LEAST_RATIO)
            store(ratio, k, root(smoothed * directed))
        total = fill(0.0)
        for k in range(_VOICE_BEGINS, _VOICE_ENDS):
            total += least(load(ratio, k), _VOICE_MOST)
        voice = _share(total * (1 / (_VOICE_ENDS - _VOICE_BEGINS)), _VOICE_NONE, _VOICE_SURE)
        held = most(voice, _HOLD * load(hops, (tile, 1)))
        store(hops, (tile, 1), held)
        _gain(power, noise, clean, ratio, most(1.0 - held * (1 / _PAUSE_BELOW), 0.0), re)
        store_tile(gains, tile, 0, re)
        store(voiced, 0, voice)
        for lane in range(min(LANES, powers.shape[0] - tile * LANES)):
            speech[tile * LANES + lane] = voiced[0, lane]


@kernel
def _follow_noise(power: Array, hops: Array, noise: Array, presence: Array) -> None:
    """Bound ``power`` and renew ``noise`` (both (BINS, LANES)) by it; ``hops`` (2, LANES): first how many had sound."""
    total = fill(0.0)
    for k in range(BINS):
        bounded = least(most(load(power, k), _LEAST_POWER), _MOST_POWER)
        store(power, k, bounded)
        total += bounded
    sounds = total > BINS * _SILENT_POWER
    fresh = load(hops, 0) < 1.0
    store(hops, 0, select(sounds, least(load(hops, 0) + 1.0, 2.0), load(hops, 0)))
    for k in range(BINS):
        first = fill(0.0)
        for j in range(max(0, k - _FIRST_REACH), min(BINS, k + _FIRST_REACH + 1)):
            first += load(power, j)
        first *= 1 / (min(BINS, k + _FIRST_REACH + 1) - max(0, k - _FIRST_REACH))
        before, heard = select(fresh, first, load(noise, k)), load(power, k)
        likelihood = exp2(heard / before * (-_EXPECTED / (1 + _EXPECTED) * _LOG2_E))
        speaks = 1.0 / (1.0 + (1 + _EXPECTED) * likelihood)
        mean = load(presence, k) + _PRESENCE_STEP * (speaks - load(presence, k))
        speaks = select(mean > _MOST_PRESENCE, least(speaks, _MOST_PRESENCE), speaks)
        store(presence, k, select(sounds, mean, load(presence, k)))
        store(noise, k, select(sounds, before + _NOISE_STEP * (1.0 - speaks) * (heard - before), before))


@kernel
def _smooth_cepstrum(hops: Array, smooth: Array, re: Array, im: Array, cepstrum: Array, work: Array) -> None:
    """Smooth log powers ``re`` (BINS, LANES) by way of their cepstrum, of which ``smooth`` is the state; ``im`` is scratch."""
    for k in range(BINS):
        store(im, k, fill(0.0))
    inverse(re, im, cepstrum, work)
    peak, place = fill(_PITCH_PEAK), fill(-100.0)
    for q in range(_PITCH_BEGINS, BINS):
        c = load(cepstrum, q)
        place = select(c > peak, fill(1.0 * q), place)
        peak = most(c, peak)
    first = load(hops, 0) < 2.0
    for q in range(BINS):
        keep = _ENVELOPE_KEEP if q <= _ENVELOPE_ENDS else _FORMANTS_KEEP if q <= _FORMANTS_END else _REST_KEEP
        kept = select(absolute(place - 1.0 * q) < _PITCH_REACH, _ENVELOPE_KEEP, keep)
        c, former = load(cepstrum, q), load(smooth, q)
        c = select(first, c, c + kept * (former - c))
        store(smooth, q, c)
        store(cepstrum, q, c)
        if 0 < q < HOP:
            store(cepstrum, FRAME - q, c)
    forward(cepstrum, re, im, work)


@kernel
def _gain(power: Array, noise: Array, clean: Array, ratio: Array, pause: Array, gain: Array) -> None:
    """Gains (BINS, LANES) of the a-priori ``ratio``, and the ``clean`` power that they leave; ``pause`` (LANES,) is 1 in a pause."""
    floor = _LEAST_GAIN_DB / _DB
    around = fill(0.0)
    for k in range(-_AROUND, _AROUND):
        around += least(load(ratio, max(k, 0)), _AROUND_MOST)
    for k in range(BINS):
        around += least(load(ratio, min(k + _AROUND, HOP)), _AROUND_MOST)
        mean = around * (1 / (2 * _AROUND + 1))
        around = around - least(load(ratio, max(k - _AROUND, 0)), _AROUND_MOST)
        x, heard = load(ratio, k), load(power, k)
        wiener = x / (1.0 + x)
        v = most(wiener * heard / load(noise, k), 1e-5)
        best = least(wiener * root(1.0 + _exponential_integral(v)), 1.0)
        store(clean, k, best * best * heard)
        exponent = _MOST_EXPONENT - (_MOST_EXPONENT - 1.0) * _share(mean, _AROUND_NONE, _AROUND_SOME)
        given_up = pause * (1.0 - _share(mean, _PAUSE_NONE, _PAUSE_SOME))
        level = most(exponent * log2(best), _LEAST_LOG_GAIN)
        store(gain, k, exp2(most(level + given_up * (floor - level), floor)))


@kernel
def _share(x: Array, none: float, sure: float) -> Array:
    """Where x lies on the way from ``none`` (0) to ``sure`` (1), in logarithm."""
    begin, scale = np.log2(none), 1.0 / (np.log2(sure) - np.log2(none))
    return most(least((log2(x) - begin) * scale, 1.0), 0.0)


@kernel
def _exponential_integral(v: Array) -> Array:
    """exp(E1(v)) - 1 for v >= 1e-5: a fit of its logarithm times v, which goes from Euler's constant at 0 to -v; relative error 3e-7."""
    bounded = least(v, 30.0)
    above = bounded * (bounded * (bounded * -0.06489997 - 0.4478024) - 1.12685322)
    below = bounded * (bounded * 0.04552841 + 0.32696624) + 1.0
    return exp2(least(above / below, 0.0) - 0.83274618) / v


_DB = float(20 * np.log10(2))
_LEAST_LOG_GAIN = -30.0  # to base 2
_LOG2_E = float(np.log2(np.e))
_NONE, _ONE = np.float32(0), np.float32(1)
_SURE, _UNSURE = np.float32(4), np.float32(0.15)  # probability of speech: from there on there is some, a quarter more and it is sure
_HELD = np.float32(0.97)  # of that probability from hop to hop: a voice is not gone with a syllable
_ECHOING = np.float32(4)  # a hop of which less than a quarter is left is the less speech the less is left
_NOISE, _RESIDUAL, _BOTH, _SWITCHES = 0, 1, 2, 3  # per row: is it on, and how surely is there double talk
