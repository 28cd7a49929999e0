"""`[media.prompts]`: what the server says and plays."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from api.settings.section import Section
from api.settings.values import Language, SoundName
from media.prompt_settings import VOICES, find_sound


class PromptsSection(Section):
    """What the server says and plays by itself."""

    language: Literal["en", "es"] = "es"
    """In which callers are spoken to."""
    folder: Path | None = None
    """Recorded sentences (``LANGUAGE/NAME.wav``) and music (``music/NAME.ogg``): WAV or Ogg/Opus of any rate."""
    hold_music: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,64}$")] = ""
    """The piece of ``folder`` that callers hear on hold; empty: our own melody."""
    speech: bool = True
    """Let espeak-ng speak what nobody recorded."""
    voices: dict[Language, Annotated[str, Field(pattern=r"^[A-Za-z0-9+_-]{1,64}$")]] = Field(default_factory=lambda: VOICES)
    """espeak-ng's name of the voice for each language: ``espeak-ng --voices``."""
    texts: dict[SoundName, dict[Language, Annotated[str, Field(max_length=2_000)]]] = Field(default_factory=dict)
    """Further sentences, or other words for known ones: ``texts.recording-notice.es = "..."``."""

    @model_validator(mode="after")
    def _music_is_there(self) -> Self:
        if self.folder is not None and not self.folder.is_dir():
            raise ValueError(f"{self.folder} is no folder: give the path of the recorded sentences and music")
        if self.hold_music and (self.folder is None or find_sound(self.folder / "music", self.hold_music) is None):
            raise ValueError(f"there is no music/{self.hold_music}.ogg, .opus or .wav in media.prompts.folder")
        return self
