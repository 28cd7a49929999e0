"""What a recording keeps of a picture: one layer from a key frame on, nothing of a pause however late it comes."""

from collections.abc import Iterable

from media.recording.file import Chunks, Ending
from media.recording.pictures import PictureRecords
from media.recording.records import Recorded, Track, decode
from media.video.kept import KeptPictures, PictureWish
from media.video.source import VideoLayer, VideoSource
from media.video.stream import VideoPacket

TRIP_S = 0.2
OPEN_S = 100.0 + TRIP_S + 0.05


class Desk:
    """A source whose layers' packets are taken as a leg does; time is an argument."""

    def __init__(self, rids: tuple[str, ...] = ("",), track: str = "camera", height_px: int = 360) -> None:
        self.source = VideoSource("ana", track, rids)
        self.records = PictureRecords(100.0)
        self.wish = PictureWish(self.records, height_px, 10.0)
        self.kept = KeptPictures(self.wish, 100.0, TRIP_S)
        self.contents: tuple[bytes, ...] = ()

    def layer(self, rid: str, height_px: int) -> VideoLayer:
        layer = self.source.layers[rid] = VideoLayer(rid, 50 + len(self.source.layers), 0.5)
        layer.height_px, layer.codec = height_px, "vp8"
        return layer

    def come(self, layer: VideoLayer, now_s: float, sequences: Iterable[int], *, key: bool = False, again: bool = False) -> None:
        """Packets of one frame; ``key``: the first one begins a key frame. ``again``: they come by retransmission."""
        for number in sequences:
            packet = VideoPacket(number & 0xFFFF, 7, False, b"p%d" % number, "vp8", None, key)
            if not again:
                layer.received.received(number & 0xFFFF, 7, now_s)
            layer.count(100, now_s)
            if key:
                layer.key_frames.arrived()
            self.kept.put(self.source, layer, packet, now_s)
            layer.latest.append(packet)
            key = False

    def plan(self, now_s: float) -> None:
        self.kept.plan([self.source], now_s)

    def recorded(self) -> Recorded:
        """Everything that was kept so far."""
        self.contents += (self.records.take()[0],)
        return decode(Chunks(b"f" * 16, self.contents, b"", Ending.EARLY, ""))

    def written(self) -> list[bytes]:
        return [bytes(picture.payload) for picture in self.recorded().pictures]


def opened(desk: Desk, layer: VideoLayer) -> None:
    """Past the guard, with a key frame that was asked for."""
    desk.come(layer, 100.1, [1])
    desk.plan(OPEN_S)
    assert layer.key_frames.pending


def test_nothing_is_kept_before_a_key_frame_that_was_sent_after_the_beginning() -> None:
    desk = Desk()
    layer = desk.layer("", 360)
    desk.come(layer, 99.9, [0])
    desk.plan(100.1)
    desk.come(layer, 100.1, [1, 2], key=True)
    assert not layer.key_frames.pending, "within a round trip nothing is asked: it was taken before"
    desk.plan(OPEN_S)
    desk.come(layer, OPEN_S, [3])
    desk.come(layer, OPEN_S + 0.1, [-5], key=True, again=True)  # of before, given again
    desk.come(layer, OPEN_S + 0.1, [4, 5], key=True)
    desk.come(layer, OPEN_S + 0.2, [3], again=True)
    desk.come(layer, OPEN_S + 0.2, [6])
    assert desk.written() == [b"p4", b"p5", b"p6"]


def test_what_comes_of_a_key_frame_before_its_first_packet_is_kept_too() -> None:
    desk = Desk()
    layer = desk.layer("", 360)
    opened(desk, layer)
    desk.come(layer, OPEN_S + 0.1, [4, 5])
    desk.come(layer, OPEN_S + 0.15, [3], key=True, again=True)
    desk.come(layer, OPEN_S + 0.2, [6])
    assert desk.written() == [b"p3", b"p4", b"p5", b"p6"]


def test_the_lowest_layer_that_is_large_enough_is_kept_and_the_next_one_takes_over_at_its_key_frame() -> None:
    desk = Desk(("q", "h", "f"))
    low, middle, high = desk.layer("q", 180), desk.layer("h", 360), desk.layer("f", 720)
    for layer in (low, middle, high):
        desk.come(layer, OPEN_S, [1])
    desk.plan(OPEN_S)
    assert [layer.key_frames.pending for layer in (low, middle, high)] == [False, True, False]
    for layer in (low, middle, high):
        desk.come(layer, OPEN_S, [2], key=True)
    desk.come(high, OPEN_S + 0.1, [3])
    assert desk.written() == [b"p2"]
    for tenths in range(1, 20):  # nothing comes of the middle one any more
        desk.come(low, OPEN_S + tenths / 10, [2 + tenths])
    desk.plan(OPEN_S + 2.0)
    assert low.key_frames.pending
    desk.come(low, OPEN_S + 2.1, [90], key=True)
    desk.come(middle, OPEN_S + 2.2, [91])
    read = desk.recorded()
    assert [bytes(picture.payload) for picture in read.pictures] == [b"p2", b"p90"]
    shown = [("picture", middle.ssrc, 360), ("picture", low.ssrc, 180)]
    assert [(event.name, event.details["ssrc"], event.details["height"]) for event in read.events] == shown


def test_a_screen_is_kept_as_large_as_it_comes() -> None:
    desk = Desk(("q", "f"), "screen")
    low, high = desk.layer("q", 540), desk.layer("f", 1_080)
    for layer in (low, high):
        desk.come(layer, OPEN_S, [1])
    desk.plan(OPEN_S)
    assert (low.key_frames.pending, high.key_frames.pending) == (False, True)
    desk.come(high, OPEN_S + 0.1, [2], key=True)
    assert [picture.track for picture in desk.recorded().pictures] == [Track.SCREEN]


def test_a_key_frame_is_asked_for_every_so_often_unless_another_came() -> None:
    desk = Desk()
    layer = desk.layer("", 360)
    opened(desk, layer)
    desk.come(layer, 101.0, [2], key=True)
    asked = []
    for second in range(2, 40):
        now_s = 100.0 + second
        desk.come(layer, now_s, [second + 1], key=second == 15)
        desk.plan(now_s)
        if layer.key_frames.due(now_s):
            asked.append(second)
            layer.key_frames.arrived()
            desk.come(layer, now_s, [], key=False)
            desk.kept.put(desk.source, layer, VideoPacket(second + 1, 7, False, b"k", "vp8", None, True), now_s)
    assert asked == [11, 25, 35]


def test_numbers_come_around_and_the_newest_are_kept() -> None:
    desk = Desk()
    layer = desk.layer("", 360)
    opened(desk, layer)
    desk.come(layer, OPEN_S + 0.1, [2], key=True)
    desk.come(layer, OPEN_S + 0.2, range(3, 40_000))
    assert (len(desk.written()), desk.records.lost) == (39_998, 0)


def test_what_the_disk_cannot_follow_is_counted_and_told() -> None:
    desk = Desk()
    desk.records = PictureRecords(100.0, most_bytes=2_000)
    desk.kept = KeptPictures(desk.wish._replace(records=desk.records), 100.0, TRIP_S)
    layer = desk.layer("", 360)
    opened(desk, layer)
    desk.come(layer, OPEN_S + 0.1, range(2, 202), key=True)
    kept = desk.records.lost
    assert 100 < kept < 200
    read = desk.recorded()
    assert len(read.pictures) == 200 - kept
    assert [event.details for event in read.events if event.name == "lost"] == [{"packets": kept}]
    desk.come(layer, OPEN_S + 0.2, [202])
    assert desk.written()[-1] == b"p202", "there is room again"
