"""What is read out of an answer: a pointer says where it stands, and a rule what it means. Pure.

Pointers are those of RFC 6901, ``/data/0/name``, in which ``*`` is each of a list or object: ``/phones/*/number``.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from api.backends.protocols import BackendFault
from api.backends.stages import on_wall
from pbx.numbers import numbers_in

_YES, _NO = frozenset({"true", "yes", "1", "y"}), frozenset({"false", "no", "0", "n", ""})
_DAY = len("2026-12-05")
_HOUR = re.compile("%[HIXcs]")


class BadPointer(ValueError):
    """The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Pointer:
    parts: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> "Pointer":
        """Raises ``BadPointer``."""
        if text and not text.startswith("/"):
            raise BadPointer("begins with /, as in /data/0/name; empty is the whole answer")
        return cls(tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]))

    def all(self, document: Any) -> list[Any]:
        """What it points at, as often as its ``*`` say; nothing where it is not there."""
        found = [document]
        for part in self.parts:
            found = [each for one in found for each in _step(one, part)]
        return found

    def list(self, document: Any) -> list[Any]:
        """The list that it points at. Raises ``BackendFault``."""
        found = self.all(document)
        if "*" in self.parts:
            return found
        if len(found) != 1 or not isinstance(found[0], list):
            raise BackendFault("invalid", f"Its answer has no list at {'/' + '/'.join(self.parts) if self.parts else 'its root'}.")
        return list(found[0])


def _step(value: Any, part: str) -> Iterator[Any]:
    match value:
        case dict() if part == "*":
            yield from value.values()
        case dict() if part in value:
            yield value[part]
        case list() if part == "*":
            yield from value
        case list() if part.isdecimal() and int(part) < len(value):
            yield value[int(part)]


@dataclass(frozen=True, slots=True)
class Rule:
    """``pointers``: the texts there are put together with a blank. ``words``: ours for theirs. ``default``: where nothing is there.

    ``form``: of times: ``iso``, ``seconds``, ``milliseconds``, or as ``strptime`` has it; ``zone``: of those that say none.
    """

    pointers: Sequence[Pointer]
    words: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    form: str = "iso"
    zone: tzinfo = UTC

    def values(self, item: Any) -> list[Any]:
        """Numbers, texts and truths that are there; lists and objects are none."""
        found = [value for pointer in self.pointers for value in pointer.all(item)]
        return [value for value in found if isinstance(value, str | int | float)]

    def text(self, item: Any) -> str:
        said = " ".join(text for value in self.values(item) if (text := _plain(value).strip()))
        return self.words.get(said, said) or self.default

    def number(self, item: Any) -> float | None:
        try:
            value = float(self.text(item))
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def money(self, item: Any) -> Decimal:
        try:
            value = Decimal(self.text(item) or "0")
        except InvalidOperation:
            return Decimal(0)
        return value if value.is_finite() else Decimal(0)

    def truth(self, item: Any) -> bool:
        said = self.text(item).lower()
        return said in _YES or (said not in _NO and _positive(said))

    def time(self, item: Any) -> float | None:
        """Seconds since the epoch."""
        try:
            read = self._moment(item)
            return (read if read.tzinfo is not None else read.replace(tzinfo=self.zone)).timestamp()
        except (ValueError, OverflowError):
            return None

    def place_time(self, item: Any, zone: str) -> tuple[str, float | None, str]:
        """As ``stages.on_wall`` says; a day alone where no time is said. ``zone``: of the place; empty: the rule's, where that is one."""
        there = zone or ("" if str(self.zone) == "UTC" else str(self.zone))
        try:
            wall, at, zone = on_wall(self._moment(item), there)
        except (ValueError, OverflowError):
            return "", None, there
        timeless = len(self.text(item)) <= _DAY if self.form == "iso" else "%" in self.form and not _HOUR.search(self.form)
        return (wall[:_DAY], None, there) if timeless else (wall, at, zone)

    def _moment(self, item: Any) -> datetime:
        """Raises ``ValueError`` or ``OverflowError`` where it is none."""
        said = self.text(item)
        if self.form in ("seconds", "milliseconds"):
            return datetime.fromtimestamp(float(said) / (1_000 if self.form == "milliseconds" else 1), UTC)
        return datetime.fromisoformat(said) if self.form == "iso" else datetime.strptime(said, self.form)  # noqa: DTZ007

    def numbers(self, item: Any, region: str) -> tuple[str, ...]:
        """E.164, of every form in which they are written."""
        return tuple(dict.fromkeys(number for value in self.values(item) for number in numbers_in(_plain(value), region)))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _positive(said: str) -> bool:
    try:
        return float(said) > 0
    except ValueError:
        return False
