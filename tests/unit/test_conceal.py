"""Concealment and stretching: pitch found, holes filled, no clicks, and equal to the definition where there is one."""

import numpy as np
import pytest

from dsp.conceal import Concealer
from dsp.levels import levels_dbfs, rms_dbfs
from dsp.pitch import find_period
from dsp.stretch import lengthen, shorten
from tests.kit.speech import frames, speech

RATES_HZ = (8_000, 16_000, 48_000)


def voice(rate_hz: int, seconds: float, pitch_hz: float = 160.0) -> np.ndarray:
    """A steady voice-like tone: ten harmonics of the pitch."""
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    harmonics = [np.sin(2 * np.pi * pitch_hz * k * t + k * k) / k for k in range(1, 11)]
    return (0.1 * np.sum(harmonics, axis=0)).astype(np.float32)


def best_lag_by_definition(x: np.ndarray, shortest: int, longest: int, window: int) -> int:
    scores = {}
    for lag in range(shortest, longest + 1):
        a, b = x[-window:].astype(float), x[-window - lag : len(x) - lag].astype(float)
        scores[lag] = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    return max(scores, key=lambda lag: scores[lag])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("pitch_hz", [80.0, 125.0, 210.0, 330.0])
def test_pitch_is_found(rate_hz: int, pitch_hz: float) -> None:
    x = voice(rate_hz, 0.06, pitch_hz)
    lag, score = find_period(x, rate_hz, shortest_s=0.0025, longest_s=0.015, window_s=0.02)
    periods = lag * pitch_hz / rate_hz
    assert abs(periods - round(periods)) < 0.03 and round(periods) >= 1 and score > 0.97


def test_pitch_equals_its_definition() -> None:
    x = speech(3.0)
    for at in range(16_000, 40_000, 1_111):
        past = x[at - 640 : at]
        folded = past.reshape(-1, 2).mean(axis=1)
        if rms_dbfs(past) > -40:
            lag, _ = find_period(folded, 8_000, shortest_s=0.0025, longest_s=0.015, window_s=0.01)
            assert lag == best_lag_by_definition(folded, 20, 120, 80)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_lost_frame_of_a_steady_voice_is_hardly_missed(rate_hz: int) -> None:
    x = voice(rate_hz, 0.5)
    concealer, out = Concealer(rate_hz), []
    for k, frame in enumerate(frames(x, rate_hz)):
        out.append(concealer.conceal(len(frame)) if k == 12 else concealer.received(frame))
    y = np.concatenate(out)
    n = rate_hz // 50
    error = y[12 * n : 14 * n] - x[12 * n : 14 * n]
    assert rms_dbfs(error) < rms_dbfs(x) - 8
    assert np.array_equal(y[: 12 * n], x[: 12 * n]) and np.array_equal(y[14 * n :], x[14 * n :])
    assert np.abs(np.diff(y)).max() < 1.5 * np.abs(np.diff(x)).max()  # no click


def test_ten_ms_at_a_time_is_the_same_hole() -> None:
    x = frames(speech(2.0))
    whole, halves = Concealer(16_000), Concealer(16_000)
    for frame in x[:60]:
        whole.received(frame)
        halves.received(frame)
    assert np.allclose(whole.conceal(640), np.concatenate([halves.conceal(160) for _ in range(4)]), atol=1e-6)
    assert np.allclose(whole.received(x[62]), halves.received(x[62]), atol=1e-6)


def test_a_long_hole_fades_to_the_background_and_stays_there() -> None:
    rng = np.random.default_rng(1)
    background = (0.001 * rng.standard_normal(16_000)).astype(np.float32)
    concealer = Concealer(16_000)
    for frame in frames(background):
        concealer.received(frame)
    for frame in frames(voice(16_000, 0.2)):
        concealer.received(frame)
    hole = levels_dbfs(concealer.conceal(1_600), 16_000).tolist() + levels_dbfs(concealer.conceal(8_000), 16_000).tolist()
    assert np.mean(hole[:2]) > -25 and all(level > -45 for level in hole[:20])  # heard for 100 ms
    assert all(abs(level + 60) < 4 for level in hole[30:])  # from 150 ms on the background at -60 dBFS


def test_silence_stays_silence_and_nothing_comes_before_anything() -> None:
    concealer = Concealer(8_000)
    assert not concealer.conceal(160).any()
    assert not concealer.received(np.zeros(160, np.float32)).any()
    assert not concealer.conceal(1_600).any()


def test_a_loud_background_is_not_made_up() -> None:
    concealer, rng = Concealer(8_000), np.random.default_rng(1)
    for _ in range(20):
        concealer.received((0.3 * rng.standard_normal(160)).astype(np.float32))
    concealer.conceal(1_600)
    assert rms_dbfs(concealer.conceal(1_600)) < -38


def test_speech_with_holes_is_finite_and_never_louder_than_speech() -> None:
    rng = np.random.default_rng(3)
    x = frames(speech(6.0))
    for rate_hz, step in ((16_000, 1), (8_000, 2)):
        concealer = Concealer(rate_hz)
        y = np.concatenate([concealer.conceal(320 // step) if rng.random() < 0.2 else concealer.received(f[::step].copy()) for f in x])
        assert np.isfinite(y).all() and np.abs(y).max() <= 1.3 * np.abs(np.concatenate(x)).max()


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
@pytest.mark.parametrize("change", [shorten, lengthen])
def test_stretching_takes_whole_periods_without_a_click(change, rate_hz: int) -> None:
    x = voice(rate_hz, 0.02, 200.0)
    y = change(x, rate_hz, rate_hz // 100)
    difference = abs(len(y) - len(x))
    assert difference and abs(difference * 200.0 / rate_hz - round(difference * 200.0 / rate_hz)) < 0.03
    assert (len(y) > len(x)) == (change is lengthen)
    assert y[0] == x[0] and y[-1] == x[-1]
    ideal = voice(rate_hz, len(y) / rate_hz, 200.0)
    assert np.abs(y - ideal).max() < 0.03


@pytest.mark.parametrize("change", [shorten, lengthen])
def test_stretching_leaves_noise_alone_and_takes_what_it_likes_of_silence(change) -> None:
    noise = (0.1 * np.random.default_rng(1).standard_normal(320)).astype(np.float32)
    assert change(noise, 16_000, 160) is noise
    assert abs(len(change(np.zeros(320, np.float32), 16_000, 100)) - 320) == 100
    assert abs(len(change(np.zeros(320, np.float32), 16_000, 1_000)) - 320) == 160
    assert len(change(np.zeros(320, np.float32), 16_000, 10)) == 320
    assert len(change(np.zeros(20, np.float32), 16_000, 100)) == 20


@pytest.mark.parametrize("change", [shorten, lengthen])
def test_stretching_never_goes_beyond_what_is_wanted(change) -> None:
    x = speech(4.0)
    changed = 0
    for at in range(0, len(x) - 320, 113):
        for wanted in (41, 65, 97, 159):
            difference = abs(len(change(x[at : at + 320], 16_000, wanted)) - 320)
            assert difference <= wanted
            changed += difference > 0
    assert changed > 100
