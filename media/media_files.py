"""Sound files of any kind into samples, encoded sound and pictures into films: the one file that knows PyAV.

Slow: for a thread, never for the tick.
"""

import heapq
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
import numpy as np
from av.error import FFmpegError

from media.codec import Samples
from media.settings import RATE_HZ

_MILLISECOND = Fraction(1, 1_000)


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


class FilmTrack(NamedTuple):
    """One track of a film. ``sample`` tells how it is encoded: a small file of its own (``sample_format``: ``ogg``, ``ivf``, ``h264``).

    ``blocks`` in order of time.
    """

    title: str
    sample: bytes
    sample_format: str
    blocks: Iterable["FilmBlock"]


class FilmBlock(NamedTuple):
    """``duration_s``: 0 where it lasts until the next one."""

    start_s: float
    data: bytes
    key: bool
    duration_s: float


def write_film(to: BinaryIO, container: str, tracks: Sequence[FilmTrack]) -> None:
    """Put tracks into one file without encoding anything. ``container``: ``webm``, ``matroska`` or ``mp4``; ``to`` can seek.

    The first of each kind is what players show. Raises ValueError where the container cannot hold one of them; OSError.
    """
    with ExitStack() as stack:
        try:
            film = stack.enter_context(av.open(to, "w", format=container))
            streams = []
            for track in tracks:
                sample = stack.enter_context(av.open(io.BytesIO(track.sample), "r", format=track.sample_format))
                stream = film.add_stream_from_template(sample.streams[0], opaque=True)
                stream.metadata["title"] = track.title
                streams.append(stream)
            last = [-1] * len(tracks)
            for block, number in heapq.merge(*(_numbered(track.blocks, number) for number, track in enumerate(tracks))):
                packet = av.Packet(block.data)
                packet.stream, packet.time_base = streams[number], _MILLISECOND
                last[number] = packet.pts = packet.dts = max(round(1_000 * block.start_s), last[number] + 1)
                packet.duration, packet.is_keyframe = round(1_000 * block.duration_s), block.key
                film.mux(packet)
        except FFmpegError as error:
            if isinstance(error, OSError) and not isinstance(error, ValueError):
                raise
            raise ValueError(f"a {container} file cannot hold it ({error.strerror})") from None


def _numbered(blocks: Iterable[FilmBlock], number: int) -> Iterator[tuple[FilmBlock, int]]:
    return ((block, number) for block in blocks)
