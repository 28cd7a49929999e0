"""A TOML or JSON text of the contact centre, read strictly: every fault at once, each with its line and what to do.

``Document`` opens the text, its ``Table``s are read key by key; what is not read is not known and refused. ``finish()`` raises what was
found. JSON begins with ``{``, everything else is TOML.
"""

import difflib
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rooms.source_lines import Path, SourceLines

MOST_CHARACTERS = 1_000_000
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Control characters but for tabs and ends of lines, and halves of characters: JSON can write them, and nobody can say or store them."""
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """``line`` from 1. ``message``: what is wrong and what to do."""

    document: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.document}, line {self.line}: {self.message}"


class DocumentError(Exception):
    """The text is not what it should be. ``faults``: all that is wrong, by line."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Document:
    """``name`` is what faults call it. Raises ``DocumentError`` where the text is no TOML or JSON at all."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []
        is_json = text.lstrip().startswith("{")
        if len(text) > MOST_CHARACTERS:
            raise DocumentError([Fault(name, 1, f"The text has {len(text)} characters; {MOST_CHARACTERS} are read: divide it.")])
        try:
            data = json.loads(text) if is_json else tomllib.loads(text)
            self._lines = SourceLines(text, is_json=is_json)
        except tomllib.TOMLDecodeError as error:
            found = _AT_LINE.search(str(error))
            line = int(found.group(1)) if found else text.count("\n") + 1
            raise DocumentError([Fault(name, line, f"This is no TOML: {_AT_LINE.sub('', str(error)).strip()}.")]) from None
        except json.JSONDecodeError as error:
            raise DocumentError([Fault(name, error.lineno, f"This is no JSON: {error.msg}.")]) from None
        except RecursionError:
            raise DocumentError([Fault(name, 1, "The text is nested too deeply: a few levels are enough.")]) from None
        except ValueError:  # of int(), which reads no more than some thousand digits
            raise DocumentError([Fault(name, 1, "A number has thousands of digits: no value here needs so many.")]) from None
        for path, line in self._lines.doubled:
            self.faults.append(Fault(name, line, f"{path[-1]!r} stands here for the second time: keep one."))
        self._look_through(data, ())
        self.root = Table(self, (), data)

    def _look_through(self, value: object, path: Path) -> None:
        if isinstance(value, str) and _UNREADABLE.search(value):
            self.complain(path, f"{_shown(value)} has a character in it that nobody can read: remove it.")
        elif isinstance(value, list):
            for index, each in enumerate(value):
                self._look_through(each, (*path, index))
        elif isinstance(value, dict):
            for key, each in value.items():
                self._look_through(key, (*path, key))
                self._look_through(each, (*path, key))

    def line(self, path: Path) -> int:
        return self._lines.line(path)

    def complain(self, path: Path, message: str) -> None:
        self.faults.append(Fault(self.name, self.line(path), message))

    def finish(self) -> None:
        """Nothing more is read. Raises ``DocumentError`` if anything was wrong."""
        if self.faults:
            raise DocumentError(self.faults)


class Table:
    """One table of a document. What a reader returns in place of something wrong is of the right type and never used: ``finish`` raises.

    A ``default`` of None: the key has to be there.
    """

    def __init__(self, document: Document, path: Path, values: Mapping[str, Any]) -> None:
        self.document, self.path, self.values = document, path, values
        self._known: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def line(self, key: str = "") -> int:
        """Of a key, or of the table itself."""
        return self.document.line((*self.path, key) if key else self.path)

    def complain(self, key: str, message: str) -> None:
        """Something is wrong with the value of this key; empty: with the whole table."""
        self.document.complain((*self.path, key) if key else self.path, message)

    def close(self) -> None:
        """All keys that have a meaning were read: others have none."""
        for key in self.values:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, 1)
                advice = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(self._known) or 'nothing'}."
                self.complain(key, f"{key!r} has no meaning here; {advice}")

    def take(self, key: str) -> Any:
        """The value as it stands there, or None."""
        self._known[key] = None
        return self.values.get(key)

    def text(self, key: str, default: str | None = None, *, most: int = 200, like: str = "", such_as: str = "") -> str:
        """``like``: a pattern that the whole text has to match, ``such_as``: an example of it."""
        value = self._value(key, default, str, "a text")
        if not isinstance(value, str):
            return default or ""
        if len(value) > most:
            self.complain(key, f"{key!r} has {len(value)} characters: {most} at most.")
        elif key in self and not value:
            self.complain(key, f"{key!r} is empty: write something, or leave it out.")
        elif key in self and like and not re.fullmatch(like, value):
            self.complain(key, f"{value!r} is no value for {key!r}: write it like {such_as}.")
        return value

    def one_of(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if key in self and value and value not in choices:
            self.complain(key, f"{value!r} is no value for {key!r}: one of {', '.join(choices)}.")
        return value if value in choices else choices[0]

    def number(self, key: str, default: float | None = None, *, least: float = 0.0, most: float = math.inf) -> float:
        value = self._value(key, default, (int, float), "a number")
        if not isinstance(value, int | float):
            return default or 0.0
        if not least <= value <= most or math.isinf(value):
            limits = f"from {least:g} to {most:g}" if most < math.inf else f"of {least:g} or more"
            self.complain(key, f"{key!r} is {value:g}: a number {limits}.")
        return float(value)

    def whole(self, key: str, default: int | None = None, *, least: int = 0, most: int = 1_000_000) -> int:
        value = self._value(key, default, int, "a whole number")
        if not isinstance(value, int):
            return default or 0
        if not least <= value <= most:
            self.complain(key, f"{key!r} is {value}: a whole number from {least} to {most}.")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._value(key, default, bool, "true or false")
        return value if isinstance(value, bool) else default

    def texts(self, key: str, *, required: bool = False, most: int = 200, like: str = "", such_as: str = "") -> tuple[str, ...]:
        """A list of texts, no two alike."""
        value = self._value(key, None if required else [], list, "a list")
        found: list[str] = []
        for index, each in enumerate(value if isinstance(value, list) else []):
            path = (*self.path, key, index)
            if not isinstance(each, str) or not each or len(each) > most or (like and not re.fullmatch(like, each)):
                self.document.complain(
                    path, f"{_shown(each)} is no entry of {key!r}: write a text" + (f" like {such_as}." if such_as else ".")
                )
            elif each in found:
                self.document.complain(path, f"{each!r} stands in {key!r} twice: keep one.")
            else:
                found.append(each)
        if required and isinstance(value, list) and not value:
            self.complain(key, f"{key!r} is empty: name at least one.")
        return tuple(found)

    def table(self, key: str, *, required: bool = False) -> "Table":
        """An empty one where there is none."""
        value = self._value(key, None if required else {}, dict, "a table")
        return Table(self.document, (*self.path, key), value if isinstance(value, dict) else {})

    def tables(self, key: str) -> "list[Table]":
        """A list of tables."""
        value = self._value(key, [], list, "a list of tables")
        found = []
        for index, each in enumerate(value if isinstance(value, list) else []):
            if isinstance(each, dict):
                found.append(Table(self.document, (*self.path, key, index), each))
            else:
                self.document.complain((*self.path, key, index), f"{_shown(each)} is no entry of {key!r}: write a table, {{...}}.")
        return found

    def named(self, like: str, such_as: str) -> "Iterator[tuple[str, Table]]":
        """Every key of this table as the name of one table, in the order of the text."""
        for key in self.values:
            table = self.table(key)
            if not re.fullmatch(like, key):
                self.complain(key, f"{key!r} is no name: write it like {such_as}.")
            yield key, table

    def _value(self, key: str, default: object, kind: type | tuple[type, ...], words: str) -> object:
        value = self.take(key)
        if value is None:
            if default is None:
                self.complain("", f"{key!r} is missing: give {words}.")
            return default
        # A flag is an int in Python, and in no document.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.complain(key, f"{key!r} is {_shown(value)}: give {words}.")
            return None
        return value


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
