"""Tickets of a Roundup tracker (2.x), by its REST interface.

Who calls is found among the tracker's users. Roundup looks for parts of a text only, and a number may be written with anything between its
digits: so it is asked for those in whose telephone each digit stands somewhere, and what it names is compared as E.164.

What we write carries a mark in the ``messageid`` of its message, which is asked for before the same is written again: ``<centralita.MARK.
DIGITS@call>``; by the digits the tickets of somebody are found again whom the tracker does not know.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from api.backends.http import BackendHttp, HttpAnswer
from api.backends.marks import LETTERS, mark_of
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
from api.backends.ticketing_settings import RoundupSection
from pbx.numbers import national_part, numbers_in

T = TypeVar("T")
_PAGE = 200
_MOST_PAGES = 10
"""Of users with these digits: more than 2,000 are not looked through."""
_MOST_TICKETS = 50
_TRIES = 4
"""Of a change that somebody else's came before."""
_E164 = re.compile(r"\+[0-9]{4,15}")
_MESSAGE_ID = re.compile(rf"<centralita\.[a-z2-7]{{{LETTERS}}}\.([0-9]+)@call>")


class _Data(Struct, Generic[T], frozen=True):
    data: T


class _Page(Struct, Generic[T], frozen=True):
    collection: list[T]


class _Made(Struct, frozen=True):
    id: str


class _Linked(Struct, frozen=True):
    id: str


class _Message(Struct, frozen=True):
    id: str
    messageid: str | None = None


class _Ticket(Struct, frozen=True):
    id: str
    title: str | None = None
    activity: str | None = None
    nosy: list[_Linked] = []
    messages: list[_Linked] = []
    state: str | None = msgspec.field(default=None, name="status.name")
    priority: str | None = msgspec.field(default=None, name="priority.name")


class _Item(Struct, frozen=True):
    attributes: _Ticket
    etag: str = msgspec.field(name="@etag")


class Roundup:
    """A ``TicketBackend``. ``http``: of the tracker's own address, ``https://host/tracker``; it reads ``csrf_headers``. ``region``: ISO
    country whose national forms of numbers its users have."""

    kind = Kind.TICKETING
    capabilities = frozenset({Capability.LOOKUP, Capability.TICKET, Capability.ATTACH, Capability.WRITE_NOTE})

    def __init__(self, section: RoundupSection, http: BackendHttp, region: str) -> None:
        self.id = section.id
        self._http = http
        self._settings = section
        self._region = region
        self._tickets = f"/rest/data/{section.ticket_class}"

    async def health(self) -> Health:
        try:
            answer = await self._http.ask("GET", "/rest/data/user", params={"@page_size": "1"})
            answer.demand().json(_Data[_Page[_Made]])
        except BackendFault as fault:
            return Health(False, fault.said)
        return Health(True, "Roundup")

    # ------------------------------------------------------------------ who calls, and what is open

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        """The tracker's users with this number; where there is none, with this e-mail address."""
        if key.e164 is not None and not key.withheld:
            return (await self._with_number(key.e164))[:limit]
        if key.email:
            return (await self._with_address(key.email))[:limit]
        return []

    async def _with_number(self, e164: str) -> list[ContactRef]:
        digits = sorted(set(national_part(e164)))
        found: dict[str, ContactRef] = {}
        for name in self._settings.phone_fields:
            for page in range(1, _MOST_PAGES + 1):
                users = await self._users([(name, digit) for digit in digits], page)
                for user in map(self._contact, users):
                    if e164 in user.numbers:
                        found.setdefault(user.id, user)
                if len(users) < _PAGE:
                    break
        return list(found.values())

    async def _with_address(self, email: str) -> list[ContactRef]:
        found = map(self._contact, await self._users([("address", email)], 1))
        return [each for each in found if each.email.lower() == email.lower()]

    async def _users(self, wanted: Iterable[tuple[str, str]], page: int) -> list[dict[str, Any]]:
        fields = ",".join(("username", "realname", "organisation", "address", *self._settings.phone_fields))
        params = [*wanted, ("@fields", fields), ("@page_size", str(_PAGE)), ("@page_index", str(page))]
        answer = await self._http.ask("GET", "/rest/data/user", params=params)
        found: _Data[_Page[dict[str, Any]]] = answer.demand().json(_Data[_Page[dict[str, Any]]])
        return found.data.collection

    def _contact(self, user: Mapping[str, Any]) -> ContactRef:
        told = {name: value for name, value in user.items() if isinstance(value, str)}
        if "id" not in told:
            raise BackendFault("invalid", "It named a user without an id.")
        phones = [told[name] for name in self._settings.phone_fields if name in told]
        return ContactRef(
            backend=self.id,
            id=told["id"],
            name=told.get("realname") or told.get("username") or "",
            company=told.get("organisation", ""),
            email=told.get("address", ""),
            numbers=tuple(dict.fromkeys(number for phone in phones for number in numbers_in(phone, self._region))),
            url=self._page("user", told["id"]),
        )

    async def open_tickets(self, key: CallerKey, *, limit: int = 10) -> list[TicketCard]:
        """Those that the caller follows, and those that were made of their calls; what changed last comes first."""
        people = {user.id for user in await self.find_contacts(key, limit=_MOST_TICKETS)}
        said = await self._messages_of(key.e164) if key.e164 is not None and not key.withheld else set()
        found = {ticket.id: ticket for ticket in await self._of("nosy", people) if people & {each.id for each in ticket.nosy}}
        found |= {ticket.id: ticket for ticket in await self._of("messages", said) if said & {each.id for each in ticket.messages}}
        latest = sorted(found.values(), key=lambda ticket: ticket.activity or "", reverse=True)
        return [self._card(ticket, key.e164 or "") for ticket in latest if ticket.state not in self._settings.closed_states][:limit]

    async def _messages_of(self, e164: str) -> set[str]:
        """The messages of calls with this number."""
        digits = e164.removeprefix("+")
        params = [("messageid", f".{digits}@call>"), ("@fields", "messageid"), ("@sort", "-id"), ("@page_size", str(_MOST_TICKETS))]
        found = await self._messages(params)
        return {each.id for each in found if (mark := _MESSAGE_ID.fullmatch(each.messageid or "")) and mark[1] == digits}

    async def _messages(self, params: Sequence[tuple[str, str]]) -> list[_Message]:
        answer = await self._http.ask("GET", "/rest/data/msg", params=params)
        found: _Data[_Page[_Message]] = answer.demand().json(_Data[_Page[_Message]])
        return found.data.collection

    async def _of(self, field: str, ids: set[str]) -> list[_Ticket]:
        """The latest tickets in whose ``field`` one of these stands."""
        if not ids:
            return []
        fields = "title,activity,nosy,messages,status.name,priority.name"
        params = {field: ",".join(sorted(ids)), "@fields": fields, "@sort": "-activity", "@page_size": str(_MOST_TICKETS)}
        answer = await self._http.ask("GET", self._tickets, params=params)
        found: _Data[_Page[_Ticket]] = answer.demand().json(_Data[_Page[_Ticket]])
        return found.data.collection

    def _card(self, ticket: _Ticket, number: str) -> TicketCard:
        words = {theirs: ours for ours, theirs in self._settings.priorities.items()}
        return TicketCard(
            backend=self.id,
            id=ticket.id,
            title=ticket.title or "",
            state=ticket.state or "",
            priority=words.get(ticket.priority or "", ticket.priority or ""),
            updated_at=_seconds(ticket.activity),
            url=self._page(self._settings.ticket_class, ticket.id),
            open=ticket.state not in self._settings.closed_states,
            number=number,
        )

    # ------------------------------------------------------------------ what is written

    async def create_ticket(self, draft: TicketDraft, *, idem: str) -> RemoteRef:
        digits = draft.number.removeprefix("+") if _E164.fullmatch(draft.number) else "0"
        messages = await self._written(f"<centralita.{mark_of(idem)}.{digits}@call>", draft.text or draft.title)
        made = [ticket for ticket in await self._of("messages", messages) if messages & {each.id for each in ticket.messages}]
        if made:
            return self._ref(min(made, key=lambda ticket: int(ticket.id)).id)
        body: dict[str, object] = {"title": draft.title, "messages": sorted(messages)}
        if customer := draft.contact_id or await self._only_one(draft.number):
            body["nosy"] = [customer]
        if priority := self._settings.priorities.get(draft.priority):
            body["priority"] = priority
        return self._ref(await self._make(self._tickets, body))

    async def _only_one(self, number: str) -> str:
        """Whose number it is, where that is one person's: nobody is guessed."""
        found = await self.find_contacts(CallerKey(number, number), limit=2) if _E164.fullmatch(number) else []
        return found[0].id if len(found) == 1 else ""

    async def add_note(self, ticket: RemoteRef, text: str, *, internal: bool = True, idem: str) -> None:
        """An ``internal`` one leaves the ticket's state as it is; others may open it again, as the tracker has it."""
        messages = await self._written(f"<centralita.{mark_of(idem)}@note>", text)
        for _ in range(_TRIES):
            item = await self._item(ticket.id)
            had = [each.id for each in item.attributes.messages]
            if messages & set(had):
                return
            change: dict[str, object] = {"messages": [*had, min(messages, key=int)]}
            if internal and item.attributes.state is not None:
                change["status"] = item.attributes.state
            if await self._changed(ticket.id, item.etag, change):
                return
        raise _busy()

    async def attach(self, ticket: RemoteRef, link: RecordingLink, *, idem: str) -> None:
        until = datetime.fromtimestamp(link.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        await self.add_note(ticket, f"{link.title}\n{link.url}\n({until})", idem=idem)

    async def set_open(self, ticket: RemoteRef, open: bool, *, idem: str) -> None:
        for _ in range(_TRIES):
            item = await self._item(ticket.id)
            if (item.attributes.state not in self._settings.closed_states) == open:
                return
            wanted = self._settings.open_state if open else self._settings.closed_state
            if await self._changed(ticket.id, item.etag, {"status": wanted}):
                return
        raise _busy()

    async def _written(self, message_id: str, text: str) -> set[str]:
        """The message with this mark: that which is there, else a new one. Several where two were under way at once: any will do."""
        found = await self._messages([("messageid:", message_id), ("@fields", "messageid")])
        ids = {each.id for each in found if each.messageid == message_id}
        return ids or {await self._make("/rest/data/msg", {"content": text, "messageid": message_id})}

    async def _make(self, path: str, body: Mapping[str, object]) -> str:
        answer = _understood(await self._http.ask("POST", path, json=body, headers=csrf_headers(self._http.base)))
        made: _Data[_Made] = answer.json(_Data[_Made])
        return made.data.id

    async def _item(self, id: str) -> _Item:
        params = {"@fields": "title,messages,status.name"}
        answer = await self._http.ask("GET", f"{self._tickets}/{segment(id)}", params=params)
        found: _Data[dict[str, Any]] = _understood(answer).json(_Data[dict[str, Any]])
        found.data.setdefault("attributes", {})["id"] = id
        return msgspec.convert(found.data, _Item)

    async def _changed(self, id: str, etag: str, change: Mapping[str, object]) -> bool:
        """False: somebody else changed it since it was read."""
        headers = csrf_headers(self._http.base) | {"If-Match": etag}
        answer = await self._http.ask("PATCH", f"{self._tickets}/{segment(id)}", json=change, headers=headers)
        if answer.status == 412:
            return False
        _understood(answer)
        return True

    def _ref(self, id: str) -> RemoteRef:
        return RemoteRef(self.id, id, self._page(self._settings.ticket_class, id))

    def _page(self, name: str, id: str) -> str:
        return f"{self._http.base}/{name}{segment(id)}"


def csrf_headers(base: str) -> dict[str, str]:
    """What Roundup wants to see before it writes, since browsers would send it of themselves."""
    parts = urlsplit(base)
    return {"X-Requested-With": "rest", "Origin": f"{parts.scheme}://{parts.netloc}", "Referer": f"{base}/"}


def _understood(answer: HttpAnswer) -> HttpAnswer:
    if answer.status == 404:
        raise BackendFault("refused", "It has no such ticket (404).")
    return answer.demand()


def _busy() -> BackendFault:
    return BackendFault("refused", "The ticket is changed by others all the time.", retry_after_s=1.0, retryable=True)


def _seconds(said: str | None) -> float | None:
    """``2026-11-22.13:54:54``, in UTC."""
    try:
        return datetime.strptime(said or "", "%Y-%m-%d.%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
