"""Make a frame a little shorter or longer without a click or a change of pitch (pitch-synchronous overlap-add).

One period is taken out or repeated, at the lag where the frame is most like itself, blended over that period. In silence any place
will do.
"""

import numpy as np
from numpy.typing import NDArray

from dsp.levels import rms_dbfs
from dsp.pitch import find_period

Samples = NDArray[np.float32]
SILENCE_DBFS = -50.0
_SHORTEST_S = 0.0025
_ALIKE = 0.8
"""Voiced sound below this correlation is left as it is."""


def shorten(x: Samples, rate_hz: int, wanted: int) -> Samples:
    """``x`` (n,) less one period, or less up to ``wanted`` samples of silence; ``x`` itself where neither can be done unheard."""
    cut = _cut(x, rate_hz, wanted)
    if not cut:
        return x
    ramp = np.linspace(0.0, 1.0, cut, endpoint=False, dtype=np.float32)
    at = len(x) - 2 * cut
    return np.concatenate((x[:at], x[at : at + cut] * (1 - ramp) + x[at + cut :] * ramp))


def lengthen(x: Samples, rate_hz: int, wanted: int) -> Samples:
    """``x`` (n,) with one period repeated, or up to ``wanted`` samples of silence more; ``x`` itself where neither can be done unheard."""
    more = _cut(x, rate_hz, wanted)
    if not more:
        return x
    ramp = np.linspace(0.0, 1.0, more, endpoint=False, dtype=np.float32)
    at = len(x) - 2 * more
    return np.concatenate((x[: at + more], x[at + more :] * (1 - ramp) + x[at : at + more] * ramp, x[at + more :]))


def _cut(x: Samples, rate_hz: int, wanted: int) -> int:
    """How many samples may be taken out of the end of ``x``, or repeated there: 0 for none. Periods of up to half of ``x``."""
    shortest, half = int(_SHORTEST_S * rate_hz), len(x) // 2
    if wanted < shortest or half < 2 * shortest:
        return 0
    if rms_dbfs(x) < SILENCE_DBFS:
        return min(wanted, half)
    longest_s = min(half, wanted) / rate_hz
    window_s = min(0.01, half / rate_hz)
    period, likeness = find_period(x, rate_hz, shortest_s=_SHORTEST_S, longest_s=longest_s, window_s=window_s)
    return period if likeness > _ALIKE and period <= min(half, wanted) else 0
