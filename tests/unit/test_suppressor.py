"""The learned suppressor: the shipped weights are those of the card, inference is the network's definition, rows are on their own."""

import hashlib
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import ml
from dsp.spectrum import BINS
from dsp.suppress import LogSpectralSuppressor
from ml.features import BANDS
from ml.suppressor import Suppressor
from tests.kit.speech import speech

FOLDER = Path(ml.__path__[0])
VECTORS = Path(__file__).with_name("suppressor_vectors.npz")
HOPS = 60


def spectra(x: np.ndarray) -> np.ndarray:
    """Sine-window spectra (hops, bins) of ``x`` (n,)."""
    window = np.sin(np.pi * (np.arange(320) + 0.5) / 320)
    return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(x, 320)[::160] * window)


def powers(x: np.ndarray) -> np.ndarray:
    return (np.abs(spectra(x)) ** 2).astype(np.float32)


def scenes(rows: int, hops: int = HOPS) -> tuple[np.ndarray, np.ndarray]:
    """Speech in noise at all loudnesses (rows, hops, bins), every second row with an echo estimate."""
    rng = np.random.default_rng(5)
    talk = speech(hops / 100 + 2)
    near, echo = np.zeros((2, rows, hops, BINS), np.float32)
    for row in range(rows):
        at = int(rng.integers(0, 16_000))
        noise = rng.standard_normal((hops + 1) * 160) * 10 ** rng.uniform(-4, -1)
        near[row] = powers((talk[at : at + len(noise)] + noise) * 10 ** rng.uniform(-2, 0.3))
        if row % 2:
            echo[row] = powers(talk[: len(noise)] * 10 ** rng.uniform(-2, 0))
    return near, echo


def run(suppressor: Suppressor, near: np.ndarray, echo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gains (rows, hops, bins) and speech (rows, hops)."""
    gains, talking = [], []
    for hop in range(near.shape[1]):
        gains.append(suppressor.gains(near[:, hop], echo[:, hop]).copy())
        talking.append(suppressor.speech[: len(near)].copy())
    return np.stack(gains, 1), np.stack(talking, 1)


def by_definition(near: np.ndarray, echo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One row (hops, bins) through the network as written down, in double precision; the classical gains have tests of their own."""
    with np.load(FOLDER / "suppressor.npz") as stored:
        w = {name: stored[name].astype(float) for name in stored.files}

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    def gated(layer: str, x: np.ndarray, h: np.ndarray) -> np.ndarray:
        reset, update = np.split(sigmoid(np.concatenate((x, h)) @ w[f"{layer}_gates"] + w[f"{layer}_gates_bias"]), 2)
        by_state = h @ w[f"{layer}_state"] + w[f"{layer}_state_bias"]
        candidate = np.tanh(x @ w[f"{layer}_input"] + w[f"{layer}_input_bias"] + reset * by_state)
        return (1 - update) * candidate + update * h

    edges = [0]
    while len(edges) <= BANDS:
        edges.append(min(edges[-1] + max(1, round(0.1 * edges[-1])), BINS))
    assert edges[-1] == BINS
    level, floor, kept, taken, heard = 0.0, np.zeros(BINS), 0.0, 0.0, 0.0
    first, second = np.zeros((2, len(w["enter_bias"])))
    gains, talking = [], []

    def banded(x: np.ndarray) -> np.ndarray:
        return np.array([x[low:high].mean() for low, high in pairwise(edges)])

    classical = LogSpectralSuppressor(1)
    for e, y in zip(near.astype(float), echo.astype(float), strict=True):
        gain = classical.gains(e[None].astype(np.float32), y[None].astype(np.float32))[0].astype(float)
        odds = np.log(gain / (1.02 - gain))
        power, begun = e.mean(), level > 0
        level = max(level + (0.03 if power > level else 0.0015) * (power - level) if begun else power, 1e-7)
        decades = np.log10(np.clip(e / level, 1e-6, 1e3))
        absolute = np.maximum(decades + np.log10(level), -8)
        floor = floor if begun else absolute
        above = absolute - floor
        floor = floor + np.where(above < 0, 0.15 * above, np.minimum(0.02 * above, 0.01))
        height = np.clip(above, -1, 3)
        x = np.concatenate((decades, np.log10(np.clip(banded(y) / level, 1e-6, 1e3)), banded(height), banded(odds)))
        first = gated("first", np.tanh(x @ w["enter_weight"] + w["enter_bias"]), first)
        second = gated("second", first, second)
        out = np.concatenate((first, second)) @ w["leave_weight"] + w["leave_bias"]
        own = height * w["height_weight"] + decades * w["power_weight"] + odds * w["prior_weight"]
        talking.append(sigmoid(out[BINS]))
        learned = np.maximum(sigmoid(out[:BINS] + own), 1e-3)
        part = np.sum((learned**2 * e)[5:80])
        kept, taken = kept + 0.005 * (part - kept), taken + 0.005 * (np.sum(e[5:80]) - part - taken)
        clean = np.clip((10 * np.log10((kept + 1e-9) / (taken + 1e-9)) - 2) / 4, 0, 1)
        heard = max(talking[-1], 0.985 * heard)
        share = heard * (1 + clean) / 2
        gains.append(learned ** (1 - share) * gain**share)
    return np.array(gains), np.array(talking)


def test_the_card_is_that_of_the_weights() -> None:
    card = (FOLDER / "suppressor.md").read_text()
    found = re.search(r"SHA-256 of `suppressor.npz`: `([0-9a-f]{64})`", card)
    assert found and found[1] == hashlib.sha256((FOLDER / "suppressor.npz").read_bytes()).hexdigest()


def test_inference_equals_the_definition() -> None:
    near, echo = scenes(3)
    gains, talking = run(Suppressor(3), near, echo)
    for row in range(3):
        wanted, wanted_talking = by_definition(near[row], echo[row])
        np.testing.assert_allclose(gains[row], wanted, atol=1e-4)
        np.testing.assert_allclose(talking[row], wanted_talking, atol=1e-4)


def test_inference_equals_the_stored_vectors() -> None:
    with np.load(VECTORS) as stored:
        near, echo, wanted, wanted_talking = (stored[name].astype(np.float32) for name in ("near_power", "echo_power", "gains", "speech"))
    gains, talking = run(Suppressor(len(near)), near, echo)
    np.testing.assert_allclose(gains, wanted, atol=2e-3)
    np.testing.assert_allclose(talking, wanted_talking, atol=2e-3)


def test_a_batch_equals_each_row_alone() -> None:
    rows = 70
    near, echo = scenes(rows, 20)
    together = run(Suppressor(rows), near, echo)
    for row in (0, 1, 31, 32, 63, 64, 69):
        alone = run(Suppressor(1), near[row : row + 1], echo[row : row + 1])
        assert np.array_equal(together[0][row], alone[0][0]) and np.array_equal(together[1][row], alone[1][0])


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 0.0, 3e38, 1e-38])
def test_garbage_stays_in_its_row_and_is_forgotten(garbage: float) -> None:
    near, echo = scenes(6)
    clean = run(Suppressor(6), near, echo)
    near[2, 10:20], echo[2, 15:25] = garbage, garbage
    gains, talking = run(Suppressor(6), near, echo)
    others = [0, 1, 3, 4, 5]
    assert np.array_equal(gains[others], clean[0][others]) and np.array_equal(talking[others], clean[1][others])
    assert np.isfinite(gains).all() and np.isfinite(talking).all() and gains.min() >= 0 and gains.max() <= 1


def test_rows_begin_anew() -> None:
    near, echo = scenes(4)
    suppressor = Suppressor(4)
    first = run(suppressor, near, echo)
    suppressor.reset(np.array([True, False, True, False]))
    again = run(suppressor, near, echo)
    assert np.array_equal(again[0][[0, 2]], first[0][[0, 2]]) and not np.array_equal(again[0][1], first[0][1])
    suppressor.reset(np.array([3]))
    assert np.array_equal(run(suppressor, near, echo)[0][3], first[0][3])


def test_rows_that_are_not_handed_in_stay_new() -> None:
    near, echo = scenes(4)
    suppressor = Suppressor(80)
    run(suppressor, near[:3], echo[:3])
    np.testing.assert_allclose(run(suppressor, near, echo)[0][3], run(Suppressor(4), near, echo)[0][3], atol=1e-4)


def test_loudness_does_not_matter() -> None:
    """From -6 to -56 dBFS; the noise is 20 dB below."""
    x = speech(3.0)[32_000:]
    x = x / np.sqrt(np.mean(np.square(x))) + np.random.default_rng(1).standard_normal(len(x)) * 0.1
    near = np.stack([powers(x * 10 ** (level_dbfs / 20)) for level_dbfs in (-6, -26, -56)])
    gains, talking = run(Suppressor(3), near, np.zeros_like(near))
    assert np.abs(gains - gains[0]).mean() < 0.005 and np.abs(gains - gains[0]).max() < 0.25
    assert np.abs(talking - talking[0]).max() < 0.05


def test_silence_and_what_follows() -> None:
    near, echo = scenes(2)
    suppressor = Suppressor(2)
    quiet = np.zeros((2, 500, BINS), np.float32)
    gains, talking = run(suppressor, quiet, quiet)
    assert np.isfinite(gains).all() and talking[:, -1].max() < 0.2
    gains, talking = run(suppressor, near, echo)
    assert np.isfinite(gains).all() and talking[0].max() > 0.8


def level_db(x: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(x)) + 1e-12))


def heard(x: np.ndarray, echo: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """``x`` (n,) after the gains, in spectra, and its speech score per hop."""
    whole = spectra(x)
    gains, talking = run(Suppressor(1), powers(x)[None], (powers(x) * 0 if echo is None else powers(echo))[None])
    return np.abs(whole) * gains[0], talking[0]


@pytest.mark.parametrize("loudness_db", [-34, 0])
def test_noise_goes_and_speech_stays(loudness_db: float) -> None:
    rng = np.random.default_rng(1)
    talk = speech(4.0) * np.float32(10 ** (loudness_db / 20))
    rms = np.sqrt(np.mean(np.square(talk)))
    noise = (rng.standard_normal(3 * 16_000) * rms).astype(np.float32)
    left, talking = heard(noise)
    assert level_db(left[100:]) < level_db(np.abs(spectra(noise))[100:]) - 20 and talking[100:].mean() < 0.2
    kept, talking = heard(talk)
    assert level_db(kept) > level_db(np.abs(spectra(talk))) - 1
    whole = np.abs(spectra(talk)).sum(1)
    assert talking[whole > whole.max() / 4].mean() > 0.9


def test_residual_echo_goes() -> None:
    """A tenth of the echo's power is left over; nobody near talks."""
    far = speech(4.0)
    room = np.random.default_rng(2).standard_normal(1600) * np.exp(-np.arange(1600) / 300)
    estimate = np.convolve(far, room)[: len(far)]
    left_over = np.convolve(far, room * np.random.default_rng(3).standard_normal(1600) * 0.33)[: len(far)]
    left, _ = heard(left_over.astype(np.float32), estimate.astype(np.float32))
    assert level_db(left) < level_db(np.abs(spectra(left_over))) - 15
