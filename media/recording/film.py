"""Films made of recordings on demand: sound and pictures as they were sent, side by side in WebM, Matroska or MP4.

One participant's film has the camera, the screen where one was shared, and what was said. A whole consultation is one file of all of
these on one clock, each under its participant's name; its first sound is everybody mixed, encoded anew, because players play one at a time.
In a pause nothing was recorded: the sound is silent there and the last picture stands.
"""

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from struct import pack
from typing import BinaryIO

import numpy as np

from media.libopus import packet_samples
from media.media_files import FilmBlock, FilmTrack, write_film
from media.recording import ogg
from media.recording.export import WAV_RATE_HZ, Pcm, encoded, filler_for, mixed, render
from media.recording.frames import Frame, frames
from media.recording.records import Recorded, Side, Track
from media.recording.timeline import streams

CONTAINERS = {"webm": "webm", "mkv": "matroska", "mp4": "mp4"}
"""What FFmpeg calls a film, by the ending of its file."""
_HOLDS = {"webm": ("vp8",), "mkv": ("vp8", "h264"), "mp4": ("h264",)}
_FRAME_S = 0.02
Details = dict[str, str | int | float]
"""What of a film stands in a manifest: ``frames``, and how many were ``left_out`` for want of a packet."""


def write_films(parts: Sequence[Recorded], ending: str, to: BinaryIO) -> list[Details]:
    """The film of one recording, or of all of a consultation's; a line for each one's manifest.

    Raises ValueError where there is nothing to see or hear, or the container cannot hold it; OSError.
    """
    begun_s = min(_begun_s(part) for part in parts)
    shifts_s = [_begun_s(part) - begun_s for part in parts]
    pictures, sounds, details = list[FilmTrack](), list[FilmTrack](), list[Details]()
    for part, shift_s in zip(parts, shifts_s, strict=True):
        shown = {track: frames(part, track) for track in Track}
        counts = [(len(found.frames), found.left_out) for found in shown.values()]
        details.append({"frames": sum(count for count, _ in counts), "left_out": sum(count for _, count in counts)})
        for track, found in shown.items():
            if found.frames:
                pictures.append(_picture(_title(part, track.name.lower()), found.frames, shift_s, ending))
        if any(packet.side is Side.SAID for packet in part.packets):
            sounds.append(_opus(_title(part, "voice"), _moved(_sound(part), shift_s)))
    if not pictures and not sounds:
        raise ValueError("nothing was said or shown in it")
    if len(sounds) > 1:
        sounds.insert(0, _opus("everybody", _together(parts, shifts_s)))
    write_film(to, CONTAINERS[ending], [*pictures, *sounds])
    return details


def _begun_s(part: Recorded) -> float:
    """Since the epoch."""
    return float(part.events[0].details["unix_s"]) if part.events else 0.0


def _title(part: Recorded, what: str) -> str:
    name = str(part.events[0].details.get("name", "")) if part.events else ""
    return f"{name}, {what}" if name else what


def _picture(title: str, shown: Sequence[Frame], shift_s: float, ending: str) -> FilmTrack:
    codecs = sorted({frame.codec for frame in shown})
    if not set(codecs) <= set(_HOLDS[ending]) or len(codecs) > 1:
        raise ValueError(f"its pictures are {' and '.join(codecs)}, which .{ending} does not hold: take .mkv")
    largest = max(shown, key=lambda frame: frame.width * frame.height)
    sample = _ivf(largest) if codecs == ["vp8"] else shown[0].data
    blocks = (FilmBlock(frame.start_s + shift_s, frame.data, frame.key, 0.0) for frame in shown)
    return FilmTrack(title, sample, "ivf" if codecs == ["vp8"] else "h264", blocks)


def _ivf(frame: Frame) -> bytes:
    """A file of this frame alone, which says how large the film is: 32 bytes of head, 12 before the frame, little endian."""
    head = b"DKIF" + pack("<HH4sHHIIII", 0, 32, b"VP80", frame.width, frame.height, 1_000, 1, 1, 0)
    return head + pack("<IQ", len(frame.data), 0) + frame.data


def _opus(title: str, blocks: Iterable[FilmBlock]) -> FilmTrack:
    head = BytesIO()
    ogg.write_ogg(head, [(ogg.SILENCE, 960)], channels=1, serial=1)
    return FilmTrack(title, head.getvalue(), "ogg", blocks)


def _moved(blocks: Iterable[FilmBlock], by_s: float) -> Iterator[FilmBlock]:
    return (block._replace(start_s=block.start_s + by_s) for block in blocks)


def _sound(part: Recorded) -> Iterator[FilmBlock]:
    """What was said, each packet at its own time, from the start of the recording to its end without a hole."""
    position_s, last = 0.0, b""
    for stream in streams(part, Side.SAID):
        if stream.codec.name != "opus":
            raise ValueError(f"this side was spoken in {stream.codec.name}: films have Opus alone")
        for number, packet in enumerate(stream.packets):
            samples = packet_samples(packet.payload, ogg.RATE_HZ)
            if samples <= 0 or packet.start_s < position_s - _FRAME_S:
                continue
            gap = round((packet.start_s - position_s) * ogg.RATE_HZ)
            yield from _fill(position_s, packet.start_s, filler_for(gap, last, away=not number and stream.behind_pause))
            position_s, last = packet.start_s + samples / ogg.RATE_HZ, packet.payload
            yield FilmBlock(packet.start_s, packet.payload, True, samples / ogg.RATE_HZ)
    yield from _fill(position_s, part.length_s, ogg.SILENCE)


def _fill(from_s: float, to_s: float, filler: bytes) -> Iterator[FilmBlock]:
    lasts_s = packet_samples(filler, ogg.RATE_HZ) / ogg.RATE_HZ
    for number in range(round((to_s - from_s) / lasts_s)):
        yield FilmBlock(from_s + number * lasts_s, filler, True, lasts_s)


def _together(parts: Sequence[Recorded], shifts_s: Sequence[float]) -> Iterator[FilmBlock]:
    """Everybody's voice in one."""
    voices = [render(part, Side.SAID) for part in parts]
    starts = [round(shift_s * WAV_RATE_HZ) for shift_s in shifts_s]
    length = max(start + len(voice) for start, voice in zip(starts, voices, strict=True))
    padded: list[Pcm] = [np.pad(voice, (start, length - start - len(voice))) for start, voice in zip(starts, voices, strict=True)]
    for number, packet in enumerate(encoded(mixed(padded))):
        yield FilmBlock(number * _FRAME_S, packet, True, _FRAME_S)
