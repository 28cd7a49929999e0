"""The parts of reports, put together for a server."""

import time
from collections.abc import Callable, Mapping

from aiohttp import web

from api.audit.audit import Audit
from api.reports.period import house_zone
from api.reports.report import Reports
from api.reports.routes import Asking, ReportRoutes
from api.reports.settings import ReportsSection
from api.store import Store
from rooms.calendar import Calendar


def add_reports(
    app: web.Application, settings: ReportsSection, store: Store, audit: Audit, calendars: Callable[[], Mapping[str, Calendar]]
) -> None:
    """``calendars``: those of the plan in force."""

    def zone() -> str:
        return house_zone(settings.zone, (calendar.zone for calendar in calendars().values()))

    async def teams_of_all() -> Mapping[str, frozenset[str]]:
        return {user.identity: user.teams for user in await store.people.users()}

    asking = Asking(store.people, zone, audit.note, time.time)
    ReportRoutes(Reports(store, teams_of_all, time.time), store.reports, asking).add_to(app)
