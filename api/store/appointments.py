"""Consultation appointments in the database. A time is given once, whoever asks at whichever node: the primary key of cells sees to it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace
from sqlalchemy import ColumnElement, Select, and_, case, delete, exists, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.appointments.slots import CELL_S
from api.appointments.states import OPEN, OVER, STANDING, State, Step, after, befores
from api.store.appointment_tables import (
    absences,
    appointment_cells,
    appointment_notices,
    appointment_steps,
    appointments,
    services,
    work_calendars,
)
from api.store.database import in_words
from api.store.statements import Statements

_SEALED = ("name", "e164", "email", "note", "token", "link")


class SlotTaken(Exception):
    """Somebody else has this time."""


class ServiceRow(Struct, frozen=True):
    """See ``api.store.appointment_tables.services``. Times in minutes."""

    service_id: str
    name_en: str
    name_es: str
    about_en: str = ""
    about_es: str = ""
    length_min: int = 30
    step_min: int = 30
    languages: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    professionals: tuple[str, ...] = ()
    early_min: int = 10
    late_min: int = 15
    active: bool = True

    def name(self, language: str) -> str:
        return self.name_es if language == "es" else self.name_en


class CalendarRow(Struct, frozen=True):
    """See ``api.store.appointment_tables.work_calendars``."""

    professional: str
    hours: str
    languages: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    buffer_min: int = 0
    notice_min: int = 0
    horizon_days: int = 60
    changed_at: float = 0.0
    changed_by: str = ""


class Absence(Struct, frozen=True):
    """Seconds since the epoch."""

    absence_id: str
    professional: str
    from_at: float
    until_at: float
    reason: str = ""
    made_at: float = 0.0
    made_by: str = ""


class Appointment(Struct, frozen=True):
    """Opened. ``token`` is the customer's to their own appointment, ``link`` the fragment of the one to its room."""

    appointment_id: str
    number: str
    service_id: str
    professional: str
    start_at: float
    end_at: float
    state: str
    language: str
    zone: str
    person: str
    number_key: str
    email_key: str
    name: str
    e164: str
    email: str
    note: str
    token_hash: str
    token: str
    idem: str
    consent: str
    made_at: float
    made_by: str
    set_at: float
    contact_id: str = ""
    revision: int = 0
    room_id: str = ""
    link: str = ""


class StepRow(Struct, frozen=True):
    at: float
    step: str
    state: str
    who: str
    start_at: float


class AppointmentStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away. Times are seconds since the epoch."""

    # ------------------------------------------------------------------ services, calendars, absences

    async def services(self) -> list[ServiceRow]:
        rows = await self._rows(select(services).order_by(services.c.service_id))
        return [ServiceRow(**_apart(row, "languages", "skills", "professionals")) for row in rows]

    async def keep_service(self, service: ServiceRow) -> None:
        """Made, or in place of the one of this id."""
        row = _joined(asdict(service), "languages", "skills", "professionals")
        statement = self._insert(services).values(row).on_conflict_do_update(index_elements=["service_id"], set_=row)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(statement)

    async def calendars(self) -> list[CalendarRow]:
        rows = await self._rows(select(work_calendars).order_by(work_calendars.c.professional))
        return [CalendarRow(**_apart(row, "languages", "skills")) for row in rows]

    async def keep_calendar(self, calendar: CalendarRow) -> None:
        """Made, or in place of this professional's."""
        row = _joined(asdict(calendar), "languages", "skills")
        statement = self._insert(work_calendars).values(row).on_conflict_do_update(index_elements=["professional"], set_=row)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(statement)

    async def drop_calendar(self, professional: str) -> bool:
        """They give no appointments any more. Was there one?"""
        return await self._update(delete(work_calendars).where(work_calendars.c.professional == professional)) > 0

    async def absences(self, since: float, professional: str | None = None) -> list[Absence]:
        """Those that are not over by then, of one or of all, the soonest first."""
        query = select(absences).where(absences.c.until_at > since).order_by(absences.c.from_at, absences.c.absence_id)
        rows = await self._rows(query if professional is None else query.where(absences.c.professional == professional))
        return [Absence(**row) for row in rows]

    async def absence(self, absence_id: str) -> Absence | None:
        rows = await self._rows(select(absences).where(absences.c.absence_id == absence_id))
        return Absence(**rows[0]) if rows else None

    async def add_absence(self, absence: Absence) -> None:
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(absences.insert().values(asdict(absence)))

    async def drop_absence(self, absence_id: str) -> bool:
        return await self._update(delete(absences).where(absences.c.absence_id == absence_id)) > 0

    async def taken(self, professionals: Collection[str], begin: float, end: float) -> dict[str, set[int]]:
        """The cells that are not free, from a day before to a day after this time."""
        day = 86_400 // CELL_S
        found: dict[str, set[int]] = {}
        query = select(appointment_cells.c.professional, appointment_cells.c.cell).where(
            appointment_cells.c.professional.in_(professionals),
            appointment_cells.c.cell.between(int(begin // CELL_S) - day, int(end // CELL_S) + day),
        )
        for row in await self._rows(query):
            found.setdefault(row["professional"], set()).add(row["cell"])
        return found

    # ------------------------------------------------------------------ booking

    async def book(self, wanted: Appointment, cells: Iterable[int]) -> Appointment:
        """Make this appointment, if nobody has any of these cells. What was asked with its ``idem`` before is answered again.

        Raises ``SlotTaken``.
        """
        row = asdict(wanted) | {name: self._vault.seal(wanted.person, getattr(wanted, name)) for name in _SEALED}
        with in_words(self._engine.url):
            try:
                async with self._writing() as connection:
                    made = await connection.execute(self._insert(appointments).values(row).on_conflict_do_nothing(index_elements=["idem"]))
                    if made.rowcount:
                        await self._take_cells(connection, wanted.appointment_id, wanted.professional, cells)
                        await self._note_step(connection, wanted, "book", wanted.made_at, wanted.made_by)
                        return wanted
            except SlotTaken:
                # Asked twice at once, the other one may have been quicker: then it is ours.
                if not await self._rows(select(appointments.c.idem).where(appointments.c.idem == wanted.idem)):
                    raise
        return (await self._found(select(appointments).where(appointments.c.idem == wanted.idem)))[0]

    async def move(
        self, before: Appointment, professional: str, start: float, end: float, cells: Iterable[int], *, at: float, who: str
    ) -> Appointment | None:
        """To another time, or to somebody else. None where it changed meanwhile. Raises ``SlotTaken``, and it stands where it stood."""
        moved = replace(
            before,
            professional=professional,
            start_at=start,
            end_at=end,
            state=str(State.MOVED),
            revision=before.revision + 1,
            set_at=at,
            room_id="",
            link="",
        )
        values = {
            name: getattr(moved, name) for name in ("professional", "start_at", "end_at", "state", "revision", "set_at", "room_id", "link")
        }
        as_it_was = (
            appointments.c.revision == before.revision,
            appointments.c.room_id == before.room_id,
            appointments.c.state.in_(befores(Step.MOVE)),
        )
        wanted = {(professional, cell) for cell in cells}
        with in_words(self._engine.url):
            async with self._writing() as connection:
                its = appointments.c.appointment_id == before.appointment_id
                if not (await connection.execute(update(appointments).where(its, *as_it_was).values(values))).rowcount:
                    return None
                of_it = appointment_cells.c.appointment_id == before.appointment_id
                rows = await connection.execute(select(appointment_cells.c.professional, appointment_cells.c.cell).where(of_it))
                had = {(row.professional, row.cell) for row in rows}
                # What is new is taken before what was is given back: two that change places cannot wait for one another.
                await self._take_cells(connection, before.appointment_id, professional, (cell for _, cell in wanted - had))
                for whose, cell in had - wanted:
                    held = (appointment_cells.c.professional == whose, appointment_cells.c.cell == cell)
                    await connection.execute(delete(appointment_cells).where(*held))
                await self._note_step(connection, moved, Step.MOVE, at, who)
        return moved

    async def take_step(self, appointment_id: str, step: Step, *, at: float, who: str) -> Appointment | None:
        """Whatever is not a move. None where the table has no such step from where it is."""
        to = {after(state, step) for state in befores(step)}
        (state,) = to
        with in_words(self._engine.url):
            async with self._writing() as connection:
                its = appointments.c.appointment_id == appointment_id
                values = {"state": str(state)} | ({"set_at": at} if state in OVER else {})
                taken = update(appointments).where(its, appointments.c.state.in_(befores(step))).values(values)
                if not (await connection.execute(taken)).rowcount:
                    return None
                if step in (Step.CANCEL, Step.LAPSE):
                    await connection.execute(delete(appointment_cells).where(appointment_cells.c.appointment_id == appointment_id))
                row = (await connection.execute(select(appointments).where(its))).mappings().one()
                found = self._opened({**row})
                await self._note_step(connection, found, step, at, who)
        return found

    async def _take_cells(self, connection: AsyncConnection, appointment_id: str, professional: str, cells: Iterable[int]) -> None:
        """In one order for all, so that nobody waits in a circle."""
        rows = [{"professional": professional, "cell": cell, "appointment_id": appointment_id} for cell in sorted(cells)]
        if not rows:
            return
        taken = await connection.execute(self._insert(appointment_cells).values(rows).on_conflict_do_nothing())
        if taken.rowcount != len(rows):
            raise SlotTaken

    async def _note_step(self, connection: AsyncConnection, now: Appointment, step: str, at: float, who: str) -> None:
        its = appointment_steps.c.appointment_id == now.appointment_id
        seq = (await connection.execute(select(func.count()).select_from(appointment_steps).where(its))).scalar_one()
        row = {"at": at, "step": str(step), "state": now.state, "who": who, "start_at": now.start_at}
        await connection.execute(appointment_steps.insert().values(appointment_id=now.appointment_id, seq=seq, **row))

    # ------------------------------------------------------------------ reading

    async def appointment(self, appointment_id: str) -> Appointment | None:
        return _only(await self._found(select(appointments).where(appointments.c.appointment_id == appointment_id)))

    async def of_token(self, token_hash: str) -> Appointment | None:
        return _only(await self._found(select(appointments).where(appointments.c.token_hash == token_hash)))

    async def of_idem(self, idem: str) -> Appointment | None:
        return _only(await self._found(select(appointments).where(appointments.c.idem == idem)))

    async def of_room(self, room_id: str) -> Appointment | None:
        return _only(await self._found(select(appointments).where(appointments.c.room_id == room_id)))

    async def between(
        self,
        begin: float,
        end: float,
        *,
        professionals: Collection[str] | None = None,
        states: Collection[str] | None = None,
        limit: int = 2_000,
    ) -> list[Appointment]:
        """Those that start in this time, of these people (None: of all), the soonest first."""
        query = select(appointments).where(appointments.c.start_at >= begin, appointments.c.start_at < end)
        if professionals is not None:
            query = query.where(appointments.c.professional.in_(professionals))
        if states is not None:
            query = query.where(appointments.c.state.in_(states))
        return await self._found(query.order_by(appointments.c.start_at, appointments.c.appointment_id).limit(limit))

    async def of_customer(self, number_key: str, email_key: str, contact_id: str, limit: int) -> list[Appointment]:
        """By any of these that is not empty, the latest first."""
        known = {"number_key": number_key, "email_key": email_key, "contact_id": contact_id}
        theirs = [appointments.c[name] == value for name, value in known.items() if value]
        if not theirs:
            return []
        return await self._found(select(appointments).where(or_(*theirs)).order_by(appointments.c.start_at.desc()).limit(limit))

    async def without_room(self, since: float, limit: int) -> list[Appointment]:
        """Those that are to come, and whose room is not made yet."""
        query = select(appointments).where(appointments.c.room_id == "", appointments.c.state.in_(OPEN), appointments.c.end_at > since)
        return await self._found(query.order_by(appointments.c.start_at).limit(limit))

    async def of_person(self, who: str, limit: int) -> list[Appointment]:
        """Of this contact, or under this handle; the latest first."""
        theirs = or_(appointments.c.contact_id == who, appointments.c.person == who)
        return await self._found(select(appointments).where(theirs).order_by(appointments.c.start_at.desc()).limit(limit))

    async def untold(self, since: float, now: float, limit: int) -> list[Appointment]:
        """Those that were put at their time, or came to their end, since then, and of which no notice is marked as sent."""
        kind = case(
            (and_(appointments.c.state == State.CANCELLED, appointments.c.set_at >= appointments.c.start_at), "sorry"),
            (appointments.c.state == State.CANCELLED, "cancelled"),
            (appointments.c.state == State.NO_SHOW, "missed"),
            (appointments.c.revision > 0, "moved"),
            else_="booked",
        )
        stands = and_(appointments.c.state.in_(STANDING), appointments.c.room_id != "", appointments.c.start_at > now)
        ended = appointments.c.state.in_((State.CANCELLED, State.NO_SHOW))
        query = select(appointments).where(appointments.c.set_at > since, or_(stands, ended), ~_marked(kind))
        return await self._found(query.order_by(appointments.c.set_at).limit(limit))

    async def unreminded(self, lead_s: float, kind: str, now: float, limit: int) -> list[Appointment]:
        """Those that begin within this time, were booked before it, and have no such notice marked as sent; the soonest first."""
        soon = (appointments.c.start_at > now, appointments.c.start_at <= now + lead_s, appointments.c.state.in_(STANDING))
        before = appointments.c.set_at < appointments.c.start_at - lead_s
        query = select(appointments).where(*soon, before, ~_marked(literal(kind)))
        return await self._found(query.order_by(appointments.c.start_at).limit(limit))

    async def steps(self, appointment_id: str) -> list[StepRow]:
        query = select(*(appointment_steps.c[name] for name in StepRow.__struct_fields__))
        rows = await self._rows(query.where(appointment_steps.c.appointment_id == appointment_id).order_by(appointment_steps.c.seq))
        return [StepRow(**row) for row in rows]

    # ------------------------------------------------------------------ what follows from it

    async def keep_room(self, of: Appointment, room_id: str, link: str) -> bool:
        """Its room is made. False where it was moved or cancelled meanwhile, or another node has made one."""
        still = (appointments.c.revision == of.revision, appointments.c.state.in_(OPEN), appointments.c.room_id == "")
        values = {"room_id": room_id, "link": self._vault.seal(of.person, link)}
        return await self._update(update(appointments).where(appointments.c.appointment_id == of.appointment_id, *still).values(values)) > 0

    async def sent(self, appointment_ids: Collection[str]) -> set[tuple[str, str, int]]:
        """Which messages are in the outbox: (appointment, kind, revision)."""
        rows = await self._rows(select(appointment_notices).where(appointment_notices.c.appointment_id.in_(appointment_ids)))
        return {(row["appointment_id"], row["kind"], row["revision"]) for row in rows}

    async def mark_sent(self, of: Appointment, kind: str, at: float) -> bool:
        """Was this the first time?"""
        row = {"appointment_id": of.appointment_id, "kind": kind, "revision": of.revision, "sent_at": at}
        with in_words(self._engine.url):
            async with self._writing() as connection:
                marked = await connection.execute(self._insert(appointment_notices).values(row).on_conflict_do_nothing())
                return marked.rowcount > 0

    async def forget_cells(self, before: float) -> int:
        """Of times that are long over."""
        return await self._update(delete(appointment_cells).where(appointment_cells.c.cell < int(before // CELL_S)))

    async def _found(self, query: Select[Any]) -> list[Appointment]:
        return [self._opened(row) for row in await self._rows(query)]

    def _opened(self, row: Mapping[str, Any]) -> Appointment:
        return Appointment(**{**row, **{name: self._vault.open(row[name]) for name in _SEALED}})


def _marked(kind: ColumnElement[str]) -> ColumnElement[bool]:
    of_it = (appointment_notices.c.appointment_id == appointments.c.appointment_id, appointment_notices.c.kind == kind)
    return exists().where(*of_it, appointment_notices.c.revision == appointments.c.revision)


def _only(found: list[Appointment]) -> Appointment | None:
    return found[0] if found else None


def _joined(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return row | {name: " ".join(row[name]) for name in names}


def _apart(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**row, **{name: tuple(row[name].split()) for name in names}}
