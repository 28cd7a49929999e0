"""The parts of reports, put together for a server."""

import time
from collections.abc import Callable, Mapping

from aiohttp import web

from api.after.wiring import After
from api.audit.audit import Audit
from api.leading import Leads
from api.queue_statistics_routes import QueueStatisticsRoutes
from api.reports.delivery import ReportDelivery
from api.reports.differences import DifferenceFinder
from api.reports.period import house_zone
from api.reports.report import Reports
from api.reports.routes import Asking, ReportRoutes, report_csv
from api.reports.schedules import ScheduleRoutes
from api.reports.scorecards import ScorecardRoutes
from api.reports.staffing import Staffing
from api.settings.reports import ReportsSection
from api.store import Store
from rooms.calendar import Calendar
from rooms.centre_plan import CentrePlan
from rooms.queues.figures import Figures
from rooms.queues.queue_plan import QueuePlan


def add_reports(
    app: web.Application,
    settings: ReportsSection,
    store: Store,
    audit: Audit,
    *,
    plan: Callable[[], CentrePlan | None],
    figures: Callable[[], Mapping[str, Figures]],
    after: After,
    leads: Leads,
    site: str,
) -> ReportDelivery:
    """``plan``: the one in force. ``figures``: of this node's queues. ``leads``: is it for this node to send what is due? ``site``: where
    our pages are. What comes back is to be entered: it sends reports."""

    def calendars() -> Mapping[str, Calendar]:
        now = plan()
        return now.calendars if now is not None else {}

    def zone() -> str:
        return house_zone(settings.zone, (calendar.zone for calendar in calendars().values()))

    def queues() -> Mapping[str, QueuePlan]:
        now = plan()
        return now.queues if now is not None else {}

    async def teams_of_all() -> Mapping[str, frozenset[str]]:
        return {user.identity: user.teams for user in await store.people.users()}

    asking = Asking(store.people, zone, audit.note, time.time)
    finder = DifferenceFinder(store.reports, settings.sites, settings.carriers)
    staffing = Staffing(store.records, figures, queues, zone, time.time, settings.goal)
    ScorecardRoutes(store.scorecards, store.people, asking, audit.note, time.time).add_to(app)
    reports = Reports(store, teams_of_all, time.time)
    delivery = ReportDelivery(
        store.report_schedules,
        store.people,
        reports,
        after.notifier,
        after.templates,
        settle=store.settle,
        csv=report_csv,
        zone=zone,
        note=audit.note,
        leads=leads,
        now=time.time,
        site=site,
    )
    ScheduleRoutes(store.report_schedules, delivery, zone, audit.note, time.time).add_to(app)
    QueueStatisticsRoutes(store.records, zone).add_to(app)
    ReportRoutes(reports, store.reports, finder, staffing, asking).add_to(app)
    return delivery
