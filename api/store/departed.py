"""People of whom the last row may be gone, and whether it is: then nothing is left that their key could open.

Whoever deletes rows by age notes whose they were in the same transaction, so that no kill loses anybody. Later, some at a time, it is
looked at what is left: a row that leads to them in any table of ``api/privacy/personal.py``, a file of that call or room, a hold; and at
last, whatever the map says, a text under one of their keys in any column of sealed texts, which begin with the id of their key.
Contacts are none of this: they stay until somebody erases them.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.privacy.personal import PERSONAL
from api.privacy.vault import BEGINNING_LETTERS
from api.store.database import in_words
from api.store.departed_tables import departed
from api.store.legal_hold_tables import held_people, legal_holds
from api.store.room_tables import rooms
from api.store.schema import metadata, recordings
from api.store.statements import Statements

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Looked:
    """``people``: how many were looked at; of ``forgotten`` of them nothing was left, and ``keys`` were destroyed. ``new``: had nobody
    looked at the last of them before?"""

    people: int = 0
    forgotten: int = 0
    keys: int = 0
    new: bool = False


class DepartedStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database or the books of keys are away: then do it again."""

    async def depart(self, connection: AsyncConnection, people: Mapping[str, str]) -> None:
        """Note, in a transaction that deletes rows, whose they were: handles, each with the call or room it was about, or nothing."""
        rows = [{"person": person, "place": place, "looked_at": 0.0} for person, place in sorted(people.items()) if person]
        if rows:
            insert = self._insert(departed)
            seen_again = insert.on_conflict_do_update(
                index_elements=["person"],
                set_={"looked_at": 0.0, "place": func.coalesce(func.nullif(insert.excluded.place, ""), departed.c.place)},
            )
            for some in _portions(rows):
                await connection.execute(seen_again, list(some))

    async def forget(self, now: float) -> Looked:
        """Look at the next 500, who was never looked at first, and destroy the keys of those of whom nothing is left."""
        with in_words(self._engine.url):
            async with self._engine.connect() as connection:
                query = select(departed).order_by(departed.c.looked_at, departed.c.person).limit(AT_ONCE)
                found = (await connection.execute(query)).mappings().all()
                places = {row["person"]: row["place"] for row in found}
                staying = await _led_to(connection, places) | await _held(connection, places) | await _with_files(connection, places)
                beginnings = await asyncio.to_thread(self._vault.beginnings, places.keys() - staying)
                staying |= {beginnings[each] for each in await _read(connection, beginnings)}
            gone = places.keys() - staying
            keys = await asyncio.to_thread(self._vault.erase, gone) if beginnings else 0
            async with self._writing() as connection:
                await connection.execute(delete(departed).where(departed.c.person.in_(gone)))
                await connection.execute(update(departed).where(departed.c.person.in_(staying)).values(looked_at=now))
        forgotten = len({beginnings[each] for each in beginnings} - staying)
        return Looked(len(found), forgotten, keys, bool(found) and found[-1]["looked_at"] == 0.0)


async def _led_to(connection: AsyncConnection, people: Collection[str]) -> set[str]:
    """To whom a row of some table leads."""
    found: set[str] = set()
    for name, personal in PERSONAL.items():
        for handle in personal.handles:
            column = metadata.tables[name].c[handle]
            found |= set(await connection.scalars(select(column).where(column.in_(people)).distinct()))
    return found


async def _held(connection: AsyncConnection, people: Collection[str]) -> set[str]:
    in_force = select(legal_holds.c.hold_id).where(legal_holds.c.lifted_at.is_(None))
    query = select(held_people.c.person).where(held_people.c.person.in_(people), held_people.c.hold_id.in_(in_force))
    return set(await connection.scalars(query))


async def _with_files(connection: AsyncConnection, places: Mapping[str, str]) -> set[str]:
    """Whose call or room has a recording that is there, or is itself there."""
    named = set(places.values()) - {""}
    there = set(
        await connection.scalars(select(recordings.c.call_id).where(recordings.c.call_id.in_(named), recordings.c.erased_at.is_(None)))
    )
    there |= set(await connection.scalars(select(rooms.c.room_id).where(rooms.c.room_id.in_(named))))
    return {person for person, place in places.items() if place in there}


async def _read(connection: AsyncConnection, beginnings: Collection[str]) -> set[str]:
    """With which of these some text begins, in any column that may be sealed."""
    found: set[str] = set()
    for name, personal in PERSONAL.items() if beginnings else ():
        for column in _sealed_in(metadata.tables[name], personal.sealed):
            begins = func.substr(column, 1, BEGINNING_LETTERS)
            found |= set(await connection.scalars(select(begins).where(begins.in_(beginnings)).distinct()))
    return found


def _sealed_in(table: Table, names: Iterable[str]) -> list[Column[str]]:
    return [table.c[name] for name in names]


def _portions(rows: Sequence[Mapping[str, object]]) -> Iterable[Sequence[Mapping[str, object]]]:
    return (rows[begin : begin + AT_ONCE] for begin in range(0, len(rows), AT_ONCE))
