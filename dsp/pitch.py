"""Pitch by normalised correlation: how far back does the sound repeat itself?"""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
_COARSE_HZ = 8_000


def find_period(x: Samples, rate_hz: int, *, shortest_s: float, longest_s: float, window_s: float) -> tuple[int, float]:
    """The lag (samples) at which the end of ``x`` is most like what came before it, and the normalised correlation there (-1..1).

    ``x`` float32 (n,), n >= (longest_s + window_s) * rate_hz. First at about 8 kHz (pairs averaged), then refined at the full rate.
    """
    fold = max(1, rate_hz // _COARSE_HZ)
    coarse = x[len(x) % fold :].reshape(-1, fold).mean(axis=1) if fold > 1 else x
    rate = rate_hz // fold
    lag, score = _best_lag(coarse, int(shortest_s * rate), int(longest_s * rate), int(window_s * rate))
    if fold == 1:
        return lag, score
    around = fold * lag
    return _best_lag(x, max(1, around - fold), around + fold, int(window_s * rate_hz))


def _best_lag(x: Samples, shortest: int, longest: int, window: int) -> tuple[int, float]:
    """Largest normalised correlation of the last ``window`` samples with those ``lag`` earlier, lag in shortest..longest."""
    longest = min(longest, len(x) - window)
    template = x[-window:]
    region = x[len(x) - window - longest : len(x) - shortest]
    products = np.correlate(region, template, "valid")  # index i: lag longest - i
    squares = np.cumsum(np.concatenate((_ZERO, region * region)))
    energies = squares[window:] - squares[:-window]
    scores = products / np.sqrt(np.maximum(energies * np.dot(template, template), 1e-12))
    best = int(np.argmax(scores))
    return longest - best, float(scores[best])


_ZERO = np.zeros(1, np.float32)
