"""Appointments over HTTP: the open page's, where customers book and look after their own, and the house's."""

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from aiohttp import web

from api.appointments import wire
from api.appointments.desk import CUSTOMER, AppointmentDesk, hours_of, plain
from api.appointments.states import OPEN, Step
from api.appointments.views import AppointmentViews
from api.audit.looks import about
from api.bodies import body_of, json_answer
from api.card_numbers import without_card_numbers
from api.guarded_routes import grant_of
from api.store.appointments import Absence, AppointmentStore, CalendarRow, ServiceRow
from signaling.grants import Grant, Permission, Resource, allows, demand
from signaling.refusal import Refusal

_LONGEST_S = 62 * 86_400.0
_OWN = Permission.APPOINTMENTS_OWN


class BookingRoutes:
    """Open to everybody, within the limits of what nobody signed in for. A customer's token travels in the body, and in no address."""

    def __init__(self, desk: AppointmentDesk, views: AppointmentViews) -> None:
        self._desk = desk
        self._views = views

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/booking/services", self._services, allow_head=False)
        app.router.add_get("/api/v1/booking/slots", self._slots, allow_head=False)
        app.router.add_get("/api/v1/booking/alternatives", self._near, allow_head=False)
        app.router.add_post("/api/v1/booking/appointments", self._book)
        app.router.add_post("/api/v1/booking/own", self._see)
        app.router.add_post("/api/v1/booking/own/move", self._move)
        app.router.add_post("/api/v1/booking/own/cancel", self._cancel)
        app.router.add_post("/api/v1/booking/own/confirm", self._confirm)

    async def _services(self, _request: web.Request) -> web.Response:
        return json_answer(await self._views.services())

    async def _slots(self, request: web.Request) -> web.Response:
        query = request.query
        found = await self._desk.slots(
            query.get("service", ""),
            _moment(query.get("from", "")),
            _moment(query.get("until", "")),
            language=query.get("language", ""),
            professional=query.get("professional", ""),
        )
        return json_answer(await self._views.times(found))

    async def _near(self, request: web.Request) -> web.Response:
        query = request.query
        found = await self._desk.near(
            query.get("service", ""),
            _moment(query.get("start", "")),
            language=query.get("language", ""),
            professional=query.get("professional", ""),
            zone=query.get("zone", "UTC"),
        )
        lists = [await self._views.slots(slots) for slots in (found.same_professional, found.same_day, found.others)]
        return json_answer(wire.AlternativeViews(*lists))

    async def _book(self, request: web.Request) -> web.Response:
        made = await self._desk.book(await body_of(request, wire.AppointmentWanted), CUSTOMER)
        return json_answer(await self._views.own(made, fresh=True), 201)

    async def _see(self, request: web.Request) -> web.Response:
        found = await self._desk.of_token((await body_of(request, wire.OwnAppointment)).token)
        return json_answer(await self._views.own(found))

    async def _move(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, wire.OwnMove)
        before = await self._desk.of_token(wanted.token)
        return json_answer(await self._views.own(await self._desk.move(before, wanted.start_at, wanted.professional, CUSTOMER)))

    async def _cancel(self, request: web.Request) -> web.Response:
        return await self._take(request, Step.CANCEL)

    async def _confirm(self, request: web.Request) -> web.Response:
        return await self._take(request, Step.CONFIRM)

    async def _take(self, request: web.Request, step: Step) -> web.Response:
        before = await self._desk.of_token((await body_of(request, wire.OwnAppointment)).token)
        return json_answer(await self._views.own(await self._desk.take(before, step, CUSTOMER)))


class AppointmentRoutes:
    """``teams_of``: in which teams somebody is. ``note`` writes down who changed what: (kind, who, what)."""

    def __init__(
        self,
        desk: AppointmentDesk,
        store: AppointmentStore,
        views: AppointmentViews,
        teams_of: Callable[[str], Awaitable[frozenset[str]]],
        note: Callable[..., None],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._desk = desk
        self._store = store
        self._views = views
        self._teams_of = teams_of
        self._note = note
        self._now = now

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/services", self._services, allow_head=False)
        app.router.add_put("/api/v1/services/{service_id}", self._keep_service)
        app.router.add_get("/api/v1/calendars", self._calendars, allow_head=False)
        app.router.add_put("/api/v1/calendars/{identity}", self._keep_calendar)
        app.router.add_delete("/api/v1/calendars/{identity}", self._drop_calendar)
        app.router.add_get("/api/v1/absences", self._absences, allow_head=False)
        app.router.add_post("/api/v1/absences", self._add_absence)
        app.router.add_delete("/api/v1/absences/{absence_id}", self._drop_absence)
        app.router.add_get("/api/v1/appointments", self._list, allow_head=False)
        app.router.add_post("/api/v1/appointments", self._book)
        app.router.add_get("/api/v1/appointments/{appointment_id}", self._see, allow_head=False)
        app.router.add_post("/api/v1/appointments/{appointment_id}/steps", self._take)

    # ------------------------------------------------------------------ services

    async def _services(self, _request: web.Request) -> web.Response:
        return json_answer(wire.ServiceRows(await self._store.services()))

    async def _keep_service(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, wire.ServiceWanted)
        service_id = request.match_info["service_id"]
        if not service_id.isascii() or not 1 <= len(service_id) <= 64 or not service_id.replace("-", "").isalnum():
            raise Refusal("bad_message", "A service is named by letters, digits and hyphens.")
        fields: dict[str, Any] = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
        texts = {name: plain(fields[name]) for name in ("name_en", "name_es", "about_en", "about_es")}
        service = ServiceRow(service_id, **{**fields, **texts})
        await self._store.keep_service(service)
        self._note("service_changed", grant_of(request).identity, service_id)
        return json_answer(service)

    # ------------------------------------------------------------------ calendars and absences

    async def _calendars(self, request: web.Request) -> web.Response:
        grant = grant_of(request)
        rows = [row for row in await self._store.calendars() if await self._reaches(grant, row.professional)]
        return json_answer(wire.CalendarViews(await self._views.calendars(rows)))

    async def _keep_calendar(self, request: web.Request) -> web.Response:
        grant, wanted = grant_of(request), await body_of(request, wire.CalendarWanted)
        whose = await self._reached(grant, request.match_info["identity"])
        if not await self._desk.names([whose]):
            raise Refusal("unknown_user", "There is nobody of this name, or they may not sign in.")
        hours_of(wanted.hours)
        fields = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
        row = CalendarRow(whose, **fields, changed_at=self._now(), changed_by=grant.identity)
        await self._store.keep_calendar(row)
        self._note("calendar_changed", grant.identity, whose)
        return json_answer((await self._views.calendars([row]))[0])

    async def _drop_calendar(self, request: web.Request) -> web.Response:
        grant = grant_of(request)
        whose = await self._reached(grant, request.match_info["identity"])
        if await self._store.drop_calendar(whose):
            self._note("calendar_dropped", grant.identity, whose)
        return web.Response(status=204)

    async def _absences(self, request: web.Request) -> web.Response:
        grant = grant_of(request)
        found = await self._store.absences(self._now())
        return json_answer(wire.Absences([each for each in found if await self._reaches(grant, each.professional)]))

    async def _add_absence(self, request: web.Request) -> web.Response:
        grant, wanted = grant_of(request), await body_of(request, wire.AbsenceWanted)
        whose = await self._reached(grant, wanted.professional or grant.identity)
        if not wanted.from_at < wanted.until_at:
            raise Refusal("bad_message", "An absence ends after it begins.")
        absence = Absence(
            uuid4().hex, whose, wanted.from_at, wanted.until_at, without_card_numbers(plain(wanted.reason)), self._now(), grant.identity
        )
        await self._store.add_absence(absence)
        day = 86_400.0
        near = await self._store.between(absence.from_at - day, absence.until_at, professionals=[whose], states=OPEN)
        colliding = [each for each in near if each.end_at > absence.from_at]
        return json_answer(wire.AbsenceMade(absence, await self._views.staff(colliding)), 201)

    async def _drop_absence(self, request: web.Request) -> web.Response:
        absence = await self._store.absence(request.match_info["absence_id"])
        if absence is not None:
            await self._reached(grant_of(request), absence.professional)
            await self._store.drop_absence(absence.absence_id)
        return web.Response(status=204)

    # ------------------------------------------------------------------ appointments

    async def _list(self, request: web.Request) -> web.Response:
        grant, query = grant_of(request), request.query
        begin, end = _moment(query.get("from", "")), _moment(query.get("until", ""))
        if not begin <= end <= begin + _LONGEST_S:
            raise Refusal("bad_message", "Ask for the appointments of two months at most.")
        who = query.get("professional", "")
        if who or not allows(grant, Permission.APPOINTMENTS_ANY):
            whose = [await self._reached(grant, who or grant.identity)]
            found = await self._store.between(begin, end, professionals=whose)
        else:
            found = [each for each in await self._store.between(begin, end) if await self._reaches(grant, each.professional)]
        return json_answer(wire.StaffViews(await self._views.staff(found)))

    async def _book(self, request: web.Request) -> web.Response:
        grant = grant_of(request)
        made = await self._desk.book(await body_of(request, wire.AppointmentWanted), grant.identity)
        about(request, made.person)
        return json_answer((await self._views.staff([made]))[0], 201)

    async def _see(self, request: web.Request) -> web.Response:
        found = await self._desk.appointment(request.match_info["appointment_id"])
        await self._reached(grant_of(request), found.professional)
        about(request, found.person)
        return json_answer((await self._views.staff([found], whole=True))[0])

    async def _take(self, request: web.Request) -> web.Response:
        grant, wanted = grant_of(request), await body_of(request, wire.StepWanted)
        before = await self._desk.appointment(request.match_info["appointment_id"])
        await self._reached(grant, before.professional)
        if wanted.step == "move":
            now = await self._desk.move(before, wanted.start_at, wanted.professional, grant.identity)
        else:
            now = await self._desk.take(before, Step(wanted.step), grant.identity)
        about(request, now.person)
        return json_answer((await self._views.staff([now]))[0])

    # ------------------------------------------------------------------ whose they are

    async def _reaches(self, grant: Grant, professional: str) -> bool:
        return allows(grant, _OWN, Resource(owner=professional, teams=await self._teams_of(professional)))

    async def _reached(self, grant: Grant, professional: str) -> str:
        """Raises ``Refusal`` where somebody else's are none of theirs."""
        demand(grant, _OWN, Resource(owner=professional, teams=await self._teams_of(professional)))
        return professional


def _moment(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 10_000_000_000:
        raise Refusal("bad_message", "Give times as seconds since the epoch.")
    return found
