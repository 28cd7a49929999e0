"""Pitch by normalised correlation: how far back does the sound repeat itself?"""

import math

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import kernel

Samples = NDArray[np.float32]
_COARSE_HZ = 8_000
_SHARE = 0.85  # a whole fraction of the best lag is the period when it is nearly as good: the best one may span several periods


def find_period(x: Samples, rate_hz: int, *, shortest_s: float, longest_s: float, window_s: float) -> tuple[int, float]:
    """The lag (samples) at which the end of ``x`` is most like what came before it, and the normalised correlation there (-1..1).

    ``x`` float32 (n,), n >= (shortest_s + window_s) * rate_hz. First at about 8 kHz (neighbours averaged), then at the full rate.
    """
    shortest, longest, window = (int(seconds * rate_hz) for seconds in (shortest_s, longest_s, window_s))
    lag, likeness = period(x, coarse_fold(rate_hz), shortest, longest, window)
    return int(lag), float(likeness)


def coarse_fold(rate_hz: int) -> int:
    """How many samples are averaged for the first search."""
    return max(1, rate_hz // _COARSE_HZ)


@kernel
def period(x: Samples, fold: int, shortest: int, longest: int, window: int) -> tuple[int, float]:
    """As ``find_period``, in samples, for kernels."""
    short, wide = max(1, shortest // fold), window // fold
    coarse = np.empty(len(x) // fold, np.float32)
    skip = len(x) - fold * len(coarse)
    for i in range(len(coarse)):
        total = np.float32(0.0)
        for k in range(fold):
            total += x[skip + i * fold + k]
        coarse[i] = total
    long = min(longest // fold, len(coarse) - wide)
    scores = np.empty(max(1, long - short + 1), np.float32)
    scores[0] = 0.0
    for lag in range(short, long + 1):
        scores[lag - short] = likeness_at(coarse, lag, wide)
    best = short + int(np.argmax(scores))
    for parts in (4, 3, 2):
        near = (2 * best + parts) // (2 * parts)
        if near < short:
            continue
        around = max(short, near - 1)
        for lag in range(around + 1, min(near + 1, best - 1) + 1):
            if scores[lag - short] > scores[around - short]:
                around = lag
        if scores[around - short] > _SHARE * scores[best - short]:
            best = around
            break
    if fold == 1:
        return best, float(scores[best - short])
    found, likeness = fold * best, -1.0
    for lag in range(max(1, fold * (best - 1)), min(fold * (best + 1), len(x) - window) + 1):
        score = likeness_at(x, lag, window)
        if score > likeness:
            found, likeness = lag, score
    return found, likeness


@kernel
def likeness_at(x: Samples, lag: int, window: int) -> float:
    """Normalised correlation of the last ``window`` samples with those ``lag`` earlier."""
    start = len(x) - window
    product, now, before = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for i in range(start, len(x)):
        product += x[i] * x[i - lag]
        now += x[i] * x[i]
        before += x[i - lag] * x[i - lag]
    return float(product / math.sqrt(now * before + 1e-12))
