"""The score finds speech where it is, and nothing where it is not."""

from pathlib import Path

import numpy as np
import pytest

from api.demo_call import score
from api.demo_call.speech import Sentence, at_rate, read_wav, sentence

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Sentence:
    return sentence("en-vm-intro", tmp_path_factory.mktemp("speech") / "said.wav", repeats=2)


def _delayed(pcm: np.ndarray, by_samples: int) -> np.ndarray:
    return np.concatenate([np.zeros(by_samples, np.float32), pcm, np.zeros(RATE_HZ, np.float32)])


def test_finds_the_sentence_to_the_sample(said: Sentence) -> None:
    found = score.find(said.pcm, _delayed(said.pcm, 12_345))
    assert found.start == 12_345
    assert found.correlation > 0.99


def test_finds_it_quiet_and_in_noise(said: Sentence) -> None:
    noise = np.random.default_rng(7).normal(0, 0.002, len(said.pcm) + 12_345 + RATE_HZ).astype(np.float32)
    found = score.find(said.pcm, _delayed(said.pcm, 12_345) * np.float32(0.1) + noise)
    assert found.start == 12_345


def test_says_what_is_there_instead(said: Sentence) -> None:
    with pytest.raises(score.NotHeard, match="only 100 samples"):
        score.find(said.pcm, np.zeros(100, np.float32))
    with pytest.raises(score.NotHeard, match="level -"):
        score.find(said.pcm, np.zeros(len(said.pcm) + 100, np.float32))
    noise = np.random.default_rng(1).normal(0, 0.1, len(said.pcm) + RATE_HZ).astype(np.float32)
    with pytest.raises(score.NotHeard, match="best likeness"):
        score.find(said.pcm, noise)


def test_pesq_is_high_for_the_same_and_falls_with_noise(said: Sentence) -> None:
    clean = _delayed(said.pcm, 4_000)
    noisy = clean + np.random.default_rng(3).normal(0, 0.02, len(clean)).astype(np.float32)
    assert score.pesq(said.pcm, clean, RATE_HZ) > 4.5
    assert score.pesq(said.pcm, noisy, RATE_HZ) < 3.0


def test_longest_silence_counts_only_holes_in_speech(said: Sentence) -> None:
    heard = _delayed(said.pcm, 4_000)
    assert score.longest_silence_ms(said.pcm, heard, RATE_HZ) == 0.0
    loudest = int(np.argmax(np.convolve(said.pcm**2, np.ones(3_200), "same")))
    holed = heard.copy()
    holed[4_000 + loudest - 800 : 4_000 + loudest + 800] = 0.0
    assert score.longest_silence_ms(said.pcm, holed, RATE_HZ) == pytest.approx(100.0, abs=10.0)


def test_delay_is_followed_through_a_jump(said: Sentence) -> None:
    middle = len(said.pcm) // 2
    late = np.concatenate([said.pcm[:middle], np.zeros(640, np.float32), said.pcm[middle:], np.zeros(RATE_HZ, np.float32)])
    lags = score.delays_ms(said.pcm, late, RATE_HZ)
    before, after = lags[lags[:, 0] < 1000 * (middle - 2_000) / RATE_HZ, 1], lags[lags[:, 0] > 1000 * (middle + 4_000) / RATE_HZ, 1]
    assert np.median(after) - np.median(before) == pytest.approx(40.0, abs=0.2)


def test_a_wav_comes_back_as_it_was_written(said: Sentence, tmp_path: Path) -> None:
    heard = read_wav(said.wav, RATE_HZ)
    assert len(heard) == pytest.approx(2 * said.period_s * RATE_HZ, abs=2)
    assert score.pesq(said.pcm, heard, RATE_HZ) > 4.5
    back = at_rate(at_rate(said.pcm, RATE_HZ, 48_000), 48_000, RATE_HZ)
    assert np.sum((back - said.pcm) ** 2) < 0.001 * np.sum(said.pcm**2)
