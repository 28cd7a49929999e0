"""What several peers need of their signals: 16-bit samples, other rates, their delay taken back."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from benchmarks.peers import Samples


def to_pcm16(samples: Samples) -> NDArray[np.int16]:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def from_pcm16(samples: NDArray[np.int16]) -> Samples:
    return samples.astype(np.float32) / np.float32(32768)


def resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """(n,) at another rate, linear phase, no delay."""
    if from_hz == to_hz:
        return samples
    common = math.gcd(from_hz, to_hz)
    return np.asarray(resample_poly(samples, to_hz // common, from_hz // common), np.float32)


def shifted(samples: Samples, delay_samples: int) -> Samples:
    """(n,) moved forward by a delay, of the same length, ended by silence."""
    out = np.zeros_like(samples)
    out[: len(samples) - delay_samples] = samples[delay_samples:]
    return out
