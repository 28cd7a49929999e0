"""Texts of messages as files: ``voicemail.es.txt`` has a subject, an empty line, and the text, with ``{name}`` for what is not known
before. A folder of the settings may have others in their place."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from api.notify.message import filled, one_line
from rooms.flows.conditions import FactValue

LANGUAGES = ("en", "es")
_FILE = re.compile(r"([a-z][a-z0-9_-]*)\.(en|es)\.txt")


class BadTemplate(ValueError):
    """A file of the folder cannot be used. The message says which and why."""


class Templates:
    """Read once. Raises ``BadTemplate``."""

    def __init__(self, folder: Path | None = None) -> None:
        own = files("api.notify") / "texts"
        self._texts = {file.name: file.read_text(encoding="utf-8") for file in own.iterdir() if _FILE.fullmatch(file.name)}
        for path in sorted(folder.iterdir()) if folder is not None else ():
            if path.name not in self._texts:
                raise BadTemplate(f"{path}: there is no such text; there are {', '.join(sorted(self._texts))}.")
            try:
                self._texts[path.name] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise BadTemplate(f"{path} cannot be read: {error}.") from None
        for name, text in self._texts.items():
            subject, blank, words = [*text.split("\n", 2), "", ""][:3]
            if not subject.strip() or blank.strip() or not words.strip():
                raise BadTemplate(f"{name}: the first line is the subject, the second is empty, then comes the text.")

    def message(self, name: str, language: str, facts: Mapping[str, FactValue]) -> tuple[str, str]:
        """Subject and text in this language, or in English."""
        text = self._texts[f"{name}.{language if language in LANGUAGES else 'en'}.txt"]
        subject, _, words = text.split("\n", 2)
        return one_line(filled(subject, facts)), filled(words, facts)
