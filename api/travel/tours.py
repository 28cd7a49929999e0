"""What is on offer: tours in two languages, and their departures with seats and prices."""

import time
from collections.abc import Awaitable, Callable
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec.structs import asdict, replace

from api.backends.stages import known_zone
from api.store.travel import Tour, TravelStore
from api.travel.booking import Departure
from api.travel.wire import DepartureTerms, DepartureView, NewDeparture, TourText, departure_view
from signaling.refusal import Refusal

MOST_SHOWN = 200
_YEAR_S = 366 * 86_400.0
_LATEST_S = 5 * _YEAR_S


class Tours:
    """``settle`` writes down which holds are over. ``now``: seconds since the epoch.

    Everything raises ``StoreUnavailable`` when the database is away.
    """

    def __init__(self, store: TravelStore, settle: Callable[[], Awaitable[object]], *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._settle = settle
        self._now = now

    async def all(self) -> list[Tour]:
        return await self._store.tours()

    async def save(self, tour_id: str, text: TourText, by: str) -> Tour:
        """Make this tour, or change it. Raises ``Refusal``."""
        programme = text.programme
        if programme is None:
            before = await self._store.tour(tour_id)
            programme = before.programme if before is not None else ()
        for zone in {zone for stage in programme for zone in (stage.zone, stage.end_zone) if zone}:
            if not known_zone(zone):
                raise Refusal("bad_message", f"There is no time zone {zone[:64]!r}: write one as Europe/Madrid.")
        tour = Tour(tour_id, **asdict(text) | {"programme": programme})
        await self._store.save_tour(tour, by, self._now())
        return tour

    async def departures(self, *, tour_id: str = "", begin: float | None = None, end: float | None = None) -> list[DepartureView]:
        """The earliest first; where no times are given those of a year from now on."""
        now = self._now()
        first = now if begin is None else begin
        last = first + _YEAR_S if end is None else end
        return [departure_view(each) for each in await self._store.departures(first, last, now, tour_id=tour_id, limit=MOST_SHOWN)]

    async def departure(self, departure_id: str) -> DepartureView:
        """Raises ``Refusal``."""
        found = await self._store.departure(departure_id, self._now())
        if found is None:
            raise Refusal("unknown_departure", "There is no such departure: it may have been removed.")
        return departure_view(found)

    async def add(self, new: NewDeparture, by: str) -> DepartureView:
        """Raises ``Refusal``."""
        now = self._now()
        if await self._store.tour(new.tour_id) is None:
            raise Refusal("unknown_tour", "There is no such tour: make it first.")
        if not now < new.starts_at < new.ends_at < now + _LATEST_S:
            raise Refusal("bad_message", "A departure is in the next five years, and ends after it begins.")
        try:
            ZoneInfo(new.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Refusal("bad_message", f"There is no time zone {new.zone[:64]!r}: write one as Europe/Madrid.") from None
        when = (new.starts_at, new.ends_at, new.zone)
        made = _with(Departure(uuid4().hex, new.tour_id, *when, 0, 0, new.currency, 0), new.terms)
        await self._store.add_departure(made, by, now)
        return await self.departure(made.departure_id)

    async def change(self, departure_id: str, terms: DepartureTerms, by: str) -> DepartureView:
        """Those who have seats keep them, at their price. Raises ``Refusal``."""
        now = self._now()
        await self._settle()
        found = await self._store.departure(departure_id, now)
        if found is not None and not await self._store.change_departure(_with(found.departure, terms), by, now):
            raise Refusal("seats_taken", "More of its seats are taken than you leave: cancel or move bookings first.")
        return await self.departure(departure_id)


def _with(departure: Departure, terms: DepartureTerms) -> Departure:
    return replace(departure, **asdict(terms))
