"""`[tickets]`: by which calendar their clock runs, how long each priority has, and what follows when that is used up."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from api.settings.section import Section
from api.tickets.ticket import ALWAYS, LEVELS, Priority, ServiceLevel, ServiceRules, Step
from rooms.calendar import Calendar

_Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
_Team = Annotated[str, Field(max_length=64)]


class StepSection(Section):
    """What follows when a share of the time is used: ``at`` 0.75 is soon due, 1 late."""

    at: Annotated[float, Field(gt=0, le=100)]
    priority: Priority | None = None
    """At least this from then on."""
    team: _Team = ""
    """Whose it is from then on; empty: as it was."""
    tell: Annotated[tuple[_Name, ...], Field(max_length=8)] = ()
    """Words for rules that listen to ``ticket.escalated``: ``agent``, ``team``, ``supervisors``."""


class LevelSection(Section):
    """One priority. ``hours``: open hours in which such a ticket is to be solved."""

    hours: Annotated[float, Field(gt=0, le=10_000)]
    steps: Annotated[dict[_Name, StepSection], Field(max_length=16)] = Field(default_factory=dict)


class TicketsSection(Section):
    calendar: Annotated[str, Field(max_length=64)] = ""
    """A calendar of the contact centre's plan; empty, or one that is not there: every hour counts."""
    reopen_days: Annotated[float, Field(ge=0, le=3_650)] = 14.0
    """For so long after its end a ticket comes back; later it is a new one."""
    levels: dict[Priority, LevelSection] = Field(default_factory=dict)
    """In place of what is usual: urgent 4 hours, high 8, normal 24, low 72."""

    def rules(self, calendars: Mapping[str, Calendar]) -> ServiceRules:
        levels = {**LEVELS, **{priority: _level(section) for priority, section in self.levels.items()}}
        return ServiceRules(calendars.get(self.calendar, ALWAYS), levels, self.reopen_days * 86_400.0)


def _level(section: LevelSection) -> ServiceLevel:
    steps = (Step(name, step.at, step.priority, step.team, step.tell) for name, step in section.steps.items())
    return ServiceLevel(section.hours * 3_600.0, tuple(steps))
