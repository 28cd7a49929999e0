"""The echo filter: equal to its slow version, one leg never touches another, and it does what it is for."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from dsp.echo import EchoFilter
from dsp.lanes import LANES
from dsp.spectrum import HOP
from tests.kit.reference_echo import cancelled
from tests.kit.speech import prompt

Samples = NDArray[np.float32]
RATE_HZ = 16_000


def talk(name: str, seconds: float, skip: int = 0) -> Samples:
    return np.roll(prompt(name), -skip)[: round(seconds * RATE_HZ)].astype(np.float32)


def room(seed: int, reverberation_s: float = 0.2) -> NDArray[np.float64]:
    """20 ms of way, a direct sound and a tail of noise, 6 dB of loss."""
    rng = np.random.default_rng(seed)
    n = int(reverberation_s * RATE_HZ)
    response = 0.1 * rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    response[0] = 1
    return np.concatenate((np.zeros(320), response / np.sqrt(np.sum(response**2)) / 2))


def echo(far: Samples, seed: int) -> Samples:
    return fftconvolve(far, room(seed))[: len(far)].astype(np.float32)


def run(echo_filter: EchoFilter, near: Samples, far: Samples, hops: int = 2) -> tuple[Samples, Samples]:
    parts = [echo_filter.process(near[:, at : at + hops * HOP], far[:, at : at + hops * HOP]) for at in range(0, near.shape[1], hops * HOP)]
    return np.concatenate([part[0] for part in parts], axis=1), np.concatenate([part[1] for part in parts], axis=1)


def loss_db(before: Samples, after: Samples) -> float:
    return float(10 * np.log10(np.sum(before.astype(float) ** 2) / np.sum(after.astype(float) ** 2)))


def at_s(samples: Samples, begin_s: float, end_s: float) -> Samples:
    return samples[..., round(begin_s * RATE_HZ) : round(end_s * RATE_HZ)]


@pytest.fixture(scope="module")
def far() -> Samples:
    return talk("en-vm-review", 8)


def test_the_kernel_equals_the_slow_version(far: Samples) -> None:
    far = far[: 3 * RATE_HZ]
    moved = np.concatenate((echo(far, 1)[: RATE_HZ * 3 // 2], echo(far, 2)[RATE_HZ * 3 // 2 :]))
    muted = np.where(np.arange(len(far)) > 2 * RATE_HZ, 1e-4 * echo(far, 1), echo(far, 1)).astype(np.float32)
    near = np.stack([moved, muted + 0.3 * at_s(talk("es-vm-intro", 3), 0, 3) * (np.arange(len(far)) < RATE_HZ)])
    error, estimate = run(EchoFilter(2), near, np.stack([far] * 2))
    events = set()
    for row in range(2):
        slow = list(cancelled(near[row], far))
        events |= {event for _, _, event in slow}
        for fast, wanted in ((error[row], [e for e, _, _ in slow]), (estimate[row], [y for _, y, _ in slow])):
            exact, scale = np.concatenate(wanted), float(np.abs(near[row]).max())
            np.testing.assert_allclose(fast[:RATE_HZ], exact[:RATE_HZ], atol=1e-4 * scale)
            # what is rounded away at first is a little different filter later
            np.testing.assert_allclose(fast, exact, atol=1e-2 * scale)
    assert events == {"", "taken", "anew"}


def test_a_batch_equals_each_row_alone_bit_for_bit(far: Samples) -> None:
    far = far[:RATE_HZ]
    near = np.stack([echo(far, row) for row in range(LANES + 2)])
    together = run(EchoFilter(LANES + 2), near, np.stack([far] * (LANES + 2)), hops=5)
    for row in (0, 7, LANES + 1):
        alone = run(EchoFilter(1), near[row : row + 1], far[None], hops=2)
        for one, all_ in zip(alone, together, strict=True):
            assert np.array_equal(one[0], all_[row])


@pytest.mark.parametrize("garbage", ["nan", "infinite", "square", "constant"])
def test_garbage_in_one_leg_never_reaches_another(far: Samples, garbage: str) -> None:
    far = far[:RATE_HZ]
    near, fars = np.stack([echo(far, 1)] * 3), np.stack([far] * 3)
    clean = run(EchoFilter(3), near, fars)
    t = np.arange(RATE_HZ)
    bad = {
        "nan": np.full(RATE_HZ, np.nan),
        "infinite": np.where(t % 2, np.inf, 0),
        "square": np.sign(np.sin(t / 20)),
        "constant": t * 0 + 1,
    }[garbage]
    near[1], fars[1] = bad, np.where(t % 3, bad, far)
    with np.errstate(invalid="ignore"):
        dirty = run(EchoFilter(3), near, fars)
    for one, other in zip(clean, dirty, strict=True):
        assert np.array_equal(one[[0, 2]], other[[0, 2]])
    if garbage in ("square", "constant"):
        assert np.isfinite(dirty[0]).all()


def test_it_converges_and_holds_through_double_talk(far: Samples) -> None:
    heard = echo(far, 1)
    voice = 0.5 * np.resize(talk("es-vm-intro", 7), len(far))
    voice[: 4 * RATE_HZ] = voice[7 * RATE_HZ :] = 0
    error, estimate = run(EchoFilter(1), (heard + voice)[None], far[None])
    assert loss_db(at_s(heard, 1.5, 4), at_s(error[0], 1.5, 4)) > 20
    assert loss_db(at_s(heard, 4, 7), at_s(error[0] - voice, 4, 7)) > 22
    assert loss_db(at_s(heard, 7, 8), at_s(error[0], 7, 8)) > 25
    np.testing.assert_allclose(error + estimate, (heard + voice)[None], atol=1e-6)


def test_it_converges_again_after_the_path_has_changed(far: Samples) -> None:
    heard = np.concatenate((echo(far, 1)[: 4 * RATE_HZ], echo(far, 9)[4 * RATE_HZ :]))
    error, _ = run(EchoFilter(1), heard[None], far[None])
    assert loss_db(at_s(heard, 3, 4), at_s(error[0], 3, 4)) > 25
    assert loss_db(at_s(heard, 5.5, 7.5), at_s(error[0], 5.5, 7.5)) > 15


def test_the_near_end_passes_untouched_while_the_far_end_is_silent(far: Samples) -> None:
    echo_filter = EchoFilter(1)
    run(echo_filter, echo(far, 1)[None], far[None])
    quiet = np.zeros((1, RATE_HZ // 2), np.float32)
    run(echo_filter, quiet, quiet)
    weights = echo_filter._weights[:, :2].copy()
    voice = talk("es-vm-intro", 2)[None]
    error, estimate = run(echo_filter, voice, np.zeros_like(voice))
    assert np.array_equal(error, voice)
    assert not estimate.any()
    # all that moves is the rounding of a constraint
    assert np.abs(echo_filter._weights[:, :2] - weights).max() < 1e-5


def test_half_a_minute_of_silence_leave_it_finite_and_ready(far: Samples) -> None:
    echo_filter = EchoFilter(1)
    run(echo_filter, echo(far, 1)[None], far[None])
    silence = np.zeros((1, 30 * RATE_HZ), np.float32)
    error, estimate, _ = echo_filter.process(silence, silence)
    assert not error[:, RATE_HZ:].any()
    assert np.abs(estimate).max() < 0.2
    for state in (echo_filter._weights, echo_filter._shadow, echo_filter._powers):
        assert np.isfinite(state).all()
    error, _ = run(echo_filter, echo(far, 1)[None], far[None])
    assert loss_db(at_s(echo(far, 1), 0, 4), at_s(error[0], 0, 4)) > 20


def test_an_echo_that_ends_is_not_predicted_for_long(far: Samples) -> None:
    heard = echo(far, 1)
    heard[4 * RATE_HZ :] = 0
    error, _ = run(EchoFilter(1), heard[None], far[None])
    assert np.abs(at_s(error, 5, 8)).max() < 1e-3


def test_rows_that_are_off_pass_unchanged(far: Samples) -> None:
    echo_filter, twin = EchoFilter(2 * LANES), EchoFilter(2 * LANES)
    near, fars = np.stack([echo(far[:RATE_HZ], 1)] * 2 * LANES), np.stack([far[:RATE_HZ]] * 2 * LANES)
    echo_filter.enabled[3] = echo_filter.enabled[LANES:] = False
    error, estimate = run(echo_filter, near, fars)
    wanted, _ = run(twin, near, fars)
    for row in (3, LANES, 2 * LANES - 1):
        assert np.array_equal(error[row], near[row])
        assert not estimate[row].any()
    assert np.array_equal(error[0], wanted[0])
    assert not echo_filter._far[1].any()


def test_a_row_that_is_reset_is_new(far: Samples) -> None:
    far = far[:RATE_HZ]
    near, fars = np.stack([echo(far, 1)] * 2), np.stack([far] * 2)
    used = EchoFilter(2)
    first, _ = run(used, near, fars)
    used.reset(np.array([True, False]))
    again, _ = run(used, near, fars)
    # the turn of the constraint is everybody's, so that a new row is not bit-equal to the very first one
    np.testing.assert_allclose(again[0], first[0], atol=0.02)
    assert loss_db(near[1], again[1]) > loss_db(near[0], again[0]) + 3


@pytest.mark.parametrize("hops", [3, -2])
def test_what_is_known_moves_with_the_far_end(far: Samples, hops: int) -> None:
    """The far end is delayed otherwise from 4 s on, the echo stays: the filter goes on as if nothing were."""
    late = np.concatenate((np.zeros(4 * HOP, np.float32), far))
    shifted = late[: len(far)]
    other = np.concatenate((np.zeros((4 + hops) * HOP, np.float32), far))[: len(far)]
    heard = np.concatenate((np.zeros(6 * HOP, np.float32), echo(far, 1)))[: len(far)]
    echo_filter, change = EchoFilter(1), 4 * RATE_HZ
    run(echo_filter, heard[None, :change], shifted[None, :change])
    echo_filter.shift(np.array([0]), hops)
    error, _ = run(echo_filter, heard[None, change:], other[None, change:])
    assert loss_db(at_s(heard, 4.3, 8), at_s(error[0], 0.3, 4)) > 22
