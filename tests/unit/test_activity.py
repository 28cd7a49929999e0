"""Speech activity: equal to its slow reference, each row for itself, speech found and noise not."""

import numpy as np
import pytest

from dsp import activity
from dsp.activity import DELAY_HOPS, Activity
from dsp.lanes import LANES
from dsp.spectrum import HOP
from tests.kit.reference_activity import looks
from tests.kit.speech import speech

Block = np.ndarray


def noise(hops: int, level_dbfs: float, seed: int = 0) -> Block:
    return (np.random.default_rng(seed).standard_normal(HOP * hops) * 10 ** (level_dbfs / 20)).astype(np.float32)


def scene(snr_db: float, seed: int = 0, name: str = "en-vm-review") -> tuple[Block, Block]:
    """Two seconds of noise, then four of speech in it: the sound, and per hop whether there is speech by energy."""
    clean = np.concatenate((np.zeros(32_000, np.float32), speech(4.0, name)))
    power = (clean.reshape(-1, HOP) ** 2).mean(axis=1)
    active = power > power.max() * 10**-2.5
    level_dbfs = 10 * np.log10(power[active].mean()) - snr_db
    return clean + noise(len(power), level_dbfs, seed), active


def told(stage: Activity, block: Block, step: int = 2 * HOP) -> Block:
    """Flags (rows, hops), moved back by the delay."""
    flags = [stage.process(np.ascontiguousarray(block[:, at : at + step])) for at in range(0, block.shape[1], step)]
    return np.concatenate(flags, axis=1)[:, DELAY_HOPS:]


def looked(block: Block) -> Block:
    """The kernel's figures, (rows, hops, 4), hop by hop."""
    stage, rows = Activity(len(block)), []
    for at in range(0, block.shape[1], HOP):
        out = np.zeros((-(-len(block) // LANES), 1, 4, LANES), np.float32)
        hop = np.ascontiguousarray(block[:, at : at + HOP])
        activity._look(hop, out, stage._frame, stage._power, stage._peak, stage._low, stage._mean, stage._past)
        rows.append(out.transpose(0, 3, 1, 2).reshape(-1, 4)[: len(block)])
    return np.stack(rows, axis=1)


def test_the_kernel_sees_what_the_slow_version_sees() -> None:
    t = np.arange(HOP * 40) / 16_000
    block = np.stack((scene(10)[0][24_000:48_000], np.resize(0.3 * np.sign(np.sin(2 * np.pi * 150 * t)), 24_000).astype(np.float32)))
    found = looked(block)
    for row, x in enumerate(block):
        assert np.allclose(found[row], looks(x), atol=2e-3)


def test_rows_together_are_bit_equal_to_each_alone() -> None:
    block = np.stack([scene(snr_db, seed)[0][30_400:40_000] for seed, snr_db in enumerate((20, 5, 0))] * 6)
    together, flags = Activity(18), []
    alone = [Activity(1) for _ in block]
    for at in range(0, block.shape[1], 2 * HOP):
        part = np.ascontiguousarray(block[:, at : at + 2 * HOP])
        flags = together.process(part)
        for row, stage in enumerate(alone):
            assert np.array_equal(stage.process(part[row : row + 1])[0], flags[row])
            assert stage.score[0] == together.score[row]


def test_garbage_in_one_row_changes_no_other_and_nothing_breaks() -> None:
    t = np.arange(HOP * 100)
    clean = np.stack([scene(10, seed)[0][32_000 : 32_000 + len(t)] for seed in range(5)])
    dirty = clean.copy()
    dirty[0], dirty[1], dirty[3] = 4.0, np.where(t // 80 % 2, 4.0, -4.0), 0.0
    one, other = Activity(5), Activity(5)
    assert np.array_equal(told(one, clean)[[2, 4]], told(other, dirty)[[2, 4]])
    assert np.array_equal(one.score[[2, 4]], other.score[[2, 4]])
    assert np.isfinite(other.score).all() and ((other.score >= 0) & (other.score <= 1)).all()


def test_block_length_does_not_matter() -> None:
    x = scene(5)[0][None, :48_000]
    assert np.array_equal(told(Activity(1), x, HOP), told(Activity(1), x, 5 * HOP))


@pytest.mark.parametrize("name", ["en-vm-review", "es-vm-intro", "en-queue-youarenext"])
def test_speech_in_noise_is_found_and_the_noise_before_it_is_none(name: str) -> None:
    for snr_db, least in ((20, 0.95), (5, 0.9)):
        x, active = scene(snr_db, name=name)
        flags = told(Activity(1), x[None])[0]
        assert flags[active[: len(flags)]].mean() > least
        assert flags[50:195].mean() < 0.05


def test_silence_hum_and_a_loud_fan_are_no_speech() -> None:
    t = np.arange(HOP * 400) / 16_000
    hum = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in range(1, 6)) * 0.01
    block = np.stack((np.zeros_like(t), hum, noise(400, -20.0))).astype(np.float32)
    assert not told(Activity(3), block)[:, 150:].any()


def test_the_learned_probability_decides_where_it_is_sure() -> None:
    x, _ = scene(20)
    stage = Activity(2)
    for at in range(32_000, 64_000, HOP):
        part = np.stack((x[at : at + HOP], noise(1, -60.0, at)))
        flags = stage.process(part, np.array([0.0, 1.0], np.float32))
        if at > 34_000:
            assert flags[:, 0].tolist() == [False, True]


def test_hangover_and_threshold_are_the_rows_own() -> None:
    stage = Activity(3)
    stage.hangover_s[:] = 0.0, 0.1, 0.0
    stage.threshold[2] = 1.0
    silent = np.zeros((3, HOP), np.float32)
    for _ in range(20):
        stage.process(silent, np.ones(3, np.float32))
    assert stage.active.tolist() == [True, True, False]
    after = np.array([stage.process(silent, np.zeros(3, np.float32))[:, 0] for _ in range(20)])
    assert after.sum(axis=0).tolist() == [0, 10, 0]


def test_a_reset_row_begins_anew_and_the_others_go_on() -> None:
    x = np.stack([scene(10, seed)[0][32_000:48_000] for seed in range(2)])
    stage, fresh, going = Activity(2), Activity(2, mode=3), Activity(2)
    told(stage, x)
    told(going, x)
    stage.mode[0] = 3
    stage.reset(np.array([True, False]))
    assert stage.score[0] == 0.0 and not stage.active[0]
    again = told(stage, x)
    assert np.array_equal(again[0], told(fresh, x)[0]) and np.array_equal(again[1], told(going, x)[1])
    assert stage.score[0] == fresh.score[0] and stage.score[1] == going.score[1]
