"""Make sound a little shorter or longer without a click or a change of pitch (pitch-synchronous overlap-add).

One period is taken out or repeated where that is heard least: of all places and lengths the one where a stretch differs least from the
one right behind it, blended over that length (WSOLA: Verhelst and Roelands, ICASSP 1993). The difference counts against the power of all
the sound given, so that of two equally periodic places the quieter one is taken. In silence any place will do.
"""

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import kernel
from dsp.levels import rms_dbfs

Samples = NDArray[np.float32]
SILENCE_DBFS = -50.0
SHORTEST_S, LONGEST_S = 0.0025, 0.015
"""The least and the most that is taken out or repeated in sound (periods of 67 to 400 Hz)."""
ALIKE = 0.8
"""Sound below this likeness is left as it is: 1 less the difference's share of twice the power, a correlation where that is even."""
_COARSE_HZ = 8_000
_PLACES_S = 0.0025


def shorten(x: Samples, rate_hz: int, wanted: int, alike: float = ALIKE) -> Samples:
    """``x`` (n,) less one period, or less up to ``wanted`` samples of silence; ``x`` itself where neither can be done unheard."""
    at, cut = _cut(x, rate_hz, wanted, alike)
    if not cut:
        return x
    ramp = _ramp(cut)
    return np.concatenate((x[:at], x[at : at + cut] * (1 - ramp) + x[at + cut : at + 2 * cut] * ramp, x[at + 2 * cut :]))


def lengthen(x: Samples, rate_hz: int, wanted: int, alike: float = ALIKE) -> Samples:
    """``x`` (n,) with one period repeated, or up to ``wanted`` samples of silence more; ``x`` itself where neither can be done unheard."""
    at, more = _cut(x, rate_hz, wanted, alike)
    if not more:
        return x
    ramp = _ramp(more)
    repeated = x[at + more : at + 2 * more] * (1 - ramp) + x[at : at + more] * ramp
    return np.concatenate((x[: at + more], repeated, x[at + more :]))


def _ramp(samples: int) -> Samples:
    return np.linspace(0.0, 1.0, samples, endpoint=False, dtype=np.float32)


def _cut(x: Samples, rate_hz: int, wanted: int, alike: float) -> tuple[int, int]:
    """Where a stretch begins that is like the one behind it, and its length: 0 for none. At most half of ``x``."""
    shortest, half = int(SHORTEST_S * rate_hz), len(x) // 2
    if wanted < shortest or half < 2 * shortest:
        return 0, 0
    if rms_dbfs(x) < SILENCE_DBFS:
        cut = min(wanted, half)
        return len(x) - 2 * cut, cut
    longest = min(half, wanted, int(LONGEST_S * rate_hz))
    at, cut, likeness = most_alike(
        np.ascontiguousarray(x), shortest, longest, max(1, rate_hz // _COARSE_HZ), max(1, int(_PLACES_S * rate_hz))
    )
    return (at, cut) if likeness > alike else (0, 0)


@kernel
def most_alike(x: Samples, shortest: int, longest: int, fold: int, place: int) -> tuple[int, int, np.float32]:
    """The place and length of the two neighbouring stretches of ``x`` that are most alike, and their likeness.

    Every ``place``-th place, every ``fold``-th length and sample; then all lengths around the best at every sample.
    """
    power = np.float32(1e-12)
    for sample in x:
        power += sample * sample
    power /= len(x)
    best_at, best_cut, best = 0, 0, np.float32(-np.inf)
    for at in range(0, len(x) - 2 * shortest + 1, place):
        for cut in range(shortest, min(longest, (len(x) - at) // 2) + 1, fold):
            score = _likeness(x, at, cut, fold, power)
            if score > best:
                best_at, best_cut, best = at, cut, score
    if fold > 1 and best_cut:
        around, best = best_cut, np.float32(-np.inf)
        for cut in range(max(shortest, around - fold + 1), min(longest, (len(x) - best_at) // 2, around + fold - 1) + 1):
            score = _likeness(x, best_at, cut, 1, power)
            if score > best:
                best_cut, best = cut, score
    return best_at, best_cut, best


@kernel
def _likeness(x: Samples, at: int, cut: int, fold: int, power: np.float32) -> np.float32:
    difference = np.float32(0.0)
    for k in range(at, at + cut, fold):
        difference += (x[k] - x[k + cut]) ** 2
    return np.float32(1.0 - difference * fold / (2.0 * cut * power))
