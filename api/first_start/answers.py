"""What was answered, in the data folder: a file of its own, and the settings that follow from it (``house.toml``).

Each answer is on the disk before it is acknowledged, so that neither a reload nor a kill loses one.
"""

import os
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from api.first_start.wire import Answered
from api.settings.toml_text import Value, written

HOUSE_FILE = "house.toml"
"""Counts less than all other settings."""
_ANSWERS = "first_start.json"
_CODE = "first_start.code"


class StartAnswers:
    """``folder``: the data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> Answered:
        try:
            return msgspec.json.decode((self._folder / _ANSWERS).read_bytes(), type=Answered)
        except FileNotFoundError:
            return Answered()

    def keep(self, answered: Answered) -> None:
        _write(self._folder / _ANSWERS, msgspec.json.format(msgspec.json.encode(answered)))

    def code(self) -> str:
        """The one that lets answer, the same until all is answered."""
        path = self._folder / _CODE
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            drawn = secrets.token_urlsafe(24)
            _write(path, drawn.encode() + b"\n")
            return drawn

    def drop_code(self) -> None:
        (self._folder / _CODE).unlink(missing_ok=True)

    def set(self, table: str, values: Mapping[str, Value] | None) -> None:
        """This table of ``house.toml`` is so from now on; None: it is not there."""
        path = self._folder / HOUSE_FILE
        held = _flat(tomllib.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
        held.pop(table, None)
        if values is not None:
            held[table] = dict(values)
        head = "# What was answered at the first start. Settings of centralita.toml, of the environment and of the command line win.\n\n"
        _write(path, (head + written(held)).encode())


def _flat(tree: Mapping[str, object], within: str = "") -> dict[str, dict[str, Value]]:
    """Tables by their whole names."""
    found: dict[str, dict[str, Value]] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{within}.{name}" if within else name)
        elif isinstance(value, str | int | bool | list):
            found.setdefault(within, {})[name] = value
    return found


def _write(path: Path, body: bytes) -> None:
    """Whole or not at all, readable by us alone."""
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
