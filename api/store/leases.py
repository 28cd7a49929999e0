"""Leases, in the database: one row for each work that one node is enough for."""

import time
from collections.abc import Callable

from sqlalchemy import ColumnElement, Double, cast, delete, extract, func, literal, or_

from api.store.database import in_words
from api.store.lease_tables import leases
from api.store.statements import Statements


class LeaseStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    clock: Callable[[], float] | None = None
    """Seconds since the epoch; None: the database's own where it is a server, else this machine's."""

    async def take(self, name: str, holder: str, lasts_s: float) -> bool:
        """Take it where it is free or its time is over, or renew it. Does ``holder`` have it now?"""
        now = self._now()
        taken = self._insert(leases).values(name=name, holder=holder, until=now + lasts_s)
        taken = taken.on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": taken.excluded.holder, "until": taken.excluded.until},
            where=or_(leases.c.holder == holder, leases.c.until <= now),
        )
        with in_words(self._engine.url):
            async with self._writing() as connection:
                return (await connection.execute(taken.returning(leases.c.holder))).first() is not None

    async def give_back(self, holder: str) -> None:
        """All of them."""
        await self._update(delete(leases).where(leases.c.holder == holder))

    def _now(self) -> ColumnElement[float]:
        if self.clock is not None:
            return literal(self.clock())
        if self._engine.dialect.name == "postgresql":
            return cast(extract("epoch", func.clock_timestamp()), Double)
        return literal(time.time())
