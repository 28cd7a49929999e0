"""Tickets, their journals and their links, in the database. Each change is one entry, and one revision."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from api.store.database import in_words
from api.store.errors import StoreRefused
from api.store.rows import Row
from api.store.statements import Statements
from api.store.ticket_tables import ticket_entries, ticket_links, tickets
from api.tickets.ticket import OVER, Priority, Ticket, TicketState

_NEVER = 1e12
"""Sorts what has no time limit behind everything that has."""
_OVER = tuple(state.value for state in OVER)


class StoredTicket(Struct, frozen=True):
    """``number``: the customer's, E.164, empty where none is known. Times are seconds since the epoch. ``taken``: steps by name."""

    ticket_id: str
    title: str
    number: str
    contact_id: str
    language: str
    category: str
    priority: Priority
    state: TicketState
    team: str
    agent: str
    opened_by: str
    opened_at: float
    changed_at: float
    used_s: float
    running_since: float | None
    taken: tuple[str, ...]
    ended_at: float | None
    due_at: float | None
    step_at: float | None
    revision: int

    @property
    def standing(self) -> Ticket:
        return Ticket(self.state, self.priority, self.team, self.used_s, self.running_since, self.taken, self.ended_at)


class TicketEntry(Struct, frozen=True):
    """``what``: ``opened``, ``changed``, ``commented``, ``escalated``, ``linked``. ``changes``: by field what it was and is."""

    seq: int
    at: float
    by: str
    what: str
    internal: bool = True
    text: str = ""
    changes: dict[str, tuple[str, str]] = {}


class TicketLink(Struct, frozen=True):
    """What a ticket is about. ``kind``: ``call``, ``recording``, ``booking`` or ``appointment``. ``url``: where it can be had, at most
    until ``expires_at``; empty: by its id alone."""

    kind: str
    target: str
    title: str
    url: str
    expires_at: float | None
    at: float
    by: str


class TicketQuery(Struct, frozen=True):
    """Empty and None: all. ``late_at``: those whose time was over then. ``number_key``, ``contact_id``: of either."""

    agent: str = ""
    teams: tuple[str, ...] | None = None
    open: bool | None = None
    late_at: float | None = None
    state: str = ""
    priority: str = ""
    category: str = ""
    number: str = ""
    contact_id: str = ""
    target: str = ""


class TicketStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    # ------------------------------------------------------------------ to be read

    async def ticket(self, ticket_id: str) -> StoredTicket | None:
        found = await self._rows(select(tickets).where(tickets.c.ticket_id == ticket_id))
        return self._opened(found[0]) if found else None

    async def by_idem(self, idem: str) -> StoredTicket | None:
        """The ticket that was made, or changed, under this key."""
        changed = select(ticket_entries.c.ticket_id).where(ticket_entries.c.idem == idem)
        found = await self._rows(select(tickets).where(or_(tickets.c.idem == idem, tickets.c.ticket_id.in_(changed))))
        return self._opened(found[0]) if found else None

    async def entries(self, ticket_id: str) -> list[TicketEntry]:
        """Its journal, the oldest first."""
        of_it = select(ticket_entries).where(ticket_entries.c.ticket_id == ticket_id).order_by(ticket_entries.c.seq)
        return [self._entry(row) for row in await self._rows(of_it)]

    async def links(self, ticket_id: str) -> list[TicketLink]:
        """The oldest first."""
        columns = [ticket_links.c[name] for name in TicketLink.__struct_fields__]
        of_it = select(*columns).where(ticket_links.c.ticket_id == ticket_id).order_by(ticket_links.c.at, ticket_links.c.target)
        return [
            TicketLink(**{**row, "title": self._vault.open(row["title"]), "url": self._vault.open(row["url"])})
            for row in await self._rows(of_it)
        ]

    async def page(self, wanted: TicketQuery, limit: int, behind: StoredTicket | None = None) -> list[StoredTicket]:
        """What is open by when it is due, the earliest first; else the newest first. ``behind``: only those after this one."""
        query = select(tickets).where(*self._conditions(wanted))
        due, opened, by_id = func.coalesce(tickets.c.due_at, _NEVER), tickets.c.opened_at, tickets.c.ticket_id
        if wanted.open:
            if behind is not None:
                at = _NEVER if behind.due_at is None else behind.due_at
                query = query.where(or_(due > at, and_(due == at, by_id > behind.ticket_id)))
            query = query.order_by(due, by_id)
        else:
            if behind is not None:
                query = query.where(
                    or_(opened < behind.opened_at, and_(opened == behind.opened_at, by_id > behind.ticket_id)),
                )
            query = query.order_by(opened.desc(), by_id)
        return [self._opened(row) for row in await self._rows(query.limit(limit))]

    async def counts(self, wanted: Collection[TicketQuery]) -> list[int]:
        """How many there are of each."""
        columns = [select(func.count()).select_from(tickets).where(*self._conditions(each)).scalar_subquery() for each in wanted]
        row = (await self._rows(select(*(column.label(f"c{place}") for place, column in enumerate(columns)))))[0]
        return [row[f"c{place}"] for place in range(len(columns))]

    async def due(self, now: float, limit: int) -> list[StoredTicket]:
        """Those whose next step is due, the longest due first."""
        query = select(tickets).where(tickets.c.step_at <= now).order_by(tickets.c.step_at, tickets.c.ticket_id).limit(limit)
        return [self._opened(row) for row in await self._rows(query)]

    async def next_step_at(self) -> float | None:
        rows = await self._rows(select(func.min(tickets.c.step_at).label("at")))
        at: float | None = rows[0]["at"]
        return at

    async def running(self, after: str, limit: int) -> list[StoredTicket]:
        """Those whose clock runs, by id, those behind ``after``."""
        query = select(tickets).where(tickets.c.running_since.is_not(None), tickets.c.ticket_id > after)
        return [self._opened(row) for row in await self._rows(query.order_by(tickets.c.ticket_id).limit(limit))]

    async def words_used(self) -> dict[str, list[str]]:
        """Teams and categories that tickets have."""
        found = {}
        for column in (tickets.c.team, tickets.c.category):
            rows = await self._rows(select(column).where(column != "").distinct().order_by(column).limit(200))
            found[column.name] = [row[column.name] for row in rows]
        return found

    # ------------------------------------------------------------------ to be written

    async def add(self, ticket: StoredTicket, entry: TicketEntry, links: Sequence[TicketLink], idem: str) -> bool:
        """Keep a new ticket with its first entry. False where this key was used before: then nothing is kept."""
        row = self._row(ticket) | {"idem": idem}
        with in_words(self._engine.url):
            async with self._writing() as connection:
                made = await connection.execute(self._insert(tickets).values(row).on_conflict_do_nothing(index_elements=["idem"]))
                if not made.rowcount:
                    return False
                await connection.execute(ticket_entries.insert().values(self._entry_row(ticket, entry, None)))
                for link in links:
                    await self._link(connection, ticket, link)
                return True

    async def save(self, ticket: StoredTicket, entry: TicketEntry, *, idem: str | None = None, link: TicketLink | None = None) -> bool:
        """Keep how a ticket stands after this entry, whose number is its revision. False where somebody was faster, or the key was used."""
        before = and_(tickets.c.ticket_id == ticket.ticket_id, tickets.c.revision == ticket.revision - 1)
        try:
            with in_words(self._engine.url):
                async with self._writing() as connection:
                    if not (await connection.execute(update(tickets).where(before).values(self._row(ticket)))).rowcount:
                        return False
                    if link is not None:
                        await self._link(connection, ticket, link)
                    await connection.execute(ticket_entries.insert().values(self._entry_row(ticket, entry, idem)))
        except StoreRefused as refused:
            if idem is not None and isinstance(refused.__cause__, IntegrityError):
                return False
            raise
        return True

    async def reckon(self, ticket: StoredTicket) -> None:
        """Keep when it is due by rules that are new; not where it was changed meanwhile."""
        same = and_(tickets.c.ticket_id == ticket.ticket_id, tickets.c.revision == ticket.revision)
        await self._update(update(tickets).where(same).values(due_at=ticket.due_at, step_at=ticket.step_at))

    async def _link(self, connection: AsyncConnection, ticket: StoredTicket, link: TicketLink) -> None:
        handle = self._handle(ticket)
        row = {name: getattr(link, name) for name in TicketLink.__struct_fields__} | {"ticket_id": ticket.ticket_id}
        row |= {"title": self._vault.seal(handle, link.title), "url": self._vault.seal(handle, link.url)}
        statement = self._insert(ticket_links).values(row)
        newer = {name: statement.excluded[name] for name in ("title", "url", "expires_at")}
        await connection.execute(statement.on_conflict_do_update(index_elements=list(ticket_links.primary_key), set_=newer))

    # ------------------------------------------------------------------ rows

    def _handle(self, ticket: StoredTicket) -> str:
        """Under whose key everything of this ticket is sealed."""
        if ticket.contact_id:
            return self._vault.person("contact", ticket.contact_id)
        return self._vault.number(ticket.number) if ticket.number else self._vault.person("ticket", ticket.ticket_id)

    def _row(self, ticket: StoredTicket) -> Row:
        handle = self._handle(ticket)
        row: Row = {name: getattr(ticket, name) for name in StoredTicket.__struct_fields__}
        row |= {"title": self._vault.seal(handle, ticket.title), "number": self._vault.seal(handle, ticket.number)}
        row |= {"number_key": self._number_key(ticket.number), "taken": " ".join(ticket.taken)}
        return row | {"priority": ticket.priority.value, "state": ticket.state.value}

    def _opened(self, row: Mapping[str, Any]) -> StoredTicket:
        given = {name: row[name] for name in StoredTicket.__struct_fields__}
        given |= {"title": self._vault.open(row["title"]), "number": self._vault.open(row["number"])}
        given |= {"taken": tuple(row["taken"].split()), "priority": Priority(row["priority"]), "state": TicketState(row["state"])}
        return StoredTicket(**given)

    def _entry_row(self, ticket: StoredTicket, entry: TicketEntry, idem: str | None) -> Row:
        handle = self._handle(ticket)
        row: Row = {name: getattr(entry, name) for name in TicketEntry.__struct_fields__}
        changes = msgspec.json.encode(entry.changes).decode() if entry.changes else ""
        row |= {"ticket_id": ticket.ticket_id, "idem": idem}
        return row | {"text": self._vault.seal(handle, entry.text), "changes": self._vault.seal(handle, changes)}

    def _entry(self, row: Mapping[str, Any]) -> TicketEntry:
        given = {name: row[name] for name in TicketEntry.__struct_fields__}
        changes = self._vault.open(row["changes"])
        given |= {"text": self._vault.open(row["text"]), "changes": _CHANGES.decode(changes) if changes else {}}
        return TicketEntry(**given)

    def _number_key(self, number: str) -> str:
        return self._vault.number(number) if number else ""

    def _conditions(self, wanted: TicketQuery) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        for name in ("agent", "state", "priority", "category"):
            if value := getattr(wanted, name):
                conditions.append(tickets.c[name] == value)
        if wanted.teams is not None:
            conditions.append(tickets.c.team.in_(wanted.teams))
        if wanted.open is not None:
            conditions.append(tickets.c.state.not_in(_OVER) if wanted.open else tickets.c.state.in_(_OVER))
        if wanted.late_at is not None:
            conditions.append(tickets.c.due_at <= wanted.late_at)
        whose = [tickets.c.number_key == self._vault.number(wanted.number)] if wanted.number else []
        if wanted.contact_id:
            whose.append(tickets.c.contact_id == wanted.contact_id)
        if whose:
            conditions.append(or_(*whose))
        if wanted.target:
            about = select(ticket_links.c.ticket_id).where(ticket_links.c.target == wanted.target)
            conditions.append(tickets.c.ticket_id.in_(about))
        return conditions


_CHANGES = msgspec.json.Decoder(dict[str, tuple[str, str]])
