"""ERL and ERLE of echoes of known loss, and when nothing is told."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.echo_loss import EchoLoss
from tests.kit.speech import prompt

Samples = NDArray[np.float32]
FAR, TALK = prompt("en-vm-review")[:80_000], prompt("es-vm-intro")[:80_000]


def later(x: Samples, samples: int) -> Samples:
    return np.concatenate((np.zeros(samples, np.float32), x))[: len(x)]


def measure(loss: EchoLoss, *signals: Samples, hops: int = 2) -> None:
    """Far, near, expected echo, out, in blocks."""
    for at in range(0, signals[0].shape[1], hops * 160):
        loss.process(*(x[:, at : at + hops * 160] for x in signals))


def rows(erl_db: float = 10.0, erle_db: float = 30.0, talk: float = 0.0) -> tuple[Samples, Samples, Samples, Samples]:
    """Far, near, expected echo, out of one leg: (1, n) each."""
    echo = later(FAR, 400) * np.float32(10 ** (-erl_db / 20))
    near = echo + np.float32(talk) * TALK
    out = echo * np.float32(10 ** (-erle_db / 20)) + np.float32(talk) * TALK
    return FAR[None], near[None], echo[None], later(out, 160)[None]


@pytest.mark.parametrize(("erl_db", "erle_db"), [(6.0, 20.0), (40.0, 0.0), (-10.0, 45.0)])
def test_known_losses(erl_db: float, erle_db: float) -> None:
    loss = EchoLoss(1)
    measure(loss, *rows(erl_db, erle_db))
    assert loss.erl_db[0] == pytest.approx(erl_db, abs=0.5) and loss.erle_db[0] == pytest.approx(erle_db, abs=0.5)


def test_near_talk_is_left_out() -> None:
    far, near, echo, out = rows()
    half = near.shape[1] // 2
    _, talking, _, talking_out = rows(talk=3.0)
    near[:, half:], out[:, half:] = talking[:, half:], talking_out[:, half:]
    loss = EchoLoss(1)
    measure(loss, far, near, echo, out)
    assert loss.erl_db[0] == pytest.approx(10, abs=1) and loss.erle_db[0] == pytest.approx(30, abs=2)


def test_nothing_is_told_before_there_was_an_echo() -> None:
    far, near, echo, out = (np.repeat(x, 4, axis=0) for x in rows())
    far[0], near[1], echo[2], near[3] = 0, 0, 0, TALK
    loss = EchoLoss(4)
    measure(loss, far, near, echo, out)
    assert np.isnan(loss.erl_db).all() and np.isnan(loss.erle_db).all()
    soon = EchoLoss(4)
    measure(soon, *(x[:, :6400] for x in rows()))
    assert np.isnan(soon.erl_db).all()


def test_silence_leaves_a_finite_figure() -> None:
    far, near, echo, out = rows()
    loss = EchoLoss(1)
    measure(loss, far, near, echo, np.zeros_like(out))
    assert 60 < loss.erle_db[0] < 100


def test_a_batch_equals_each_leg_alone_and_a_reset_row_begins_anew() -> None:
    signals = [rows(erl_db, erle_db) for erl_db, erle_db in ((3, 10), (10, 30), (20, 5), (6, 20))]
    batch = [np.concatenate(parts) for parts in zip(*signals, strict=True)]
    spoilt = [part.copy() for part in batch]
    spoilt[0][1], spoilt[1][2], spoilt[3][3] = np.nan, np.inf, 1.0
    loss, other, alone = EchoLoss(4), EchoLoss(4), EchoLoss(1)
    measure(loss, *batch)
    measure(other, *spoilt)
    measure(alone, *signals[0])
    assert loss.erl_db[0] == other.erl_db[0] == alone.erl_db[0] and loss.erle_db[0] == other.erle_db[0] == alone.erle_db[0]
    assert np.isfinite(other._powers).all()
    before = loss.erle_db.copy()
    loss.reset(np.array([True, False, False, False]))
    assert np.isnan(loss.erle_db[0]) and np.array_equal(loss.erle_db[1:], before[1:])
    measure(loss, *batch, hops=1)
    assert loss.erle_db[0] == before[0]
