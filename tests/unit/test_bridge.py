"""Who hears whom: forwarded byte for byte where possible, else mixed by the matrix, and the change between the two."""

import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.tones import sine
from media import rtp
from media.bridge import Bridge
from media.codec import OpusDecoder
from media.demo_leg import make_programme
from media.messages import MediaRefusal
from media.resting import Resting
from media.rtp import timestamp_difference
from media.sounds import Sound, load_prompt, make_once, make_sound
from rooms.audio import G722, OPUS, PCMA, PCMU
from tests.kit.leg_bench import BenchLeg, KeepingTransport, bench_bridge, level_at, tick


def room(*legs: BenchLeg, resting: Resting | None = None) -> Bridge:
    bridge = bench_bridge(resting=resting)
    for bench in legs:
        bridge.add(bench.leg)
        bridge.join(bench.leg.leg_id)
    return bridge


def run(bridge: Bridge, ticks: int, *speakers: tuple[BenchLeg, float], start: int = 0, amplitude: float = 0.25) -> None:
    """Ticks of 20 ms; each speaker's packet arrives 5 ms before the tick."""
    for index in range(start, start + ticks):
        for bench, frequency_hz in speakers:
            bench.say(index * 0.02 + 0.015, frequency_hz=frequency_hz, amplitude=amplitude)
        if bridge.ticking:
            tick(bridge, (index + 1) * 0.02)


@pytest.mark.parametrize("codec", ["pcma", "pcmu", "g722"])
def test_who_rests_is_sent_the_same_packets_as_who_is_asked_at_each_tick_and_only_its_room_has_less_to_do(codec: str) -> None:
    streams, ticked, counted = [], [], []
    for rests in (True, False):
        a, b = BenchLeg("a", codec), BenchLeg("b", codec)
        resting = Resting(b.counters)
        bridge = room(a, b, resting=resting if rests else None)
        ticks = 0
        for index in range(200):
            a.say(index * 0.02 + 0.015)
            if index in (20, 120):
                bridge.set_gains([("b", "a", 0.0 if index == 20 else 1.0)])
            if index == 60:
                bridge.send_digits("b", "5")
            if index == 150:
                bridge.remove("a")
            now_s = (index + 1) * 0.02
            resting.send(now_s)
            if bridge.ticking:
                ticks += 1
                tick(bridge, now_s)
        streams.append(b.out.rtp)
        ticked.append(ticks)
        counted.append(dict(b.counters))
    assert streams[0] == streams[1]
    assert counted[0] == counted[1]
    assert (ticked[0] < ticked[1] / 3) is (codec != "g722"), "only a codec without a past has one packet for all silence"


def test_equal_codecs_are_forwarded_byte_for_byte_at_once() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = room(a, b)
    assert not bridge.mixing and not bridge.ticking
    payloads = [a.say(0.02 * i) for i in range(50)]
    assert b.out.payloads == payloads
    assert not a.out.rtp


@pytest.mark.parametrize(("one", "other"), [("opus", "pcma"), ("g722", "pcmu"), ("pcma", "pcmu"), ("opus", "g722")])
def test_different_codecs_are_transcoded_at_the_same_level(one: str, other: str) -> None:
    a, b = BenchLeg("a", one), BenchLeg("b", other)
    bridge = room(a, b)
    assert bridge.mixing
    run(bridge, 150, (a, 1_000.0), (b, 400.0))
    at_b = b.out.heard(b.codec)[16_000:]
    at_a = a.out.heard(a.codec)[16_000:]
    assert 20 * np.log10(level_at(at_b, 1_000.0) / 0.25) == pytest.approx(0.0, abs=1.0)
    assert 20 * np.log10(level_at(at_a, 400.0) / 0.25) == pytest.approx(0.0, abs=1.0)
    assert level_at(at_b, 400.0) < 0.005 and level_at(at_a, 1_000.0) < 0.005


def test_three_legs_hear_the_two_others_and_never_themselves() -> None:
    legs = [BenchLeg(name) for name in "abc"]
    bridge = room(*legs)
    tones = (400.0, 700.0, 1_100.0)
    run(bridge, 100, *zip(legs, tones, strict=True), amplitude=0.1)
    for own, bench in enumerate(legs):
        heard = bench.out.heard(PCMA)[16_000:]
        levels = [level_at(heard, tone) for tone in tones]
        assert levels[own] < 0.003
        assert [levels[i] for i in range(3) if i != own] == pytest.approx([0.1, 0.1], rel=0.1)


@pytest.mark.parametrize("phase_ms", [1, 8, 19])
@pytest.mark.parametrize("codec", ["pcma", "g722", "opus"])
def test_mute_switches_to_silence_and_back_without_a_seam(codec: str, phase_ms: int) -> None:
    a, b = BenchLeg("a", codec), BenchLeg("b", codec)
    bridge = room(a, b)
    times: dict[str, list[float]] = {"a": [], "b": []}
    said: list[bytes] = []

    def second(start: int) -> None:
        """Both speak; packets come ``phase_ms`` after the ticks."""
        for index in range(start, start + 50):
            for now_s in (index * 0.02 + phase_ms / 1_000, (index + 1) * 0.02):
                if now_s < (index + 1) * 0.02:
                    a.say(now_s, frequency_hz=440.0)
                    said.append(b.say(now_s, frequency_hz=600.0))
                elif bridge.ticking:
                    tick(bridge, now_s)
                for bench in (a, b):
                    sent = times[bench.leg.leg_id]
                    sent.extend([now_s] * (len(bench.out.rtp) - len(sent)))

    second(0)
    bridge.set_gains([("b", "a", 0.0)])
    assert not bridge.mixing and bridge.ticking
    second(50)
    bridge.set_gains([("b", "a", 1.0)])
    assert not bridge.mixing and not bridge.ticking
    second(100)
    frame = a.codec.clock_rate // 50
    for bench in (a, b):
        headers = bench.out.headers
        assert [header.sequence for header in headers] == [1_000 + i for i in range(len(headers))]
        assert {timestamp_difference(y.timestamp, x.timestamp) for x, y in pairwise(headers)} == {frame}
        assert len({header.ssrc for header in headers}) == 1
        assert max(y - x for x, y in pairwise(times[bench.leg.leg_id])) < 0.04
    to_b = b.out.heard(b.codec)
    assert level_at(to_b[17_600:31_000], 440.0) < 0.001
    assert level_at(to_b[33_000:], 440.0) == pytest.approx(0.25, rel=0.1)
    assert a.out.payloads == said, "the direction that was not muted is forwarded all the time"


def test_who_is_heard_again_in_a_mix_begins_with_what_is_said_now() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = room(a, b)
    run(bridge, 50, (a, 440.0), (b, 600.0))
    bridge.set_gains([("b", "a", 0.0)])
    run(bridge, 100, (a, 700.0), (b, 600.0), start=50)
    heard = len(b.out.heard(PCMA))
    bridge.set_gains([("b", "a", 0.5)])
    assert bridge.mixing
    run(bridge, 50, (a, 1_000.0), (b, 600.0), start=150)
    again = b.out.heard(PCMA)[heard:]
    windows = again[: len(again) // 800 * 800].reshape(-1, 800)
    assert max(level_at(window, gone) for window in windows for gone in (440.0, 700.0)) < 0.01
    assert level_at(again[3_200:], 1_000.0) == pytest.approx(0.125, rel=0.1)
    assert a.leg.playout is not None and a.leg.playout.counters.concealed_samples == 0, "nothing of the pause is missed"


def test_hold_plays_the_melody_and_nothing_said_meanwhile() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = room(a, b)
    bridge.set_gains([("b", "a", 0.0), ("a", "b", 0.0)])
    bridge.play("b", make_sound("hold"))
    run(bridge, 100, (a, 2_500.0), (b, 2_900.0))
    held = b.out.heard(PCMA)
    assert np.sqrt(np.mean(held[8_000:] ** 2)) > 0.02
    assert level_at(held[8_000:], 2_500.0) < 0.002
    assert np.abs(a.out.heard(PCMA)).max() < 0.01
    bridge.play("b", None)
    bridge.set_gains([("b", "a", 1.0), ("a", "b", 1.0)])
    assert not bridge.mixing


def test_a_tone_is_heard_once_by_one_leg_and_the_call_is_forwarded_again() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = room(a, b)
    run(bridge, 50, (a, 440.0), (b, 700.0))
    assert not bridge.mixing
    ended: list[str] = []
    bridge.play_once("b", make_once("recording", lambda: ended.append("b")))
    assert bridge.mixing
    heard = len(b.out.heard(PCMA))
    run(bridge, 9, (a, 440.0), (b, 700.0), start=50)
    assert bridge.mixing and not ended
    run(bridge, 30, (a, 440.0), (b, 700.0), start=59)
    assert ended == ["b"] and not bridge.mixing
    beep = b.out.heard(PCMA)[heard + 1_600 : heard + 3_200]
    assert level_at(beep, 1_400.0) == pytest.approx(np.sqrt(2) * 10 ** (-24 / 20), rel=0.15)
    assert level_at(beep, 440.0) == pytest.approx(0.25, rel=0.15), "beside what is said"
    assert level_at(a.out.heard(PCMA), 1_400.0) < 0.001


def test_music_goes_on_behind_a_tone_and_a_tone_does_not_end_with_the_music() -> None:
    a = BenchLeg("a")
    bridge = bench_bridge()
    bridge.add(a.leg)
    hold, ended = make_sound("hold"), list[str]()
    bridge.play("a", hold)
    run(bridge, 5)
    played = hold.position
    for name in ("first", "second"):  # the second one takes the first one's place
        bridge.play_once("a", make_once("recording", lambda name=name: ended.append(name)))
        run(bridge, 5)
    assert hold.position == played
    run(bridge, 6)
    assert ended == ["second"] and a.leg.sound is hold and hold.position > played
    bridge.play_once("a", make_once("recording", lambda: ended.append("third")))
    bridge.play("a", None)
    run(bridge, 5)
    assert a.leg.sound is not None and ended == ["second"]
    run(bridge, 6)
    assert a.leg.sound is None and ended == ["second", "third"] and not bridge.ticking


def test_music_gives_way_softly_to_a_sentence_and_comes_back() -> None:
    a = BenchLeg("a", "opus")
    bridge = bench_bridge()
    bridge.add(a.leg)
    music, ended = Sound(sine(500.0, 2.0, 16_000, level_dbfs=-15.0), soft=True), list[str]()
    bridge.play("a", music)
    run(bridge, 50)
    bridge.play_once("a", Sound(sine(900.0, 1.0, 16_000, level_dbfs=-15.0), lambda: ended.append("said")))
    run(bridge, 49, start=50)
    assert not ended
    run(bridge, 51, start=99)
    assert ended == ["said"] and a.leg.sound is music
    bridge.play("a", None)
    run(bridge, 5, start=150)
    assert a.leg.sound is music
    run(bridge, 6, start=155)
    assert a.leg.sound is None and not bridge.ticking
    heard = a.out.heard(OPUS)
    at = lambda begin_s, end_s, hz: level_at(heard[round(begin_s * 16_000) : round(end_s * 16_000)], hz)  # noqa: E731
    assert at(0.4, 0.9, 500.0) > 0.2 > 0.02 > at(1.4, 1.9, 500.0)
    assert at(1.1, 1.9, 900.0) > 0.2 > 0.02 > at(2.4, 2.9, 900.0) and at(2.4, 2.9, 500.0) > 0.2


def test_a_sentence_that_a_key_cut_short_is_over_at_once_and_untold_and_music_comes_back() -> None:
    a = BenchLeg("a", "opus")
    bridge = bench_bridge()
    bridge.add(a.leg)
    music, ended = Sound(sine(500.0, 2.0, 16_000, level_dbfs=-15.0), soft=True), list[str]()
    bridge.play("a", music)
    bridge.hush("a")
    run(bridge, 20)
    assert a.leg.sound is music, "music has no end"
    bridge.play_once("a", Sound(sine(900.0, 9.0, 16_000, level_dbfs=-15.0), lambda: ended.append("said")))
    run(bridge, 30, start=20)
    bridge.hush("a")
    run(bridge, 50, start=50)
    assert a.leg.sound is music and not ended
    heard = a.out.heard(OPUS)
    assert level_at(heard[-8_000:], 500.0) > 0.2 > 0.02 > level_at(heard[-8_000:], 900.0)
    bridge.hush("a")
    assert a.leg.sound is music


def test_a_leg_that_waits_hears_its_sound_and_nothing_else_is_sent() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = bench_bridge()
    bridge.add(a.leg)
    bridge.add(b.leg)
    bridge.play("a", make_sound("ringback"))
    run(bridge, 50, (b, 440.0))
    ringing = a.out.heard(PCMA)
    assert level_at(ringing[8_000:], 425.0) > 0.1
    assert not b.out.rtp
    assert a.counters["dropped_not_joined"] == 0 and b.counters["dropped_not_joined"] == 50


def test_a_silent_or_absent_side_leaves_the_other_one_silence() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = room(a, b)
    a.leg.connected = False
    bridge.replan()
    run(bridge, 10, (b, 440.0))
    assert bridge.mixing and len(b.out.rtp) == 10 and not a.out.rtp
    a.leg.connected, a.leg.silent = True, True
    bridge.replan()
    assert bridge.mixing
    a.leg.silent = False
    bridge.replan()
    assert not bridge.mixing


def test_the_echo_is_forwarded_and_when_mixed_still_an_echo() -> None:
    a, demo = BenchLeg("a", "opus"), BenchLeg("demo")
    demo.leg.programme = make_programme("echo", demo.digits.append)
    bridge = room(a, demo)
    assert not bridge.mixing
    payloads = [a.say(0.02 * i) for i in range(20)]
    assert a.out.payloads == payloads
    bridge.set_gains([("demo", "a", 0.999)])
    assert bridge.mixing
    run(bridge, 100, (a, 800.0), start=20)
    assert level_at(a.out.heard(OPUS)[-16_000:], 800.0) == pytest.approx(0.25, rel=0.1)
    bridge.set_gains([("demo", "a", 0.0)])
    run(bridge, 60, (a, 800.0), start=120)
    assert np.abs(a.out.heard(OPUS)[-8_000:]).max() < 0.01
    bridge.send_digits("demo", "42")
    assert demo.digits == ["4", "2"]


def test_digits_rest_the_audio_and_leave_the_stream_whole() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = room(a, b)
    run(bridge, 10, (a, 440.0))
    bridge.send_digits("b", "5#")
    run(bridge, 30, (a, 440.0), start=10)
    headers = b.out.headers
    assert [header.sequence for header in headers] == [1_000 + i for i in range(len(headers))]
    events = [header for header in headers if header.payload_type == 101]
    assert len({header.timestamp for header in events}) == 2 and len(events) == 20
    kinds = [header.payload_type for header in headers]
    first, last = kinds.index(101), len(kinds) - 1 - kinds[::-1].index(101)
    assert PCMA.payload_type not in kinds[first:last]
    assert kinds[-5:] == [8] * 5
    ahead = timestamp_difference(headers[-1].timestamp, headers[0].timestamp)
    assert ahead == pytest.approx(39 * 160, abs=320)


def test_a_pressed_key_is_heard_once_and_passed_on() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    room(a, b)
    a.say(0.0)
    a.press("7", 0.02)
    a.say(0.04)
    assert a.digits == ["7"]
    assert [header.payload_type for header in b.out.headers] == [8, 101, 101, 101, 8]


def test_a_pressed_key_that_the_other_side_does_not_understand_leaves_no_gap() -> None:
    a, b = BenchLeg("a"), BenchLeg("b", event=None)
    room(a, b)
    a.say(0.0)
    a.press("7", 0.02)
    a.say(0.04)
    assert [header.sequence for header in b.out.headers] == [1_000, 1_001]


def test_a_pressed_key_is_a_pause_to_the_mix_and_no_loss() -> None:
    a, b = BenchLeg("a"), BenchLeg("b", "pcmu")
    bridge = room(a, b)
    run(bridge, 50, (a, 440.0))
    a.press("7", 1.005)
    tick(bridge, 1.02)
    run(bridge, 50, (a, 440.0), start=51)
    assert a.leg.playout is not None
    assert a.leg.playout.counters.concealed_samples == 0
    assert a.leg.playout.counters.comfort_noise_samples == pytest.approx(320, abs=320)
    assert a.digits == ["7"]


def test_one_lost_packet_costs_twenty_milliseconds() -> None:
    a, b = BenchLeg("a"), BenchLeg("b", "pcmu")
    bridge = room(a, b)
    for index in range(200):
        a.say(index * 0.02 + 0.015, lost=index == 100)
        tick(bridge, (index + 1) * 0.02)
    assert a.leg.playout is not None
    assert a.leg.playout.counters.concealed_samples == 320
    assert level_at(b.out.heard(PCMU)[-16_000:], 440.0) == pytest.approx(0.25, rel=0.05)


def test_a_codec_that_changes_in_mid_stream_is_noticed() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = room(a, b)
    a.leg._on_change = bridge.replan
    a.say(0.0)
    a.codec = PCMU
    a.say(0.02)
    assert bridge.mixing


def test_a_gain_changes_by_a_ramp_and_not_by_a_click() -> None:
    a, b = BenchLeg("a"), BenchLeg("b", "pcmu")
    bridge = room(a, b)
    run(bridge, 50, (a, 90.0))
    for index in range(8):
        bridge.set_gains([("b", "a", float(index % 2))])
        run(bridge, 7, (a, 90.0), start=50 + 7 * index)
    steps = np.abs(np.diff(b.out.heard(PCMU)[16_000:]))
    assert steps.max() < 0.04, "a tone of 90 Hz at 0.25 moves by 0.009 from sample to sample; a click would by up to 0.25"


def test_a_third_who_hears_more_moves_the_room_to_the_higher_rate_and_nobody_hears_that() -> None:
    """A browser and a phone of G.711 are mixed at 8 kHz; a second browser comes and goes, and the rate follows when nobody talks."""
    a, b, c = BenchLeg("a", "opus", kind="peer"), BenchLeg("b"), BenchLeg("c", "opus", kind="peer")
    bridge = room(a, b)
    run(bridge, 50, (a, 90.0), (b, 90.0))
    assert a.leg.voice is not None and a.leg.voice.rate_hz == 8_000
    bridge.add(c.leg)
    bridge.join("c")
    run(bridge, 20, (a, 90.0), (b, 90.0), start=50)
    assert a.leg.voice is not None and a.leg.voice.rate_hz == 8_000
    run(bridge, 10, (a, 90.0), (b, 90.0), start=70, amplitude=0.0)
    assert a.leg.voice is not None and a.leg.voice.rate_hz == 16_000
    run(bridge, 30, (a, 90.0), (b, 90.0), start=80)
    assert level_at(c.out.heard(OPUS)[-8_000:], 90.0) > 0.2
    bridge.remove("c")
    run(bridge, 10, (a, 90.0), (b, 90.0), start=110, amplitude=0.0)
    assert a.leg.voice is not None and a.leg.voice.rate_hz == 8_000
    run(bridge, 50, (a, 90.0), (b, 90.0), start=120)
    for bench in (a, b):
        heard = bench.out.heard(bench.codec)
        assert level_at(heard[-12_800:], 90.0) == pytest.approx(0.25, rel=0.1)
        for at in (74 * 320, 76 * 320, 114 * 320, 116 * 320):
            assert np.abs(heard[at : at + 640]).max() < 0.02, "no click in the pause in which the rate changes"
        assert bench.leg.playout is not None and bench.leg.playout.counters.concealed_samples == 0
        assert [header.sequence for header in bench.out.headers] == [1_000 + i for i in range(170)]


def test_a_room_that_never_rests_moves_all_the_same() -> None:
    a, b, c = BenchLeg("a", "opus", kind="peer"), BenchLeg("b"), BenchLeg("c", "opus", kind="peer")
    bridge = room(a, b)
    run(bridge, 50, (a, 90.0), (b, 90.0))
    bridge.add(c.leg)
    bridge.join("c")
    run(bridge, 110, (a, 90.0), (b, 90.0), start=50)
    assert a.leg.voice is not None and a.leg.voice.rate_hz == 16_000


def test_a_sound_is_heard_beside_the_other_leg() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = room(a, b)
    bridge.play("b", make_sound("ringback"))
    run(bridge, 60, (a, 1_000.0), amplitude=0.1)
    heard = b.out.heard(PCMA)[8_000:]
    assert level_at(heard, 425.0) > 0.1 and level_at(heard, 1_000.0) == pytest.approx(0.1, rel=0.15)


def test_a_changed_agreement_goes_on_in_the_other_codec() -> None:
    a, b = BenchLeg("a"), BenchLeg("b", "pcmu")
    bridge = room(a, b)
    run(bridge, 50, (a, 440.0))
    b.agree("g722")
    bridge.replan()
    before = len(b.out.rtp)
    run(bridge, 50, (a, 440.0), start=50)
    headers = b.out.headers
    assert {header.payload_type for header in headers[before:]} == {9}
    assert [header.sequence for header in headers] == [1_000 + i for i in range(len(headers))]
    del b.out.rtp[:before]
    assert level_at(b.out.heard(G722)[8_000:], 440.0) == pytest.approx(0.25, rel=0.1)


def test_another_transport_begins_with_what_it_agreed() -> None:
    a, b = BenchLeg("a"), BenchLeg("b", "pcmu")
    bridge = room(a, b)
    a.say(0.0)
    former = a.out
    a.leg.attach(KeepingTransport())
    a.agree("pcmu")
    a.leg.connected = True
    bridge.replan()
    assert former.closed
    assert not bridge.mixing, "nothing is known to come in the former codec any more"


def test_who_joins_before_it_is_there_joins_when_it_comes() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    bridge = bench_bridge()
    bridge.join("a")
    for bench in (a, b):
        bridge.add(bench.leg)
    assert a.leg.joined and not b.leg.joined
    bridge.remove("a")
    bridge.add(BenchLeg("a").leg)
    assert not bridge.legs["a"].joined, "that was for once"


def test_a_key_pressed_at_one_phone_reaches_the_other_through_the_mix() -> None:
    a, b = BenchLeg("a"), BenchLeg("b", "pcmu")
    bridge = room(a, b)
    bridge.relay_digit(a.leg, "8")
    run(bridge, 20)
    events = [rtp.parse_event(p) for h, p in zip(b.out.headers, b.out.payloads, strict=True) if h.payload_type == 101]
    assert {event.digit for event in events if event} == {"8"} and len(events) == 10
    a, browser = BenchLeg("a"), BenchLeg("c", "opus", kind="peer")
    bridge = room(a, browser)
    bridge.relay_digit(a.leg, "8")
    assert not browser.leg.digits.busy, "a person's browser is spared the pause"
    bridge = room(BenchLeg("d", event=None), b := BenchLeg("b", "pcmu"))
    bridge.relay_digit(bridge.legs["d"], "8")
    assert not b.leg.digits.busy, "it pressed a tone, which is in its voice"


def test_opus_carries_its_own_repair_once_the_far_end_loses_packets() -> None:
    a, b = BenchLeg("a"), BenchLeg("b", "opus")
    bridge = room(a, b)
    speech = load_prompt("en-vm-intro")

    def mended(first: int) -> int:
        before = len(b.out.rtp)
        for index in range(first, first + 50):
            b.leg.play(speech[320 * index : 320 * (index + 1)], 0.02 * index)
        return sum(OpusDecoder.has_fec(payload) for payload in b.out.payloads[before:])

    assert bridge.mixing and mended(25) == 0
    b.leg.reports.far_loss = 0.1
    b.leg.adapt()
    assert mended(75) > 10


def test_a_flood_is_cut_and_counted_and_the_stream_goes_on_after_it() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    room(a, b)
    for index in range(2_000):
        a.say(index / 2_000)
    assert len(b.out.rtp) == 500 and a.counters["dropped_flood"] == 1_500
    a.leg.receive_reports(b"another", 0.99)
    assert a.leg.reports.malformed == 0
    a.leg.receive_reports(b"another", 2.0)
    assert a.leg.reports.malformed == 1
    a.say(2.0)
    assert len(b.out.rtp) == 501


@pytest.mark.parametrize("other", ["pcma", "pcmu"], ids=["forwarded", "mixed"])
def test_wild_packets_are_counted_and_the_call_goes_on_after_them(other: str) -> None:
    a, b = BenchLeg("a"), BenchLeg("b", other)
    bridge, chance = room(a, b), random.Random(3)
    for index in range(5_000):
        payload = chance.randbytes(chance.choice((0, 1, 80, 160, 480, 960, 1_300)))
        payload_type = chance.choice((8, 8, 8, 13, 96, 101))
        numbers = (chance.randrange(2**16), chance.randrange(2**32), chance.choice((77, 78, chance.randrange(2**32))))
        packet = bytearray(rtp.build(payload_type, *numbers, payload))
        packet[0] = chance.choice((0x80, 0x80, 0x80, chance.randrange(256)))
        a.leg.receive(bytes(packet), index * 0.02)
        if bridge.ticking:
            tick(bridge, index * 0.02 + 0.01)
    assert a.counters["dropped_malformed"] and a.counters["dropped_unknown_type"] and a.leg.received is not None
    run(bridge, 50, (a, 440.0), start=5_000)
    del b.out.rtp[:]
    run(bridge, 50, (a, 440.0), start=5_050)
    assert level_at(b.out.heard(b.codec), 440.0) == pytest.approx(0.25, rel=0.1)
    assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(b.out.headers)} == {1}


def test_what_nobody_agreed_to_is_no_new_source() -> None:
    a, b = BenchLeg("a"), BenchLeg("b")
    room(a, b)
    a.say(0.0)
    former = a.leg.received
    a.leg.receive(rtp.build(96, 1, 1, 999, b"x"), 0.01)
    assert a.leg.received is former and a.counters["dropped_unknown_type"] == 1


def test_what_cannot_be_done_says_why() -> None:
    a, b = BenchLeg("a", event=None), BenchLeg("b")
    bridge = bench_bridge(most_legs=2)
    bridge.add(a.leg)
    bridge.add(b.leg)
    cases: list[tuple[str, Callable[[], None]]] = [
        ("room_full", lambda: bridge.add(BenchLeg("c").leg)),
        ("bad_gain", lambda: bridge.set_gains([("a", "b", 2.1)])),
        ("unknown_sound", lambda: bridge.play("a", make_sound("polka"))),
        ("no_events", lambda: bridge.send_digits("a", "1")),
        ("bad_digits", lambda: bridge.send_digits("b", "1x")),
        ("digits_full", lambda: bridge.send_digits("b", "1" * 100)),
    ]
    for code, act in cases:
        with pytest.raises(MediaRefusal) as refusal:
            act()
        assert refusal.value.code == code


def strangeness_db(heard: "NDArray[np.float32]", frequency_hz: float, amplitude: float) -> "NDArray[np.float64]":
    """What is left of each 10 ms when the best fitting tone is taken off, over that tone: a click lights up, whatever the phase does."""
    t = np.arange(160) / 16_000
    tone = np.stack([np.cos(2 * np.pi * frequency_hz * t), np.sin(2 * np.pi * frequency_hz * t)], 1)
    windows = np.lib.stride_tricks.sliding_window_view(heard.astype(np.float64), 160)[::80]
    left = windows - windows @ np.linalg.pinv(tone).T @ tone.T
    decibels: NDArray[np.float64] = 10 * np.log10(np.mean(left**2, 1) + 1e-12) - 10 * np.log10(amplitude**2 / 2)
    return decibels


@pytest.mark.parametrize("phase_ms", [1, 8, 19])
@pytest.mark.parametrize(("codec", "clicks", "loudest_db"), [("pcma", 0, -20.0), ("opus", 3, -5.0), ("g722", 2.5, 3.0)])
def test_a_hundred_changes_between_forwarding_and_mixing_leave_no_gap_and_no_click(
    codec: str, clicks: float, loudest_db: float, phase_ms: int
) -> None:
    """``clicks``: windows of 10 ms (every 5 ms) per change in which more than 1 % is strange.

    What is left of Opus and G.722 is that encoding anew is later by 6.5 and 1.4 ms than forwarding, so the tone's phase jumps; with an
    encoder that knows no past it would be twice to three times as much, and 9 dB louder than the tone in G.722.
    """
    a, b = BenchLeg("a", codec), BenchLeg("b", codec)
    bridge = room(a, b)

    def speak(start: int, ticks: int) -> int:
        for index in range(start, start + ticks):
            a.say(index * 0.02 + phase_ms / 1_000)
            b.say(index * 0.02 + phase_ms / 1_000, frequency_hz=600.0)
            if bridge.ticking:
                tick(bridge, (index + 1) * 0.02)
        return start + ticks

    index = speak(0, 50)
    for _ in range(100):
        bridge.set_gains([("a", "b", 0.5)])
        index = speak(index, 7)
        bridge.set_gains([("a", "b", 1.0)])
        index = speak(index, 7)
    assert bridge.switches >= 200
    assert [header.sequence for header in b.out.headers] == [1_000 + number for number in range(len(b.out.headers))]
    strange = strangeness_db(b.out.heard(b.codec)[3_200:], 440.0, 0.25)
    assert np.sum(strange > -20.0) <= clicks * bridge.switches
    assert strange.max() < loudest_db
