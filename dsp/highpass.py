"""High-pass: hum, rumble and direct current are taken away before anything else looks at the sound."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter

from dsp.lanes import LANES, Array, absolute, kernel, load, load_tile, reset_rows, select, store, store_tile, tiles
from dsp.spectrum import HOP

ORDER, CUTOFF_HZ, RATE_HZ = 4, 80.0, 16_000
SECTIONS = butter(ORDER, CUTOFF_HZ, "highpass", fs=RATE_HZ, output="sos").astype(np.float32)
"""Second-order sections (2, 6): b0 b1 b2 1 a1 a2."""
_TINY = 1e-15  # a state that decays below this is nothing; smaller numbers are slow to compute with


class HighPass:
    """Butterworth high-pass of fourth order at 80 Hz, 16 kHz; ``enabled`` bool (capacity,) switches per row."""

    def __init__(self, capacity: int) -> None:
        self.enabled = np.ones(capacity, np.bool_)
        self._state = np.zeros((tiles(capacity), 4, LANES), np.float32)

    def process(self, block: Array) -> Array:
        """Filter (rows, 160 k) float32; returns a new block. A row that is off passes unchanged."""
        out = np.empty_like(block)
        _filter(block, out, self._state)
        off = np.flatnonzero(~self.enabled[: len(block)])
        out[off] = block[off]
        return out

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to silence."""
        reset_rows(self._state, rows)


@kernel
def _filter(block: Array, out: Array, state: Array) -> None:
    # Both sections in transposed direct form II; the pass of one through the samples hides the other's latency.
    hop = np.empty((HOP, LANES), np.float32)
    b0, b1, b2, a1, a2 = SECTIONS[0, 0], SECTIONS[0, 1], SECTIONS[0, 2], SECTIONS[0, 4], SECTIONS[0, 5]
    c0, c1, c2, d1, d2 = SECTIONS[1, 0], SECTIONS[1, 1], SECTIONS[1, 2], SECTIONS[1, 4], SECTIONS[1, 5]
    for tile in range(tiles(block.shape[0])):
        s1, s2, t1, t2 = load(state, (tile, 0)), load(state, (tile, 1)), load(state, (tile, 2)), load(state, (tile, 3))
        for at in range(0, block.shape[1], HOP):
            load_tile(block, tile, at, hop)
            for n in range(HOP):
                x = load(hop, n)
                y = b0 * x + s1
                s1 = b1 * x - a1 * y + s2
                s2 = b2 * x - a2 * y
                z = c0 * y + t1
                t1 = c1 * y - d1 * z + t2
                t2 = c2 * y - d2 * z
                store(hop, n, z)
            store_tile(out, tile, at, hop)
        store(state, (tile, 0), select(absolute(s1) > _TINY, s1, 0.0))
        store(state, (tile, 1), select(absolute(s2) > _TINY, s2, 0.0))
        store(state, (tile, 2), select(absolute(t1) > _TINY, t1, 0.0))
        store(state, (tile, 3), select(absolute(t2) > _TINY, t2, 0.0))
