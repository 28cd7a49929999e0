"""Levels and the holes in speech."""

import numpy as np
import pytest

from dsp.levels import FLOOR_DBFS, levels_dbfs, longest_silence_s, peak_dbfs, rms_dbfs, runs
from tests.kit.speech import speech


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
