"""Signalling tones: ringback, busy and beeps as countries know them, a hold melody, DTMF made and detected.

Everything is float32 in -1..1 at the given rate. Frequencies and cadences are those of ITU-T E.180 (supplement 2) and, for ``eu``, of
ETSI TR 101 041-2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import Array, fill, kernel, load, store

Samples = NDArray[np.float32]
DTMF_DIGITS = "123A456B789C*0#D"
DTMF_LOW_HZ = (697, 770, 852, 941)  # ITU-T Q.23
DTMF_HIGH_HZ = (1209, 1336, 1477, 1633)
_RAMP_S = 0.005


@dataclass(frozen=True, slots=True)
class Signal:
    """``frequencies_hz`` sound together; ``cadence_s`` is on, off, on, off and so on, one period."""

    frequencies_hz: tuple[float, ...]
    cadence_s: tuple[float, ...]


RINGBACK = {
    "es": Signal((425.0,), (1.5, 3.0)),
    "eu": Signal((425.0,), (1.0, 4.0)),
    "uk": Signal((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
    "us": Signal((440.0, 480.0), (2.0, 4.0)),
}
BUSY = {
    "es": Signal((425.0,), (0.2, 0.2)),
    "eu": Signal((425.0,), (0.5, 0.5)),
    "uk": Signal((400.0,), (0.375, 0.375)),
    "us": Signal((480.0, 620.0), (0.5, 0.5)),
}
HOLD_BEEP = Signal((440.0,), (0.1, 0.1, 0.1, 9.7))
"""Our own: two short beeps every ten seconds, so that a call on hold is not forgotten."""
RECORDING_BEEP = Signal((1400.0,), (0.2, 14.8))
"""The one that US law describes (47 CFR 64.501: 1260-1540 Hz, 0.17-0.25 s, every 12-18 s)."""
MESSAGE_BEEP = Signal((1000.0,), (0.4, 1.0))
"""Our own: speak now."""


def ringback(rate_hz: int, *, country: str = "es", level_dbfs: float = -18.0) -> Samples:
    """One period of the tone a caller hears while the far end rings, to be looped. Raises KeyError for an unknown country."""
    return cadenced(RINGBACK[country], rate_hz, level_dbfs=level_dbfs)


def busy(rate_hz: int, *, country: str = "es", level_dbfs: float = -18.0) -> Samples:
    """One period of the busy tone, to be looped. Raises KeyError for an unknown country."""
    return cadenced(BUSY[country], rate_hz, level_dbfs=level_dbfs)


def hold_beep(rate_hz: int, *, level_dbfs: float = -24.0) -> Samples:
    """One period of the reminder of a call on hold, to be looped."""
    return cadenced(HOLD_BEEP, rate_hz, level_dbfs=level_dbfs)


def recording_beep(rate_hz: int, *, level_dbfs: float = -24.0) -> Samples:
    """One period of the sign that a call is recorded, to be looped."""
    return cadenced(RECORDING_BEEP, rate_hz, level_dbfs=level_dbfs)


def cadenced(signal: Signal, rate_hz: int, *, level_dbfs: float) -> Samples:
    """One period of a signal; ``level_dbfs`` is the RMS level of its frequencies together."""
    each_dbfs = level_dbfs - 10.0 * float(np.log10(len(signal.frequencies_hz)))
    parts: list[Samples] = []
    for index, seconds in enumerate(signal.cadence_s):
        if index % 2:
            parts.append(np.zeros(round(seconds * rate_hz), np.float32))
        else:
            tone = sum((sine(hz, seconds, rate_hz, level_dbfs=each_dbfs) for hz in signal.frequencies_hz), np.float32(0.0))
            parts.append(_ramped(np.asarray(tone, np.float32), rate_hz))
    return np.concatenate(parts)


def hold_melody(rate_hz: int, *, level_dbfs: float = -24.0) -> Samples:
    """A soft arpeggio of 9.6 s, to be looped: our own, so free of anybody's rights."""
    beat_s = 0.3
    chords = (
        (261.63, 329.63, 392.0, 523.25),
        (220.0, 261.63, 329.63, 440.0),
        (174.61, 261.63, 349.23, 440.0),
        (196.0, 246.94, 293.66, 392.0),
    )
    order = (0, 1, 2, 3, 2, 1, 2, 1)
    melody = np.zeros(round(len(chords) * len(order) * beat_s * rate_hz), np.float32)
    ring = round(0.9 * rate_hz)
    t = np.arange(ring) / rate_hz
    decay = np.exp(-4.0 * t) * np.minimum(1.0, t / 0.02) * np.minimum(1.0, (0.9 - t) / 0.1)
    for beat, (chord, note) in enumerate((chord, note) for chord in chords for note in order):
        pitch = chord[note]
        sound = (np.sin(2 * np.pi * pitch * t) + 0.25 * np.sin(4 * np.pi * pitch * t)) * decay
        at = (round(beat * beat_s * rate_hz) + np.arange(ring)) % len(melody)
        melody[at] += sound.astype(np.float32)
    level = np.sqrt(np.mean(melody**2))
    out: Samples = (melody * (10 ** (level_dbfs / 20) / level)).astype(np.float32)
    return out


def dtmf(digit: str, rate_hz: int, *, duration_s: float = 0.1, level_dbfs: float = -12.0) -> Samples:
    """One digit: the sum of its two tones, each ``level_dbfs - 3`` dB. Raises ValueError for what is no DTMF digit."""
    low_hz, high_hz = dtmf_frequencies_hz(digit)
    low, high = (sine(hz, duration_s, rate_hz, level_dbfs=level_dbfs - 3.01) for hz in (low_hz, high_hz))
    return _ramped(low + high, rate_hz)


def dtmf_frequencies_hz(digit: str) -> tuple[int, int]:
    """The low and the high frequency of a digit (ITU-T Q.23). Raises ValueError for what is no DTMF digit."""
    index = DTMF_DIGITS.find(digit.upper()) if len(digit) == 1 else -1
    if index < 0:
        raise ValueError(f"{digit!r} is no DTMF digit; these are: {DTMF_DIGITS}")
    return DTMF_LOW_HZ[index // 4], DTMF_HIGH_HZ[index % 4]


def sine(frequency_hz: float, duration_s: float, rate_hz: int, *, level_dbfs: float) -> Samples:
    """A plain tone of the given RMS level."""
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    tone: Samples = (np.sqrt(2) * 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)
    return tone


def tone_power(x: Samples, frequencies_hz: tuple[float, ...], rate_hz: int) -> NDArray[np.float64]:
    """Power of each frequency in ``x`` (n,), as a mean square: a lone sine of that frequency gives its own.

    The Goertzel algorithm's result by its definition, one Hann-windowed Fourier sum per frequency, as one matrix product.
    """
    n = len(x)
    window = _hann(n)
    phases = np.exp(-2j * np.pi * np.outer(frequencies_hz, np.arange(n)) / rate_hz)
    amplitude = 2 * np.abs(phases @ (x * window)) / window.sum()
    power: NDArray[np.float64] = amplitude**2 / 2
    return power


class DtmfGenerator:
    """Keys pressed as tones, for ``capacity`` rows at once: each press lasts ``press_s``, then ``pause_s`` pass before the next.

    ITU-T Q.24 wants at least 40 ms of each, the sum not below 93 ms; the defaults are those of our telephone events (RFC 4733). At most
    ``limit`` digits of a row wait.
    """

    def __init__(
        self, capacity: int, rate_hz: int, *, press_s: float = 0.12, pause_s: float = 0.08, level_dbfs: float = -12.0, limit: int = 64
    ) -> None:
        pause = np.zeros(round(pause_s * rate_hz), np.float32)
        presses = [np.concatenate((dtmf(digit, rate_hz, duration_s=press_s, level_dbfs=level_dbfs), pause)) for digit in DTMF_DIGITS]
        self._presses = np.stack(presses)
        self._waiting = np.zeros((capacity, limit), np.int8)
        self._count = np.zeros(capacity, np.intp)
        self._position = np.zeros(capacity, np.intp)

    @property
    def busy(self) -> NDArray[np.bool_]:
        """(capacity,): is a digit of the row sounding or waiting?"""
        return self._count > 0

    def put(self, row: int, digits: str) -> int:
        """Queue digits (letters in either case); returns how many were taken. Raises ValueError for what is no digit."""
        if not set(digits.upper()) <= set(DTMF_DIGITS):
            raise ValueError("only 0-9, *, # and A-D can be sent as digits")
        count = int(self._count[row])
        taken = digits.upper()[: self._waiting.shape[1] - count]
        self._waiting[row, count : count + len(taken)] = [DTMF_DIGITS.index(digit) for digit in taken]
        self._count[row] += len(taken)
        return len(taken)

    def process(self, samples: int) -> Samples:
        """The next ``samples`` of every row, (capacity, samples); silence where nothing waits."""
        out = np.zeros((len(self._count), samples), np.float32)
        at = self._position[:, None] + np.arange(samples)
        number, place = np.divmod(at, self._presses.shape[1])
        sounding = number < self._count[:, None]
        rows, _ = np.nonzero(sounding)
        out[sounding] = self._presses[self._waiting[rows, number[sounding]], place[sounding]]
        self._advance(samples)
        return out

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to silence."""
        self._count[rows] = self._position[rows] = 0

    def _advance(self, samples: int) -> None:
        done, self._position = np.divmod(self._position + samples, self._presses.shape[1])
        for row in np.flatnonzero((done > 0) & (self._count > 0)):
            left = max(0, int(self._count[row]) - int(done[row]))
            self._waiting[row, :left] = self._waiting[row, int(done[row]) : int(done[row]) + left].copy()
            self._count[row] = left
        self._position[self._count == 0] = 0


HOP_S = 0.01
_LEAST_DBFS = -40.0
_LOW_LOUDER_DB, _HIGH_LOUDER_DB = 10.0, 6.0  # Q.24: 8 and 4 dB must be accepted
_PURITY, _STILL_PURE = 0.8, 0.4
_TOLERANCE = 0.025  # Q.24: 1.5 % must be accepted, 3.5 % refused
_STEADY_DB = 4.0
_GONE_HOPS = 2
_MOST = np.float32(4.0)  # nothing beyond is a sample


class DtmfDetector:
    """DTMF digits in ``capacity`` rows of samples (ITU-T Q.24): each press is told once, about 45 ms after it began.

    Hann windows of 20 ms, 10 ms apart. A digit is three windows in a row that hold the same low and the same high tone and little else, at
    steady levels, neither much louder, and near their frequencies: the phase of a tone between two windows tells its frequency within
    a few Hz. Three such windows take 40 ms of tone and do not fit into 24 ms. Two windows without the digit end it, so that 40 ms of
    pause part two presses and an interruption of 10 ms does not.
    """

    def __init__(self, capacity: int, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._hop = round(rate_hz * HOP_S)
        self._basis = _basis(rate_hz)
        self._weights = (_hann(2 * self._hop) ** 2 / (_hann(2 * self._hop) ** 2).sum()).astype(np.float32)
        self._tail = np.zeros((capacity, self._hop), np.float32)
        self._sums = np.zeros((capacity, 3, 16), np.float32)
        self._powers = np.zeros((capacity, 3), np.float32)
        self._pressed = np.full(capacity, -1, np.int8)
        self._gone = np.zeros(capacity, np.int8)

    def process(self, block: Samples) -> list[tuple[int, str]]:
        """Presses that begin to count in ``block`` (rows, 10 ms * k), rows <= capacity: (row, digit), in the order of time per row."""
        block = np.ascontiguousarray(block, np.float32)
        found = np.empty((block.shape[0], block.shape[1] // self._hop), np.int8)
        if not _detect(block, self._basis, self._weights, self._tail, self._sums, self._powers, self._pressed, self._gone, found):
            return []
        return [(int(row), DTMF_DIGITS[found[row, hop]]) for row, hop in zip(*np.nonzero(found >= 0), strict=True)]

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""
        for state in (self._tail, self._sums, self._powers, self._gone):
            state[rows] = 0
        self._pressed[rows] = -1


def _hann(n: int) -> NDArray[np.float64]:
    window: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
    return window


def _basis(rate_hz: int) -> Samples:
    """(2 hops, 16): the window times 8 cosines and 8 sines, scaled so that the sum of a tone's two squares is its power."""
    n = 2 * round(rate_hz * HOP_S)
    window = _hann(n)
    phases = 2 * np.pi * np.outer(np.arange(n), (*DTMF_LOW_HZ, *DTMF_HIGH_HZ)) / rate_hz
    waves = np.concatenate((np.cos(phases), np.sin(phases)), axis=1)
    return np.ascontiguousarray(waves * window[:, None] * (np.sqrt(2.0) / window.sum()), np.float32)


def _ramped(x: Samples, rate_hz: int) -> Samples:
    """Beginning and end softened over 5 ms, so that nothing clicks."""
    n = min(round(_RAMP_S * rate_hz), len(x) // 2)
    ramp = np.linspace(0.0, 1.0, n, dtype=np.float32)
    x[:n] *= ramp
    x[len(x) - n :] *= ramp[::-1]
    return x


_FREQUENCIES_HZ = np.array((*DTMF_LOW_HZ, *DTMF_HIGH_HZ), np.float32)
_TURNS = (2 * np.pi * ((_FREQUENCIES_HZ.astype(np.float64) * HOP_S) % 1.0)).astype(np.float32)
"""How far the phase of each tone moves on in one hop."""
_LEAST_POWER = np.float32(10 ** (_LEAST_DBFS / 10))
_LOW_LOUDER, _HIGH_LOUDER, _STEADY = (np.float32(10 ** (db / 10)) for db in (_LOW_LOUDER_DB, _HIGH_LOUDER_DB, _STEADY_DB))


@kernel
def _detect(
    block: Array,
    basis: Array,
    weights: Array,
    tail: Array,
    sums: Array,
    powers: Array,
    pressed: NDArray[np.int8],
    gone: NDArray[np.int8],
    found: NDArray[np.int8],
) -> int:
    """Rows one after another; the sixteen sums of a window side by side. Returns how many digits were ``found``, -1 where there is none."""
    hop, digits = tail.shape[1], 0
    for row in range(block.shape[0]):
        for k in range(found.shape[1]):
            for window in range(2):
                powers[row, window] = powers[row, window + 1]
                for j in range(16):
                    sums[row, window, j] = sums[row, window + 1, j]
            total, power = fill(0.0), np.float32(0.0)
            for n in range(hop):
                x = tail[row, n]
                total += load(basis, n) * x
                power += weights[n] * x * x
            for n in range(hop):
                x = block[row, k * hop + n]
                x = x if abs(x) <= _MOST else np.float32(0.0)
                tail[row, n] = x
                total += load(basis, hop + n) * x
                power += weights[hop + n] * x * x
            store(sums, (row, 2), total)
            powers[row, 2] = power
            digit = _digit(sums[row], powers[row])
            found[row, k] = -1
            if digit >= 0 and digit != pressed[row]:
                found[row, k] = pressed[row] = digit
                digits += 1
                gone[row] = 0
            elif pressed[row] >= 0:
                gone[row] = 0 if _strongest(sums[row, 2], powers[row, 2], _STILL_PURE) == pressed[row] else gone[row] + 1
                if gone[row] == _GONE_HOPS:
                    pressed[row] = -1
    return digits


@kernel
def _strongest(sums: Array, power: float, purity: float) -> int:
    """The digit of the strongest low and high tone of a window, -1 where they make up less than ``purity`` of its power."""
    low, high = 0, 4
    low_power = high_power = np.float32(0.0)
    for j in range(4):
        one = sums[j] ** 2 + sums[8 + j] ** 2
        if one > low_power:
            low, low_power = j, one
        one = sums[4 + j] ** 2 + sums[12 + j] ** 2
        if one > high_power:
            high, high_power = 4 + j, one
    if low_power < _LEAST_POWER or high_power < _LEAST_POWER or low_power + high_power < purity * power:
        return -1
    return 4 * low + high - 4


@kernel
def _digit(sums: Array, powers: Array) -> int:
    """The digit that three windows hold, or -1."""
    digit = _strongest(sums[1], powers[1], _STILL_PURE)
    if digit < 0 or _strongest(sums[0], powers[0], _STILL_PURE) != digit or _strongest(sums[2], powers[2], _STILL_PURE) != digit:
        return -1
    low, high = digit // 4, 4 + digit % 4
    low_gain, high_gain = _window_gain(sums, low), _window_gain(sums, high)
    if low_gain == 0.0 or high_gain == 0.0:
        return -1
    low_sum = high_sum = np.float32(0.0)
    low_least = high_least = np.float32(1e30)
    low_most = high_most = np.float32(0.0)
    for window in range(3):
        low_power = (sums[window, low] ** 2 + sums[window, 8 + low] ** 2) / low_gain
        high_power = (sums[window, high] ** 2 + sums[window, 8 + high] ** 2) / high_gain
        if low_power + high_power < _PURITY * powers[window]:
            return -1
        low_sum, high_sum = low_sum + low_power, high_sum + high_power
        low_least, high_least = min(low_least, low_power), min(high_least, high_power)
        low_most, high_most = max(low_most, low_power), max(high_most, high_power)
    balanced = low_sum <= _LOW_LOUDER * high_sum and high_sum <= _HIGH_LOUDER * low_sum
    steady = low_most <= _STEADY * low_least and high_most <= _STEADY * high_least
    return digit if balanced and steady else -1


@kernel
def _window_gain(sums: Array, j: int) -> float:
    """What the window leaves of the power of a tone that is as far from tone ``j`` as its phase tells; 0 where that is too far."""
    re = im = np.float32(0.0)
    for window in range(2):
        # The next spectrum times the conjugate of this one: its angle is the way the phase went.
        ar, ai, br, bi = sums[window, j], -sums[window, 8 + j], sums[window + 1, j], -sums[window + 1, 8 + j]
        re += br * ar + bi * ai
        im += bi * ar - br * ai
    turn = np.arctan2(im, re) - _TURNS[j]
    turn -= 2 * np.pi * np.round(turn / (2 * np.pi))
    if abs(turn) > 2 * np.pi * HOP_S * _TOLERANCE * _FREQUENCIES_HZ[j]:
        return 0.0
    if abs(turn) < 1e-3:
        return 1.0
    bins = turn / np.pi  # the distance in bins, which are 1 / (2 hops) apart
    response = np.sin(turn) / (turn * (1 - bins * bins))
    return float(response * response)
