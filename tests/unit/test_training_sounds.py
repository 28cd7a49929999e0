"""What the suppressor is trained on: sounds are seeded and finite, voices get the pitch and tract that was asked for, rooms die away."""

from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest

import media
from dsp.pitch import find_period
from ml.training import noises, rooms
from ml.training.speech import RATE_HZ, Voice, revoiced, voices
from tests.kit.speech import speech

N = 2 * RATE_HZ


def buzz(pitch_hz: float, formant_hz: float) -> np.ndarray:
    """Harmonics of ``pitch_hz`` under one formant, float32 (32000,)."""
    t = np.arange(N) / RATE_HZ
    harmonics = [np.sin(2 * np.pi * f * t) / (1 + ((f - formant_hz) / 300) ** 2) for f in np.arange(pitch_hz, 7000, pitch_hz)]
    return (0.02 * np.sum(harmonics, axis=0)).astype(np.float32)


@pytest.mark.parametrize("maker", [maker for maker, _ in noises.GENERATED], ids=lambda maker: maker.__name__)
def test_noises_are_seeded_and_finite(maker: noises.Maker) -> None:
    x = maker(np.random.default_rng(4), N)
    assert x.dtype == np.float32 and x.shape == (N,) and np.isfinite(x).all() and np.std(x) > 0
    assert np.array_equal(x, maker(np.random.default_rng(4), N)) and not np.array_equal(x, maker(np.random.default_rng(5), N))


def test_the_bank_is_of_one_loudness() -> None:
    rng = np.random.default_rng(1)
    told = np.tile(np.asarray(speech(6.0) * 32767, np.int16), 2)
    made = noises.bank(rng, [Voice("one", told, False)], [told], clips=30, seconds=1.0)
    assert len(made) == 30
    levels = [np.sqrt(np.mean(np.square(pcm / 32768.0))) for _, pcm in made]
    assert min(levels) > 0.03 and max(levels) < 0.11


@pytest.mark.parametrize(("ratio", "tract"), [(0.7, 0.9), (1.25, 1.1)])
def test_a_new_voice_has_the_pitch_and_tract_asked_for(ratio: float, tract: float) -> None:
    x = revoiced(buzz(200, 1500), ratio, tract, np.random.default_rng(1))
    middle = x[len(x) // 2 :][:1600]
    lag, _ = find_period(middle, RATE_HZ, shortest_s=0.0025, longest_s=0.012, window_s=0.03)
    assert RATE_HZ / lag == pytest.approx(200 * ratio, rel=0.03)
    spectrum = np.abs(np.fft.rfft(x[4000:20000])) ** 2
    hz = np.arange(len(spectrum)) * RATE_HZ / 16000
    strong = hz < 4000
    assert np.average(hz[strong], weights=spectrum[strong] ** 0.5) == pytest.approx(
        np.average(hz[strong], weights=(1 / (1 + ((hz[strong] - 1500 * tract) / 300) ** 2))), rel=0.2
    )


def test_voices_come_in_several_pitches(tmp_path: Path) -> None:
    folder = tmp_path / "en_US_f_Test"
    folder.mkdir()
    for path in (Path(media.__path__[0]) / "prompts").glob("*.g722"):
        copyfile(path, folder / path.name)
    made = voices(tmp_path, np.random.default_rng(1))
    assert len({voice.name for voice in made}) == len(made) == 6
    again = voices(tmp_path, np.random.default_rng(1))
    assert all(np.array_equal(one.pcm, other.pcm) for one, other in zip(made, again, strict=True))


def test_rooms_die_away_and_their_early_part_sooner() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        room = rooms.response(rng)
        early = rooms.early(room, rng)
        cut = int(rooms.EARLY_S * RATE_HZ)
        assert room[0] == 1 and np.isfinite(room).all()
        assert np.array_equal(room[:cut], early[:cut])
        assert np.sum(early[cut * 3 :] ** 2) < np.sum(room[cut * 3 :] ** 2)
        assert np.sum(room[6000:] ** 2) < np.sum(room[:6000] ** 2)
