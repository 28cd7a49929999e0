"""The jitter buffer on invented arrivals: every time is an argument."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.jitter import Gap, JitterBuffer, JitterBuffers, JitterSettings, Missing, Packet
from dsp.netem import NetworkEmulator
from tests.kit.plain_jitter import PlainJitterBuffer

CLOCK_HZ = 8_000


class Line:
    """A sender of one packet every ``ptime`` ms and a puller of 20 ms every 20 ms, on one buffer."""

    def __init__(
        self, ptime_ms: int = 20, *, first_sequence: int = 65_500, first_timestamp: int = 2**32 - 4_000, **settings: float
    ) -> None:
        self.buffer = JitterBuffer(CLOCK_HZ, JitterSettings(**settings))  # type: ignore[arg-type]
        self.ptime_s, self.ticks = ptime_ms / 1000, CLOCK_HZ * ptime_ms // 1000
        self.first_sequence, self.first_timestamp = first_sequence, first_timestamp
        self.due: list[tuple[float, int, int]] = []
        self.played: list[tuple[float, Packet | Gap]] = []
        self.pending = 0
        self.tick = 0
        self.most_changed = 0  # ticks by which a packet may be lengthened or shortened, as the playout does

    def send(self, index: int, delay_s: float = 0.0, *, timestamp_shift: int = 0) -> None:
        self.due.append((index * self.ptime_s + delay_s, index, timestamp_shift))

    def run(self, until_s: float) -> "Line":
        self.due.sort()
        while self.tick * 0.02 < until_s:
            now_s = self.tick * 0.02 + 0.005
            while self.due and self.due[0][0] <= now_s:
                at_s, index, shift = self.due.pop(0)
                timestamp = (self.first_timestamp + index * self.ticks + shift) & 0xFFFFFFFF
                self.buffer.put((self.first_sequence + index) & 0xFFFF, timestamp, self.ticks, b"%d" % index, at_s)
            while self.pending < 160:
                taken = self.buffer.take(now_s)
                self.pending += taken.duration - (taken.skip if isinstance(taken, Packet) else 0)
                if isinstance(taken, Packet):
                    excess_s = self.buffer.excess_s(now_s, taken.duration - taken.skip)
                    self.pending += self.most_changed * (int(excess_s < -0.005) - int(excess_s > 0.025))
                self.played.append((now_s, taken))
            self.pending -= 160
            self.tick += 1
        return self

    def indices(self) -> list[int]:
        return [int(taken.payload) for _, taken in self.played if isinstance(taken, Packet)]

    def gaps(self, reason: Missing) -> list[Gap]:
        return [taken for _, taken in self.played if isinstance(taken, Gap) and taken.reason is reason]

    @property
    def delay_s(self) -> float:
        return self.buffer.delay_s(self.tick * 0.02 - 0.015, 0) + self.pending / CLOCK_HZ


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 60])
def test_every_packet_time_plays_in_order_with_nothing_missing(ptime_ms: int) -> None:
    line = Line(ptime_ms)
    count = 4_000 // ptime_ms
    for index in range(count):
        line.send(index)
    line.run(3.9)
    assert line.indices() == list(range(len(line.indices()))) and len(line.indices()) > count * 0.9
    assert not line.gaps(Missing.LOST) and not line.gaps(Missing.EMPTY)


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 60])
def test_a_loss_costs_its_own_length_and_no_delay(ptime_ms: int) -> None:
    line = Line(ptime_ms)
    lost = {30, 31, 40}
    for index in set(range(4_000 // ptime_ms)) - lost:
        line.send(index)
    line.run(20 * ptime_ms / 1000)
    before_s = line.delay_s
    line.run(29 * ptime_ms / 1000 + 0.2)
    rises = []
    while line.tick * 0.02 < 3.8:
        line.run(line.tick * 0.02 + 0.02)
        rises.append(line.delay_s - before_s)
    assert max(map(abs, rises)) < 1e-9
    missing = sum(gap.duration for gap in line.gaps(Missing.LOST) + line.gaps(Missing.EMPTY))
    assert missing == len(lost) * line.ticks
    assert line.buffer.counters.discarded == 0


def test_reordered_packets_play_in_order_and_duplicates_once() -> None:
    line = Line()
    for index in range(150):
        line.send(index, 0.021 if index % 10 == 5 else 0.0)
        if index % 7 == 0:
            line.send(index, 0.001)
    line.run(2.9)
    played = line.indices()
    assert played == sorted(set(played)) and len(played) >= 135
    assert line.buffer.counters.duplicated == 21  # of 0, 7 .. 140


def test_late_packets_are_discarded_and_counted_and_raise_the_target() -> None:
    line = Line()
    for index in range(400):
        line.send(index, 0.09 if index >= 100 and index % 10 == 0 else 0.0)
    line.run(2.6)
    assert line.buffer.counters.discarded >= 2 and line.buffer.target_s >= 0.09
    assert set(range(100)) <= set(line.indices())
    assert not any(index % 10 == 0 for index in line.indices() if index >= 100)


def test_target_comes_down_again() -> None:
    line, rng = Line(), random.Random(1)
    for index in range(4_000):
        line.send(index, rng.random() * 0.1 if index < 500 else rng.random() * 0.002)
    line.run(10.0)
    assert line.buffer.target_s >= 0.06
    line.run(79.0)
    assert line.buffer.target_s <= 0.025


def test_target_stays_within_its_bounds() -> None:
    rng = random.Random(2)
    buffer = JitterBuffer(CLOCK_HZ, JitterSettings(lowest_s=0.03, highest_s=0.2))
    for index in range(3_000):
        buffer.put(index & 0xFFFF, index * 160, 160, b"", index * 0.02 + rng.random() * 2.0)
        buffer.take(index * 0.02)
        assert 0.03 <= buffer.target_s <= 0.2


def test_a_pause_of_the_sender_is_no_loss() -> None:
    """Timestamps go on, sequence numbers do not skip (RFC 3551, section 4.1)."""
    line = Line()
    for index in range(50):
        line.send(index)
    line.run(0.9)
    for index in range(50, 100):
        line.due.append((index * 0.02 + 1.0, index, 8_000))
    line.run(3.2)
    assert line.indices() == list(range(100)) and not line.gaps(Missing.LOST)
    assert sum(gap.duration for gap in line.gaps(Missing.EMPTY) + line.gaps(Missing.PAUSED)) >= 8_000
    assert line.buffer.counters.discarded == 0


def test_a_pause_with_a_stopped_clock_goes_on_too() -> None:
    """Some senders stop their timestamps on hold; then everything looks 2 s late."""
    line = Line()
    for index in range(150):
        line.due.append((index * 0.02 + (2.0 if index >= 50 else 0.0), index, 0))
    line.run(5.4)
    assert line.indices()[-1] == 149 and len(line.indices()) > 130
    assert line.buffer.counters.resynchronised <= 1


@pytest.mark.parametrize("shift", [10_000_000, 2**31 - 1, 3_000_000_000, 30_000, -30_000 % 2**32])
def test_a_jump_of_the_timestamps_costs_half_a_second_at_most(shift: int) -> None:
    line = Line()
    for index in range(200):
        line.send(index, timestamp_shift=shift if index >= 100 else 0)
    line.run(3.9)
    heard = line.indices()
    assert heard[-1] >= 185 and len(heard) > 160
    assert -0.001 < line.delay_s < 0.1


def test_one_forged_packet_far_ahead_changes_nothing() -> None:
    line = Line()
    for index in range(200):
        line.send(index)
    line.run(1.0)
    line.buffer.put(20_000, 500_000_000, 160, b"-1", 1.0)
    line.run(3.9)
    assert line.indices() == list(range(len(line.indices()))) and line.buffer.counters.discarded == 1


def test_a_slower_path_is_followed() -> None:
    """From packet 100 on everything takes 250 ms longer: heard again within half a second."""
    line = Line()
    for index in range(400):
        line.send(index, 0.25 if index >= 100 else 0.0)
    line.run(7.9)
    heard = line.indices()
    assert heard[-1] > 370 and not set(range(125, 370)) - set(heard)


def test_what_comes_late_into_a_gap_is_played_after_all() -> None:
    """Everything stands still for 150 ms and then comes at once: nothing is lost, the delay grows and is worn down again."""
    line = Line()
    line.most_changed = 24
    for index in range(400):
        line.send(index, 0.15 - (index - 100) * 0.02 if 100 <= index < 108 else 0.0)
    line.run(2.0)
    before_s = line.delay_s
    line.run(2.2)
    assert line.delay_s >= before_s + 0.1 and line.buffer.counters.returned_ticks > 800
    line.run(7.9)
    assert line.indices() == list(range(len(line.indices()))) and line.buffer.counters.discarded == 0
    assert line.delay_s < before_s + 0.05


def test_of_what_comes_after_an_outage_the_newest_is_played() -> None:
    line = Line()
    for index in range(400):
        line.send(index, 3.0 - (index - 100) * 0.02 if 100 <= index < 250 else 0.0)
    line.run(7.9)
    missing = sorted(set(range(370)) - set(line.indices()))
    assert missing == list(range(100, missing[-1] + 1)) and 230 <= missing[-1] <= 240
    assert line.buffer.counters.discarded == len(missing)
    assert line.delay_s < 0.35


def test_a_queue_that_fills_and_drains_is_followed_both_ways() -> None:
    """A swing of 200 ms in two seconds, within what may be lengthened and shortened: no packet is late, no delay stays behind."""
    line = Line()
    line.most_changed = 24
    for index in range(600):
        line.send(index, 0.1 - 0.1 * math.cos(math.pi * (index - 200) / 100) if 200 <= index < 400 else 0.0)
    line.run(6.0)
    top_s = line.delay_s
    line.run(11.9)
    assert top_s > 0.18 and line.delay_s < 0.07
    assert line.buffer.counters.discarded == 0 and line.indices() == list(range(len(line.indices())))


def test_a_spike_hardly_moves_the_target() -> None:
    line = Line()
    line.most_changed = 24
    for index in range(600):
        line.send(index, 0.4 - (index % 200 - 100) * 0.02 if 100 <= index % 200 < 120 else 0.0)
    targets = []
    while line.tick * 0.02 < 11.9:
        line.run(line.tick * 0.02 + 0.02)
        targets.append(line.buffer.target_s)
    assert np.median(targets) <= 0.04 and np.mean(np.array(targets) > 0.1) < 0.1


@pytest.mark.parametrize("percent", [-1, 1])
def test_a_clock_one_percent_off_is_followed(percent: int) -> None:
    line = Line()
    line.most_changed = 24
    for index in range(1_500):
        line.due.append((index * 0.02 * (1 + percent / 100), index, 0))
    line.run(29.5 * (1 + percent / 100))
    assert line.buffer.counters.discarded == 0 and not line.gaps(Missing.LOST) and len(line.gaps(Missing.EMPTY)) <= 2
    true_delay_s = line.tick * 0.02 - 0.015 - (line.buffer.playhead - line.first_timestamp - line.pending) / CLOCK_HZ * (1 + percent / 100)
    assert true_delay_s < 0.08


def test_talk_after_a_pause_begins_at_the_target() -> None:
    """A queue of 150 ms has drained just before the pause; nobody shortens here, so what is over has to go with the pause."""
    line = Line()
    for index in range(150):
        line.send(index, max(0.0, 0.15 - 0.02 * max(0, index - 130)) if index >= 50 else 0.0)
    line.run(2.9)
    assert line.delay_s - line.buffer.target_s > 0.1
    for index in range(150, 200):
        line.due.append((index * 0.02 + 1.0, index, 8_000))
    line.run(4.9)
    assert line.delay_s - line.buffer.target_s < 0.055 and line.buffer.counters.discarded == 0


def test_numbers_may_wrap_as_often_as_they_like() -> None:
    """Half of the sequence numbers lost each time: 65,535 wraps; the timestamps wrap 16,000 times."""
    buffer, sizes = JitterBuffer(CLOCK_HZ), set()
    for k in range(2 * 65_536):
        arrival_s = (k // 2) * 2**30 / CLOCK_HZ + (k % 2) * 0.02
        buffer.put((k * 32_767) & 0xFFFF, ((k // 2) * 2**30 + (k % 2) * 160) & 0xFFFFFFFF, 160, b"", arrival_s)
        buffer.take(arrival_s)
        sizes.add(len(buffer))
    assert max(sizes) <= 2 and buffer.counters.received == 2 * 65_536


def test_overflow_drops_the_oldest() -> None:
    buffer = JitterBuffer(CLOCK_HZ, JitterSettings(capacity_packets=10))
    for index in range(30):
        buffer.put(index, index * 160, 160, b"%d" % index, index * 0.02)
    assert len(buffer) == 10 and buffer.counters.discarded == 20
    taken = [buffer.take(30 * 0.02) for _ in range(12)]
    assert int(next(packet.payload for packet in taken if isinstance(packet, Packet))) >= 20


def test_a_puller_that_stood_still_jumps_ahead() -> None:
    buffer = JitterBuffer(CLOCK_HZ)
    for index in range(100):
        buffer.put(index, index * 160, 160, b"%d" % index, index * 0.02)
        if index < 10:
            buffer.take(index * 0.02 + 0.001)
    first = buffer.take(2.0)
    while isinstance(first, Gap):
        first = buffer.take(2.0)
    assert int(first.payload) >= 85 and buffer.counters.skipped_ticks > 0  # a quarter of a second is kept, to be brought in unheard


@pytest.mark.parametrize("parts_per_million", [-300, 300])
def test_clock_drift_shows_as_excess_not_as_growth(parts_per_million: int) -> None:
    """The sender's clock is off: the base follows, so that the owner sees the excess and can stretch."""
    buffer, excess = JitterBuffer(CLOCK_HZ), 0.0
    for index in range(6_000):
        arrival_s = index * 0.02 * (1 - parts_per_million / 1e6)
        buffer.put(index & 0xFFFF, index * 160, 160, b"", arrival_s)
        taken = buffer.take(index * 0.02)
        if isinstance(taken, Packet):
            excess = max(excess, buffer.excess_s(index * 0.02, taken.duration - taken.skip))
    assert len(buffer) < 12
    if parts_per_million > 0:
        assert 0.01 < excess < 0.25


@pytest.mark.parametrize("late_s", [0.0, 0.03, 0.2])
def test_idling_through_a_pause_is_taking_nothing_again_and_again(late_s: float) -> None:
    """Signs of life every 400 ms, and in the middle one that comes late."""
    plain, short = JitterBuffer(48_000), JitterBuffer(48_000)
    idled = 0
    for tick in range(500):
        now_s = 0.02 * tick
        number, turn = divmod(tick, 20)
        if turn == (0 if number != 12 else round(late_s / 0.02)):
            for buffer in (plain, short):
                buffer.put(number, 19_200 * number, 960, b"x", now_s)
        taken = plain.take(now_s + 0.01)
        if short.idles(now_s + 0.01, 960):
            idled += 1
            assert taken == Gap(Missing.EMPTY, 960)
        else:
            assert short.take(now_s + 0.01) == taken
        assert short.playhead == plain.playhead
    assert short.counters == plain.counters and idled > 300


@given(arrivals=st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 2**32 - 1), st.integers(1, 960), st.floats(0, 5)), max_size=150))
def test_no_input_breaks_it(arrivals: list[tuple[int, int, int, float]]) -> None:
    buffer = JitterBuffer(CLOCK_HZ)
    now_s = 0.0
    for sequence, timestamp, duration, later_s in arrivals:
        now_s += later_s / 10
        buffer.put(sequence, timestamp, duration, b"", now_s)
        taken = buffer.take(now_s)
        assert taken.duration > 0 and len(buffer) <= 100
        assert 0.02 <= buffer.target_s <= 0.5


@pytest.mark.parametrize("seed", range(12))
def test_rows_of_many_do_what_the_plain_one_does(seed: int) -> None:
    """Losses, bursts, jitter, pauses, other packet times, jumps of the numbers and a puller that stalls: every packet, gap and number."""
    chance = random.Random(seed)
    settings = JitterSettings(capacity_packets=chance.choice((6, 100)))
    network = NetworkEmulator(
        seed, loss=chance.choice((0.0, 0.05)), burst=2.0, jitter_ms=chance.choice((0.0, 8.0, 60.0)), duplicate=0.01, ordered=False
    )
    many, row = JitterBuffers(5, settings), chance.randrange(5)
    plain = PlainJitterBuffer(CLOCK_HZ, settings, floor_s=0.04)
    fast = JitterBuffer(CLOCK_HZ, settings, floor_s=0.04, buffers=many, row=row)
    sequence, timestamp, sent_s, due = 65_000, 2**32 - 40_000, 0.0, []
    while sent_s < 20.0:
        ticks = chance.choices((160, 80, 480), (60, 1, 1))[0]
        payload = chance.randbytes(chance.randrange(200))
        due += [(at_s, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ticks, payload) for at_s in network.fates(sent_s, 160)]
        pause = chance.choices((0, 160 * chance.randrange(100)), (100, 1))[0]
        jump = chance.choices((0, chance.randrange(1 << 32)), (300, 1))[0]
        held_up_s = chance.choices((0.0, 0.3 * chance.random()), (300, 1))[0]
        sequence += 1 + chance.choices((0, chance.randrange(1 << 16)), (400, 1))[0]
        timestamp, sent_s = timestamp + ticks + pause + jump, sent_s + (ticks + pause) / CLOCK_HZ + held_up_s
    due.sort()
    now_s, came = 0.0, 0
    while came < len(due):
        now_s += 0.02 * chance.choices((1, 1 + chance.randrange(20)), (300, 1))[0]
        for at_s, number, stamp, ticks, payload in due[came:]:
            if at_s > now_s:
                break
            came += 1
            for buffer in (plain, fast):
                buffer.put(number, stamp, ticks, payload, at_s)
        idle = plain.idles(now_s, 160)
        assert fast.idles(now_s, 160) == idle
        for _ in range(0 if idle else chance.choices((1, 0, 2), (30, 1, 1))[0]):
            assert fast.take(now_s) == plain.take(now_s)
        assert (fast.target_s, fast.playhead, len(fast)) == (plain.target_s, plain.playhead, len(plain))
        assert fast.delay_s(now_s, 80) == plain.delay_s(now_s, 80)
        if chance.random() < 0.002:
            assert fast.begin() == plain.begin()
    assert fast.counters == plain.counters
    assert not np.delete(many.state.counts, row, axis=0).any()
