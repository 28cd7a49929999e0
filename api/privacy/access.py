"""What is kept of a person, to be handed to them as a file that programs can read (GDPR articles 15 and 20).

Of every table of personal data it has the rows that are about them and those of what they took part in. A text is theirs when it is sealed
under a key of theirs; in a row that is about somebody else too, the other's texts are left out.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, select

from api.privacy.erasure import Person, portions, theirs
from api.privacy.personal import PERSONAL, Personal
from api.privacy.sealed_rows import named
from api.privacy.vault import is_sealed
from api.store.database import in_words
from api.store.origins import read_origins
from api.store.schema import metadata
from api.store.statements import Statements

Row = dict[str, Any]
_ORIGINS = "origins"
_BESIDE: Mapping[str, str] = {"recordings": "call_id", "queue_visits": "call_id", "survey_answers": "survey_id"}
"""Tables without texts of a customer that tell of them all the same, and the column by which they belong to a row above."""
_NOT_TOLD = frozenset({"digest", "token_hash", "token_key", "idem", "taken", "record_seq", "boot_id", "file"})
"""Columns that serve the machine alone."""


class Kept(Struct, frozen=True):
    """``rows`` by the names of their columns; times by ISO 8601 in UTC."""

    table: str
    purpose: str
    rows: list[Row]


class SubjectCopy(Struct, frozen=True):
    """Everything that is kept of a person, ``made_at`` by ISO 8601."""

    made_at: str
    contact_id: str
    kept: list[Kept]


class SubjectAccess(Statements):
    """Everything raises ``StoreUnavailable`` when the database or the books of keys are away."""

    async def copy_for(self, person: Person, now: float) -> SubjectCopy:
        """``now``: seconds since the epoch."""
        kept: list[Kept] = []
        ids: dict[str, set[str]] = {}
        for name, personal in PERSONAL.items():
            rows = await self._about(metadata.tables[name], _conditions(metadata.tables[name], personal, person))
            for column in ("call_id", "survey_id"):
                ids.setdefault(column, set()).update(row[column] for row in rows if row.get(column))
            if rows and (personal.sealed or not personal.index):
                kept.append(Kept(name, personal.purpose, [self._theirs_in(row, personal, person.handles) for row in rows]))
        for name, column in _BESIDE.items():
            table = metadata.tables[name]
            rows = await self._about(table, (table.c[column].in_(some) for some in portions(sorted(ids.get(column, ())))))
            if rows:
                kept.append(Kept(name, "", [_told(row) for row in rows]))
        return SubjectCopy(_iso(now), person.contact_id, kept)

    async def _about(self, table: Table, conditions: Iterator[ColumnElement[bool]]) -> list[Row]:
        """Rows as they lie there, each once."""
        found: dict[tuple[Any, ...], Row] = {}
        keys = [column.name for column in table.primary_key]
        with in_words(self._engine.url):
            async with self._engine.connect() as connection:
                for condition in conditions:
                    for row in (await connection.execute(select(table).where(condition))).mappings():
                        found[tuple(row[key] for key in keys)] = dict(row)
        return list(found.values())

    def _theirs_in(self, row: Row, personal: Personal, handles: Collection[str]) -> Row:
        def opened(text: str) -> str | None:
            if not is_sealed(text):
                return text
            return self._vault.open(text) if self._vault.handle_of(text) in handles else None

        plain = {name: value for name, value in row.items() if name not in personal.handles}
        texts = {name: opened(row[name]) for name in personal.sealed if row[name] is not None}
        return _told(plain | texts | {name: named(row[name], lambda _, sealed: opened(sealed) or "") for name in personal.within})


def _conditions(table: Table, personal: Personal, person: Person) -> Iterator[ColumnElement[bool]]:
    """What finds their rows: their handles, their contact, and ids of what they took part in."""
    yield from theirs(table, personal, person.handles, person.contact_id)
    if personal.own is not None:
        column, kind = personal.own
        for some in portions(sorted(person.ids.get(kind, ()))):
            yield table.c[column].in_(some)


def _told(row: Row) -> Row:
    shown = {name: _lineage(value) if name == _ORIGINS else value for name, value in row.items() if name not in _NOT_TOLD}
    return {name: _iso(value) if _is_time(name) and isinstance(value, float) else value for name, value in shown.items()}


def _lineage(column: str) -> Row:
    """Of each field where it came from, by whom and when."""
    return {name: {"source": origin.source, "by": origin.by, "at": _iso(origin.at)} for name, origin in read_origins(column).items()}


def _is_time(name: str) -> bool:
    return name in ("at", "since", "hold_until") or name.endswith("_at")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
