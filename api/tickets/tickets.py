"""Tickets as people and programs work on them: made once, changed by several at a time, and followed up when their time runs out.

Two agents may have the same ticket open. A change names the revision that its author saw; what others did meanwhile stands beside it where
it touched something else, and where it touched the same the change is refused with both states (``TicketConflict``): nothing is lost and
nothing is overwritten unseen. Comments never conflict. Whoever repeats a request with its key (``idem``) gets what was made the first time.

Steps are taken by the node that leads, each in one transaction with the ticket's new state and its journal entry, on the revision that was
read: however many nodes try, a step is taken once.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import fields
from typing import Annotated, Any, Literal, Protocol, Self

import structlog
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from api.card_numbers import without_card_numbers, without_cards_in
from api.happenings import Happening, Happenings, Kind
from api.leading import Leads, alone
from api.privacy.vault import Vault
from api.store import StoreUnavailable
from api.store.contacts import Contact
from api.store.tickets import StoredTicket, TicketEntry, TicketLink, TicketQuery, TicketStore
from api.tickets.ticket import OVER, Act, Priority, ServiceRules, Ticket
from pbx.numbers import number_of_caller
from signaling.refusal import Refusal

log = structlog.get_logger()

MOST_SHOWN = 100
_AT_A_TIME = 100
_LOOK_EVERY_S = 30.0
_TRIES = 5
_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without those that are taken for another when they are read out."""
_CLOCK = "clock"
"""Who took a step, in journals."""
OUTBOX = "outbox"
"""Who wrote it where no person did it here. What came of it is told by the outbox itself, which knows the rules that wanted it."""

Word = Annotated[str, Meta(max_length=64)]
Line = Annotated[str, Meta(max_length=200)]
Long = Annotated[str, Meta(max_length=20_000)]
Key = Annotated[str, Meta(max_length=120)]
LinkKind = Literal["call", "recording", "booking", "appointment"]


class NewLink(Struct, frozen=True, forbid_unknown_fields=True):
    """``target``: the id of what it is."""

    kind: LinkKind
    target: Annotated[str, Meta(min_length=1, max_length=128)]
    title: Line = ""
    url: Annotated[str, Meta(max_length=2_000)] = ""
    expires_at: float | None = None


class NewTicket(Struct, frozen=True, forbid_unknown_fields=True):
    """``contact_id`` or ``number``: whose it is; empty: nobody's. ``agent``: who works on it. ``idem``: the same key makes one ticket."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Long = ""
    category: Word = ""
    priority: Priority = Priority.NORMAL
    team: Word = ""
    agent: Word = ""
    contact_id: Word = ""
    number: Word = ""
    language: Literal["", "en", "es"] = ""
    links: Annotated[list[NewLink], Meta(max_length=20)] = []
    idem: Key = ""


class TicketChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be otherwise; what is left out stays. ``revision``: of the ticket that its author saw. ``act``: to another state."""

    revision: Annotated[int, Meta(ge=1)]
    title: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    category: Word | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    team: Word | UnsetType = UNSET
    agent: Word | UnsetType = UNSET
    act: Act | UnsetType = UNSET


class NewComment(Struct, frozen=True, forbid_unknown_fields=True):
    """``internal``: not for the customer. ``act``: ``ask`` where the customer is to answer, ``hear`` where these are their words."""

    text: Annotated[str, Meta(min_length=1, max_length=20_000)]
    internal: bool = True
    act: Literal["ask", "hear"] | None = None
    idem: Key = ""


class TicketView(Struct, frozen=True):
    """A ticket with everything that happened to it, the oldest first, and what it is about."""

    ticket: StoredTicket
    entries: list[TicketEntry]
    links: list[TicketLink]
    contact: Contact | None
    acts: list[Act]


class TicketCounts(Struct, frozen=True):
    """How many are open: of mine, of my teams, of all; and how many of all are late."""

    mine: int
    team: int
    all: int
    late: int


class TicketList(Struct, frozen=True):
    """``next``: the cursor of the page after; None: there is none."""

    tickets: list[StoredTicket]
    next: str | None
    counts: TicketCounts


class TicketConflict(Refusal):
    """Somebody changed the same meanwhile: as it ``now`` is, and what was ``wanted``."""

    def __init__(self, now: StoredTicket, wanted: TicketChange) -> None:
        super().__init__("ticket_conflict", "Somebody else changed the same meanwhile: look at both and decide.")
        self.now, self.wanted = now, wanted


class Customers(Protocol):
    async def contact(self, contact_id: str) -> Contact | None: ...

    async def by_number(self, e164: str, limit: int) -> list[Contact]: ...


_Change = Callable[[StoredTicket, float], Awaitable[tuple[StoredTicket, TicketEntry]]]


Note = Callable[[str, str, str, str], None]
"""Writes down that somebody saw or did something: kind, who, what, and the customer's handle."""


class Tickets:
    """``async with``: owns the task that takes steps where this node ``leads``. ``rules`` may change at any time. ``exists``: is there
    somebody of this identity? ``note`` is the audit's. ``now``: seconds since the epoch.

    Everything raises ``Refusal``, and ``StoreUnavailable`` when the database is away.
    """

    def __init__(
        self,
        store: TicketStore,
        customers: Customers,
        vault: Vault,
        happenings: Happenings,
        rules: Callable[[], ServiceRules],
        *,
        region: str,
        exists: Callable[[str], Awaitable[bool]],
        note: Note = lambda kind, who, what, subject: None,
        leads: Leads = alone,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._customers, self._vault, self._happenings = store, customers, vault, happenings
        self._rules = rules
        self._region = region
        self._exists, self._note, self._leads = exists, note, leads
        self._now = now
        self._reckoned_by: ServiceRules | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_looking(), name="tickets")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ------------------------------------------------------------------ what people want

    async def page(
        self,
        identity: str,
        teams: Collection[str],
        wanted: TicketQuery,
        *,
        late: bool = False,
        before: str = "",
        limit: int = MOST_SHOWN,
    ) -> TicketList:
        """What is open by when it is due, else the newest first. ``before``: behind this ticket. ``teams``: those of who asks."""
        now = self._now()
        if late:
            wanted = replace(wanted, late_at=now)
        behind = await self._find(before) if before else None
        found = await self._store.page(replace(wanted, number=self._e164(wanted.number)), limit + 1, behind)
        mine, of_team = TicketQuery(agent=identity, open=True), TicketQuery(teams=(*sorted(teams), ""), open=True)
        counted = await self._store.counts((mine, of_team, TicketQuery(open=True), TicketQuery(open=True, late_at=now)))
        return TicketList(found[:limit], found[limit - 1].ticket_id if len(found) > limit else None, TicketCounts(*counted))

    async def view(self, ticket_id: str, by: str) -> TicketView:
        """Everything of it; who looks is noted."""
        row = await self._find(ticket_id)
        self._note("ticket_seen", by, row.ticket_id, self._person(row))
        contact = await self._customers.contact(row.contact_id) if row.contact_id else None
        entries, links = await self._store.entries(row.ticket_id), await self._store.links(row.ticket_id)
        return TicketView(row, entries, links, contact, possible(row.standing, self._now(), self._rules()))

    async def open(self, new: NewTicket, by: str) -> StoredTicket:
        """Make it; whoever repeats it with the same key gets the first."""
        idem = _key(by, new.idem) or f"once:{secrets.token_hex(12)}"
        if new.idem and (there := await self._store.by_idem(idem)) is not None:
            return there
        await self._see_to_agent(new.agent)
        number, contact = self._e164(new.number), await self._contact(new)
        if new.contact_id and contact is None:
            raise Refusal("unknown_contact", "There is no such contact: leave it away, or make them first.")
        now, rules = self._now(), self._rules()
        ticket = StoredTicket(
            "T-" + "".join(secrets.choice(_LETTERS) for _ in range(8)),
            without_card_numbers(new.title),
            number or (contact.numbers[0] if contact is not None and contact.numbers else ""),
            contact.contact_id if contact is not None else "",
            new.language or (contact.language if contact is not None else ""),
            new.category,
            *(new.priority, Ticket.opened(new.priority, new.team, now).state, new.team, new.agent, by, now, now),
            *(0.0, now, (), None, None, None, 1),
        )
        ticket = _reckoned(ticket, rules)
        links = [TicketLink(**_fields(without_cards_in(link, "title")), at=now, by=by) for link in new.links]
        if not await self._store.add(ticket, TicketEntry(1, now, by, "opened", text=without_card_numbers(new.text)), links, idem):
            there = await self._store.by_idem(idem)
            assert there is not None, "a key is kept with its ticket"
            return there
        self._tell(Kind.TICKET_OPENED, ticket, by)
        return ticket

    async def change(self, ticket_id: str, change: TicketChange, by: str, *, idem: str = "") -> StoredTicket:
        """Raises ``TicketConflict`` where others changed the same since its revision."""
        if change.agent is not UNSET:
            await self._see_to_agent(change.agent)
        if change.title is not UNSET:
            change = replace(change, title=without_card_numbers(change.title))
        wanted = {name: str(value) for name in _FIELDS if (value := getattr(change, name)) is not UNSET}

        async def changed(row: StoredTicket, now: float) -> tuple[StoredTicket, TicketEntry]:
            if change.revision < row.revision:
                await self._see_to_conflict(row, change, wanted)
            after = row
            if change.act is not UNSET:
                after = _standing(after, after.standing.act(change.act, now, self._rules()))
            after = replace(after, **{name: getattr(change, name) for name in wanted})
            return after, TicketEntry(0, now, by, "changed", changes=_differences(row, after))

        return await self._write(ticket_id, changed, idem=_key(by, idem))

    async def comment(self, ticket_id: str, comment: NewComment, by: str) -> StoredTicket:
        """Say something, to colleagues or to the customer, who may have to answer."""

        async def said(row: StoredTicket, now: float) -> tuple[StoredTicket, TicketEntry]:
            after = _standing(row, row.standing.act(Act(comment.act), now, self._rules())) if comment.act is not None else row
            entry = TicketEntry(0, now, by, "commented", comment.internal, without_card_numbers(comment.text), _differences(row, after))
            return after, entry

        return await self._write(ticket_id, said, idem=_key(by, comment.idem), always=True)

    async def link(self, ticket_id: str, link: NewLink, by: str, *, idem: str = "") -> StoredTicket:
        """Say what it is about too. The same once more takes the newer title and address."""
        at = self._now()
        kept = TicketLink(**_fields(without_cards_in(link, "title")), at=at, by=by)

        async def linked(row: StoredTicket, now: float) -> tuple[StoredTicket, TicketEntry]:
            return row, TicketEntry(0, now, by, "linked", changes={link.kind: ("", link.target)})

        return await self._write(ticket_id, linked, idem=_key(by, idem), always=True, link=kept)

    async def words_used(self) -> dict[str, list[str]]:
        return await self._store.words_used()

    async def ticket(self, ticket_id: str) -> StoredTicket:
        return await self._find(ticket_id)

    async def open_of_caller(self, number: str, limit: int) -> list[StoredTicket]:
        """The open ones of this number (E.164), and of the one contact whose it is; those first that are due first."""
        found = await self._customers.by_number(number, 2)
        contact_id = found[0].contact_id if len(found) == 1 else ""
        return await self._store.page(TicketQuery(number=number, contact_id=contact_id, open=True), limit)

    async def answers(self) -> bool:
        """Does the database? Raises ``StoreUnavailable`` where it does not."""
        return bool(await self._store.counts((TicketQuery(open=True),)))

    # ------------------------------------------------------------------ what time brings

    async def look_after(self) -> int:
        """Take the steps that are due, where this node leads; how many were taken. Raises ``StoreUnavailable``."""
        rules = self._rules()
        if self._reckoned_by != rules:
            await self._reckon(rules)
        taken = 0
        while await self._leads() and (due := await self._store.due(self._now(), _AT_A_TIME)):
            for row in due:
                taken += await self._escalate(row, rules)
        return taken

    async def _escalate(self, row: StoredTicket, rules: ServiceRules) -> int:
        now = self._now()
        standing, steps = row.standing.escalate(now, rules)
        if not steps:  # the hours are others than when it was reckoned
            await self._store.reckon(_reckoned(row, rules))
            return 0
        after = _reckoned(_standing(row, standing), rules)
        after = replace(after, revision=row.revision + 1, changed_at=now)
        changes = _differences(row, after) | {"step": ("", " ".join(step.name for step in steps))}
        if not await self._store.save(after, TicketEntry(after.revision, now, _CLOCK, "escalated", changes=changes)):
            return 0  # somebody was faster: it is looked at again
        for step in steps:
            self._tell(Kind.TICKET_ESCALATED, after, _CLOCK, step=step.name, told=" ".join(step.tell))
        log.info("ticket.escalated", ticket=after.ticket_id, steps=[step.name for step in steps], priority=after.priority.value)
        return len(steps)

    async def _reckon(self, rules: ServiceRules) -> None:
        """The rules are new: what was due at one moment may be due at another."""
        after = ""
        while rows := await self._store.running(after, _AT_A_TIME):
            for row in rows:
                reckoned = _reckoned(row, rules)
                if (reckoned.due_at, reckoned.step_at) != (row.due_at, row.step_at):
                    await self._store.reckon(reckoned)
            after = rows[-1].ticket_id
        self._reckoned_by = rules

    async def _keep_looking(self) -> None:
        while True:
            wait_s = _LOOK_EVERY_S
            try:
                self._changed.clear()
                await self.look_after()
                next_at = await self._store.next_step_at()
                wait_s = min(max((next_at - self._now()) if next_at is not None else wait_s, 1.0), wait_s)
            except StoreUnavailable as error:
                log.error("tickets.neglected", fault=str(error), hint="look after the database")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)

    # ------------------------------------------------------------------ within

    async def _write(
        self, ticket_id: str, change: _Change, *, idem: str = "", always: bool = False, link: TicketLink | None = None
    ) -> StoredTicket:
        """Read, change and keep, again where somebody was faster. ``always``: also where nothing of the ticket itself is otherwise."""
        for _ in range(_TRIES):
            if idem and (there := await self._store.by_idem(idem)) is not None:
                return there
            row, now = await self._find(ticket_id), self._now()
            after, entry = await change(row, now)
            if not (always or entry.changes):
                return row
            after = replace(_reckoned(after, self._rules()), revision=row.revision + 1, changed_at=now)
            if await self._store.save(after, replace(entry, seq=after.revision), idem=idem or None, link=link):
                over = after.state in OVER and row.state not in OVER
                self._tell(Kind.TICKET_CLOSED if over else Kind.TICKET_CHANGED, after, entry.by)
                return after
        raise Refusal("busy", "Others work on this ticket at this very moment: try again.", 1.0)

    async def _see_to_conflict(self, row: StoredTicket, change: TicketChange, wanted: Collection[str]) -> None:
        touched = {*wanted, *(("state",) if change.act is not UNSET else ())}
        since = [entry for entry in await self._store.entries(row.ticket_id) if entry.seq > change.revision]
        others = {name: new for entry in since for name, (_, new) in entry.changes.items()}
        if any(name in others and others[name] != str(getattr(change, name, "")) for name in touched):
            raise TicketConflict(row, change)

    async def _see_to_agent(self, identity: str) -> None:
        if identity and not await self._exists(identity):
            raise Refusal("unknown_user", "There is nobody of this name to work on it.")

    async def _find(self, ticket_id: str) -> StoredTicket:
        row = await self._store.ticket(ticket_id)
        if row is None:
            raise Refusal("unknown_ticket", "There is no such ticket.")
        return row

    async def _contact(self, new: NewTicket) -> Contact | None:
        """Who is named, or the one whose number it is: a choice is not guessed."""
        if new.contact_id:
            return await self._customers.contact(new.contact_id)
        number = self._e164(new.number)
        found = await self._customers.by_number(number, 2) if number else []
        return found[0] if len(found) == 1 else None

    def _e164(self, number: str) -> str:
        return (number_of_caller(number, self._region).e164 or "") if number else ""

    def _person(self, ticket: StoredTicket) -> str:
        if ticket.contact_id:
            return self._vault.person("contact", ticket.contact_id)
        return self._vault.number(ticket.number) if ticket.number else ""

    def _tell(self, kind: Kind, ticket: StoredTicket, by: str, **more: str) -> None:
        self._changed.set()
        facts = {name: str(getattr(ticket, name)) for name in ("priority", "state", "category", "team", "agent", "language", "number")}
        person = self._person(ticket)
        if by != _CLOCK:
            self._note("ticket_made" if kind is Kind.TICKET_OPENED else "ticket_changed", by, ticket.ticket_id, person)
        if by == OUTBOX:
            return
        facts |= {"by": by, **more}
        told = f"{ticket.ticket_id}:{ticket.revision}:{more.get('step', '')}"
        self._happenings.tell(Happening(kind, ticket.ticket_id, self._now(), facts, person=person, happening_id=told))


def possible(ticket: Ticket, now: float, rules: ServiceRules) -> list[Act]:
    """What leads to another state from here."""
    found = []
    for act in Act:
        with suppress(Refusal):
            if ticket.act(act, now, rules).state is not ticket.state:
                found.append(act)
    return found


_FIELDS = ("title", "category", "priority", "team", "agent")


def _standing(row: StoredTicket, standing: Ticket) -> StoredTicket:
    return replace(row, **{field.name: getattr(standing, field.name) for field in fields(standing)})


def _reckoned(row: StoredTicket, rules: ServiceRules) -> StoredTicket:
    """With the moments that follow from how it stands."""
    step = row.standing.next_step(rules)
    return replace(row, due_at=row.standing.due_at(rules), step_at=step[0] if step is not None else None)


def _differences(before: StoredTicket, after: StoredTicket) -> dict[str, tuple[str, str]]:
    names = (*_FIELDS, "state")
    return {
        name: (str(getattr(before, name)), str(getattr(after, name))) for name in names if getattr(before, name) != getattr(after, name)
    }


def _key(by: str, idem: str) -> str:
    """A key is its author's; long ones are shortened so that they stay apart."""
    key = f"{by}:{idem}" if idem else ""
    return key if len(key) <= 128 else hashlib.sha256(key.encode()).hexdigest()


def _fields(link: NewLink) -> dict[str, Any]:
    return {name: getattr(link, name) for name in NewLink.__struct_fields__}
