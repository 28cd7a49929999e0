"""The little language inside a CRM template: ``[Var]``, methods on values, ``IIf``, and conditions. Pure.

What the emulator does not know is an error and not silence.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

Value = str | int | float | bool | datetime | timedelta | None

_NAME = re.compile(r"[A-Za-z_]\w*$")
_LITERAL = re.compile(r"\{\{([^{}\"]*)\}\}")
"""Brackets that are none of the language; the braces of JSON are not meant."""
_METHOD = re.compile(r"\.(\w+)\(")
_DATE_PARTS = (
    ("yyyy", "%Y"),
    ("MM", "%m"),
    ("dd", "%d"),
    ("HH", "%H"),
    ("mm", "%M"),
    ("ss", "%S"),
)


class BadExpression(ValueError):
    """An expression that a real PBX would stumble over, or that the emulator does not know."""


def expand(text: str, variables: Mapping[str, Value], passes: int = 1, *, unfilled: str = "literal") -> str:
    """The text with its brackets replaced, as often as ``passes`` says (0 is as good as 1). Raises ``BadExpression``.

    With one pass plain variables are replaced, and a bracket with brackets in it stays as it is. ``unfilled``: a variable without a
    value stays as the literal text, or is ``empty``.
    """
    for _ in range(max(1, passes)):
        text = _expand_once(text, variables, passes >= 2, unfilled)
    return _LITERAL.sub(r"[\1]", text).replace("^^", '"')


def _expand_once(text: str, variables: Mapping[str, Value], nested: bool, unfilled: str) -> str:
    result, position = "", 0
    while (start := text.find("[", position)) >= 0:
        end = _closing(text, start)
        if end < 0:
            break
        inner = text[start + 1 : end]
        result += text[position:start] + _replaced(inner, variables, nested, unfilled)
        position = end + 1
    return result + text[position:]


def _replaced(inner: str, variables: Mapping[str, Value], nested: bool, unfilled: str) -> str:
    if _NAME.match(inner):
        value = variables.get(inner)
        if value is None:
            return f"[{inner}]" if unfilled == "literal" else ""
        return as_text(value)
    calls = inner.startswith(("[", "IIf("))
    if not calls or not nested:
        return f"[{inner}]"
    return as_text(evaluate(inner, variables))


def _closing(text: str, start: int) -> int:
    depth, quoted = 0, False
    for position in range(start, len(text)):
        character = text[position]
        quoted ^= character == '"' and depth > 1
        if not quoted:
            depth += (character == "[") - (character == "]")
            if depth == 0:
                return position
    return -1


def as_text(value: Value) -> str:
    """As .NET writes it, in the PBX's (here: invariant) culture."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, datetime):
        return value.strftime("%m/%d/%Y %H:%M:%S")
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return "" if value is None else str(value)


def evaluate(text: str, variables: Mapping[str, Value]) -> Value:
    """The value of ``[Var]`` with methods called on it, of ``IIf(...)`` or of a quoted text. Raises ``BadExpression``."""
    text = text.strip()
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return text[1:-1]
    if text.startswith("IIf(") and text.endswith(")"):
        parts = _arguments(text[4:-1])
        if len(parts) != 3:
            raise BadExpression(f"IIf has three parts: {text[:60]}")
        return evaluate(parts[1 if holds(parts[0], variables) else 2], variables)
    if not text.startswith("["):
        return text
    end = _closing(text, 0)
    if end < 0:
        raise BadExpression(f"a bracket is open: {text[:60]}")
    inner = text[1:end]
    value = variables.get(inner) if _NAME.match(inner) else evaluate(inner, variables)
    return _methods(value, text[end + 1 :], variables)


def _methods(value: Value, rest: str, variables: Mapping[str, Value]) -> Value:
    while rest:
        match = _METHOD.match(rest)
        end = _bracket_end(rest, match.end()) if match is not None else -1
        if match is None or end < 0:
            raise BadExpression(f"this is no method call: {rest[:60]}")
        arguments = [as_text(evaluate(part, variables)) for part in _arguments(rest[match.end() : end])]
        value = _called(match.group(1), value, arguments)
        rest = rest[end + 1 :]
    return value


def _bracket_end(text: str, start: int) -> int:
    depth, quoted = 1, False
    for position in range(start, len(text)):
        quoted ^= text[position] == '"'
        if not quoted:
            depth += (text[position] == "(") - (text[position] == ")")
            if depth == 0:
                return position
    return -1


def _arguments(text: str) -> list[str]:
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == '"'
        depth += 0 if quoted else (character in "([") - (character in ")]")
        if character == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts if text.strip() else []


def _called(name: str, value: Value, arguments: list[str]) -> Value:
    text = as_text(value)
    texts: dict[tuple[str, int], Callable[[], Value]] = {
        ("Replace", 2): lambda: text.replace(arguments[0], arguments[1]),
        ("ToLower", 0): text.lower,
        ("ToUpper", 0): text.upper,
        ("Trim", 0): text.strip,
        ("ToString", 0): lambda: text,
        ("ToString", 1): lambda: _formatted(value, arguments[0]),
        ("get_TotalSeconds", 0): lambda: _seconds(value),
        ("get_TotalMinutes", 0): lambda: _seconds(value) / 60,
    }
    if (name, len(arguments)) not in texts:
        raise BadExpression(f"the emulator knows no method {name} with {len(arguments)} arguments")
    return texts[name, len(arguments)]()


def _seconds(value: Value) -> float:
    if not isinstance(value, timedelta):
        raise BadExpression("only a time span has total seconds")
    return value.total_seconds()


def _formatted(value: Value, pattern: str) -> str:
    if isinstance(value, datetime):
        for part, written in _DATE_PARTS:
            pattern = pattern.replace(part, written)
        return value.strftime(pattern)
    if isinstance(value, int | float) and re.fullmatch(r"F\d", pattern):
        return f"{value:.{pattern[1]}f}"
    raise BadExpression(f"a value of this kind has no format {pattern[:40]!r}")


# -- conditions


def skips(text: str, variables: Mapping[str, Value]) -> bool:
    """``SkipIf``: texts are quoted; a bare word beside ``||`` is the cast error of newer builds. Raises ``BadExpression``."""
    if not text.strip():
        return False
    if "||" in text:
        for word in re.split(r"\|\||&&|==|!=", text):
            word = word.strip().strip("()")
            if word and not word.startswith(("[", '"', "!")) and word.lower() not in ("true", "false") and not word.isdecimal():
                raise BadExpression(f"a text beside || has to be quoted: {word[:40]}")
    return holds(text, variables)


def holds(text: str, variables: Mapping[str, Value], *, quotes: bool = True) -> bool:
    """A condition with ``||``, ``&&``, ``==`` and ``!=``. ``quotes`` off: quotation marks are part of a text, as in ``If``."""
    return any(all(_compare(part, variables, quotes) for part in either.split("&&")) for either in text.split("||"))


def _compare(text: str, variables: Mapping[str, Value], quotes: bool) -> bool:
    for operator, equal in (("==", True), ("!=", False)):
        left, found, right = text.partition(operator)
        if found:
            return (_operand(left, variables, quotes) == _operand(right, variables, quotes)) is equal
    return _operand(text, variables, quotes).lower() == "true"


def _operand(text: str, variables: Mapping[str, Value], quotes: bool) -> str:
    text = text.strip()
    if text.startswith('"') and not quotes:
        return text
    return as_text(evaluate(text, variables))
