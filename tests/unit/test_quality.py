"""One second of a leg in figures, and the cause named: None where nothing was measured."""

import random

import pytest

from dsp import mos
from media import rtp
from media.codec import OpusSettings, make_encoder
from media.messages import LegSample
from media.quality import LegQuality
from media.sounds import load_prompt
from rooms.audio import OPUS
from tests.kit.leg_bench import BenchLeg, bench_bridge, tick


def heard(codec: str, *, loss: float = 0.0, jitter_s: float = 0.0, round_trip_s: float | None = None, mixed: bool = True) -> LegSample:
    """The sixth second of a leg over such a network; mixed with a leg of another codec, or forwarded to one of the same."""
    chance = random.Random(7)
    a, b = BenchLeg("a", codec), BenchLeg("b", "pcmu" if mixed else codec)
    bridge = bench_bridge()
    for bench in (a, b):
        bridge.add(bench.leg)
        bridge.join(bench.leg.leg_id)
    quality = LegQuality(a.leg, bridge.voices)
    a.leg.reports.round_trip_s = round_trip_s
    for second in range(6):
        sample = quality.sample()
        for index in range(50):
            now_s = second + index * 0.02
            a.say(now_s + chance.random() * jitter_s, lost=chance.random() < loss)
            tick(bridge, now_s + 0.02)
    sample = quality.sample()
    assert sample.codec == codec
    return sample


@pytest.mark.parametrize(("codec", "scale", "best"), [("pcma", "nb", 4.41), ("g722", "wb", 4.34), ("opus", "wb", 4.4)])
def test_a_clean_second_is_good_on_the_codecs_own_scale(codec: str, scale: str, best: float) -> None:
    sample = heard(codec)
    assert (sample.cause, sample.scale, sample.loss, sample.packets) == ("good", scale, 0.0, 50)
    assert sample.mos == pytest.approx(best, abs=0.1)
    assert sample.round_trip_ms is None
    assert sample.level_dbfs == pytest.approx(-15.05, abs=0.7)


def test_causes_are_told_apart() -> None:
    assert heard("pcma", loss=0.1).cause == "loss"
    assert heard("pcma", round_trip_s=0.8).cause == "delay"
    assert heard("pcma", round_trip_s=0.8).round_trip_ms == 800.0


def test_loss_is_measured_and_concealed() -> None:
    sample = heard("pcma", loss=0.1)
    assert sample.loss is not None and 0.02 < sample.loss < 0.25
    assert sample.concealed_ms >= 20.0
    assert sample.mos is not None and sample.mos < 4.2


def test_what_was_concealed_counts_in_its_own_second_only() -> None:
    a, b = BenchLeg("a"), BenchLeg("b", "pcmu")
    bridge = bench_bridge()
    for bench in (a, b):
        bridge.add(bench.leg)
        bridge.join(bench.leg.leg_id)
    quality = LegQuality(a.leg, bridge.voices)
    concealed = []
    for second in range(4):
        for index in range(50):
            now_s = second + index * 0.02
            a.say(now_s, lost=(second, index) == (1, 20))
            tick(bridge, now_s + 0.02)
        concealed.append(quality.sample().concealed_ms)
    assert concealed == [0.0, 20.0, 0.0, 0.0]


def test_a_forwarded_leg_has_no_level_and_no_concealment() -> None:
    sample = heard("pcma", mixed=False)
    assert (sample.level_dbfs, sample.concealed_ms, sample.cause) == (None, 0.0, "good")


@pytest.mark.parametrize(("fec", "scaled_as"), [(True, "opus-fec"), (False, "opus")])
def test_opus_is_rated_by_whether_it_was_seen_to_carry_fec(fec: bool, scaled_as: str) -> None:
    settings = OpusSettings(fec=fec, expected_loss=0.1)
    encoder, speech = make_encoder(OPUS, rate_hz=16_000, settings=settings), load_prompt("en-vm-intro")
    a, b = BenchLeg("a", "opus"), BenchLeg("b", "pcmu")
    bridge = bench_bridge()
    for bench in (a, b):
        bridge.add(bench.leg)
        bridge.join(bench.leg.leg_id)
    quality = LegQuality(a.leg, bridge.voices)
    for index in range(150):
        if index % 10 != 5:
            packet = rtp.build(OPUS.payload_type, index, 960 * index, 77, encoder.encode(speech[320 * index : 320 * (index + 1)]))
            a.leg.receive(packet, 0.02 * index)
        tick(bridge, 0.02 * index + 0.01)
    sample = quality.sample()
    assert sample.loss == pytest.approx(0.1, abs=0.01) and sample.r is not None
    expected, other = (mos.rate(name, loss=0.1, delay_ms=90.0) for name in (scaled_as, "opus" if fec else "opus-fec"))
    assert expected is not None and other is not None
    assert abs(sample.r - expected.r) < 10 < abs(sample.r - other.r)


def test_nothing_measured_is_none_and_never_a_default_score() -> None:
    sample = LegQuality(BenchLeg("a").leg, bench_bridge().voices).sample()
    assert (sample.loss, sample.jitter_ms, sample.r, sample.mos, sample.scale) == (None, None, None, None, "")
    assert sample.cause == "silent"
    absent = BenchLeg("b")
    absent.leg.connected = False
    assert LegQuality(absent.leg, bench_bridge().voices).sample().cause == "unclassified"


def test_a_lossy_leg_is_mended_for_a_phone_and_forwarded_again_when_it_has_become_clean() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = bench_bridge()
    for bench in (a, b):
        bridge.add(bench.leg)
        bridge.join(bench.leg.leg_id)
    quality = LegQuality(a.leg, bridge.voices)
    mixing, losses = [], []
    for second in range(20):
        for index in range(50):
            now_s = second + index * 0.02
            a.say(now_s, lost=second < 3 and index % 25 == 7)
            if bridge.ticking:
                tick(bridge, now_s + 0.02)
        quality.sample()
        bridge.replan()
        mixing.append(bridge.mixing)
        losses.append(a.leg.loss)
    assert mixing == [False] + [True] * 11 + [False] * 8
    assert losses == pytest.approx([0.0] * 9 + [0.012, 0.008] + [0.0] * 9, abs=1e-4), "of ten whole seconds, and no chance"
    a.leg.lossy, b.leg.kind = True, "peer"
    bridge.replan()
    assert not bridge.mixing, "a browser conceals by itself"
