"""Who calls: contacts found by number in any spelling, by address or by words, made once, and what was spoken with them on the PBX."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Annotated, Literal
from uuid import uuid4

from msgspec import UNSET, Meta, Struct, UnsetType

from api.card_numbers import without_card_numbers, without_cards_in
from api.store.acknowledged import AcknowledgedWrites
from api.store.contacts import Contact, ContactStore, ReportedRow
from api.store.origins import Origin, Origins, Source
from api.store.room_rows import Entry
from pbx.numbers import number_of_caller
from pbx.threecx.reports import read_call, read_chat
from signaling.refusal import Refusal

MOST_FOUND = 20
MOST_CALLS = 50


Text = Annotated[str, Meta(max_length=512)]
Score = Annotated[float, Meta(ge=0, le=1)]
Value = Annotated[float, Meta(ge=0)]


class NewContact(Struct, frozen=True):
    first: Text = ""
    last: Text = ""
    number: Text = ""
    email: Annotated[str, Meta(max_length=320)] = ""
    company: Text = ""
    lead_score: Score | None = None
    value: Value | None = None


class Correction(Struct, frozen=True, forbid_unknown_fields=True):
    """What is right (GDPR article 16): all of it, also what was right before. ``numbers``: in any spelling, the most usual first."""

    first: Text
    last: Text
    company: Text
    email: Annotated[str, Meta(max_length=320)]
    numbers: Annotated[tuple[Text, ...], Meta(max_length=20)]


class Treatment(Struct, frozen=True, forbid_unknown_fields=True):
    """``language``: in which to speak to them; empty: not known. ``lead_score``: 0-1; ``value``: of what they bought, in the company's
    currency; null: not known, left out: as before."""

    vip: bool
    language: Literal["", "en", "es"]
    lead_score: Score | UnsetType | None = UNSET
    value: Value | UnsetType | None = UNSET


class Card(Struct, frozen=True):
    """A contact with what was spoken, the newest first. ``origin``: where each field came from, by its name; not of those that came before
    that was kept."""

    contact: Contact
    calls: list[ReportedRow]
    origin: Origins


class Contacts:
    """``writes``: takes reports also while the database is away. ``region``: the country of numbers without one. ``on_changed`` hears of
    whom something is otherwise now: their numbers and addresses, those of before too, and their contact.

    Everything raises ``StoreUnavailable`` when the database is away, but reports do so only when nothing can keep them.
    """

    def __init__(
        self,
        store: ContactStore,
        writes: AcknowledgedWrites,
        region: str,
        *,
        on_changed: Callable[[Collection[str], Collection[str], str], Awaitable[None]] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._writes = writes
        self._region = region
        self._on_changed = on_changed
        self._now = now

    async def lookup(self, number: str) -> Contact | None:
        """The one whose number this is. None where it is nobody's, or several people's: a choice is not guessed."""
        e164 = self._e164(number)
        return _only(await self._store.by_number(e164, 2)) if e164 else None

    async def lookup_email(self, email: str) -> Contact | None:
        """As ``lookup``, by address."""
        return _only(await self._store.by_email(email.strip(), 2)) if "@" in email else None

    async def search(self, text: str) -> list[Contact]:
        """Those in whom all these words are; one word that is a telephone number finds it in any spelling."""
        e164 = self._e164(text)
        if e164 and (found := await self._store.by_number(e164, MOST_FOUND)):
            return found
        return await self._store.search(text, MOST_FOUND) if text.strip() else []

    async def create(self, new: NewContact, by: str, source: Source = "person") -> Contact:
        """Make this contact. Who is known by number or address is not made again. Raises ``Refusal``."""
        new = without_cards_in(new, "first", "last", "company")
        if not (new.first or new.last or new.company):
            raise Refusal("bad_message", "A contact needs a first name, a last name or a company.")
        known = await self.lookup(new.number) or await self.lookup_email(new.email)
        if known is not None:
            return known
        e164 = self._e164(new.number)
        numbers = (e164,) if e164 else ()
        made = Contact(uuid4().hex, new.first, new.last, new.company, new.email, numbers, lead_score=new.lead_score, value=new.value)
        await self._store.add(made, by, self._now(), source)
        await self._tell_changed(made)
        return made

    async def treat(self, contact_id: str, wanted: Treatment, by: str) -> Contact | None:
        """Whether this is an important customer, and how to speak to them. None where there is no such contact."""
        told = {name: value for name in Treatment.__struct_fields__ if (value := getattr(wanted, name)) is not UNSET}
        await self._store.treat(contact_id, Origin("person", by, self._now()), **told)
        contact = await self._store.contact(contact_id)
        await self._tell_changed(contact)
        return contact

    def mark(self, contact: Contact) -> str:
        """By which a correction says what it saw."""
        return self._store.mark(contact)

    async def correct(self, contact_id: str, wanted: Correction, as_seen: str, by: str) -> Contact | None:
        """Names and ways to reach them, in place of what was known. None where there is no such contact, or somebody corrected it since
        it had the ``mark`` ``as_seen``. Raises ``Refusal``."""
        wanted = without_cards_in(wanted, "first", "last", "company")
        if not (wanted.first or wanted.last or wanted.company):
            raise Refusal("bad_message", "A contact needs a first name, a last name or a company.")
        numbers = tuple(dict.fromkeys(self._e164(number) for number in wanted.numbers))
        if "" in numbers:
            raise Refusal("bad_message", "One of these is no telephone number.")
        right = Contact(contact_id, wanted.first, wanted.last, wanted.company, wanted.email.strip(), numbers)
        before = await self._store.contact(contact_id)
        if not await self._store.correct(right, as_seen, by, self._now()):
            return None
        await self._tell_changed(before, right)
        return await self._store.contact(contact_id)

    async def _tell_changed(self, *known: Contact | None) -> None:
        people = [contact for contact in known if contact is not None]
        if self._on_changed is not None and people:
            numbers = {number for contact in people for number in contact.numbers}
            await self._on_changed(numbers, {contact.email for contact in people} - {""}, people[0].contact_id)

    async def card(self, contact_id: str) -> Card | None:
        contact = await self._store.contact(contact_id)
        if contact is None:
            return None
        return Card(contact, await self._store.calls_of(contact, MOST_CALLS), await self._store.origins(contact_id))

    async def report_call(self, fields: Mapping[str, str]) -> None:
        """Keep a call that the PBX reports; told again it stands once. Raises ``BadReport``."""
        call, now = read_call(fields), self._now()
        row = {
            "report_key": call.key(now),
            "direction": call.direction,
            "answered": call.answered,
            "number": call.number,
            "person": self._e164(call.number),
            "name": call.name,
            "agent": call.agent,
            "queue": call.queue,
            "duration_s": call.duration_s,
            "started_at": call.started_at,
            "received_at": now,
            "contact_id": call.entity[:64],
        }
        await self._writes.keep(Entry("reported_calls", row))

    async def report_chat(self, fields: Mapping[str, str]) -> None:
        """As ``report_call``."""
        chat, now = read_chat(fields), self._now()
        row = {
            "report_key": chat.key(now),
            "number": chat.number,
            "person": self._e164(chat.number),
            "email": chat.email,
            "name": chat.name,
            "agent": chat.agent,
            "queue": chat.queue,
            "messages": without_card_numbers(chat.messages),
            "started_at": chat.started_at,
            "ended_at": chat.ended_at,
            "received_at": now,
            "contact_id": chat.entity[:64],
        }
        await self._writes.keep(Entry("reported_chats", row))

    def _e164(self, text: str) -> str:
        return number_of_caller(text, self._region).e164 or ""


def _only(found: list[Contact]) -> Contact | None:
    return found[0] if len(found) == 1 else None
