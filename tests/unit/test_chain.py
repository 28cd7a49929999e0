"""The whole chain: what it does to a voice, and that nothing that one leg sends reaches another or ever comes out as no number."""

from collections.abc import Callable

import numpy as np
import pytest

from dsp.bands import RATIO
from dsp.chain import Chain, FullBandChain, Stages
from dsp.lanes import LANES
from dsp.spectrum import HOP
from tests.kit.speech import speech

TICK = 2 * HOP
RATE_HZ = 16_000


def run(chain: Chain | FullBandChain, near: np.ndarray, far: np.ndarray | None = None, *, tick: int = TICK) -> np.ndarray:
    """Rows (rows, samples) through the chain, tick by tick."""
    far = np.zeros_like(near) if far is None else far
    blocks = range(0, near.shape[1] // tick * tick, tick)
    return np.concatenate([chain.process(near[:, at : at + tick].copy(), far[:, at : at + tick].copy()) for at in blocks], axis=1)


EVERYTHING = Stages()


def switched(rows: int, stages: Stages = EVERYTHING, *, full_band: bool = False) -> Chain | FullBandChain:
    chain = FullBandChain(rows) if full_band else Chain(rows)
    for row in range(rows):
        chain.switch(row, stages)
    return chain


def voices(rows: int, seconds: float, *, level: float = 0.3) -> np.ndarray:
    """A different stretch of speech in each row."""
    n = int(seconds * RATE_HZ)
    talk = speech(seconds + 4.0)
    starts = np.random.default_rng(3).integers(0, len(talk) - n, rows)
    return (level * np.stack([talk[start : start + n] for start in starts])).astype(np.float32)


GARBAGE: dict[str, Callable[[int], np.ndarray]] = {
    "nan": lambda n: np.full(n, np.nan),
    "infinity": lambda n: np.where(np.arange(n) % 3, np.inf, -np.inf),
    "huge": lambda n: np.full(n, 3e38),
    "square": lambda n: np.where(np.arange(n) // 40 % 2, 1.0, -1.0),
    "direct current": lambda n: np.ones(n),
    "denormal": lambda n: np.full(n, 1e-41),
    "noise of full scale": lambda n: np.random.default_rng(1).uniform(-1, 1, n),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_of_one_leg_changes_no_sample_of_another_and_no_number_is_lost(kind: str) -> None:
    clean = voices(LANES + 2, 0.6)
    far = voices(LANES + 2, 0.6)[::-1].copy()
    expected = run(switched(len(clean)), clean, far)
    soiled, soiled_far = clean.copy(), far.copy()
    for row in (3, LANES + 1):
        soiled[row, 1_000:] = GARBAGE[kind](clean.shape[1] - 1_000)
        soiled_far[row, 2_000:] = GARBAGE[kind](clean.shape[1] - 2_000)
    heard = run(switched(len(clean)), soiled, soiled_far)
    others = [row for row in range(len(clean)) if row not in (3, LANES + 1)]
    assert np.array_equal(heard[others], expected[others])
    assert np.isfinite(heard).all() and np.abs(heard).max() <= 1.0


@pytest.mark.parametrize("kind", ["nan", "huge", "square"])
def test_a_leg_recovers_from_its_own_garbage(kind: str) -> None:
    voice = voices(1, 4.0)
    soiled = voice.copy()
    soiled[0, 8_000:16_000] = GARBAGE[kind](8_000)
    chain = switched(1, Stages(gain=False))
    heard = run(chain, soiled)[0, 32_000:]
    plain = run(switched(1, Stages(gain=False)), voice)[0, 32_000:]
    assert np.corrcoef(heard, plain)[0, 1] > 0.98


def test_each_row_of_a_batch_is_what_it_would_be_alone() -> None:
    near, far = voices(LANES + 3, 0.5), voices(LANES + 3, 0.5)[::-1].copy()
    together = run(switched(len(near)), near, far)
    for row in (0, 7, LANES, LANES + 2):
        assert np.array_equal(run(switched(1), near[row : row + 1], far[row : row + 1])[0], together[row])


def test_ticks_of_one_hop_and_of_two_give_the_same() -> None:
    near, far = voices(2, 0.5), voices(2, 0.5)[::-1].copy()
    np.testing.assert_allclose(
        run(switched(2, Stages(gain=False)), near, far, tick=HOP), run(switched(2, Stages(gain=False)), near, far), atol=1e-6
    )


def test_with_everything_off_a_voice_is_only_late() -> None:
    near = voices(3, 0.5)
    heard = run(switched(3, Stages.none()), near)
    late = Chain.delay_samples
    assert np.array_equal(heard[:, 2 * HOP :], near[:, 2 * HOP - late : -late])
    assert late <= 0.020 * RATE_HZ


def test_a_full_band_voice_with_everything_off_is_only_late() -> None:
    near = (0.1 * np.random.default_rng(4).standard_normal((2, 20 * RATIO * HOP))).astype(np.float32)
    heard = run(switched(2, Stages.none(), full_band=True), near, tick=RATIO * TICK)
    late = FullBandChain.delay_samples
    np.testing.assert_allclose(heard[:, 4 * RATIO * HOP :], near[:, 4 * RATIO * HOP - late : -late], atol=1e-6)
    assert late <= 0.020 * RATIO * RATE_HZ


def test_silence_stays_silence_and_speech_after_half_a_minute_of_it_is_heard() -> None:
    chain = switched(1)
    silent = np.zeros((1, TICK), np.float32)
    assert all(not chain.process(silent, silent).any() for _ in range(50 * 30))
    voice = voices(1, 2.0)
    assert np.mean(run(chain, voice) ** 2) > 0.1 * np.mean(voice**2)


def test_a_leg_that_comes_and_goes_at_every_tick_disturbs_nobody_and_leaves_nothing_behind() -> None:
    near, far = voices(2, 1.0), voices(2, 1.0)[::-1].copy()
    expected = run(switched(2), near, far)[0]
    chain = switched(2)
    held = _state_bytes(chain)
    heard = []
    for at in range(0, near.shape[1], TICK):
        chain.reset(np.array([1]))
        chain.switch(1, Stages() if at % (2 * TICK) else Stages.none())
        heard.append(chain.process(near[:, at : at + TICK].copy(), far[:, at : at + TICK].copy())[0])
    assert np.array_equal(np.concatenate(heard), expected)
    assert _state_bytes(chain) == held


def test_after_a_reset_a_row_is_as_new() -> None:
    # Without the echo filter, whose partitions take turns by the clock of all rows.
    near, far = voices(2, 0.6), voices(2, 0.6)[::-1].copy()
    chain = switched(2, Stages(echo=False))
    first = run(chain, near, far)
    chain.reset(np.array([False, True]))
    again = run(chain, near, far)
    assert np.array_equal(again[1], first[1])
    assert not np.array_equal(again[0], first[0])


def test_clocks_a_percent_apart_do_no_harm() -> None:
    talk = speech(4.0)
    far = (0.3 * talk[: 3 * RATE_HZ]).astype(np.float32)[None]
    drifted = np.interp(np.arange(far.shape[1]) * 1.01, np.arange(len(talk)), talk)
    near = (0.1 * np.concatenate((np.zeros(800), drifted[:-800]))).astype(np.float32)[None]
    heard = run(switched(1, Stages(gain=False)), near, far)
    assert np.isfinite(heard).all()
    assert np.mean(heard[0, RATE_HZ:] ** 2) <= np.mean(near[0, RATE_HZ:] ** 2), "what cannot be followed is at least not made louder"


def _state_bytes(thing: object, seen: set[int] | None = None) -> int:
    """Size of every array that an object holds, itself or through its parts."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    if isinstance(thing, dict):
        thing = list(thing.values())
    parts = thing if isinstance(thing, list | tuple) else list(getattr(thing, "__dict__", {}).values())
    return sum(_state_bytes(part, seen) for part in parts)
