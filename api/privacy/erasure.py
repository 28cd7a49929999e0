"""Who a person is in every table, and how they are forgotten: their keys are destroyed, and the handles by which anybody finds them go.

What was sealed is unreadable from then on wherever a copy of it lies. Rows stay, without anybody in them: what the company has to keep of
them (times, sums, states) is in the clear. Files, caches and other programs are the business of who calls this.
"""

import asyncio
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Delete, Table, Update, and_, delete, or_, select, update

from api.privacy.personal import PERSONAL, Personal
from api.privacy.vault import ERASED
from api.store.contact_tables import contact_numbers, contacts
from api.store.database import in_words
from api.store.errors import StoreUnavailable
from api.store.room_tables import room_people, rooms
from api.store.schema import metadata
from api.store.sealing import unsealed
from api.store.statements import Statements
from pbx.numbers import spellings
from signaling.grants import GUEST_PREFIX

_AT_ONCE = 500
_NO_TRAITS = {"vip": False, "language": "", "lead_score": None, "value": None}


@dataclass(frozen=True, slots=True)
class Person:
    """``handles``: under whose keys something of theirs is sealed, or by which they are found. ``ids``: by kind (``call``, ``room``,
    ``ticket``, ``booking``, ``report``, ``guest``) of what they took part in, for who looks after files."""

    contact_id: str
    handles: frozenset[str]
    ids: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Erased:
    """How many keys were destroyed, and of how many rows of each table somebody was taken out; nothing of a person who is not there."""

    keys: int
    rows: Mapping[str, int]


class Erasure(Statements):
    """Everything raises ``StoreUnavailable`` when the database or the books of keys are away: then do it again."""

    async def person(self, contact_id: str, region: str, *, numbers: Collection[str] = (), emails: Collection[str] = ()) -> Person:
        """Everything that leads to this contact, or, where ``contact_id`` is empty, to who has these numbers (E.164) and addresses.

        ``region``: whose national spellings a PBX may use. Raises ``StoreUnavailable`` while rows of before wait to be sealed.
        """
        if await self._rows(select(unsealed.c.name).limit(1)):
            raise StoreUnavailable("Rows of before are still being sealed, and who stands there is not found: try again in some minutes.")
        numbers, emails = set(numbers), set(emails)
        if contact_id:
            known = await self._rows(select(contacts.c.email).where(contacts.c.contact_id == contact_id))
            emails |= {row["email"] for row in known}
            theirs = select(contact_numbers.c.number).where(contact_numbers.c.contact_id == contact_id)
            numbers |= {row["number"] for row in await self._rows(theirs)}
        vault = self._vault
        handles = {vault.number(each) for number in numbers - {ERASED} for each in spellings(number, region)}
        handles |= {vault.email(email) for email in emails - {ERASED}}
        handles |= {vault.person("contact", contact_id)} if contact_id else set()
        ids: dict[str, set[str]] = {}
        for name, personal in PERSONAL.items():
            if personal.own is not None:
                column, kind = personal.own
                ids.setdefault(kind, set()).update(await self._ids_in(metadata.tables[name], column, personal, handles, contact_id))
        handles |= {vault.person(kind, each) for kind, found in ids.items() for each in found}
        ids["guest"] = await self._guests_of(ids.get("room", ()))
        handles |= {vault.person("guest", guest) for guest in ids["guest"]}
        return Person(contact_id, frozenset(handles), {kind: frozenset(found) for kind, found in ids.items() if found})

    async def _ids_in(self, table: Table, column: str, personal: Personal, handles: Collection[str], contact_id: str) -> set[str]:
        ids: set[str] = set()
        for which in theirs(table, personal, handles, contact_id):
            ids |= {row[column] for row in await self._rows(select(table.c[column]).where(which))}
        return ids - {""}

    async def _guests_of(self, room_ids: Iterable[str]) -> set[str]:
        guests: set[str] = set()
        for some in portions(sorted(room_ids)):
            in_them = room_people.c.room_id.in_(some) & room_people.c.identity.startswith(GUEST_PREFIX, autoescape=True)
            guests |= {row["identity"] for row in await self._rows(select(room_people.c.identity).where(in_them))}
            for row in await self._rows(select(rooms.c.members).where(rooms.c.room_id.in_(some))):
                guests |= {member["identity"] for member in json.loads(row["members"]) if member["identity"].startswith(GUEST_PREFIX)}
        return guests

    async def erase(self, person: Person) -> Erased:
        """First the keys, so that nothing can be read any more whatever happens next; then what leads to this person."""
        with in_words(self._engine.url):
            keys = await asyncio.to_thread(self._vault.erase, person.handles)
            rows: dict[str, int] = {}
            async with self._writing() as connection:
                for name, personal in PERSONAL.items():
                    for statement in _forgotten(metadata.tables[name], personal, person):
                        changed = (await connection.execute(statement)).rowcount
                        if changed:
                            rows[name] = rows.get(name, 0) + changed
        return Erased(keys, rows)


def theirs(table: Table, personal: Personal, handles: Collection[str], contact_id: str) -> Iterator[ColumnElement[bool]]:
    for name in personal.handles:
        for some in portions(sorted(handles)):
            yield table.c[name].in_(some)
    if personal.contact and contact_id:
        yield table.c[personal.contact] == contact_id


def _forgotten(table: Table, personal: Personal, person: Person) -> Iterator[Update | Delete]:
    """What takes them out of this table; done again it changes nothing."""
    if personal.outlives:
        return
    if personal.index:
        for which in theirs(table, personal, person.handles, person.contact_id):
            yield delete(table).where(which)
        return
    for name in personal.handles:
        for some in portions(sorted(person.handles)):
            yield update(table).where(table.c[name].in_(some)).values({name: ""})
    if table is contacts and person.contact_id:
        known = or_(contacts.c.vip, contacts.c.language != "", contacts.c.lead_score.is_not(None), contacts.c.value.is_not(None))
        yield update(contacts).where(and_(contacts.c.contact_id == person.contact_id, known)).values(_NO_TRAITS)


def portions(handles: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(handles), _AT_ONCE):
        yield handles[begin : begin + _AT_ONCE]
