"""Texts with places to fill: ``/contacts/{id}``, ``Call of {agent}``. Pure.

What is filled in is data wherever it stands: it is never read for places again; in a path it is one part (``segment``), in a query and in
JSON it is encoded with the rest. A text that is one place and nothing else keeps the kind of its value, a number or a truth; one whose
value is not known is left out. ``{{`` and ``}}`` stand for braces.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.backends.paths import segment

Value = str | float | bool | None
Values = Mapping[str, Value]
_PIECES = re.compile(r"\{\{|\}\}|\{([a-z0-9_]+)(?:\|([a-z]+))?\}|[{}]")


def _instant(value: Value) -> datetime:
    if isinstance(value, str | bool) or value is None:
        raise ValueError("this is no time")
    return datetime.fromtimestamp(value, UTC)


_FORMS: dict[str, Callable[[Value], Value]] = {
    "iso": lambda value: _instant(value).isoformat(timespec="seconds").replace("+00:00", "Z"),
    "date": lambda value: _instant(value).date().isoformat(),
    "seconds": lambda value: int(_instant(value).timestamp()),
    "milliseconds": lambda value: int(_instant(value).timestamp() * 1_000),
}


class BadTemplate(ValueError):
    """The message says what is wrong with the text."""


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    form: str

    def value(self, values: Values) -> Value:
        value = values[self.name]
        return _FORMS[self.form](value) if self.form and value is not None else value


@dataclass(frozen=True, slots=True)
class Template:
    """``parts``: texts and places, in turn."""

    parts: tuple[str | _Place, ...]

    @classmethod
    def read(cls, text: str) -> "Template":
        """Raises ``BadTemplate``."""
        parts: list[str | _Place] = []
        at = 0
        for found in _PIECES.finditer(text):
            parts.append(text[at : found.start()])
            at = found.end()
            if found[0] in ("{{", "}}"):
                parts.append(found[0][0])
            elif found[1] is None:
                raise BadTemplate(f"has a brace that is none of a place at character {found.start() + 1}: double it where it is meant")
            elif found[2] is not None and found[2] not in _FORMS:
                raise BadTemplate(f"asks for the form {found[2]!r}: there are {', '.join(_FORMS)}")
            else:
                parts.append(_Place(found[1], found[2] or ""))
        return cls(tuple(part for part in (*parts, text[at:]) if part))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if isinstance(part, _Place))

    def missing(self, values: Values) -> bool:
        """Is the value of one of its places not known?"""
        return any(values[name] in (None, "") for name in self.names)

    def path(self, values: Values) -> str:
        """Each place is one part of the path, encoded. Raises ``BackendFault`` where it would lead elsewhere."""
        return "".join(part if isinstance(part, str) else segment(_text(part.value(values))) for part in self.parts)

    def text(self, values: Values) -> str:
        return "".join(part if isinstance(part, str) else _text(part.value(values)) for part in self.parts)

    def value(self, values: Values) -> Value:
        if len(self.parts) == 1 and isinstance(self.parts[0], _Place):
            return self.parts[0].value(values)
        return self.text(values)


def names_in(body: Any) -> frozenset[str]:
    """Of all places in the texts of this body. Raises ``BadTemplate``."""
    match body:
        case str():
            return Template.read(body).names
        case dict():
            return frozenset().union(*map(names_in, body.values()))
        case list() | tuple():
            return frozenset().union(*map(names_in, body))
        case _:
            return frozenset()


def filled(body: Any, values: Values) -> Any:
    """The body with its places filled; what is left out of lists and objects is what is not known."""
    match body:
        case str():
            return Template.read(body).value(values)
        case dict():
            parts = {name: filled(part, values) for name, part in body.items()}
            return {name: part for name, part in parts.items() if part is not None}
        case list() | tuple():
            return [part for part in (filled(each, values) for each in body) if part is not None]
        case _:
            return body


def _text(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)
