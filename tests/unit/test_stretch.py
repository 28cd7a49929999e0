"""Stretching: the compiled search equals its definition, pitch and level stay, nothing clicks."""

import numpy as np
import pytest

from dsp.levels import rms_dbfs
from dsp.stretch import ALIKE, lengthen, most_alike, shorten
from tests.kit.speech import speech

Change = type(shorten)


def likeness(x: np.ndarray, at: int, cut: int, fold: int) -> float:
    a, b = x[at : at + cut : fold].astype(float), x[at + cut : at + 2 * cut : fold].astype(float)
    return float(1.0 - ((a - b) ** 2).sum() * fold / (2 * cut * (np.mean(x.astype(float) ** 2) + 1e-12)))


def most_alike_by_definition(x: np.ndarray, shortest: int, longest: int, fold: int, place: int) -> tuple[int, int, float]:
    """Every place, every length; then around the best length at every sample."""

    def room(at: int) -> int:
        return min(longest, (len(x) - at) // 2)

    tried = [(at, cut) for at in range(0, len(x) - 2 * shortest + 1, place) for cut in range(shortest, room(at) + 1, fold)]
    at, cut = max(tried, key=lambda one: likeness(x, *one, fold))
    around = range(max(shortest, cut - fold + 1), min(room(at), cut + fold - 1) + 1)
    best = max(around, key=lambda length: likeness(x, at, length, 1))
    return at, best, likeness(x, at, best, 1)


@pytest.mark.parametrize(("rate_hz", "fold"), [(8_000, 1), (16_000, 2)])
def test_the_search_equals_its_definition(rate_hz: int, fold: int) -> None:
    x = speech(4.0)[:: 16_000 // rate_hz].copy()
    n = rate_hz // 50
    for at in range(n, len(x) - 2 * n, 17 * n):
        part = x[at : at + 2 * n]
        found = most_alike(part, n // 8, 3 * n // 4, fold, n // 8)
        expected = most_alike_by_definition(part, n // 8, 3 * n // 4, fold, n // 8)
        assert found[:2] == expected[:2] or found[2] == pytest.approx(expected[2], abs=1e-4)
        assert found[2] == pytest.approx(expected[2], abs=1e-4)


@pytest.mark.parametrize("change", [shorten, lengthen])
@pytest.mark.parametrize("pitch_hz", [80.0, 140.0, 260.0])
def test_a_voice_keeps_pitch_and_level_when_all_of_it_is_changed(change: Change, pitch_hz: float) -> None:
    t = np.arange(32_000) / 16_000
    x = (0.1 * np.sum([np.sin(2 * np.pi * pitch_hz * k * t + k) / k for k in range(1, 10)], axis=0)).astype(np.float32)
    y = np.concatenate([change(x[at : at + 640], 16_000, 640) for at in range(0, len(x), 640)])
    share = abs(len(y) / len(x) - 1)
    assert 0.05 < share < 0.4
    assert rms_dbfs(y) == pytest.approx(rms_dbfs(x), abs=0.3)
    assert (
        max(np.abs(np.diff(change(x[at : at + 640], 16_000, 640))).max() for at in range(0, 32_000, 640)) < 1.2 * np.abs(np.diff(x)).max()
    )
    periods = abs(len(change(x[:640], 16_000, 640)) - 640) * pitch_hz / 16_000
    assert periods == pytest.approx(round(periods), abs=0.03) and periods > 0.5


@pytest.mark.parametrize("change", [shorten, lengthen])
def test_speech_is_changed_by_a_sixth_and_more_without_steps(change: Change) -> None:
    """No sample steps further than speech itself does, and the ends stay, so that what comes before and after fits."""
    x = speech(6.0)
    parts = [x[at : at + 640] for at in range(0, len(x) - 639, 640)]
    changed = [change(part, 16_000, 640) for part in parts]
    share = abs(sum(map(len, changed)) / (640 * len(parts)) - 1)
    assert share > 1 / 6 - 0.03
    steepest = np.abs(np.diff(x)).max()
    assert all(np.abs(np.diff(part)).max() <= 1.1 * steepest for part in changed)
    for part, whole in zip(changed, parts, strict=True):
        assert part[0] == whole[0] and part[-1] == pytest.approx(whole[-1], abs=0.02)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_left_alone(wrong: float) -> None:
    x = speech(1.0)[8_000:8_640].copy()
    x[300] = wrong
    with np.errstate(invalid="ignore", over="ignore"):
        assert len(shorten(x, 16_000, 640)) <= 640 and len(lengthen(x, 16_000, 640)) >= 640


def test_noise_is_touched_only_when_less_likeness_is_asked_for() -> None:
    noise = (0.1 * np.random.default_rng(3).standard_normal(640)).astype(np.float32)
    assert shorten(noise, 16_000, 640) is noise and ALIKE > 0.5
    assert len(shorten(noise, 16_000, 640, alike=0.1)) < 640
