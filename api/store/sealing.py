"""Sealing of rows that were written before anything was sealed, batch after batch, each table once.

The migration notes which tables have such rows; how far each has come stands beside its name, and what is done is forgotten. Every node may
take part. In the end the database is written anew once, so that no free page of its files holds what was in the clear.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import Column, String, Table, Text, bindparam, delete, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.privacy.personal import PERSONAL
from api.privacy.vault import is_sealed
from api.store.contact_tables import contact_numbers, contact_words, contacts
from api.store.contacts import Contact, words_of
from api.store.database import in_words
from api.store.errors import StoreUnavailable
from api.store.rows import Row
from api.store.schema import metadata
from api.store.statements import Statements

log = structlog.get_logger()

unsealed = Table(
    "unsealed",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("after", Text, nullable=False, server_default=""),
)
"""Tables that have rows of before. ``after``: up to this primary key, a list in JSON, they are sealed."""

SOUGHT_IN = ("contacts", "contact_numbers", "campaign_entries", "do_not_call")
key_folder = Table("key_folder", metadata, Column("mark", String(32), primary_key=True))
"""One row: with the keys of which folder the texts here were sealed."""

WRITE_ANEW = "*"
"""Stands there as if it were the last table."""
_AT_A_TIME = 200
_PAUSE_S = 0.1
_RETRY_S = 30.0


class SealingStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def claim(self, connection: AsyncConnection) -> None:
        """Note whose keys are used here. Raises ``StoreUnavailable`` where they were others before: nothing could be read with ours."""
        mark = self._vault.mark
        await connection.execute(self._insert(key_folder).values(mark=mark).on_conflict_do_nothing())
        if (await connection.scalars(select(key_folder.c.mark))).all() != [mark]:
            raise StoreUnavailable(
                "The database was sealed with the keys of another folder: let privacy.folder be the one that belongs to it, or bring that"
                " back from its mirror. All nodes share one."
            )

    async def left(self) -> list[str]:
        """Tables that have rows of before, ``WRITE_ANEW`` the last of all."""
        return sorted((row["name"] for row in await self._rows(select(unsealed.c.name))), key=lambda name: (name == WRITE_ANEW, name))

    async def seal_indexes(self) -> None:
        """At once all rows of tables in which people are looked for: nobody is found there before."""
        left = await self.left()
        for name in (name for name in SOUGHT_IN if name in left):
            while await self.seal_some(name):
                pass

    async def seal_some(self, name: str) -> bool:
        """Some more rows of this table; False when it was the last of them."""
        table, personal = metadata.tables[name], PERSONAL[name]
        seal = personal.seal
        assert seal is not None, "its store has always sealed it"
        keys = list(table.primary_key.columns)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                place = select(unsealed.c.after).where(unsealed.c.name == name).with_for_update()
                after = await connection.scalar(place)
                if after is None:
                    return False
                query = select(table).order_by(*keys).limit(_AT_A_TIME)
                if after:
                    query = query.where(tuple_(*keys) > tuple_(*json.loads(after)))
                rows = [dict(row) for row in (await connection.execute(query)).mappings()]
                changes: list[Row] = []
                for row in rows:
                    if not any(is_sealed(row[column]) for column in personal.sealed if row[column]):
                        changes.append({f"of_{key.name}": row[key.name] for key in keys} | seal(self._vault, row))
                if name == contacts.name:
                    await self._index(connection, rows)
                if changes:
                    of_row = [key == bindparam(f"of_{key.name}") for key in keys]
                    columns: Row = {column: bindparam(column) for column in changes[0] if not column.startswith("of_")}
                    await connection.execute(update(table).where(*of_row).values(columns), changes)
                if len(rows) < _AT_A_TIME:
                    await connection.execute(delete(unsealed).where(unsealed.c.name == name))
                    return False
                last = json.dumps([rows[-1][key.name] for key in keys])
                await connection.execute(update(unsealed).where(unsealed.c.name == name).values(after=last))
                return True

    async def _index(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Let these contacts be found by words."""
        ids = [row["contact_id"] for row in rows if not is_sealed(row["first"]) and not is_sealed(row["last"])]
        query = select(contact_numbers.c.contact_id, contact_numbers.c.number, contact_numbers.c.person)
        numbers: dict[str, list[str]] = {}
        for row in await connection.execute(query.where(contact_numbers.c.contact_id.in_(ids)).order_by(contact_numbers.c.place)):
            numbers.setdefault(row.contact_id, []).append(self._vault.open(row.number) or row.person)
        words: list[Row] = []
        for each in rows:
            if each["contact_id"] in ids:
                first, last, company, email = (str(each[name]) for name in ("first", "last", "company", "email"))
                known = Contact(each["contact_id"], first, last, company, email, tuple(numbers.get(each["contact_id"], ())))
                words += words_of(self._vault, known)
        if words:
            await connection.execute(self._insert(contact_words).on_conflict_do_nothing(), words)

    async def seal_slowly(self, name: str) -> None:
        """All rows of this table, beside everything else."""
        some = True
        while some:
            some = await self.seal_some(name)
            await asyncio.sleep(_PAUSE_S)

    async def write_anew(self) -> None:
        """Nothing that was in the clear stays in a free page of the database's files."""
        with in_words(self._engine.url):
            async with self._engine.connect() as connection:
                if self._engine.dialect.name == "sqlite":
                    await connection.execution_options(alone=True)
                    await connection.execute(text("VACUUM"))
                    await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
                else:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    for name in PERSONAL:
                        await connection.execute(text(f"VACUUM FULL {name}"))
        await self._update(delete(unsealed).where(unsealed.c.name == WRITE_ANEW))


@asynccontextmanager
async def open_sealing(store: SealingStore) -> AsyncIterator["asyncio.Task[None]"]:
    """Seals rows of before beside everything else, as long as it takes; the task ends when none is left."""
    task = asyncio.create_task(_seal_on(store), name="seal-rows-of-before")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _seal_on(store: SealingStore) -> None:
    while True:
        try:
            left = await store.left()
            if not left:
                return
            log.info("privacy.sealing", tables=left)
            for name in left:
                if name == WRITE_ANEW:
                    await store.write_anew()
                else:
                    await store.seal_slowly(name)
            log.info("privacy.sealed")
            return
        except StoreUnavailable as error:
            log.warning("privacy.sealing_waits", detail=str(error))
        await asyncio.sleep(_RETRY_S)
