"""The frame resampler: as many samples as the clock says, late by 2.5 ms, clean, and equal to its formula written out."""

import math

import numpy as np
import pytest

from dsp.resample import DELAY_S, Resampler

PAIRS = [(8_000, 16_000), (16_000, 8_000), (16_000, 48_000), (48_000, 16_000), (8_000, 48_000), (48_000, 8_000), (24_000, 16_000)]


def resampled(x: np.ndarray, rate_in: int, rate_out: int, frame_s: float = 0.02) -> np.ndarray:
    resampler, n = Resampler(rate_in, rate_out), round(rate_in * frame_s)
    return np.concatenate([resampler.process(x[at : at + n]) for at in range(0, len(x) - n + 1, n)])


def by_the_formula(x: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    """Every output sample as a Kaiser-windowed sinc sum around its time, one after another."""
    delay = round(DELAY_S * rate_in)
    cut = 2 * (min(rate_in, rate_out) / 2 - 120) / rate_in
    out = []
    for j in range(len(x) * rate_out // rate_in):
        middle = j * rate_in / rate_out - delay
        taps = np.arange(math.ceil(middle - delay - 1e-9), math.floor(middle + delay + 1e-9) + 1)
        away = middle - taps
        weights = np.sinc(cut * away) * np.i0(6.0 * np.sqrt(np.maximum(0.0, 1 - (away / delay) ** 2)))
        here = (taps >= 0) & (taps < len(x))
        out.append((weights[here] * x[taps[here]]).sum() / weights.sum())
    return np.array(out)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_equals_its_formula(rate_in: int, rate_out: int) -> None:
    x = np.random.default_rng(1).standard_normal(rate_in // 50).astype(np.float32)
    assert np.abs(resampled(x, rate_in, rate_out, 0.004) - by_the_formula(x, rate_in, rate_out)).max() < 1e-5


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_every_call_gives_20_ms_from_the_first_on(rate_in: int, rate_out: int) -> None:
    resampler = Resampler(rate_in, rate_out)
    for _ in range(3):
        assert resampler.process(np.ones(rate_in // 50, np.float32)).shape == (rate_out // 50,)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_delay_is_what_it_says(rate_in: int, rate_out: int) -> None:
    """A slow chirp's envelope peak, found between samples by correlation with the shifted original."""
    at_s = 0.05
    x, y = ((np.exp(-(((np.arange(rate // 10) / rate - at_s) / 0.002) ** 2))).astype(np.float32) for rate in (rate_in, rate_out))
    out = resampled(x, rate_in, rate_out)
    centre_s = float((np.arange(len(out)) * out).sum() / out.sum()) / rate_out
    assert centre_s - at_s == pytest.approx(DELAY_S, abs=0.00002)
    assert len(out) == len(y)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_passes_speech_and_stops_the_rest(rate_in: int, rate_out: int) -> None:
    lower = min(rate_in, rate_out)
    t = np.arange(rate_in) / rate_in
    for hz in (100, 1000, lower / 2 - 600):
        y = resampled(np.sin(2 * np.pi * hz * t).astype(np.float32), rate_in, rate_out)[rate_out // 4 :]
        assert abs(20 * np.log10(y.std() * math.sqrt(2))) < 0.1
        spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
        peak = int(np.argmax(spectrum))
        assert peak * rate_out / len(y) == pytest.approx(hz, abs=2)
        images = spectrum.sum() - spectrum[max(0, peak - 5) : peak + 6].sum()
        assert 10 * np.log10(images / spectrum.sum()) < -55
    if rate_in > rate_out:
        stopped = resampled(np.sin(2 * np.pi * (lower / 2 + 350) * t).astype(np.float32), rate_in, rate_out)[rate_out // 4 :]
        assert 20 * np.log10(stopped.std() * math.sqrt(2)) < -45


def test_frame_length_makes_no_difference() -> None:
    x = np.random.default_rng(2).standard_normal(16_000 * 12 // 100 * 3).astype(np.float32)
    expected = resampled(x, 16_000, 8_000, 0.02)
    for frame_s in (0.002, 0.01, 0.04, 0.06, 0.12):
        assert np.abs(resampled(x, 16_000, 8_000, frame_s) - expected).max() < 1e-6


def test_equal_rates_pass_through_and_reset_forgets() -> None:
    x = np.ones(320, np.float32)
    assert Resampler(16_000, 16_000).process(x) is x and Resampler(16_000, 16_000).delay_s == 0
    resampler = Resampler(16_000, 8_000)
    first = resampler.process(x).copy()
    resampler.reset()
    assert np.array_equal(resampler.process(x), first)


@pytest.mark.parametrize("rates", [(44_100, 16_000), (16_000, 11_025), (4_000, 8_000)])
def test_odd_rates_are_refused(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="rates must be"):
        Resampler(*rates)


@pytest.mark.parametrize("n", [0, 31, 321, 16_000])
def test_odd_lengths_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="multiple of 32 samples"):
        Resampler(16_000, 8_000).process(np.zeros(n, np.float32))
