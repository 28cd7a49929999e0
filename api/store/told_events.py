"""What was told to other programs, kept for a while, each event with its place. Times are seconds since the epoch."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.privacy.sealed_rows import is_customer, seal_told
from api.privacy.vault import Vault
from api.store.after_tables import told_events
from api.store.places import Places
from api.store.room_rows import Row


class ToldEventStore(Places):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        super().__init__(engine, vault)
        self._keep = self._prepared(self._insert(told_events).on_conflict_do_nothing(index_elements=["event_id"]))

    def person_of(self, number: str) -> str:
        """The handle of the customer with this number; empty where it is none of a customer's."""
        return self._vault.number(number) if is_customer(number) else ""

    async def keep(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """In somebody's transaction. Written twice they stand once. ``person``: the handle of whom it is about, or empty."""
        sealed = [
            row | ({"body": self._vault.seal(row["person"], row["body"])} if row["person"] else seal_told(self._vault, row)) for row in rows
        ]
        await self._keep.run(connection, sealed)

    async def behind(self, place: int, limit: int) -> list[Row]:
        """In the order of their places, with each its own."""
        await self._give_places(told_events.c.seq, told_events.c.seq.is_(None), (told_events.c.number, told_events.c.event_id))
        query = select(told_events).where(told_events.c.seq > place).order_by(told_events.c.seq).limit(limit)
        return [dict(row) | {"body": self._vault.open(row["body"])} for row in await self._rows(query)]

    async def oldest(self) -> int:
        """The first place that is still there; 0: none is."""
        rows = await self._rows(select(func.min(told_events.c.seq).label("oldest")))
        return rows[0]["oldest"] or 0

    async def prune(self, before: float) -> int:
        """Forget what was told before then."""
        return await self._update(delete(told_events).where(told_events.c.created_at < before))
