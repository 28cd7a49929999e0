"""The video of a room: who sees whom. Each picture goes from its sender to the slots of those who look at it.

Which picture is in which slot of a page is decided here and told (``VideoShown``). A page that looks at more pictures than its last offer
has receiving lines is asked for another offer (``VideoLinesWanted``); a sender is told how large its picture is shown (``VideoWatched``).
"""

from collections.abc import Callable

from media import messages as msg
from media.video.kept import PictureWish
from media.video.leg import VideoLeg, VideoSlot
from media.video.source import VideoLayer, VideoSource
from media.video.stream import VideoPacket

_HEIGHT_PX = 360
"""How high a picture is thought to be shown where the page never said."""
_MOST_TILES = 16
_HEIGHT_STEP_PX = 60
"""Senders are told of larger and smaller tiles in steps of this."""

SourceKey = tuple[str, str]


class VideoRoom:
    """``on_event`` is told what pages have to know. ``key_frame_interval_s``: between two key frame requests to one source."""

    def __init__(
        self,
        counters: dict[str, int],
        on_event: Callable[[msg.AnyMediaEvent], None],
        *,
        unix_offset_s: float,
        key_frame_interval_s: float,
    ) -> None:
        self.legs: dict[str, VideoLeg] = {}
        self._counters, self._on_event = counters, on_event
        self._unix_offset_s, self._key_frame_interval_s = unix_offset_s, key_frame_interval_s
        self._watchers: dict[SourceKey, list[tuple[VideoLeg, VideoSlot]]] = {}
        self._told: dict[str, tuple[msg.VideoPlace, ...]] = {}
        self._lines_wanted: dict[str, int] = {}

    def leg(self, leg_id: str) -> VideoLeg:
        """The video of this leg, from now on if need be."""
        if leg_id not in self.legs:
            self.legs[leg_id] = VideoLeg(
                leg_id,
                self._counters,
                self._forward,
                unix_offset_s=self._unix_offset_s,
                key_frame_interval_s=self._key_frame_interval_s,
            )
        return self.legs[leg_id]

    def remove(self, leg_id: str) -> None:
        if self.legs.pop(leg_id, None) is not None:
            self._told.pop(leg_id, None)
            self._lines_wanted.pop(leg_id, None)
            self.assign()

    def watch(self, leg_id: str, tiles: tuple[msg.VideoTile, ...]) -> None:
        """What a page shows from now on, the most important first."""
        self.leg(leg_id).tiles = tiles[:_MOST_TILES]
        self.assign()

    def record(self, leg_id: str, wish: PictureWish | None, now_s: float) -> None:
        """Keep the pictures of this leg from now on, as if somebody looked at them; None: no more."""
        if wish is not None or leg_id in self.legs:
            self.leg(leg_id).keep(wish, now_s)
            self.assign()

    def assign(self) -> None:
        """Decide anew which picture is in which slot, after any change of legs, lines, tiles or recordings."""
        sources = {source.key: source for leg in self.legs.values() for source in leg.sources.values()}
        self._watchers = {}
        for leg in self.legs.values():
            self._fill(leg, sources)
        for source in sources.values():
            kept = self.legs[source.leg_id].kept
            kept_px = kept.wish.height_of(source.track) if kept is not None else 0
            height_px = max((slot.height_px for _, slot in self._watchers.get(source.key, ())), default=0)
            height_px = max(height_px, kept_px)
            height_px = -(-height_px // _HEIGHT_STEP_PX) * _HEIGHT_STEP_PX
            if height_px != source.height_px:
                source.height_px = height_px
                self._on_event(msg.VideoWatched(leg_id=source.leg_id, track=source.track, height_px=height_px))

    def _fill(self, leg: VideoLeg, sources: dict[SourceKey, VideoSource]) -> None:
        wanted = self._wanted(leg, sources)
        kept = {slot.source.key for slot in leg.slots.values() if slot.source is not None and slot.source.key in wanted}
        waiting = [key for key in wanted if key not in kept]
        for slot in leg.slots.values():
            key = slot.source.key if slot.source is not None else None
            if key not in kept:
                key = waiting.pop(0) if waiting else None
            if key is None:
                slot.show(None, 0)
                continue
            kept.discard(key)
            slot.show(sources[key], wanted[key])
            self._watchers.setdefault(key, []).append((leg, slot))
        self._tell(leg, len(waiting))

    def _wanted(self, leg: VideoLeg, sources: dict[SourceKey, VideoSource]) -> dict[SourceKey, int]:
        """Pictures of others that this leg looks at, and how high they are shown."""
        if leg.tiles is None:
            return {key: _HEIGHT_PX for key in sources if key[0] != leg.leg_id}
        tiles = {(tile.leg_id, tile.track): tile.height_px for tile in leg.tiles if tile.leg_id != leg.leg_id}
        return {key: height_px for key, height_px in tiles.items() if key in sources and height_px > 0}

    def _tell(self, leg: VideoLeg, lacking: int) -> None:
        places = tuple(
            msg.VideoPlace(mid=slot.mid, leg_id=slot.source.leg_id, track=slot.source.track)
            for slot in leg.slots.values()
            if slot.source is not None
        )
        if self._told.get(leg.leg_id, ()) != places:
            self._told[leg.leg_id] = places
            self._on_event(msg.VideoShown(leg_id=leg.leg_id, places=places))
        lines = len(leg.slots) + lacking if lacking else 0
        if lines and self._lines_wanted.get(leg.leg_id) != lines:
            self._on_event(msg.VideoLinesWanted(leg_id=leg.leg_id, lines=lines))
        self._lines_wanted[leg.leg_id] = lines

    def _forward(self, source: VideoSource, layer: VideoLayer, packet: VideoPacket, now_s: float) -> None:
        for leg, slot in self._watchers.get(source.key, ()):
            leg.show(slot, layer, packet, now_s)

    def tick(self, now_s: float) -> None:
        """Every 20 ms."""
        for leg in self.legs.values():
            leg.tick(now_s)
