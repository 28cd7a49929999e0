"""Reports that are sent: by whichever node leads this, once for each time at which one is due, whatever stops in between.

A letter goes into the outbox under a key made of the schedule and its time, and the schedule goes on only when that is on the disk.
Who dies between the two has the same letter put there again, where of two with one key the first counts. Of several times that were missed
the last one is sent. Its owner's rights of now decide what stands in it; who may not sign in any more has nothing sent.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, Self, cast

import structlog

from api.leading import Leads, Rounds
from api.notify.message import Attachment, Message
from api.notify.templates import Templates
from api.reports.figures import Figures
from api.reports.period import Period, bucket_name, period
from api.reports.report import PeriodReport, ReportBy, Reports, Scope
from api.reports.timetable import last_due, next_due
from api.store import StoreUnavailable
from api.store.report_schedules import ReportScheduleStore, StoredSchedule
from api.store.rows import User
from rooms.flows.conditions import FactValue
from signaling.grants import PERMISSIONS, Permission, Role

log = structlog.get_logger()
EVERY_S = 60.0
_AT_A_TIME = 20


class People(Protocol):
    """Satisfied by ``api.store.people.PeopleStore``."""

    async def user(self, identity: str) -> User | None: ...

    async def identities_in(self, teams: frozenset[str]) -> list[str]: ...


class Post(Protocol):
    """Satisfied by ``api.notify.notifier.Notifier``."""

    def can(self, channel: str) -> bool: ...

    def send(self, message: Message) -> bool: ...


class ReportDelivery:
    """``async with``: looks once a minute what is due. ``settle`` returns when what was put is on the disk. ``csv``: a report as a file.
    ``counts``: letters, and reports that nobody may have any more."""

    def __init__(
        self,
        store: ReportScheduleStore,
        people: People,
        reports: Reports,
        post: Post,
        templates: Templates,
        *,
        settle: Callable[[], Awaitable[None]],
        csv: Callable[[PeriodReport], bytes],
        zone: Callable[[], str],
        note: Callable[..., None],
        leads: Leads,
        now: Callable[[], float],
        site: str,
    ) -> None:
        self._store, self._people, self._reports, self._post, self._templates = store, people, reports, post, templates
        self._settle, self._csv, self._zone, self._note, self._now, self._site = settle, csv, zone, note, now, site
        self.rounds = Rounds("reports", leads, self.look, _neglected, every_s=EVERY_S)
        self.counts: Counter[str] = Counter(sent=0, dropped=0)

    async def __aenter__(self) -> Self:
        await self.rounds.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.rounds.__aexit__(*exc_info)

    @property
    def can_send(self) -> bool:
        return self._post.can("email")

    async def look(self) -> None:
        """Send what is due. Raises ``StoreUnavailable``."""
        for schedule in await self._store.due(self._now(), _AT_A_TIME):
            await self._send(schedule)

    async def _send(self, schedule: StoredSchedule) -> None:
        now, zone = self._now(), self._zone()
        every, weekday, minute = schedule.every, schedule.weekday, schedule.minute
        due_at = max(schedule.next_at, last_due(every, weekday, minute, zone, now))
        owner = await self._people.user(schedule.owner)
        may = owner is not None and Permission.RECORDS_EXPORT in PERMISSIONS.get(_role(owner.role), frozenset())
        sent_at = None
        if owner is not None and may:
            of = period("yesterday" if every == "day" else "7d", zone, due_at)
            people = frozenset(await self._people.identities_in(owner.teams)) if owner.teams else None
            report = await self._reports.report(of, cast(ReportBy, schedule.by), Scope(people, schedule.queue))
            for place, address in enumerate(schedule.addresses.split()):
                idem = f"report-{schedule.schedule_id}-{due_at:.0f}-{place}"
                self.counts["sent"] += self._post.send(self._letter(schedule, address, of, report, idem))
            await self._settle()
            sent_at = now
        else:
            self.counts["dropped"] += 1
        if await self._store.advance(schedule, next_due(every, weekday, minute, zone, now), sent_at) and sent_at is not None:
            self._note("report_sent", schedule.owner, schedule.schedule_id, detail=f"by {schedule.by} {every}")

    def _letter(self, schedule: StoredSchedule, address: str, of: Period, report: PeriodReport, idem: str) -> Message:
        first = bucket_name(of.since, of.zone, "day")
        last = bucket_name(of.until - 1, of.zone, "day")
        facts: dict[str, FactValue] = {
            "period": first if first == last else f"{first} - {last}",
            "zone": of.zone,
            "url": f"{self._site}/board#reports",
        }
        facts |= {name: worded(name, value, schedule.language) for name, value in figures_of(report.total).items()}
        facts["scope"] = schedule.queue
        subject, text = self._templates.message("report", schedule.language, facts)
        file = Attachment(f"report-{last}.csv", "text/csv", self._csv(report).decode())
        return Message("email", address, subject, text, idem, language=schedule.language, attachments=(file,))


def _role(name: str) -> Role:
    return Role(name) if name in {role.value for role in Role} else Role.CUSTOMER


_TOLD = ("offered", "handled", "abandoned", "service_level", "answer_s", "handle_s", "occupancy", "resolution", "csat", "nps", "bad_share")
_COUNTS = frozenset({"offered", "handled", "abandoned", "nps"})


def figures_of(figures: Figures) -> Mapping[str, float | int | None]:
    """Those that a letter tells."""
    return {name: getattr(figures, name) for name in _TOLD}


def worded(name: str, value: float | None, language: str) -> str:
    """A figure as one writes it in this language; a dash where there is nothing to tell."""
    if value is None:
        return "-"
    if name.endswith("_s"):
        minutes, seconds = divmod(round(value), 60)
        return f"{minutes}:{seconds:02}"
    if name in _COUNTS:
        return f"{value:.0f}"
    share = f"{100 * value:.1f}"
    return f"{share.replace('.', ',')} %" if language == "es" else f"{share}%"


def _neglected(fault: StoreUnavailable) -> None:
    log.warning("reports.not_sent", fault=str(fault), hint="They are sent when the database is back.")
