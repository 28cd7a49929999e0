"""Contacts, and the calls and chats that the PBX reports, in the database."""

from typing import Any

from msgspec import Struct
from sqlalchemy import Select, func, or_, select

from api.store.contact_tables import contact_numbers, contacts, reported_calls
from api.store.database import in_words
from api.store.statements import Statements

_SHOWN = tuple(contacts.c[name] for name in ("contact_id", "first", "last", "company", "email"))


class Contact(Struct, frozen=True):
    """``numbers`` are E.164, the most usual first."""

    contact_id: str
    first: str = ""
    last: str = ""
    company: str = ""
    email: str = ""
    numbers: tuple[str, ...] = ()

    @property
    def search(self) -> str:
        """What somebody may look for, in small letters."""
        return " ".join((self.first, self.last, self.company, self.email, *self.numbers)).casefold()


class ReportedRow(Struct, frozen=True):
    """A call that the PBX reported. Times are seconds since the epoch."""

    direction: str
    answered: bool
    number: str
    agent: str
    queue: str
    duration_s: int | None
    started_at: float | None
    received_at: float


_REPORTED = tuple(reported_calls.c[name] for name in ReportedRow.__struct_fields__)


class ContactStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    # ------------------------------------------------------------------ contacts

    async def contact(self, contact_id: str) -> Contact | None:
        found = await self._contacts(select(*_SHOWN).where(contacts.c.contact_id == contact_id))
        return found[0] if found else None

    async def by_number(self, e164: str, limit: int) -> list[Contact]:
        """Whose number this is: nobody, one, or several."""
        whose = select(contact_numbers.c.contact_id).where(contact_numbers.c.e164 == e164)
        return await self._contacts(select(*_SHOWN).where(contacts.c.contact_id.in_(whose)).limit(limit))

    async def by_email(self, email: str, limit: int) -> list[Contact]:
        """Whose address this is, however it is written."""
        return await self._contacts(select(*_SHOWN).where(contacts.c.email_key == email.casefold()).limit(limit))

    async def search(self, text: str, limit: int) -> list[Contact]:
        """Those who have each of these words in a name, a number, the company or the address."""
        query = select(*_SHOWN).order_by(contacts.c.last, contacts.c.first, contacts.c.contact_id).limit(limit)
        for word in text.casefold().split():
            query = query.where(contacts.c.search.contains(word, autoescape=True))
        return await self._contacts(query)

    async def add(self, contact: Contact, by: str, now: float) -> None:
        row = {name: getattr(contact, name) for name in ("contact_id", "first", "last", "company", "email")}
        row |= {"email_key": contact.email.casefold(), "search": contact.search, "made_by": by, "created_at": now}
        numbers = [{"contact_id": contact.contact_id, "e164": e164, "place": place} for place, e164 in enumerate(contact.numbers)]
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(contacts.insert().values(row))
                if numbers:
                    await connection.execute(contact_numbers.insert(), numbers)

    async def _contacts(self, query: Select[Any]) -> list[Contact]:
        rows = await self._rows(query)
        ids = [row["contact_id"] for row in rows]
        order = select(contact_numbers).where(contact_numbers.c.contact_id.in_(ids)).order_by(contact_numbers.c.place)
        numbers: dict[str, list[str]] = {}
        for row in await self._rows(order) if ids else ():
            numbers.setdefault(row["contact_id"], []).append(row["e164"])
        return [Contact(**row, numbers=tuple(numbers.get(row["contact_id"], ()))) for row in rows]

    # ------------------------------------------------------------------ what the PBX reports

    async def calls_of(self, contact: Contact, limit: int) -> list[ReportedRow]:
        """The newest reported calls with this contact."""
        theirs = or_(reported_calls.c.contact_id == contact.contact_id, reported_calls.c.e164.in_(contact.numbers))
        began = func.coalesce(reported_calls.c.started_at, reported_calls.c.received_at)
        query = select(*_REPORTED).where(theirs).order_by(began.desc()).limit(limit)
        return [ReportedRow(**row) for row in await self._rows(query)]
