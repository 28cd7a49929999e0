"""Voices of a worker: cleaned together, mixed together, and nobody is cut on joining."""

import numpy as np
import pytest

from media.messages import MediaRefusal
from media.settings import FRAME_SAMPLES, RATE_HZ
from media.sounds import load_prompt
from media.voice_care import VoiceSettings
from media.voices import Voice, Voices

CROSSED = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
PLAIN = VoiceSettings.untouched()
WATCHED = VoiceSettings(echo="off", noise="off", gain="auto")


def tick(voices: Voices, *said: tuple[Voice, np.ndarray]) -> None:
    for voice, frame in said:
        voice.said[:] = frame
    voices.clean()
    voices.mix()


def frames(samples: np.ndarray) -> np.ndarray:
    return samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


def pair(voices: Voices, kind: str = "peer") -> tuple[Voice, Voice]:
    one, other = voices.open(kind, 0.0), voices.open(kind, 0.0)
    voices.set_room("room", (one, other), CROSSED, at_once=True)
    return one, other


def test_untouched_voices_are_heard_bit_for_bit_in_the_same_tick() -> None:
    voices = Voices(PLAIN, 16)
    one, other = pair(voices)
    said = frames(0.1 * np.random.default_rng(1).standard_normal(3_200).astype(np.float32))
    for frame in said:
        tick(voices, (one, frame))
        assert np.array_equal(other.heard, frame)
        assert not one.heard.any()
        assert one.power == pytest.approx(float(np.mean(frame**2)), rel=1e-4)
    tick(voices)
    assert not other.heard.any(), "a leg of which nothing was put is silent"
    assert voices.measures(one) is None


def test_a_voice_that_joins_in_mid_speech_is_not_cut() -> None:
    voices = Voices(WATCHED, 16)
    one, other = pair(voices)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    heard = []
    for frame in frames((0.3 * np.sin(2 * np.pi * 300 * time_s)).astype(np.float32)):
        tick(voices, (one, frame))
        heard.append(other.heard.copy())
    sound = np.concatenate(heard)
    envelope = np.abs(sound.reshape(-1, 80)).max(axis=1)
    assert envelope.min() > 0.15, "no hole where the chain's delay begins"
    assert np.abs(np.diff(sound)).max() < 1.5 * 0.3 * 2 * np.pi * 300 / RATE_HZ, "no click"


def test_what_a_leg_was_sent_is_the_far_end_of_its_echo() -> None:
    voices = Voices(VoiceSettings(noise="off", gain="off"), 16)
    phone, agent = pair(voices, "phone")
    sentence = load_prompt("en-vm-intro")
    echo, loss_db = np.zeros(FRAME_SAMPLES, np.float32), []
    for _ in range(2):
        for frame in frames(sentence):
            tick(voices, (agent, frame), (phone, 0.3 * echo))
            echo = phone.sent.copy()
            loss_db.append(10 * np.log10((np.mean(agent.heard**2) + 1e-10) / (np.mean(frame**2) + 1e-8)))
    measures = voices.measures(phone)
    assert measures is not None
    assert measures.echo_return_loss_db == pytest.approx(10.5, abs=1.5)
    assert np.median(loss_db[-150:]) < -35, "the agent hears next to nothing of his echo"


def test_rooms_hear_nothing_of_each_other_and_rows_are_used_again() -> None:
    voices = Voices(PLAIN, 16)
    one, other = pair(voices)
    third = voices.open("phone", 0.0)
    loud = np.full(FRAME_SAMPLES, 0.5, np.float32)
    tick(voices, (third, loud))
    assert not one.heard.any() and not other.heard.any() and not third.heard.any()
    voices.remove_room("room")
    voices.close(one)
    again = voices.open("peer", 0.0)
    assert again.row == one.row
    tick(voices, (other, loud))
    assert not again.heard.any(), "the room is gone, and with it who heard whom"


def test_a_full_worker_says_so() -> None:
    voices = Voices(PLAIN, 16)
    for _ in range(16):
        voices.open("peer", 0.0)
    with pytest.raises(MediaRefusal, match="as many legs as it can"):
        voices.open("peer", 0.0)


def test_care_follows_what_is_measured() -> None:
    voices = Voices(VoiceSettings(echo="off", noise="off"), 16)
    one, other = pair(voices)
    soft = frames(0.02 * load_prompt("en-vm-intro"))
    levels = []
    for second in range(8):
        for frame in soft[(50 * second) % 200 :][:50]:
            tick(voices, (one, frame))
            levels.append(float(np.mean(other.heard**2)))
        voices.adapt(float(second))
    assert np.mean(levels[-100:]) > 10 * np.mean(levels[:100]), "a voice far too soft is brought up, a browser's too"
