"""Signalling tones: ringback and busy in the European cadence, a hold melody, DTMF made and detected.

Everything is float32 in -1..1 at the given rate. Cadences are ETSI TR 101 041-2's common European ones (425 Hz), which Spain uses too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
DTMF_DIGITS = "123A456B789C*0#D"
DTMF_LOW_HZ = (697, 770, 852, 941)  # ITU-T Q.23
DTMF_HIGH_HZ = (1209, 1336, 1477, 1633)
_TONE_HZ = 425.0
_RAMP_S = 0.005


@dataclass(frozen=True, slots=True)
class Cadence:
    on_s: float
    off_s: float


RINGBACK = Cadence(1.5, 3.0)  # Spain's; most of Europe has 1 s and 4 s
BUSY = Cadence(0.2, 0.2)  # Spain's; most of Europe has 0.5 s and 0.5 s


def ringback(rate_hz: int, *, level_dbfs: float = -18.0) -> Samples:
    """One period of the tone a caller hears while the far end rings, to be looped."""
    return _cadenced(RINGBACK, rate_hz, level_dbfs)


def busy(rate_hz: int, *, level_dbfs: float = -18.0) -> Samples:
    """One period of the busy tone, to be looped."""
    return _cadenced(BUSY, rate_hz, level_dbfs)


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
    index = DTMF_DIGITS.find(digit.upper()) if len(digit) == 1 else -1
    if index < 0:
        raise ValueError(f"{digit!r} is no DTMF digit; these are: {DTMF_DIGITS}")
    low, high = (sine(hz, duration_s, rate_hz, level_dbfs=level_dbfs - 3.01) for hz in (DTMF_LOW_HZ[index // 4], DTMF_HIGH_HZ[index % 4]))
    return _ramped(low + high, rate_hz)


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
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
    phases = np.exp(-2j * np.pi * np.outer(frequencies_hz, np.arange(n)) / rate_hz)
    amplitude = 2 * np.abs(phases @ (x * window)) / window.sum()
    power: NDArray[np.float64] = amplitude**2 / 2
    return power


class DtmfDetector:
    """DTMF digits in a stream of 20 ms frames (ITU-T Q.24): one digit per press, from 40 ms of tone, ended by 40 ms without.

    A digit holds when one low and one high tone make up most of the power, within 8 dB of one another, above -36 dBFS.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._candidate = ""
        self._frames = 0
        self._current = ""
        n = rate_hz // 50
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)).astype(np.float32)
        phases = 2 * np.pi * np.outer((*DTMF_LOW_HZ, *DTMF_HIGH_HZ), np.arange(n)) / rate_hz
        self._basis = np.concatenate((np.cos(phases), np.sin(phases))).astype(np.float32)
        self._scale = 2 / float(self._window.sum()) ** 2

    def hear(self, frame: Samples) -> str:
        """The digit whose press begins to count with this frame (rate_hz // 50,), else ""."""
        digit = self._digit(frame)
        self._frames = self._frames + 1 if digit == self._candidate else 1
        self._candidate = digit
        if self._frames < 2 or digit == self._current:
            return ""
        self._current = digit
        return digit

    def _digit(self, frame: Samples) -> str:
        total = float(np.dot(frame, frame)) / len(frame)
        if total < 10**-3.6:
            return ""
        sums = self._basis @ (frame * self._window)
        power = self._scale * (sums[:8] ** 2 + sums[8:] ** 2)
        low, high = int(np.argmax(power[:4])), int(np.argmax(power[4:]))
        p_low, p_high = float(power[low]), float(power[4 + high])
        if p_low + p_high < 0.7 * total or max(p_low, p_high) > 6.3 * min(p_low, p_high):
            return ""
        return DTMF_DIGITS[4 * low + high]


def _cadenced(cadence: Cadence, rate_hz: int, level_dbfs: float) -> Samples:
    tone = _ramped(sine(_TONE_HZ, cadence.on_s, rate_hz, level_dbfs=level_dbfs), rate_hz)
    return np.concatenate((tone, np.zeros(round(cadence.off_s * rate_hz), np.float32)))


def _ramped(x: Samples, rate_hz: int) -> Samples:
    """Beginning and end softened over 5 ms, so that nothing clicks."""
    n = min(round(_RAMP_S * rate_hz), len(x) // 2)
    ramp = np.linspace(0.0, 1.0, n, dtype=np.float32)
    x[:n] *= ramp
    x[len(x) - n :] *= ramp[::-1]
    return x
