"""The connection to SQLite or PostgreSQL: what is set, and what its errors mean in words."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api.privacy.key_book import KeysUnavailable
from api.store.errors import StoreRefused, StoreUnavailable

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_CONNECT_S = 5.0
_COMMAND_S = 10.0
_BUSY_MS = 5_000
_WAL_AGAIN_S = 0.01
_POOL: Any = {"hide_parameters": True, "pool_size": 5, "max_overflow": 0, "pool_timeout": 10.0}
"""Who waits longer for one of the connections is told that the database does not answer."""


def database_url(url: str) -> URL:
    """Parse and check a database URL. ``?patience_s=`` in PostgreSQL's: so long it may take to connect and to answer, in place of 5 and 10
    seconds. Raises ``StoreUnavailable`` for one that we cannot use."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreUnavailable("store.url is no database URL: write postgresql://user:password@host/database, or sqlite:///file") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise StoreUnavailable(f"store.url names {parsed.drivername}, which we do not speak: use postgresql:// or sqlite:///")
    if driver.startswith("sqlite") and not parsed.database:
        raise StoreUnavailable("store.url names no file: write sqlite:///centralita.sqlite3, or four slashes for an absolute path")
    if not str(parsed.query.get("patience_s", "1")).isdecimal():
        raise StoreUnavailable("store.url has a patience_s that is no number of seconds: write postgresql://...?patience_s=30")
    return parsed.set(drivername=driver)


def make_engine(url: URL) -> AsyncEngine:
    """An engine for this database, not yet connected. Raises ``StoreUnavailable`` when the SQLite file cannot be made."""
    if url.get_backend_name() == "sqlite":
        _make_private(Path(url.database or ""))
        engine = create_async_engine(url, **_POOL, connect_args={"timeout": _BUSY_MS / 1000})
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    patience_s = url.query.get("patience_s")
    arguments, pool = {"timeout": _CONNECT_S, "command_timeout": _COMMAND_S}, _POOL
    if patience_s is not None:
        arguments, pool = dict.fromkeys(arguments, float(str(patience_s))), _POOL | {"pool_timeout": float(str(patience_s))}
    return create_async_engine(url.difference_update_query(["patience_s"]), **pool, pool_pre_ping=True, connect_args=arguments)


def _make_private(path: Path) -> None:
    """The file holds telephone numbers: it is made readable by us alone, and SQLite gives its log the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"The database file {path} cannot be opened ({error.strerror}): make its folder, or correct store.url."
        ) from None


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions by itself, and not before CREATE TABLE
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    _enter_wal(cursor)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _enter_wal(cursor: Any) -> None:
    """Several nodes may start on a new file at once, and SQLite's own patience does not cover this change of the whole file."""
    until_s = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until_s:
                raise
            time.sleep(_WAL_AGAIN_S)


def _begin_sqlite(connection: Connection) -> None:
    """Writers say so at once and wait for one another; readers see the state of their first query and wait for nobody. ``alone``: what is
    to be done can be no part of a transaction."""
    options = connection.get_execution_options()
    if not options.get("alone", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes", False) else "BEGIN")


_UNREACHABLE = (SQLAlchemyError, OSError, TimeoutError)


@contextmanager
def in_words(url: URL) -> Iterator[None]:
    """Turns every error of the database into ``StoreUnavailable``, and one of the keys of people, without which it says nothing.

    Parameters of statements, which are people's, stay out of it."""
    try:
        yield
    except KeysUnavailable as error:
        raise StoreUnavailable(str(error)) from error
    except _UNREACHABLE as error:
        if _is_for_good(error):
            raise StoreRefused(f"The database {_name(url)} does not take this: {_reason(error)}") from error
        raise StoreUnavailable(f"The database {_name(url)} cannot be used: {_reason(error)}") from error


def _is_for_good(error: BaseException) -> bool:
    """SQLSTATE classes 22 (data exception) and 23 (integrity constraint violation), or what SQLite has instead."""
    if isinstance(error, DataError | IntegrityError):
        return True
    origin = error.orig if isinstance(error, DBAPIError) else None
    return str(getattr(origin, "sqlstate", None))[:2] in ("22", "23")


def _name(url: URL) -> str:
    return str(url.database) if url.get_backend_name() == "sqlite" else f"{url.database} at {url.host or 'localhost'}:{url.port or 5432}"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "it did not answer in time. See whether it runs and can be reached."
    if isinstance(error, ConnectionError | OSError) and not isinstance(error, SQLAlchemyError):
        return f"{error.strerror or error}. See whether it runs and whether host and port in store.url are right."
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{str(origin).splitlines()[0] if str(origin) else type(origin).__name__}."
