"""What is wrong with settings, in lines for the person who wrote them: which key, where it came from, what to do."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

KeyPath = tuple[str, ...]
"""Of a key: ``("sip", "trunks", "madrid", "port")``."""


class ConfigError(Exception):
    """Everything that is wrong with the configuration, for the person who wrote it. ``faults``: one line each."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        head = "The configuration has a fault:" if len(faults) == 1 else f"The configuration has {len(faults)} faults:"
        super().__init__("\n".join([head, *(f"  {fault}" for fault in faults), "Nothing was started. Correct this and start again."]))


def told(tree: type[BaseModel], origins: Mapping[KeyPath, str], fault: Mapping[str, Any]) -> str:
    """One of pydantic's faults as a line: path, where from, what is wrong. Values are not quoted: they may be secrets.

    ``tree``: what the values were to be. ``origins``: where the value of each path came from.
    """
    path = tuple(str(part) for part in fault["loc"])
    shown_path = path if any(isinstance(part, int) for part in fault["loc"][:-1]) else ()
    named = next((path[:length] for length in range(len(path), 0, -1) if path[:length] in origins), ())
    shown = ".".join(shown_path or named or path[:2])
    origin = origins.get(named, "default")
    if fault["type"] == "extra_forbidden":
        known = _known(tree, path[:-1])
        close = difflib.get_close_matches(path[-1], known, 1)
        what = f"unknown key: did you mean {close[0]}?" if close else f"unknown key. Known here: {', '.join(known)}."
        return f"{shown} ({origin}): {what}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{shown} ({origin}): {message[:1].lower()}{message[1:]}."


def _known(tree: type[BaseModel], section: KeyPath) -> list[str]:
    """Names of the keys of a section."""
    model = tree
    parts = iter(section)
    for part in parts:
        annotation = model.model_fields[part].annotation
        wanted = ""
        if get_origin(annotation) in (dict, tuple):
            # The next part is a name that somebody chose, or a place in a list, with the type of what is there.
            wanted = next(parts) if get_origin(annotation) is dict else (next(parts), next(parts))[1]
        models = _models(annotation)
        model = next((each for each in models if _type_of(each) == wanted), models[0])
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections that stand somewhere in this annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _type_of(model: type[BaseModel]) -> str:
    """What tells it from others of its list."""
    field = model.model_fields.get("type")
    return str(get_args(field.annotation)[0]) if field is not None and get_args(field.annotation) else ""
