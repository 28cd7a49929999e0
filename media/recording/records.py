"""What the chunks of a recording hold: RTP packets as they came or went, with their times, and events.

    record  kind (1), tenths of a millisecond since the start (4), bytes (2); then the bytes: an RTP packet, or an event as JSON

Audio packets are whole, so that sequence, timestamp, source and payload are found in them; in which codec each side speaks is an event
before its first packet, and whenever it changes. Digits are no audio and are not kept: a key pressed may be a card's number. Pictures are
of two kinds more, camera and screen (``media/recording/pictures.py``).
"""

from collections import deque
from collections.abc import Mapping
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
EVENT = 2
"""The kind of records that are events."""
PER_S = 10_000
_LAST = 0xFFFFFFFF  # after five days the times begin anew


class Side(IntEnum):
    """What the recorded leg (the caller's) said, and what it heard: the left and the right channel."""

    SAID = 0
    HEARD = 1


class Track(IntEnum):
    """What a picture shows, as the kind of its records."""

    CAMERA = 3
    SCREEN = 4


class RecordingEvent(msgspec.Struct, frozen=True):
    """``start``, ``codec``, ``picture``, ``clock`` (a sender report), ``pause``, ``resume``, ``lost`` (packets that the disk could not

    follow) or ``end``, with its details.
    """

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


class RecordedPicture(NamedTuple):
    """One packet of a picture. ``payload``: a view of what was read, which it keeps alive."""

    track: Track
    at_s: float
    codec: str
    header: RtpHeader
    payload: memoryview


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording as it was read. ``detail`` says in words why ``ending`` is not ``COMPLETE``."""

    file_id: bytes
    packets: tuple[RecordedPacket, ...]
    pictures: tuple[RecordedPicture, ...]
    events: tuple[RecordingEvent, ...]
    chunks: int
    digest: bytes
    ending: Ending
    detail: str

    @property
    def length_s(self) -> float:
        """From the start to the last thing that is known to have happened."""
        return max((kind[-1].at_s for kind in (self.packets, self.pictures, self.events) if kind), default=0.0)

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


class Telling:
    """What is told in between the packets. Beside whatever keeps them, in Python or compiled."""

    start_s: float
    lost: int

    def tell(self, name: str, at_s: float, details: Mapping[str, str | int | float]) -> None:
        """One event; never left out."""
        if name == "resume":
            self.resume(at_s)
        self.add_event(_event(name, details), at_s)

    def take(self) -> tuple[bytes, int]:
        """The records since the last time, and how many packets are among them. From any thread."""
        content, packets, lost, lost_s = self.drain()
        if lost:
            told = _event("lost", {"packets": lost})
            content += _RECORD.pack(EVENT, _tenths(lost_s - self.start_s), len(told)) + told
        return content, packets

    def codec_event(self, side: int, codec: AudioCodec) -> bytes:
        """What stands before the first packet of a codec."""
        return _event("codec", {"side": side, **_told(codec)})

    def put(self, side: int, packet: bytes, at_s: float, codec: AudioCodec) -> None:
        """One packet, unless it is no audio, or from before the start. Behind a pause, what came in it is left out, and the first packet of

        each side: Opus may carry a copy of the end of the pause in it (in-band FEC).
        """
        raise NotImplementedError

    def add_event(self, event: bytes, at_s: float) -> None:
        """One event, encoded."""
        raise NotImplementedError

    def resume(self, at_s: float) -> None:
        """A pause ends."""
        raise NotImplementedError

    def drain(self) -> tuple[bytes, int, int, float]:
        """As ``take``; then how many packets were left out since the last time, and when the last of them came."""
        raise NotImplementedError

    @property
    def length_s(self) -> float:
        """From the start to the newest record."""
        raise NotImplementedError


class Records(Telling):
    """Turns what passes by into records, in the packet path: no object of it stays behind. ``start_s``: monotonic time of the start.

    What comes while ``most_records`` wait to be taken is left out and counted in ``lost``. One thread puts in, another one takes: a deque
    needs no lock for that. ``media/wire/_wire.c`` has the compiled twin, into which packets are put without Python.
    """

    def __init__(self, start_s: float, most_records: int) -> None:
        self.start_s = self._from_s = self._newest_s = self._lost_s = start_s
        self.lost = self._lost_told = 0
        self._most_records = most_records
        self._waiting: deque[bytes] = deque()
        self._codecs: list[AudioCodec | None] = [None, None]
        self._skipping: set[int] = set()

    def put(self, side: int, packet: bytes, at_s: float, codec: AudioCodec) -> None:
        if packet[1] & 0x7F != codec.payload_type or at_s < self._from_s:
            return
        waiting = self._waiting
        if len(waiting) >= self._most_records:
            self._lost_s = at_s
            self.lost += 1
            return
        if codec is not self._codecs[side]:
            self._switch(side, codec, at_s)
        if self._skipping and side in self._skipping:
            self._skipping.discard(side)
            return
        waiting.append(_RECORD.pack(side, int((at_s - self.start_s) * PER_S) & _LAST, len(packet)) + packet)
        self._newest_s = at_s

    def _switch(self, side: int, codec: AudioCodec, at_s: float) -> None:
        former, self._codecs[side] = self._codecs[side], codec
        if former is None or _told(former) != _told(codec):
            self.add_event(self.codec_event(side, codec), at_s)

    def add_event(self, event: bytes, at_s: float) -> None:
        self._waiting.append(_RECORD.pack(EVENT, _tenths(at_s - self.start_s), len(event)) + event)
        self._newest_s = at_s

    def resume(self, at_s: float) -> None:
        self._from_s = at_s
        self._skipping = {int(side) for side in Side}

    def drain(self) -> tuple[bytes, int, int, float]:
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        known, self._lost_told = self._lost_told, self.lost
        return b"".join(taken), sum(record[0] != EVENT for record in taken), self._lost_told - known, self._lost_s

    @property
    def length_s(self) -> float:
        return self._newest_s - self.start_s


class _Event(msgspec.Struct):
    name: str
    details: dict[str, str | int | float]


def read_recording(path: Path, ring: KeyRing) -> Recorded:
    """What a file holds up to its end, or to the first fault. Raises OSError; ValueError for what is no recording, and UnknownKey."""
    return decode(read_chunks(path, ring))


def decode(chunks: Chunks) -> Recorded:
    """The records of chunks that were authenticated. Raises ValueError where our own writer did not write them."""
    codecs: dict[int, AudioCodec] = {}
    shown: dict[int, str] = {}
    packets: list[RecordedPacket] = []
    pictures: list[RecordedPicture] = []
    events: list[RecordingEvent] = []
    for content in chunks.contents:
        position = 0
        while position < len(content):
            kind, tenths, size = _RECORD.unpack_from(content, position)
            position += _RECORD.size
            data = content[position : position + size]
            position += size
            if kind == EVENT:
                event = msgspec.json.decode(data, type=_Event)
                events.append(RecordingEvent(event.name, tenths / PER_S, event.details))
                if event.name == "codec":
                    codecs[int(event.details["side"])] = _codec(event.details)
                elif event.name == "picture":
                    shown[int(event.details["track"])] = str(event.details["codec"])
            elif (header := rtp.parse(data)) is None:
                continue
            elif kind in shown:
                view = memoryview(content)[position - size + header.payload_start : position - size + header.payload_end]
                pictures.append(RecordedPicture(Track(kind), tenths / PER_S, shown[kind], header, view))
            else:
                payload = data[header.payload_start : header.payload_end]
                packets.append(RecordedPacket(Side(kind), tenths / PER_S, codecs[kind], header, payload))
    read = (tuple(packets), tuple(pictures), tuple(events))
    return Recorded(chunks.file_id, *read, len(chunks.contents), chunks.digest, chunks.ending, chunks.detail)


def event_record(name: str, since_start_s: float, details: Mapping[str, str | int | float]) -> bytes:
    """One event as it stands in the file."""
    told = _event(name, details)
    return _RECORD.pack(EVENT, _tenths(since_start_s), len(told)) + told


def _event(name: str, details: Mapping[str, str | int | float]) -> bytes:
    return msgspec.json.encode({"name": name, "details": details})


def _tenths(since_start_s: float) -> int:
    return int(since_start_s * PER_S) & _LAST


def _told(codec: AudioCodec) -> dict[str, str | int | float]:
    return {"codec": codec.name, "payload_type": codec.payload_type, "clock_rate": codec.clock_rate, "channels": codec.channels}


def _codec(details: dict[str, str | int | float]) -> AudioCodec:
    return AudioCodec(str(details["codec"]), int(details["payload_type"]), int(details["clock_rate"]), int(details["channels"]))
