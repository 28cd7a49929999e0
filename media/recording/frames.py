"""The frames of a recorded picture, put together from its packets as they were sent; nothing is decoded. Pure.

A frame of which a packet is missing would show garbage, and so would all that build on it: what follows is left out up to the next key
frame. The times of the others stay what they were.
"""

from collections.abc import Iterator
from typing import NamedTuple

from media.recording.records import Recorded, Track
from media.recording.timeline import PictureStream, PlacedPicture, pictures
from media.video import h264, vp8


class Frame(NamedTuple):
    """One frame as its codec has it, H.264 as a byte stream. ``width`` and ``height``: of VP8's key frames, else 0."""

    start_s: float
    data: bytes
    key: bool
    codec: str
    width: int
    height: int


class Frames(NamedTuple):
    """``left_out``: frames that came, whole or not, and cannot be shown."""

    frames: tuple[Frame, ...]
    left_out: int


def frames(recorded: Recorded, track: Track) -> Frames:
    """What can be shown of a picture, in order of time."""
    found: list[Frame] = []
    left_out = 0
    for stream in pictures(recorded, track):
        waits = True
        for packets in _groups(stream):
            frame = _frame(packets, stream.codec) if packets is not None else None
            waits = frame is None or (waits and not frame.key)
            if frame is not None and not waits:
                found.append(frame)
            else:
                left_out += packets is not None
    return Frames(tuple(found), left_out)


def _groups(stream: PictureStream) -> Iterator[list[PlacedPicture] | None]:
    """The packets of each frame that came, without padding; None behind a gap in the numbers."""
    group: list[PlacedPicture] = []
    expected: int | None = None
    for packet in stream.packets:
        whole = expected is None or packet.sequence == expected
        if group and (not whole or packet.timestamp != group[0].timestamp):
            yield group
            group = []
        if not whole:
            yield None
        expected = packet.sequence + 1
        if packet.payload:
            group.append(packet)
            if packet.marker:
                yield group
                group = []
    if group:
        yield group


def _frame(packets: list[PlacedPicture], codec: str) -> Frame | None:
    """None where it does not begin or end in what came, or is none."""
    start_s = packets[0].start_s
    payloads = [bytes(packet.payload) for packet in packets]
    if not packets[-1].marker:
        return None
    if codec == "h264":
        data = h264.frame(payloads)
        return Frame(start_s, data, h264.starts_key(payloads[0]), codec, 0, 0) if data is not None else None
    parts = [vp8.read(payload) for payload in payloads]
    first = parts[0]
    if first is None or not first.starts:
        return None
    data = b"".join(payload[part.frame_at :] for payload, part in zip(payloads, parts, strict=True) if part is not None)
    return Frame(start_s, data, first.starts_key, codec, first.width, first.height) if None not in parts else None
