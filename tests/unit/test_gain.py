"""The automatic gain reaches its level and does not pump; the limiter lets nothing through that is too loud."""

import numpy as np
import pytest

from dsp.gain import (
    CEILING,
    DOWN_DB_S,
    LEAST_GAIN_DB,
    MOST_GAIN_DB,
    MOST_NOISE_DBFS,
    TARGET_DBFS,
    UP_DB_S,
    AutomaticGain,
    Limiter,
)
from dsp.levels import Levels, rms_dbfs
from tests.kit.speech import speech

SIZE = 320


def talk(dbfs, seconds=12.0):
    """Sentences and pauses at an active level, float32 (1, n)."""
    voice = speech(6.0)
    meter = Levels(1)
    for at in range(0, len(voice), SIZE):
        meter.process(np.ascontiguousarray(voice[None, at : at + SIZE]))
    x = np.tile(np.concatenate((voice, np.zeros(8_000, np.float32))), 4)[: int(seconds * 16_000)]
    return np.ascontiguousarray(x * np.float32(10 ** ((dbfs - meter.speech_dbfs[0]) / 20)))[None]


def amplified(x, speaks=None, stage=None):
    """What comes out, and the gain after each block: (rows, n), (blocks, rows)."""
    stage = stage or AutomaticGain(len(x))
    out, gains = [], []
    for number, at in enumerate(range(0, x.shape[1] - SIZE + 1, SIZE)):
        speech = np.ones(len(x), np.float32) if speaks is None else np.full(len(x), speaks[number], np.float32)
        out.append(stage.process(np.ascontiguousarray(x[:, at : at + SIZE]), speech))
        gains.append(stage.gain_db[: len(x)].copy())
    return np.concatenate(out, axis=1), np.array(gains)


def active_dbfs(x):
    meter = Levels(1)
    for at in range(0, x.shape[1] - SIZE + 1, SIZE):
        meter.process(np.ascontiguousarray(x[:, at : at + SIZE]))
    return float(meter.speech_dbfs[0])


@pytest.mark.parametrize("dbfs", [-45, -35, -23, -12, -6])
def test_the_level_is_reached_within_seconds(dbfs):
    x = talk(dbfs)
    out, gains = amplified(x)
    assert active_dbfs(out[:, -6 * 16_000 :]) == pytest.approx(TARGET_DBFS, abs=2.5)
    settled = np.flatnonzero(np.abs(gains[:, 0] - gains[-1, 0]) > 3.0)
    assert (settled[-1] if len(settled) else 0) * 0.02 < 7.0


def test_speech_at_the_level_is_left_alone():
    x = talk(TARGET_DBFS)
    _, gains = amplified(x)
    assert np.abs(gains).max() < 2.5
    assert np.ptp(gains[-300:]) < 1.0


def test_the_gain_never_moves_faster_than_promised_nor_in_pauses():
    x = np.concatenate((talk(-40, 8.0), talk(-8, 8.0)), axis=1)
    _, gains = amplified(x)
    steps = np.diff(gains[:, 0], prepend=0.0)
    assert steps.max() <= UP_DB_S * 0.02 + 1e-4
    assert steps.min() >= -DOWN_DB_S * 0.02 - 1e-4
    silent = np.array([rms_dbfs(x[0, at : at + SIZE]) < -70 for at in range(0, x.shape[1], SIZE)])
    assert silent.sum() > 20
    assert not steps[silent].any()


def test_the_gain_rests_while_somebody_else_is_heard():
    x = talk(-40)
    _, gains = amplified(x, speaks=np.zeros(x.shape[1] // SIZE))
    assert not gains.any()


def test_noise_is_not_lifted_above_its_bound():
    noise = np.random.default_rng(1).standard_normal(12 * 16_000).astype(np.float32)[None]
    x = talk(-45) + np.float32(10 ** (-60 / 20)) * noise
    _, gains = amplified(x)
    assert gains.max() == pytest.approx(MOST_NOISE_DBFS + 60, abs=2.0)
    _, gains = amplified(np.float32(10 ** (-45 / 20)) * noise)
    assert gains.max() <= 0.0


@pytest.mark.parametrize("dbfs", [-90, 0])
def test_the_gain_has_its_bounds(dbfs):
    rng = np.random.default_rng(2)
    bursts = np.repeat(rng.random(600) > 0.5, SIZE).astype(np.float32)
    x = (10 ** (dbfs / 20) * bursts * np.sign(np.sin(np.arange(len(bursts)) / 9))).astype(np.float32)[None]
    _, gains = amplified(x)
    assert gains.min() >= LEAST_GAIN_DB
    assert gains.max() <= MOST_GAIN_DB


def test_the_gain_is_a_ramp_without_steps():
    x = np.full((1, 16_000), 0.01, np.float32) * (1 + 0.2 * (np.arange(16_000) // 3_200 % 2))
    x[:, :4_000] = 0
    x = x.astype(np.float32)
    out, gains = amplified(x)
    assert gains[-1, 0] > 1.0
    ratio = out[0, 4_000:] / x[0, 4_000:]
    assert np.abs(np.diff(20 * np.log10(ratio))).max() < UP_DB_S / 16_000 * 1.2


@pytest.mark.parametrize("level", [0.5, 1.0, 4.0, 100.0])
@pytest.mark.parametrize("kind", ["square", "impulse", "noise", "sine", "constant"])
def test_nothing_passes_the_ceiling(level, kind):
    n = np.arange(8_000)
    shapes = {
        "square": np.sign(np.sin(n / 20)),
        "impulse": (n % 1_600 == 700).astype(float),
        "noise": np.random.default_rng(3).uniform(-1, 1, len(n)),
        "sine": np.sin(n / 5),
        "constant": np.ones(len(n)),
    }
    out = np.concatenate(in_blocks(Limiter(1), (level * shapes[kind]).astype(np.float32)[None]), axis=1)
    assert np.abs(out).max() <= CEILING <= 10 ** (-1 / 20)
    assert np.abs(out).max() > 0.4


def in_blocks(stage, x):
    return [stage.process(np.ascontiguousarray(x[:, at : at + SIZE])) for at in range(0, x.shape[1], SIZE)]


def test_what_is_quiet_passes_untouched():
    x = 0.6 * speech(3.0)[None] / np.abs(speech(3.0)).max()
    assert np.array_equal(np.concatenate(in_blocks(Limiter(1), x), axis=1), x)


def test_the_limiter_follows_the_curve_and_lets_go():
    loud, quiet = np.ones(8_000, np.float32), np.full(16_000, 0.1, np.float32)
    out = np.concatenate(in_blocks(Limiter(1), np.concatenate((loud, quiet))[None]), axis=1)[0]
    knee = 10 ** (-4 / 20)
    room = CEILING - knee
    assert out[4_000] == pytest.approx(knee + room * (1 - knee) / (1 - knee + room), rel=1e-4)
    assert out[8_000] == pytest.approx(0.1 * out[4_000], rel=1e-3)
    assert out[-1] == pytest.approx(0.1, rel=1e-6)


def slow_limit(x):
    """The limiter, sample by sample."""
    envelope, out, knee = 0.0, [], 10 ** (-4 / 20)
    for sample in x.astype(np.float64):
        envelope = max(abs(sample), envelope * np.exp(-1 / (0.08 * 16_000)))
        over = max(0.0, envelope - knee)
        aim = min(envelope, knee) + (CEILING - knee) * over / (over + CEILING - knee)
        out.append(sample * aim / envelope if envelope else 0.0)
    return np.array(out)


def test_the_limiter_equals_the_slow_one():
    x = (3 * speech(1.0)).astype(np.float32)
    out = np.concatenate(in_blocks(Limiter(1), x[None]), axis=1)[0]
    np.testing.assert_allclose(out, slow_limit(x), atol=2e-6)


class SlowGain:
    """The automatic gain of one leg, hop by hop, in decibels."""

    def __init__(self):
        self.gain_db, self.level, self.hops, self.smoothed, self.windows, self.count = 0.0, 0.0, 0, None, [], 0

    def hop(self, x, speech):
        power = float(np.mean(x.astype(np.float64) ** 2))
        floor = self.floor(power)
        speaks = speech >= 0.5 and power > 10**0.6 * floor
        if speaks and power > 10**-1.59 * self.level:
            self.hops = min(self.hops + 1, 500)
            self.level += (power - self.level) / self.hops
        elif speaks:
            self.level *= 10**-0.003
        former = self.gain_db
        if speaks and self.hops >= 10 and power > 10**-1.59 * self.level:
            wanted = np.clip(TARGET_DBFS - 10 * np.log10(max(self.level, 1e-10)), LEAST_GAIN_DB, MOST_GAIN_DB)
            distance = min(wanted, max(0.0, MOST_NOISE_DBFS - 10 * np.log10(floor))) - former
            beyond = np.sign(distance) * max(0.0, abs(distance) - 1.5)
            self.gain_db += np.clip(0.012 * beyond, -DOWN_DB_S / 100, UP_DB_S / 100)
        return x * np.linspace(10 ** (former / 20), 10 ** (self.gain_db / 20), len(x) + 1)[1:]

    def floor(self, power):
        self.smoothed = power if self.smoothed is None else self.smoothed + 0.3 * (power - self.smoothed)
        if self.count % 200 == 0:
            self.windows = [*self.windows[-1:], self.smoothed]
        self.count += 1
        self.windows[-1] = min(self.windows[-1], self.smoothed)
        return max(1e-10, min(self.windows))


def test_the_gain_equals_the_slow_one():
    rng = np.random.default_rng(5)
    x = talk(-35, 6.0)
    x = (x + 0.0005 * rng.standard_normal(x.shape)).astype(np.float32)
    out, gains = amplified(x)
    slow = SlowGain()
    wanted = np.concatenate([slow.hop(x[0, at : at + 160], 1.0) for at in range(0, x.shape[1], 160)])
    assert gains[-1, 0] == pytest.approx(slow.gain_db, abs=0.01)
    np.testing.assert_allclose(out[0], wanted, atol=1e-4)


def test_rows_are_alone_start_anew_and_can_be_off():
    rng = np.random.default_rng(6)
    x = np.ascontiguousarray(np.tile(talk(-40, 3.0), (20, 1)) * rng.uniform(0.5, 2.0, (20, 1)).astype(np.float32))
    alone = [amplified(x[row : row + 1])[0][0] for row in range(20)]
    limited = [np.concatenate(in_blocks(Limiter(1), 20 * x[row : row + 1]), axis=1)[0] for row in range(20)]
    x[4], x[11], x[12] = np.nan, np.inf, np.where(np.arange(x.shape[1]) % 50 < 25, 1.0, -1.0)
    stage, limiter = AutomaticGain(32), Limiter(32)
    stage.enabled[1] = limiter.enabled[1] = False
    together, _ = amplified(x, stage=stage)
    both = np.concatenate(in_blocks(limiter, 20 * x), axis=1)
    for row in set(range(20)) - {1, 4, 11, 12}:
        assert np.array_equal(together[row], alone[row])
        assert np.array_equal(both[row], limited[row])
    assert np.array_equal(together[1], x[1])
    assert np.array_equal(both[1], 20 * x[1])
    stage.reset(np.array([0, 4, 11]))
    limiter.reset(np.array([0, 4, 11]))
    x[4] = x[11] = x[0]
    again, _ = amplified(x, stage=stage)
    for row in (0, 4, 11):
        assert np.array_equal(again[row], alone[0])
