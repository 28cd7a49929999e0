"""Facts and what is asked of them, as a flow's text has them."""

import math
from typing import Any

from rooms.document import Table
from rooms.flows.conditions import Comparison, Condition, FactValue

FACT_NAME = r"[a-z][a-z0-9_]{0,63}"


def condition(table: Table, *, close: bool) -> Condition:
    """Of ``{ fact = "score", at_least = 50 }``: exactly one comparison."""
    name = fact(table, "fact")
    found = [each for each in Comparison if each.value in table]
    values: dict[Comparison, tuple[FactValue, ...]] = {each: _compared(table, each) for each in Comparison}
    if len(found) != 1:
        table.complain("", f"What is asked of {name!r}? Give exactly one of {', '.join(Comparison)}.")
    if close:
        table.close()
    comparison = found[0] if found else Comparison.KNOWN
    return Condition(name, comparison, values[comparison])


def _compared(table: Table, comparison: Comparison) -> tuple[FactValue, ...]:
    """With what a fact is compared. A key that is not there is only made known."""
    key = comparison.value
    match comparison:
        case Comparison.KNOWN:
            return (table.flag(key, True),)
        case Comparison.AT_LEAST | Comparison.AT_MOST:
            return (table.number(key, 0.0, least=-math.inf),)
        case Comparison.BEGINS:
            return (table.text(key, ""),)
        case Comparison.ONE_OF:
            return _fact_values(table, key)
        case _:
            return (fact_value(table, key),)


def _fact_values(table: Table, key: str) -> tuple[FactValue, ...]:
    value = table.take(key)
    if value is not None and (not isinstance(value, list) or not value or not all(_is_fact(each) for each in value)):
        table.complain(key, f"{key!r} is no list of texts, numbers or flags.")
        return ()
    return tuple(value or ())


def fact_value(table: Table, key: str) -> FactValue:
    """What a fact is, or is compared with."""
    value: Any = table.take(key)
    if value is not None and not _is_fact(value):
        table.complain(key, f"{value!r} is nothing that a fact can be: write a text of 200 characters at most, a number, or true or false.")
        return ""
    return "" if value is None else value if isinstance(value, str | bool) else float(value)


def _is_fact(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= 200
    return isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


def fact(table: Table, key: str, default: str | None = None) -> str:
    """The name of a fact."""
    return table.text(key, default, like=FACT_NAME, such_as="booking")
