"""OData as XAPI uses it: paths with keys and functions, and the options $top, $skip, $count, $filter, $search, $orderby, $select, $expand.

What the emulator does not know it refuses, so that no client learns to rely on it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Row = dict[str, Any]
Test = Callable[[Row], bool]

OPTIONS = frozenset({"$top", "$skip", "$count", "$filter", "$search", "$orderby", "$select", "$expand"})
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<mark>[(),])|(?P<word>[^\s(),']+))")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T[0-9:.]+(?:Z|[+-]\d{2}:\d{2})$")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a is not None and a > b,
    "ge": lambda a, b: a is not None and a >= b,
    "lt": lambda a, b: a is not None and a < b,
    "le": lambda a, b: a is not None and a <= b,
}
_SEARCH: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
}


class BadQuery(ValueError):
    """A client's fault: 400."""


class BadType(ValueError):
    """A value of another type than the field, or a date that is none: the real API was seen to answer 500."""


@dataclass(frozen=True, slots=True)
class Step:
    """One segment of a path: ``Users(17)``, ``Users(Number='205')``, ``Pbx.DownloadRecording(recId=9)``. A lone key is under ""."""

    name: str
    args: Mapping[str, Any] | None = None


def parse_path(text: str) -> list[Step]:
    """The decoded path after ``/xapi/v1/``. Raises ``BadQuery``."""
    return [_step(part) for part in _split(text, "/") if part]


def _step(text: str) -> Step:
    name, bracket, rest = text.partition("(")
    if not bracket:
        return Step(name)
    if not rest.endswith(")"):
        raise BadQuery(f"a bracket is open in {text[:60]}")
    args: dict[str, Any] = {}
    for part in _split(rest[:-1], ","):
        key, equals, value = part.partition("=")
        if equals and not part.startswith("'"):
            args[key.strip()] = literal(value.strip())
        elif part.strip():
            args[""] = literal(part.strip())
    return Step(name, args)


def _split(text: str, mark: str) -> list[str]:
    """At marks outside of quotes and brackets."""
    parts, quoted, depth = [""], False, 0
    for character in text:
        quoted ^= character == "'"
        depth += 0 if quoted else (character == "(") - (character == ")")
        if character == mark and not quoted and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def literal(word: str) -> Any:
    """A value as it stands in a path or filter. Raises ``BadType``."""
    if word.startswith("'"):
        if len(word) < 2 or not word.endswith("'"):
            raise BadType(f"a quote is open in {word[:40]}")
        return word[1:-1].replace("''", "'")
    if word in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word]
    if _MOMENT.match(word):
        return moment(word)
    try:
        return float(word) if "." in word else int(word)
    except ValueError:
        raise BadType(f"{word[:40]} is no value") from None


def moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadType(f"{text[:40]} is no date") from None


@dataclass(frozen=True, slots=True)
class Query:
    """The options of one request. ``skip`` and ``top`` count rows."""

    top: int | None = None
    skip: int = 0
    count: bool = False
    select: tuple[str, ...] = ()
    expand: frozenset[str] = frozenset()
    search: str = ""
    order: tuple[tuple[str, bool], ...] = ()
    keep: Test = field(default=lambda row: True)


def parse_query(options: Mapping[str, str]) -> Query:
    """Raises ``BadQuery`` or ``BadType``."""
    unknown = [name for name in options if name.startswith("$") and name not in OPTIONS]
    if unknown:
        raise BadQuery(f"the query option {unknown[0]} is not supported")
    text = options.get("$filter", "")
    return Query(
        top=_natural(options, "$top") if "$top" in options else None,
        skip=_natural(options, "$skip"),
        count=options.get("$count", "false") == "true",
        select=tuple(name.strip() for name in options.get("$select", "").split(",") if name.strip()),
        expand=frozenset(name.partition("(")[0].strip() for name in _split(options.get("$expand", ""), ",") if name.strip()),
        search=options.get("$search", "").strip('"'),
        order=tuple(_order(part) for part in options.get("$orderby", "").split(",") if part.strip()),
        keep=_Filter(text).test() if text else (lambda row: True),
    )


def _natural(options: Mapping[str, str], name: str) -> int:
    text = options.get(name, "0")
    if not text.isdecimal():
        raise BadQuery(f"{name} is no natural number")
    return int(text)


def _order(text: str) -> tuple[str, bool]:
    name, *direction = text.split()
    if direction not in ([], ["asc"], ["desc"]):
        raise BadQuery(f"$orderby does not know {text[:40]}")
    return name, direction == ["desc"]


class _Filter:
    """$filter by recursive descent: or, and, not, brackets, comparisons, contains, startswith, endswith."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise BadQuery(f"$filter is not understood at {text[position : position + 20]}")
            self._tokens.append(match.group().strip())
            position = match.end()

    def test(self) -> Test:
        test = self._either()
        if self._tokens:
            raise BadQuery(f"$filter ends too late: {self._tokens[0]}")
        return test

    def _next(self, *expected: str) -> str:
        if not self._tokens or (expected and self._tokens[0] not in expected):
            raise BadQuery(f"$filter is not understood: {self._text[:80]}")
        return self._tokens.pop(0)

    def _either(self) -> Test:
        tests = [self._both()]
        while self._tokens[:1] == ["or"]:
            self._next()
            tests.append(self._both())
        return lambda row: any(test(row) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._tokens[:1] == ["and"]:
            self._next()
            tests.append(self._one())
        return lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        word = self._next()
        if word == "not":
            denied = self._one()
            return lambda row: not denied(row)
        if word == "(":
            test = self._either()
            self._next(")")
            return test
        if word in _SEARCH:
            return self._function(_SEARCH[word])
        compare, value = _COMPARE[self._next(*_COMPARE)], literal(self._next())
        return lambda row: _compared(compare, _field(row, word), value)

    def _function(self, function: Callable[[str, str], bool]) -> Test:
        self._next("(")
        name = self._next()
        self._next(",")
        part = literal(self._next())
        self._next(")")
        return lambda row: function(str(_field(row, name) or "").casefold(), str(part).casefold())


def _field(row: Row, path: str) -> Any:
    value: Any = row
    for name in path.split("/"):
        if not isinstance(value, dict) or name not in value:
            raise BadQuery(f"could not find a property named '{name[:40]}'")
        value = value[name]
    return value


def _compared(compare: Callable[[Any, Any], bool], mine: Any, value: Any) -> bool:
    if isinstance(value, datetime) and isinstance(mine, str):
        mine = moment(mine)
    try:
        return compare(mine, value)
    except TypeError:
        raise BadType("the types of a comparison differ") from None


def page(rows: Sequence[Row], query: Query, navigation: frozenset[str] = frozenset()) -> tuple[list[Row], int]:
    """The rows that a query asks for, and how many there are without $top and $skip. Raises ``BadQuery`` or ``BadType``."""
    found = [row for row in rows if query.keep(row) and _holds(row, query.search)]
    for name, descending in reversed(query.order):
        found.sort(key=lambda row: _sortable(_field(row, name)), reverse=descending)
    end = None if query.top is None else query.skip + query.top
    return [shape(row, query, navigation) for row in found[query.skip : end]], len(found)


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


def _holds(row: Row, text: str) -> bool:
    return not text or any(text.casefold() in str(value).casefold() for value in row.values() if isinstance(value, str))


def shape(row: Row, query: Query, navigation: frozenset[str] = frozenset()) -> Row:
    """One row with what is selected, and with those of its related rows that are expanded. Raises ``BadQuery``."""
    wrong = query.expand - navigation or frozenset(query.select) - row.keys()
    if wrong:
        raise BadQuery(f"could not find a property named '{min(wrong)[:40]}'")
    names = query.select or tuple(name for name in row if name not in navigation)
    return {name: row[name] for name in (*names, *sorted(query.expand - set(names)))}
