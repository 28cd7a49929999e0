"""Changing values in a TOML file of settings as a person would: everything else stays as it was written, comments too."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

Value = str | int | bool | list[str]
_TABLE = re.compile(r"^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}\s*(#.*)?$")


class CannotChange(Exception):
    """The file is written in a way that this does not understand. The message says what to write by hand."""


def changed(text: str, wanted: Mapping[str, Mapping[str, Value]]) -> str:
    """``text`` with these values in these tables (``{"sip": {"enabled": True}}``). Raises ``CannotChange``."""
    for table, values in wanted.items():
        text = _in_table(text, table, values)
    try:
        found: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        found = {}
    for table, values in wanted.items():
        if any(found.get(table, {}).get(name) != value for name, value in values.items()):
            raise CannotChange("The settings file is written in a way that is not changed by itself. Write into it:\n" + written(wanted))
    return text


def written(wanted: Mapping[str, Mapping[str, Value]]) -> str:
    """These tables alone."""
    return "\n".join(
        "\n".join([f"[{table}]", *(f"{name} = {_value(value)}" for name, value in values.items()), ""]) for table, values in wanted.items()
    )


def _in_table(text: str, table: str, values: Mapping[str, Value]) -> str:
    lines = text.splitlines()
    begin = next((number for number, line in enumerate(lines) if (head := _TABLE.match(line)) and head[1] == table), None)
    if begin is None:
        gap = "\n\n" if text.strip() else ""
        return text.rstrip("\n") + gap + written({table: values})
    end = next((number for number in range(begin + 1, len(lines)) if _TABLE.match(lines[number])), len(lines))
    body = lines[begin + 1 : end]
    for name, value in values.items():
        line = f"{name} = {_value(value)}"
        place = next((number for number, old in enumerate(body) if re.match(rf"\s*{re.escape(name)}\s*=", old)), None)
        if place is None:
            last = max((number for number, old in enumerate(body) if old.strip()), default=-1)
            body.insert(last + 1, line)
        else:
            body[place] = line
    return "\n".join([*lines[: begin + 1], *body, *lines[end:], ""])


def _value(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)
