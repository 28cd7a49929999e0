"""The bulk delay of echoes of known places, and what must not mislead it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from dsp.bulk_delay import GROUP, BulkDelay
from dsp.spectrum import HOP
from tests.kit.reference_bulk_delay import delays_hops, looks
from tests.kit.speech import prompt

Samples = NDArray[np.float32]
RATE_HZ = 16_000
SECONDS = 5


def far_speech(row: int, seconds: float = SECONDS) -> Samples:
    return np.roll(prompt("en-vm-review"), -row * 13_000)[: round(seconds * RATE_HZ)].astype(np.float32)


def near_speech(row: int, seconds: float = SECONDS) -> Samples:
    return np.roll(prompt("es-vm-intro"), -row * 17_000)[: round(seconds * RATE_HZ)].astype(np.float32)


def room(seed: int, reverberation_s: float = 0.3) -> NDArray[np.float64]:
    """A direct path and a tail of noise that falls by 60 dB in ``reverberation_s``."""
    rng = np.random.default_rng(seed)
    n = int(reverberation_s * RATE_HZ)
    response = 0.15 * rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    response[0] = 1
    return response


def echo(far: Samples, delay_s: float, seed: int = 1) -> Samples:
    """``far`` through a room, ``delay_s`` later, 6 dB weaker."""
    heard = fftconvolve(far, room(seed))[: len(far)]
    heard *= 0.5 * np.sqrt(np.mean(far**2) / np.mean(heard**2))
    late = round(delay_s * RATE_HZ)
    return np.concatenate((np.zeros(late), heard))[: len(far)].astype(np.float32)


def run(delay: BulkDelay, near: Samples, far: Samples, hops: int = 2) -> tuple[Samples, NDArray[np.float32]]:
    """All of (rows, n) in blocks: the aligned far end, and the delay told after each block (rows, blocks)."""
    aligned, told = [], []
    for at in range(0, near.shape[1], hops * HOP):
        aligned.append(delay.process(near[:, at : at + hops * HOP], far[:, at : at + hops * HOP]))
        told.append(delay.delay_s.copy())
    return np.concatenate(aligned, axis=1), np.array(told).T


DELAYS_S = (0.0, 0.005, 0.04, 0.073, 0.13, 0.3, 0.411, 0.5)


def test_the_kernel_equals_the_slow_version() -> None:
    far = np.stack([far_speech(row, 2) for row in range(3)])
    jumping = np.concatenate((echo(far[2], 0.05)[:RATE_HZ], echo(far[2], 0.2)[RATE_HZ:]))
    near = np.stack([echo(far[0], 0.2), near_speech(0, 2), jumping + near_speech(2, 2)])
    delay = BulkDelay(3)
    seen = []
    for at in range(0, far.shape[1], GROUP * HOP):
        delay.process(near[:, at : at + GROUP * HOP], far[:, at : at + GROUP * HOP])
        seen.append((delay._strength.copy(), delay._holding.copy(), delay.delay_s.copy()))
    for row in range(3):
        strength, holding = looks(near[row], far[row])
        assert np.allclose([one[row] for one, _, _ in seen], strength, rtol=2e-3, atol=2e-3)
        assert np.allclose([one[row] for _, one, _ in seen], holding, atol=5e-3)
        assert np.allclose([one[row] for _, _, one in seen], delays_hops(strength, holding) * 0.01, atol=1e-4, equal_nan=True)


def test_echoes_are_found_and_brought_into_the_filter() -> None:
    far = np.stack([far_speech(row) for row in range(len(DELAYS_S))])
    near = np.stack([echo(x, late, row) for row, (x, late) in enumerate(zip(far, DELAYS_S, strict=True))])
    delay = BulkDelay(len(DELAYS_S))
    _, told = run(delay, near, far)
    assert np.abs(told[:, -1] - DELAYS_S).max() < 0.01
    found = np.argmax(~np.isnan(told), axis=1) * 0.02
    assert (found < np.array(DELAYS_S) + 1.0).all()
    begins = np.array(DELAYS_S) - delay.shift_samples / RATE_HZ
    assert (begins >= 0).all() and (begins < 0.07).all()


def test_talk_and_noise_do_not_hide_it() -> None:
    rng = np.random.default_rng(5)
    far = np.stack([far_speech(row) for row in range(4)])
    near = np.stack([echo(x, 0.3, row) for row, x in enumerate(far)])
    talk = np.stack([near_speech(row) for row in range(4)])
    level = np.sqrt(np.mean(near**2, axis=1) / np.mean(talk**2, axis=1))[:, None]
    near[:2] += (level * talk * 10 ** (np.array([0, 6, 0, 0]) / 20)[:, None])[:2]
    near[2:] += 0.5 * np.sqrt(np.mean(near[2:] ** 2)) * rng.standard_normal(near[2:].shape).astype(np.float32)
    _, told = run(BulkDelay(4), near, far)
    assert np.abs(told[:, -1] - 0.3).max() < 0.012
    assert np.nanmax(np.abs(told - 0.3)) < 0.02


def test_a_bent_loudspeaker_does_not_hide_it() -> None:
    far = far_speech(1)[None]
    near = echo(np.tanh(20 * far[0] + 60 * far[0] ** 2).astype(np.float32) * 0.1, 0.17)[None]
    _, told = run(BulkDelay(1), near, far)
    assert told[0, -1] == pytest.approx(0.17, abs=0.01)


@pytest.mark.parametrize(("before_s", "after_s"), [(0.3, 0.05), (0.05, 0.3), (0.1, 0.18), (0.45, 0.2)])
def test_a_jump_is_found_again(before_s: float, after_s: float) -> None:
    far = np.stack([far_speech(row, 6) for row in range(4)])
    half = 3 * RATE_HZ
    near = np.stack([np.concatenate((echo(x, before_s)[:half], echo(x, after_s)[half:])) for x in far])
    delay = BulkDelay(4)
    _, told = run(delay, near, far)
    assert np.abs(told[:, 149] - before_s).max() < 0.01
    again = np.argmax(np.abs(told[:, 150:] - after_s) < 0.015, axis=1) * 0.02
    assert (again > 0).all() and (again < 1.2 + after_s).all()
    assert np.abs(told[:, -1] - after_s).max() < 0.01
    begins = after_s - delay.shift_samples / RATE_HZ
    assert (begins >= 0).all() and (begins < 0.07).all()


def test_without_echo_nothing_is_told_and_nothing_moves() -> None:
    far = np.stack([far_speech(row) for row in range(16)])
    near = np.stack([near_speech(row) for row in range(16)])
    near[12:] = 0
    delay = BulkDelay(16)
    aligned, told = run(delay, near, far)
    assert np.isnan(told).all() and not delay.shift_samples.any()
    assert np.array_equal(aligned, far)


def test_a_known_delay_is_kept_in_silence_near_talk_and_tones() -> None:
    n = 3 * RATE_HZ
    tone = (0.1 * np.sin(2 * np.pi * 425 / RATE_HZ * np.arange(n))).astype(np.float32)
    silence = np.zeros(n, np.float32)
    far = np.stack([np.concatenate((far_speech(0)[:n], later)) for later in (silence, silence, far_speech(3)[:n], tone)])
    near = np.stack([echo(x, 0.3) for x in far])
    near[:3, n:] = np.stack((silence, near_speech(0)[:n], near_speech(1)[:n]))
    _, told = run(BulkDelay(4), near, far)
    assert np.abs(told[:, n // 320 :] - 0.3).max() < 0.012


def test_the_far_end_is_delayed_by_what_is_told() -> None:
    far = np.stack([far_speech(row) for row in range(2)])
    near = np.stack([echo(far[0], 0.3), near_speech(1)])
    delay = BulkDelay(2)
    shift = np.zeros(2, int)
    for at in range(0, far.shape[1], HOP):
        aligned = delay.process(near[:, at : at + HOP], far[:, at : at + HOP])
        shift += delay.moved
        assert np.array_equal(shift, delay.shift_samples)
        for row in range(2):
            start = at - shift[row]
            assert start < 0 or np.array_equal(aligned[row], far[row, start : start + HOP])
    assert shift[0] in (4320, 4480) and shift[1] == 0


def test_blocks_of_any_length_give_the_same() -> None:
    far, near = far_speech(0, 2)[None], echo(far_speech(0, 2), 0.3)[None]
    one, two, four = (run(BulkDelay(1), near, far, hops)[0] for hops in (1, 2, 4))
    assert np.array_equal(one, two) and np.array_equal(one, four)


def test_a_batch_equals_each_leg_alone_whatever_the_others_send() -> None:
    rows = 19
    far = np.stack([far_speech(row, 2) for row in range(rows)])
    near = np.stack([echo(x, 0.02 * row) for row, x in enumerate(far)])
    clean = BulkDelay(rows)
    aligned, told = run(clean, near, far)
    far[3], near[4], near[5], far[18] = np.nan, np.inf, 4 * np.sign(near[5]), 1.0
    dirty = BulkDelay(rows)
    aligned2, told2 = run(dirty, near, far)
    sane = [row for row in range(rows) if row not in (3, 4, 5, 18)]
    assert np.array_equal(aligned[sane], aligned2[sane]) and np.array_equal(told[sane], told2[sane], equal_nan=True)
    assert np.isfinite(dirty._strength).all()
    for row in (0, 9, 17):
        alone, told_alone = run(BulkDelay(1), near[row : row + 1], far[row : row + 1])
        assert np.array_equal(alone[0], aligned[row]) and np.array_equal(told_alone[0], told[row], equal_nan=True)


def test_a_reset_row_begins_anew() -> None:
    far = np.stack([far_speech(row, 2) for row in range(17)])
    near = np.stack([echo(x, 0.3) for x in far])
    delay = BulkDelay(17)
    run(delay, near, far)
    kept = delay.delay_s.copy()
    delay.reset(np.array([0, 16]))
    assert np.isnan(delay.delay_s[[0, 16]]).all() and np.array_equal(delay.delay_s[1:16], kept[1:16])
    again = run(delay, near, far)
    fresh = run(BulkDelay(17), near, far)
    for row in (0, 16):
        assert np.array_equal(again[0][row], fresh[0][row]) and np.array_equal(again[1][row], fresh[1][row], equal_nan=True)


def test_an_hour_of_nothing_leaves_no_denormals() -> None:
    far, near = far_speech(0, 1)[None], echo(far_speech(0, 1), 0.1)[None]
    delay = BulkDelay(1)
    run(delay, near, far)
    noise = np.random.default_rng(1).standard_normal((1, RATE_HZ)).astype(np.float32)
    for _ in range(120):
        run(delay, np.zeros_like(noise), 0.1 * noise, hops=50)
    sums = np.abs(delay._sums[..., 0])
    assert sums.min() > 1e-30 and sums.max() < 1e-6
