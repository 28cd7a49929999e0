"""A picture that somebody sends, camera or screen, in one layer or several: what comes of each, what is missing of it."""

from collections import deque

from media.receive_stats import ReceiveStats
from media.video.key_frames import KeyFrameRequests
from media.video.lines import CLOCK_HZ
from media.video.nack import MissingPackets
from media.video.rate import ByteRate
from media.video.stream import VideoPacket

_GONE_S = 1.5
_REMEMBERED_PACKETS = 128


class VideoLayer:
    """One SSRC of a source. ``repair``: the SSRC of its retransmissions, once known; ``height_px``: 0 until a key frame said it."""

    def __init__(self, rid: str, ssrc: int, key_frame_interval_s: float) -> None:
        self.rid, self.ssrc = rid, ssrc
        self.width_px = self.height_px = 0
        self.codec = ""
        self.heard_s: float | None = None
        self.received = ReceiveStats(ssrc, CLOCK_HZ)
        self.missing = MissingPackets()
        self.key_frames = KeyFrameRequests(key_frame_interval_s)
        self.latest: deque[VideoPacket] = deque(maxlen=_REMEMBERED_PACKETS)
        """What came last: of a key frame whose first packet comes late, the rest has come before."""
        self._recent = ByteRate()

    def count(self, size: int, now_s: float) -> None:
        """A packet of so many bytes came."""
        self.heard_s = now_s
        self._recent.add(size, now_s)

    def bits_per_s(self, now_s: float) -> float:
        return self._recent.bits_per_s(now_s)

    def comes(self, now_s: float) -> bool:
        """Did anything come of it lately? Browsers stop layers that they have no bandwidth for."""
        return self.heard_s is not None and now_s - self.heard_s < _GONE_S


class VideoSource:
    """``track``: ``camera`` or ``screen``. ``rids``: of its layers, the lowest first; ("",) where there is one."""

    def __init__(self, leg_id: str, track: str, rids: tuple[str, ...]) -> None:
        self.leg_id, self.track = leg_id, track
        self.rids = rids or ("",)
        self.layers: dict[str, VideoLayer] = {}
        self.height_px: int | None = None
        """How high it is shown where it is largest; 0: nobody looks; None: its sender was told nothing yet."""

    @property
    def key(self) -> tuple[str, str]:
        return self.leg_id, self.track

    def coming(self, now_s: float) -> list[VideoLayer]:
        """The layers that come now, the lowest first."""
        found = (self.layers.get(rid) for rid in self.rids)
        return [layer for layer in found if layer is not None and layer.comes(now_s)]
