"""Tickets of Request Tracker (RT 5), by its REST 2 interface and a token of one of its users.

That user needs ``AdminUsers``, by which RT shows telephone numbers, and the rights to see, make and change tickets of the queue. RT looks
for people by name and address only; by number it looks for the tickets of those who have it. So who calls is found among the requestors:
RT is asked for numbers in which these digits come in this order, whatever stands between, and what it names is compared as E.164.

What we write carries a mark that is asked for before the same is written again: a ticket refers to ``urn:x-centralita:MARK``, and to
``tel:+34...``, by which the tickets of somebody are found again whom RT does not know; a note has the mark in its subject.
"""

import re
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec import field as named

from api.backends.http import BackendHttp, HttpAnswer
from api.backends.marks import mark_of
from api.backends.paths import segment
from api.backends.protocols import (
    BackendFault,
    CallerKey,
    Capability,
    ContactRef,
    Health,
    Kind,
    RecordingLink,
    RemoteRef,
    TicketCard,
    TicketDraft,
)
from api.backends.ticketing_settings import RequestTrackerSection
from pbx.numbers import national_part, numbers_in

_API = "/REST/2.0"
_PHONES = ("MobilePhone", "WorkPhone", "HomePhone", "PagerPhone")
_PERSON = ",".join(("Name", "RealName", "EmailAddress", "Organization", "Lang", *_PHONES))
_LOOKED_AT = 50
_UNSET = "1970-01-01T00:00:00Z"
_E164 = re.compile(r"\+[0-9]{4,15}")
_TICKET_ID = re.compile(r"[0-9]{1,18}")


class _User(Struct, frozen=True, rename="pascal"):
    id: str | int = named(name="id")
    name: str | None = None
    real_name: str | None = None
    email_address: str | None = None
    organization: str | None = None
    lang: str | None = None
    mobile_phone: str | None = None
    work_phone: str | None = None
    home_phone: str | None = None
    pager_phone: str | None = None

    @property
    def phones(self) -> list[str]:
        return [phone for phone in (self.mobile_phone, self.work_phone, self.home_phone, self.pager_phone) if phone]


class _Link(Struct, frozen=True):
    ref: str = ""
    url: str = named(default="", name="_url")


class _Ticket(Struct, frozen=True, rename="pascal"):
    id: str | int = named(name="id")
    subject: str | None = None
    status: str | None = None
    priority: str | int | None = None
    due: str | None = None
    last_updated: str | None = None
    requestor: list[_User] = []
    links: list[_Link] = named(default_factory=list, name="_hyperlinks")

    def refers_to(self, address: str) -> bool:
        return any((link.ref, link.url) == ("refers-to", address) for link in self.links)


class _Tickets(Struct, frozen=True):
    items: list[_Ticket]


class _Users(Struct, frozen=True):
    items: list[_User]


class _Some(Struct, frozen=True):
    items: list[dict[str, Any]]


class _Made(Struct, frozen=True):
    id: str | int


class _Version(Struct, frozen=True, rename="pascal"):
    version: str


class RequestTracker:
    """A ``TicketBackend``. ``http``: of RT's own address, ``https://host/rt``, with ``Authorization: token ...``. ``region``: ISO country
    whose national forms of numbers its users have."""

    kind = Kind.TICKETING
    capabilities = frozenset({Capability.LOOKUP, Capability.TICKET, Capability.ATTACH, Capability.WRITE_NOTE})

    def __init__(self, section: RequestTrackerSection, http: BackendHttp, region: str) -> None:
        self.id = section.id
        self._http = http
        self._settings = section
        self._region = region

    async def health(self) -> Health:
        try:
            answer = await self._http.ask("GET", f"{_API}/rt")
            found: _Version = answer.demand().json(_Version)
        except BackendFault as fault:
            return Health(False, fault.said)
        return Health(True, f"Request Tracker {found.version}")

    # ------------------------------------------------------------------ who calls, and what is open

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        """Requestors with this number, those of the latest tickets first; where there is no number, users with this e-mail address."""
        if key.e164 is not None and not key.withheld:
            tickets = await self._tickets(_has_number(key.e164))
            people = [self._contact(user) for ticket in tickets for user in ticket.requestor]
            return [each for each in {each.id: each for each in people}.values() if key.e164 in each.numbers][:limit]
        if key.email:
            query = [{"field": "EmailAddress", "operator": "=", "value": key.email}]
            answer = await self._http.ask("POST", f"{_API}/users", params={"fields": _PERSON}, json=query)
            found: _Users = answer.demand().json(_Users)
            people = [self._contact(user) for user in found.items]
            return [each for each in people if each.email.lower() == key.email.lower()][:limit]
        return []

    def _contact(self, user: _User) -> ContactRef:
        phones = (number for phone in user.phones for number in numbers_in(phone, self._region))
        return ContactRef(
            backend=self.id,
            id=str(user.id),
            name=user.real_name or user.name or str(user.id),
            company=user.organization or "",
            email=user.email_address or "",
            numbers=tuple(dict.fromkeys(phones)),
            language=(user.lang or "")[:2].lower(),
        )

    async def open_tickets(self, key: CallerKey, *, limit: int = 10) -> list[TicketCard]:
        """Those of requestors with this number, and those that were made of calls with it; what changed last comes first."""
        if key.e164 is not None and not key.withheld and _E164.fullmatch(key.e164):
            which, number = f"({_has_number(key.e164)} OR RefersTo = 'tel:{key.e164}')", key.e164
        elif key.email and _is_plain(key.email):
            which, number = f"Requestor.EmailAddress = '{key.email}'", ""
        else:
            return []
        tickets = await self._tickets(f"{which} AND Status = '__Active__'")
        return [self._card(ticket, number) for ticket in tickets if self._is_of(ticket, key)][:limit]

    def _is_of(self, ticket: _Ticket, key: CallerKey) -> bool:
        people = [self._contact(user) for user in ticket.requestor]
        if key.e164 is None or key.withheld:
            return any(each.email.lower() == (key.email or "").lower() for each in people)
        return ticket.refers_to(f"tel:{key.e164}") or any(key.e164 in each.numbers for each in people)

    async def _tickets(self, which: str) -> list[_Ticket]:
        params = {
            "query": which,
            "fields": "Subject,Status,Priority,Due,LastUpdated,Requestor,_hyperlinks",
            "fields[Requestor]": _PERSON,
            "orderby": "LastUpdated",
            "order": "DESC",
            "per_page": str(_LOOKED_AT),
        }
        answer = await self._http.ask("GET", f"{_API}/tickets", params=params)
        found: _Tickets = answer.demand().json(_Tickets)
        return found.items

    def _card(self, ticket: _Ticket, number: str) -> TicketCard:
        words = {str(theirs): ours for ours, theirs in self._settings.priorities.items()}
        priority = str(ticket.priority or 0)
        return TicketCard(
            backend=self.id,
            id=str(ticket.id),
            title=ticket.subject or "",
            state=ticket.status or "",
            priority=words.get(priority, priority),
            due_at=_seconds(ticket.due),
            updated_at=_seconds(ticket.last_updated),
            url=self._page(str(ticket.id)),
            number=number,
        )

    # ------------------------------------------------------------------ what is written

    async def create_ticket(self, draft: TicketDraft, *, idem: str) -> RemoteRef:
        mark = f"urn:x-centralita:{mark_of(idem)}"
        made = [ticket for ticket in await self._tickets(f"RefersTo = '{mark}'") if ticket.refers_to(mark)]
        if made:
            return self._ref(min(made, key=lambda ticket: int(ticket.id)).id)
        body: dict[str, object] = {
            "Queue": self._settings.queue,
            "Subject": draft.title,
            "Content": draft.text or draft.title,
            "ContentType": "text/plain",
            "RefersTo": [mark, *([f"tel:{draft.number}"] if _E164.fullmatch(draft.number) else [])],
        }
        if customer := draft.contact_id or await self._only_one(draft.number):
            body["Requestor"] = customer
        if (priority := self._settings.priorities.get(draft.priority)) is not None:
            body["Priority"] = priority
        answer = await self._http.ask("POST", f"{_API}/ticket", json=body)
        new: _Made = answer.demand().json(_Made)
        return self._ref(new.id)

    async def _only_one(self, number: str) -> str:
        """Whose number it is, where that is one person's: nobody is guessed."""
        found = await self.find_contacts(CallerKey(number, number), limit=2) if _E164.fullmatch(number) else []
        return found[0].id if len(found) == 1 else ""

    async def add_note(self, ticket: RemoteRef, text: str, *, internal: bool = True, idem: str) -> None:
        """An ``internal`` one is a comment; others are an answer, which RT sends to the requestor."""
        number, subject = _ticket_id(ticket), f"Centralita {mark_of(idem)}"
        which = f"ObjectType = 'RT::Ticket' AND ObjectId = {number} AND Subject = '{subject}'"
        answer = await self._http.ask("GET", f"{_API}/transactions", params={"query": which})
        found: _Some = answer.demand().json(_Some)
        if found.items:
            return
        body = {"Subject": subject, "Content": text, "ContentType": "text/plain"}
        path = f"{_API}/ticket/{number}/{'comment' if internal else 'correspond'}"
        _understood(await self._http.ask("POST", path, json=body))

    async def attach(self, ticket: RemoteRef, link: RecordingLink, *, idem: str) -> None:
        until = datetime.fromtimestamp(link.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        await self.add_note(ticket, f"{link.title}\n{link.url}\n({until})", idem=idem)

    async def set_open(self, ticket: RemoteRef, open: bool, *, idem: str) -> None:
        number = _ticket_id(ticket)
        if await self._is_open(number) == open:
            return
        wanted = self._settings.open_state if open else self._settings.closed_state
        _understood(await self._http.ask("PUT", f"{_API}/ticket/{number}", json={"Status": wanted}))
        if await self._is_open(number) != open:  # RT answers 200 and says in words that it did not
            raise BackendFault("refused", f"It did not make the ticket {wanted!r}: does the queue have that state, and may we?")

    async def _is_open(self, number: str) -> bool:
        for ticket in await self._tickets(f"id = {number}"):
            if str(ticket.id) == number:
                return ticket.status not in self._settings.closed_states
        raise BackendFault("refused", "It has no such ticket.")

    def _ref(self, id: str | int) -> RemoteRef:
        return RemoteRef(self.id, str(id), self._page(str(id)))

    def _page(self, id: str) -> str:
        return f"{self._http.base}/Ticket/Display.html?id={segment(id)}"


def _has_number(e164: str) -> str:
    """TicketSQL: requestors with these digits in this order."""
    digits = "%".join(national_part(e164))
    return "(" + " OR ".join(f"Requestor.{name} LIKE '{digits}'" for name in _PHONES) + ")"


def _is_plain(email: str) -> bool:
    """Can it stand in TicketSQL as it is?"""
    return re.fullmatch(r"[A-Za-z0-9.!#$&*+/=?^_{|}~@-]{3,254}", email) is not None


def _ticket_id(ticket: RemoteRef) -> str:
    if not _TICKET_ID.fullmatch(ticket.id):
        raise BackendFault("refused", "It has no such ticket: its ids are numbers.")
    return ticket.id


def _understood(answer: HttpAnswer) -> HttpAnswer:
    if answer.status == 404:
        raise BackendFault("refused", "It has no such ticket (404).")
    return answer.demand()


def _seconds(said: str | None) -> float | None:
    if not said or said == _UNSET:
        return None
    try:
        return datetime.fromisoformat(said).timestamp()
    except ValueError:
        return None
