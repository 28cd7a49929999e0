"""Contacts, and the calls and chats that the PBX reports, in the database."""

import json
from collections.abc import Collection
from typing import Any

from msgspec import Struct
from sqlalchemy import Select, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.privacy.personal import seal_row
from api.privacy.vault import Vault
from api.store.contact_tables import contact_numbers, contact_words, contacts, reported_calls
from api.store.database import in_words
from api.store.origins import Origin, Origins, Source, read_origins, written
from api.store.rows import Row
from api.store.sealed import opened
from api.store.statements import Statements
from pbx.numbers import national_of

_SHOWN = tuple(contacts.c[name] for name in ("contact_id", "first", "last", "company", "email", "vip", "language", "lead_score", "value"))
_FIELDS = ("first", "last", "company", "email", "numbers", "vip", "language", "lead_score", "value")
"""Of each of them it is kept where it came from."""
_CORRECTED = ("first", "last", "company", "email", "numbers")
_LOOKED_THROUGH = 500
"""So many that are found by words are put in order; whoever finds more has not said enough."""


class Contact(Struct, frozen=True):
    """``numbers`` are E.164, the most usual first. ``language``: in which to speak to them, empty: not known. ``lead_score``: 0-1.

    ``value``: of what they bought, in the company's currency; None: not known.
    """

    contact_id: str
    first: str = ""
    last: str = ""
    company: str = ""
    email: str = ""
    numbers: tuple[str, ...] = ()
    vip: bool = False
    language: str = ""
    lead_score: float | None = None
    value: float | None = None

    @property
    def words(self) -> str:
        """What somebody may look for: a number also as it is dialled at home."""
        at_home = (national_of(number) for number in self.numbers)
        return " ".join((self.first, self.last, self.company, self.email, *self.numbers, *at_home))


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

    async def some(self, contact_ids: Collection[str]) -> list[Contact]:
        """Those of these that there are."""
        return await self._contacts(select(*_SHOWN).where(contacts.c.contact_id.in_(contact_ids))) if contact_ids else []

    async def any(self) -> bool:
        """Is there anybody?"""
        return bool(await self._rows(select(contacts.c.contact_id).limit(1)))

    async def by_number(self, e164: str, limit: int) -> list[Contact]:
        """Whose number this is: nobody, one, or several."""
        whose = select(contact_numbers.c.contact_id).where(contact_numbers.c.person == self._vault.number(e164))
        return await self._contacts(select(*_SHOWN).where(contacts.c.contact_id.in_(whose)).limit(limit))

    async def by_email(self, email: str, limit: int) -> list[Contact]:
        """Whose address this is, however it is written."""
        return await self._contacts(select(*_SHOWN).where(contacts.c.email_key == self._vault.email(email)).limit(limit))

    async def search(self, text: str, limit: int) -> list[Contact]:
        """Those who have words in a name, a number, the company or the address that begin with each of these: three letters of them at
        least, or the whole word."""
        sought = self._vault.sought(text)
        if not sought:
            return []
        query = select(*_SHOWN).order_by(contacts.c.contact_id).limit(_LOOKED_THROUGH)
        for word in sought:
            query = query.where(contacts.c.contact_id.in_(select(contact_words.c.contact_id).where(contact_words.c.word == word)))
        found = sorted(await self._contacts(query), key=lambda contact: (contact.last, contact.first, contact.contact_id))
        return found[:limit]

    async def add(self, contact: Contact, by: str, now: float, source: Source = "person") -> None:
        """``source``: which way it came."""
        row = {column.name: getattr(contact, column.name) for column in _SHOWN} | {"made_by": by, "created_at": now}
        told = [name for name in _FIELDS if getattr(contact, name) not in ("", (), None, False)]
        row["origins"] = written({}, told, Origin(source, by, now))
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(contacts.insert().values(seal_row(self._vault, "contacts", row)))
                await self._add_ways(connection, contact)

    async def origins(self, contact_id: str) -> Origins:
        """Where each field came from; nothing of one that is not there."""
        rows = await self._rows(select(contacts.c.origins).where(contacts.c.contact_id == contact_id))
        return read_origins(rows[0]["origins"]) if rows else {}

    def mark(self, contact: Contact) -> str:
        """Another one as soon as a name, the company, the address or a number is."""
        return self._vault.person("contact as seen", json.dumps([getattr(contact, name) for name in _CORRECTED]))

    async def correct(self, corrected: Contact, as_seen: str, by: str, now: float) -> bool:
        """Names, company, address and numbers from now on, and everything by which they are found. ``as_seen``: the ``mark`` of the contact
        that is to be corrected; False: there is none, or it is another one by now, and nothing was changed."""
        contact_id = corrected.contact_id
        with in_words(self._engine.url):
            async with self._writing() as connection:
                query = select(*_SHOWN).where(contacts.c.contact_id == contact_id).with_for_update()
                rows = opened(self._vault, query, (await connection.execute(query)).mappings().all())
                of_it = select(contact_numbers).where(contact_numbers.c.contact_id == contact_id).order_by(contact_numbers.c.place)
                numbers = opened(self._vault, of_it, (await connection.execute(of_it)).mappings().all())
                if not rows:
                    return False
                former = Contact(**rows[0], numbers=tuple(row["number"] for row in numbers))
                if self.mark(former) != as_seen:
                    return False
                changed = [name for name in _CORRECTED if getattr(former, name) != getattr(corrected, name)]
                row = {name: getattr(corrected, name) for name in ("contact_id", "first", "last", "company", "email")}
                values = seal_row(self._vault, "contacts", row)
                await connection.execute(update(contacts).where(contacts.c.contact_id == contact_id).values(values))
                await self._came_from(connection, contact_id, changed, Origin("person", by, now))
                for table in (contact_numbers, contact_words):
                    await connection.execute(delete(table).where(table.c.contact_id == contact_id))
                await self._add_ways(connection, corrected)
        return True

    async def _add_ways(self, connection: AsyncConnection, contact: Contact) -> None:
        """By which they are found."""
        numbers = [{"contact_id": contact.contact_id, "number": e164, "place": place} for place, e164 in enumerate(contact.numbers)]
        if numbers:
            await connection.execute(contact_numbers.insert(), [seal_row(self._vault, "contact_numbers", number) for number in numbers])
        if words := words_of(self._vault, contact):
            await connection.execute(contact_words.insert(), words)

    async def treat(self, contact_id: str, origin: Origin, **known: bool | str | float | None) -> None:
        """How this contact is to be treated from now on: ``vip``, ``language``, ``lead_score``, ``value``; what is not given stays."""
        with in_words(self._engine.url):
            async with self._writing() as connection:
                query = select(*(contacts.c[name] for name in known)).where(contacts.c.contact_id == contact_id).with_for_update()
                former = (await connection.execute(query)).mappings().first() if known else None
                if former is None:
                    return
                await connection.execute(update(contacts).where(contacts.c.contact_id == contact_id).values(known))
                await self._came_from(connection, contact_id, [name for name in known if former[name] != known[name]], origin)

    async def _came_from(self, connection: AsyncConnection, contact_id: str, changed: Collection[str], origin: Origin) -> None:
        """These fields have another origin from now on."""
        its = contacts.c.contact_id == contact_id
        former = await connection.scalar(select(contacts.c.origins).where(its).with_for_update())
        await connection.execute(update(contacts).where(its).values(origins=written(read_origins(former or "{}"), changed, origin)))

    async def _contacts(self, query: Select[Any]) -> list[Contact]:
        rows = await self._rows(query)
        ids = [row["contact_id"] for row in rows]
        order = select(contact_numbers).where(contact_numbers.c.contact_id.in_(ids)).order_by(contact_numbers.c.place)
        numbers: dict[str, list[str]] = {}
        for row in await self._rows(order) if ids else ():
            numbers.setdefault(row["contact_id"], []).append(row["number"])
        return [Contact(**row, numbers=tuple(numbers.get(row["contact_id"], ()))) for row in rows]

    # ------------------------------------------------------------------ what the PBX reports

    async def calls_of(self, contact: Contact, limit: int) -> list[ReportedRow]:
        """The newest reported calls with this contact."""
        handles = [self._vault.number(number) for number in contact.numbers]
        theirs = or_(reported_calls.c.contact_id == contact.contact_id, reported_calls.c.person.in_(handles))
        began = func.coalesce(reported_calls.c.started_at, reported_calls.c.received_at)
        query = select(*_REPORTED).where(theirs).order_by(began.desc()).limit(limit)
        return [ReportedRow(**row) for row in await self._rows(query)]


def words_of(vault: Vault, contact: Contact) -> list[Row]:
    """The rows by which somebody finds this contact."""
    return [{"word": word, "contact_id": contact.contact_id} for word in vault.words(contact.words)]
