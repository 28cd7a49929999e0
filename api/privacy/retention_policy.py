"""For how long something is kept: by what it is, at most as its class says, and by the country of the customer's number."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from api.privacy.data_class import DataClass

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """All in days, 0: for good. ``classes``: at most. ``countries``: by ISO code and kind, in place of both."""

    kinds: Mapping[str, int]
    classes: Mapping[DataClass, int] = field(default_factory=dict)
    countries: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def keep_s(self, kind: str, data_class: DataClass, country: str = "") -> float:
        """In seconds; infinite: for good. ``country``: empty where it is not known."""
        days = self.countries.get(country, {}).get(kind)
        if days is not None:
            return _seconds(days)
        return min(_seconds(self.kinds[kind]), _seconds(self.classes.get(data_class, 0)))

    def shortest_s(self, kind: str, data_class: DataClass) -> float:
        """Nothing younger is deleted, wherever the customer is."""
        elsewhere = [_seconds(periods[kind]) for periods in self.countries.values() if kind in periods]
        return min([self.keep_s(kind, data_class), *elsewhere])

    def by_country(self, kind: str) -> bool:
        return any(kind in periods for periods in self.countries.values())


def _seconds(days: int) -> float:
    return days * _DAY_S if days else math.inf
