"""How well a sentence was heard: find it in what was recorded, then PESQ over it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.demo_call.speech import Samples

_MARGIN_S = 0.2
_SURE, _LIKELY = 0.5, 0.3
"""Likeness from which a match is believed at once, and from which it is when nothing better is found."""


class NotHeard(Exception):
    """The sentence is not in the recording; the message says what is there instead."""


@dataclass(frozen=True, slots=True)
class Found:
    """``start``: sample of the recording where the sentence begins. ``correlation``: 0-1, how alike the two are in their waveform."""

    start: int
    correlation: float


def find(reference: Samples, heard: Samples) -> Found:
    """Where ``reference`` (n,) lies whole in ``heard`` (m,), m >= n, same rate: the place of the highest normalised cross-correlation.

    A path whose delay changed in mid-sentence matches nowhere as a whole: then the quarters of the sentence are sought, and where most lie
    within a quarter of a second of where they should, their median decides. Raises NotHeard where the recording is too short, silent, or
    nothing in it resembles the sentence.
    """
    if len(heard) < len(reference):
        raise NotHeard(f"only {len(heard)} samples were recorded, the sentence has {len(reference)}: no audio arrived, or too little")
    whole = _best_match(reference, heard)
    if whole.correlation >= _SURE:
        return whole
    size = len(reference) // 4
    quarters = [_best_match(reference[at : at + size], heard) for at in range(0, 4 * size, size)]
    starts = [quarter.start - number * size for number, quarter in enumerate(quarters)]
    start = round(float(np.median(starts)))
    near = [quarter.correlation for quarter, at in zip(quarters, starts, strict=True) if abs(at - start) < size / 6]
    if len(near) >= 3 and np.mean(near) >= _SURE:
        return Found(max(0, min(start, len(heard) - len(reference))), float(np.mean(near)))
    if whole.correlation >= _LIKELY:
        return whole
    level = 20 * np.log10(np.sqrt(np.mean(heard.astype(np.float64) ** 2)) + 1e-9)
    raise NotHeard(f"the sentence is not in the recording: best likeness {whole.correlation:.2f}, level {level:.0f} dBFS")


def _best_match(reference: Samples, heard: Samples) -> Found:
    count = len(reference)
    size = 1 << (len(heard) + count - 1).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size))
    product = np.fft.irfft(spectrum, size)[: len(heard) - count + 1]
    power = np.concatenate([[0.0], np.cumsum(heard.astype(np.float64) ** 2)])
    energy = power[count:] - power[:-count]
    alike = product / np.sqrt(np.maximum(energy, 1e-6 * count) * max(float(np.sum(reference.astype(np.float64) ** 2)), 1e-9))
    start = int(np.argmax(alike))
    return Found(start, float(alike[start]))


def pesq(reference: Samples, heard: Samples, rate_hz: int) -> float:
    """PESQ of the sentence as found in ``heard``: wide band at 16 kHz (ITU-T P.862.2), narrow band at 8 kHz (P.862.1). Raises NotHeard."""
    from pesq import pesq as score

    found = find(reference, heard)
    margin = round(_MARGIN_S * rate_hz)
    padded = np.concatenate([np.zeros(margin, np.float32), reference, np.zeros(margin, np.float32)])
    cut = np.zeros(len(padded), np.float32)
    first = max(0, found.start - margin)
    part = heard[first : found.start + len(reference) + margin]
    offset = first - (found.start - margin)
    cut[offset : offset + len(part)] = part
    return float(score(rate_hz, padded, cut, "wb" if rate_hz == 16_000 else "nb"))


def longest_silence_ms(reference: Samples, heard: Samples, rate_hz: int, *, below_db: float = 25.0) -> float:
    """The longest silence inside speech, ms: 5 ms steps in which the sentence speaks (within 30 dB of its loudest) and what was heard, 5 ms
    earlier or later included, lies ``below_db`` under what it should be there."""
    found = find(reference, heard)
    spoken, said = (_levels(part, rate_hz) for part in (reference, heard[found.start : found.start + len(reference)]))
    gain_db = np.median(said[spoken > np.max(spoken) - 20.0] - spoken[spoken > np.max(spoken) - 20.0])
    nearby = np.maximum(said, np.maximum(np.roll(said, 1), np.roll(said, -1)))
    silent = (spoken > np.max(spoken) - 30.0) & (nearby < spoken + gain_db - below_db)
    longest = run = 0
    for quiet in silent:
        run = run + 1 if quiet else 0
        longest = max(longest, run)
    return longest * 5.0


def delays_ms(reference: Samples, heard: Samples, rate_hz: int) -> NDArray[np.float64]:
    """Delay against its usual value, (k, 2): centre of each 160 ms window of speech in ms, and its own delay there, by correlation
    over +-400 ms. Windows in which nothing resembles the sentence are left out."""
    found = find(reference, heard)
    size, step, reach = round(0.16 * rate_hz), round(0.02 * rate_hz), round(0.4 * rate_hz)
    level = np.max(_levels(reference, rate_hz))
    rows = []
    for at in range(0, len(reference) - size, step):
        window = reference[at : at + size]
        if 20 * np.log10(np.sqrt(np.mean(window**2)) + 1e-9) < level - 25.0:
            continue
        first = max(0, found.start + at - reach)
        near = heard[first : found.start + at + size + reach]
        here = _best_match(window, near) if len(near) >= size else Found(0, 0.0)
        if here.correlation > 0.7:
            rows.append(((at + size / 2) * 1000 / rate_hz, (first + here.start - found.start - at) * 1000 / rate_hz))
    lags = np.array(rows, np.float64).reshape(-1, 2)
    lags[:, 1] -= np.median(lags[:, 1]) if len(lags) else 0.0
    return lags


def _levels(pcm: Samples, rate_hz: int) -> NDArray[np.float64]:
    """dBFS of each 5 ms."""
    step = rate_hz // 200
    frames = pcm[: len(pcm) // step * step].reshape(-1, step).astype(np.float64)
    return np.asarray(20 * np.log10(np.sqrt((frames**2).mean(axis=1)) + 1e-6))
