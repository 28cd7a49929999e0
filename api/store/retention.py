"""Rows whose time is over, deleted some at a time. Whose they are, and whether a legal hold keeps them, is looked at at each."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from api.privacy.data_class import DataClass
from api.privacy.personal import PERSONAL
from api.privacy.retention_policy import RetentionPolicy
from api.store.after_tables import call_notes, tasks
from api.store.appointment_tables import appointment_cells, appointment_notices, appointment_steps, appointments
from api.store.call_back_tables import call_backs, wrap_ups
from api.store.contact_tables import contact_numbers, reported_calls, reported_chats
from api.store.database import in_words
from api.store.departed import DepartedStore
from api.store.legal_hold_tables import held_calls, held_people, legal_holds
from api.store.outbound_tables import campaign_entries
from api.store.pbx_tables import pbx_calls
from api.store.record_tables import agent_states, call_events, call_traces, queue_visits
from api.store.schema import calls, legs, quality, recordings
from api.store.scorecard_tables import scorecards
from api.store.survey_tables import survey_answers, surveys
from api.store.ticket_tables import ticket_entries, ticket_links, tickets
from api.store.travel_tables import booking_keys, booking_steps, bookings, departures
from api.store.voicemail_tables import voicemails

Place = tuple[float, Any]
"""How far a run has come: when the last row it saw was over, and its key."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Kind:
    """``over``: when a row of ``key``'s table was over; NULL: it goes on. ``parts``: columns that hold the key in other tables, whose rows
    go with it, and where ``alone`` without it. ``only``: which rows it is about. ``numbers``: where the customer's number may stand,
    sealed. ``files``: tables of files that must be erased before."""

    name: str
    data_class: DataClass
    key: Column[Any]
    over: Column[Any]
    parts: tuple[Column[Any], ...] = ()
    only: ColumnElement[bool] | None = None
    numbers: tuple[str, ...] = ()
    files: tuple[Table, ...] = ()
    alone: bool = False

    @property
    def table(self) -> Table:
        return self.key.table

    @property
    def handles(self) -> tuple[str, ...]:
        return PERSONAL[self.table.name].handles if self.table.name in PERSONAL else ()

    @property
    def own(self) -> tuple[str, str]:
        """The column of an id that has a key of its own, and its kind."""
        return (PERSONAL[self.table.name].own if self.table.name in PERSONAL else None) or ("", "")

    @property
    def contact(self) -> str:
        return PERSONAL[self.table.name].contact if self.table.name in PERSONAL else ""


def _not_their_last_state() -> ColumnElement[bool]:
    """What somebody does now is known, however long ago they began."""
    other = agent_states.alias("other")
    return agent_states.c.at < select(func.max(other.c.at)).where(other.c.identity == agent_states.c.identity).scalar_subquery()


_INTERNAL, _SENSITIVE, _REGULATED = DataClass.INTERNAL, DataClass.SENSITIVE, DataClass.REGULATED
KINDS: tuple[Kind, ...] = (
    Kind(
        "quality",
        _INTERNAL,
        calls.c.call_id,
        calls.c.started_at,
        (quality.c.call_id,),
        and_(calls.c.ended_at.is_not(None), select(quality.c.call_id).where(quality.c.call_id == calls.c.call_id).exists()),
        alone=True,
    ),
    Kind(
        "calls",
        _SENSITIVE,
        calls.c.call_id,
        calls.c.started_at,
        (
            *(
                table.c.call_id
                for table in (legs, call_events, call_traces, call_notes, scorecards, quality, pbx_calls, recordings, voicemails)
            ),
        ),
        calls.c.ended_at.is_not(None),
        ("caller", "called"),
        (recordings, voicemails),
    ),
    Kind("queues", _INTERNAL, queue_visits.c.call_id, queue_visits.c.left_at),
    Kind("queues", _INTERNAL, wrap_ups.c.call_id, wrap_ups.c.ended_at),
    Kind("queues", _INTERNAL, agent_states.c.at, agent_states.c.at, only=_not_their_last_state()),
    Kind(
        "call_backs",
        _SENSITIVE,
        call_backs.c.call_back_id,
        call_backs.c.since_at,
        (call_backs.c.call_back_id,),
        call_backs.c.outcome != "",
        ("number",),
    ),
    Kind("reported_calls", _SENSITIVE, reported_calls.c.report_key, reported_calls.c.received_at, numbers=("number",)),
    Kind("reported_chats", _SENSITIVE, reported_chats.c.report_key, reported_chats.c.received_at, numbers=("number",)),
    Kind(
        "tickets",
        _SENSITIVE,
        tickets.c.ticket_id,
        tickets.c.ended_at,
        (ticket_entries.c.ticket_id, ticket_links.c.ticket_id),
        numbers=("number",),
    ),
    Kind("surveys", _SENSITIVE, surveys.c.survey_id, surveys.c.asked_at, (survey_answers.c.survey_id,)),
    Kind("tasks", _SENSITIVE, tasks.c.task_id, tasks.c.done_at, numbers=("number",)),
    Kind("campaigns", _SENSITIVE, campaign_entries.c.entry_id, campaign_entries.c.outcome_at, numbers=("number",)),
    Kind(
        "appointments",
        _SENSITIVE,
        appointments.c.appointment_id,
        appointments.c.end_at,
        tuple(table.c.appointment_id for table in (appointment_cells, appointment_steps, appointment_notices)),
        numbers=("e164",),
    ),
    Kind("bookings", _REGULATED, bookings.c.reference, bookings.c.changed_at, (booking_steps.c.reference, booking_keys.c.reference)),
)
"""Everything that is kept for a set time and that nothing else deletes."""


class RetentionStore(DepartedStore):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def take(
        self,
        kind: Kind,
        policy: RetentionPolicy,
        now: float,
        country_of: Callable[[str], str],
        behind: Place | None = None,
        *,
        only_count: bool = False,
    ) -> tuple[int, Place | None]:
        """Delete those of the next 500 rows whose time is over, in one transaction. How many these were, and how far it came; None: to the
        end. ``country_of``: the ISO country of a number. ``now``: seconds since the epoch."""
        before = now - policy.shortest_s(kind.name, kind.data_class)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                rows = await self._candidates(connection, kind, before, behind)
                due = [row for row in await self._free(connection, kind, rows) if self._is_over(kind, policy, row, now, country_of)]
                if due and not only_count:
                    await _delete(connection, kind, [row["key"] for row in due], before)
                    if not kind.alone:
                        await self.depart(connection, {person: place for row in due for person, place in self._departing(kind, row)})
        last = (rows[-1]["over"], rows[-1]["key"]) if len(rows) == _AT_ONCE else None
        return len(due), last

    async def _candidates(self, connection: AsyncConnection, kind: Kind, before: float, behind: Place | None) -> list[dict[str, Any]]:
        names = dict.fromkeys((*kind.handles, *kind.numbers, *filter(None, [kind.contact, kind.own[0]])))
        columns = [kind.key.label("key"), kind.over.label("over"), *(kind.table.c[name] for name in names)]
        query = select(*columns).where(kind.over < before).order_by(kind.over, kind.key).limit(_AT_ONCE)
        if behind is not None:
            query = query.where(tuple_(kind.over, kind.key) > tuple_(*behind))
        if kind.only is not None:
            query = query.where(kind.only)
        if kind.table is bookings:
            travelled = select(departures.c.departure_id).where(departures.c.ends_at < before)
            query = query.where(bookings.c.departure_id.in_(travelled))
        return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def _free(self, connection: AsyncConnection, kind: Kind, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those that neither a legal hold nor a file keeps. Each is given ``people``, the handles of whom it is about."""
        whose: dict[Any, set[str]] = {row["key"]: {row[name] for name in kind.handles} - {""} for row in rows}
        keys = list(whose)
        for part in kind.parts:
            handles = PERSONAL[part.table.name].handles if part.table.name in PERSONAL else ()
            for name in handles if part.table is not kind.table else ():
                query = select(part, part.table.c[name]).where(part.in_(keys))
                for key, handle in await connection.execute(query):
                    whose[key] |= {handle} - {""}
        for row in rows:
            row["found_by"] = frozenset(whose[row["key"]])
        if kind.contact:
            await self._add_contacts(connection, kind, rows, whose)
        held = await _held_people(connection, set().union(*whose.values()) if whose else set())
        kept = {key for key, handles in whose.items() if handles & held}
        if kind.key.name == "call_id":
            kept |= await _held_calls(connection, keys)
        for table in kind.files:
            query = select(table.c.call_id).where(table.c.call_id.in_(keys), table.c.erased_at.is_(None))
            kept |= set(await connection.scalars(query))
        return [row | {"people": whose[row["key"]]} for row in rows if row["key"] not in kept]

    async def _add_contacts(
        self, connection: AsyncConnection, kind: Kind, rows: Sequence[dict[str, Any]], whose: Mapping[Any, set[str]]
    ) -> None:
        ids = sorted({row[kind.contact] for row in rows} - {""})
        numbers: dict[str, list[tuple[str, str]]] = {}
        query = select(contact_numbers).where(contact_numbers.c.contact_id.in_(ids)).order_by(contact_numbers.c.place)
        for each in (await connection.execute(query)).mappings():
            numbers.setdefault(each["contact_id"], []).append((each["person"], each["number"]))
        for row in rows:
            if row[kind.contact]:
                found = numbers.get(row[kind.contact], [])
                whose[row["key"]].update([self._vault.person("contact", row[kind.contact]), *(person for person, _ in found)])
                row["theirs"] = [sealed for _, sealed in found]

    def _departing(self, kind: Kind, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Whose row this was, but for contacts, which stay: handles, each with the call or room it was about."""
        column, of = kind.own
        place = str(row[column]) if of in ("call", "room") else ""
        contact = self._vault.person("contact", row[kind.contact]) if kind.contact and row[kind.contact] else ""
        for handle in row["found_by"] - {contact}:
            yield handle, place
        if of and row[column]:
            yield self._vault.person(of, row[column]), place

    def _is_over(self, kind: Kind, policy: RetentionPolicy, row: Mapping[str, Any], now: float, country_of: Callable[[str], str]) -> bool:
        country = country_of(self._number(kind, row)) if policy.by_country(kind.name) else ""
        return bool(row["over"] < now - policy.keep_s(kind.name, kind.data_class, country))

    def _number(self, kind: Kind, row: Mapping[str, Any]) -> str:
        """The customer's, as it came; empty where none is known, or they were erased."""
        sealed = [row[name] for name in kind.numbers if self._vault.handle_of(row[name] or "") in row["people"]]
        return next((number for text in (*sealed, *row.get("theirs", ())) if (number := self._vault.open(text))), "")


async def _delete(connection: AsyncConnection, kind: Kind, keys: Sequence[Any], before: float) -> None:
    for part in kind.parts:
        await connection.execute(delete(part.table).where(part.in_(keys)))
    if not kind.alone:
        only = [kind.only] if kind.only is not None else []
        await connection.execute(delete(kind.table).where(kind.key.in_(keys), kind.over < before, *only))


async def _held_people(connection: AsyncConnection, handles: Collection[str]) -> set[str]:
    held: set[str] = set()
    for some in _some(sorted(handles)):
        held |= set(await connection.scalars(select(held_people.c.person).where(held_people.c.person.in_(some), _in_force(held_people))))
    return held


async def _held_calls(connection: AsyncConnection, call_ids: Sequence[str]) -> set[str]:
    return set(await connection.scalars(select(held_calls.c.call_id).where(held_calls.c.call_id.in_(call_ids), _in_force(held_calls))))


def _in_force(table: Table) -> ColumnElement[bool]:
    return table.c.hold_id.in_(select(legal_holds.c.hold_id).where(legal_holds.c.lifted_at.is_(None)))


def _some(handles: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(handles), _AT_ONCE):
        yield handles[begin : begin + _AT_ONCE]
