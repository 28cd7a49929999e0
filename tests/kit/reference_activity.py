"""What ``dsp/activity`` looks at, one row, one hop and one lag after the other, in double precision."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, lfilter

EDGES = (2, 4, 6, 8, 10, 12, 15, 18, 21, 25, 29, 34, 40, 47, 55, 65, 77, 91, 108, 130, 156)


def looks(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean and best band above the noise floor (tens of dB), voicing, level below the peak (tens of dB): (hops, 4) of (n,) at 16 kHz."""
    hops = len(x) // 160
    window = np.concatenate((np.sin(np.pi / 2 * (np.arange(240) + 0.5) / 240), np.cos(np.pi / 2 * (np.arange(80) + 0.5) / 80)))
    padded = np.concatenate((np.zeros(160), x.astype(np.float64)))
    slow = at_4_khz(x)
    smooth = floor = np.zeros(0)
    peak = -4.0
    found = []
    for hop in range(hops):
        power = np.abs(np.fft.rfft(padded[160 * hop : 160 * hop + 320] * window)) ** 2
        bands = np.array([power[low:high].mean() for low, high in pairwise(EDGES)]) + 1e-8
        smooth = smooth + 0.2 * (bands - smooth) if hop else bands
        floor = np.minimum(smooth, floor * 10**0.006) if hop else smooth
        above = np.clip(np.log10(bands / floor), 0.0, 3.0)
        level = np.log10(bands.mean())
        peak = max(peak - 0.002, level, -4.0)
        found.append((above.mean(), above.max(), voicing(slow, 40 * (hop + 1)), level - peak))
    return np.array(found)


def at_4_khz(x: NDArray[np.float32]) -> NDArray[np.float64]:
    y = lfilter(firwin(33, 1700, fs=16_000), 1, x.astype(np.float64))[::4]
    return np.asarray(y - lfilter([0.05], [1, -0.95], y))


def voicing(slow: NDArray[np.float64], end: int) -> float:
    """Largest normalised correlation of the 40 ms before ``end`` with those 2.5 to 12.25 ms earlier."""
    padded = np.concatenate((np.zeros(210), slow))
    now = padded[210 + end - 160 : 210 + end]
    best = -1.0
    for lag in range(10, 50):
        before = padded[210 + end - 160 - lag : 210 + end - lag]
        best = max(best, float(now @ before) / np.sqrt(float(now @ now) * float(before @ before) + 1e-9))
    return best
