"""Packet-loss concealment: the voice goes on through a hole, and is met halfway by the voice behind it where that is here already.

What came before the hole is taken apart by linear prediction into a vocal tract (the filter) and its excitation. The excitation goes on
by repeating itself a pitch period back, weaker each time and with noise mixed in, and passes through the same filter from the state it was
left in, so that the hole begins without a step: the scheme of SILK's decoder (RFC 6716, section 4.2.7.9 and its reference code), with
analysis done here, so that it serves any codec. Unlike there the repeated period is kept at its level for the first 20 ms, which is
worth 0.1 PLCMOS; its slow lengthening, which keeps a long hole from buzzing, is worth 0.15.

When the sound behind the hole is known, it is continued backwards in the same way, and the two cross-fade over the hole. That is worth
more than all else (0.2 PLCMOS and 0.35 PESQ with 20 ms of the sound behind known), and it brings back the beginnings of words.

Long holes fade to comfort noise of the background's level and spectrum.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import kernel
from dsp.pitch import coarse_fold, period

Samples = NDArray[np.float32]
Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]

_HISTORY_S = 0.05
_SHORTEST_S, _LONGEST_S, _WINDOW_S = 0.0025, 0.02, 0.02
_RING_S = 0.025  # the longest period with all its lengthening
_STEP_S = 0.005  # gains and period change this often
_VOICED = 0.5  # from this likeness on the sound is repeated, not only imitated
_REPEAT_LEAST = 0.9
_LENGTHEN = 1.005
_REPEAT_LATER = 0.99  # per step, after the first 20 ms
_HISS_LEAST, _HISS, _HISS_LATER = 0.1, 0.95, 0.9  # share of noise in the excitation, and what becomes of it per step
_UNVOICED, _UNVOICED_LATER = 0.99, 0.96
_FULL_S, _GONE_S = 0.08, 0.2  # by then the made-up voice has given way to comfort noise
_FADE_BACK_S = 0.008
_PLAN_S = 0.06  # no longer hole is closed from behind at once
_NOISE_RISE = 1.02  # per packet: how fast the noise estimate follows a louder background
_NOISE_MOST = 0.01  # -40 dBFS: louder background than this is not made up
_NOISE_LIKE = 2.0  # up to this many times the noise level, sound counts as background and shapes the comfort noise
_NOISE_SMOOTHING = 0.9
_WHITE, _BLUR_HZ = 1.0001, 40.0  # white-noise correction and lag window of the prediction

# columns of _State.measures and _State.counts
_LAG, _REPEAT, _SHARE, _LEVEL, _RESERVED = range(5)
_AT, _MADE, _VOICE, _RANDOM, _FILLED, _BEGUN, _PLANNED, _TAKEN = range(8)


class _Format(NamedTuple):
    """Lengths at the stream's rate, in samples."""

    fold: int
    order: int
    shortest: int
    longest: int
    window: int
    step: int
    first: int
    full: int
    gone: int
    settling: int
    fade_back: int
    longest_plan: int


class _State(NamedTuple):
    """Per row: ``history`` what was heard last; ``lpc``, ``memory`` (newest first), ``ring`` and ``hiss`` continue it; ``plan`` fills the
    hole up to the sound behind it; ``background`` is the noise's autocorrelation, ``noise_lpc`` and ``noise_memory`` make it."""

    history: Samples
    lpc: Numbers
    memory: Numbers
    ring: Samples
    hiss: Samples
    plan: Samples
    background: Numbers
    noise_lpc: Numbers
    noise_memory: Numbers
    measures: Numbers
    counts: Integers


class Concealment:
    """``rows`` streams of float32 samples at ``rate_hz``. Row r's noise comes from ``seed + r``.

    ``settling_s``: for so long what arrives behind a hole is made up still, because the decoder has yet to find its way back.
    """

    def __init__(self, rows: int, rate_hz: int, *, settling_s: float = 0.0, seed: int = 0) -> None:
        self.rate_hz = rate_hz

        def length(seconds: float) -> int:
            return int(seconds * rate_hz)

        order = min(32, 8 + rate_hz // 1_000)
        self._format = _Format(
            fold=coarse_fold(rate_hz),
            order=order,
            shortest=length(_SHORTEST_S),
            longest=length(_LONGEST_S),
            window=length(_WINDOW_S),
            step=length(_STEP_S),
            first=4 * length(_STEP_S),
            full=length(_FULL_S),
            gone=length(_GONE_S),
            settling=length(settling_s),
            fade_back=length(_FADE_BACK_S),
            longest_plan=length(_PLAN_S),
        )
        self._state = _State(
            history=np.zeros((rows, length(_HISTORY_S)), np.float32),
            lpc=np.zeros((rows, order + 1)),
            memory=np.zeros((rows, order)),
            ring=np.zeros((rows, length(_RING_S)), np.float32),
            hiss=np.zeros((rows, length(_STEP_S)), np.float32),
            plan=np.zeros((rows, length(_PLAN_S) + length(settling_s) + length(_FADE_BACK_S)), np.float32),
            background=np.zeros((rows, order + 1)),
            noise_lpc=np.zeros((rows, order + 1)),
            noise_memory=np.zeros((rows, order)),
            measures=np.zeros((rows, 5)),
            counts=np.zeros((rows, 8), np.int64),
        )
        window = length(_WINDOW_S)
        rise = int(0.8 * window)
        lags = np.arange(order + 1)
        self._window = np.concatenate(
            (
                0.54 - 0.46 * np.cos(np.pi * np.arange(rise) / rise),
                0.4 + 0.6 * np.cos(np.pi / 2 * np.arange(window - rise) / (window - rise)),
            )
        )
        self._blur = np.exp(-0.5 * (2 * np.pi * _BLUR_HZ / rate_hz * lags) ** 2)
        self._blur[0] = _WHITE
        self._seed = seed
        self._state.measures[:, _LEVEL] = -1.0
        self._state.counts[:, _RANDOM] = seed + np.arange(rows)

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""
        for array in self._state:
            array[rows] = 0
        self._state.measures[rows, _LEVEL] = -1.0
        self._state.counts[rows, _RANDOM] = self._seed + np.arange(len(self._state.counts))[rows]

    def rest(self, rows: Integers) -> None:
        """The holes of ``rows`` (k,) were left silent at last: nothing is blended with what comes next."""
        for column in (_FILLED, _BEGUN, _PLANNED):
            self._state.counts[rows, column] = 0

    def received(self, rows: Integers, sound: Samples) -> Samples:
        """Note what arrived for ``rows`` (k,): ``sound`` (k, n); returns it, blended with what was made up where a hole has just ended."""
        out = np.empty(sound.shape, np.float32)
        _received(rows, np.ascontiguousarray(sound, np.float32), out, self._state, self._format, self._window, self._blur)
        return out

    def conceal(self, rows: Integers, samples: int, *, following: Samples | None = None, distance: Integers | None = None) -> Samples:
        """(k, ``samples``) of made-up sound for ``rows`` (k,); call again while the hole lasts.

        ``following`` (k, m) is the sound that begins ``distance`` (k,) samples behind what was heard last, at least ``samples``; a
        distance of 0 says that it is not known.
        """
        out = np.empty((len(rows), samples), np.float32)
        if following is None or distance is None:
            following, distance = np.zeros((len(rows), 0), np.float32), np.zeros(len(rows), np.int64)
        behind = np.ascontiguousarray(following, np.float32)
        _conceal(rows, behind, distance, out, self._state, self._format, self._window, self._blur)
        return out


class Concealer:
    """One stream of float32 samples at ``rate_hz``: a ``Concealment`` of one row. ``seed`` makes the noise reproducible."""

    def __init__(self, rate_hz: int, *, settling_s: float = 0.0, seed: int = 0) -> None:
        self.rate_hz = rate_hz
        self._all = Concealment(1, rate_hz, settling_s=settling_s, seed=seed)
        self._row = np.zeros(1, np.int64)

    @classmethod
    def of(cls, concealment: Concealment, row: int) -> "Concealer":
        """One row of many, brought back to its first state."""
        one = cls.__new__(cls)
        one.rate_hz, one._all, one._row = concealment.rate_hz, concealment, np.full(1, row, np.int64)
        one.reset()
        return one

    def reset(self) -> None:
        """Another stream begins."""
        self._all.reset(self._row)

    def rest(self) -> None:
        """What was made up has been faded out: what comes next is not blended with it."""
        self._all.rest(self._row)

    def received(self, x: Samples) -> Samples:
        """Note sound that arrived, (n,); returns it, its beginning blended with what was made up if a hole has just ended."""
        blended: Samples = self._all.received(self._row, x[None])[0]
        return blended

    def conceal(self, samples: int, *, following: Samples | None = None, distance: int = 0) -> Samples:
        """``samples`` of made-up sound; ``following`` (m,), where it is known, begins ``distance`` samples behind what was heard last."""
        behind = None if following is None else following[None]
        made: Samples = self._all.conceal(self._row, samples, following=behind, distance=np.full(1, distance))[0]
        return made


# -- rows; each is handled alone, so none can reach another


@kernel
def _received(rows: Integers, sound: Samples, out: Samples, state: _State, format_: _Format, window: Numbers, blur: Numbers) -> None:
    for k in range(len(rows)):
        row = rows[k]
        counts, measures = state.counts[row], state.measures[row]
        x = out[k]
        power = 0.0
        for i in range(len(x)):
            x[i] = _sane(sound[k, i])
            power += x[i] * x[i]
        if counts[_FILLED] > 0:
            _blend(x, row, state, format_)
            counts[_FILLED] = counts[_BEGUN] = counts[_PLANNED] = 0
        _remember(state.history[row], x)
        level = math.sqrt(power / max(1, len(x)))
        known = measures[_LEVEL]
        measures[_LEVEL] = level if known < 0.0 else min(level, known * _NOISE_RISE + 1e-6)
        if 0.0 < level <= _NOISE_LIKE * measures[_LEVEL]:
            fresh = np.empty(format_.order + 1)
            _autocorrelation(state.history[row], window, fresh)
            background = state.background[row]
            for lag in range(len(fresh)):
                background[lag] = _NOISE_SMOOTHING * background[lag] + (1.0 - _NOISE_SMOOTHING) * fresh[lag] / (fresh[0] + 1e-20)


@kernel
def _conceal(
    rows: Integers,
    following: Samples,
    distance: Integers,
    out: Samples,
    state: _State,
    format_: _Format,
    window: Numbers,
    blur: Numbers,
) -> None:
    for k in range(len(rows)):
        row = rows[k]
        counts, history = state.counts[row], state.history[row]
        if counts[_FILLED] == 0:
            _predict(state.background[row], blur, state.noise_lpc[row])
        done = 0
        if counts[_PLANNED] == 0:
            _begin(row, state, format_, window, blur)
            known = following.shape[1] - format_.settling
            if known > format_.order + 2 * format_.step and out.shape[1] <= distance[k] <= format_.longest_plan:
                _close(following[k, format_.settling :], distance[k] + format_.settling, row, state, format_, window, blur)
        if counts[_PLANNED] > 0:
            done = min(out.shape[1], counts[_PLANNED] - counts[_TAKEN])
            for i in range(done):
                out[k, i] = state.plan[row, counts[_TAKEN] + i]
            counts[_TAKEN] += done
            counts[_FILLED] += done
            _remember(history, out[k, :done])
            if done < out.shape[1]:
                counts[_PLANNED] = 0
                counts[_BEGUN] = 0
                _begin(row, state, format_, window, blur)
        if done < out.shape[1]:
            _go_on(out[k, done:], row, state, format_)
            counts[_FILLED] += out.shape[1] - done
            _remember(history, out[k, done:])


@kernel
def _sane(value: np.float32) -> np.float32:
    """Neither NaN nor far beyond full scale."""
    return value if abs(value) <= 4.0 else np.float32(0.0)


@kernel
def _remember(history: Samples, x: Samples) -> None:
    n, m = len(history), len(x)
    for i in range(n - m):
        history[i] = history[i + m]
    for i in range(max(0, n - m), n):
        history[i] = x[m - n + i]


@kernel
def _begin(row: int, state: _State, format_: _Format, window: Numbers, blur: Numbers) -> None:
    """Take the sound before the hole apart, once per hole."""
    counts = state.counts[row]
    if counts[_BEGUN]:
        return
    counts[_BEGUN] = 1
    _analyse(
        state.history[row], format_, window, blur, state.lpc[row], state.memory[row], state.ring[row], state.hiss[row],
        state.measures[row], counts,
    )  # fmt: skip


@kernel
def _go_on(out: Samples, row: int, state: _State, format_: _Format) -> None:
    """The voice before the hole, fading to comfort noise."""
    counts = state.counts[row]
    _continue(out, format_, state.lpc[row], state.memory[row], state.ring[row], state.hiss[row], state.measures[row], counts)
    if counts[_FILLED] + len(out) <= format_.full:
        return
    noise = np.empty(len(out), np.float32)
    _comfort_noise(noise, row, state)
    for i in range(len(out)):
        left = min(1.0, max(0.0, (format_.gone - counts[_FILLED] - i) / (format_.gone - format_.full)))
        out[i] = out[i] * left + noise[i] * (1.0 - left)


@kernel
def _close(following: Samples, distance: int, row: int, state: _State, format_: _Format, window: Numbers, blur: Numbers) -> None:
    """Plan the rest of the hole: the voice before it forwards, the one behind it backwards, cross-faded; then a copy of the latter."""
    order = format_.order
    forwards, backwards = np.empty(distance, np.float32), np.empty(distance, np.float32)
    _go_on(forwards, row, state, format_)
    known = min(len(following), len(state.history[row]))
    mirrored = np.empty(known, np.float32)
    for i in range(known):
        mirrored[known - 1 - i] = _sane(following[i])
    lpc, memory = np.empty(order + 1), np.empty(order)
    ring, hiss = np.empty(len(state.ring[row]), np.float32), np.empty(format_.step, np.float32)
    measures, counts = np.zeros(_RESERVED), np.zeros(_FILLED, np.int64)
    counts[_RANDOM] = state.counts[row, _RANDOM]
    _analyse(mirrored, format_, window, blur, lpc, memory, ring, hiss, measures, counts)
    _continue(backwards, format_, lpc, memory, ring, hiss, measures, counts)
    plan = state.plan[row]
    for i in range(distance):
        share = (i + 0.5) / distance
        plan[i] = forwards[i] * (1.0 - share) + backwards[distance - 1 - i] * share
    copied = min(format_.fade_back, known)
    for i in range(copied):
        plan[distance + i] = mirrored[known - 1 - i]
    state.counts[row, _PLANNED] = distance + copied
    state.counts[row, _TAKEN] = 0
    state.counts[row, _RANDOM] = counts[_RANDOM]


@kernel
def _blend(x: Samples, row: int, state: _State, format_: _Format) -> None:
    """Fade from the continued hole into ``x``."""
    counts = state.counts[row]
    held = min(len(x), format_.settling)
    n = min(len(x), held + format_.fade_back)
    made = np.empty(n, np.float32)
    if counts[_PLANNED] > 0:
        n = min(n, counts[_PLANNED] - counts[_TAKEN])
        for i in range(n):
            made[i] = state.plan[row, counts[_TAKEN] + i]
    else:
        _go_on(made, row, state, format_)
    held = min(held, n)
    for i in range(n):
        share = 0.0 if i < held else (i - held + 0.5) / (n - held)
        x[i] += (made[i] - x[i]) * (1.0 - share)


# -- one voice


@kernel
def _analyse(
    past: Samples,
    format_: _Format,
    window: Numbers,
    blur: Numbers,
    lpc: Numbers,
    memory: Numbers,
    ring: Samples,
    hiss: Samples,
    measures: Numbers,
    counts: Integers,
) -> None:
    """How ``past`` would go on: its vocal tract, its excitation, its period."""
    n, order, step = len(past), format_.order, format_.step
    correlation = np.empty(order + 1)
    _autocorrelation(past, window, correlation)
    _predict(correlation, blur, lpc)
    for k in range(order):
        memory[k] = past[n - 1 - k]
    width = min(format_.window, n // 2)
    lag, likeness = period(past, format_.fold, format_.shortest, format_.longest, width)
    residual = np.zeros(n, np.float32)
    for i in range(order, n):
        total = 0.0
        for k in range(order + 1):
            total += lpc[k] * past[i - k]
        residual[i] = total
    for i in range(len(ring)):
        from_end = len(ring) - i
        ring[i] = residual[n - from_end] if from_end <= n else np.float32(0.0)
    counts[_AT] = counts[_MADE] = 0
    counts[_VOICE] = 1 if likeness > _VOICED else 0
    measures[_LAG] = lag
    measures[_REPEAT], measures[_SHARE] = 0.0, 1.0
    if counts[_VOICE]:
        product, power = 0.0, 0.0
        for i in range(max(order + lag, n - format_.window), n):
            product += residual[i] * residual[i - lag]
            power += residual[i - lag] * residual[i - lag]
        measures[_REPEAT] = min(1.0, max(_REPEAT_LEAST, product / (power + 1e-12)))
        measures[_SHARE] = max(_HISS_LEAST, 1.0 - measures[_REPEAT])
    last, before = 0.0, 0.0
    for i in range(step):
        last += residual[n - 1 - i] * residual[n - 1 - i]
        before += residual[n - 1 - step - i] * residual[n - 1 - step - i]
    quieter = n - step if last <= before else n - 2 * step
    for i in range(step):
        hiss[i] = residual[quieter + i]


@kernel
def _continue(
    out: Samples,
    format_: _Format,
    lpc: Numbers,
    memory: Numbers,
    ring: Samples,
    hiss: Samples,
    measures: Numbers,
    counts: Integers,
) -> None:
    """The next samples of an analysed voice."""
    n, order, size = len(out), format_.order, len(ring)
    sound = np.empty(order + n)
    for k in range(order):
        sound[order - 1 - k] = memory[k]
    for i in range(n):
        counts[_RANDOM] = (counts[_RANDOM] * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        random = counts[_RANDOM]
        noise = hiss[(random >> 16) % len(hiss)] * measures[_SHARE]
        back = counts[_AT] - int(measures[_LAG] + 0.5)
        excitation = measures[_REPEAT] * ring[back if back >= 0 else back + size] + (noise if random & 0x8000 else -noise)
        ring[counts[_AT]] = excitation
        counts[_AT] = counts[_AT] + 1 if counts[_AT] + 1 < size else 0
        total = 0.0
        for k in range(1, order + 1):
            total += lpc[k] * sound[order + i - k]
        sound[order + i] = excitation - total
        counts[_MADE] += 1
        if counts[_MADE] % format_.step == 0:
            early = counts[_MADE] <= format_.first
            if counts[_VOICE]:
                measures[_REPEAT] *= 1.0 if early else _REPEAT_LATER
                measures[_SHARE] *= _HISS if early else _HISS_LATER
            else:
                measures[_SHARE] *= _UNVOICED if early else _UNVOICED_LATER
            measures[_LAG] = min(measures[_LAG] * _LENGTHEN, size - 1.0)
    for i in range(n):
        out[i] = min(1.0, max(-1.0, sound[order + i]))
    for k in range(order):
        memory[k] = sound[order + n - 1 - k]


@kernel
def _comfort_noise(out: Samples, row: int, state: _State) -> None:
    """Noise of the background's level and spectrum."""
    lpc, memory, background = state.noise_lpc[row], state.noise_memory[row], state.background[row]
    counts = state.counts[row]
    level = min(max(state.measures[row, _LEVEL], 0.0), _NOISE_MOST)
    remaining = 0.0  # of the background's power, what prediction does not explain
    for k in range(len(lpc)):
        remaining += lpc[k] * background[k]
    scale = level * math.sqrt(max(0.0, remaining / background[0])) if background[0] > 0.0 else level
    for i in range(len(out)):
        total = 0.0
        for _ in range(4):  # the sum of four is nearly Gaussian
            counts[_RANDOM] = (counts[_RANDOM] * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
            total += (counts[_RANDOM] >> 8) / 8_388_608.0 - 1.0
        total *= math.sqrt(0.75) * scale
        for k in range(len(memory)):
            total -= lpc[k + 1] * memory[k]
        for k in range(len(memory) - 1, 0, -1):
            memory[k] = memory[k - 1]
        memory[0] = total
        out[i] = min(1.0, max(-1.0, total))


# -- linear prediction


@kernel
def _autocorrelation(x: Samples, window: Numbers, out: Numbers) -> None:
    """Of the end of ``x`` under the window (of its latter part, when there is not so much)."""
    n = min(len(x), len(window))
    shaped = np.empty(n)
    for i in range(n):
        shaped[i] = x[len(x) - n + i] * window[len(window) - n + i]
    for lag in range(len(out)):
        total = 0.0
        for i in range(lag, n):
            total += shaped[i] * shaped[i - lag]
        out[lag] = total


@kernel
def _predict(correlation: Numbers, blur: Numbers, lpc: Numbers) -> None:
    """The prediction-error filter 1, a1, a2 ... by Levinson and Durbin's recursion; ``blur`` widens narrow peaks."""
    order = len(lpc) - 1
    lpc[:] = 0.0
    lpc[0] = 1.0
    error = correlation[0] * blur[0] + 1e-9
    for i in range(1, order + 1):
        total = 0.0
        for k in range(i):
            total += lpc[k] * correlation[i - k] * blur[i - k]
        reflection = -total / error
        half = i // 2
        for k in range(1, half + 1):
            low, high = lpc[k], lpc[i - k]
            lpc[k] = low + reflection * high
            lpc[i - k] = high + reflection * low
        lpc[i] = reflection
        error *= 1.0 - reflection * reflection
