"""What a flow may ask about a caller: conditions over facts. A fact that is not known is never waited for: nothing holds of it but its
absence."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

FactValue = str | float | bool
Facts = Mapping[str, FactValue]


class Comparison(StrEnum):
    """How a fact is held against a value; ``values`` has one, but for ``one_of``."""

    IS = "is"
    IS_NOT = "is_not"
    ONE_OF = "one_of"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BEGINS = "begins"
    KNOWN = "known"
    """``True``: is it known and not empty? ``False``: is it not?"""


@dataclass(frozen=True, slots=True)
class Condition:
    fact: str
    comparison: Comparison
    values: tuple[FactValue, ...]

    def holds(self, facts: Facts) -> bool:
        """A number and a text that says it are the same; a flag is only itself, and not a number."""
        value = facts.get(self.fact, "")
        if self.comparison is Comparison.KNOWN:
            return (value != "") is self.values[0]
        if value == "":
            return False
        match self.comparison:
            case Comparison.IS | Comparison.ONE_OF:
                return any(_same(value, wanted) for wanted in self.values)
            case Comparison.IS_NOT:
                return not _same(value, self.values[0])
            case Comparison.BEGINS:
                return isinstance(value, str) and value.startswith(str(self.values[0]))
        number, bound = _number(value), _number(self.values[0])
        if number is None or bound is None:
            return False
        return number >= bound if self.comparison is Comparison.AT_LEAST else number <= bound


def _same(value: FactValue, wanted: FactValue) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return value == wanted
    return _number(value) == _number(wanted) is not None


def _number(value: FactValue) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except ValueError:
        return None
