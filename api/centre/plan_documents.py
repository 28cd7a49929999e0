"""Which documents a plan has, and the files that they stand in outside the database."""

import re
from pathlib import Path

SINGLE = ("queues", "numbers", "calendars", "boxes", "webhooks", "breaks", "rules")
FLOWS = "flows/"
SUFFIXES = (".toml", ".json")
LARGEST_DOCUMENT = 256 * 1024
"""Characters."""
MOST_DOCUMENTS = 500
NAME = "[a-z0-9][a-z0-9-]{0,63}"
"""Of a flow, a queue, a calendar, ..."""
SUCH_A_NAME = "'sales-madrid'"
_FLOW = re.compile(FLOWS + NAME)
NAMES_SAID = f"a plan has the documents flows/NAME (small letters, digits and hyphens), {', '.join(SINGLE[:-1])} and {SINGLE[-1]}"


def is_document(name: str) -> bool:
    return name in SINGLE or _FLOW.fullmatch(name) is not None


def is_json(text: str) -> bool:
    """Is it JSON, or TOML? A TOML document never begins with a brace."""
    return text.lstrip().startswith("{")


def file_of(name: str, text: str) -> str:
    """Where a document stands in a folder."""
    return name + (".json" if is_json(text) else ".toml")


def files_in(folder: Path) -> dict[Path, str]:
    """Every file of a folder that could be a document, and the name that it would have. Raises OSError."""
    found = [*folder.iterdir(), *(folder / "flows").iterdir()] if (folder / "flows").is_dir() else [*folder.iterdir()]
    files = [path for path in found if path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()]
    return {path: path.relative_to(folder).with_suffix("").as_posix() for path in sorted(files)}
