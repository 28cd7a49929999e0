"""Tours and their departures in the database, with how many seats are taken."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update

from api.store.database import in_words
from api.store.statements import Statements
from api.store.travel_tables import bookings, departures, tours
from api.travel.booking import Departure, State
from api.travel.programme import TourStage

DEPARTURE_COLUMNS = tuple(departures.c[name] for name in Departure.__struct_fields__)


class Tour(Struct, frozen=True):
    """``country``: ISO code. ``programme``: what happens on which day."""

    tour_id: str
    title_en: str
    title_es: str
    about_en: str
    about_es: str
    country: str
    days: int
    programme: tuple[TourStage, ...] = ()


TOUR_COLUMNS = tuple(tours.c[name] for name in Tour.__struct_fields__)
_programme = msgspec.json.Decoder(tuple[TourStage, ...])


def read_tour(row: Mapping[str, Any]) -> Tour:
    """Of a row's columns."""
    return Tour(**dict(row) | {"programme": _programme.decode(row["programme"])})


def tour_row(tour: Tour) -> dict[str, Any]:
    return asdict(tour) | {"programme": msgspec.json.encode(tour.programme).decode()}


class DepartureNow(Struct, frozen=True):
    departure: Departure
    taken: int


def has_seats(now: float) -> ColumnElement[bool]:
    """Those bookings that have seats now: an expired hold has none, whether or not that is written yet."""
    held = and_(bookings.c.state == State.RESERVED, bookings.c.hold_until > now)
    return or_(bookings.c.state == State.CONFIRMED, held)


class TravelStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def tours(self) -> list[Tour]:
        return [read_tour(row) for row in await self._rows(select(*TOUR_COLUMNS).order_by(tours.c.tour_id))]

    async def tour(self, tour_id: str) -> Tour | None:
        rows = await self._rows(select(*TOUR_COLUMNS).where(tours.c.tour_id == tour_id))
        return read_tour(rows[0]) if rows else None

    async def save_tour(self, tour: Tour, by: str, now: float) -> None:
        """Make it, or change it."""
        row = tour_row(tour) | {"changed_by": by, "changed_at": now}
        kept = {name: value for name, value in row.items() if name != "tour_id"}
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(self._insert(tours).values(row).on_conflict_do_update(index_elements=["tour_id"], set_=kept))

    async def departures(self, begin: float, end: float, now: float, *, tour_id: str = "", limit: int = 200) -> list[DepartureNow]:
        """Those that start within these times, the earliest first; of one tour, or of all."""
        wanted = [departures.c.starts_at >= begin, departures.c.starts_at < end]
        if tour_id:
            wanted.append(departures.c.tour_id == tour_id)
        return await self._departures(_with_taken(now).where(*wanted).order_by(departures.c.starts_at).limit(limit))

    async def departure(self, departure_id: str, now: float) -> DepartureNow | None:
        found = await self._departures(_with_taken(now).where(departures.c.departure_id == departure_id))
        return found[0] if found else None

    async def add_departure(self, departure: Departure, by: str, now: float) -> None:
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(departures.insert().values(asdict(departure) | {"changed_by": by, "changed_at": now}))

    async def change_departure(self, departure: Departure, by: str, now: float) -> bool:
        """What may change of one: seats, price, deposit and whether it is on sale. False where there is none, or it has too few seats for
        those who have them; a hold counts until it is written that it is over, because a node with a slow clock may confirm it yet."""
        values = {name: getattr(departure, name) for name in ("seats", "seat_price_cents", "deposit_percent", "on_sale")}
        statement = update(departures).values(values | {"changed_by": by, "changed_at": now})
        locked = select(departures.c.departure_id).where(departures.c.departure_id == departure.departure_id).with_for_update()
        having = (bookings.c.departure_id == departure.departure_id, bookings.c.state.in_((State.RESERVED, State.CONFIRMED)))
        taken = select(func.coalesce(func.sum(bookings.c.seats), 0)).where(*having)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(locked)
                if (await connection.execute(taken)).scalar_one() > departure.seats:
                    return False
                return (await connection.execute(statement.where(departures.c.departure_id == departure.departure_id))).rowcount > 0

    async def _departures(self, query: Select[Any]) -> list[DepartureNow]:
        names = Departure.__struct_fields__
        return [DepartureNow(Departure(**{name: row[name] for name in names}), int(row["taken"])) for row in await self._rows(query)]


def _with_taken(now: float) -> Select[Any]:
    theirs = and_(bookings.c.departure_id == departures.c.departure_id, has_seats(now))
    taken = select(func.coalesce(func.sum(bookings.c.seats), 0)).where(theirs).scalar_subquery()
    return select(*DEPARTURE_COLUMNS, taken.label("taken"))
