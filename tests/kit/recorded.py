"""Contents of a recording, made of packets and events in a list."""

from collections.abc import Iterable

from media.recording.records import RecordEncoder, RecordingEvent
from rooms.audio import AudioCodec

Taken = tuple[int, float, bytes, AudioCodec]
"""Side, monotonic time, packet and codec."""


def encoded(start_s: float, passed: Iterable[Taken | RecordingEvent]) -> bytes:
    """The contents of one chunk."""
    encoder = RecordEncoder(start_s)
    for entry in passed:
        if isinstance(entry, RecordingEvent):
            encoder.tell(entry.name, entry.at_s, entry.details)
        else:
            side, at_s, packet, codec = entry
            encoder.put(side, packet, at_s, codec)
    return encoder.take()[0]
