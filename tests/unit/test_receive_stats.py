"""Loss, jitter and report blocks against the formulas of RFC 3550."""

import random

import pytest

from media.receive_stats import ReceiveStats
from media.rtcp import SenderReport, middle_of_ntp
from tests.kit.wires import RECEIVE_STATS

Stats = type[ReceiveStats]
pytestmark = pytest.mark.parametrize("stats_type", RECEIVE_STATS)


def arrive(stats: ReceiveStats, sequences: list[int]) -> list[bool]:
    return [stats.received(s & 0xFFFF, s * 160, s * 0.02) for s in sequences]


def test_loss_over_the_wrap(stats_type: Stats) -> None:
    stats = stats_type(1, 8_000)
    arrive(stats, [s for s in range(65_530, 65_550) if s not in (65_535, 65_536, 65_540)])
    assert (stats.expected, stats.packets, stats.lost, stats.loss) == (20, 17, 3, 0.15)
    assert stats.highest_sequence == 65_549


def test_intervals_of_reports_and_looks_are_apart(stats_type: Stats) -> None:
    stats = stats_type(1, 8_000)
    arrive(stats, list(range(10)))
    assert stats.report_block(1.0).fraction_lost == 0
    arrive(stats, [10, 11, 14, 15])
    assert stats.report_block(2.0).fraction_lost == pytest.approx(2 / 6)
    assert stats.interval() == (14, 16, 2, 2 / 16)
    assert stats.interval() == (0, 0, 0, 0.0)
    assert stats.report_block(3.0).fraction_lost == 0
    assert stats.report_block(3.0).cumulative_lost == 2


def test_late_and_repeated_packets(stats_type: Stats) -> None:
    stats = stats_type(1, 8_000)
    assert all(arrive(stats, [0, 1, 3, 2, 3, 4]))
    assert (stats.reordered, stats.duplicates, stats.lost) == (1, 1, -1)


def test_a_jump_is_believed_at_its_second_packet(stats_type: Stats) -> None:
    stats = stats_type(1, 8_000)
    arrive(stats, list(range(100)))
    assert arrive(stats, [40_000, 40_001, 40_002]) == [False, True, True]
    assert (stats.restarts, stats.refused, stats.expected, stats.lost) == (1, 1, 2, 0)


def test_a_single_forged_sequence_changes_nothing(stats_type: Stats) -> None:
    stats = stats_type(1, 8_000)
    arrive(stats, list(range(100)))
    assert arrive(stats, [40_000, 100]) == [False, True]
    assert (stats.expected, stats.lost) == (101, 0)


def test_probation_wants_packets_in_sequence(stats_type: Stats) -> None:
    stats = stats_type(1, 8_000, probation=2)
    assert arrive(stats, [500, 9_000, 20, 21, 22]) == [False, False, False, True, True]
    assert (stats.expected, stats.packets, stats.refused) == (2, 2, 3)


def test_jitter_equals_the_formula_of_a8(stats_type: Stats) -> None:
    source = random.Random(3)
    stats = stats_type(1, 48_000)
    jitter, last = 0.0, None
    for n in range(500):
        arrival_s = n * 0.02 + source.uniform(0, 0.03)
        timestamp = (2**32 - 48_000 + n * 960) & 0xFFFFFFFF  # wraps after a second
        stats.received(n, timestamp, arrival_s)
        transit = arrival_s - n * 0.02
        if last is not None:
            jitter += (abs(transit - last) - jitter) / 16
        last = transit
    assert stats.jitter_s == pytest.approx(jitter, rel=1e-9)
    assert stats.report_block(10.0).jitter == int(stats.jitter_s * 48_000)


def test_telephone_events_and_clock_jumps_are_no_jitter(stats_type: Stats) -> None:
    stats = stats_type(1, 8_000)
    for n in range(20):
        stats.received(n, 0, n * 0.02, timed=False)
    stats.received(20, 0, 0.4)
    stats.received(21, 1_000_000_000, 0.42)
    stats.received(22, 1_000_000_160, 0.44)
    assert stats.jitter_s == pytest.approx(0.0, abs=1e-9)


def test_lsr_and_dlsr_in_the_block(stats_type: Stats) -> None:
    stats = stats_type(1, 8_000)
    arrive(stats, [1])
    stats.heard(SenderReport(1, 0x0000_1111_2222_3333, 0, 0, 0), 5.0)
    block = stats.report_block(5.5)
    assert (block.last_report, block.delay) == (middle_of_ntp(0x0000_1111_2222_3333), 32_768)


def lossy(stats_type: Stats, pattern: "list[bool]") -> ReceiveStats:
    stats = stats_type(1, 8_000)
    for n, arrives in enumerate(pattern):
        if arrives:
            stats.received(n & 0xFFFF, n * 160, n * 0.02)
    return stats


def test_burst_ratio_of_random_loss_is_one_and_of_bursts_their_length(stats_type: Stats) -> None:
    source = random.Random(4)
    assert lossy(stats_type, [source.random() > 0.05 for _ in range(50_000)]).burst_ratio == pytest.approx(1.0, abs=0.05)
    bursts = lossy(stats_type, [n % 100 not in (50, 51, 52, 53) for n in range(20_000)])
    assert bursts.burst_ratio == pytest.approx(4 * 0.96, rel=0.02)
    assert lossy(stats_type, [True] * 1_000).burst_ratio == 1.0
    gap = lossy(stats_type, [not 500 <= n < 700 for n in range(2_000)])  # longer than the window
    assert gap.burst_ratio == pytest.approx(200 * (1 - 200 / 1_936), rel=0.01)


def test_reordering_is_no_burst(stats_type: Stats) -> None:
    stats = stats_type(1, 8_000)
    order = [n + 1 if n % 10 == 4 else n - 1 if n % 10 == 5 else n for n in range(2_000)]
    arrive(stats, order)
    assert stats.burst_ratio == 1.0 and stats.lost == 0 and stats.reordered == 200
