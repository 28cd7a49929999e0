"""Contents of a recording, made of packets and events in a list; and a whole one on the disk."""

import time
from collections.abc import Iterable
from pathlib import Path

from api.store import StoredRecording
from dsp.tones import sine
from media import rtp
from media.codec import make_encoder
from media.recording.recordings import Outcome, Recordings, RecordingSettings
from media.recording.records import RecordingEvent, Records, Side
from rooms.audio import PCMA, AudioCodec

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


def recording_of(folder: Path, key: bytes, recording_id: str, seconds: float, at: float) -> StoredRecording:
    """A recording of a tone of 500 Hz, as a media worker leaves it, and its row: it began ``at``."""
    over: list[Outcome] = []
    with Recordings(RecordingSettings(folder, (key,))) as recordings:
        now_s = time.monotonic()
        recording = recordings.start(now_s, {}, who=("a test",), consent="given", on_start=lambda path: None, on_end=over.append)
        encoder = make_encoder(PCMA, rate_hz=8_000)
        for number, frame in enumerate(sine(500.0, seconds, 8_000, level_dbfs=-20.0).reshape(-1, 160)):
            packet = rtp.build(PCMA.payload_type, number, 160 * number, 7, encoder.encode(frame))
            recording.records.put(Side.SAID, packet, now_s + 0.02 * number, PCMA)
        recording.tell("end", now_s + seconds)
    (outcome,) = over
    assert outcome.checkpoint is not None
    entries, digest = outcome.checkpoint.entries, outcome.checkpoint.digest
    return StoredRecording(recording_id, "call", "", "given", outcome.path.name, at, at + seconds, entries=entries, digest=digest)
