"""When the packets of a recording were meant to sound: their arrivals without the jitter, on the clock of the recording. Pure.

Theory. A sender's timestamps say how far apart its packets belong, their arrivals say where, but late by the network's mood. Over some
seconds the fastest packet shows the distance between the two clocks; that lower envelope, joined by straight lines from block to block,
follows the drift of the sender's clock (RFC 3550 gives no more without sender reports; with them see ``media/recording/clocks.py``). A
stream is a run of packets of one source and codec without a pause or a jump of the timestamps in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from media.recording.clocks import Seconds, SenderClocks, Sent, envelope
from media.recording.records import Recorded, RecordedPacket, RecordedPicture, Side, Track
from media.rtp import Unwrapper, timestamp_difference
from rooms.audio import AudioCodec

_JUMP_S = 1.0
_PICTURE_HZ = 90_000
Kind = TypeVar("Kind", RecordedPacket, RecordedPicture)


class Placed(NamedTuple):
    """One packet at ``start_s``; ``sequence`` and ``timestamp`` are unwrapped."""

    start_s: float
    sequence: int
    timestamp: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """Each packet once, in order of sequence. ``behind_pause``: the first one follows a pause."""

    codec: AudioCodec
    packets: tuple[Placed, ...]
    behind_pause: bool


class PlacedPicture(NamedTuple):
    """As ``Placed``. ``marker``: the last packet of its frame."""

    start_s: float
    sequence: int
    timestamp: int
    marker: bool
    payload: memoryview


@dataclass(frozen=True, slots=True)
class PictureStream:
    """The same of one layer of a picture. ``codec``: ``vp8`` or ``h264``."""

    codec: str
    packets: tuple[PlacedPicture, ...]


def streams(recorded: Recorded, side: Side) -> list[Stream]:
    """What one side of a recording consists of, in order of time."""
    clocks = _clocks(recorded)
    return [_placed(run, behind_pause, clocks) for run, behind_pause in _runs(recorded, side)]


def pictures(recorded: Recorded, track: Track) -> list[PictureStream]:
    """The layers of one picture as they took turns, in order of time."""
    clocks = _clocks(recorded)
    return [_placed_pictures(run, clocks) for run in _picture_runs(recorded, track)]


def _clocks(recorded: Recorded) -> SenderClocks | None:
    """None where nothing was told of any: calls have one stream each way, which needs none."""
    if not any(event.name == "clock" for event in recorded.events):
        return None
    sent = [_sent(run, run[0].codec.clock_rate)[1] for run, _ in _runs(recorded, Side.SAID)]
    sent += [_sent(run, _PICTURE_HZ)[1] for track in Track for run in _picture_runs(recorded, track)]
    return SenderClocks(recorded.events, sent)


def _picture_runs(recorded: Recorded, track: Track) -> Iterator[list[RecordedPicture]]:
    """Each begins at a key frame: another layer, or behind a pause."""
    resumed_s = [end_s for _, end_s in recorded.pauses_s]
    run: list[RecordedPicture] = []
    for packet in recorded.pictures:
        if packet.track is not track:
            continue
        if run:
            same = (run[-1].header.ssrc, run[-1].codec) == (packet.header.ssrc, packet.codec)
            if not same or any(run[-1].at_s < at_s <= packet.at_s for at_s in resumed_s):
                yield run
                run = []
        run.append(packet)
    if run:
        yield run


def _runs(recorded: Recorded, side: Side) -> Iterator[tuple[list[RecordedPacket], bool]]:
    resumed_s = [end_s for _, end_s in recorded.pauses_s]
    run: list[RecordedPacket] = []
    behind_pause = False
    for packet in recorded.packets:
        if packet.side is not side:
            continue
        if run:
            paused = any(run[-1].at_s < at_s <= packet.at_s for at_s in resumed_s)
            if paused or not _goes_on(run[-1], packet):
                yield run, behind_pause
                run, behind_pause = [], paused
        run.append(packet)
    if run:
        yield run, behind_pause


def _goes_on(last: RecordedPacket, packet: RecordedPacket) -> bool:
    if (last.header.ssrc, last.codec) != (packet.header.ssrc, packet.codec):
        return False
    went_s = timestamp_difference(packet.header.timestamp, last.header.timestamp) / packet.codec.clock_rate
    return abs(went_s - (packet.at_s - last.at_s)) < _JUMP_S


def _sent(run: Sequence[Kind], clock_hz: int) -> tuple[dict[int, tuple[int, Kind]], Sent]:
    """Each packet once in order of its unwrapped number, with its unwrapped timestamp; and the same as clocks want it."""
    order, clock = Unwrapper(), Unwrapper(32)
    found: dict[int, tuple[int, Kind]] = {}
    for packet in run:
        sequence, timestamp = order.unwrap(packet.header.sequence), clock.unwrap(packet.header.timestamp)
        found.setdefault(sequence, (timestamp, packet))
    found = dict(sorted(found.items()))
    timestamps = np.array([timestamp for timestamp, _ in found.values()], np.int64)
    came_s = np.array([packet.at_s for _, packet in found.values()])
    return found, Sent(run[0].header.ssrc, clock_hz, timestamps, came_s)


def _starts_s(sent: Sent, clocks: SenderClocks | None) -> Seconds:
    starts_s = clocks.starts_s(sent) if clocks is not None else None
    if starts_s is not None:
        return starts_s
    sent_s = sent.timestamps / sent.clock_hz
    lines: Seconds = sent_s + np.interp(sent_s, *envelope(sent_s, sent.came_s - sent_s))
    return lines


def _placed(run: Sequence[RecordedPacket], behind_pause: bool, clocks: SenderClocks | None) -> Stream:
    found, sent = _sent(run, run[0].codec.clock_rate)
    entries = zip(_starts_s(sent, clocks), found.items(), strict=True)
    packets = [Placed(float(at_s), sequence, timestamp, packet.payload) for at_s, (sequence, (timestamp, packet)) in entries]
    return Stream(run[0].codec, tuple(packets), behind_pause)


def _placed_pictures(run: Sequence[RecordedPicture], clocks: SenderClocks | None) -> PictureStream:
    found, sent = _sent(run, _PICTURE_HZ)
    entries = zip(_starts_s(sent, clocks), found.items(), strict=True)
    packets = [
        PlacedPicture(float(at_s), sequence, timestamp, packet.header.marker, packet.payload)
        for at_s, (sequence, (timestamp, packet)) in entries
    ]
    return PictureStream(run[0].codec, tuple(packets))
