"""Levels and the holes in speech."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.levels import FLOOR_DBFS, Levels, levels_dbfs, longest_silence_s, peak_dbfs, rms_dbfs, runs
from tests.kit.speech import speech

Samples = NDArray[np.float32]


def test_levels_of_known_signals() -> None:
    sine = np.sin(2 * np.pi * np.arange(1600) / 16).astype(np.float32)
    assert rms_dbfs(np.ones(320, np.float32)) == 0.0
    assert rms_dbfs(sine) == pytest.approx(-3.01, abs=0.01) and peak_dbfs(0.1 * sine) == pytest.approx(-20, abs=0.2)
    assert rms_dbfs(np.zeros(320, np.float32)) == peak_dbfs(np.zeros(0, np.float32)) == rms_dbfs(np.zeros(0, np.float32)) == FLOOR_DBFS


def test_levels_by_window_equal_those_of_each_window() -> None:
    x = speech(1.0)
    assert np.allclose(levels_dbfs(x, 16_000), [rms_dbfs(x[at : at + 80]) for at in range(0, len(x), 80)], atol=1e-3)


def test_runs() -> None:
    assert runs(np.array([1, 1, 0, 1, 0, 0, 1], bool)) == [(0, 2), (3, 4), (6, 7)]
    assert runs(np.zeros(3, bool)) == []


def test_a_hole_in_a_vowel_is_measured() -> None:
    reference = speech(5.0)
    assert longest_silence_s(reference, reference, 16_000) == 0
    levels = levels_dbfs(reference, 16_000)
    start = next(start for start, end in runs(levels > -30) if end - start >= 30)  # 150 ms of loud speech
    heard = reference.copy()
    at = (start + 4) * 80
    heard[at : at + 1600] = 0
    assert longest_silence_s(heard, reference, 16_000) == pytest.approx(0.1, abs=0.006)


def test_pauses_and_swallowed_beginnings_are_no_holes() -> None:
    rng = np.random.default_rng(1)
    reference = 0.1 * rng.standard_normal(16_000).astype(np.float32)
    reference[4000:8000] = 0
    swallowed = reference.copy()
    swallowed[8000:9600] = 0
    assert longest_silence_s(reference, reference, 16_000) == longest_silence_s(swallowed, reference, 16_000) == 0
    swallowed[10_000:11_000] = 0
    assert longest_silence_s(swallowed, reference, 16_000) == pytest.approx(0.06, abs=0.006)


PUBLISHED = ("rms_dbfs", "peak_dbfs", "noise_dbfs", "speech_dbfs", "clipping", "snr_db")


def measured(x: Samples, *, capacity: int | None = None, size: int = 320) -> Levels:
    meter = Levels(capacity or len(x))
    for at in range(0, x.shape[1] - size + 1, size):
        meter.process(np.ascontiguousarray(x[:, at : at + size]))
    return meter


def test_a_block_of_many_legs_has_the_levels_of_each() -> None:
    x = np.stack([speech(0.4), 0.1 * speech(0.4, "es-vm-intro"), np.zeros(6400, np.float32), np.ones(6400, np.float32)])
    meter = measured(x)
    for row in range(4):
        assert meter.rms_dbfs[row] == pytest.approx(rms_dbfs(x[row, -320:]), abs=0.01)
        assert meter.peak_dbfs[row] == pytest.approx(peak_dbfs(x[row, -320:]), abs=0.01)


@pytest.mark.parametrize("gain_db", [-30, -10, 0])
def test_speech_over_noise_has_its_active_level_floor_and_ratio(gain_db: float) -> None:
    rng, clean = np.random.default_rng(3), np.concatenate((np.zeros(32_000, np.float32), speech(6.0)))
    gain = np.float32(10 ** (gain_db / 20))
    x = gain * (clean + (0.002 * rng.standard_normal(len(clean))).astype(np.float32))[None]
    meter = measured(x)
    powers = 10 ** (levels_dbfs(clean, 16_000, window_s=0.01) / 10)
    active = 10 * np.log10(powers[powers > powers.max() * 10**-3].mean())
    assert meter.noise_dbfs[0] == pytest.approx(-54 + gain_db, abs=2)
    assert meter.speech_dbfs[0] == pytest.approx(active + gain_db, abs=2)
    assert meter.snr_db[0] == pytest.approx(active + 54, abs=3)


def test_a_far_quieter_voice_is_found_again() -> None:
    voice = speech(6.0)
    meter = measured(np.concatenate((voice, np.tile(voice * 0.05, 3)))[None])
    assert meter.speech_dbfs[0] == pytest.approx(measured(voice[None]).speech_dbfs[0] - 26, abs=3)


def test_clipping_is_the_fraction_at_full_scale_and_is_forgotten() -> None:
    square = np.where(np.arange(48_000) % 4 == 0, 1.0, 0.2).astype(np.float32)[None]
    assert measured(square).clipping[0] == pytest.approx(0.25, abs=0.02)
    assert measured(np.concatenate((square, 0.2 * square), axis=1)).clipping[0] < 0.02


def test_legs_are_measured_alone_and_start_anew() -> None:
    rng = np.random.default_rng(4)
    x = (0.1 * rng.standard_normal((20, 3200))).astype(np.float32)
    alone = [measured(x[row : row + 1]) for row in range(20)]
    x[2], x[9] = np.nan, np.inf
    together = measured(x, capacity=32)
    for row in set(range(20)) - {2, 9}:
        for name in PUBLISHED:
            assert getattr(together, name)[row] == getattr(alone[row], name)[0]
    together.reset(np.arange(32) < 20)
    fresh = Levels(32)
    for name in PUBLISHED:
        assert np.array_equal(getattr(together, name), getattr(fresh, name))
    x[2] = x[9] = 0.1
    for at in range(0, 3200, 320):
        together.process(np.ascontiguousarray(x[:, at : at + 320]))
    assert all(getattr(together, name)[0] == getattr(alone[0], name)[0] for name in PUBLISHED)


def test_silence_has_levels_too() -> None:
    meter = measured(np.zeros((1, 16_000), np.float32))
    assert meter.rms_dbfs[0] == meter.noise_dbfs[0] == meter.speech_dbfs[0] == pytest.approx(FLOOR_DBFS, abs=1e-3)
    assert meter.snr_db[0] == meter.clipping[0] == 0
