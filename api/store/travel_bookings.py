"""Bookings in the database: each step whole or not at all, and never more seats than a departure has.

Who wants seats first takes the lock on the departure's row (SQLite locks the whole database instead, by BEGIN IMMEDIATE), writes down which
holds are over by its own clock, and then counts what is taken. Two who count therefore do so one after the other, at whatever node; and
because the end of a hold is written before its seats are given to others, a node with a slow clock cannot confirm it any more. Locks are
taken in one order, the departure's before those of bookings, and only one departure's in a transaction.

A rush of customers must leave connections to everybody else, so few steps are done at a time; the others wait before they take one. SQLite
has one writer, for whom others of this process would only poll.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace
from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.privacy.personal import seal_row
from api.privacy.vault import Vault
from api.store.database import in_words
from api.store.rows import Row
from api.store.statements import Statements
from api.store.travel import DEPARTURE_COLUMNS, TOUR_COLUMNS, Tour, read_tour, tour_row
from api.store.travel_tables import booking_keys, booking_steps, bookings, departures, tours
from api.travel import booking as core
from api.travel.booking import Booking, Departure, State, Step
from signaling.refusal import Refusal

KEYS_KEPT_S = 7 * 86_400.0
_AT_ONCE = 2
_MOST_WAITING = 1_000
_BOOKING_COLUMNS = tuple(bookings.c[name] for name in Booking.__struct_fields__)


class Mark(Struct, frozen=True):
    """Who does a step, when, and what goes with it. ``key``: of a request that may come twice, ``fingerprint`` of what it asked for.
    ``revision``: the only one that is to be changed; None: whichever is there."""

    by: str
    at: float
    said: str = ""
    cents: int = 0
    method: str = ""
    paper: str = ""
    key: str = ""
    fingerprint: str = ""
    revision: int | None = None


class Done(Struct, frozen=True):
    """A step with the booking after it."""

    step: Step
    booking: Booking
    mark: Mark


class BookingStep(Struct, frozen=True):
    """See ``api/store/travel_tables.py``."""

    revision: int
    step: Step
    state: State
    departure_id: str
    seats: int
    cents: int
    method: str
    paper: str
    said: str
    by: str
    at: float


class Kept(Struct, frozen=True):
    """``step``: the last one; None where the same was asked before under the same key: nothing was done. ``expired``: whose holds this
    found to be over."""

    booking: Booking
    step: Step | None
    expired: tuple[Booking, ...] = ()


class Trip(Struct, frozen=True):
    """A booking with what it is of."""

    booking: Booking
    departure: Departure
    tour: Tour
    created_at: float
    changed_at: float


Make = Callable[[Departure, int], Sequence[tuple[Step, Booking]]]
"""What becomes of a wish for this departure, of which so many seats are taken: each step with the booking after it. May raise
``Refusal``."""
Change = Callable[[Booking, Departure, int], Booking]
"""The booking after a step: its departure (that which it is to be moved to), and how many seats of that others have."""


class BookingStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        super().__init__(engine, vault)
        self._places = asyncio.Semaphore(1 if engine.dialect.name == "sqlite" else _AT_ONCE)
        self._waiting = 0

    # ------------------------------------------------------------------ steps

    async def add(self, departure_id: str, mark: Mark, make: Make) -> Kept:
        """A new booking. Raises ``Refusal``, also what ``make`` raises; then nothing is kept. A reference that exists already is refused by
        the database: ``reference_taken``."""
        with in_words(self._engine.url):
            async with self._stepping() as connection:
                before = await self._asked_before(connection, mark)
                if before is not None:
                    return Kept(before, None)
                departure = await self._departure(connection, departure_id, locked=True)
                expired = await self._expire(connection, departure_id, mark.at)
                steps = make(departure, await self._taken(connection, departure_id))
                made = steps[-1][1]
                row = asdict(made) | {"created_at": mark.at, "changed_at": mark.at}
                if not (await connection.execute(self._insert(bookings).values(row).on_conflict_do_nothing())).rowcount:
                    raise Refusal("reference_taken", "This reference is another booking's: draw another one.")
                rest = replace(mark, said="")
                await self._note(connection, [Done(*done, rest if number else mark) for number, done in enumerate(steps)])
                await self._name_key(connection, mark, made.reference)
                return Kept(made, steps[-1][0], tuple(expired))

    async def change(self, reference: str, step: Step, mark: Mark, act: Change, *, departure_id: str = "") -> Kept:
        """Do a step to a booking. ``departure_id``: that which it is to be moved to. Raises ``Refusal``, also what ``act`` raises."""
        with in_words(self._engine.url):
            async with self._stepping() as connection:
                before = await self._asked_before(connection, mark)
                if before is not None:
                    return Kept(before, None)
                found = await self._booking(connection, reference)
                _demand_revision(found, mark)
                core.demand(found, step, mark.at)  # before any lock: so nobody who holds a departure waits for one who waits for it
                wanted, locked = departure_id or found.departure_id, step in core.TAKES_SEATS
                departure = await self._departure(connection, wanted, locked=locked)
                expired = await self._expire(connection, wanted, mark.at) if locked else []
                found = await self._booking(connection, reference, locked=True)
                _demand_revision(found, mark)
                if not departure_id and found.departure_id != wanted:
                    raise _changed()
                after = act(found, departure, await self._taken(connection, wanted, but=reference) if locked else 0)
                await self._write(connection, after, mark.at)
                reached = Step.CONFIRM if step is Step.PAY and after.state is not found.state else step
                await self._note(connection, [Done(step, after, mark)])
                await self._name_key(connection, mark, reference)
                return Kept(after, reached, tuple(booking for booking in expired if booking.reference != reference))

    async def expire(self, now: float) -> list[Booking]:
        """Write down which holds are over, and of which bookings this call did so; another node writes the others."""
        overdue = select(bookings.c.departure_id).where(bookings.c.state == State.RESERVED, bookings.c.hold_until <= now).distinct()
        expired: list[Booking] = []
        for row in await self._rows(overdue):
            with in_words(self._engine.url):
                async with self._writing() as connection:
                    await self._departure(connection, row["departure_id"], locked=True)
                    expired += await self._expire(connection, row["departure_id"], now)
        return expired

    async def forget_keys(self, now: float) -> int:
        """Idempotency keys of long ago."""
        return await self._update(delete(booking_keys).where(booking_keys.c.at < now - KEYS_KEPT_S))

    async def fill(
        self, offered: Sequence[Tour], on_dates: Sequence[Departure], stories: Sequence[Sequence[Done]], by: str, now: float
    ) -> None:
        """Tours, departures and whole bookings at once, all of them or none. Raises ``StoreRefused`` where any of them is there already."""
        made = {"changed_by": by, "changed_at": now}
        rows = [asdict(story[-1].booking) | {"created_at": story[0].mark.at, "changed_at": story[-1].mark.at} for story in stories]
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(tours.insert(), [tour_row(tour) | made for tour in offered])
                await connection.execute(departures.insert(), [asdict(departure) | made for departure in on_dates])
                await connection.execute(bookings.insert(), rows)
                await self._note(connection, [done for story in stories for done in story])

    # ------------------------------------------------------------------ reading

    async def trip(self, reference: str) -> Trip | None:
        found = await self._trips(_trips().where(bookings.c.reference == reference))
        return found[0] if found else None

    async def of_contacts(self, contact_ids: Collection[str], limit: int) -> list[Trip]:
        """What these customers booked, the latest departures first."""
        query = _trips().where(bookings.c.contact_id.in_(contact_ids)).order_by(departures.c.starts_at.desc(), bookings.c.reference)
        return await self._trips(query.limit(limit))

    async def of_departure(self, departure_id: str, limit: int) -> list[Trip]:
        """Who is to come along, and who was."""
        query = _trips().where(bookings.c.departure_id == departure_id).order_by(bookings.c.created_at, bookings.c.reference)
        return await self._trips(query.limit(limit))

    async def newest(self, limit: int) -> list[Trip]:
        """What was changed last."""
        return await self._trips(_trips().order_by(bookings.c.changed_at.desc(), bookings.c.reference).limit(limit))

    async def steps(self, reference: str) -> list[BookingStep]:
        """What was done to a booking, the first first."""
        columns = [booking_steps.c[name] for name in BookingStep.__struct_fields__]
        rows = await self._rows(select(*columns).where(booking_steps.c.reference == reference).order_by(booking_steps.c.revision))
        return [BookingStep(**{**row, "step": Step(row["step"]), "state": State(row["state"])}) for row in rows]

    async def _trips(self, query: Select[Any]) -> list[Trip]:
        return [_trip(row) for row in await self._rows(query)]

    # ------------------------------------------------------------------ within a transaction

    @asynccontextmanager
    async def _stepping(self) -> AsyncIterator[AsyncConnection]:
        """As ``_writing``, when it is one's turn."""
        if self._waiting >= _MOST_WAITING:
            raise Refusal("busy", "Too many bookings are being made just now: try again in a moment.", 1.0)
        self._waiting += 1
        try:
            async with self._places, self._writing() as connection:
                yield connection
        finally:
            self._waiting -= 1

    async def _asked_before(self, connection: AsyncConnection, mark: Mark) -> Booking | None:
        """The booking that this key made or changed already; else the key is ours, and whoever comes with it now waits for us."""
        if not mark.key:
            return None
        row = {"key": mark.key, "fingerprint": mark.fingerprint, "reference": "", "at": mark.at}
        if (await connection.execute(self._insert(booking_keys).values(row).on_conflict_do_nothing())).rowcount:
            return None
        found = (await connection.execute(select(booking_keys).where(booking_keys.c.key == mark.key))).mappings().one()
        if found["fingerprint"] != mark.fingerprint:
            raise Refusal("key_reused", "This idempotency key was given with another request: draw a new one for each.")
        return await self._booking(connection, found["reference"])

    async def _name_key(self, connection: AsyncConnection, mark: Mark, reference: str) -> None:
        if mark.key:
            await connection.execute(update(booking_keys).where(booking_keys.c.key == mark.key).values(reference=reference))

    async def _departure(self, connection: AsyncConnection, departure_id: str, *, locked: bool) -> Departure:
        query = select(*DEPARTURE_COLUMNS).where(departures.c.departure_id == departure_id)
        row = (await connection.execute(query.with_for_update() if locked else query)).mappings().first()
        if row is None:
            raise Refusal("unknown_departure", "There is no such departure: it may have been removed.")
        return Departure(**row)

    async def _booking(self, connection: AsyncConnection, reference: str, *, locked: bool = False) -> Booking:
        query = select(*_BOOKING_COLUMNS).where(bookings.c.reference == reference)
        row = (await connection.execute(query.with_for_update() if locked else query)).mappings().first()
        if row is None:
            raise Refusal("unknown_booking", "There is no booking with this reference: see whether it is written right.")
        return _booking(row)

    async def _taken(self, connection: AsyncConnection, departure_id: str, but: str = "") -> int:
        """Seats that others have, where holds that are over are written down as such."""
        theirs = [bookings.c.departure_id == departure_id, bookings.c.reference != but]
        having = bookings.c.state.in_((State.RESERVED, State.CONFIRMED))
        return int((await connection.execute(select(func.coalesce(func.sum(bookings.c.seats), 0)).where(*theirs, having))).scalar_one())

    async def _expire(self, connection: AsyncConnection, departure_id: str, now: float) -> list[Booking]:
        """Those of a departure whose lock we hold."""
        overdue: list[ColumnElement[bool]] = [bookings.c.state == State.RESERVED, bookings.c.hold_until <= now]
        query = select(*_BOOKING_COLUMNS).where(bookings.c.departure_id == departure_id, *overdue).with_for_update()
        expired = [core.expire(_booking(row), now) for row in (await connection.execute(query)).mappings()]
        for booking in expired:
            await self._write(connection, booking, now)
        await self._note(connection, [Done(Step.EXPIRE, booking, Mark("", now)) for booking in expired])
        return expired

    async def _write(self, connection: AsyncConnection, booking: Booking, now: float) -> None:
        values = asdict(booking) | {"changed_at": now}
        await connection.execute(update(bookings).where(bookings.c.reference == booking.reference).values(values))

    async def _note(self, connection: AsyncConnection, done: Iterable[Done]) -> None:
        rows = [self._step_row(each) for each in done]
        if rows:
            await connection.execute(booking_steps.insert(), rows)

    def _step_row(self, done: Done) -> Row:
        row = {
            "step": done.step,
            **{name: getattr(done.booking, name) for name in ("reference", "revision", "state", "contact_id", "departure_id", "seats")},
            **{name: getattr(done.mark, name) for name in ("cents", "method", "paper", "said", "by", "at")},
        }
        return seal_row(self._vault, "booking_steps", row)


def _demand_revision(booking: Booking, mark: Mark) -> None:
    if mark.revision not in (None, booking.revision):
        raise _changed()


def _changed() -> Refusal:
    return Refusal("booking_changed", "Somebody has changed this booking meanwhile: look at it again.")


def _trips() -> Select[Any]:
    joined = bookings.join(departures, bookings.c.departure_id == departures.c.departure_id)
    named = [column.label(f"departure_{column.name}") for column in DEPARTURE_COLUMNS]
    of_tour = [column.label(f"tour_{column.name}") for column in TOUR_COLUMNS]
    columns = (*_BOOKING_COLUMNS, bookings.c.created_at, bookings.c.changed_at, *named, *of_tour)
    return select(*columns).select_from(joined.join(tours, departures.c.tour_id == tours.c.tour_id))


def _trip(row: Any) -> Trip:
    return Trip(
        _booking(row),
        Departure(**{name: row[f"departure_{name}"] for name in Departure.__struct_fields__}),
        read_tour({name: row[f"tour_{name}"] for name in Tour.__struct_fields__}),
        row["created_at"],
        row["changed_at"],
    )


def _booking(row: Any) -> Booking:
    return Booking(**{name: row[name] for name in Booking.__struct_fields__ if name != "state"}, state=State(row["state"]))
