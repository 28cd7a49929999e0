"""How the parts of the store speak to the database: reading, and writing within a transaction."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import itemgetter
from typing import Any

import asyncpg
from sqlalchemy import Delete, Dialect, Insert, Select, String, Table, Text, Update, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from api.privacy.vault import Vault
from api.store.database import in_words
from api.store.rows import Row
from api.store.sealed import opened


class Prepared:
    """An INSERT that is worded once, and whose rows go to the driver as they are: half the work of handing each through SQLAlchemy.

    For rows of plain strings, numbers, booleans and None, all with the same names. SQLite takes row after row, which costs it nothing;
    PostgreSQL all as one statement with an array for each column (a third of the work, there and here), of which no two rows may have the
    same key where one overwrites the other.
    """

    def __init__(self, statement: "sqlite.Insert | postgresql.Insert", dialect: Dialect) -> None:
        self._statement = statement
        self._dialect = dialect
        self._at_once = dialect.name == "postgresql"
        self._names: tuple[str, ...] = ()
        self._sql = ""
        self._in_order: Callable[[Row], tuple[Any, ...]] = tuple

    async def run(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if tuple(rows[0]) != self._names:
            self._word(tuple(rows[0]))
        await self._execute(connection, [self._in_order(row) for row in rows])

    async def _execute(self, connection: AsyncConnection, values: list[tuple[Any, ...]]) -> None:
        if self._at_once:
            await connection.exec_driver_sql(self._sql, tuple(map(list, zip(*values, strict=True))))
        else:
            await connection.exec_driver_sql(self._sql, values)

    def _word(self, names: tuple[str, ...]) -> None:
        statement = self._of_arrays(names) if self._at_once else self._statement
        compiled = statement.compile(dialect=self._dialect, column_keys=list(names))
        assert isinstance(compiled, SQLCompiler) and compiled.positiontup is not None
        self._names, self._sql, self._in_order = names, str(compiled), itemgetter(*compiled.positiontup)

    def _of_arrays(self, names: tuple[str, ...]) -> Insert:
        columns = self._statement.table.c
        arrays = [bindparam(name, type_=ARRAY(_unbounded(columns[name].type))) for name in names]
        return self._statement.from_select(
            list(names), select(*func.unnest(*arrays).table_valued(*names).render_derived().c), include_defaults=False
        )


class Appended(Prepared):
    """An INSERT of rows that never change and come in great numbers, as tuples with a value for each column of the table, in its order.

    PostgreSQL has them by COPY, a seventh of the work here and half of it there. COPY knows no ON CONFLICT: where it does not take
    them, because one is there already or for any other reason, they go the usual way, which says so.
    """

    def __init__(self, statement: "sqlite.Insert | postgresql.Insert", dialect: Dialect) -> None:
        super().__init__(statement, dialect)
        self._word(tuple(column.name for column in statement.table.columns))

    async def append(self, connection: AsyncConnection, values: list[tuple[Any, ...]]) -> None:
        if values and not (self._at_once and await self._copied(connection, values)):
            await self._execute(connection, values)

    async def _copied(self, connection: AsyncConnection, values: list[tuple[Any, ...]]) -> bool:
        try:
            async with connection.begin_nested():  # what went wrong in a transaction ends it, but for what is behind such a mark
                raw = (await connection.get_raw_connection()).driver_connection
                assert raw is not None
                await raw.copy_records_to_table(self._statement.table.name, columns=self._names, records=values)
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True


def _unbounded(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """A cast to a bounded string would cut off what does not fit; so the column itself refuses it."""
    return Text() if isinstance(kind, String) else kind


class Statements:
    """Base of each part. Everything raises ``StoreUnavailable`` when the database is away, or the keys of ``vault``."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    @property
    def vault(self) -> Vault:
        """What its texts are sealed by."""
        return self._vault

    async def _rows(self, query: Select[Any]) -> Sequence[Mapping[str, Any]]:
        """What is sealed is opened."""
        with in_words(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).mappings().all()
                return opened(self._vault, query, rows)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that is meant to write; the keys of what is sealed in it are on the disk before it is committed."""
        async with self._engine.connect() as connection:
            await connection.execution_options(writes=True)
            async with connection.begin():
                yield connection
                if self._vault.dirty:
                    await asyncio.to_thread(self._vault.sync)

    async def _update(self, statement: Update | Delete) -> int:
        """How many rows it changed."""
        with in_words(self._engine.url):
            async with self._writing() as connection:
                return (await connection.execute(statement)).rowcount

    def _prepared(self, statement: "sqlite.Insert | postgresql.Insert") -> Prepared:
        return Prepared(statement, self._engine.dialect)

    def _appended(self, statement: "sqlite.Insert | postgresql.Insert") -> Appended:
        return Appended(statement, self._engine.dialect)

    def _insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT that knows ON CONFLICT, which both databases spell alike and SQLAlchemy has per database."""
        return sqlite.insert(table) if self._engine.dialect.name == "sqlite" else postgresql.insert(table)
