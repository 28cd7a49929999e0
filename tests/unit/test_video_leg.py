"""One browser's video between the wire and the room: what it asks, repeats, tells and refuses. Time is given."""

from itertools import pairwise
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import rtcp, rtp
from media.messages import AnyMediaEvent, VideoLinesWanted, VideoShown, VideoTile, VideoWatched
from media.video import extensions, feedback
from media.video.leg import COUNTERS, VideoLeg
from media.video.lines import SlotSources, VideoFormat, VideoLine
from media.video.room import VideoRoom
from media.video.source import VideoLayer, VideoSource
from media.video.stream import VideoPacket
from media.wire import Path
from rooms.audio import Direction

VP8 = VideoFormat("vp8", 96, 97, "", ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"))
IDS = {extensions.MID: 4, extensions.RID: 10, extensions.REPAIRED_RID: 11, extensions.TRANSPORT_SEQUENCE: 3}
KEY = b"\x90\x80\x81\x2c\x10\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00" + bytes(40)
DELTA = b"\x90\x80\x81\x2d\x01" + bytes(40)


class Wire:
    """Where packets leave."""

    path: Path

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.reports: list[feedback.Feedback] = []

    def send_rtp(self, packet: bytes) -> None:
        self.packets.append(packet)

    def send_rtcp(self, packet: bytes) -> None:
        found = feedback.parse(packet)
        assert found is not None
        self.reports += found

    def close(self) -> None:
        self.packets.clear()

    def asked(self, kind: type[feedback.Feedback]) -> list[feedback.Feedback]:
        return [report for report in self.reports if isinstance(report, kind)]


def line(mid: str, direction: Direction, layers: tuple[str, ...] = ()) -> VideoLine:
    return VideoLine(mid, direction, (VP8,), IDS, layers, (), True)


def packet(ssrc: int, sequence: int, payload: bytes, *marks: tuple[int, bytes], payload_type: int = 96) -> bytes:
    head = pack("!BBHII", 0x90, payload_type, sequence & 0xFFFF, 3_000 * sequence & 0xFFFFFFFF, ssrc)
    return head + extensions.build(marks) + payload


class Room:
    """Two of one room: ``ana`` sends a camera in two layers, ``ben`` looks at it."""

    def __init__(self) -> None:
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.events: list[AnyMediaEvent] = []
        self.videos = VideoRoom(self.counters, self.events.append, unix_offset_s=0.0, key_frame_interval_s=0.5)
        self.ana, self.ben = Wire(), Wire()
        self.sender, self.viewer = self.videos.leg("ana"), self.videos.leg("ben")
        self.sender.agree([line("1", Direction.SENDONLY, ("q", "f"))], {}, self.ana)
        self.viewer.agree([line("2", Direction.RECVONLY)], {}, self.ben)
        self.videos.assign()

    def say(self, rid: str, sequence: int, payload: bytes, now_s: float, **more: int) -> None:
        marks = ((4, b"1"), (10, rid.encode()), (3, pack("!H", sequence & 0xFFFF)))
        self.sender.receive(packet(11 if rid == "q" else 12, sequence, payload, *marks, **more), now_s)

    def begin(self) -> None:
        """Until the low layer is on its way to ``ben``."""
        self.say("q", 100, DELTA, 0.0)
        self.videos.tick(0.3)
        self.say("q", 101, KEY, 0.32)
        self.videos.tick(0.34)

    @property
    def sources(self) -> SlotSources:
        return self.viewer.slots["2"].sources


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_picture_begins_with_a_key_frame_that_was_asked_for(room: Room) -> None:
    room.say("q", 100, DELTA, 0.0)
    room.videos.tick(0.3)
    room.videos.tick(0.32)
    assert [report.media_ssrc for report in room.ana.asked(rtcp.PictureLoss) if isinstance(report, rtcp.PictureLoss)] == [11]
    assert room.ben.packets == []
    room.say("q", 101, KEY, 0.32)
    room.say("q", 102, DELTA, 0.35)
    headers = [rtp.parse(each) for each in room.ben.packets]
    assert [(header.ssrc, header.payload_type) for header in headers if header] == [(room.sources.ssrc, 96)] * 2
    assert extensions.read(room.ben.packets[0])[3] == b"\0\1"


def test_what_ben_lost_is_repeated_in_its_own_stream(room: Room) -> None:
    room.begin()
    header = rtp.parse(room.ben.packets[0])
    assert header is not None
    room.viewer.receive_reports(feedback.Nack(1, room.sources.ssrc, (header.sequence, header.sequence + 50)).to_bytes(), 0.4)
    again = rtp.parse(room.ben.packets[1])
    assert again is not None and (again.ssrc, again.payload_type, again.timestamp) == (room.sources.repair, 97, header.timestamp)
    assert room.ben.packets[1][again.payload_start : again.payload_start + 2] == pack("!H", header.sequence)
    assert len(room.ben.packets) == 2 and room.counters["video_repeated"] == 1


def test_repeating_has_a_limit(room: Room) -> None:
    room.begin()
    for sequence in range(102, 300):
        room.say("q", sequence, DELTA + bytes(1_000), 0.4)
    numbers = tuple(header.sequence for each in room.ben.packets if (header := rtp.parse(each)) is not None)
    sent = len(room.ben.packets)
    for at_s in (0.41, 0.44, 0.47, 0.5, 0.53):
        room.viewer.receive_reports(feedback.Nack(1, room.sources.ssrc, numbers).to_bytes(), at_s)
    repeated = sum(map(len, room.ben.packets[sent:]))
    assert 20_000 < repeated < 0.3 * 1_000_000 / 8


def test_what_ana_lost_on_the_way_to_us_is_asked_for_and_taken_from_her_repairs(room: Room) -> None:
    room.begin()
    room.say("q", 103, DELTA, 0.4)
    room.videos.tick(0.42)
    (asked,) = room.ana.asked(feedback.Nack)
    assert isinstance(asked, feedback.Nack) and (asked.media_ssrc, asked.sequences) == (11, (102,))
    before = len(room.ben.packets)
    repair = packet(21, 5, pack("!H", 102) + DELTA, (4, b"1"), (11, b"q"), payload_type=97)
    room.sender.receive(repair, 0.45)
    room.sender.receive(repair, 0.46)
    assert len(room.ben.packets) == before + 1 and room.counters["video_missing_recovered"] == 1


def test_arrivals_are_told_to_who_numbers_packets(room: Room) -> None:
    room.begin()
    room.say("q", 102, DELTA, 0.4)
    room.videos.tick(0.6)
    told = [each for each in room.ana.asked(feedback.TransportFeedback) if isinstance(each, feedback.TransportFeedback)]
    assert sum(arrival is not None for each in told for arrival in each.arrivals_s) == 3
    assert room.ana.asked(feedback.MaximumBitrate) == []


def test_who_does_not_number_packets_is_told_how_much_may_come() -> None:
    room = Room()
    plain = VP8._replace(feedback=("nack", "nack pli", "goog-remb"))
    room.sender.agree(
        [VideoLine("1", Direction.SENDONLY, (plain,), {extensions.MID: 4, extensions.RID: 10}, ("q", "f"), (), False)], {}, room.ana
    )
    room.videos.assign()
    room.begin()
    room.videos.tick(2.0)
    allowed = room.ana.asked(feedback.MaximumBitrate)[-1]
    assert isinstance(allowed, feedback.MaximumBitrate) and allowed.ssrcs == (11,) and 500_000 < allowed.bitrate < 2_000_000


def test_both_ways_of_asking_for_a_key_frame_count_once_per_interval(room: Room) -> None:
    room.begin()
    before = len(room.ana.asked(rtcp.PictureLoss))
    for number in range(20):
        room.viewer.receive_reports(rtcp.PictureLoss(1, room.sources.ssrc).to_bytes(), 0.4)
        room.viewer.receive_reports(feedback.FullIntraRequest(1, ((room.sources.ssrc, number // 10),)).to_bytes(), 0.4)
        room.videos.tick(0.4 + number / 50)
    assert room.counters["video_key_frames_wanted"] == 22
    assert len(room.ana.asked(rtcp.PictureLoss)) - before <= 1


def test_the_layer_rises_at_a_key_frame_and_the_stream_has_no_seam(room: Room) -> None:
    room.begin()
    for index in range(40):
        now_s = 0.4 + index / 30
        room.say("q", 102 + index, DELTA, now_s)
        room.say("f", 900 + index, (KEY if index == 20 else DELTA) + bytes(300), now_s)
        room.videos.tick(now_s)
    headers = [header for each in room.ben.packets if (header := rtp.parse(each)) is not None]
    assert [b.sequence - a.sequence & 0xFFFF for a, b in pairwise(headers)] == [1] * (len(headers) - 1)
    assert room.viewer.slots["2"].stream.changes == 2
    assert len(room.ben.packets[-1]) - len(room.ben.packets[1]) == 300


def test_pages_are_told_what_they_show_lack_and_are_seen_at(room: Room) -> None:
    eva = Wire()
    room.videos.leg("eva").agree([line("1", Direction.SENDONLY)], {"1": "screen"}, eva)
    room.videos.assign()
    assert [event for event in room.events if isinstance(event, VideoLinesWanted) and event.leg_id == "ben"][-1].lines == 2
    room.videos.watch("ben", (VideoTile("eva", "screen", 700), VideoTile("ana", "camera", 0)))
    shown = [event for event in room.events if isinstance(event, VideoShown) and event.leg_id == "ben"][-1]
    assert [(place.mid, place.leg_id, place.track) for place in shown.places] == [("2", "eva", "screen")]
    seen = {(event.leg_id, event.track): event.height_px for event in room.events if isinstance(event, VideoWatched)}
    assert seen == {("ana", "camera"): 0, ("eva", "screen"): 720}
    room.videos.remove("eva")
    assert [event for event in room.events if isinstance(event, VideoShown) and event.leg_id == "ben"][-1].places == ()


def test_a_flood_and_a_churn_of_sources_are_bounded(room: Room) -> None:
    for ssrc in range(100):
        room.sender.receive(packet(1_000 + ssrc, 1, DELTA, (4, b"1"), (10, b"q")), 0.1)
    assert len(room.sender.sources["1"].layers) == 1
    for sequence in range(6_000):
        room.say("q", sequence, DELTA, 0.2)
    assert room.counters["video_dropped_flood"] >= 1_000


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([96, 97, 100]), st.integers(0, 0xFFFF), st.binary(max_size=60), st.binary(max_size=8)), max_size=20)
)
def test_nothing_that_a_browser_sends_raises(packets: list[tuple[int, int, bytes, bytes]]) -> None:
    room = Room()
    for index, (payload_type, sequence, payload, mark) in enumerate(packets):
        marks = ((4, b"1"), (10, b"q"), (11, mark or b"q"))
        room.sender.receive(packet(11, sequence, payload, *marks, payload_type=payload_type), index / 50)
        room.sender.receive(payload, index / 50)
        room.viewer.receive_reports(rtcp.framed(205 + index % 2, sequence % 32, payload + bytes(-len(payload) % 4)), index / 50)
        room.videos.tick(index / 50)
    assert len(room.ana.reports) < 100


def test_packets_before_any_agreement_go_nowhere() -> None:
    counters = dict.fromkeys(COUNTERS, 0)
    taken: list[VideoPacket] = []

    def take(source: VideoSource, layer: VideoLayer, found: VideoPacket, now_s: float) -> None:
        taken.append(found)

    leg = VideoLeg("ana", counters, take, unix_offset_s=0.0, key_frame_interval_s=0.5)
    leg.receive(packet(1, 1, KEY), 0.0)
    leg.tick(1.0)
    assert taken == [] and counters["video_dropped_malformed"] == 1
