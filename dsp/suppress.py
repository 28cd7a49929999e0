"""Spectral post-filter: one short-time spectrum in which residual echo and noise are taken away together, and the classical estimator.

The sine window of 20 ms moves by a hop of 10 ms and is applied twice, so that a spectrum left alone gives back the sound, 10 ms later.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import exp1

from dsp.lanes import LANES, Array, kernel, load, load_tile, reset_rows, select, store, store_tile, tiles
from dsp.spectrum import BINS, FRAME, HOP, SINE, WORK, forward, inverse


class Suppressor(Protocol):
    """What tells speech from noise: classical or learned. ``speech`` float32 (capacity,) is the last hop's probability of speech."""

    speech: Array

    def gains(self, near_power: Array, echo_power: Array) -> Array:
        """Powers of one hop (rows, 161) to gains in 0-1, (rows, 161) or more rows: |rfft|² of 320 sine-windowed samples, full scale 1."""

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""


class ResidualEcho(Protocol):
    """What tells the echo that is left from the near end."""

    def gains(self, near_power: Array, echo_power: Array, far_power: Array) -> Array:
        """Powers of one hop (rows, 161) to gains in 0-1, (rows, 161) or more rows."""

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""


class PostFilter:
    """Residual-echo and noise gains in one spectrum, overlap-add, 10 ms late, for ``capacity`` rows at 16 kHz.

    ``noise`` and ``residual_echo`` bool (capacity,) switch per row; a row with both off is delayed, bit for bit, from its second hop on.
    ``speech`` float32 (capacity,) is the greatest probability of speech in the last block.
    """

    def __init__(self, capacity: int, suppressor: Suppressor, residual: ResidualEcho | None = None) -> None:
        self.noise = np.ones(capacity, np.bool_)
        self.residual_echo = np.ones(capacity, np.bool_)
        self.speech = np.zeros(capacity, np.float32)
        self._suppressor = suppressor
        self._residual = residual
        count = tiles(capacity)
        self._near, self._echo, self._far = np.zeros((3, count, FRAME, LANES), np.float32)
        self._spectrum = np.zeros((count, 2, BINS, LANES), np.float32)
        self._tail = np.zeros((count, HOP, LANES), np.float32)
        self._plain = np.zeros((count, 1, LANES), np.float32)
        self._passing = np.zeros_like(self._spectrum)

    def process(self, near: Array, echo: Array | None = None, far: Array | None = None) -> Array:
        """Filter (rows, 160 k): the canceller's error, its estimate of the echo, and the far end aligned to it; rows <= capacity."""
        rows = len(near)
        out = np.empty_like(near)
        self.speech[:rows] = 0
        near_power, echo_power, far_power = np.zeros((3, rows, BINS), np.float32)
        for at in range(0, near.shape[1], HOP):
            _analyse(near, at, self._near, self._spectrum, near_power)
            if echo is not None:
                _analyse(echo, at, self._echo, self._passing, echo_power)
            gains = self._suppressor.gains(near_power, echo_power)[:rows]
            np.maximum(self.speech[:rows], self._suppressor.speech[:rows], out=self.speech[:rows])
            noise, residual = self.noise[:rows, None], _OFF
            gains = np.where(noise, gains, _ONE)
            if self._residual is not None and echo is not None and far is not None:
                residual = self.residual_echo[:rows, None]
                _analyse(far, at, self._far, self._passing, far_power)
                gains *= np.where(residual, self._residual.gains(near_power, echo_power, far_power)[:rows], _ONE)
            _synthesise(gains, ~(noise | residual), at, self._near, self._spectrum, self._tail, self._plain, out)
        return out

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to silence, and those of the suppressors with them."""
        for state in (self._near, self._echo, self._far, self._spectrum, self._tail, self._plain):
            reset_rows(state, rows)
        self.speech[rows] = 0
        self._suppressor.reset(rows)
        if self._residual is not None:
            self._residual.reset(rows)


@kernel
def _analyse(block: Array, at: int, frames: Array, spectra: Array, power: Array) -> None:
    """The hop at ``at`` enters the frames (tiles, FRAME, LANES); their spectra (tiles, 2, BINS, LANES) and powers (rows, BINS)."""
    hop = np.empty((HOP, LANES), np.float32)
    windowed = np.empty((FRAME, LANES), np.float32)
    squares = np.empty((BINS, LANES), np.float32)
    work = np.empty(WORK, np.float32)
    for tile in range(tiles(block.shape[0])):
        load_tile(block, tile, at, hop)
        _spectrum(frames[tile], hop, windowed, spectra[tile, 0], spectra[tile, 1], squares, work)
        store_tile(power, tile, 0, squares)


@kernel
def _spectrum(frame: Array, hop: Array, windowed: Array, re: Array, im: Array, squares: Array, work: Array) -> None:
    for n in range(HOP):
        store(frame, n, load(frame, HOP + n))
        store(frame, HOP + n, load(hop, n))
    for n in range(FRAME):
        store(windowed, n, load(frame, n) * SINE[n])
    forward(windowed, re, im, work)
    for k in range(BINS):
        a, b = load(re, k), load(im, k)
        store(squares, k, a * a + b * b)


@kernel
def _synthesise(
    gains: Array, off: NDArray[np.bool_], at: int, frames: Array, spectra: Array, tails: Array, plains: Array, out: Array
) -> None:
    """Overlap-add of the spectra with their gains (rows, BINS); rows ``off`` (rows, 1) for the second time get their own samples."""
    gain = np.empty((BINS, LANES), np.float32)
    re, im = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    signal = np.empty((FRAME, LANES), np.float32)
    hop = np.empty((HOP, LANES), np.float32)
    plain = np.zeros((1, LANES), np.float32)
    work = np.empty(WORK, np.float32)
    for tile in range(tiles(out.shape[0])):
        load_tile(gains, tile, 0, gain)
        for k in range(BINS):
            g = load(gain, k)
            store(re, k, g * load(spectra, (tile, 0, k)))
            store(im, k, g * load(spectra, (tile, 1, k)))
        inverse(re, im, signal, work)
        for lane in range(min(LANES, out.shape[0] - tile * LANES)):
            plain[0, lane] = 1.0 if off[tile * LANES + lane, 0] else 0.0
        still = load(plain, 0) * load(plains, (tile, 0)) > 0.0
        store(plains, (tile, 0), load(plain, 0))
        for n in range(HOP):
            added = load(tails, (tile, n)) + SINE[n] * load(signal, n)
            store(hop, n, select(still, load(frames, (tile, n)), added))
            store(tails, (tile, n), SINE[HOP + n] * load(signal, HOP + n))
        store_tile(out, tile, at, hop)


_ONE = np.float32(1)
_OFF = np.zeros((1, 1), np.bool_)


class LogSpectralSuppressor:
    """Noise by the probability of speech (Gerkmann and Hendriks 2012), gain by log-spectral amplitude (Ephraim and Malah 1985).

    Settings in decibels hold for all rows; state is (capacity, 161).
    """

    def __init__(self, capacity: int, *, floor_db: float = -20.0) -> None:
        self.speech = np.zeros(capacity, np.float32)
        self._floor = np.float32(10 ** (floor_db / 20))
        self._noise = np.zeros((capacity, BINS), np.float32)
        self._clean = np.zeros((capacity, BINS), np.float32)
        self._stuck = np.zeros((capacity, BINS), np.float32)
        self._fresh = np.ones(capacity, np.bool_)

    def gains(self, near_power: Array, echo_power: Array) -> Array:
        """Gains (capacity, 161) of one hop; ``echo_power`` is not looked at."""
        power = np.maximum(near_power, 1e-12)
        self._noise[self._fresh] = power[self._fresh]
        self._fresh[:] = False
        presence = 1 / (1 + (1 + _PRIOR) * np.exp(-np.minimum(power / self._noise, 100) * _PRIOR / (1 + _PRIOR)))
        self._stuck += np.float32(0.1) * (presence - self._stuck)
        presence = np.where(self._stuck > 0.99, np.minimum(presence, np.float32(0.99)), presence)
        self._noise += np.float32(0.2) * (1 - presence) * (power - self._noise)
        posterior = power / self._noise
        prior = np.maximum(
            np.float32(0.96) * self._clean / self._noise + np.float32(0.04) * np.maximum(posterior - 1, 0), np.float32(0.003)
        )
        wiener = prior / (1 + prior)
        gains: Array = (wiener * np.exp(0.5 * exp1(np.maximum(wiener * posterior, 1e-6)))).astype(np.float32)
        gains = np.clip(gains, self._floor, 1)
        self._clean = gains**2 * power
        self.speech = presence[:, 5:80].mean(axis=1)
        return gains

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to knowing nothing of their noise."""
        for state in (self._noise, self._clean, self._stuck):
            state[rows] = 0
        self._fresh[rows] = True


_PRIOR = np.float32(10**1.5)
