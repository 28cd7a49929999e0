"""What mixed legs are sent: one encoder for all who hear the same, none for silence, and no seam where that changes."""

import numpy as np
import pytest

from media.bridge import Bridge
from media.codec import OpusSettings, opus_for
from media.ears import Ear, Ears
from media.opus_choice import OpusChoice
from media.sounds import load_prompt
from rooms.audio import OPUS, AudioCodec
from tests.kit.leg_bench import BenchLeg, bench_bridge, level_at, tick

DTX = "useinbandfec=1;usedtx=1"


def room(*legs: BenchLeg) -> Bridge:
    bridge = bench_bridge()
    for bench in legs:
        bridge.add(bench.leg)
        bridge.join(bench.leg.leg_id)
    return bridge


def browsers(names: str, fmtp: str = OPUS.fmtp) -> list[BenchLeg]:
    legs = [BenchLeg(name, "opus", kind="peer") for name in names]
    for bench in legs:
        spoken = AudioCodec("opus", 111, 48_000, 2, fmtp)
        bench.agree_on(spoken)
    return legs


class Talk:
    """Ticks of a room, in which some say a tone each and the others nothing."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.ticks = 0

    def go_on(self, ticks: int, *speakers: tuple[BenchLeg, float]) -> None:
        for _ in range(ticks):
            for bench, frequency_hz in speakers:
                bench.say(self.ticks * 0.02 + 0.015, frequency_hz=frequency_hz)
            self.ticks += 1
            tick(self.bridge, self.ticks * 0.02)


def test_who_hears_the_same_shares_one_encoder() -> None:
    legs = browsers("abcde")
    talk = Talk(room(*legs))
    talk.go_on(50, (legs[0], 500.0))
    ears = talk.bridge.voices.ears
    before = ears.encoded
    talk.go_on(50, (legs[0], 500.0))
    assert ears.encoded - before == 50, "one frame per tick for four listeners, none for who hears nothing"
    sent = [bench.out.payloads[-40:] for bench in legs[1:]]
    assert all(one == sent[0] for one in sent)
    for bench in legs[1:]:
        assert level_at(bench.out.heard(OPUS)[16_000:], 500.0) == pytest.approx(0.25, rel=0.1)


def test_a_second_voice_parts_those_who_shared_and_nobody_hears_it() -> None:
    """Who begins to speak goes on hearing the first voice by a copy of the encoder: bit for bit as if it had always been alone."""
    legs = browsers("abc")
    talk = Talk(room(*legs))
    talk.go_on(60, (legs[0], 500.0))
    talk.go_on(60, (legs[0], 500.0), (legs[1], 900.0))
    heard_by_b, heard_by_c = legs[1].out.heard(OPUS), legs[2].out.heard(OPUS)
    assert legs[1].out.payloads[-1] != legs[2].out.payloads[-1]
    parted = heard_by_b[16_000 : 16_000 + 30 * 320]
    assert np.abs(np.diff(parted)).max() < 1.3 * 0.25 * 2 * np.pi * 500 / 16_000, "no click where the ways part"
    assert level_at(heard_by_b[-12_800:], 500.0) == pytest.approx(0.25, rel=0.1) and level_at(heard_by_b[-12_800:], 900.0) < 0.01
    assert level_at(heard_by_c[-12_800:], 900.0) == pytest.approx(0.25, rel=0.1)


def test_who_was_silent_takes_the_encoder_of_the_others_and_is_in_step_at_once() -> None:
    legs = browsers("abc")
    talk = Talk(room(*legs))
    talk.go_on(60, (legs[0], 500.0))
    talk.go_on(20)
    talk.go_on(40, (legs[1], 900.0))
    assert legs[0].leg.ear is not None and legs[2].leg.ear is not None
    assert legs[0].leg.ear.running is legs[2].leg.ear.running
    heard = legs[0].out.heard(OPUS)
    begin = int(np.argmax(np.abs(heard) > 0.05))
    assert level_at(heard[begin + 1_600 : begin + 12_000], 900.0) == pytest.approx(0.25, rel=0.1)
    assert np.abs(heard).max() < 0.4


def test_who_comes_to_hear_the_same_shares_after_half_a_second_and_nobody_hears_it() -> None:
    """Two hear one another beside a third; then only the third speaks on, without any pause."""
    legs = browsers("abc")
    talk = Talk(room(*legs))
    talk.go_on(60, (legs[0], 500.0), (legs[1], 900.0), (legs[2], 700.0))
    talk.go_on(80, (legs[2], 700.0))
    one, other = legs[0].leg.ear, legs[1].leg.ear
    assert one is not None and other is not None and one.running is other.running
    for bench in legs[:2]:
        heard = bench.out.heard(OPUS)[320 * 90 :]
        assert level_at(heard, 700.0) == pytest.approx(0.25, rel=0.1)
        assert np.abs(np.diff(heard)).max() < 1.2 * 0.25 * 2 * np.pi * 700 / 16_000, "no click"


@pytest.mark.parametrize(("fmtp", "packets"), [(OPUS.fmtp, 100), (DTX, 5)])
def test_silence_is_not_encoded_and_not_sent_where_the_far_end_asked_for_that(fmtp: str, packets: int) -> None:
    a, b = browsers("ab", fmtp)
    bridge = room(a, b)
    bridge.set_gains([("b", "a", 0.0)])
    talk = Talk(bridge)
    talk.go_on(50, (a, 500.0))
    encoded, sent = bridge.voices.ears.encoded, len(b.out.rtp)
    talk.go_on(100, (a, 500.0))
    assert bridge.voices.ears.encoded == encoded
    assert len(b.out.rtp) - sent == packets
    assert np.abs(b.out.heard(OPUS)[1_600:]).max() < 0.001
    bridge.set_gains([("b", "a", 0.5)])
    talk.go_on(50, (a, 500.0))
    headers = b.out.headers
    assert [header.sequence for header in headers] == [1_000 + i for i in range(len(headers))]
    span = (headers[-1].timestamp - headers[0].timestamp) & 0xFFFFFFFF
    assert span == pytest.approx(199 * 960, abs=10 * 960), "pauses count in the timestamps"
    assert level_at(b.out.heard(OPUS)[-12_800:], 500.0) == pytest.approx(0.125, rel=0.1)


@pytest.mark.parametrize("codec", ["pcma", "pcmu", "g722"])
def test_phones_are_sent_silence_without_end(codec: str) -> None:
    a, b = BenchLeg("a", codec), BenchLeg("b", codec)
    bridge = room(a, b)
    bridge.set_gains([("b", "a", 0.0)])
    talk = Talk(bridge)
    talk.go_on(100, (a, 500.0))
    assert len(b.out.rtp) == 100
    assert np.abs(b.out.heard(b.codec)).max() < 0.001


def test_an_ear_of_its_own_does_not_disturb_whom_it_shared_with() -> None:
    legs = browsers("abc")
    talk = Talk(room(*legs))
    talk.go_on(60, (legs[0], 500.0))
    one, other = legs[1].leg.ear, legs[2].leg.ear
    assert one is not None and other is not None and one.running is other.running
    one.encode(load_prompt("en-vm-intro")[:320])
    assert one.running is not other.running
    talk.go_on(20, (legs[0], 500.0))
    assert level_at(legs[2].out.heard(OPUS)[-6_400:], 500.0) == pytest.approx(0.25, rel=0.1)


def test_loss_told_by_one_far_end_changes_only_what_that_one_is_sent() -> None:
    legs = browsers("abc")
    talk = Talk(room(*legs))
    talk.go_on(60, (legs[0], 500.0))
    legs[1].leg.reports.far_loss = 0.1
    legs[1].leg.adapt()
    talk.go_on(1, (legs[0], 500.0))
    lossy, clean = legs[1].leg.ear, legs[2].leg.ear
    assert lossy is not None and clean is not None and lossy.running is not None and clean.running is not None
    assert lossy.running.encoder.settings.fec and lossy.running.encoder.settings.expected_loss == 0.1
    assert not clean.running.encoder.settings.fec


def test_what_the_far_end_asks_for_is_obeyed() -> None:
    ours = OpusSettings(bitrate=40_000, fec=True, dtx=True)
    assert opus_for(ours, "useinbandfec=1").bitrate == 50_000
    plain = opus_for(ours, "")
    assert (plain.bitrate, plain.fec, plain.dtx, plain.constant_rate) == (40_000, False, False, False)
    asked = opus_for(ours, "minptime=10; useinbandfec=1 ;usedtx=1;maxaveragebitrate=20000;stereo=0")
    assert (asked.bitrate, asked.fec, asked.dtx, asked.constant_rate) == (20_000, True, True, False)
    constant = opus_for(ours, "cbr=1;usedtx=1;useinbandfec=1")
    assert constant.constant_rate and not constant.dtx and constant.fec
    assert opus_for(ours, "maxaveragebitrate=999999999999;useinbandfec=yes").bitrate == 40_000
    assert opus_for(OpusSettings(), "usedtx=1").dtx is False, "nor more than we want"
    assert opus_for(ours, "cbr=1") is opus_for(OpusSettings(bitrate=40_000, fec=True, dtx=True), "cbr=1")
    speech = load_prompt("en-vm-intro").reshape(-1)[: 320 * 100].reshape(-1, 320)
    ear = Ear(AudioCodec("opus", 111, 48_000, 2, "cbr=1;maxaveragebitrate=16000"), 16_000, OpusChoice())
    assert {len(ear.encode(frame)) for frame in speech} == {40}
    narrow = Ear(AudioCodec("opus", 111, 48_000, 2, "maxplaybackrate=8000"), 16_000, OpusChoice())
    assert {narrow.encode(frame)[0] >> 3 for frame in speech} <= {0, 1, 2, 3}, "narrowband SILK (RFC 6716, table 2)"


def test_rows_that_are_equal_have_equal_prints_and_others_have_not() -> None:
    from media.ears import _look

    rng = np.random.default_rng(4)
    block = rng.uniform(-1, 1, (64, 320)).astype(np.float32)
    block[7], block[9] = block[3], 0.0
    block[11] = block[3]
    block[11, 319] = np.nextafter(block[3, 319], np.float32(2))
    silent, prints = np.empty(64, np.bool_), np.empty(64, np.uint64)
    _look(block, block.view(np.uint64), 2.0**-16, silent, prints)
    assert list(np.flatnonzero(silent)) == [9]
    assert prints[7] == prints[3] and len(set(prints.tolist())) == 63
    assert Ears(16, 16_000).encode([], block[:16]) == []
