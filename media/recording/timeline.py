"""When the packets of a recording were meant to sound: their arrivals without the jitter, on the clock of the recording. Pure.

Theory. A sender's timestamps say how far apart its packets belong, their arrivals say where, but late by the network's mood. Over some
seconds the fastest packet shows the distance between the two clocks; that lower envelope, joined by straight lines from block to block,
follows the drift of the sender's clock (RFC 3550 gives no more without sender reports). A stream is a run of packets of one source and
codec without a pause or a jump of the timestamps in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from media.recording.records import Recorded, RecordedPacket, Side
from media.rtp import Unwrapper, timestamp_difference
from rooms.audio import AudioCodec

_BLOCK_S = 10.0
_JUMP_S = 1.0
Seconds = NDArray[np.float64]


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


def streams(recorded: Recorded, side: Side) -> list[Stream]:
    """What one side of a recording consists of, in order of time."""
    return [_placed(run, behind_pause) for run, behind_pause in _runs(recorded, side)]


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


def _placed(run: Sequence[RecordedPacket], behind_pause: bool) -> Stream:
    order, clock = Unwrapper(), Unwrapper(32)
    found: dict[int, tuple[int, float, bytes]] = {}
    for packet in run:
        sequence, timestamp = order.unwrap(packet.header.sequence), clock.unwrap(packet.header.timestamp)
        found.setdefault(sequence, (timestamp, packet.at_s, packet.payload))
    codec = run[0].codec
    sequences = sorted(found)
    sent_s = np.array([found[sequence][0] for sequence in sequences]) / codec.clock_rate
    late_s = np.array([found[sequence][1] for sequence in sequences]) - sent_s
    starts_s = sent_s + _envelope(sent_s - sent_s.min(), late_s)
    packets = [
        Placed(float(at_s), sequence, found[sequence][0], found[sequence][2]) for at_s, sequence in zip(starts_s, sequences, strict=True)
    ]
    return Stream(codec, tuple(packets), behind_pause)


def _envelope(sent_s: Seconds, late_s: Seconds) -> Seconds:
    """The least lateness of each block, and straight lines between them."""
    blocks = (sent_s // _BLOCK_S).astype(int)
    used = [number for number in range(blocks.max() + 1) if (blocks == number).sum() > 50] or [0]
    if len(used) == 1:
        return np.full(len(sent_s), late_s.min())
    found = [(blocks == number) for number in used]
    fastest = [np.flatnonzero(block)[np.argmin(late_s[block])] for block in found]
    lines: Seconds = np.interp(sent_s, sent_s[fastest], late_s[fastest])
    return lines
