"""The whole database as one file, and back: from SQLite or PostgreSQL to either.

An archive is a zip file: ``TABLE.jsonl`` for each table, a row on a line as it stands there (what is sealed stays sealed, and no key is in
it), and ``manifest.json`` last, with the schema's revision, and columns, count and SHA-256 of each table. It is made from one snapshot of
the database, while it is at work: SQLite's WAL and PostgreSQL's REPEATABLE READ give the same to a reader. To put it back is one
transaction: all of it, or nothing.
"""

import asyncio
import hashlib
import json
import os
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, MetaData, column, delete, func, insert, inspect, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.store.database import in_words, make_engine
from api.store.errors import StoreUnavailable
from api.store.migrate import migrate, newest_revision, revision_of
from api.store.schema import metadata

_FORMAT = "centralita 1"
_MANIFEST = "manifest.json"
_PAGE = 500
_DERIVED = "article_words"
"""Made anew from ``articles``: each database has its own kind of it."""
_KEPT = "alembic_version"
_BEGUN_WITH = frozenset({"record_numbers", "node_runs"})
"""A database has something in these before anybody was called."""


class TableFacts(msgspec.Struct, frozen=True):
    """``digest``: SHA-256 of its lines."""

    name: str
    columns: tuple[str, ...]
    rows: int
    digest: str


class Manifest(msgspec.Struct, frozen=True):
    """``made_at``: seconds since the epoch. ``tables``: each behind those that it refers to."""

    format: str
    made_at: float
    database: str
    revision: str
    tables: tuple[TableFacts, ...]

    @property
    def rows(self) -> int:
        return sum(facts.rows for facts in self.tables)


class BadArchive(Exception):
    """The file is no archive, or not as it was made; the message says what is wrong."""


async def back_up(url: URL, path: Path, now: float) -> Manifest:
    """Write the archive, whole or not at all. Raises ``StoreUnavailable``; OSError where the file cannot be written."""
    part = path.with_name(f"{path.name}.part")
    async with _snapshot(url) as connection:
        revision = await connection.run_sync(revision_of)
        if revision != newest_revision():
            raise StoreUnavailable(f"The database has schema {revision or 'none'}, not {newest_revision()}: `centralita db upgrade` first.")
        tables = []
        try:
            with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                    for each in metadata.sorted_tables:
                        with archive.open(f"{each.name}.jsonl", "w", force_zip64=True) as lines:
                            names = tuple(map(str, each.c.keys()))
                            tables.append(await _read_table(connection, each.name, names, lines.write))
                    manifest = Manifest(_FORMAT, now, url.get_backend_name(), revision, tuple(tables))
                    archive.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return manifest


def check(path: Path) -> Manifest:
    """Read all of it, and compare with what its manifest says. Raises ``BadArchive``; OSError where it cannot be read."""
    with _opened(path) as archive:
        manifest = _manifest(archive)
        for facts in manifest.tables:
            digest, rows = hashlib.sha256(), 0
            try:
                with archive.open(f"{facts.name}.jsonl") as lines:
                    for line in lines:
                        digest.update(line)
                        rows += 1
            except (KeyError, zipfile.BadZipFile, EOFError, ValueError) as error:
                raise BadArchive(f"{path.name}: the table {facts.name} is missing or damaged.") from error
            if (rows, digest.hexdigest()) != (facts.rows, facts.digest):
                raise BadArchive(f"{path.name}: the table {facts.name} is not as it was: {rows} rows of {facts.rows}.")
    return manifest


async def restore(url: URL, path: Path, *, replace: bool) -> Manifest:
    """Put an archive into a database, and bring that to the newest schema. ``replace``: what is there goes.

    Raises ``BadArchive`` before anything is touched; ``StoreUnavailable``, also where the database is not empty; OSError.
    """
    manifest = check(path)
    engine = make_engine(url)
    try:
        with in_words(url), _opened(path) as archive:
            async with engine.connect() as connection:
                await connection.execution_options(writes=True)
                async with connection.begin():
                    await connection.run_sync(_make_room, replace)
                    await connection.run_sync(migrate, manifest.revision)
                    await _fill(connection, archive, manifest)
                    await connection.run_sync(migrate)
    finally:
        await engine.dispose()
    return manifest


async def looked_over(url: URL) -> tuple[str, dict[str, int], list[str]]:
    """The schema's revision, rows by table, and what is wrong with the database; nothing: all is well. Raises ``StoreUnavailable``."""
    async with _snapshot(url) as connection:
        revision = await connection.run_sync(revision_of)
        faults = [] if revision == newest_revision() else [f"The schema is {revision or 'none'}, this program's {newest_revision()}."]
        if connection.dialect.name == "sqlite":
            found = (await connection.execute(text("PRAGMA integrity_check"))).scalars().all()
            faults += [str(words) for words in found if words != "ok"]
            loose = (await connection.execute(text("PRAGMA foreign_key_check"))).all()
            faults += [f"A row of {row[0]} refers to one of {row[2]} that is not there." for row in loose]
        there = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        faults += [f"The table {each.name} is missing." for each in metadata.sorted_tables if each.name not in there]
        rows = {}
        for each in metadata.sorted_tables:
            if each.name in there:
                rows[each.name] = await connection.run_sync(_count, each.name)
    return revision, rows, faults


async def upgrade(url: URL) -> tuple[str, str]:
    """Bring the database to the newest schema: from which one, to which. Raises ``StoreUnavailable``."""
    engine = make_engine(url)
    try:
        with in_words(url):
            async with engine.connect() as connection:
                await connection.execution_options(writes=True)
                async with connection.begin():
                    before = await connection.run_sync(revision_of)
                    await connection.run_sync(migrate)
    finally:
        await engine.dispose()
    return before, newest_revision()


@asynccontextmanager
async def _snapshot(url: URL) -> AsyncIterator[AsyncConnection]:
    """What the database is now, whatever is written meanwhile."""
    if url.get_backend_name() == "sqlite" and not await asyncio.to_thread(Path(url.database or "").exists):
        raise StoreUnavailable(f"There is no database {url.database}.")
    engine = make_engine(url)
    try:
        with in_words(url):
            async with engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                yield connection
    finally:
        await engine.dispose()


async def _read_table(connection: AsyncConnection, name: str, names: tuple[str, ...], write: Callable[[bytes], Any]) -> TableFacts:
    """By its key, so that the same rows give the same digest. What is sealed is read as it stands."""
    known = metadata.tables[name]
    query = select(*(known.c[each] for each in names)).order_by(*known.primary_key.columns)
    digest, rows = hashlib.sha256(), 0
    result = await connection.stream(query.execution_options(yield_per=_PAGE))
    async for page in result.partitions(_PAGE):
        body = b"".join(_line(row) for row in page)
        digest.update(body)
        write(body)
        rows += len(page)
    return TableFacts(str(name), names, rows, digest.hexdigest())


def _line(row: Sequence[Any]) -> bytes:
    return json.dumps(list(row), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _make_room(connection: Connection, replace: bool) -> None:
    """Drop every table, or see that none has anything in it."""
    there = [name for name in inspect(connection).get_table_names() if not name.startswith("sqlite_")]
    known = [name for name in there if not name.startswith(_DERIVED) and name != _KEPT]
    full = [name for name in known if name not in _BEGUN_WITH and _count(connection, name)]
    if full and not replace:
        raise StoreUnavailable(
            f"The database is not empty (there is something in {', '.join(sorted(full)[:5])}): give an empty one, or --replace."
        )
    if _DERIVED in there:
        connection.execute(text(f"DROP TABLE {_DERIVED}"))
    old = MetaData()
    old.reflect(connection, only=[*known, *(name for name in there if name == _KEPT)])
    old.drop_all(connection)


def _count(connection: Connection, name: str) -> int:
    return int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())


async def _fill(connection: AsyncConnection, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    if connection.dialect.name == "sqlite":
        await connection.execute(text("PRAGMA defer_foreign_keys=ON"))
    for facts in reversed(manifest.tables):  # migrations begin some with a row
        await connection.execute(delete(table(facts.name)))
    for facts in manifest.tables:
        statement = insert(table(facts.name, *map(column, facts.columns)))
        rows = 0
        for page in _pages(archive, facts.name):
            await connection.execute(statement, [dict(zip(facts.columns, row, strict=True)) for row in page])
            rows += len(page)
        found = await connection.run_sync(_count, facts.name)
        if found != facts.rows or rows != facts.rows:
            raise StoreUnavailable(f"Of {facts.rows} rows of {facts.name} the database has {found}.")


def _pages(archive: zipfile.ZipFile, name: str) -> Iterator[list[list[Any]]]:
    with archive.open(f"{name}.jsonl") as lines:
        page: list[list[Any]] = []
        for line in lines:
            page.append(json.loads(line))
            if len(page) == _PAGE:
                yield page
                page = []
        if page:
            yield page


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise BadArchive(f"{path.name} is no archive of centralita, or its end is missing.") from error


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    try:
        manifest = msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
    except (KeyError, msgspec.MsgspecError, zipfile.BadZipFile) as error:
        raise BadArchive("This is no archive of centralita: its manifest is missing or damaged.") from error
    if manifest.format != _FORMAT:
        raise BadArchive(f"This archive is of another kind: {manifest.format}.")
    return manifest
