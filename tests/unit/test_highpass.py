"""The high-pass: equal to the textbook's filter, hum gone, speech kept, rows apart."""

import numpy as np
import pytest
from scipy.signal import sosfilt

from dsp.highpass import CUTOFF_HZ, RATE_HZ, SECTIONS, HighPass
from tests.kit.speech import speech


def tone(frequency_hz, seconds=1.0):
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(RATE_HZ * seconds)) / RATE_HZ).astype(np.float32)[None]


def in_blocks(stage, x, size=320):
    return np.concatenate([stage.process(np.ascontiguousarray(x[:, at : at + size])) for at in range(0, x.shape[1], size)], axis=1)


def test_equals_the_sections_one_after_the_other():
    x = (0.3 * np.random.default_rng(1).standard_normal((19, 3200))).astype(np.float32)
    wanted = sosfilt(SECTIONS.astype(np.float64), x.astype(np.float64), axis=1)
    np.testing.assert_allclose(in_blocks(HighPass(32), x), wanted, atol=2e-5)


@pytest.mark.parametrize(
    ("frequency_hz", "least_db", "most_db"), [(0, -200, -60), (50, -17.5, -15), (CUTOFF_HZ, -3.2, -2.8), (200, -0.1, 0.1)]
)
def test_response(frequency_hz, least_db, most_db):
    x = tone(frequency_hz) if frequency_hz else np.ones((1, RATE_HZ), np.float32)
    heard = in_blocks(HighPass(1), x)[0, RATE_HZ // 2 :]
    gain_db = 10 * np.log10(np.mean(heard.astype(np.float64) ** 2) / np.mean(x[0, RATE_HZ // 2 :].astype(np.float64) ** 2) + 1e-20)
    assert least_db <= gain_db <= most_db


def test_a_row_that_is_off_is_untouched_and_one_that_comes_back_has_its_first_state():
    x = np.ascontiguousarray(np.tile(speech(0.4), (3, 1)))
    stage = HighPass(3)
    stage.enabled[1] = False
    first = stage.process(x)
    assert np.array_equal(first[1], x[1])
    stage.reset(np.array([2]))
    again = stage.process(x)
    assert np.array_equal(again[2], first[2])
    assert not np.array_equal(again[0], first[0])


def test_a_row_alone_sounds_the_same_as_among_others_whatever_they_send():
    rng = np.random.default_rng(2)
    x = (0.1 * rng.standard_normal((20, 1600))).astype(np.float32)
    alone = [in_blocks(HighPass(1), x[row : row + 1])[0] for row in range(20)]
    x[3], x[7], x[8] = np.nan, np.inf, 1.0
    together = in_blocks(HighPass(20), x)
    for row in set(range(20)) - {3, 7, 8}:
        assert np.array_equal(together[row], alone[row])


def test_silence_after_sound_ends_in_exact_zeros():
    stage = HighPass(1)
    in_blocks(stage, tone(300))
    assert not in_blocks(stage, np.zeros((1, RATE_HZ), np.float32))[0, -320:].any()
