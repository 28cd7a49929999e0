"""Tours, departures and bookings over REST; for whom ``api/guarded_routes.py`` says.

A request that makes or changes a booking may carry an ``Idempotency-Key``: sent again under the same key it is not done again. The
``ETag`` of a booking is its revision; a change with ``If-Match`` is done to that one alone.
"""

import hashlib
import math
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import hdrs, web

from api.audit.audit import Audit
from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.once import KEY_HEADER, LONGEST_KEY
from api.privacy.vault import Vault
from api.travel.bookings import Asked, Bookings
from api.travel.tours import Tours
from api.travel.wire import (
    Because,
    BookingHistory,
    BookingView,
    DepartureTerms,
    MovedTo,
    NewBooking,
    NewDeparture,
    Payment,
    Resized,
    TourText,
)
from signaling.refusal import Refusal

LONGEST_QUERY = 200
_TOUR_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
T = TypeVar("T")


class TravelRoutes:
    """Every look at a customer's booking and every change of one is written into the audit."""

    def __init__(self, tours: Tours, bookings: Bookings, vault: Vault, audit: Audit) -> None:
        self._tours = tours
        self._bookings = bookings
        self._vault = vault
        self._audit = audit

    def add_to(self, app: web.Application) -> None:
        route = app.router
        route.add_get("/api/v1/tours", self._list_tours, allow_head=False)
        route.add_put("/api/v1/tours/{tour_id}", self._save_tour)
        route.add_get("/api/v1/departures", self._list_departures, allow_head=False)
        route.add_post("/api/v1/departures", self._add_departure)
        route.add_get("/api/v1/departures/{departure_id}", self._departure, allow_head=False)
        route.add_put("/api/v1/departures/{departure_id}", self._change_departure)
        route.add_get("/api/v1/bookings", self._find, allow_head=False)
        route.add_post("/api/v1/bookings", self._make)
        route.add_get("/api/v1/bookings/{reference}", self._booking, allow_head=False)
        route.add_post("/api/v1/bookings/{reference}/reserve", self._reserve)
        route.add_post("/api/v1/bookings/{reference}/payments", self._pay)
        route.add_post("/api/v1/bookings/{reference}/refunds", self._refund)
        route.add_post("/api/v1/bookings/{reference}/confirm", self._confirm)
        route.add_post("/api/v1/bookings/{reference}/cancel", self._cancel)
        route.add_post("/api/v1/bookings/{reference}/fail", self._fail)
        route.add_post("/api/v1/bookings/{reference}/move", self._move)
        route.add_post("/api/v1/bookings/{reference}/seats", self._resize)

    # ------------------------------------------------------------------ what is on offer

    async def _list_tours(self, _request: web.Request) -> web.Response:
        return json_answer({"tours": await self._tours.all()})

    async def _save_tour(self, request: web.Request) -> web.Response:
        text, tour_id = await body_of(request, TourText), request.match_info["tour_id"]
        if not _TOUR_ID.fullmatch(tour_id):
            raise Refusal("bad_message", "A tour's id is of small letters, digits and hyphens, as in andes-trek.")
        return json_answer(await self._tours.save(tour_id, text, grant_of(request).identity))

    async def _list_departures(self, request: web.Request) -> web.Response:
        query = request.query
        begin, end = _moment(query.get("from", "")), _moment(query.get("until", ""))
        found = await self._tours.departures(tour_id=query.get("tour", "")[:64], begin=begin, end=end)
        return json_answer({"departures": found})

    async def _add_departure(self, request: web.Request) -> web.Response:
        return json_answer(await self._tours.add(await body_of(request, NewDeparture), grant_of(request).identity), 201)

    async def _departure(self, request: web.Request) -> web.Response:
        return json_answer(await self._tours.departure(request.match_info["departure_id"][:64]))

    async def _change_departure(self, request: web.Request) -> web.Response:
        terms = await body_of(request, DepartureTerms)
        return json_answer(await self._tours.change(request.match_info["departure_id"][:64], terms, grant_of(request).identity))

    # ------------------------------------------------------------------ bookings

    async def _find(self, request: web.Request) -> web.Response:
        query, who = request.query, grant_of(request).identity
        if any(len(value) > LONGEST_QUERY for value in query.values()):
            raise Refusal("bad_message", f"Search for {LONGEST_QUERY} characters at most.")
        if contact_id := query.get("contact"):
            found = await self._bookings.of_contact(contact_id)
        elif departure_id := query.get("departure"):
            found = await self._bookings.of_departure(departure_id)
        else:
            found = await self._bookings.find(query.get("q", ""))
        self._audit.note("bookings_seen", who, detail={"bookings": len(found)})
        return json_answer({"bookings": found})

    async def _make(self, request: web.Request) -> web.Response:
        made, fresh = await self._bookings.make(await body_of(request, NewBooking), await _asked(request))
        self._note("booking_made", request, made)
        return _answer(made, 201 if fresh else 200)

    async def _booking(self, request: web.Request) -> web.Response:
        found = await self._bookings.get(request.match_info["reference"])
        self._note("booking_seen", request, found)
        response = json_answer(BookingHistory(found, await self._bookings.steps(found.reference)))
        response.headers[hdrs.ETAG] = _tag(found)
        return response

    async def _reserve(self, request: web.Request) -> web.Response:
        return await self._do(request, Because, self._bookings.reserve)

    async def _pay(self, request: web.Request) -> web.Response:
        return await self._do(request, Payment, self._bookings.pay)

    async def _refund(self, request: web.Request) -> web.Response:
        return await self._do(request, Payment, self._bookings.refund)

    async def _confirm(self, request: web.Request) -> web.Response:
        return await self._do(request, Because, self._bookings.confirm)

    async def _cancel(self, request: web.Request) -> web.Response:
        return await self._do(request, Because, self._bookings.cancel)

    async def _fail(self, request: web.Request) -> web.Response:
        return await self._do(request, Because, self._bookings.fail)

    async def _move(self, request: web.Request) -> web.Response:
        return await self._do(request, MovedTo, self._bookings.move)

    async def _resize(self, request: web.Request) -> web.Response:
        return await self._do(request, Resized, self._bookings.resize)

    async def _do(self, request: web.Request, kind: type[T], act: Callable[[str, T, Asked], Awaitable[BookingView]]) -> web.Response:
        body = await body_of(request, kind)
        return self._changed(request, await act(request.match_info["reference"], body, await _asked(request)))

    def _changed(self, request: web.Request, booking: BookingView) -> web.Response:
        self._note("booking_changed", request, booking)
        return _answer(booking, 200)

    def _note(self, kind: str, request: web.Request, booking: BookingView) -> None:
        handle = self._vault.person("contact", booking.customer.contact_id)
        step = request.path.rpartition("/")[2] if kind == "booking_changed" else ""
        self._audit.note(kind, grant_of(request).identity, booking.reference, handle, step)


async def _asked(request: web.Request) -> Asked:
    """The key belongs to who sends it and to what is sent; the body was read before, so it is at hand."""
    who, given = grant_of(request).identity, request.headers.get(KEY_HEADER, "")
    if len(given) > LONGEST_KEY or not given.isprintable():
        raise Refusal("bad_message", f"An {KEY_HEADER} has {LONGEST_KEY} printable characters at most.")
    key = _digest(who.encode(), given.encode()) if given else ""
    fingerprint = _digest(request.path.encode(), await request.read()) if given else ""
    return Asked(who, key, fingerprint, _revision(request.headers.get(hdrs.IF_MATCH, "")))


def _revision(tag: str) -> int | None:
    if tag in ("", "*"):
        return None
    number = tag.strip('"')
    if not number.isdecimal() or len(number) > 9:
        raise Refusal("bad_message", "If-Match is the ETag that came with the booking.")
    return int(number)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _tag(booking: BookingView) -> str:
    return f'"{booking.revision}"'


def _answer(booking: BookingView, status: int) -> web.Response:
    response = json_answer(booking, status)
    response.headers[hdrs.ETAG] = _tag(booking)
    return response


def _moment(text: str) -> float | None:
    """Seconds since the epoch; None where nothing is said."""
    if not text:
        return None
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not 0 <= moment < 1e11:
        raise Refusal("bad_message", "Times are seconds since the epoch.")
    return moment
