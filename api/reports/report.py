"""A report: the figures of a period, of all together and of each queue, team, agent, hour or day."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, Protocol

from msgspec import Struct

from api.reports.figures import AGAIN_S, MOS_STEPS, Figures, Sums
from api.reports.period import Period, bucket_name, buckets
from api.store.records import RecordStore
from api.store.reports import Asked, ReportStore
from api.store.rows import QUARTER_S, Row
from api.store.surveys import ScoreCount, SurveyStore
from signaling.refusal import Refusal

ReportBy = Literal["all", "queue", "team", "agent", "hour", "day"]
MOST_HOURS = 8 * 24
"""An hour's states are a question of their own."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose figures. ``people``: whom the reader may see; None: everybody. ``queue``, ``team``, ``agent``: of these alone; '': of all."""

    people: frozenset[str] | None = None
    queue: str = ""
    team: str = ""
    agent: str = ""

    @property
    def of_people(self) -> bool:
        """Is it about some people's work alone? Then nobody knows who waited for them, and gave up."""
        return self.people is not None or bool(self.team or self.agent)


class ReportGroup(Struct, frozen=True):
    """``name``: a queue ('' : calls of none), team, agent; a day or hour in the zone of the house. ``at``: when that began."""

    name: str
    at: float | None
    figures: Figures


class PeriodReport(Struct, frozen=True):
    """``since`` to before ``until``, seconds since the epoch, in ``zone``; ``whole``: the period is over. ``by``: what groups are of."""

    since: float
    until: float
    zone: str
    whole: bool
    by: ReportBy
    total: Figures
    groups: list[ReportGroup]


class Stores(Protocol):
    """Satisfied by ``api.store.Store``."""

    @property
    def records(self) -> RecordStore: ...
    @property
    def reports(self) -> ReportStore: ...
    @property
    def surveys(self) -> SurveyStore: ...


class _Groups:
    """Sums by the names of groups; a row may be of several (an agent of two teams), or of none. ``one``: the name of the whole."""

    def __init__(self, by: ReportBy, of: Period, demand: bool, teams: Mapping[str, frozenset[str]]) -> None:
        self._by, self._of, self._teams = by, of, teams
        self._demand = demand and by not in ("team", "agent")
        self._begins = buckets(of, "hour" if by == "hour" else "day") if by in ("hour", "day") else []
        self.total = Sums(demand)
        self.found: dict[str, Sums] = {str(at): Sums(self._demand) for at in self._begins}

    def of(self, queue: str, agent: str, at: float | None) -> list[Sums]:
        return [self.total, *(self.found.setdefault(name, Sums(self._demand)) for name in self._names(queue, agent, at))]

    def of_person(self, agent: str, at: float) -> list[Sums]:
        """Of somebody's time, whatever queue it went to."""
        return [self.total] if self._by == "queue" else self.of("", agent, at)

    def _names(self, queue: str, agent: str, at: float | None) -> Iterable[str]:
        match self._by:
            case "queue":
                return (queue,)
            case "agent":
                return (agent,) if agent else ()
            case "team":
                return sorted(self._teams.get(agent, frozenset()))
            case "hour" | "day" if at is not None and at >= self._of.since:
                return (str(self._begins[bisect_right(self._begins, at) - 1]),)
        return ()

    def made(self) -> list[ReportGroup]:
        if self._by not in ("hour", "day"):
            return [ReportGroup(name, None, self.found[name].figures()) for name in sorted(self.found)]
        step: Literal["hour", "day"] = "hour" if self._by == "hour" else "day"
        return [ReportGroup(bucket_name(at, self._of.zone, step), at, self.found[str(at)].figures()) for at in self._begins]


class Reports:
    """``teams_of_all``: the teams of everybody, by identity. ``now``: seconds since the epoch. Raises ``StoreUnavailable``."""

    def __init__(
        self, store: Stores, teams_of_all: Callable[[], Awaitable[Mapping[str, frozenset[str]]]], now: Callable[[], float]
    ) -> None:
        self._store, self._teams_of_all, self._now = store, teams_of_all, now

    async def report(self, of: Period, by: ReportBy, scope: Scope) -> PeriodReport:
        """Raises ``Refusal`` where there would be too many hours."""
        if by == "hour" and of.until - of.since > MOST_HOURS * 3_600:
            raise Refusal("bad_message", f"ReportBy the hour no more than {MOST_HOURS // 24} days are shown.")
        teams = await self._teams_of_all()
        people = _people(scope, teams)
        asked = Asked(of.since, of.until, by in ("hour", "day"), scope.queue, people)
        groups = _Groups(by, of, not scope.of_people, teams)
        await self._visits(groups, asked)
        await self._calls(groups, asked)
        await self._states(groups, asked, by, of)
        await self._scores(groups, asked)
        return PeriodReport(of.since, of.until, of.zone, of.whole, by, groups.total.figures(), groups.made())

    async def _visits(self, groups: _Groups, asked: Asked) -> None:
        first, last = int(asked.since // QUARTER_S), ceil(asked.until / QUARTER_S)
        size = 1 if asked.timed else 0
        rows = await self._store.records.queue_statistics(first, last, size, asked.queue, by_agent=True, people=asked.people)
        for row in rows:
            for sums in groups.of(row["queue"], row["agent"], _at(row["slot"], asked)):
                _add_visits(sums, row)

    async def _calls(self, groups: _Groups, asked: Asked) -> None:
        for row in await self._store.reports.calls(asked, MOS_STEPS):
            for sums in groups.of(row["queue"], row["who"], _at(row["slot"], asked)):
                sums.outgoing += row["outgoing"]
                sums.measured += row["measured"]
                sums.bad += row["bad"]
                if row["step"] is not None:
                    sums.hear(row["mos_scale"], row["step"], row["calls"])
        known = replace(asked, until=min(asked.until, self._now() - AGAIN_S))
        for row in await self._store.reports.again(known, AGAIN_S) if known.until > known.since else ():
            for sums in groups.of(row["queue"], row["who"], _at(row["slot"], asked)):
                sums.judged += row["judged"]
                sums.again += row["again"]

    async def _states(self, groups: _Groups, asked: Asked, by: ReportBy, of: Period) -> None:
        """An agent's time is for all queues together: of one queue it is not told."""
        if asked.queue:
            return
        begins = buckets(of, "hour" if by == "hour" else "day") if asked.timed else [of.since]
        for begin, end in zip(begins, [*begins[1:], of.until], strict=True):
            for row in await self._store.reports.states(replace(asked, since=begin, until=end)):
                for sums in groups.of_person(row["identity"], begin):
                    sums.states[row["state"]] += row["seconds"]

    async def _scores(self, groups: _Groups, asked: Asked) -> None:
        for each in await self._store.surveys.counts(asked.since, asked.until, asked.queue):
            if asked.people is None or each.agent in asked.people:
                _add_score(groups.of(each.queue, each.agent, each.quarter), each)


def _people(scope: Scope, teams: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    found = scope.people
    if scope.team:
        members = frozenset(who for who, of in teams.items() if scope.team in of)
        found = members if found is None else found & members
    if scope.agent:
        found = frozenset({scope.agent}) if found is None else found & {scope.agent}
    return found


def _at(slot: int, asked: Asked) -> float | None:
    return slot * QUARTER_S if asked.timed else None


def _add_visits(sums: Sums, row: Row) -> None:
    sums.offered += row["offered"]
    sums.answered += row["answered"]
    sums.in_time += row["in_time"]
    sums.abandoned += row["abandoned"]
    sums.short += row["short"]
    sums.overflowed += row["overflowed"]
    sums.answered_wait_s += row["answered_wait_s"]
    sums.waited(row["longest_wait_s"])
    sums.leg_s += row["talk_s"]
    sums.held_s += row["hold_s"]
    sums.wrap_up_s += row["wrap_up_s"]


def _add_score(to: Sequence[Sums], each: ScoreCount) -> None:
    for sums in to:
        scores: Counter[int] = sums.scores[each.scale]
        scores[each.score] += each.times
