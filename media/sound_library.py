"""Everything that can be played, prepared before it is played: tones, sentences, music. Nothing here runs on the tick.

A sound has a name: a tone (``ringback``, ``busy``, ``hold``, ``recording``), a sentence (``prompt/LANGUAGE/NAME``, with a mark of its words
behind a point where they were told later) or a piece of music (``music/NAME``). Sentences are taken from the first source that has them:
recorded ones, then speech made of the text. Files are read, resampled and spoken in one thread; what is ready stays, the least used gives
way. What is not ready within 2 s is refused, and is there the next time. In place of music that is not there, or not yet, our own melody is
heard.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, Self

import numpy as np
import structlog

from media.codec import Samples
from media.espeak import EspeakSpeech
from media.known_sounds import NAME, KnownSounds
from media.messages import MediaRefusal, PrepareSounds
from media.prompt_settings import PromptSettings, find_sound
from media.prompt_texts import TEXTS, text_of
from media.recorded_speech import RecordedSpeech, read_named
from media.settings import RATE_HZ
from media.sounds import BEEPS, TONES, Sound, make_once, make_sound

log = structlog.get_logger()

_LONGEST_MUSIC_S = 900.0
_SEAM_S = 0.5
_MOST_SAMPLES = 16 * 1024 * 1024
"""64 MB: 17 minutes."""
_MOST_WAITING = 64
_MOST_WANTED = 4_096


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
        self._known = KnownSounds()
        music = (f"music/{settings.hold_music}",) if settings.hold_music else ()
        self._wanted: deque[str] = deque((*music, *settings.ready), _MOST_WANTED)
        self._more = asyncio.Event()
        self._ahead: asyncio.Task[None] | None = None
        self.failed = 0

    async def __aenter__(self) -> Self:
        self._ahead = asyncio.get_running_loop().create_task(self._prepare_ahead(), name="sounds-ahead")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
        self._thread.shutdown(wait=True, cancel_futures=True)
        await asyncio.gather(*self._making.values(), return_exceptions=True)

    async def lasting(self, name: str) -> Sound:
        """A sound that goes round and round for as long as it is wanted; music comes and goes softly. Raises MediaRefusal."""
        if name == "hold" and self._settings.hold_music:
            name = f"music/{self._settings.hold_music}"
        if name in TONES:
            return make_sound(name)
        soft = name.startswith("music/")
        try:
            return Sound(await self._prepared(name), soft=soft)
        except MediaRefusal as refusal:
            if not soft:
                raise
            log.warning("music.missing", sound=name, detail=str(refusal))
            return make_sound("hold")

    async def once(self, name: str, on_end: Callable[[], None]) -> Sound:
        """A sound with an end. Raises MediaRefusal."""
        return make_once(name, on_end) if name in BEEPS else Sound(await self._prepared(name), on_end)

    def prepare(self, command: PrepareSounds) -> None:
        """Words that are known from now on, and sounds to be made while nobody waits for them. Raises MediaRefusal."""
        names = self._known.put(command)
        renewed = [known for known in self._ready if known.partition(".")[0] in command.renewed]
        for name in (*command.texts, *renewed):
            self._ready.pop(name, None)
        self._wanted.extend(names)
        self._more.set()

    async def _prepared(self, name: str) -> Samples:
        """Raises MediaRefusal, for what takes longer than ``PromptSettings.within_s`` too."""
        if name in self._ready:
            self._ready.move_to_end(name)
            return self._ready[name]
        try:
            return await asyncio.wait_for(self._made_once(name), self._settings.within_s)
        except TimeoutError:
            raise MediaRefusal("sound_late", f"The sound {name!r} is still being made: it is there in a moment.") from None

    async def _made_once(self, name: str) -> Samples:
        if name in self._ready:
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

    async def _prepare_ahead(self) -> None:
        """What is wrong with a file, a voice or a text is told when it becomes known and not in the first call.

        One at a time: before a sound that somebody waits for, one other at most is made.
        """
        while True:
            while self._wanted:
                name = self._wanted.popleft()
                try:
                    await self._made_once(name)
                except MediaRefusal as refusal:
                    log.error("sound.missing", sound=name, detail=str(refusal))
            self._more.clear()
            await self._more.wait()

    # -- in the thread

    def _make(self, name: str) -> Samples:
        matched = NAME.fullmatch(name)
        if matched is None:
            raise _unknown(name)
        language, _, plain = matched.groups()
        try:
            samples = self._spoken(plain, language, self._known.words(name)) if language else self._music(plain)
        except (ValueError, OSError) as error:
            raise MediaRefusal("sound_unusable", f"The sound {name!r} cannot be played: {error}.") from None
        if samples is None:
            raise _unknown(name)
        samples.flags.writeable = False
        return samples

    def _spoken(self, name: str, language: str, told: str) -> Samples | None:
        text = told or text_of(self._texts, name, language)
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
