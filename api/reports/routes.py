"""Reports over HTTP, as JSON or as CSV, for whom ``api/guarded_routes.py`` says.

Who leads some teams alone sees the figures of these teams' people; of queues they see what these people answered, and not who gave up.
Each look at the figures of people is in the audit.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Protocol, cast, get_args

from aiohttp import web
from msgspec.structs import asdict

from api.bodies import json_answer
from api.guarded_routes import grant_of
from api.query_words import known_word, whole_number
from api.record_lines import table
from api.reports.differences import DifferenceFinder
from api.reports.figures import Figures
from api.reports.funnel import funnel
from api.reports.outliers import Outlier
from api.reports.period import Period, PeriodName, period
from api.reports.report import PeriodReport, ReportBy, Reports, Scope
from api.reports.staffing import MOST_HOURS, Staffing, StaffingHour
from api.store.reports import ReportStore
from signaling.grants import Grant
from signaling.refusal import Refusal

_LONGEST_WORD = 80
FORMS = ("json", "csv")


class People(Protocol):
    """Satisfied by ``api.store.people.PeopleStore``."""

    async def identities_in(self, teams: frozenset[str]) -> list[str]: ...


class Asking:
    """What all reports are asked by. ``zone()``: of the house. ``now``: seconds since the epoch. ``note`` is the audit's."""

    def __init__(self, people: People, zone: Callable[[], str], note: Callable[..., None], now: Callable[[], float] = time.time) -> None:
        self._people, self._zone, self._note = people, zone, note
        self._now = now

    def period(self, query: Mapping[str, str]) -> Period:
        """Raises ``Refusal``."""
        name = cast(PeriodName, known_word(query, "period", get_args(PeriodName), "today"))
        try:
            first, last = (date.fromisoformat(query[each]) if each in query else None for each in ("from", "to"))
            return period(name, self._zone(), self._now(), first, last)
        except ValueError as fault:
            raise Refusal("bad_message", f"from and to are days as 2026-11-22: {fault}") from None

    async def scope(self, request: web.Request) -> Scope:
        query, grant = request.query, grant_of(request)
        queue, team, agent = (word(query, name) for name in ("queue", "team", "agent"))
        return Scope(await self.people(grant), queue, team, agent)

    async def people(self, grant: Grant) -> frozenset[str] | None:
        """Whose figures its bearer may see; None: everybody's."""
        return frozenset(await self._people.identities_in(grant.teams)) if grant.teams else None

    def noted(self, request: web.Request, kind: str, detail: str) -> None:
        self._note(kind, grant_of(request).identity, detail=detail)


def word(query: Mapping[str, str], name: str) -> str:
    """Raises ``Refusal``."""
    found = query.get(name, "").strip()
    if len(found) > _LONGEST_WORD:
        raise Refusal("bad_message", f"{name} has {_LONGEST_WORD} characters at most.")
    return found


def form_wanted(query: Mapping[str, str]) -> str:
    return known_word(query, "format", FORMS, "json")


def csv_answer(name: str, body: bytes) -> web.Response:
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}.csv"'}
    return web.Response(body=body, content_type="text/csv", charset="utf-8", headers=headers)


_COLUMNS = tuple(name for name in Figures.__struct_fields__ if name != "answers")


def report_csv(report: PeriodReport) -> bytes:
    """A row for each group, then one of all together."""
    rows = [(group.name, group.figures) for group in report.groups]
    named = [(name, asdict(figures)) for name, figures in [*rows, ("*", report.total)]]
    return table([report.by, *_COLUMNS], [[name, *(_short(values[column]) for column in _COLUMNS)] for name, values in named])


def _short(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


class ReportRoutes:
    def __init__(self, reports: Reports, store: ReportStore, finder: DifferenceFinder, staffing: Staffing, asking: Asking) -> None:
        self._reports, self._store, self._asking = reports, store, asking
        self._finder, self._staffing = finder, staffing

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/reports", self._report, allow_head=False)
        app.router.add_get("/api/v1/reports/differences", self._differences, allow_head=False)
        app.router.add_get("/api/v1/reports/differences/calls", self._behind, allow_head=False)
        app.router.add_get("/api/v1/reports/staffing", self._advice, allow_head=False)
        app.router.add_get("/api/v1/reports/funnel", self._funnel, allow_head=False)

    async def _report(self, request: web.Request) -> web.Response:
        form = form_wanted(request.query)
        of, scope = self._asking.period(request.query), await self._asking.scope(request)
        by = cast(ReportBy, known_word(request.query, "by", get_args(ReportBy), "all"))
        report = await self._reports.report(of, by, scope)
        if form == "csv" or by == "agent" or scope.agent:
            words = (f"by {by} as {form}", of_words(of), f"agent {scope.agent}" if scope.agent else "")
            self._asking.noted(request, "report_read", " ".join(filter(None, words)))
        return csv_answer("report", report_csv(report)) if form == "csv" else json_answer(report)

    async def _funnel(self, request: web.Request) -> web.Response:
        form, of = form_wanted(request.query), self._asking.period(request.query)
        found = funnel(await self._store.funnel(of.since, of.until))
        if form == "json":
            return json_answer(found)
        rows = [[each.step, each.reached, _short(each.of_links), _short(each.of_before)] for each in found.steps]
        return csv_answer("funnel", table(["step", "reached", "of_links", "of_before"], rows))

    async def _differences(self, request: web.Request) -> web.Response:
        form, of = form_wanted(request.query), self._asking.period(request.query)
        found = await self._finder.find(of, await self._asking.people(grant_of(request)))
        self._asking.noted(request, "differences_read", f"as {form} {of_words(of)}")
        if form == "json":
            return json_answer(found)
        names = Outlier.__struct_fields__
        return csv_answer("differences", table(names, [[_short(getattr(each, name)) for name in names] for each in found.outliers]))

    async def _behind(self, request: web.Request) -> web.Response:
        of, dimension, value = self._asking.period(request.query), word(request.query, "dimension"), word(request.query, "value")
        calls = await self._finder.calls(of, await self._asking.people(grant_of(request)), dimension, value)
        self._asking.noted(request, "differences_read", f"calls of {dimension} {value} {of_words(of)}")
        return json_answer({"calls": calls})

    async def _advice(self, request: web.Request) -> web.Response:
        form, hours = form_wanted(request.query), whole_number(request.query, "hours", MOST_HOURS, 6)
        advice = await self._staffing.advice(hours)
        if form == "json":
            return json_answer(advice)
        rows = [[each.queue, _utc(hour.at), each.present, *_told(hour), each.why] for each in advice.queues for hour in each.hours]
        return csv_answer("staffing", table(["queue", "at", "present", "calls", "needed", "level", "why"], rows))


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _told(hour: StaffingHour) -> list[Any]:
    return [_short(hour.calls), hour.needed, _short(hour.level)]


def of_words(of: Period) -> str:
    """For the audit."""
    return f"from {of.since:.0f} to {of.until:.0f}"
