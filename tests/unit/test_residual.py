"""The residual-echo estimator: equal to its slow version, rows apart, closed for echo, open for near talk."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.lanes import LANES
from dsp.residual import ResidualEcho
from dsp.spectrum import BINS
from tests.kit.reference_residual import SlowResidualEcho

Powers = NDArray[np.float32]


def powers(hops: int, scale: float, seed: int) -> Powers:
    """Of a noise in syllables, (hops, BINS)."""
    rng = np.random.default_rng(seed)
    syllables = np.repeat(rng.uniform(0, 1, hops // 20 + 1) ** 3, 20)[:hops, None]
    return (scale * syllables * rng.exponential(1, (hops, BINS)) + 1e-6).astype(np.float32)


def conversation(seed: int, hops: int = 600) -> tuple[Powers, Powers, Powers, NDArray[np.float32]]:
    """Echo of which 2 % are left, and from the middle on near talk as well: near, echo, microphone, doubt."""
    echo = powers(hops, 1.0, seed)
    left = 0.02 * powers(hops, 1.0, seed)
    voice = np.where(np.arange(hops)[:, None] >= hops // 2, powers(hops, 1.0, seed + 100), 0)
    near = (left + voice).astype(np.float32)
    return near, echo, near + echo, (0.007 * echo[:, 6:100].sum(axis=1)).astype(np.float32)


def run(residual: ResidualEcho, rows: list[tuple[Powers, ...]]) -> Powers:
    """Gains (rows, hops, BINS)."""
    parts = [np.stack([row[part] for row in rows]) for part in range(4)]
    return np.stack([residual.gains(*(np.ascontiguousarray(part[:, hop]) for part in parts)) for hop in range(parts[0].shape[1])], axis=1)


def test_the_kernel_equals_the_slow_version() -> None:
    rows = [conversation(seed) for seed in range(3)]
    gains = run(ResidualEcho(3), rows)
    for row, (near, echo, mic, doubt) in enumerate(rows):
        slow = SlowResidualEcho()
        wanted = [slow.gains(*(part[hop].astype(float) for part in (near, echo, mic)), float(doubt[hop])) for hop in range(len(near))]
        np.testing.assert_allclose(gains[row], np.stack(wanted), rtol=3e-2, atol=1e-2)


def test_double_talk_is_told_where_both_are_there() -> None:
    near, echo, mic, doubt = conversation(1)
    nobody = np.zeros_like(echo)
    residual, slow, told = ResidualEcho(2), SlowResidualEcho(), []
    for hop in range(len(near)):
        parts = (np.stack((near[hop], near[hop])), np.stack((echo[hop], nobody[hop])), np.stack((mic[hop], near[hop])))
        residual.gains(*parts, np.array([doubt[hop], 0], np.float32))
        slow.gains(*(part[hop].astype(float) for part in (near, echo, mic)), float(doubt[hop]))
        assert residual.double_talk[0] == pytest.approx(slow.both, abs=0.05)
        told.append(residual.double_talk.copy())
    alone, together = np.mean(told[100:300], axis=0), np.mean(told[320:], axis=0)
    assert alone[0] < 0.2 and together[0] > 0.7
    assert alone[1] == together[1] == 0


def test_a_batch_equals_each_row_alone_bit_for_bit() -> None:
    rows = [conversation(seed, 60) for seed in range(LANES + 2)]
    gains = run(ResidualEcho(LANES + 2), rows)
    for row in (0, 5, LANES + 1):
        assert np.array_equal(run(ResidualEcho(1), rows[row : row + 1])[0], gains[row])


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e9, 0.0])
def test_garbage_in_one_leg_never_reaches_another(garbage: float) -> None:
    rows = [conversation(seed, 60) for seed in range(3)]
    clean = run(ResidualEcho(3), rows)
    bad = tuple(np.full_like(part, garbage) for part in rows[1])
    dirty = run(ResidualEcho(3), [rows[0], bad, rows[2]])
    assert np.array_equal(clean[[0, 2]], dirty[[0, 2]])
    if np.isfinite(garbage):
        assert np.isfinite(dirty).all()
        assert (dirty >= 0).all()
        assert (dirty <= 1).all()


def test_echo_alone_sinks_and_near_talk_comes_through() -> None:
    rows = [conversation(seed) for seed in range(4)]
    gains = run(ResidualEcho(4), rows)
    for row, (near, *_) in enumerate(rows):
        kept = (gains[row] ** 2 * near).sum(axis=1)
        assert kept[150:300].sum() < 1e-3 * near[150:300].sum()
        assert kept[320:].sum() > 0.7 * near[320:].sum()


def test_without_echo_nothing_happens() -> None:
    voice = powers(200, 1.0, 3)
    silence = np.zeros_like(voice)
    gains = run(ResidualEcho(1), [(voice, silence, voice, np.zeros(200, np.float32))])
    loud = voice[20:] > 1e-3
    assert gains[0, 20:][loud].min() > 0.99


def test_an_error_of_the_filter_itself_is_no_near_talk() -> None:
    """The echo has gone and the filter still predicts it: what it leaves is its own mistake, the microphone hears nothing."""
    near, echo, mic, doubt = conversation(1)
    near[200:300], mic[200:300] = echo[200:300], 1e-7
    gains = run(ResidualEcho(1), [(near, echo, mic, doubt)])
    assert (gains[0, 200:300] ** 2 * near[200:300]).sum() < 0.02 * near[200:300].sum()


def test_a_row_that_is_reset_is_new() -> None:
    row = conversation(1, 100)
    residual = ResidualEcho(2)
    first = run(residual, [row, row])
    residual.reset(np.array([0]))
    again = run(residual, [row, row])
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[1], again[1])
