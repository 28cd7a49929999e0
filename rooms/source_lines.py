"""On which line of a TOML or JSON text each key and each element stands. The text is one that the real reader took without complaint."""

import json
import re
import tomllib
from collections.abc import Iterable

Path = tuple[str | int, ...]
"""Keys and indices, from the outermost on."""

_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|\n|[\[\]{}=:,.]"
    r"|[^\s\"'#\[\]{}=:,.]+",
    re.DOTALL,
)
_CLOSING = frozenset({",", "]", "}", "\n", ""})


class SourceLines:
    """``doubled``: keys of JSON that stand in one table twice, with the line of the second; TOML's reader refuses those itself."""

    def __init__(self, text: str, *, is_json: bool) -> None:
        self.doubled: list[tuple[Path, int]] = []
        self._lines: dict[Path, int] = {(): 1}
        # JSON may break a line anywhere, TOML says by it that a value is over.
        tokens = (token for token in _tokens(text) if not is_json or token[0] != "\n")
        self._tokens, self._at = [*tokens, ("", text.count("\n") + 1)], 0
        self._elements: dict[Path, int] = {}
        if is_json:
            self._value(())
        else:
            self._toml()

    def line(self, path: Path) -> int:
        """From 1; of what is not there that of the nearest around it."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def _next(self) -> tuple[str, int]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _peek(self) -> str:
        return self._tokens[self._at][0]

    def _skip(self, *marks: str) -> None:
        while self._peek() in marks:
            self._next()

    def _toml(self) -> None:
        table: Path = ()
        while True:
            self._skip("\n")
            if not self._peek():
                return
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        """``[a.b]``, or ``[[a.b]]`` for one more element of a list; inside a list the path leads through its last element."""
        self._next()
        is_element = self._peek() == "["
        self._skip("[")
        line = self._tokens[self._at][1]
        path: Path = ()
        keys = self._keys("]")
        for index, key in enumerate(keys, 1):
            path = (*path, key)
            if is_element and index == len(keys):
                self._lines.setdefault(path, line)
                self._elements[path] = self._elements.get(path, -1) + 1
            if path in self._elements:
                path = (*path, self._elements[path])
        self._skip("]")
        self._lines[path] = line
        return path

    def _keys(self, until: str) -> list[str]:
        """The parts of a dotted key, up to its end."""
        found = []
        while (token := self._next()[0]) not in (until, ""):
            if token != ".":
                found.append(_unquoted(token))
        return found

    def _pair(self, table: Path) -> None:
        line = self._tokens[self._at][1]
        is_json = self._tokens[self._at + 1][0] == ":"
        path = table
        for key in self._keys(":" if is_json else "="):
            path = (*path, key)
            if is_json and path in self._lines:
                self.doubled.append((path, line))
            self._lines.setdefault(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._peek() == "{":
            self._next()
            self._skip("\n", ",")
            while self._peek() not in ("}", ""):
                self._pair(path)
                self._skip("\n", ",")
            self._next()
        elif self._peek() == "[":
            self._next()
            self._skip("\n", ",")
            index = 0
            while self._peek() not in ("]", ""):
                self._lines[(*path, index)] = self._tokens[self._at][1]
                self._value((*path, index))
                self._skip("\n", ",")
                index += 1
            self._next()
        else:
            while self._peek() not in _CLOSING:
                self._next()


def _tokens(text: str) -> Iterable[tuple[str, int]]:
    line, counted = 1, 0
    for found in _TOKEN.finditer(text):
        line += text.count("\n", counted, found.start())
        counted = found.start()
        if not found.group().startswith("#"):
            yield found.group(), line


def _unquoted(token: str) -> str:
    if not token.startswith(('"', "'")):
        return token
    try:
        return str(json.loads(token))
    except ValueError:  # a key of TOML: it has strings that JSON has not
        return next(iter(tomllib.loads(f"{token} = 0")))
