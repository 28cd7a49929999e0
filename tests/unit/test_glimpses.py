"""Voices that are only forwarded: what is clearly wrong is seen in some glimpses, a fine voice is let alone, and looking stays cheap."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.echo_hint import echo_likeness
from media import rtp
from media.bridge import Bridge
from media.codec import make_encoder
from media.glimpses import Glimpses
from media.sounds import load_prompt
from media.voice_care import VoiceSettings
from media.voices import Voices
from rooms.audio import AudioCodec
from tests.kit.leg_bench import BenchLeg, tick

FRAME, AUTO = 320, VoiceSettings()
Sound = NDArray[np.float32]


def conversation(name: str, seconds: int, *, first: bool) -> Sound:
    """Two seconds of speech and two of silence, taking turns with the other one."""
    speech, turns = load_prompt(name).reshape(-1), np.arange(seconds * 16_000) // 32_000 % 2 == (0 if first else 1)
    said: Sound = np.where(turns, np.resize(speech, seconds * 16_000), 0.0).astype(np.float32)
    return said


def hiss(seconds: int, level_dbfs: float) -> Sound:
    noise: Sound = (np.random.default_rng(3).standard_normal(seconds * 16_000) * 10 ** (level_dbfs / 20)).astype(np.float32)
    return noise


class Call:
    """A phone (``a``) and a browser (``b``) of one codec in a room, each saying its sound."""

    def __init__(self, a: Sound, b: Sound, codec: str = "pcma", settings: VoiceSettings = AUTO) -> None:
        self.a, self.b = BenchLeg("a", codec, kind="phone"), BenchLeg("b", codec, kind="peer")
        self.bridge = Bridge("room", Voices(settings, 16))
        for bench in (self.a, self.b):
            self.bridge.add(bench.leg)
            self.bridge.join(bench.leg.leg_id)
        self.glimpses = Glimpses(settings, clock=lambda: 0.0)
        self._packets = [packets(bench.codec, sound) for bench, sound in ((self.a, a), (self.b, b))]
        self.number, self.start_s = 0, time.monotonic()  # a voice that begins to be mixed looks at the clock

    def go_on(self, ticks: int) -> list[str]:
        """Who was found to need care; with that it ends."""
        found = []
        for _ in range(ticks):
            now_s = self.start_s + 0.02 * self.number
            for bench, stream in zip((self.a, self.b), self._packets, strict=True):
                bench.leg.receive(next(stream), now_s)
            tick(self.bridge, now_s + 0.005)
            self.number += 1
            leg = self.glimpses.look((self.a.leg, self.b.leg), now_s + 0.005)
            if leg is not None:
                found.append(leg.leg_id)
                leg.cared = True
                self.bridge.replan()
                break
        return found


def packets(codec: AudioCodec, sound: Sound) -> Iterator[bytes]:
    encoder = make_encoder(codec, rate_hz=16_000)
    for number, frame in enumerate(sound.reshape(-1, FRAME)):
        yield rtp.build(codec.payload_type, number, number * codec.clock_rate // 50, 77, encoder.encode(frame))


FINE = 0.5 * conversation("en-vm-intro", 60, first=True)
OTHER = conversation("es-vm-intro", 60, first=False)


@pytest.mark.parametrize("codec", ["pcma", "opus"])
def test_a_fine_voice_is_let_alone(codec: str) -> None:
    call = Call(FINE, OTHER, codec)
    assert call.go_on(3_000) == [] and call.glimpses.taken == 24 and not call.bridge.mixing


@pytest.mark.parametrize(
    ("sound", "codec"),
    [(FINE + hiss(60, -34.0), "pcma"), (FINE + hiss(60, -34.0), "g722"), (0.06 * FINE, "pcmu"), (0.6 * FINE + hiss(60, -38.0), "opus")],
    ids=["noise", "noise in G.722", "quiet", "noise in Opus"],
)
def test_what_is_clearly_wrong_is_seen(sound: Sound, codec: str) -> None:
    assert Call(sound, OTHER, codec).go_on(3_000) == ["a"]


@pytest.mark.parametrize(("delay_ms", "loss_db"), [(60, 15.0), (250, 25.0)])
def test_an_echo_is_seen_where_it_comes_from(delay_ms: int, loss_db: float) -> None:
    echo = np.roll(OTHER, delay_ms * 16) * np.float32(10 ** (-loss_db / 20))
    assert Call(FINE + echo, OTHER).go_on(3_000) == ["a"]
    assert Call(FINE + echo, OTHER, settings=VoiceSettings(echo="off")).go_on(3_000) == []


def test_between_browsers_only_an_echo_counts() -> None:
    call = Call(FINE + hiss(60, -34.0), OTHER, "opus")
    call.a.leg.kind = "peer"
    assert call.go_on(3_000) == []
    echo = np.roll(OTHER, 100 * 16) * np.float32(0.2)
    call = Call(FINE + echo, OTHER, "opus")
    call.a.leg.kind = "peer"
    assert call.go_on(3_000) == ["a"]


def test_other_speech_is_no_echo() -> None:
    rng = np.random.default_rng(5)
    one, other = load_prompt("en-vm-intro").reshape(-1)[::2], load_prompt("es-vm-intro").reshape(-1)[::2]
    alike = []
    for _ in range(100):
        at, where = rng.integers(0, len(one) - 1_600), rng.integers(0, len(other) - 4_800)
        alike.append(echo_likeness(one[at : at + 1_600], other[where : where + 4_800])[0])
    assert np.median(alike) < 0.25
    said = 0.1 * other[8_000:9_600]
    likeness, lag = echo_likeness(said, other[5_000:9_800])
    assert likeness > 0.99 and lag == 200


def test_a_voice_that_became_fine_is_forwarded_again_after_ten_seconds() -> None:
    sound = FINE.copy()
    sound[: 30 * 16_000] += hiss(30, -34.0)
    call = Call(sound, OTHER, settings=VoiceSettings(sample_every_s=2.0))
    assert call.go_on(1_500) == ["a"] and call.bridge.mixing
    switches = call.bridge.switches
    while call.number < 2_900:
        assert call.go_on(50) == []
        now_s, voice = call.start_s + 0.02 * call.number, call.a.leg.voice
        call.bridge.voices.adapt(now_s)
        if voice is not None and not call.bridge.voices.needs_care(voice, now_s):
            call.a.leg.cared = False
            call.glimpses.doubt(call.a.leg, now_s)
            call.bridge.replan()
    assert not call.bridge.mixing and call.bridge.switches == switches + 1
    sequences = [header.sequence for header in call.b.out.headers]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


def test_looking_takes_a_hundredth_of_the_processor_at_most() -> None:
    spent_s = [0.0]

    def clock() -> float:
        spent_s[0] += 0.001
        return spent_s[0]

    call = Call(FINE, OTHER)
    call.glimpses = glimpses = Glimpses(VoiceSettings(sample_every_s=0.02), clock=clock)
    call.go_on(1_000)
    assert 0.009 * 20 < 0.001 * glimpses.taken <= 0.01 * 20 + 0.001


def test_what_is_always_cleaned_is_never_forwarded() -> None:
    assert VoiceSettings(noise="on").touches_all and not VoiceSettings(noise="on").looks
    assert not VoiceSettings.untouched().looks and not VoiceSettings(sample_every_s=0.0).looks and VoiceSettings().looks
