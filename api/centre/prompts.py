"""Which sentences callers can be told, and in which languages, beside the words that flows bring along."""

from collections.abc import Mapping
from pathlib import Path

from api.settings.prompts import PromptsSection
from media.prompt_settings import SUFFIXES
from media.prompt_texts import LANGUAGES, TEXTS


def prompts_of(prompts: PromptsSection, folder: Path | None = None) -> Mapping[str, frozenset[str]]:
    """Languages by name of a sentence: recorded in the folder, or spoken where ``prompts.speech`` allows it. Looks at files.

    ``folder``: where none is set.
    """
    folder = prompts.folder or folder
    found: dict[str, set[str]] = {}
    if prompts.speech:
        for texts in (TEXTS, prompts.texts):
            for name, by_language in texts.items():
                found.setdefault(name, set()).update(by_language)
    if folder is not None:
        for language in LANGUAGES:
            for path in _sounds(folder / language):
                found.setdefault(path.stem, set()).add(language)
    return {name: frozenset(languages) for name, languages in found.items() if not name.endswith("-n")}


def _sounds(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in SUFFIXES] if folder.is_dir() else []
