"""Spectral post-filter: one short-time spectrum in which residual echo and noise are taken away together, and the classical estimator.

The sine window of 20 ms moves by a hop of 10 ms and is applied twice, so that a spectrum left alone gives back the sound, 10 ms later.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import exp1

Block = NDArray[np.float32]
HOP = 160
WINDOW = 320
BINS = 161


class Suppressor(Protocol):
    """What tells speech from noise: classical or learned. ``speech`` float32 (rows,) is the last hop's probability of speech."""

    speech: Block

    def gains(self, near_power: Block, echo_power: Block) -> Block:
        """Powers of one hop (rows, 161) to gains (rows, 161) in 0-1: |rfft of 320 sine-windowed samples|², full scale 1, 16 kHz."""

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""


class ResidualEcho(Protocol):
    """What tells the echo that is left from the near end; ``comfort`` float32 (rows, 161) is the power of the noise to fill in."""

    comfort: Block

    def gains(self, near_power: Block, echo_power: Block, far_power: Block) -> Block:
        """Powers of one hop (rows, 161) to gains (rows, 161) in 0-1."""

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""


class PostFilter:
    """Residual-echo and noise gains in one spectrum, overlap-add, 10 ms late; rows with everything off are only delayed.

    ``noise`` and ``residual_echo`` bool (capacity,) switch per row; ``speech`` float32 (capacity,) is the last hop's probability of speech.
    """

    def __init__(self, capacity: int, suppressor: Suppressor, residual: ResidualEcho | None = None) -> None:
        self.noise = np.ones(capacity, np.bool_)
        self.residual_echo = np.ones(capacity, np.bool_)
        self.speech = np.zeros(capacity, np.float32)
        self._suppressor = suppressor
        self._residual = residual
        self._near = np.zeros((capacity, HOP), np.float32)
        self._echo = np.zeros((capacity, HOP), np.float32)
        self._far = np.zeros((capacity, HOP), np.float32)
        self._tail = np.zeros((capacity, HOP), np.float32)

    def process(self, near: Block, echo: Block | None = None, far: Block | None = None) -> Block:
        """Filter (capacity, 160 k) at 16 kHz: the canceller's error, its estimate of the echo, the far end aligned to it."""
        out = np.empty_like(near)
        self.speech[:] = 0
        for at in range(0, near.shape[1], HOP):
            hop = slice(at, at + HOP)
            out[:, hop] = self._hop(near[:, hop], None if echo is None else echo[:, hop], None if far is None else far[:, hop])
        return out

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to silence, and those of the suppressors with them."""
        for state in (self._near, self._echo, self._far, self._tail):
            state[rows] = 0
        self.speech[rows] = 0
        self._suppressor.reset(rows)
        if self._residual is not None:
            self._residual.reset(rows)

    def _hop(self, near: Block, echo: Block | None, far: Block | None) -> Block:
        spectrum = _spectrum(self._near, near)
        near_power = _power(spectrum)
        echo_power = np.zeros_like(near_power) if echo is None else _power(_spectrum(self._echo, echo))
        gains = np.where(self.noise[:, None], self._suppressor.gains(near_power, echo_power), np.float32(1))
        if self._residual is not None and echo is not None and far is not None:
            residual = self._residual.gains(near_power, echo_power, _power(_spectrum(self._far, far)))
            gains = np.where(self.residual_echo[:, None], gains * residual, gains)
        np.maximum(self.speech, self._suppressor.speech, out=self.speech)
        frame = fft.irfft(spectrum * gains, WINDOW, axis=1).astype(np.float32) * _SINE
        out = self._tail + frame[:, :HOP]
        self._tail[:] = frame[:, HOP:]
        return out


def _spectrum(before: Block, hop: Block) -> NDArray[np.complex64]:
    frame = np.concatenate((before, hop), axis=1) * _SINE
    before[:] = hop
    spectrum: NDArray[np.complex64] = fft.rfft(frame, axis=1)
    return spectrum


def _power(spectrum: NDArray[np.complex64]) -> Block:
    return spectrum.real**2 + spectrum.imag**2


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

    def gains(self, near_power: Block, echo_power: Block) -> Block:
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
        gains: Block = (wiener * np.exp(0.5 * exp1(np.maximum(wiener * posterior, 1e-6)))).astype(np.float32)
        gains = np.clip(gains, self._floor, 1)
        self._clean = gains**2 * power
        self.speech = presence[:, 5:80].mean(axis=1)
        return gains

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to knowing nothing of their noise."""
        for state in (self._noise, self._clean, self._stuck):
            state[rows] = 0
        self._fresh[rows] = True


_SINE = np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW).astype(np.float32)
_PRIOR = np.float32(10**1.5)
