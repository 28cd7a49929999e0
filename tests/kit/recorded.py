"""Contents of a recording, made of packets and events in a list."""

from collections.abc import Iterable

from media.recording.records import RecordingEvent, Records
from rooms.audio import AudioCodec

Taken = tuple[int, float, bytes, AudioCodec]
"""Side, monotonic time, packet and codec."""


def encoded(start_s: float, passed: Iterable[Taken | RecordingEvent]) -> bytes:
    """The contents of one chunk."""
    records = Records(start_s, 1_000_000)
    for entry in passed:
        if isinstance(entry, RecordingEvent):
            records.tell(entry.name, entry.at_s, entry.details)
        else:
            side, at_s, packet, codec = entry
            records.put(side, packet, at_s, codec)
    return records.take()[0]
