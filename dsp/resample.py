"""Rate change of one stream, frame in, frame out.

A windowed-sinc polyphase filter, written as one small matrix product per call: the input is cut into 2 ms blocks (every rate in use is
a multiple of 500 Hz), each block with its history is a row, and the filter bank turns a row into 2 ms of output. soxr's streams give
no output for 20-115 ms after the start at any quality above its linear one, because they work in large transform blocks; this gives
as many samples as the clock says on every call, and is late by 2.5 ms exactly.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DELAY_S = 0.0025
"""Delay of every conversion: half the filter's length."""
BLOCK_HZ = 500
"""Blocks per second; rates must be multiples of it."""
LONGEST_S = 0.12
"""The longest input of one call (an Opus packet's longest)."""
_BETA = 6.0  # Kaiser window: 63 dB stop band
_CUT_HZ = 120.0  # the cut-off lies so much below half the lower rate; transition 770 Hz wide


@lru_cache(maxsize=32)
def filter_bank(rate_in_hz: int, rate_out_hz: int) -> NDArray[np.float32]:
    """The bank (history + block in, block out): column j weighs the input for the j-th output of a block.

    Output j lies at input time ``j * in / out``, less the delay D; weights are a Kaiser-windowed sinc of half-width D around it.
    Each column sums to 1, so that a constant passes unchanged.
    """
    block_in, block_out = rate_in_hz // BLOCK_HZ, rate_out_hz // BLOCK_HZ
    delay = round(DELAY_S * rate_in_hz)
    cut = 2.0 * (min(rate_in_hz, rate_out_hz) / 2 - _CUT_HZ) / rate_in_hz
    offset = np.arange(block_out)[None, :] * (rate_in_hz / rate_out_hz) - delay - np.arange(-2 * delay, block_in)[:, None]
    window = np.where(np.abs(offset) <= delay, np.i0(_BETA * np.sqrt(np.maximum(0.0, 1 - (offset / delay) ** 2))), 0.0)
    bank = np.sinc(cut * offset) * window
    return np.ascontiguousarray(bank / bank.sum(axis=0), dtype=np.float32)


class Resampler:
    """One stream from ``rate_in_hz`` to ``rate_out_hz`` (both multiples of 500 Hz; raises ValueError otherwise).

    ``process(x)``: float32 (n,) to float32 (n * out / in,), n a multiple of 2 ms, at most 120 ms. Late by ``delay_s``; equal rates pass
    through with no delay.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        if rate_in_hz % BLOCK_HZ or rate_out_hz % BLOCK_HZ or min(rate_in_hz, rate_out_hz) < 8_000:
            raise ValueError(f"rates must be multiples of {BLOCK_HZ} Hz from 8000 Hz, not {rate_in_hz} and {rate_out_hz}")
        self.rate_in_hz, self.rate_out_hz = rate_in_hz, rate_out_hz
        self.delay_s = 0.0 if rate_in_hz == rate_out_hz else DELAY_S
        self._block = rate_in_hz // BLOCK_HZ
        self._bank = filter_bank(rate_in_hz, rate_out_hz)
        self._history = 2 * round(DELAY_S * rate_in_hz)
        self._buffer = np.zeros(_buffer_samples(rate_in_hz), np.float32)
        self._rows: dict[int, NDArray[np.float32]] = {}

    def process(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.rate_in_hz == self.rate_out_hz:
            return x
        n, history, buffer = len(x), self._history, self._buffer
        rows = self._rows.get(n)
        if rows is None:
            rows = self._view(n)
        buffer[history : history + n] = x
        out: NDArray[np.float32] = (rows @ self._bank).ravel()
        buffer[:history] = buffer[n : n + history].copy()
        return out

    def reset(self) -> None:
        """Another stream begins."""
        self._buffer[:] = 0.0

    def _view(self, n: int) -> NDArray[np.float32]:
        """Overlapping rows over the buffer for inputs of n samples, made once per length (at most 60 lengths exist)."""
        if n % self._block or not 0 < n <= len(self._buffer) - self._history:
            raise ValueError(f"input must be a multiple of {self._block} samples up to {LONGEST_S * 1000:.0f} ms, not {n}")
        step = self._buffer.strides[0]
        shape = (n // self._block, self._history + self._block)
        self._rows[n] = np.lib.stride_tricks.as_strided(self._buffer, shape, (self._block * step, step), writeable=False)
        return self._rows[n]


class Resampling:
    """Many streams from one rate to another, each a row of ``capacity``; a row may also be taken by itself (``row``)."""

    def __init__(self, capacity: int, rate_in_hz: int, rate_out_hz: int) -> None:
        self.rate_in_hz, self.rate_out_hz = rate_in_hz, rate_out_hz
        self._history = 2 * round(DELAY_S * rate_in_hz)
        self._bank = filter_bank(rate_in_hz, rate_out_hz)
        self._buffers = np.zeros((capacity, _buffer_samples(rate_in_hz)), np.float32)

    def row(self, row: int) -> Resampler:
        """One stream, from its beginning; it and ``process`` may take turns."""
        one = Resampler(self.rate_in_hz, self.rate_out_hz)
        one._buffer = self._buffers[row]
        one.reset()
        return one

    def process(self, rows: NDArray[np.intp], x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(k, n) of the streams ``rows`` (k,), n a multiple of 2 ms, at most 120 ms; returns (k, n * out / in)."""
        if self.rate_in_hz == self.rate_out_hz:
            return x
        k, n = x.shape
        block, history = self.rate_in_hz // BLOCK_HZ, self._history
        whole = np.empty((k, history + n), np.float32)
        whole[:, :history] = self._buffers[rows, :history]
        whole[:, history:] = x
        self._buffers[rows, :history] = whole[:, n:]
        windows = np.lib.stride_tricks.sliding_window_view(whole, history + block, axis=1)[:, ::block]
        out: NDArray[np.float32] = (windows.reshape(-1, history + block) @ self._bank).reshape(k, -1)
        return out


def _buffer_samples(rate_in_hz: int) -> int:
    return 2 * round(DELAY_S * rate_in_hz) + round(LONGEST_S * rate_in_hz)
