"""The G.168 signals are what the standard says, and its masks fail who should fail."""

import numpy as np
import pytest
from scipy.signal import welch

from benchmarks.quality.g168 import (
    LINE_HZ,
    RATE_HZ,
    Samples,
    composite_source,
    convergence_line,
    double_talk_line,
    hybrid,
    level_dbfs,
    meter_dbm0,
    passes,
    raised,
    returned_dbm0,
)


def test_levels_are_in_dbm0() -> None:
    sine = np.sin(2 * np.pi * 1000 / RATE_HZ * np.arange(RATE_HZ)).astype(np.float32)
    assert level_dbfs(3.14) == pytest.approx(-3.01, abs=0.01)
    assert meter_dbm0(sine)[-1] == pytest.approx(3.14, abs=0.05)
    assert meter_dbm0(np.zeros(100, np.float32)).max() == -120


def test_the_meter_falls_with_its_time_constant() -> None:
    x = np.concatenate((np.ones(RATE_HZ), np.zeros(RATE_HZ))).astype(np.float32)
    levels = meter_dbm0(x)
    assert levels[RATE_HZ + 560] - levels[RATE_HZ] == pytest.approx(-4.34, abs=0.02)


@pytest.mark.parametrize(("near", "half_s", "sound_s"), [(False, 0.35, 0.24862), (True, 0.4, 0.27269)])
def test_the_composite_source_has_its_times_band_and_level(near: bool, half_s: float, sound_s: float) -> None:
    css = composite_source(4 * half_s, -15.0, near=near)
    half, sound = round(half_s * RATE_HZ), round(sound_s * RATE_HZ)
    if not near:
        assert np.allclose(css[half : half + sound], -css[:sound], atol=2e-3)
        assert np.allclose(css[2 * half : 2 * half + sound], css[:sound], atol=2e-3)
    active, pause = css[half : half + sound], css[half + sound + 200 : 2 * half - 200]
    assert 10 * np.log10(np.mean(active**2)) == pytest.approx(level_dbfs(-15.0), abs=0.3)
    assert np.abs(pause).max() < 1e-4
    frequency, power = welch(css, RATE_HZ, nperseg=1024)
    assert power[(frequency < 100) | (frequency > 3900)].max() < 1e-3 * power.max()


def test_hybrids_have_their_loss_and_delay() -> None:
    css = composite_source(2.1, -10.0)
    response = hybrid(8.0, 12.0, 20.0, seed=3)
    echo = np.convolve(css, response)[: len(css)]
    assert 10 * np.log10(np.mean(css**2) / np.mean(echo**2)) == pytest.approx(8, abs=0.5)
    assert not response[:320].any() and len(response) < 0.037 * RATE_HZ


def cancelled(near: Samples, left_db: float) -> Samples:
    return near * np.float32(10 ** (left_db / 20))


def test_masks() -> None:
    line = convergence_line(-10.0)
    (begin, middle), (again, end) = line.checked
    assert not passes(line.near, line).any()
    assert not passes(cancelled(line.near, -40), line).any() and passes(cancelled(line.near, -65), line).all()
    late = cancelled(line.near, -80)
    late[0, begin : begin + 800], late[1, again : again + 800] = line.near[0, begin : begin + 800], line.near[1, again : again + 800]
    before = late.copy()
    before[2, : begin - 12_800] = line.near[2, : begin - 12_800]  # the meter must have fallen by then
    assert passes(before, line).tolist() == [[False, True], [True, False], [True, True], [True, True]]
    edge = round(0.05 * RATE_HZ)  # a canceller that looks ahead hears the change so long before
    assert end == line.near.shape[1] - edge and middle + edge + RATE_HZ == again
    assert returned_dbm0(line.near, line).max() < -10


def test_double_talk_lines_end_with_the_far_end_alone() -> None:
    line = double_talk_line(-10.0, talk_db=0.0)
    alone = double_talk_line(-10.0, talk_db=-120.0)
    begin = line.checked[0][0]
    assert np.allclose(line.near[:, begin:], alone.near[:, begin:]) and not np.allclose(
        line.near[:, : begin // 2], alone.near[:, : begin // 2]
    )
    assert passes(cancelled(line.near, -70), line).all()


def test_raised_lines_are_the_same_test() -> None:
    line = raised(convergence_line(-10.0, rate_hz=LINE_HZ))
    assert [span[1] for span in line.checked] == [span[1] for span in convergence_line(-10.0).checked]
    assert meter_dbm0(line.far)[:, RATE_HZ:].max() == pytest.approx(meter_dbm0(convergence_line(-10.0).far)[:, RATE_HZ:].max(), abs=1.5)
