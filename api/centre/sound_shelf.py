"""The sounds that callers hear, for who looks after them: sentences by language, music; recorded, spoken or missing; where used.

Recordings are files of a folder, ``LANGUAGE/NAME.wav`` and ``music/NAME.wav``. What is put there is read whole and written anew, 16 bits at
the bridge's rate, so that nothing of a file that was sent is kept but its sound. The folder is this server's: several share one.
"""

import io
import os
import tempfile
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np
from msgspec import Struct

from api.settings.prompts import PromptsSection
from api.spoken_plan import MANY, announced, said_by
from media.codec import Samples
from media.espeak import EspeakSpeech
from media.media_files import read_samples
from media.prompt_settings import SUFFIXES, find_sound
from media.prompt_texts import LANGUAGES, TEXTS, text_of
from media.settings import RATE_HZ
from rooms.centre_plan import CentrePlan
from signaling.refusal import Refusal

MUSIC = "music"
"""In place of a language."""
LONGEST_S: Mapping[str, float] = {MUSIC: 180.0}
"""By language; of sentences ``_LONGEST_SENTENCE_S``."""
MOST_FILES = 1_000
_LONGEST_SENTENCE_S = 100.0
_QUIETEST_DBFS = -45.0
_CLIPPED = 0.999
_MOST_CLIPPED = 0.01


class SoundUse(Struct, frozen=True):
    """``kind``: ``flow``, ``queue`` or ``setting``."""

    kind: str
    name: str


class SoundSource(Struct, frozen=True):
    """``source``: ``recorded``, ``spoken`` (of the ``text``), or ``missing``. ``seconds`` of a recording; None: spoken."""

    source: str
    text: str = ""
    seconds: float | None = None


class SoundRow(Struct, frozen=True):
    """``languages``: ``music`` for a piece of music. ``own``: the server knows it by itself."""

    name: str
    languages: dict[str, SoundSource]
    used_by: list[SoundUse]
    own: bool


class SoundKept(Struct, frozen=True):
    """What a recording is like. ``clipped``: it is too loud in places; ``level_dbfs``: its mean where somebody speaks."""

    seconds: float
    level_dbfs: float
    clipped: bool


class SoundShelf:
    """``folder`` is made when the first recording comes. ``plan()``: the one in force. ``fixed``: sentences that settings name, and which
    setting. All of it looks at files: for a thread."""

    def __init__(
        self,
        settings: PromptsSection,
        folder: Path,
        spoken: Path | None,
        plan: Callable[[], CentrePlan | None],
        *,
        fixed: Mapping[str, str] | None = None,
    ) -> None:
        self._settings, self._folder, self._plan = settings, folder, plan
        self._fixed = dict(fixed or {})
        self._speech = EspeakSpeech(spoken, voices=settings.voices) if settings.speech else None
        self._texts = {name: {**TEXTS.get(name, {}), **settings.texts.get(name, {})} for name in {*TEXTS, *settings.texts}}

    # ------------------------------------------------------------------ what there is

    def rows(self) -> list[SoundRow]:
        """By name; looks at files."""
        plan = self._plan() or CentrePlan()
        used = _uses(plan, self._fixed, self._settings.hold_music)
        sentences = {name for name, _ in self._recorded(LANGUAGES)} | {name for name in self._texts if not name.endswith("-n")}
        sentences |= {name for language, name in used if language != MUSIC}
        music = {name for name, _ in self._recorded((MUSIC,))} | {name for language, name in used if language == MUSIC}
        rows = [self._sentence(name, plan, used) for name in sorted(sentences)]
        return [*rows, *(self._piece(name, used) for name in sorted(music))]

    def _sentence(self, name: str, plan: CentrePlan, used: "_Used") -> SoundRow:
        found = {language: self._source(language, name, self._words(plan, language, name)) for language in LANGUAGES}
        return SoundRow(name, found, used.get(("", name), []), any(text_of(self._texts, name, language) for language in LANGUAGES))

    def _piece(self, name: str, used: "_Used") -> SoundRow:
        return SoundRow(name, {MUSIC: self._source(MUSIC, name, "")}, used.get((MUSIC, name), []), own=False)

    def _source(self, language: str, name: str, text: str) -> SoundSource:
        path = find_sound(self._folder / language, name)
        if path is not None:
            return SoundSource("recorded", text, _seconds(path))
        return SoundSource("spoken" if text and self._speech is not None else "missing", text)

    def _words(self, plan: CentrePlan, language: str, name: str) -> str:
        of_flows = (flow.texts.get(name, {}).get(language, "") for flow in plan.flows.values())
        return next(filter(None, of_flows), "") or text_of(self._texts, name, language)

    def _recorded(self, languages: Iterable[str]) -> Iterator[tuple[str, Path]]:
        for language in languages:
            folder = self._folder / language
            if folder.is_dir():
                yield from ((path.stem, path) for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES)

    # ------------------------------------------------------------------ hearing and changing

    def play(self, language: str, name: str) -> bytes:
        """As callers hear it, as a WAV file. Raises ``Refusal``."""
        path = find_sound(self._folder / language, name)
        try:
            if path is not None:
                return _wav(read_samples(path, longest_s=_longest_s(language)))
            words = "" if language == MUSIC else self._words(self._plan() or CentrePlan(), language, name)
            return self.speak(language, words) if words else _unknown()
        except (ValueError, OSError) as error:
            raise Refusal("bad_sound", f"This sound cannot be played: {error}.") from None

    def speak(self, language: str, text: str) -> bytes:
        """The words as the speech program says them, as a WAV file. Raises ``Refusal``."""
        if self._speech is None:
            raise Refusal("no_speech", "Speech is off here (media.prompts.speech): record the sentence.")
        try:
            samples = self._speech.speak("", text, language)
        except (ValueError, OSError) as error:
            raise Refusal("no_speech", f"This cannot be spoken: {error}.") from None
        if samples is None:
            raise Refusal("no_speech", "There is no voice for this language (media.prompts.voices): record the sentence.")
        return _wav(samples)

    def put(self, language: str, name: str, data: bytes) -> SoundKept:
        """A recording, in place of one of that name. Raises ``Refusal``, ``OSError``."""
        try:
            samples = read_samples(io.BytesIO(data), longest_s=_longest_s(language))
        except ValueError as error:
            raise Refusal("bad_sound", f"This recording cannot be taken: {error}.") from None
        kept = _facts(samples)
        if kept.level_dbfs < _QUIETEST_DBFS:
            raise Refusal("bad_sound", f"This recording cannot be taken: nobody is heard in it (it is {kept.level_dbfs:.0f} dBFS loud).")
        folder = self._folder / language
        if find_sound(folder, name) is None and sum(1 for _ in self._recorded((*LANGUAGES, MUSIC))) >= MOST_FILES:
            raise Refusal("bad_sound", f"There are {MOST_FILES} recordings already: remove some that nothing uses.")
        _write(folder / f"{name}.wav", _wav(samples))
        for path in _files(folder, name):
            if path.suffix != ".wav":
                path.unlink()
        return kept

    def remove(self, language: str, name: str) -> None:
        """Raises ``Refusal`` where it is not there, or where callers would hear nothing in its place."""
        found = _files(self._folder / language, name)
        if not found:
            _unknown()
        plan = self._plan() or CentrePlan()
        used = _uses(plan, self._fixed, self._settings.hold_music).get((MUSIC if language == MUSIC else "", name), [])
        spoken = language != MUSIC and self._speech is not None and self._words(plan, language, name)
        if used and not spoken:
            where = ", ".join(f"{use.kind} {use.name}" for use in used)
            raise Refusal("sound_used", f"Callers hear this, and nothing else would be said in its place: {where}. Change these first.")
        for path in found:
            path.unlink()


_Used = dict[tuple[str, str], list[SoundUse]]


def _uses(plan: CentrePlan, fixed: Mapping[str, str], hold_music: str) -> _Used:
    """Who plays what, by (``music`` or empty, name)."""
    used: _Used = {}

    def note(sound: str, use: SoundUse) -> None:
        kind, name = (MUSIC, sound.removeprefix("music/")) if sound.startswith("music/") else ("", sound.rpartition("/")[2])
        users = used.setdefault((kind, name), [])
        if use not in users:
            users.append(use)

    for flow_name, flow in plan.flows.items():
        for sound in (*said_by(flow), *_music(flow.music)):
            note(sound, SoundUse("flow", flow_name))
    for queue in plan.queues.values():
        for sound in (*announced(queue, LANGUAGES[:1], MANY), *_music(queue.music)):
            note(sound, SoundUse("queue", queue.name))
    for sound, setting in fixed.items():
        note(sound, SoundUse("setting", setting))
    if hold_music:
        note(f"music/{hold_music}", SoundUse("setting", "media.prompts.hold_music"))
    return used


def _music(sound: str) -> tuple[str, ...]:
    """Tones are no piece of music."""
    return (sound,) if sound.startswith("music/") else ()


def _longest_s(language: str) -> float:
    return LONGEST_S.get(language, _LONGEST_SENTENCE_S)


def _files(folder: Path, name: str) -> list[Path]:
    return [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]


def _seconds(path: Path) -> float | None:
    """Of a WAV file without reading it all; None where its kind does not say."""
    try:
        with wave.open(str(path)) as sound:
            return float(sound.getnframes() / sound.getframerate())
    except (wave.Error, EOFError, OSError, ZeroDivisionError):
        return None


def _facts(samples: Samples) -> SoundKept:
    """The level is that of the half of the 20 ms frames that are loudest: pauses are no part of a voice."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320) if len(samples) >= 320 else samples[None, :]
    powers = np.sort((frames.astype(np.float64) ** 2).mean(axis=1))[len(frames) // 2 :]
    level = 10.0 * float(np.log10(max(powers.mean(), 1e-12)))
    clipped = float((np.abs(samples) >= _CLIPPED).mean()) > _MOST_CLIPPED
    return SoundKept(round(len(samples) / RATE_HZ, 2), round(level, 1), clipped)


def _wav(samples: Samples) -> bytes:
    """float32 mono at ``RATE_HZ`` as a file of 16 bits."""
    data = io.BytesIO()
    with wave.open(data, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(np.rint(np.clip(samples, -1.0, 1.0) * 32_767.0).astype("<i2").tobytes())
    return data.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, made = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    Path(made).replace(path)


def _unknown() -> NoReturn:
    raise Refusal("unknown_recording", "There is no recording of this name in this language.")
