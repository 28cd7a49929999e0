"""What becomes of a picture's packets: missing ones, repetitions, key frame requests, layers, and one stream out of many feeds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.video import vp8
from media.video.bandwidth import BandwidthEstimate
from media.video.key_frames import KeyFrameRequests
from media.video.layers import Layer, Wish, choose
from media.video.nack import MissingPackets, PacketHistory, Sent
from media.video.stream import VideoPacket, VideoStream
from media.video.transport import Arrivals, Delivery, SentPackets


def test_a_gap_is_asked_for_after_a_moment_and_again_after_a_round_trip() -> None:
    missing = MissingPackets()
    for sequence in (65_533, 65_534, 1):
        assert missing.arrived(sequence, 0.0)
    assert missing.due(0.005, 0.1) == ()
    assert missing.due(0.01, 0.1) == (65_535, 0)
    assert missing.due(0.1, 0.1) == ()
    assert missing.arrived(0, 0.105) and missing.recovered == 1
    assert missing.due(0.111, 0.1) == (65_535,)
    assert not missing.arrived(0, 0.12)
    assert missing.due(1.2, 0.1) == () and missing.gave_up == 1


def test_a_jump_is_no_gap() -> None:
    missing = MissingPackets()
    missing.arrived(10, 0.0)
    missing.arrived(5_000, 0.6)
    assert missing.due(0.7, 0.1) == () and missing.gave_up == 1


@given(st.lists(st.integers(0, 0xFFFF), max_size=300))
def test_what_is_missing_stays_bounded(sequences: list[int]) -> None:
    missing = MissingPackets()
    for sequence in sequences:
        missing.arrived(sequence, 0.0)
    assert len(missing.due(0.5, 0.1)) <= 250


def test_history_repeats_each_packet_once_in_a_while_and_forgets() -> None:
    history = PacketHistory()
    for sequence in range(600):
        history.put(Sent(sequence, 0, False, 96, b"x"), 0.0)
    again = history.again(599, 0.01)
    assert again is not None and again.sequence == 599 and history.again(599, 0.02) is None
    assert history.again(599, 0.04) is not None and len(history) == 512
    history.put(Sent(600, 0, False, 96, b"x"), 2.0)
    assert len(history) == 1 and history.again(599, 2.0) is None
    assert history.again(10, 1.0) is None


def test_a_storm_of_key_frame_requests_becomes_two_in_a_second() -> None:
    requests = KeyFrameRequests(0.5)
    sent = 0
    for tick in range(51):
        for _ in range(100):
            requests.ask()
        sent += requests.due(tick * 0.02)
    assert requests.wanted == 5_100 and sent == requests.sent == 3


def test_a_request_is_repeated_until_its_key_frame_comes_and_then_not() -> None:
    requests = KeyFrameRequests(0.5)
    requests.ask()
    assert [requests.due(at_s) for at_s in (0.0, 0.4, 0.5)] == [True, False, True]
    requests.arrived()
    assert not requests.due(2.0)
    requests.ask()
    assert sum(requests.due(10.0 + second) for second in range(20)) == 8


def test_arrivals_are_told_once_each_with_the_holes() -> None:
    arrivals = Arrivals()
    for sequence, at_s in ((65_534, 1.0), (65_535, 1.01), (2, 1.03)):
        arrivals.arrived(sequence, at_s)
    told = arrivals.feedback(1, 2)
    assert told is not None and told.base == 65_534 and told.arrivals_s == (1.0, 1.01, None, None, 1.03)
    assert arrivals.feedback(1, 2) is None
    arrivals.arrived(3, 1.1)
    told = arrivals.feedback(1, 2)
    assert told is not None and (told.base, told.arrivals_s, told.count) == (3, (1.1,), 1)


def test_a_jump_of_numbers_is_not_told_packet_by_packet() -> None:
    arrivals = Arrivals()
    arrivals.arrived(0, 1.0)
    arrivals.arrived(20_000, 1.1)
    told = [arrivals.feedback(1, 2) for _ in range(3)]
    assert [each.base if each is not None else None for each in told] == [0, 20_000, None]


def test_what_we_sent_is_set_beside_what_arrived() -> None:
    far_end, sent = Arrivals(), SentPackets()
    numbers = [sent.number(1_000, 0.01 * index) for index in range(10)]
    for index, number in enumerate(numbers):
        if index != 4:
            far_end.arrived(number, 500.0 + 0.01 * index)
    told = far_end.feedback(1, 2)
    assert told is not None
    found = sent.heard(told)
    assert [delivery.arrived_s is None for delivery in found] == [index == 4 for index in range(10)]
    assert sent.heard(told) == []


class Pipe:
    """A link of so many bit/s with a queue of half a second; what does not fit is lost. Feedback ten times a second."""

    def __init__(self, bits_per_s: float, seed: int = 1) -> None:
        self.bits_per_s = bits_per_s
        self.now_s = self.free_s = self.longest_queue_s = 0.0
        self.padded = 0
        self.noise = random.Random(seed)

    def run(self, estimate: BandwidthEstimate, sending: float, seconds: float, need: float = 0.0) -> None:
        """``need``: what a better picture would take; padding goes every 20 ms."""
        until_s, waiting, told_s = self.now_s + seconds, [], self.now_s
        next_s, tick_s = self.now_s + 8_000 / sending, self.now_s
        while self.now_s < until_s:
            if tick_s <= next_s:
                self.now_s = tick_s
                estimate.reach_for(need, tick_s, probing=True)
                for _ in range(-(-estimate.padding_due(tick_s) // 1_000)):
                    waiting.append(self.carry(estimate, tick_s))
                    self.padded += 1
                tick_s += 0.02
            else:
                self.now_s = next_s
                waiting.append(self.carry(estimate, next_s))
                next_s += 8_000 / sending
            if self.now_s - told_s >= 0.1:
                estimate.delivered(waiting, self.now_s)
                waiting, told_s = [], self.now_s

    def carry(self, estimate: BandwidthEstimate, at_s: float) -> Delivery:
        estimate.sent(1_000, at_s)
        start_s = max(self.free_s, at_s)
        self.longest_queue_s = max(self.longest_queue_s, start_s - at_s)
        if start_s - at_s > 0.5:
            return Delivery(at_s, None, 1_000)
        self.free_s = start_s + 8_000 / self.bits_per_s
        return Delivery(at_s, 77.0 + self.free_s + self.noise.uniform(0, 0.01), 1_000)


def test_a_full_link_is_noticed_and_a_free_one_grows() -> None:
    estimate, pipe = BandwidthEstimate(), Pipe(400_000)
    pipe.run(estimate, 900_000, 6)
    assert 150_000 < estimate.bits_per_s < 450_000
    low = estimate.bits_per_s
    pipe.run(estimate, 320_000, 8)
    assert 1.2 * low < estimate.bits_per_s <= 1.5 * 340_000 and estimate.queue_s < 0.04  # more than is sent, yet not without end


def test_each_trial_that_fails_makes_the_next_one_wait_longer() -> None:
    estimate, pipe = BandwidthEstimate(), Pipe(300_000)
    waits = []
    for _ in range(3):
        while not estimate.may_try(pipe.now_s):
            pipe.run(estimate, 100_000, 0.5)
        estimate.trying(pipe.now_s)
        pipe.run(estimate, 900_000, 3)
        assert not estimate.may_try(pipe.now_s)
        begun_s = pipe.now_s
        while not estimate.may_try(pipe.now_s):
            pipe.run(estimate, 100_000, 0.5)
        waits.append(pipe.now_s - begun_s)
    assert waits[0] < waits[1] < waits[2]


def test_after_a_moments_trouble_a_probe_finds_the_way_free_again() -> None:
    estimate, pipe = BandwidthEstimate(), Pipe(2_000_000)
    pipe.run(estimate, 400_000, 2)
    pipe.free_s = pipe.now_s + 0.4  # the receiver's machine stood still
    pipe.run(estimate, 400_000, 0.5)
    assert estimate.bits_per_s < 400_000
    estimate.told(60_000, pipe.now_s + 1.0)
    pipe.run(estimate, 60_000, 9, need=440_000)
    assert estimate.bits_per_s >= 440_000 and 10 < pipe.padded < 100


def test_a_probe_of_a_way_that_is_full_raises_nothing_and_the_next_one_waits() -> None:
    estimate, pipe = BandwidthEstimate(), Pipe(150_000)
    pipe.run(estimate, 400_000, 3)
    pipe.run(estimate, 60_000, 3)
    pipe.longest_queue_s = 0.0
    pipe.run(estimate, 60_000, 60, need=440_000)
    assert estimate.bits_per_s < 200_000
    assert pipe.longest_queue_s < 0.3
    assert pipe.padded < 120  # of some 400 that went


def test_what_the_far_end_allows_bounds_what_is_sent() -> None:
    estimate = BandwidthEstimate()
    for index in range(200):
        estimate.sent(500, 0.01 * index)
    estimate.told(390_000, 2.0)
    assert estimate.bits_per_s == 1_000_000  # as much as it is sent: it cannot know of more
    estimate.told(200_000, 2.1)
    assert estimate.bits_per_s == 200_000 and not estimate.may_try(2.2)


def test_what_the_far_end_tells_of_the_second_before_is_no_verdict_on_a_layer_that_has_just_begun() -> None:
    estimate = BandwidthEstimate()
    for index in range(200):
        estimate.sent(125, 0.01 * index)  # 100 kbit/s
    for index in range(60):
        estimate.sent(500, 2.0 + 0.01 * index)  # and 400
        if index == 40:
            estimate.told(150_000, 2.4)
            assert estimate.bits_per_s == 1_000_000
    for index in range(100):
        estimate.sent(500, 2.6 + 0.01 * index)
    estimate.told(150_000, 3.6)
    assert estimate.bits_per_s == 150_000  # it still tells so, when the layer must have come


def test_loss_is_believed_of_who_tells_nothing_better() -> None:
    estimate = BandwidthEstimate()
    for index in range(100):
        estimate.sent(500, 0.01 * index)
    estimate.lost(0.5, 1.0)
    assert estimate.bits_per_s == pytest.approx(200_000, rel=0.05)
    for second in range(2, 12):
        estimate.lost(0.0, float(second))
    assert estimate.bits_per_s > 300_000


THREE = (Layer(90, 80_000), Layer(180, 300_000), Layer(360, 900_000))


@pytest.mark.parametrize(
    ("height_px", "bits_per_s", "layer"),
    [(360, 5e6, 2), (360, 1e6, 2), (360, 5e5, 1), (360, 1e5, 0), (360, 1e3, 0), (120, 5e6, 0), (200, 5e6, 1), (1_080, 5e6, 2)],
)
def test_a_tile_gets_the_layer_that_fits_it_and_the_way(height_px: int, bits_per_s: float, layer: int) -> None:
    assert choose([Wish(height_px, THREE, None)], bits_per_s, may_rise=True) == [layer]


def test_everybody_gets_the_lowest_before_anybody_gets_more_and_large_tiles_come_first() -> None:
    wishes = [Wish(180, THREE, None), Wish(720, THREE, None), Wish(720, (), None)]
    assert choose(wishes, 400_000, may_rise=True) == [0, 1, None]
    assert choose(wishes, 2_000_000, may_rise=True) == [1, 2, None]


def test_rising_needs_leave_and_something_to_spare() -> None:
    assert choose([Wish(720, THREE, 1)], 5_000_000, may_rise=False) == [1]
    assert choose([Wish(720, THREE, 1)], 950_000, may_rise=True) == [1]
    assert choose([Wish(720, THREE, 2)], 950_000, may_rise=False) == [2]


def packet(sequence: int, timestamp: int, picture: int, *, key: bool = False) -> VideoPacket:
    frame = bytes.fromhex("100200 9d012a 4001 f000".replace(" ", "")) if key else b"\x01"
    payload = bytes((0x90, 0xE0, 0x80 | picture >> 8, picture & 0xFF, picture & 0xFF, 0x20)) + frame
    return VideoPacket(sequence, timestamp, True, payload, "vp8", vp8.read(payload), key)


def test_one_feed_after_another_is_one_stream() -> None:
    stream = VideoStream(65_530, 1_000, 0x7FFD)
    low, high = object(), object()
    stream.wanted = low
    assert stream.take(low, packet(10, 0, 5), 96, 0.0) is None and stream.waits
    out = [stream.take(low, packet(11 + i, 3_000 * i, 6 + i, key=not i), 96, i / 30) for i in range(8)]
    stream.wanted = high
    out.append(stream.take(low, packet(19, 24_000, 14), 96, 8 / 30))
    assert stream.take(high, packet(700, 9_999, 900), 96, 8 / 30) is None
    out.append(stream.take(high, packet(701, 50_000, 901, key=True), 96, 9 / 30))
    assert stream.take(low, packet(20, 27_000, 15), 96, 9 / 30) is None
    out.append(stream.take(high, packet(702, 53_000, 902), 96, 10 / 30))
    sent = [each for each in out if each is not None]
    assert len(sent) == 11 and stream.changes == 2 and not stream.waits
    assert [each.sequence for each in sent] == [(65_531 + i) & 0xFFFF for i in range(11)]
    assert [each.timestamp - sent[0].timestamp for each in sent] == [3_000 * i for i in range(11)]
    descriptors = [vp8.read(each.payload) for each in sent]
    assert [d.picture[0] for d in descriptors if d is not None and d.picture is not None] == [(0x7FFE + i) & 0x7FFF for i in range(11)]
    assert [d.tl0 for d in descriptors if d is not None] == [1 + i for i in range(11)]


def test_order_and_gaps_of_a_feed_stay_and_what_was_before_its_key_frame_does_not_come() -> None:
    stream = VideoStream(0, 0, 0)
    feed = object()
    stream.wanted = feed
    order = [(100, True), (103, False), (101, False), (99, False), (102, False)]
    sent = [stream.take(feed, packet(sequence, 0, 1, key=key), 96, 0.0) for sequence, key in order]
    assert [each.sequence if each is not None else None for each in sent] == [1, 4, 2, None, 3]


def test_padding_is_left_out_without_a_gap() -> None:
    stream = VideoStream(0, 0, 0)
    feed = object()
    stream.wanted = feed
    order = [(100, "key"), (101, "padding"), (103, "padding"), (104, "delta"), (102, "delta"), (105, "delta")]
    sent = [
        stream.take(
            feed, packet(n, 0, 1, key=kind == "key")._replace(**({"payload": b"", "picture": None} if kind == "padding" else {})), 96, 0
        )
        for n, kind in order
    ]
    assert [each.sequence if each is not None else None for each in sent] == [1, None, None, 3, 2, 4]


def test_a_stream_outlives_many_turns_of_its_numbers() -> None:
    stream = VideoStream(0, 0, 0)
    feed = object()
    stream.wanted = feed
    sent = [stream.take(feed, packet(i & 0xFFFF, 3_000 * i & 0xFFFFFFFF, i & 0x7FFF, key=not i), 96, i / 30) for i in range(0, 200_000, 50)]
    assert all(each is not None for each in sent)
