"""What a media worker is told about the sounds that it plays by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

VOICES = {"en": "en-gb", "es": "es"}
"""espeak-ng's name of a voice, by language."""
SUFFIXES = (".wav", ".opus", ".ogg")


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """``folder``: recorded sentences (``LANGUAGE/NAME.wav``) and music (``music/NAME.ogg``). ``speech``: are texts spoken that nobody
    recorded? ``spoken``: where such speech is kept. ``hold_music``: the piece that is played on hold, empty: our own melody.
    ``texts``: further sentences, by name and language. ``ready``: prepared at the start.
    ``within_s``: a sound that is still being made after this is not waited for: the caller goes on without it.
    """

    folder: Path | None = None
    speech: bool = True
    spoken: Path | None = None
    voices: Mapping[str, str] = field(default_factory=lambda: dict(VOICES))
    hold_music: str = ""
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ready: tuple[str, ...] = ()
    within_s: float = 2.0


def find_sound(folder: Path, name: str) -> Path | None:
    """The file of a sound, whatever its kind."""
    return next((path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()), None)
