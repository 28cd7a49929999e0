"""Full-band legs: split and joined again, nothing is lost; the upper band follows what happens to the lower one."""

import numpy as np
import pytest

from dsp.bands import DELAY_SAMPLES, RATIO, WIDE_HOP, BandSplit
from dsp.spectrum import HOP

LATE = 160  # samples at 16 kHz by which the chain in these tests is late


def through(x, chain, *, hops=1):
    """Rows (rows, 480 n) through split, ``chain(low)`` delayed by LATE samples, and join."""
    bands = BandSplit(x.shape[0], inner_delay_samples=LATE)
    held = np.zeros((x.shape[0], LATE), np.float32)
    out = []
    for at in range(0, x.shape[1], hops * WIDE_HOP):
        block = np.ascontiguousarray(x[:, at : at + hops * WIDE_HOP])
        low = bands.split(block)
        held = np.concatenate((held, chain(low)), axis=1)
        out.append(bands.join(block, low, np.ascontiguousarray(held[:, : low.shape[1]])))
        held = held[:, low.shape[1] :]
    return np.concatenate(out, axis=1)


def delayed(x):
    delay = RATIO * LATE + DELAY_SAMPLES
    return np.concatenate((np.zeros((x.shape[0], delay), np.float32), x), axis=1)[:, : x.shape[1]]


def halved(low):
    return np.float32(0.5) * low


def tone(frequency_hz, *, seconds=0.5, amplitude=0.3):
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(int(48_000 * seconds)) / 48_000)).astype(np.float32)[None]


@pytest.mark.parametrize("hops", [1, 2])
def test_a_chain_that_does_nothing_gives_back_the_input(hops):
    x = (0.1 * np.random.default_rng(1).standard_normal((3, 20 * WIDE_HOP))).astype(np.float32)
    np.testing.assert_allclose(through(x, lambda low: low, hops=hops), delayed(x), atol=1e-6)


@pytest.mark.parametrize("frequency_hz", [500, 3_000, 6_000])
def test_the_chain_hears_the_low_band_at_its_level(frequency_hz):
    bands = BandSplit(1, inner_delay_samples=0)
    low = bands.split(tone(frequency_hz))[0]
    assert np.sqrt(2 * np.mean(low[HOP:] ** 2)) == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("frequency_hz", [8_700, 12_000, 20_000])
def test_the_chain_hears_nothing_of_the_upper_band(frequency_hz):
    low = BandSplit(1, inner_delay_samples=0).split(tone(frequency_hz))[0]
    assert np.abs(low[HOP:]).max() < 3e-4


@pytest.mark.parametrize("gain", [0.1, 0.5, 2.0])
def test_the_upper_band_follows_the_gain_of_the_lower(gain):
    x = tone(5_000, amplitude=0.1) + tone(12_000, amplitude=0.1)
    out = through(x, lambda low: np.float32(gain) * low)[0, 12_000:]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out)))) / np.hanning(len(out)).sum() * 2
    low, high = (spectrum[round(hz * len(out) / 48_000)] for hz in (5_000, 12_000))
    assert low == pytest.approx(0.1 * gain, rel=0.02)
    assert high == pytest.approx(0.1 * gain, rel=0.05)


def test_the_sum_never_leaves_full_scale():
    x = np.sign(tone(900, amplitude=1.0))
    assert np.abs(through(x, lambda low: 4.0 * low)).max() <= 1.0


def test_rows_do_not_depend_on_each_other_and_begin_anew_after_a_reset():
    x = (0.1 * np.random.default_rng(2).standard_normal((18, 10 * WIDE_HOP))).astype(np.float32)
    together = through(x, halved)
    assert all(np.array_equal(through(x[row : row + 1], halved)[0], together[row]) for row in (0, 15, 16, 17))
    bands = BandSplit(18, inner_delay_samples=LATE)
    block = np.ascontiguousarray(x[:, :WIDE_HOP])
    first = bands.split(block)
    bands.join(block, first, first)
    bands.reset(np.arange(18) == 3)
    again = bands.split(block)
    assert np.array_equal(again[3], first[3])
    assert not np.array_equal(again[4], first[4])
