"""What an echo loses: on its way (ERL) and in the canceller (ERLE).

Levels of the far end, the near end and what leaves, over those hops in which the far end speaks and the near end is its echo alone.
ERL is the attenuation from receive-in to send-in, ERLE that from send-in to send-out (ITU-T G.168, clause 3: A_ECHO, and A_CANC plus
A_NLP where the suppressor lies between; likewise P.340). Near talk is told by the canceller's own estimate of the echo: the two are alike
only while nobody near talks.
"""

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import Array, kernel
from dsp.spectrum import HOP

_SHORT = np.float32(1 / 20)
"""Powers of the moment are averaged over about 0.2 s, longer than most of an echo's tail."""
_LONG = np.float32(1 / 200)
"""The figures are those of about the last 2 s of echo."""
ENOUGH_HOPS = 50
"""Echo heard before anything is told: 0.5 s."""
LEAST_FAR_POWER = np.float32(1e-5)
"""-50 dBFS."""
LEAST_LIKENESS = np.float32(0.5)
"""Squared correlation of near end and echo estimate."""
_IMPOSSIBLE = np.float32(1e6)
_SILENCE = np.float32(1e-10)
_FAR, _NEAR, _OUT, _ECHO, _CROSS, _LONG_FAR, _LONG_NEAR, _LONG_OUT = range(8)


class EchoLoss:
    """``erl_db`` and ``erle_db`` float32 (capacity,), NaN until 0.5 s of echo alone was heard; silence counts as -100 dBFS."""

    def __init__(self, capacity: int) -> None:
        self.erl_db = np.full(capacity, np.nan, np.float32)
        self.erle_db = np.full(capacity, np.nan, np.float32)
        self._powers = np.zeros((capacity, 8), np.float32)
        self._hops = np.zeros(capacity, np.int64)

    def process(self, far: Array, near: Array, echo: Array, out: Array) -> None:
        """Four of (rows, 160 k) float32 at 16 kHz, full scale ±1: what the leg heard, what it sent, the echo that the canceller's filter
        expects in that, and what is left (a few hops later does not matter)."""
        # One layout, so one compiled form: another one's sums may end a bit apart, and a leg in a batch would not equal the leg alone.
        far, near, echo, out = (np.ascontiguousarray(signal) for signal in (far, near, echo, out))
        _measure(far, near, echo, out, self._powers, self._hops)
        rows = len(far)
        told = self._hops[:rows] >= ENOUGH_HOPS
        spoken, sent, left = self._powers[:rows][told][:, _LONG_FAR:].T + _SILENCE
        self.erl_db[:rows][told] = 10 * np.log10(spoken / sent)
        self.erle_db[:rows][told] = 10 * np.log10(sent / left)

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""
        self.erl_db[rows] = self.erle_db[rows] = np.nan
        self._powers[rows] = 0
        self._hops[rows] = 0


@kernel
def _measure(far: Array, near: Array, echo: Array, out: Array, powers: Array, hops: NDArray[np.int64]) -> None:
    for row in range(far.shape[0]):
        p = powers[row]
        for first in range(0, far.shape[1], HOP):
            ff, nn, oo, yy, ny = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for k in range(first, first + HOP):
                ff += far[row, k] * far[row, k]
                nn += near[row, k] * near[row, k]
                oo += out[row, k] * out[row, k]
                yy += echo[row, k] * echo[row, k]
                ny += near[row, k] * echo[row, k]
            scale = np.float32(1 / HOP)
            if not ff + nn + oo + yy < _IMPOSSIBLE:  # nor is NaN
                continue
            p[_FAR] += _SHORT * (ff * scale - p[_FAR])
            p[_NEAR] += _SHORT * (nn * scale - p[_NEAR])
            p[_OUT] += _SHORT * (oo * scale - p[_OUT])
            p[_ECHO] += _SHORT * (yy * scale - p[_ECHO])
            p[_CROSS] += _SHORT * (ny * scale - p[_CROSS])
            alike = p[_CROSS] > 0 and p[_CROSS] * p[_CROSS] > LEAST_LIKENESS * p[_NEAR] * p[_ECHO]
            if alike and p[_FAR] > LEAST_FAR_POWER:
                hops[row] += 1
                step = max(_LONG, np.float32(1 / hops[row]))
                p[_LONG_FAR] += step * (p[_FAR] - p[_LONG_FAR])
                p[_LONG_NEAR] += step * (p[_NEAR] - p[_LONG_NEAR])
                p[_LONG_OUT] += step * (p[_OUT] - p[_LONG_OUT])
