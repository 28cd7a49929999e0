"""Sound files to be played in tests."""

import wave
from pathlib import Path

import numpy as np

from dsp.tones import sine


def write_wave(path: Path, rate_hz: int, *, channels: int = 1, frequency_hz: float = 500.0, seconds: float = 1.0) -> None:
    """A WAV file of a tone, -15 dBFS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.rint(32_767 * sine(frequency_hz, seconds, rate_hz, level_dbfs=-15.0)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.repeat(samples, channels).tobytes())
