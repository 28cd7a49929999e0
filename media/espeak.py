"""Text to speech without a network: espeak-ng as a program of its own. The one file that knows it.

Slow and for a thread. What was spoken once lies in a folder, by a hash of voice and text, so that it is spoken once per installation; the
text itself stands in no name there and is no argument of a process that others could see.
"""

import contextlib
import hashlib
import io
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from media.codec import Samples
from media.media_files import read_samples
from media.prompt_settings import VOICES

PROGRAM = "espeak-ng"
_WITHIN_S = 10.0
_LONGEST_TEXT = 2_000
_LONGEST_S = 100.0
_WORDS_PER_MINUTE = "150"
_MOST_KEPT = 1_000


class EspeakSpeech:
    """``kept``: the folder of what was spoken already, None to keep nothing; ``voices``: espeak-ng's name of a voice by language."""

    def __init__(self, kept: Path | None = None, *, voices: Mapping[str, str] = VOICES, program: str = PROGRAM) -> None:
        self._kept = kept
        self._voices = dict(voices)
        self._program = program

    def speak(self, name: str, text: str, language: str) -> Samples | None:
        """The text, spoken; None for no text or a language without a voice. Raises ValueError saying what is missing, OSError."""
        voice = self._voices.get(language)
        if not text or voice is None:
            return None
        if len(text) > _LONGEST_TEXT:
            raise ValueError(f"a text to be spoken is at most {_LONGEST_TEXT} characters")
        path = self._kept / f"{_digest(voice, text)}.wav" if self._kept is not None else None
        if path is not None and path.is_file():
            with contextlib.suppress(ValueError):  # damaged: it is spoken anew
                return read_samples(path, longest_s=_LONGEST_S)
        sound = self._spoken(voice, text)
        samples = read_samples(io.BytesIO(sound), longest_s=_LONGEST_S)
        if path is not None:
            _keep(path, sound)
        return samples

    def _spoken(self, voice: str, text: str) -> bytes:
        command = (self._program, "-v", voice, "-s", _WORDS_PER_MINUTE, "--stdin", "--stdout")
        try:
            done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_WITHIN_S, check=False)
        except FileNotFoundError:
            raise ValueError(
                f"{self._program} is not installed: install it (apt install espeak-ng), or put a recording of the sentence into "
                "media.prompts.folder"
            ) from None
        except subprocess.TimeoutExpired:
            raise ValueError(f"{self._program} took more than {_WITHIN_S:g} s") from None
        if done.returncode or not done.stdout:
            raise ValueError(f"{self._program} has no voice {voice!r}, or failed: {done.stderr.decode(errors='replace').strip()[:200]}")
        return done.stdout


def _digest(voice: str, text: str) -> str:
    return hashlib.sha256(f"{voice}\n{_WORDS_PER_MINUTE}\n{text}".encode()).hexdigest()


def _keep(path: Path, sound: bytes) -> None:
    """Whole or not at all; the oldest give way. A folder that cannot be written to costs only the time of speaking anew."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, made = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(sound)
        Path(made).replace(path)
        kept = sorted(path.parent.glob("*.wav"), key=lambda each: each.stat().st_mtime)
        for old in kept[: max(0, len(kept) - _MOST_KEPT)]:
            old.unlink(missing_ok=True)
