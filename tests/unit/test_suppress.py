"""The post-filter: what is left alone comes back, gains do what they say, rows stay apart; the classical estimator lowers noise."""

import numpy as np
import pytest

from dsp.spectrum import BINS, HOP, SINE
from dsp.suppress import LogSpectralSuppressor, PostFilter
from tests.kit.reference_suppress import SlowLogSpectral
from tests.kit.speech import speech

SIZE = 320


class Fixed:
    """A suppressor, or residual suppressor, of which the gains are given, (capacity, 161); it notes the powers that it is shown."""

    def __init__(self, gains):
        self.speech = np.full(len(gains), 0.25, np.float32)
        self.cautious = None
        self.double_talk = np.zeros(len(gains), np.float32)
        self.given = gains.astype(np.float32)
        self.shown = []

    def gains(self, *powers):
        self.shown.append([power.copy() for power in powers])
        return self.given

    def reset(self, rows):
        self.given[rows] = 1


def filtered(post, x, *others, size=SIZE):
    blocks = [[np.ascontiguousarray(part[:, at : at + size]) for part in (x, *others)] for at in range(0, x.shape[1], size)]
    return np.concatenate([post.process(*block) for block in blocks], axis=1)


def noise(rows, n=3_200, seed=1):
    return (0.1 * np.random.default_rng(seed).standard_normal((rows, n))).astype(np.float32)


def slow(x, gains):
    """Window, transform, gain, transform back, window, add: one row."""
    padded = np.concatenate((np.zeros(HOP), x.astype(np.float64)))
    out = np.zeros(len(padded) + HOP)
    for at in range(0, len(x), HOP):
        out[at : at + 2 * HOP] += SINE * np.fft.irfft(gains * np.fft.rfft(SINE * padded[at : at + 2 * HOP]))
    return out[: len(x)]


@pytest.mark.parametrize("size", [160, 320, 640])
def test_equals_overlap_add_by_the_book_whatever_the_block(size):
    gains = np.random.default_rng(2).uniform(0, 1, (19, BINS))
    x = noise(19)
    out = filtered(PostFilter(32, Fixed(gains)), x, size=size)
    for row in range(19):
        np.testing.assert_allclose(out[row], slow(x[row], gains[row]), atol=1e-6)


def test_gains_of_one_only_delay():
    x = noise(3)
    out = filtered(PostFilter(3, Fixed(np.ones((3, BINS)))), x)
    np.testing.assert_allclose(out[:, HOP:], x[:, :-HOP], atol=1e-6)


def test_a_row_with_everything_off_is_delayed_bit_for_bit():
    x = noise(4)
    post = PostFilter(4, Fixed(np.zeros((4, BINS))), Fixed(np.zeros((4, BINS))))
    post.noise[1] = post.residual_echo[1] = False
    out = filtered(post, x, 0.1 * x)
    assert np.array_equal(out[1, HOP:], x[1, :-HOP])
    assert not out[[0, 2, 3]].any()


def test_in_double_talk_the_cautious_gains_hold_where_speech_is_heard():
    suppressor, residual = Fixed(np.full((4, BINS), 0.25)), Fixed(np.ones((4, BINS)))
    suppressor.cautious = np.full((4, BINS), 0.75, np.float32)
    suppressor.speech[:] = 0.9, 0.9, 0.01, 0.9
    residual.double_talk = np.array([0, 1, 1, 0.5], np.float32)
    post, told = PostFilter(4, suppressor, residual), []
    x = noise(4)
    out = filtered(post, x, 0.1 * x)[:, 2 * HOP :]
    told = [np.sum(row * x[at, HOP:-HOP]) / np.sum(x[at, HOP:-HOP] ** 2) for at, row in enumerate(out)]
    np.testing.assert_allclose(told, [0.25, 0.75, 0.25, 0.5], atol=1e-5)


def test_switching_off_while_it_runs_makes_no_click():
    n = np.arange(6_400)
    x = (0.5 * np.sin(2 * np.pi * 440 * n / 16_000)).astype(np.float32)[None]
    post = PostFilter(1, Fixed(np.full((1, BINS), 0.1)))
    post.residual_echo[:] = False
    first = filtered(post, x[:, :3_200])
    post.noise[0] = False
    out = np.concatenate((first, filtered(post, x[:, 3_200:])), axis=1)[0]
    assert np.abs(np.diff(out, 2)).max() < 2 * np.abs(np.diff(x[0], 2)).max()
    assert np.array_equal(out[3_200 + 2 * HOP :], x[0, 3_200 + HOP : -HOP])


def test_noise_and_residual_echo_are_switched_per_row_and_the_lesser_gain_holds():
    x = noise(4)
    post = PostFilter(4, Fixed(np.full((4, BINS), 0.5)), Fixed(np.full((4, BINS), 0.25)))
    post.noise[:2] = False
    post.residual_echo[::2] = False
    out = filtered(post, x, x)
    for row, gain in enumerate((1.0, 0.25, 0.5, 0.25)):
        np.testing.assert_allclose(out[row, HOP:], gain * x[row, :-HOP], atol=1e-6)


def test_the_suppressors_are_shown_the_powers_of_near_echo_and_microphone():
    near, echo = noise(2, seed=3), noise(2, seed=4)
    mic = near + echo
    suppressor, residual = Fixed(np.ones((2, BINS))), Fixed(np.ones((2, BINS)))
    filtered(PostFilter(2, suppressor, residual), near, echo)
    frame = slice(5 * HOP, 7 * HOP)
    for shown, signal in zip(residual.shown[6][:3], (near, echo, mic), strict=True):
        np.testing.assert_allclose(shown, np.abs(np.fft.rfft(SINE * signal[:, frame])) ** 2, rtol=1e-4, atol=1e-5)
    assert np.array_equal(suppressor.shown[6][1], residual.shown[6][1])
    filtered(PostFilter(2, suppressor), near)
    assert not suppressor.shown[-1][1].any()


def test_what_is_mostly_echo_is_no_speech():
    x = noise(3)
    left = np.ones((3, BINS))
    left[0], left[1] = 0.1, 0.7
    post = PostFilter(3, Fixed(np.ones((3, BINS))), Fixed(left))
    filtered(post, x, x)
    np.testing.assert_allclose(post.speech, [0.25 * 4 * 0.01, 0.25, 0.25], rtol=1e-4)
    post.residual_echo[0] = False
    filtered(post, x, x)
    np.testing.assert_allclose(post.speech, 0.25)


def test_a_row_alone_sounds_the_same_as_among_others_whatever_they_send():
    x = noise(20)
    gains = np.random.default_rng(6).uniform(0, 1, (20, BINS))
    alone = [filtered(PostFilter(1, Fixed(gains[row : row + 1])), x[row : row + 1])[0] for row in range(20)]
    x[3], x[7], x[8] = np.nan, np.inf, 1.0
    post = PostFilter(32, Fixed(np.resize(gains, (32, BINS))))
    together = filtered(post, x)
    for row in set(range(20)) - {3, 7, 8}:
        assert np.array_equal(together[row], alone[row])
    post.reset(np.array([3, 7, 8]))
    x[[3, 7, 8]] = noise(20)[[3, 7, 8]]
    again = filtered(post, x)
    for row in (3, 7, 8):
        np.testing.assert_allclose(again[row, HOP:], x[row, :-HOP], atol=1e-6)
    assert post.speech[0] == 0.25


def speech_in_noise(rows, seconds=3.0, seed=7):
    """Speech at several levels in white noise 15 dB below, after a second of noise alone: noisy and clean, float32 (rows, n)."""
    clean = np.tile(np.concatenate((np.zeros(16_000, np.float32), speech(seconds))), (rows, 1))
    clean *= np.geomspace(0.05, 1.0, rows, dtype=np.float32)[:, None]
    level = np.sqrt(np.mean(clean**2, axis=1, keepdims=True)) * np.float32(10 ** (-15 / 20))
    return clean + (level * np.random.default_rng(seed).standard_normal(clean.shape)).astype(np.float32), clean


def test_the_classical_estimator_equals_its_papers():
    noisy, _ = speech_in_noise(3)
    powers = np.abs(np.fft.rfft(np.lib.stride_tricks.sliding_window_view(noisy, 2 * HOP, axis=1)[:, ::HOP] * SINE)) ** 2
    fast, slow_ones = LogSpectralSuppressor(16), [SlowLogSpectral() for _ in range(3)]
    worst = []
    for hop in range(powers.shape[1]):
        gains = fast.gains(powers[:, hop].astype(np.float32), np.zeros((3, BINS), np.float32))
        wanted = np.array([one.gains(powers[row, hop]) for row, one in enumerate(slow_ones)])
        worst.append(np.abs(gains - wanted).max())
        np.testing.assert_allclose(fast.speech[:3], [one.speech for one in slow_ones], atol=2e-3)
    assert max(worst) < 5e-3
    assert np.mean(worst) < 5e-5


def test_noise_goes_down_and_speech_stays():
    noisy, clean = speech_in_noise(2)
    out = filtered(PostFilter(2, LogSpectralSuppressor(2)), noisy)[:, HOP:]
    noisy, clean = noisy[:, :-HOP], clean[:, :-HOP]
    alone = slice(8_000, 15_000)
    assert (10 * np.log10(np.mean(noisy[:, alone] ** 2, axis=1) / np.mean(out[:, alone] ** 2, axis=1)) > 15).all()
    before, after = (10 * np.log10(np.mean(clean**2, axis=1) / np.mean((part - clean) ** 2, axis=1)) for part in (noisy, out))
    assert (after > before + 3).all()


def test_what_is_left_of_noise_is_not_musical():
    """Tones that come and go would raise the kurtosis of the bins' powers (Uemura et al. 2008); that of noise is 2."""
    x = noise(4, 64_000)
    out = filtered(PostFilter(4, LogSpectralSuppressor(4)), x)[:, 16_000:]
    frames = np.lib.stride_tricks.sliding_window_view(out, 2 * HOP, axis=1)[:, ::HOP]
    powers = np.abs(np.fft.rfft(frames * SINE)[..., 5:150]) ** 2
    assert np.median(np.mean(powers**2, axis=1) / np.mean(powers, axis=1) ** 2) < 3
    assert np.mean(x**2) > 60 * np.mean(out**2)


def test_noise_alone_is_no_speech_and_speech_is():
    noisy, clean = speech_in_noise(1)
    post, told = PostFilter(1, LogSpectralSuppressor(1)), []
    for at in range(0, noisy.shape[1], SIZE):
        post.process(np.ascontiguousarray(noisy[:, at : at + SIZE]))
        told.append(float(post.speech[0]))
    loud = np.array([np.mean(clean[0, at : at + SIZE] ** 2) for at in range(0, clean.shape[1], SIZE)])
    spoken, silent = np.array(told)[loud > 0.1 * loud.max()], np.array(told)[10:50]
    assert silent.max() < 0.5
    assert np.mean(spoken > 0.5) > 0.95


@pytest.mark.parametrize("lead_in", ["zeros", "speech"])
def test_whatever_comes_first_the_noise_is_soon_found(lead_in):
    noisy, _ = speech_in_noise(1)
    first = np.zeros((1, 16_000), np.float32) if lead_in == "zeros" else noisy[:, 16_000:32_000]
    out = filtered(PostFilter(1, LogSpectralSuppressor(1)), np.concatenate((first, noisy[:, :16_000]), axis=1))
    last = slice(16_000 + 8_000, 16_000 + 15_000)
    assert np.mean(noisy[0, 8_000:15_000] ** 2) > 30 * np.mean(out[0, last] ** 2)


def test_a_gap_of_digital_silence_is_no_new_noise_floor():
    noisy, _ = speech_in_noise(1)
    gap = np.concatenate((noisy[:, :16_000], np.zeros((1, 16_000), np.float32), noisy[:, :3_200]), axis=1)
    out = filtered(PostFilter(1, LogSpectralSuppressor(1)), gap)
    assert np.mean(noisy[0, :3_200] ** 2) > 20 * np.mean(out[0, 33_000:] ** 2)


@pytest.mark.parametrize("kind", ["square", "constant", "silence", "impulses"])
def test_garbage_comes_out_finite(kind):
    n = np.arange(16_000)
    x = {"square": np.sign(np.sin(n / 50)), "constant": np.ones(16_000), "silence": np.zeros(16_000), "impulses": n % 4_000 == 0}[kind]
    out = filtered(PostFilter(1, LogSpectralSuppressor(1)), x.astype(np.float32)[None])
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 4


def test_the_classical_estimator_keeps_rows_apart_and_starts_anew():
    noisy, _ = speech_in_noise(18, seconds=1.0)
    alone = [filtered(PostFilter(1, LogSpectralSuppressor(1)), noisy[row : row + 1])[0] for row in range(18)]
    soiled = noisy.copy()
    soiled[2], soiled[9], soiled[10] = np.nan, np.inf, 1.0
    post = PostFilter(32, LogSpectralSuppressor(32))
    together = filtered(post, soiled)
    for row in set(range(18)) - {2, 9, 10}:
        assert np.array_equal(together[row], alone[row])
    post.reset(np.arange(18))
    again = filtered(post, noisy)
    for row in range(18):
        assert np.array_equal(again[row], alone[row])
