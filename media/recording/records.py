"""What the chunks of a recording hold: RTP packets as they came or went, with their times, and events.

    record  kind (1), tenths of a millisecond since the start (4), bytes (2); then the bytes: an RTP packet, or an event as JSON

The packets are whole, so that sequence, timestamp, source and payload are found in them; in which codec each side speaks is an event
before its first packet, and whenever it changes. Digits are no audio and are not kept: a key pressed may be a card's number.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import msgspec

from media import rtp
from media.recording.file import Chunks, Ending, read_chunks
from media.recording.keys import KeyRing
from media.rtp import RtpHeader
from rooms.audio import AudioCodec

_RECORD = Struct("!BIH")
_EVENT = 2
_PER_S = 10_000
_LAST = 0xFFFFFFFF  # after five days the times begin anew


class Side(IntEnum):
    """What the recorded leg (the caller's) said, and what it heard: the left and the right channel."""

    SAID = 0
    HEARD = 1


Taken = tuple[int, float, bytes, AudioCodec]
"""Side, monotonic time, packet and the leg's codec, as they passed by: a plain tuple, because it is made in the packet path."""


class RecordingEvent(msgspec.Struct, frozen=True):
    """``start``, ``codec``, ``pause``, ``resume``, ``lost`` (packets that the disk could not follow) or ``end``, with its details."""

    name: str
    at_s: float
    details: dict[str, str | int | float]


class RecordedPacket(NamedTuple):
    """``at_s``: seconds since the start of the recording at which it came (said) or went (heard)."""

    side: Side
    at_s: float
    codec: AudioCodec
    header: RtpHeader
    payload: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording as it was read. ``detail`` says in words why ``ending`` is not ``COMPLETE``."""

    file_id: bytes
    packets: tuple[RecordedPacket, ...]
    events: tuple[RecordingEvent, ...]
    chunks: int
    digest: bytes
    ending: Ending
    detail: str

    @property
    def length_s(self) -> float:
        """From the start to the last thing that is known to have happened."""
        packets_s = self.packets[-1].at_s if self.packets else 0.0
        return max(packets_s, self.events[-1].at_s if self.events else 0.0)

    @property
    def pauses_s(self) -> list[tuple[float, float]]:
        """Begin and end of each pause; one that was not ended lasts to the end."""
        found: list[tuple[float, float]] = []
        begun_s: float | None = None
        for event in self.events:
            if event.name == "pause" and begun_s is None:
                begun_s = event.at_s
            elif event.name == "resume" and begun_s is not None:
                found.append((begun_s, event.at_s))
                begun_s = None
        return found if begun_s is None else [*found, (begun_s, self.length_s)]


class RecordEncoder:
    """Turns what passed by into records. ``start_s``: the monotonic time of the recording's start."""

    def __init__(self, start_s: float) -> None:
        self.packets = 0
        self._start_s = start_s
        self._codecs: list[AudioCodec | None] = [None, None]
        self._behind_pause = [False, False]

    def encode(self, passed: Iterable[Taken | RecordingEvent]) -> bytes:
        """The contents of one chunk. Behind a pause the first packet of each side is left out: Opus may carry a copy of the end of the
        pause in it (in-band FEC)."""
        pieces: list[bytes] = []
        codecs, skipping, start_s = self._codecs, self._behind_pause, self._start_s
        pack, append = _RECORD.pack, pieces.append
        for entry in passed:
            if not isinstance(entry, tuple):
                if entry.name == "resume":
                    skipping[:] = True, True
                pieces += self._event(entry)
                continue
            side, at_s, packet, codec = entry
            if packet[1] & 0x7F != codec.payload_type:
                continue
            if codec is not codecs[side]:
                codecs[side] = codec
                pieces += self._event(RecordingEvent("codec", at_s, {"side": side, **_told(codec)}))
            if skipping[side]:
                skipping[side] = False
                continue
            append(pack(side, int((at_s - start_s) * _PER_S) & _LAST, len(packet)))
            append(packet)
            self.packets += 1
        return b"".join(pieces)

    def _event(self, event: RecordingEvent) -> tuple[bytes, bytes]:
        told = msgspec.json.encode({"name": event.name, "details": event.details})
        return _RECORD.pack(_EVENT, self._since(event.at_s), len(told)), told

    def _since(self, at_s: float) -> int:
        return int((at_s - self._start_s) * _PER_S) & _LAST


class _Event(msgspec.Struct):
    name: str
    details: dict[str, str | int | float]


def read_recording(path: Path, ring: KeyRing) -> Recorded:
    """What a file holds up to its end, or to the first fault. Raises OSError; ValueError for what is no recording, and UnknownKey."""
    return decode(read_chunks(path, ring))


def decode(chunks: Chunks) -> Recorded:
    """The records of chunks that were authenticated. Raises ValueError where our own writer did not write them."""
    codecs: dict[int, AudioCodec] = {}
    packets: list[RecordedPacket] = []
    events: list[RecordingEvent] = []
    for content in chunks.contents:
        position = 0
        while position < len(content):
            kind, tenths, size = _RECORD.unpack_from(content, position)
            position += _RECORD.size
            data = content[position : position + size]
            position += size
            if kind == _EVENT:
                event = msgspec.json.decode(data, type=_Event)
                events.append(RecordingEvent(event.name, tenths / _PER_S, event.details))
                if event.name == "codec":
                    codecs[int(event.details["side"])] = _codec(event.details)
            elif (header := rtp.parse(data)) is not None:
                payload = data[header.payload_start : header.payload_end]
                packets.append(RecordedPacket(Side(kind), tenths / _PER_S, codecs[kind], header, payload))
    return Recorded(chunks.file_id, tuple(packets), tuple(events), len(chunks.contents), chunks.digest, chunks.ending, chunks.detail)


def _told(codec: AudioCodec) -> dict[str, str | int | float]:
    return {"codec": codec.name, "payload_type": codec.payload_type, "clock_rate": codec.clock_rate, "channels": codec.channels}


def _codec(details: dict[str, str | int | float]) -> AudioCodec:
    return AudioCodec(str(details["codec"]), int(details["payload_type"]), int(details["clock_rate"]), int(details["channels"]))
