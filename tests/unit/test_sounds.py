"""What the server plays by itself: prompts, tones, and the programmes of the demo line."""

from pathlib import Path

import numpy as np
import pytest

import media
from dsp.levels import rms_dbfs
from dsp.tones import DtmfDetector
from media.demo_leg import make_programme
from media.messages import MediaRefusal
from media.settings import FRAME_SAMPLES, RATE_HZ
from media.sounds import PROMPTS, Sound, load_prompt, make_sound
from tests.kit.leg_bench import level_at


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_is_speech_of_natural_length_and_level(name: str) -> None:
    samples = load_prompt(name)
    assert 4 * RATE_HZ < len(samples) < 10 * RATE_HZ
    assert -26 < rms_dbfs(samples) < -14
    assert load_prompt(name) is samples and not samples.flags.writeable


def test_every_shipped_prompt_is_used_and_attributed() -> None:
    folder = Path(media.__file__).parent / "prompts"
    shipped = {path.stem for path in folder.glob("*.g722")}
    text = (folder / "ATTRIBUTION.md").read_text()
    assert shipped == set(PROMPTS)
    assert all(f"`{name}.g722`" in text for name in shipped) and "CC BY-SA 3.0" in text
    assert sum(path.stat().st_size for path in folder.iterdir()) < 600_000


def test_a_sound_goes_round_without_a_seam() -> None:
    sound = Sound(np.arange(800, dtype=np.float32))
    frames = np.concatenate([sound.frame() for _ in range(10)])
    assert np.array_equal(frames, np.tile(np.arange(800, dtype=np.float32), 4))


def test_ringback_is_a_tone_with_pauses() -> None:
    sound = make_sound("ringback")
    heard = np.concatenate([sound.frame() for _ in range(225)])
    assert level_at(heard[: RATE_HZ // 2], 425.0) > 0.1
    assert not heard[2 * RATE_HZ : 4 * RATE_HZ].any()


def test_speech_programme_talks_on_and_on() -> None:
    programme = make_programme("speech", lambda digit: None)
    heard = np.concatenate([programme.frame() for _ in range(50 * 70)])
    seconds = heard.reshape(70, -1)
    assert sum(rms_dbfs(second) > -40 for second in seconds) > 50
    assert heard.shape == (50 * 70 * FRAME_SAMPLES,)


def test_keys_programme_is_heard_as_tones_and_told_as_digits() -> None:
    told: list[str] = []
    programme = make_programme("dtmf", told.append)
    detector = DtmfDetector(1, RATE_HZ)
    heard = [digit for _ in range(50 * 10) for _, digit in detector.process(programme.frame()[None])]
    assert "".join(told) == "12345#"
    assert "".join(heard).endswith("12345#")


def test_an_unknown_programme_is_refused() -> None:
    with pytest.raises(MediaRefusal, match="use echo, speech or dtmf"):
        make_programme("opera", lambda digit: None)
