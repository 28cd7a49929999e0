"""What the signal-processing benchmarks listen to and measure with: levels, delays and spans are as they say, and the same each time."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile
from scipy.signal import fftconvolve

from benchmarks import metrics
from benchmarks.__main__ import main
from benchmarks.dsp_quality import Bench, plain
from benchmarks.dsp_speed import timed_stages
from benchmarks.metrics import Samples
from benchmarks.ours import chained
from benchmarks.peers import find
from benchmarks.peers.signal import resampled, shifted
from benchmarks.report import CannotRun
from benchmarks.scenes import (
    LEAD_IN_S,
    RATE_HZ,
    Corpus,
    EchoPath,
    EchoScene,
    decaying_noise,
    echo_scene,
    noisy_mixes,
    read_wav,
    talk,
    through_opus,
    write_wav,
)
from dsp.chain import Chain, Stages

ROOM = decaying_noise(0.2, RATE_HZ, seed=3)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Of a folder that is not there: the shipped prompts and made noises."""
    return Corpus(Path("no/such/folder"))


@pytest.fixture(scope="module")
def scene(corpus: Corpus) -> EchoScene:
    return echo_scene(corpus, EchoPath("plain", (ROOM,), delays_ms=(50.0,)), ser_db=-10.0)


def noise(seconds: float, *, seed: int = 0, rms: float = 0.1) -> Samples:
    samples: Samples = np.random.default_rng(seed).standard_normal(int(seconds * RATE_HZ)).astype(np.float32) * np.float32(rms)
    return samples


# -- metrics


def test_erle_is_what_was_taken_away() -> None:
    mic = noise(1.0)
    assert metrics.erle_db(mic, mic * np.float32(0.1)) == pytest.approx(20.0, abs=1e-4)
    assert metrics.erle_db(mic, np.zeros_like(mic)) == 100.0
    heard = mic.copy()
    heard[RATE_HZ // 2 :] *= np.float32(0.01)
    over_time = metrics.erle_over_time_db(mic, heard, smoothing_s=0.1)
    assert over_time.shape == (100,)
    assert over_time[40] == pytest.approx(0.0, abs=0.01) and over_time[80] == pytest.approx(40.0, abs=0.01)


def test_convergence_counts_from_the_first_echo_and_has_to_last() -> None:
    mic = np.concatenate([np.zeros(RATE_HZ, np.float32), noise(4.0)])
    heard = mic.copy()
    heard[int(1.2 * RATE_HZ) : int(1.3 * RATE_HZ)] *= np.float32(0.01)  # a dip is no convergence
    heard[int(2.5 * RATE_HZ) :] *= np.float32(0.05)
    assert metrics.convergence_s(mic, heard) == pytest.approx(1.6, abs=0.03)
    assert metrics.convergence_s(mic, mic) == math.inf
    assert metrics.convergence_s(np.zeros_like(mic), mic) == math.inf


@pytest.mark.parametrize("delay", [0, 37, -12])
def test_delay_is_found_and_undone(delay: int) -> None:
    reference = noise(0.5)
    heard = np.roll(np.pad(reference, 100), delay)[100:-100] * np.float32(0.3)
    assert metrics.delay_samples(reference, heard, most=200) == delay
    inner = slice(50, len(reference) - 50)
    np.testing.assert_allclose(metrics.aligned(reference, heard, most=200)[inner], reference[inner] * np.float32(0.3), rtol=1e-5)


def test_active_level_knows_no_pauses() -> None:
    voice = noise(1.0, rms=0.1)
    alone = metrics.active_level_dbfs(voice)
    assert alone == pytest.approx(-20.0, abs=0.2)
    assert metrics.active_level_dbfs(np.concatenate([voice, np.zeros(3 * RATE_HZ, np.float32)])) == pytest.approx(alone, abs=0.01)
    assert metrics.active_level_dbfs(np.zeros(100, np.float32)) == -120.0


def test_pesq_of_silence_is_its_lowest_score(corpus: Corpus) -> None:
    voice = corpus.speech()[0].samples[: 3 * RATE_HZ]
    assert metrics.pesq_wb(voice, voice) > 4.6
    assert metrics.pesq_wb(voice, np.zeros_like(voice)) < 1.1
    assert metrics.pesq_wb(np.zeros_like(voice), voice) == 1.04


# -- speech and noise


def test_splits_share_nothing_and_leave_nothing_out(corpus: Corpus) -> None:
    for kind in (corpus.speech, corpus.noises):
        every, dev, heldout = ({clip.name for clip in kind(split)} for split in ("all", "dev", "heldout"))
        assert dev and heldout and not dev & heldout and dev | heldout == every


def test_a_folder_of_its_own_is_read(tmp_path: Path) -> None:
    for folder, names in {
        "speech16k": ["anna_1", "anna_2", "bert_1"],
        "noise": ["fan"],
        "echo_real": ["a_mic", "a_lpb", "b_mic", "c_fe_mic", "c_fe_lpb"],
    }.items():
        (tmp_path / folder).mkdir()
        for number, name in enumerate(names):
            write_wav(tmp_path / folder / f"{name}.wav", noise(1.0, seed=number))
    corpus = Corpus(tmp_path)
    assert [clip.name for clip in corpus.speech("dev")] == ["anna_1", "anna_2"]
    assert [clip.name for clip in corpus.speech("heldout")] == ["bert_1"]
    assert [(one.name, one.talk) for one in corpus.echo_real()] == [("a", "double"), ("c_fe", "far")], (
        "a microphone without its loudspeaker is no pair"
    )
    assert corpus.echo_made() == [] and corpus.responses() == [] and corpus.clips("plc") == []


def test_what_the_network_has_learned_from_is_not_what_it_is_tested_with(tmp_path: Path) -> None:
    (tmp_path / "speech16k").mkdir()
    for name in ("asterisk_en", "bert_1"):
        write_wav(tmp_path / "speech16k" / f"{name}.wav", noise(1.0))
    assert [clip.name for clip in Corpus(tmp_path).speech(unseen=True)] == ["bert_1"]


@pytest.mark.parametrize("kind", ["int16", "int32", "float32"])
def test_wav_files_of_any_kind_have_the_same_scale(tmp_path: Path, kind: str) -> None:
    samples = noise(0.1)
    scale = {"int16": 2**15, "int32": 2**31, "float32": 1}[kind]
    stereo = np.stack([samples * scale, np.zeros_like(samples)], axis=1).astype(kind)
    wavfile.write(tmp_path / "a.wav", 8_000, stereo)
    clip = read_wav(tmp_path / "a.wav")
    assert (clip.name, clip.rate_hz, clip.samples.dtype) == ("a", 8_000, np.float32)
    np.testing.assert_allclose(clip.samples, samples, atol=4e-5)


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_a_mix_has_its_noise_first_and_its_ratio(corpus: Corpus, snr_db: float) -> None:
    for mix in noisy_mixes(corpus, snr_db, most=3):
        assert mix.lead_in == LEAD_IN_S * RATE_HZ and np.abs(mix.noisy).max() <= 1.0
        under = mix.noisy - mix.clean
        assert not mix.clean[: mix.lead_in].any() and np.abs(mix.noisy[: mix.lead_in]).max() > 0
        ratio = metrics.active_level_dbfs(mix.spoken(mix.clean)) - metrics.level_dbfs(mix.spoken(under))
        assert ratio == pytest.approx(snr_db, abs=0.7)


def test_mixes_are_the_same_each_time(corpus: Corpus) -> None:
    first, again = (noisy_mixes(Corpus(Path("no/such/folder")), 5.0, most=2) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.noisy, other.noisy)


# -- echo


def test_an_echo_scene_is_what_it_says(scene: EchoScene) -> None:
    begin, end = scene.double
    assert scene.far_only == (0, begin) and scene.far_again == (end, len(scene.mic))
    assert not scene.near[:begin].any() and not scene.near[end:].any()
    np.testing.assert_allclose(scene.mic, scene.near + scene.echo, atol=1e-6)
    levels = [metrics.active_level_dbfs(part[begin:end]) for part in (scene.near, scene.echo)]
    assert levels[0] - levels[1] == pytest.approx(-10.0, abs=0.7)
    assert metrics.active_level_dbfs(scene.far) == pytest.approx(-20.0, abs=0.7)


def test_the_echo_comes_late_through_its_room(scene: EchoScene) -> None:
    through = fftconvolve(scene.far, ROOM)[: len(scene.far)].astype(np.float32)
    assert metrics.delay_samples(through, scene.echo, most=RATE_HZ) == round(0.05 * RATE_HZ)


def test_a_path_that_changes_is_another_one_from_then_on(corpus: Corpus) -> None:
    other = decaying_noise(0.3, RATE_HZ, seed=4)
    kept, changed = (echo_scene(corpus, EchoPath("p", rooms, change_s=6.0)) for rooms in ((ROOM,), (ROOM, other)))
    at = int(6.1 * RATE_HZ)
    gain = np.vdot(kept.echo[:at], changed.echo[:at]) / np.vdot(kept.echo[:at], kept.echo[:at])

    def difference_db(span: slice) -> float:
        return metrics.level_dbfs(changed.echo[span] - gain * kept.echo[span]) - metrics.level_dbfs(changed.echo[span])

    assert difference_db(slice(0, 6 * RATE_HZ)) < -40 < -10 < difference_db(slice(at, None))


def test_a_delay_that_jumps_does(corpus: Corpus) -> None:
    steady, jumps = (echo_scene(corpus, EchoPath("p", (ROOM,), delays_ms=delays_ms)) for delays_ms in ((100.0,), (100.0, 260.0)))
    before, after = slice(0, 6 * RATE_HZ), slice(int(6.5 * RATE_HZ), None)
    assert metrics.delay_samples(steady.echo[before], jumps.echo[before], most=8_000) == 0
    assert metrics.delay_samples(steady.echo[after], jumps.echo[after], most=8_000) == round(0.16 * RATE_HZ)


def test_opus_in_the_path_adds_no_delay_of_its_own(corpus: Corpus) -> None:
    voice = talk(corpus.speech()[:1], 3.0)
    coded = through_opus(voice)
    assert len(coded) == len(voice)
    assert abs(metrics.delay_samples(voice, coded, most=1_000)) <= 2
    assert 0.8 < np.corrcoef(voice, coded)[0, 1] < 0.9999


# -- peers and frame


def test_an_unknown_peer_is_named() -> None:
    with pytest.raises(CannotRun, match="nobody"):
        find(["nobody"])


def test_an_unknown_stage_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["dsp_quality", "--only", "chain,everything"])
    assert "everything" in capsys.readouterr().err


def test_another_rate_and_back_keeps_time() -> None:
    voice = resampled(noise(0.5)[::2].copy(), 8_000, RATE_HZ)
    there = resampled(voice, RATE_HZ, 48_000)
    assert len(there) == 3 * len(voice)
    assert metrics.delay_samples(voice, resampled(there, 48_000, RATE_HZ), most=100) == 0
    np.testing.assert_array_equal(shifted(voice, 10)[:-10], voice[10:])
    np.testing.assert_array_equal(shifted(voice, 0), voice)


def test_a_bench_works_things_out_once(tmp_path: Path) -> None:
    bench, calls = Bench(tmp_path), list[int]()
    assert [bench.once("key", lambda: calls.append(1) or len(calls)) for _ in range(3)] == [1, 1, 1]
    bench.keep("echo", "a case", {"before": noise(0.1)})
    assert not list(tmp_path.iterdir()), "samples were not wanted"
    Bench(tmp_path, samples=tmp_path).keep("echo", "A case, 5 dB", {"before": noise(0.1)})
    assert [path.name for path in tmp_path.rglob("*.wav")] == ["before.wav"]
    assert plain("A case, 5 dB / x") == "a_case_5_db_x"


def test_a_timed_chain_is_the_same_chain() -> None:
    """The stop-watches of ``dsp_speed`` see every stage and change nothing."""
    plain_chain, timed_chain = Chain(16), Chain(16)
    watches = timed_stages(timed_chain)
    near, far = noise(0.2, seed=1).reshape(1, -1), noise(0.2, seed=2).reshape(1, -1)
    np.testing.assert_array_equal(timed_chain.process(near, far), plain_chain.process(near, far))
    assert {"high_pass", "delay", "echo", "post", "post/suppressor", "gain", "limiter"} <= set(watches)
    assert all(watches[name].seconds for name in ("echo", "post", "post/suppressor"))


def test_whole_signals_come_back_in_place() -> None:
    voices = [noise(0.33, seed=4), noise(0.5, seed=5)]
    heard = chained(voices, stages=Stages.none())
    for voice, out in zip(voices, heard, strict=True):
        np.testing.assert_array_equal(out, voice)
