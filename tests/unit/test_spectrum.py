"""The transform over lanes against numpy's, and the window's perfect reconstruction."""

import numpy as np
import pytest

from dsp.lanes import LANES
from dsp.spectrum import BINS, FRAME, HOP, SINE, WORK, forward, inverse


def transformed(signal):
    re, im = np.full((2, BINS, LANES), np.nan, np.float32)
    forward(signal, re, im, np.full(WORK, np.nan, np.float32))
    return re, im


def test_the_spectrum_is_that_of_numpy():
    signal = np.random.default_rng(1).standard_normal((FRAME, LANES)).astype(np.float32)
    re, im = transformed(signal)
    wanted = np.fft.rfft(signal.astype(np.float64), axis=0)
    np.testing.assert_allclose(re, wanted.real, atol=3e-5)
    np.testing.assert_allclose(im, wanted.imag, atol=3e-5)


@pytest.mark.parametrize("position", [0, 1, 2, 159, 160, 319])
def test_an_impulse_anywhere_has_the_spectrum_of_that_delay(position):
    signal = np.zeros((FRAME, LANES), np.float32)
    signal[position, 3] = 1.0
    re, im = transformed(signal)
    wanted = np.exp(-2j * np.pi * np.arange(BINS) * position / FRAME)
    np.testing.assert_allclose(re[:, 3] + 1j * im[:, 3], wanted, atol=2e-6)
    assert not re[:, :3].any()
    assert not re[:, 4:].any()


def test_there_and_back_is_the_signal():
    signal = np.random.default_rng(2).standard_normal((FRAME, LANES)).astype(np.float32)
    re, im = transformed(signal)
    back = np.full_like(signal, np.nan)
    inverse(re, im, back, np.full(WORK, np.nan, np.float32))
    np.testing.assert_allclose(back, signal, atol=2e-6)


def test_overlapping_sine_windows_add_up_to_one():
    np.testing.assert_allclose(SINE[:HOP] ** 2 + SINE[HOP:] ** 2, 1.0, atol=1e-6)
