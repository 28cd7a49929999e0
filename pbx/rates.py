"""What calls to public numbers cost: a table by prefix, of which the longest that fits counts. Pure."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from math import ceil
from typing import Self

COLUMNS = ("prefix", "per_minute", "connection", "first_s", "step_s")
_LONGEST_PREFIX = 15
_MOST_RATES = 200_000


class BadRates(ValueError):
    """A rate table that cannot be used. The message names the line and what to write there."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``prefix``: digits of an E.164 number without plus. Money is in the table's one currency; ``first_s`` are paid for in any case, then
    every step of ``step_s`` that was begun."""

    prefix: str
    per_minute: float
    connection: float = 0.0
    first_s: float = 1.0
    step_s: float = 1.0

    def cost(self, talk_s: float) -> float:
        """Of an answered call that lasted so long."""
        beyond_s = max(0.0, talk_s - self.first_s)
        paid_s = self.first_s + ceil(round(beyond_s / self.step_s, 6)) * self.step_s
        return self.connection + self.per_minute * paid_s / 60


class RateTable:
    """An empty one knows no cost of any number."""

    def __init__(self, rates: Iterable[Rate] = ()) -> None:
        self._rates = {rate.prefix: rate for rate in rates}
        self._longest = max(map(len, self._rates), default=0)

    def __len__(self) -> int:
        return len(self._rates)

    @classmethod
    def read(cls, text: str) -> Self:
        """From CSV with a line of names: ``prefix,per_minute`` and, where wanted, ``connection,first_s,step_s``. Raises ``BadRates``."""
        rows = csv.DictReader(StringIO(text.removeprefix("\ufeff")), skipinitialspace=True)
        names = tuple(rows.fieldnames or ())
        if not {"prefix", "per_minute"} <= set(names) or not set(names) <= set(COLUMNS):
            raise BadRates(
                f"line 1 of the rate table names {', '.join(names) or 'nothing'}: write {','.join(COLUMNS)}, the first two at least"
            )
        found: dict[str, Rate] = {}
        for number, row in enumerate(rows, 2):
            rate = _rate(row, number)
            if rate.prefix in found:
                raise BadRates(f"line {number} of the rate table has the prefix {rate.prefix} a second time: keep one")
            found[rate.prefix] = rate
            if len(found) > _MOST_RATES:
                raise BadRates(f"the rate table has more than {_MOST_RATES:,} lines")
        return cls(found.values())

    def rate(self, e164: str) -> Rate | None:
        """The rate of a number (with plus sign); None where no prefix fits."""
        digits = e164.removeprefix("+")
        for length in range(min(self._longest, len(digits)), 0, -1):
            rate = self._rates.get(digits[:length])
            if rate is not None:
                return rate
        return None

    def cost(self, e164: str, talk_s: float) -> float | None:
        """Of an answered call of so many seconds; None where the table does not know."""
        rate = self.rate(e164)
        return None if rate is None else rate.cost(talk_s)


def _rate(row: dict[str, str], number: int) -> Rate:
    prefix = (row["prefix"] or "").strip().removeprefix("+")
    if not prefix.isascii() or not prefix.isdigit() or len(prefix) > _LONGEST_PREFIX:
        raise BadRates(
            f"line {number} of the rate table has the prefix {prefix!r}: write the digits with which numbers begin, such as 34 or 346"
        )
    figures: dict[str, float] = {}
    for name in COLUMNS[1:]:
        text = (row.get(name) or "").strip()
        if not text and name != "per_minute":
            continue
        try:
            figures[name] = float(text)
        except ValueError:
            raise BadRates(f"line {number} of the rate table has {text!r} under {name}: write a number such as 0.012") from None
        if not (0.0 <= figures[name] < 1e6) or (name == "step_s" and figures[name] <= 0.0):
            raise BadRates(f"line {number} of the rate table has {text} under {name}, which cannot be")
    return Rate(prefix, **figures)
