"""The bulk delay and the echo filter together, as the chain joins them: late, jumping and line echo is cancelled."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from benchmarks.quality.g168 import RATE_HZ, convergence_line, meter_dbm0
from dsp.chain import Chain, Stages
from dsp.spectrum import HOP
from tests.kit.speech import prompt

Samples = NDArray[np.float32]


def echo(far: Samples, delay_s: float) -> Samples:
    """``far`` through a room of 0.2 s, ``delay_s`` later, 6 dB weaker."""
    rng = np.random.default_rng(3)
    n = int(0.2 * RATE_HZ)
    room = 0.1 * rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    room[0] = 1
    heard = fftconvolve(far, 0.5 * room / np.sqrt(np.sum(room**2)))[: len(far)]
    return np.pad(heard, (round(delay_s * RATE_HZ), 0))[: len(far)].astype(np.float32)


def chained(near: Samples, far: Samples) -> Samples:
    chain = Chain(len(near))
    for row in range(len(near)):
        chain.switch(row, Stages(high_pass=False, noise=False, gain=False))
    step = 2 * HOP
    return np.concatenate([chain.process(near[:, at : at + step], far[:, at : at + step]) for at in range(0, near.shape[1], step)], axis=1)


def loss_db(near: Samples, out: Samples, begin_s: float, end_s: float) -> NDArray[np.float64]:
    """By how much the echo is weaker, per row."""
    span = slice(round(begin_s * RATE_HZ), round(end_s * RATE_HZ))
    powers = [np.sum(x[:, span].astype(np.float64) ** 2, axis=1) for x in (near, out)]
    return np.asarray(10 * np.log10(powers[0] / powers[1]))


@pytest.fixture(scope="module")
def far() -> Samples:
    return np.stack([np.roll(prompt("en-vm-review"), -20_000 * row)[: 7 * RATE_HZ] for row in range(4)])


def test_echo_anywhere_within_half_a_second_is_cancelled(far: Samples) -> None:
    near = np.stack([echo(x, late) for x, late in zip(far, (0.02, 0.2, 0.35, 0.5), strict=True)])
    out = chained(near, far)
    assert (loss_db(near, out, 2.5, 7) > 18).all()


def test_after_a_jump_it_is_cancelled_again(far: Samples) -> None:
    jumps = ((0.05, 0.4), (0.4, 0.05), (0.1, 0.3), (0.3, 0.2))
    half = 3 * RATE_HZ
    near = np.stack([np.concatenate((echo(x, a)[:half], echo(x, b)[half:])) for x, (a, b) in zip(far, jumps, strict=True)])
    out = chained(near, far)
    assert (loss_db(near, out, 2, 3) > 15).all()
    assert (loss_db(near, out, 5, 7) > 15).all()


def test_the_composite_source_is_cancelled_within_a_second() -> None:
    line = convergence_line(-10.0)
    begin, middle = line.checked[0]
    near, far = line.near[:, :middle], line.far[:, :middle]
    returned = meter_dbm0(chained(near, far))[:, begin:].max(axis=1)
    assert (returned < meter_dbm0(near)[:, begin:].max(axis=1) - 20).all()
