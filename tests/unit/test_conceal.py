"""Concealment and stretching: pitch found, holes filled, no clicks, and equal to the definition where there is one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.conceal import Concealer, Concealment
from dsp.levels import levels_dbfs, rms_dbfs
from dsp.pitch import find_period
from dsp.stretch import lengthen, shorten
from tests.kit.reference_conceal import closed, continued
from tests.kit.speech import frames, speech

RATES_HZ = (8_000, 16_000, 48_000)


def voice(rate_hz: int, seconds: float, pitch_hz: float = 160.0) -> np.ndarray:
    """A steady voice-like tone: ten harmonics of the pitch."""
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    harmonics = [np.sin(2 * np.pi * pitch_hz * k * t + k * k) / k for k in range(1, 11)]
    return (0.1 * np.sum(harmonics, axis=0)).astype(np.float32)


def best_lag_by_definition(x: np.ndarray, shortest: int, longest: int, window: int) -> int:
    scores = {}
    for lag in range(shortest, longest + 1):
        a, b = x[-window:].astype(float), x[-window - lag : len(x) - lag].astype(float)
        scores[lag] = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    return max(scores, key=lambda lag: scores[lag])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("pitch_hz", [80.0, 125.0, 210.0, 330.0])
def test_pitch_is_found(rate_hz: int, pitch_hz: float) -> None:
    x = voice(rate_hz, 0.06, pitch_hz)
    lag, score = find_period(x, rate_hz, shortest_s=0.0025, longest_s=0.02, window_s=0.02)
    assert abs(lag * pitch_hz / rate_hz - 1) < 0.03 and score > 0.97  # one period, not several


def test_pitch_equals_its_definition() -> None:
    x = speech(3.0)
    for at in range(16_000, 40_000, 1_111):
        past = x[at - 640 : at]
        if rms_dbfs(past) > -40:
            lag, _ = find_period(past, 16_000, shortest_s=0.0025, longest_s=0.015, window_s=0.01)
            periods = best_lag_by_definition(past.reshape(-1, 2).mean(axis=1), 20, 120, 80) * 2 / lag
            assert abs(periods - round(periods)) * lag <= 6  # the best lag, or a whole fraction of it


def sound(rate_hz: int, kind: str) -> np.ndarray:
    rng = np.random.default_rng(4)
    if kind == "voice":
        return voice(rate_hz, 0.1, 143.0) + (0.003 * rng.standard_normal(rate_hz // 10)).astype(np.float32)
    return np.convolve(0.1 * rng.standard_normal(rate_hz // 10), [1.0, 0.7, 0.3], "same").astype(np.float32)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("kind", ["voice", "noise"])
def test_a_hole_equals_its_definition(rate_hz: int, kind: str) -> None:
    x = sound(rate_hz, kind)
    concealer = Concealer(rate_hz, seed=9)
    for frame in frames(x, rate_hz):
        concealer.received(frame)
    n = rate_hz // 50
    made = np.concatenate([concealer.conceal(n) for _ in range(3)])
    expected, _ = continued(x[-int(0.05 * rate_hz) :], 3 * n, rate_hz, 9)
    assert np.allclose(made, expected, atol=2e-4) and rms_dbfs(made) > -40


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("kind", ["voice", "noise"])
@pytest.mark.parametrize("known", [1, 2])
def test_a_hole_with_its_end_known_equals_its_definition(rate_hz: int, kind: str, known: int) -> None:
    x, n = sound(rate_hz, kind), rate_hz // 50
    concealer = Concealer(rate_hz, seed=9)
    for frame in frames(x, rate_hz):
        concealer.received(frame)
    behind = x[: known * n]
    made = np.concatenate([concealer.conceal(n, following=behind, distance=(2 - k) * n) for k in range(2)])
    expected = closed(x[-int(0.05 * rate_hz) :], behind, 2 * n, rate_hz, 9)
    assert np.allclose(made, expected, atol=2e-4)
    assert np.array_equal(concealer.received(behind[:n]), behind[:n])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_lost_frame_of_a_steady_voice_is_hardly_missed(rate_hz: int) -> None:
    x, n = voice(rate_hz, 0.5), rate_hz // 50
    for following in (None, x[13 * n : 14 * n]):
        concealer, out = Concealer(rate_hz), []
        for k, frame in enumerate(frames(x, rate_hz)):
            out.append(concealer.conceal(n, following=following, distance=n) if k == 12 else concealer.received(frame))
        y = np.concatenate(out)
        error = y[12 * n : 14 * n] - x[12 * n : 14 * n]
        assert rms_dbfs(error) < rms_dbfs(x) - 8
        assert np.array_equal(y[: 12 * n], x[: 12 * n]) and np.array_equal(y[14 * n :], x[14 * n :])
        assert np.abs(np.diff(y)).max() < 1.5 * np.abs(np.diff(x)).max()  # no click


def test_ten_ms_at_a_time_is_the_same_hole() -> None:
    x = frames(speech(2.0))
    whole, halves = Concealer(16_000), Concealer(16_000)
    for frame in x[:60]:
        whole.received(frame)
        halves.received(frame)
    assert np.allclose(whole.conceal(640), np.concatenate([halves.conceal(160) for _ in range(4)]), atol=1e-6)
    assert np.allclose(whole.received(x[62]), halves.received(x[62]), atol=1e-6)


def test_a_long_hole_fades_to_the_background_and_stays_there() -> None:
    rng = np.random.default_rng(1)
    background = np.convolve(0.001 * rng.standard_normal(16_000), np.ones(8) / np.sqrt(8), "same").astype(np.float32)
    concealer = Concealer(16_000)
    for frame in frames(background):
        concealer.received(frame)
    for frame in frames(voice(16_000, 0.2)):
        concealer.received(frame)
    made = concealer.conceal(9_600)
    hole = levels_dbfs(made[:1_600], 16_000).tolist() + levels_dbfs(made[1_600:], 16_000).tolist()
    assert np.mean(hole[:2]) > -25 and all(level > -45 for level in hole[:24])  # heard for 120 ms
    assert all(abs(level + 60) < 6 for level in hole[40:])  # from 200 ms on the background at -60 dBFS
    spectrum, expected = (np.abs(np.fft.rfft(part[-6_400:].reshape(-1, 400))) ** 2 for part in (made, background))
    bands = [10 * np.log10(s.mean(axis=0)[1:].reshape(-1, 25).mean(axis=1)) for s in (spectrum, expected)]
    assert np.abs(bands[0] - bands[1])[:4].max() < 4.0  # and in its spectrum


def test_silence_stays_silence_and_nothing_comes_before_anything() -> None:
    concealer = Concealer(8_000)
    assert not concealer.conceal(160).any()
    assert not concealer.received(np.zeros(160, np.float32)).any()
    assert np.abs(concealer.conceal(1_600)).max() < 1e-6


def test_a_loud_background_is_not_made_up() -> None:
    concealer, rng = Concealer(8_000), np.random.default_rng(1)
    for _ in range(20):
        concealer.received((0.3 * rng.standard_normal(160)).astype(np.float32))
    concealer.conceal(1_600)
    assert rms_dbfs(concealer.conceal(1_600)) < -38


def test_a_word_whose_beginning_was_lost_begins_where_it_did() -> None:
    word = voice(16_000, 0.1)
    concealer = Concealer(16_000)
    for _ in range(5):
        concealer.received(np.zeros(320, np.float32))
    late, known = Concealer(16_000), concealer.conceal(320, following=word[320:640], distance=320)
    for _ in range(5):
        late.received(np.zeros(320, np.float32))
    assert rms_dbfs(known[160:]) > rms_dbfs(word) - 6 > -30 and np.abs(late.conceal(320)).max() < 1e-6


def test_a_decoder_is_given_time_to_find_its_way_back() -> None:
    x, off = voice(16_000, 0.4), voice(16_000, 0.4)[::-1]
    for following in (None, off[:320]):
        concealer = Concealer(16_000, settling_s=0.005)
        for frame in frames(x)[:10]:
            concealer.received(frame)
        concealer.conceal(320, following=following, distance=320)
        garbled = np.concatenate((np.full(80, 0.9, np.float32), off[80:320]))  # its first 5 ms are not heard
        y = concealer.received(garbled)
        assert np.abs(y[:80]).max() < 0.5 and np.array_equal(y[80 + 128 :], off[80 + 128 : 320])
        assert following is None or np.allclose(y[80:], off[80:320], atol=1e-6)


def test_a_hole_that_ends_otherwise_than_announced_has_no_click() -> None:
    x = voice(16_000, 0.4)
    for begin in (640, 960):  # comes earlier than said, and another sound than said
        concealer = Concealer(16_000)
        for frame in frames(x)[:10]:
            concealer.received(frame)
        y = np.concatenate((concealer.conceal(320, following=-x[:320], distance=640), concealer.received(x[begin : begin + 320])))
        assert np.abs(np.diff(y)).max() < 2.0 * np.abs(np.diff(x)).max()
    concealer = Concealer(16_000)
    for frame in frames(x)[:10]:
        concealer.received(frame)
    y = np.concatenate([concealer.conceal(320, following=x[:320], distance=320)] + [concealer.conceal(320) for _ in range(3)])
    assert np.abs(np.diff(y)).max() < 2.0 * np.abs(np.diff(x)).max() and rms_dbfs(y[320:640]) > -30


def test_speech_with_holes_is_finite_and_never_louder_than_speech() -> None:
    rng = np.random.default_rng(3)
    x = frames(speech(6.0))
    for rate_hz, step in ((16_000, 1), (8_000, 2)):
        concealer = Concealer(rate_hz)
        y = np.concatenate([concealer.conceal(320 // step) if rng.random() < 0.2 else concealer.received(f[::step].copy()) for f in x])
        assert np.isfinite(y).all() and np.abs(y).max() <= 1.3 * np.abs(np.concatenate(x)).max()


def heard(rows: int, mixed: bool, ticks: int = 60) -> list[np.ndarray]:
    """Streams with holes of their own, all in one ``Concealment`` or each alone."""
    rng = np.random.default_rng(8)
    lost = rng.random((ticks, rows)) < 0.25
    x = [frames(speech(4.0))[7 * row : 7 * row + ticks] for row in range(rows)]
    out: list[list[np.ndarray]] = [[] for _ in range(rows)]
    alone = [Concealment(1, 16_000, seed=row) for row in range(rows)]
    together = Concealment(rows, 16_000)
    for tick in range(ticks - 1):
        for gone in (False, True):
            chosen = np.flatnonzero(lost[tick] == gone)
            if not len(chosen):
                continue
            now = np.stack([x[row][tick] for row in chosen])
            behind = np.stack([x[row][tick + 1] for row in chosen])
            distance = np.where(lost[tick + 1][chosen], 0, 320)
            if mixed:
                made = together.conceal(chosen, 320, following=behind, distance=distance) if gone else together.received(chosen, now)
            else:
                only = np.zeros(1, np.int64)
                made = np.concatenate(
                    [
                        alone[row].conceal(only, 320, following=behind[k : k + 1], distance=distance[k : k + 1])
                        if gone
                        else alone[row].received(only, now[k : k + 1])
                        for k, row in enumerate(chosen)
                    ]
                )
            for k, row in enumerate(chosen):
                out[row].append(made[k])
    return [np.concatenate(row) for row in out]


def test_rows_together_are_bit_for_bit_as_each_alone() -> None:
    assert all(np.array_equal(one, other) for one, other in zip(heard(9, True), heard(9, False), strict=True))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["nan", "inf", "dc", "square", "silence", "huge", "lost", "closed"])), min_size=1, max_size=12))
def test_garbage_stays_in_its_row_and_never_leaves_it(course: list[tuple[str]]) -> None:
    x = frames(speech(2.0))[40:]
    bad = {
        "nan": np.full(320, np.nan, np.float32),
        "inf": np.full(320, -np.inf, np.float32),
        "dc": np.ones(320, np.float32),
        "square": np.sign(np.sin(np.arange(320) / 7)).astype(np.float32),
        "silence": np.zeros(320, np.float32),
        "huge": np.full(320, 1e30, np.float32),
    }
    good, both = Concealment(1, 16_000), Concealment(2, 16_000)
    only, second = np.array([0]), np.array([1])
    for tick, (what,) in enumerate(course):
        if what in bad:
            left = both.received(second, bad[what][None])
        elif what == "lost":
            left = both.conceal(second, 320)
        else:
            left = both.conceal(second, 320, following=np.full((1, 320), np.nan, np.float32), distance=np.array([320]))
        assert np.isfinite(left).all() and np.abs(left).max() <= 4.0
        if tick % 3 == 2:
            assert np.array_equal(good.conceal(only, 320), both.conceal(only, 320))
        else:
            assert np.array_equal(good.received(only, x[tick][None]), both.received(only, x[tick][None]))


def test_rows_that_are_reset_are_as_new() -> None:
    used, fresh = Concealment(3, 16_000), Concealment(3, 16_000)
    rows = np.arange(3)
    x = np.stack([frames(speech(2.0))[50 + k] for k in range(3)])
    used.received(rows, x)
    used.conceal(rows, 320)
    kept = used.conceal(rows[:1], 320)
    used.reset(np.array([False, True, True]))
    assert kept.any()
    assert np.array_equal(used.received(rows[1:], x[1:]), fresh.received(rows[1:], x[1:]))
    assert np.array_equal(used.conceal(rows[1:], 320), fresh.conceal(rows[1:], 320))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
@pytest.mark.parametrize("change", [shorten, lengthen])
def test_stretching_takes_whole_periods_without_a_click(change, rate_hz: int) -> None:
    x = voice(rate_hz, 0.02, 200.0)
    y = change(x, rate_hz, rate_hz // 100)
    difference = abs(len(y) - len(x))
    assert difference and abs(difference * 200.0 / rate_hz - round(difference * 200.0 / rate_hz)) < 0.03
    assert (len(y) > len(x)) == (change is lengthen)
    assert y[0] == x[0] and y[-1] == x[-1]
    ideal = voice(rate_hz, len(y) / rate_hz, 200.0)
    assert np.abs(y - ideal).max() < 0.03


@pytest.mark.parametrize("change", [shorten, lengthen])
def test_stretching_leaves_noise_alone_and_takes_what_it_likes_of_silence(change) -> None:
    noise = (0.1 * np.random.default_rng(1).standard_normal(320)).astype(np.float32)
    assert change(noise, 16_000, 160) is noise
    assert abs(len(change(np.zeros(320, np.float32), 16_000, 100)) - 320) == 100
    assert abs(len(change(np.zeros(320, np.float32), 16_000, 1_000)) - 320) == 160
    assert len(change(np.zeros(320, np.float32), 16_000, 10)) == 320
    assert len(change(np.zeros(20, np.float32), 16_000, 100)) == 20


@pytest.mark.parametrize("change", [shorten, lengthen])
def test_stretching_never_goes_beyond_what_is_wanted(change) -> None:
    x = speech(4.0)
    changed = 0
    for at in range(0, len(x) - 320, 113):
        for wanted in (41, 65, 97, 159):
            difference = abs(len(change(x[at : at + 320], 16_000, wanted)) - 320)
            assert difference <= wanted
            changed += difference > 0
    assert changed > 100
