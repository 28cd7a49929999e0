"""Places in one order for rows that several nodes write, so that a reader gets each once and misses none.

They are given when somebody asks, by one counter whose row is locked meanwhile: whoever has read up to a place has read everything before
it, whichever node wrote it and however late.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, bindparam, select, update

from api.store.database import in_words
from api.store.record_tables import record_numbers
from api.store.statements import Statements

_AT_ONCE = 1_000


class Places(Statements):
    """Base of the parts of the store whose rows have places."""

    async def _give_places(self, column: Column[Any], complete: ColumnElement[bool], order: Sequence[ColumnElement[Any]]) -> None:
        """Every row that is ``complete`` and has none gets its place into ``column``."""
        table = column.table
        keys = list(table.primary_key.columns)
        some = select(*keys).where(complete).order_by(*order).limit(_AT_ONCE)
        while await self._rows(some.limit(1)):
            with in_words(self._engine.url):
                async with self._writing() as connection:
                    counter = record_numbers.c.kind == table.name
                    hold = update(record_numbers).where(counter).values(last=record_numbers.c.last).returning(record_numbers.c.last)
                    last = (await connection.execute(hold)).scalar_one()
                    found = (await connection.execute(some)).all()
                    if not found:
                        return
                    place = update(table).where(*(key == bindparam(f"of_{key.name}") for key in keys))
                    placed = [
                        {"place": at, **{f"of_{key.name}": value for key, value in zip(keys, row, strict=True)}}
                        for at, row in enumerate(found, start=last + 1)
                    ]
                    await connection.execute(place.values({column.name: bindparam("place")}), placed)
                    await connection.execute(update(record_numbers).where(counter).values(last=last + len(found)))
