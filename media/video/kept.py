"""What a recording keeps of one leg's pictures: of each the layer that is large enough, from a key frame on. Pure.

Theory. Behind a pause, and at the start, nothing may be kept that was taken before. Packets may still be on their way, or be given again
later, so for one round trip nothing is looked at; then each layer is marked where it stands, and only a key frame beyond the mark begins
to be kept. It was sent after the mark less a way to us, which is after the pause. From there on every packet is kept, whatever order it
comes in; another layer takes over at its key frame. A key frame is asked for at once and every so often, together with everybody else's
requests, so that a film can be entered there and a loss ends there.
"""

from collections.abc import Iterable
from typing import NamedTuple

from media.recording.pictures import PictureRecords
from media.recording.records import Track
from media.rtp import sequence_difference
from media.video.source import VideoLayer, VideoSource
from media.video.stream import VideoPacket

_LARGE_ENOUGH = 0.75
"""A layer of this part of the wanted height does."""
_SCREEN_PX = 2_160
_GUARD_S = 0.05
"""Beside the round trip: from the camera to its first packet."""


class PictureWish(NamedTuple):
    """``height_px``: of a camera; a screen is to be read, and kept as large as it comes. ``key_frame_every_s`` at the latest."""

    records: PictureRecords
    height_px: int
    key_frame_every_s: float

    def height_of(self, track: str) -> int:
        return _SCREEN_PX if track == "screen" else self.height_px


class _Kept:
    """One track: the layer that is kept, the one that is to be, and where the former began."""

    def __init__(self, track: str) -> None:
        self.track = int(Track.SCREEN if track == "screen" else Track.CAMERA)
        self.feed: VideoLayer | None = None
        self.wanted: VideoLayer | None = None
        self.first = 0
        self.key_frame_s = 0.0
        self.shown: tuple[int, str, int, int] | None = None


class KeptPictures:
    """From ``now_s`` on; ``round_trip_s``: to the one who sends them."""

    def __init__(self, wish: PictureWish, now_s: float, round_trip_s: float) -> None:
        self.wish, self._records = wish, wish.records
        self._from_s = now_s + round_trip_s + _GUARD_S
        self._marks: dict[int, int] | None = None
        self._tracks: dict[str, _Kept] = {}

    def put(self, source: VideoSource, layer: VideoLayer, packet: VideoPacket, now_s: float) -> None:
        """A packet of a picture, before it is among ``layer.latest``."""
        kept = self._tracks.get(source.track)
        if kept is None:
            return
        if packet.starts_key and layer is kept.wanted and (layer is kept.feed or self._is_new(layer, packet)):
            begins = layer is not kept.feed
            self._key_frame(kept, layer, packet, now_s)
            came = (later for later in layer.latest if sequence_difference(later.sequence, packet.sequence) > 0) if begins else ()
            for each in (packet, *came):
                self._records.put(kept.track, layer.ssrc, each.sequence, each.timestamp, each.marker, each.payload, now_s)
            return
        if layer is not kept.feed:
            return
        ahead = sequence_difference(packet.sequence, kept.first)
        if ahead < 0:
            return
        if ahead > 0x4000:  # only so far back may a packet be late: numbers of 16 bits come around
            kept.first = (packet.sequence - 0x2000) & 0xFFFF
        self._records.put(kept.track, layer.ssrc, packet.sequence, packet.timestamp, packet.marker, packet.payload, now_s)

    def _is_new(self, layer: VideoLayer, packet: VideoPacket) -> bool:
        if self._marks is None:
            return False
        mark = self._marks.get(layer.ssrc)
        return mark is None or sequence_difference(packet.sequence, mark) > 0

    def _key_frame(self, kept: _Kept, layer: VideoLayer, packet: VideoPacket, now_s: float) -> None:
        if layer is not kept.feed:
            kept.feed, kept.first = layer, packet.sequence
        kept.key_frame_s = now_s
        shown = (layer.ssrc, packet.codec, layer.width_px, layer.height_px)
        if shown != kept.shown:
            kept.shown = shown
            self._records.show(kept.track, layer.ssrc, packet.codec, shown[2:], now_s)

    def plan(self, sources: Iterable[VideoSource], now_s: float) -> None:
        """A few times a second: choose layers, and ask for the key frames that are due."""
        if now_s < self._from_s:
            return
        sources = list(sources)
        if self._marks is None:
            layers = [layer for source in sources for layer in source.layers.values()]
            self._marks = {layer.ssrc: layer.received.highest_sequence & 0xFFFF for layer in layers if layer.received.packets}
        for source in sources:
            kept = self._tracks.get(source.track) or self._tracks.setdefault(source.track, _Kept(source.track))
            kept.wanted = self._chosen(source, now_s) or kept.wanted
            wanted = kept.wanted
            if wanted is None or wanted.key_frames.pending or not wanted.comes(now_s):
                continue
            if wanted is not kept.feed or now_s - kept.key_frame_s >= self.wish.key_frame_every_s:
                wanted.key_frames.ask()

    def _chosen(self, source: VideoSource, now_s: float) -> VideoLayer | None:
        """The lowest layer that is large enough, else the highest that comes."""
        coming, wanted_px = source.coming(now_s), _LARGE_ENOUGH * self.wish.height_of(source.track)
        enough = (layer for layer in coming if layer.height_px >= wanted_px)
        return next(enough, coming[-1] if coming else None)
