"""One's own reports that are sent by the day or the week, over HTTP."""

import time
from collections.abc import Callable
from secrets import token_hex
from typing import Annotated, Literal, cast

from aiohttp import web
from msgspec import Meta, Struct

from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.notify.message import is_address
from api.reports.delivery import ReportDelivery
from api.reports.timetable import next_due
from api.store.report_schedules import ReportScheduleStore, StoredSchedule
from signaling.refusal import Refusal

MOST_SCHEDULES = 20
Every = Literal["day", "week"]
SentBy = Literal["all", "queue", "team", "agent", "day"]


class NewSchedule(Struct, frozen=True, forbid_unknown_fields=True):
    """``day``: of yesterday; ``week``: of the seven days before, on ``weekday`` (0 is Monday). ``minute``: of the house's local day."""

    every: Every
    minute: Annotated[int, Meta(ge=0, lt=1_440)]
    addresses: Annotated[tuple[Annotated[str, Meta(max_length=254)], ...], Meta(min_length=1, max_length=10)]
    weekday: Annotated[int, Meta(ge=0, le=6)] = 0
    by: SentBy = "queue"
    queue: Annotated[str, Meta(max_length=80)] = ""
    language: Literal["en", "es"] = "en"


class ReportSchedule(Struct, frozen=True):
    """Times in seconds since the epoch; ``sent_at`` None: never yet."""

    schedule_id: str
    every: Every
    weekday: int
    minute: int
    by: SentBy
    queue: str
    language: str
    addresses: list[str]
    next_at: float
    sent_at: float | None


class ReportSchedules(Struct, frozen=True):
    """``can_send``: does this server send e-mail? ``zone``: of the house."""

    can_send: bool
    zone: str
    schedules: list[ReportSchedule]


class ScheduleRoutes:
    """``now``: seconds since the epoch."""

    def __init__(
        self,
        store: ReportScheduleStore,
        delivery: ReportDelivery,
        zone: Callable[[], str],
        note: Callable[..., None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._delivery, self._zone, self._note, self._now = store, delivery, zone, note, now

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/report-schedules", self._list, allow_head=False)
        app.router.add_post("/api/v1/report-schedules", self._add)
        app.router.add_delete("/api/v1/report-schedules/{schedule_id}", self._drop)

    async def _list(self, request: web.Request) -> web.Response:
        found = [_shown(each) for each in await self._store.of(grant_of(request).identity)]
        return json_answer(ReportSchedules(self._delivery.can_send, self._zone(), found))

    async def _add(self, request: web.Request) -> web.Response:
        wanted, owner = await body_of(request, NewSchedule), grant_of(request).identity
        if any(not is_address(address) for address in wanted.addresses):
            raise Refusal("bad_message", "Each of addresses is one for e-mail, as eva@example.com.")
        if await self._store.count(owner) >= MOST_SCHEDULES:
            raise Refusal("schedules_full", f"You have {MOST_SCHEDULES} reports sent already: drop one first.")
        now = self._now()
        next_at = next_due(wanted.every, wanted.weekday, wanted.minute, self._zone(), now)
        named = (token_hex(12), owner, wanted.every, wanted.weekday, wanted.minute, wanted.by, wanted.queue, wanted.language)
        made = StoredSchedule(*named, " ".join(wanted.addresses), now, next_at)
        await self._store.add(made)
        self._note(
            "report_scheduled", owner, made.schedule_id, detail=f"by {made.by} every {made.every}, {len(wanted.addresses)} addresses"
        )
        return json_answer(_shown(made), 201)

    async def _drop(self, request: web.Request) -> web.Response:
        schedule_id, owner = request.match_info["schedule_id"], grant_of(request).identity
        if not await self._store.drop(schedule_id, owner):
            raise Refusal("unknown_schedule", "There is no such report of yours.")
        self._note("report_unscheduled", owner, schedule_id)
        return web.Response(status=204)


def _shown(stored: StoredSchedule) -> ReportSchedule:
    return ReportSchedule(
        stored.schedule_id,
        cast(Every, stored.every),
        stored.weekday,
        stored.minute,
        cast(SentBy, stored.by),
        stored.queue,
        stored.language,
        stored.addresses.split(),
        stored.next_at,
        stored.sent_at,
    )
