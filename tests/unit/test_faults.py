"""A bad call names the hop that is bad: pure cases, and a bench call whose legs lose packets where we say."""

import random

import pytest
from msgspec.structs import replace

from media import rtcp
from media.bridge import Bridge
from media.faults import MOST_FAULTS, faults
from media.messages import LegSample
from media.quality import LegQuality
from media.receive_stats import ReceiveStats
from media.reports import Reports
from media.rtp import parse
from media.sender import RtpSender
from tests.kit.leg_bench import BenchLeg, bench_bridge, tick

GOOD = LegSample(
    leg_id="agent", packets=50, loss=0.0, jitter_ms=1.0, round_trip_ms=20.0, discarded=0, concealed_ms=0.0, level_dbfs=-20.0,
    r=90.0, mos=4.3, scale="nb", cause="good", codec="pcma", kind="peer", r_lost=0.0, packets_sent=50, far_loss=0.0, hop_loss=0.0,
    far_jitter_ms=1.0, far_r=90.0, far_mos=4.3, far_scale="nb", far_cause="good", far_r_lost=0.0,
)  # fmt: skip
PHONE = replace(GOOD, leg_id="phone", kind="phone")


def told(*legs: LegSample) -> list[tuple[str, str, str]]:
    return [(fault.leg_id, fault.hop, fault.cause) for fault in faults(legs)]


@pytest.mark.parametrize(
    ("agent", "phone", "expected"),
    [
        ({}, {}, []),
        ({"cause": "loss", "r_lost": 20.0}, {}, [("agent", "browser_to_us", "loss")]),
        ({"far_cause": "jitter", "far_r_lost": 20.0}, {}, [("agent", "us_to_browser", "jitter")]),
        ({}, {"far_cause": "loss", "far_r_lost": 9.0}, [("phone", "us_to_phone", "loss")]),
        ({}, {"cause": "silent", "r_lost": 93.0, "packets": 0}, [("phone", "phone_to_us", "silent")]),
        (
            {"cause": "delay", "r_lost": 6.0},
            {"far_cause": "loss", "far_r_lost": 30.0},
            [("phone", "us_to_phone", "loss"), ("agent", "browser_to_us", "delay")],
        ),
        ({}, {"far_cause": "upstream", "far_r_lost": 30.0}, []),
        ({}, {"far_cause": "unclassified", "far_r_lost": None, "cause": "unclassified", "r_lost": None}, []),
    ],
)
def test_the_hop_and_the_cause_are_named_the_worst_first(
    agent: dict[str, object], phone: dict[str, object], expected: list[tuple[str, str, str]]
) -> None:
    assert told(replace(GOOD, **agent), replace(PHONE, **phone)) == expected


def test_an_echo_is_a_fault_when_it_comes_back_late_and_loud() -> None:
    def echo(loss_db: float, round_trip_ms: float, removed_db: float | None = None) -> list[tuple[str, str, str]]:
        phone = replace(PHONE, echo_return_loss_db=loss_db, echo_return_loss_enhancement_db=removed_db, round_trip_ms=round_trip_ms)
        return told(replace(GOOD, round_trip_ms=40.0), phone)

    assert echo(15.0, 200.0) == [("phone", "phone_to_us", "echo")]
    assert echo(15.0, 200.0, removed_db=35.0) == [], "it is taken away here"
    assert echo(60.0, 200.0) == []


def test_a_programme_has_no_hops_and_a_room_names_only_so_many() -> None:
    assert told(replace(PHONE, kind="demo", cause="loss", r_lost=20.0)) == []
    legs = [replace(PHONE, leg_id=f"p{i}", cause="loss", r_lost=10.0 + i, far_cause="loss", far_r_lost=40.0) for i in range(20)]
    assert len(faults(legs)) == MOST_FAULTS and faults(legs)[0].hop == "us_to_phone"


class Far:
    """A far end: counts what it is sent, loses some of it first, and reports by RTCP."""

    def __init__(self, bench: BenchLeg, *, loss: float, seed: int) -> None:
        self.bench, self.loss, self.chance = bench, loss, random.Random(seed)
        self.heard = ReceiveStats(bench.leg.sender.ssrc, bench.codec.clock_rate)
        self.reports = Reports("far", unix_offset_s=0.0, interval_s=1.0, first_s=0.0)
        self.voice = RtpSender(99, 0, 0)
        self._taken = 0

    def hear(self, now_s: float) -> None:
        for packet in self.bench.out.rtp[self._taken :]:
            header = parse(packet)
            assert header is not None
            if self.chance.random() >= self.loss:
                self.heard.received(header.sequence, header.timestamp, now_s)
        self._taken = len(self.bench.out.rtp)
        for compound in self.bench.out.rtcp:
            self.reports.heard(compound, self.voice, self.heard, now_s)
        self.bench.out.rtcp.clear()

    def report(self, now_s: float) -> None:
        compound = self.reports.compound(self.voice, self.heard, now_s)
        if compound is not None:
            self.bench.leg.receive_reports(compound, now_s)


def call(*, up: float = 0.0, down: float = 0.0, mixed: bool = False) -> tuple[list[tuple[str, str, str]], list[LegSample]]:
    """Ten seconds of browser and phone; ``up``: lost from browser to us, ``down``: from us to phone."""
    chance = random.Random(5)
    agent, phone = BenchLeg("agent", "pcma", kind="peer"), BenchLeg("phone", "pcmu" if mixed else "pcma")
    bridge: Bridge = bench_bridge()
    qualities = []
    for bench in (agent, phone):
        bridge.add(bench.leg)
        bridge.join(bench.leg.leg_id)
        qualities.append(LegQuality(bench.leg, bridge.voices))
    ends = [Far(agent, loss=0.0, seed=1), Far(phone, loss=down, seed=2)]
    samples: list[LegSample] = []
    for second in range(10):
        for index in range(50):
            now_s = second + index * 0.02
            agent.say(now_s, lost=chance.random() < up)
            phone.say(now_s)
            if mixed:
                tick(bridge, now_s + 0.01)
            for end in ends:
                end.hear(now_s + 0.015)
        for end in ends:
            end.bench.leg.send_reports(second + 0.995)
            end.hear(second + 0.996)
            end.report(second + 0.999)
        samples = [quality.sample() for quality in qualities]
    return [(fault.leg_id, fault.hop, fault.cause) for fault in faults(samples)], samples


@pytest.mark.parametrize("mixed", [False, True])
def test_loss_is_blamed_on_the_hop_where_it_happens_forwarded_or_mixed(mixed: bool) -> None:
    assert call(mixed=mixed)[0] == []
    found, (agent, phone) = call(up=0.2, mixed=mixed)
    assert found == [("agent", "browser_to_us", "loss")]
    assert phone.hop_loss == 0.0 and phone.far_mos is not None and agent.mos is not None
    assert (phone.far_cause == "upstream") is not mixed, "what we forward has the holes that came; what we mix has none"
    found, (agent, phone) = call(down=0.2, mixed=mixed)
    assert found == [("phone", "us_to_phone", "loss")]
    assert agent.loss == 0.0 and phone.hop_loss is not None and 0.1 < phone.hop_loss < 0.3
    found, _ = call(up=0.2, down=0.3, mixed=mixed)
    assert sorted(hop for _, hop, _ in found) == ["browser_to_us", "us_to_phone"]
    found, (agent, phone) = call(up=0.3, down=0.03, mixed=mixed)
    assert found == [("agent", "browser_to_us", "loss")] or mixed
    assert phone.hop_loss and (phone.far_cause == "upstream") is not mixed, "a packet more or less is not this hop's fault"


def test_a_far_end_that_hears_nothing_of_us_is_told_apart_from_one_that_says_nothing() -> None:
    found, (_, phone) = call(down=1.0)
    assert found == [("phone", "us_to_phone", "silent")] and phone.far_loss == 1.0 and phone.far_mos is None
    bench = BenchLeg("phone")
    bridge = bench_bridge()
    bridge.add(bench.leg)
    sample = LegQuality(bench.leg, bridge.voices).sample()
    assert (sample.far_loss, sample.far_mos, sample.far_cause) == (None, None, "unclassified")


def test_what_the_far_end_told_is_forgotten_after_ten_seconds() -> None:
    bench = BenchLeg("phone")
    quality = LegQuality(bench.leg, bench_bridge().voices)
    block = rtcp.ReportBlock(bench.leg.sender.ssrc, 0.1, 5, 100, 80)
    bench.leg.receive_reports(rtcp.build(rtcp.ReceiverReport(1, (block,))), 0.0)
    told_s = [quality.sample().far_loss for _ in range(12)]
    assert told_s == [pytest.approx(0.1, abs=0.01)] * 10 + [None] * 2
