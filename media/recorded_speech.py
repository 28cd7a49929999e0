"""Sentences that somebody recorded: files in a folder, by language and name."""

from pathlib import Path

from media.codec import Samples
from media.media_files import read_samples
from media.prompt_settings import find_sound

_LONGEST_S = 100.0


class RecordedSpeech:
    """``FOLDER/LANGUAGE/NAME.wav`` (or ``.opus``, ``.ogg``), any rate, mono or stereo."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def speak(self, name: str, text: str, language: str) -> Samples | None:
        """The sentence as it was recorded; None where it was not. Raises OSError, ValueError naming the file."""
        path = find_sound(self._folder / language, name)
        return None if path is None else read_named(path, longest_s=_LONGEST_S)


def read_named(path: Path, *, longest_s: float) -> Samples:
    """As ``read_samples``, with the file's name in what is wrong."""
    try:
        return read_samples(path, longest_s=longest_s)
    except ValueError as error:
        raise ValueError(f"{path.name} cannot be played: {error}") from None
