"""`[dialing]`: which numbers may be dialled, at what cost, and how they are written."""

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Literal

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BeforeValidator, Field, field_validator

from api.settings.section import Names, Section, split_text
from pbx.fraud import EUROPE_AND_NORTH_AMERICA, DialRules
from pbx.numbers import NumberKind
from pbx.routing import DialPlan, NumberStyle
from pbx.toll import Bound, TollBounds


class DialingSection(Section):
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "ES"
    """Country of numbers written without one (ISO 3166)."""
    style: Literal["plus", "zeros", "bare", "national"] = "plus"
    """How public numbers are written towards the PBX."""
    line_prefix: Annotated[str, Field(pattern=r"^[0-9*#]*$", max_length=8)] = ""
    countries: Names = EUROPE_AND_NORTH_AMERICA
    """Which may be called (ISO 3166); ``*``: all."""
    blocked_countries: Names = ()
    dear_numbers: Annotated[tuple[Literal["premium", "shared_cost", "satellite", "unclassified"], ...], BeforeValidator(split_text)] = ()
    """Kinds that may be called although each minute may be dear: only when confirmed, few in an hour, never off-hours."""
    working_hours: Annotated[str, Field(pattern=r"^$|^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$")] = ""
    """Such as ``07:00-22:00``, by the machine's clock: at other times calls abroad are confirmed. Empty: all hours are alike."""
    rates_file: Path | None = None
    """What calls cost: CSV with ``prefix,per_minute`` and, where wanted, ``connection,first_s,step_s``."""
    person_calls: Annotated[int, Field(ge=1, le=100)] = 3
    """Calls to public numbers that one person has at once."""
    person_minutes: Annotated[float, Field(gt=0, le=100_000)] | None = 600.0
    """To public numbers in 24 hours; beyond it the person is stopped, and a supervisor may lift that. None: no bound; so below."""
    person_cost: Annotated[float, Field(gt=0)] | None = None
    """In the currency of ``rates_file``."""
    all_calls: Annotated[int, Field(ge=1)] | None = None
    all_minutes: Annotated[float, Field(gt=0)] | None = None
    all_cost: Annotated[float, Field(gt=0)] | None = None
    caller_numbers: dict[str, str] = Field(default_factory=dict)
    """The number that calls of a team show, by team, and under ``*`` that of everybody else; none: the line's own. The PBX must let us."""

    @field_validator("countries", "blocked_countries")
    @classmethod
    def _are_countries(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        strange = [name for name in names if name not in SUPPORTED_REGIONS and name != "*"]
        if strange:
            raise ValueError(f"no such country: {', '.join(strange)}; write ISO codes such as ES or GB")
        return names

    @field_validator("caller_numbers")
    @classmethod
    def _are_whole_numbers(cls, numbers: dict[str, str]) -> dict[str, str]:
        for number in numbers.values():
            if not re.fullmatch(r"\+[1-9][0-9]{4,14}", number):
                raise ValueError("write numbers in full, such as +34911234567")
        return numbers

    @field_validator("working_hours")
    @classmethod
    def _are_hours(cls, text: str) -> str:
        if any(part[:2] > "23" for part in text.split("-")):
            raise ValueError("hours end at 23:59")
        return text

    def dial_plan(self) -> DialPlan:
        """Which numbers may be dialled, and how they are written towards the PBX."""
        regions = None if "*" in self.countries else frozenset((*self.countries, self.region))
        kinds = DialRules().kinds | {NumberKind(kind) for kind in self.dear_numbers}
        rules = DialRules(kinds, regions, frozenset(self.blocked_countries), self.region)
        return DialPlan(self.region, NumberStyle(self.style), self.line_prefix, rules)

    def toll_bounds(self) -> TollBounds:
        """What one person and all together may spend on calls."""
        return TollBounds(
            person=Bound(self.person_calls, self.person_minutes, self.person_cost),
            everybody=Bound(self.all_calls, self.all_minutes, self.all_cost),
        )

    @property
    def hours(self) -> tuple[time, time] | None:
        """From when to when; None: all hours are alike."""
        begin, _, end = self.working_hours.partition("-")
        return (time.fromisoformat(begin), time.fromisoformat(end)) if begin else None
