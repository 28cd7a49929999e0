"""Sound files of any kind into samples: the one file that knows PyAV. Slow: for a thread, never for the tick."""

from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.error import FFmpegError

from media.codec import Samples
from media.settings import RATE_HZ


def read_samples(source: Path | BinaryIO, *, longest_s: float) -> Samples:
    """The first sound in a file (WAV, Ogg/Opus, whatever FFmpeg reads), float32 mono at ``RATE_HZ``; resampled once, here.

    Raises ValueError for what is no sound, or a longer one; OSError.
    """
    pieces: list[Samples] = []
    most, total = round(longest_s * RATE_HZ), 0
    try:
        with av.open(str(source) if isinstance(source, Path) else source, "r") as container:
            if not container.streams.audio:
                raise ValueError("there is no sound in it")
            resampler = av.AudioResampler(format="fltp", rate=RATE_HZ)
            frames = container.decode(audio=0)
            for frame in frames:
                total += _append(pieces, resampler.resample(frame))
                if total > most:
                    raise ValueError(f"it is longer than {longest_s:g} s")
            _append(pieces, resampler.resample(None))
    except FFmpegError as error:
        if isinstance(error, OSError) and not isinstance(error, ValueError):
            raise
        raise ValueError("it is no sound file that can be read: give WAV or Ogg/Opus") from None
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if not len(samples):
        raise ValueError("there is no sound in it")
    return samples


def _append(pieces: list[Samples], frames: list[av.AudioFrame]) -> int:
    found = [frame.to_ndarray().mean(axis=0, dtype=np.float32) for frame in frames]
    pieces += found
    return sum(len(piece) for piece in found)
