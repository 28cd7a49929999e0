"""One picture's way to one receiver: whatever layer or source feeds it, one stream without a seam (RFC 7667, section 3.7). Pure.

Numbers go on from one feed to the next: sequence and timestamp, and VP8's PictureID and TL0PICIDX. A feed changes at the first packet of
a key frame only. While one feed lasts its own gaps and its own order are kept, so that loss stays visible to the receiver. Packets of
padding alone, with which browsers probe their way to us, are left out without a gap.
"""

from collections import deque
from typing import NamedTuple

from media.rtp import sequence_difference, timestamp_difference
from media.video import vp8
from media.video.lines import CLOCK_HZ
from media.video.nack import Sent

_SHORTEST_STEP = CLOCK_HZ // 100
_REMEMBERED_OMISSIONS = 64


class VideoPacket(NamedTuple):
    """One packet of a source. ``codec``: ``vp8`` or ``h264``; ``picture``: VP8's descriptor. ``starts_key``: a key frame begins here."""

    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    codec: str
    picture: vp8.Vp8 | None
    starts_key: bool


class VideoStream:
    """``sequence``, ``timestamp`` and ``picture`` are where it begins. ``feed``: what it carries now, any object; ``wanted``: what next.

    ``changes``: how often a feed came.
    """

    def __init__(self, sequence: int, timestamp: int, picture: int) -> None:
        self.feed: object | None = None
        self.wanted: object | None = None
        self.changes = 0
        self.packets = 0
        self.octets = 0
        self._sequence, self._timestamp, self._picture, self._tl0 = sequence, timestamp, picture, 0
        self._offsets = (0, 0, 0, 0)
        self._first = self._newest = 0
        self._omitted: deque[int] = deque(maxlen=_REMEMBERED_OMISSIONS)
        """Sequence numbers of the feed that were left out, of which those behind a late packet do not count for it."""
        self._sent_s: float | None = None

    @property
    def waits(self) -> bool:
        """Is a key frame of ``wanted`` needed?"""
        return self.wanted is not None and self.wanted is not self.feed

    def take(self, feed: object, packet: VideoPacket, payload_type: int, now_s: float) -> Sent | None:
        """The packet as the receiver is to get it; None when it is not for him."""
        if feed is self.wanted and feed is not self.feed and packet.starts_key:
            self._change(feed, packet, now_s)
        if feed is not self.feed or sequence_difference(packet.sequence, self._first) < 0:
            return None
        sequence_offset, timestamp_offset, picture_offset, tl0_offset = self._offsets
        ahead = sequence_difference(packet.sequence, self._newest)
        if ahead > 0:
            self._newest = packet.sequence
            if not packet.payload:
                self._omitted.append(packet.sequence)
                self._offsets = ((sequence_offset - 1) & 0xFFFF, timestamp_offset, picture_offset, tl0_offset)
                return None
        elif self._omitted:
            sequence_offset += sum(sequence_difference(omitted, packet.sequence) > 0 for omitted in self._omitted)
        sequence = (packet.sequence + sequence_offset) & 0xFFFF
        timestamp = (packet.timestamp + timestamp_offset) & 0xFFFFFFFF
        payload, picture = packet.payload, packet.picture
        if picture is not None and picture.picture is not None:
            number, tl0 = (picture.picture[0] + picture_offset) & 0x7FFF, ((picture.tl0 or 0) + tl0_offset) & 0xFF
            payload = vp8.rewrite(payload, picture, number, tl0)
            if sequence_difference(sequence, self._sequence) >= 0:
                self._picture, self._tl0 = number, tl0
        if sequence_difference(sequence, self._sequence) > 0:
            self._sequence = sequence
        if self._sent_s is None or timestamp_difference(timestamp, self._timestamp) > 0:
            self._timestamp, self._sent_s = timestamp, now_s
        # Only so far back may a packet be late: numbers of 16 bits come around.
        if sequence_difference(packet.sequence, self._first) > 0x4000:
            self._first = (packet.sequence - 0x2000) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return Sent(sequence, timestamp, packet.marker, payload_type, payload)

    def timestamp_at(self, now_s: float) -> int:
        """The RTP time of this moment, for sender reports."""
        passed_s = now_s - self._sent_s if self._sent_s is not None else 0.0
        return (self._timestamp + round(passed_s * CLOCK_HZ)) & 0xFFFFFFFF

    def stop(self) -> None:
        """Nothing is sent until something else is wanted."""
        self.feed = self.wanted = None

    def _change(self, feed: object, packet: VideoPacket, now_s: float) -> None:
        step = max(_SHORTEST_STEP, round((now_s - self._sent_s) * CLOCK_HZ)) if self._sent_s is not None else 0
        picture = packet.picture.picture[0] if packet.picture is not None and packet.picture.picture is not None else 0
        tl0 = packet.picture.tl0 or 0 if packet.picture is not None else 0
        self._offsets = (
            (self._sequence + 1 - packet.sequence) & 0xFFFF,
            (self._timestamp + step - packet.timestamp) & 0xFFFFFFFF,
            (self._picture + 1 - picture) & 0x7FFF,
            (self._tl0 + 1 - tl0) & 0xFF,
        )
        self._first = packet.sequence
        self._newest = (packet.sequence - 1) & 0xFFFF
        self._omitted.clear()
        self.feed = feed
        self.changes += 1
