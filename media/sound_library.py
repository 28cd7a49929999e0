"""Everything that can be played, prepared before it is played: tones, sentences, music. Nothing here runs on the tick.

A sound has a name: a tone (``ringback``, ``busy``, ``hold``, ``recording``), a sentence (``prompt/LANGUAGE/NAME``) or a piece of music
(``music/NAME``). Sentences are taken from the first source that has them: recorded ones, then speech made of the text. Files are read,
resampled and spoken in one thread; what is ready stays, the least used gives way.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol, Self

import numpy as np
import structlog

from media.codec import Samples
from media.espeak import EspeakSpeech
from media.messages import MediaRefusal
from media.prompt_settings import PromptSettings, find_sound
from media.prompt_texts import TEXTS
from media.recorded_speech import RecordedSpeech, read_named
from media.settings import RATE_HZ
from media.sounds import BEEPS, TONES, Sound, make_once, make_sound

log = structlog.get_logger()

_NAME = re.compile(r"(?:prompt/([a-z]{2})|(music))/([a-z0-9-]{1,64})")
_LONGEST_MUSIC_S = 900.0
_SEAM_S = 0.5
_MOST_SAMPLES = 16 * 1024 * 1024
"""64 MB: 17 minutes."""
_MOST_WAITING = 64


class SpeechSource(Protocol):
    """Who can say a sentence: ``media.recorded_speech.RecordedSpeech``, ``media.espeak.EspeakSpeech``."""

    def speak(self, name: str, text: str, language: str) -> Samples | None:
        """float32 mono at ``RATE_HZ``; None where this source does not have it. Blocks. Raises ValueError saying what to do, OSError."""
        ...


class SoundLibrary:
    """``async with``: owns the thread. ``sources`` in the order they are asked; by default those that the settings name."""

    def __init__(self, settings: PromptSettings, sources: Sequence[SpeechSource] | None = None) -> None:
        self._settings = settings
        self._sources = tuple(_sources(settings) if sources is None else sources)
        self._texts = {name: {**TEXTS.get(name, {}), **settings.texts.get(name, {})} for name in {*TEXTS, *settings.texts}}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sounds")
        self._ready: OrderedDict[str, Samples] = OrderedDict()
        self._making: dict[str, asyncio.Future[Samples]] = {}
        self._first: asyncio.Task[None] | None = None
        self.failed = 0

    async def __aenter__(self) -> Self:
        self._first = asyncio.get_running_loop().create_task(self._prepare_first(), name="sounds-first")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)
        self._thread.shutdown(wait=True, cancel_futures=True)
        await asyncio.gather(*self._making.values(), return_exceptions=True)

    async def lasting(self, name: str) -> Sound:
        """A sound that goes round and round for as long as it is wanted; music comes and goes softly. Raises MediaRefusal."""
        if name == "hold" and self._settings.hold_music:
            with suppress(MediaRefusal):  # told at the start: nobody waits in silence for it
                return await self.lasting(f"music/{self._settings.hold_music}")
        if name in TONES:
            return make_sound(name)
        return Sound(await self._prepared(name), soft=name.startswith("music/"))

    async def once(self, name: str, on_end: Callable[[], None]) -> Sound:
        """A sound with an end. Raises MediaRefusal."""
        return make_once(name, on_end) if name in BEEPS else Sound(await self._prepared(name), on_end)

    async def _prepared(self, name: str) -> Samples:
        if name in self._ready:
            self._ready.move_to_end(name)
            return self._ready[name]
        if name not in self._making:
            if len(self._making) >= _MOST_WAITING:
                raise MediaRefusal("sounds_full", f"{_MOST_WAITING} sounds are being prepared already: try again later.")
            made = asyncio.get_running_loop().run_in_executor(self._thread, self._make, name)
            self._making[name] = made
            made.add_done_callback(lambda future: self._made(name, future))
        return await asyncio.shield(self._making[name])

    def _made(self, name: str, future: "asyncio.Future[Samples]") -> None:
        del self._making[name]
        if future.cancelled():
            return
        if future.exception() is not None:
            self.failed += 1
            return
        self._ready[name] = future.result()
        while len(self._ready) > 1 and sum(len(samples) for samples in self._ready.values()) > _MOST_SAMPLES:
            self._ready.popitem(last=False)

    async def _prepare_first(self) -> None:
        """What is wrong with a file or a voice is told when the server starts and not in the first call."""
        music = (f"music/{self._settings.hold_music}",) if self._settings.hold_music else ()
        for name in (*music, *self._settings.ready):
            try:
                await self._prepared(name)
            except MediaRefusal as refusal:
                log.error("sound.missing", sound=name, detail=str(refusal))

    # -- in the thread

    def _make(self, name: str) -> Samples:
        matched = _NAME.fullmatch(name)
        if matched is None:
            raise _unknown(name)
        language, _, plain = matched.groups()
        try:
            samples = self._spoken(plain, language) if language else self._music(plain)
        except (ValueError, OSError) as error:
            raise MediaRefusal("sound_unusable", f"The sound {name!r} cannot be played: {error}.") from None
        if samples is None:
            raise _unknown(name)
        samples.flags.writeable = False
        return samples

    def _spoken(self, name: str, language: str) -> Samples | None:
        text = self._texts.get(name, {}).get(language, "")
        return next((found for source in self._sources if (found := source.speak(name, text, language)) is not None), None)

    def _music(self, name: str) -> Samples | None:
        folder = self._settings.folder
        path = find_sound(folder / "music", name) if folder is not None else None
        return None if path is None else _seamless(read_named(path, longest_s=_LONGEST_MUSIC_S))


def _sources(settings: PromptSettings) -> list[SpeechSource]:
    found: list[SpeechSource] = [RecordedSpeech(settings.folder)] if settings.folder is not None else []
    return [*found, EspeakSpeech(settings.spoken, voices=settings.voices)] if settings.speech else found


def _seamless(samples: Samples) -> Samples:
    """The end of a piece fades into its beginning, so that it can go round."""
    seam = min(round(_SEAM_S * RATE_HZ), len(samples) // 2)
    rising = np.linspace(0.0, 1.0, seam, dtype=np.float32)
    body = samples[: len(samples) - seam].copy()
    body[:seam] = body[:seam] * rising + samples[len(samples) - seam :] * (1 - rising)
    return body


def _unknown(name: str) -> MediaRefusal:
    return MediaRefusal(
        "unknown_sound",
        f"There is no sound {name!r}: put its file into media.prompts.folder, or its text into media.prompts.texts; "
        f"tones are {', '.join(TONES)} and {', '.join(BEEPS)}.",
    )
