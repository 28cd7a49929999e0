"""Sentences and music, prepared before they are played: files of any kind, speech, what is missing, what is kept."""

import asyncio
import io
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from dsp.levels import rms_dbfs
from dsp.tones import sine
from media.codec import OpusSettings, Samples, make_encoder
from media.espeak import EspeakSpeech
from media.known_sounds import KnownSounds
from media.media_files import read_samples
from media.messages import MediaRefusal, PrepareSounds
from media.prompt_settings import PromptSettings
from media.prompt_texts import LANGUAGES, TEXTS
from media.recording.ogg import write_ogg
from media.settings import FRAME_SAMPLES, RATE_HZ
from media.sound_library import SoundLibrary, SpeechSource
from media.sounds import FADE_FRAMES, Sound, make_sound
from rooms.audio import OPUS
from tests.kit.leg_bench import level_at
from tests.kit.sound_files import write_wave


def write_opus(path: Path, frequency_hz: float = 500.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoder = make_encoder(OPUS, rate_hz=RATE_HZ, settings=OpusSettings())
    frames = sine(frequency_hz, 1.0, RATE_HZ, level_dbfs=-15.0).reshape(-1, FRAME_SAMPLES)
    with path.open("wb") as file:
        write_ogg(file, [(encoder.encode(frame), 960) for frame in frames], channels=1, serial=1)


@asynccontextmanager
async def library(sources: list[SpeechSource] | None = None, **settings: object) -> AsyncIterator[SoundLibrary]:
    async with SoundLibrary(PromptSettings(**({"within_s": 30.0} | settings)), sources) as found:  # type: ignore[arg-type]
        yield found


def whole(sound: Sound) -> Samples:
    """Everything up to its end."""
    frames = []
    while not sound.over:
        frames.append(sound.frame())
    return np.concatenate(frames)


async def heard(found: SoundLibrary, name: str) -> Samples:
    return whole(await found.once(name, lambda: None))


async def refused(found: SoundLibrary, name: str) -> str:
    with pytest.raises(MediaRefusal) as refusal:
        await found.once(name, lambda: None)
    return f"{refusal.value.code}: {refusal.value}"


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (16_000, 2), (22_050, 1), (44_100, 2), (48_000, 1)])
def test_a_file_of_any_rate_sounds_as_it_did(tmp_path: Path, rate_hz: int, channels: int) -> None:
    write_wave(tmp_path / "a.wav", rate_hz, channels=channels)
    samples = read_samples(tmp_path / "a.wav", longest_s=2.0)
    assert samples.dtype == np.float32 and len(samples) == pytest.approx(RATE_HZ, abs=40)
    assert level_at(samples[1_600:-1_600], 500.0) == pytest.approx(np.sqrt(2) * 10 ** (-15 / 20), rel=0.05)


def test_opus_is_read_and_what_is_no_sound_is_not(tmp_path: Path) -> None:
    write_opus(tmp_path / "a.opus")
    samples = read_samples(tmp_path / "a.opus", longest_s=2.0)
    assert level_at(samples[4_000:-1_600], 500.0) == pytest.approx(np.sqrt(2) * 10 ** (-15 / 20), rel=0.1)
    with pytest.raises(ValueError, match=r"longer than 0\.5 s"):
        read_samples(tmp_path / "a.opus", longest_s=0.5)
    for junk in (b"", b"RIFF....WAVEfmt ", b"no sound at all" * 100):
        with pytest.raises(ValueError, match="sound"):
            read_samples(io.BytesIO(junk), longest_s=1.0)
    with pytest.raises(OSError, match="No such file"):
        read_samples(tmp_path / "none.wav", longest_s=1.0)


async def test_a_recorded_sentence_comes_before_a_spoken_one(tmp_path: Path) -> None:
    write_wave(tmp_path / "es" / "recording-notice.wav", 8_000, frequency_hz=700.0)
    async with library(folder=tmp_path) as found:
        recorded = await heard(found, "prompt/es/recording-notice")
        spoken = await heard(found, "prompt/en/recording-notice")
    assert level_at(recorded[1_600:14_400], 700.0) > 0.2 and len(recorded) == pytest.approx(RATE_HZ, abs=FRAME_SAMPLES)
    assert len(spoken) > 2 * RATE_HZ and -40 < rms_dbfs(spoken) < -8


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_sentence_is_there_in_every_language_and_is_spoken(language: str, tmp_path: Path) -> None:
    async with library(spoken=tmp_path / "spoken") as found:
        sounds = [await heard(found, f"prompt/{language}/{name}") for name in TEXTS]
    assert all(RATE_HZ < len(sound) < 15 * RATE_HZ and rms_dbfs(sound) > -40 for sound in sounds)
    kept = list((tmp_path / "spoken").iterdir())
    assert len(kept) == len(TEXTS) and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in kept)


def test_what_was_spoken_once_is_not_spoken_again(tmp_path: Path) -> None:
    first = EspeakSpeech(tmp_path).speak("any", "Good morning.", "en")
    again = EspeakSpeech(tmp_path, program="not-there").speak("any", "Good morning.", "en")
    assert first is not None and again is not None and np.array_equal(first, again)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"torn")
    mended = EspeakSpeech(tmp_path).speak("any", "Good morning.", "en")
    assert mended is not None and np.array_equal(first, mended)
    other = EspeakSpeech(tmp_path, voices={"en": "en-us"}).speak("any", "Good morning.", "en")
    assert other is not None and not np.array_equal(first, other) and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("speech", "text", "told"),
    [
        (EspeakSpeech(program="not-there"), "Hello", "apt install espeak-ng"),
        (EspeakSpeech(voices={"en": "xx-none"}), "Hello", "no voice 'xx-none'"),
        (EspeakSpeech(), "x" * 3_000, "at most 2000 characters"),
    ],
)
def test_what_cannot_be_spoken_says_why(speech: EspeakSpeech, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        speech.speak("any", text, "en")
    assert speech.speak("any", "Hallo", "de") is None


async def test_what_is_missing_is_told_at_the_start_and_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "broken.wav").write_bytes(b"junk")
    with capture_logs() as logs:
        async with library(folder=tmp_path, speech=False, hold_music="gone", ready=("prompt/es/none",)) as found:
            assert "unknown_sound" in await refused(found, "prompt/es/none") and "media.prompts.folder" in await refused(found, "polka")
            for name in (
                "prompt/es/../../etc/passwd",
                "music/../es/broken",
                "prompt/fr/please-wait",
                "music/none",
                "prompt/es/please-wait",
            ):
                assert "unknown_sound" in await refused(found, name)
            assert "sound_unusable" in await refused(found, "prompt/es/broken") and "broken.wav" in await refused(found, "prompt/es/broken")
            assert found.failed >= 5
            assert (await found.lasting("hold")).frame() is not None, "our own melody, where the piece is gone"
    assert {line["sound"] for line in logs if line["event"] == "sound.missing"} == {"music/gone", "prompt/es/none"}


async def test_other_words_for_one_language_leave_the_others(tmp_path: Path) -> None:
    async with library(texts={"please-wait": {"es": "Un momento."}, "open": {"en": "We are open."}}) as found:
        sounds = {name: await heard(found, f"prompt/{name}") for name in ("es/please-wait", "en/please-wait", "en/open")}
        assert "unknown_sound" in await refused(found, "prompt/es/open")
    assert len(sounds["es/please-wait"]) < 2 * RATE_HZ < 4 * RATE_HZ < len(sounds["en/please-wait"])


class Slow:
    """A source that takes its time, and counts how often it is asked."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.go_on = threading.Event()
        self.asked: list[str] = []
        self._samples = np.full(round(seconds * RATE_HZ), 0.1, np.float32)

    def speak(self, name: str, text: str, language: str) -> Samples | None:
        self.asked.append(name)
        assert self.go_on.wait(30)
        return self._samples.copy()


async def test_one_is_prepared_once_however_many_ask_and_nobody_waits_on_the_loop() -> None:
    slow = Slow()
    async with library([slow]) as found:
        asking = [asyncio.ensure_future(found.once("prompt/en/a", lambda: None)) for _ in range(5)]
        await asyncio.sleep(0)
        await found.lasting("ringback")
        assert not any(task.done() for task in asking)
        slow.go_on.set()
        await asyncio.gather(*asking)
        await found.once("prompt/en/a", lambda: None)
    assert slow.asked == ["a"]


async def test_words_that_come_later_are_spoken_before_anybody_asks(tmp_path: Path) -> None:
    async with library(spoken=tmp_path, texts={"said-a": {"es": "Otra cosa."}}) as found:
        found.prepare(PrepareSounds({"prompt/es/said-a": "Buenos días.", "prompt/en/said-b": "Good morning."}, ("prompt/es/queue-wait-2",)))
        async with asyncio.timeout(30):
            while len(found._ready) < 3:  # noqa: ASYNC110 - made in a thread
                await asyncio.sleep(0.01)
        assert set(found._ready) == {"prompt/es/said-a", "prompt/en/said-b", "prompt/es/queue-wait-2"}
        first = await heard(found, "prompt/es/said-a")
        found.prepare(PrepareSounds({"prompt/es/said-a": "Buenos días, y muchas gracias por su llamada de hoy."}))
        assert len(await heard(found, "prompt/es/said-a")) > len(first), "newer words count at once"
        for wrong in ({"prompt/es/../a": "x"}, {"music/a": "x"}, {"polka": "x"}):
            with pytest.raises(MediaRefusal, match="no name of a sentence"):
                found.prepare(PrepareSounds(wrong))
        for many in ({f"prompt/es/said-{n}": "x" for n in range(65)}, {"prompt/es/said-a": "x" * 2_001}):
            with pytest.raises(MediaRefusal, match="At most 64"):
                found.prepare(PrepareSounds(many))


def test_what_a_successor_is_told_is_bounded_and_the_newest() -> None:
    known = KnownSounds(most=100)
    for part in range(3):
        known.put(
            PrepareSounds({f"prompt/es/said-{n}": str(n) for n in range(50 * part, 50 * part + 50)}, (f"prompt/es/queue-wait-{part}",))
        )
    told = known.commands()
    assert [len(command.texts) + len(command.ready) for command in told] == [64, 36]
    successor = KnownSounds()
    for command in told:
        successor.put(command)
    assert successor.words("prompt/es/said-149") == "149" and not successor.words("prompt/es/said-10")
    assert any("prompt/es/queue-wait-2" in command.ready for command in told)


async def test_who_calls_does_not_wait_for_a_sound_that_takes_long() -> None:
    slow = Slow()
    async with library([slow], within_s=0.05) as found:
        assert "sound_late" in await refused(found, "prompt/en/a")
        slow.go_on.set()
        async with asyncio.timeout(30):
            while not found._ready:  # noqa: ASYNC110 - made in a thread
                await asyncio.sleep(0.01)
        await heard(found, "prompt/en/a")
        music = await found.lasting("music/none")
        assert np.array_equal(music.frame(), make_sound("hold").frame()), "no silence in place of music"
    assert slow.asked == ["a"]


async def test_what_waits_and_what_is_kept_are_bounded() -> None:
    slow = Slow(seconds=300.0)
    async with library([slow]) as found:
        asking = [asyncio.ensure_future(found.once(f"prompt/en/a{number}", lambda: None)) for number in range(64)]
        await asyncio.sleep(0)
        assert "sounds_full" in await refused(found, "prompt/en/one-more")
        for task in asking[4:]:
            task.cancel()
        slow.go_on.set()
        await asyncio.gather(*asking, return_exceptions=True)
        assert sum(len(samples) for samples in found._ready.values()) <= 16 * 1024 * 1024


async def test_music_goes_round_without_a_seam_and_comes_and_goes_softly(tmp_path: Path) -> None:
    write_wave(tmp_path / "music" / "waltz.wav", 44_100, frequency_hz=500.0, seconds=2.0)
    async with library(folder=tmp_path, hold_music="waltz") as found:
        music = await found.lasting("hold")
        frames = [music.frame() for _ in range(200)]
        music.fade_out()
        gone = [music.frame() for _ in range(FADE_FRAMES)]
    loud = [float(np.abs(frame).max()) for frame in frames]
    assert loud[0] < 0.05 and all(a < b for a, b in pairwise(loud[:FADE_FRAMES]))
    envelope = np.abs(np.concatenate(frames[FADE_FRAMES:]).reshape(-1, 160)).max(axis=1)
    assert envelope.min() > 0.15 and envelope.max() < 0.27, "also where it goes round"
    steps = np.abs(np.diff(np.concatenate(frames)))
    assert steps.max() < 0.06, "no click"
    assert np.abs(gone[-1][-16:]).max() < 0.01 and music.over
