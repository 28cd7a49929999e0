"""Rooms for training: responses of a direct path, a few reflections and a decaying tail."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from ml.training.speech import RATE_HZ, Samples

LENGTH_SAMPLES = 8_000
EARLY_S = 0.04


def response(
    rng: np.random.Generator, *, reverberation_s: tuple[float, float] = (0.12, 0.7), distance_db: tuple[float, float] = (-6, 14)
) -> Samples:
    """One room, float32 (LENGTH_SAMPLES,), direct path 1 at sample 0; the high bands die sooner.

    ``distance_db`` is the range of the direct path's power over the rest.
    """
    tail = np.zeros(LENGTH_SAMPLES)
    t = np.arange(LENGTH_SAMPLES) / RATE_HZ
    decay_s = rng.uniform(*reverberation_s)
    edges = [0, 500, 1500, 4000, 8000]
    noise = np.fft.rfft(rng.standard_normal(LENGTH_SAMPLES))
    f = np.arange(len(noise)) * RATE_HZ / LENGTH_SAMPLES
    for low, high, share in zip(edges[:-1], edges[1:], (1.1, 1.0, 0.85, 0.6), strict=True):
        band = np.fft.irfft(np.where((f >= low) & (f < high), noise, 0), LENGTH_SAMPLES)
        tail += band * 10 ** (-3 * t / (decay_s * share)) * 10 ** rng.normal(0, 0.1)
    first = int(rng.uniform(0.001, 0.012) * RATE_HZ)
    tail[:first] = 0
    for _ in range(int(rng.integers(2, 8))):
        tail[int(rng.uniform(0.001, 0.03) * RATE_HZ)] += rng.normal(0, 3) * np.std(tail[first : first + 800])
    tail *= np.sqrt(10 ** (-rng.uniform(*distance_db) / 10) / np.sum(np.square(tail)))
    tail[0] = 1.0
    return tail.astype(np.float32)


def early(room: Samples, rng: np.random.Generator) -> Samples:
    """What may stay of ``room``: its first 40 ms, then falling 60 dB in 150 to 250 ms."""
    t = np.arange(len(room)) / RATE_HZ
    fall: NDArray[np.float64] = 10 ** (-3 * np.maximum(t - EARLY_S, 0) / rng.uniform(0.15, 0.25))
    return np.asarray(room * fall, np.float32)


def reverberant(rng: np.random.Generator, x: Samples) -> Samples:
    """``x`` heard in some room, from any distance."""
    return np.asarray(signal.oaconvolve(x, response(rng, reverberation_s=(0.1, 1.0), distance_db=(-12, 10)))[: len(x)], np.float32)
