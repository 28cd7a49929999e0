"""What people want done with calls to them."""

from dataclasses import asdict

from sqlalchemy import select

from api.store.database import in_words
from api.store.rows import StoredHandling
from api.store.schema import call_handling
from api.store.statements import Statements


class CallHandlingStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def everybodys(self) -> list[StoredHandling]:
        return [StoredHandling(**row) for row in await self._rows(select(call_handling).order_by(call_handling.c.identity))]

    async def of(self, identity: str) -> StoredHandling | None:
        """None where this person never said."""
        rows = await self._rows(select(call_handling).where(call_handling.c.identity == identity))
        return StoredHandling(**rows[0]) if rows else None

    async def keep(self, handling: StoredHandling) -> None:
        row = asdict(handling)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                statement = self._insert(call_handling).values(row)
                await connection.execute(statement.on_conflict_do_update(index_elements=["identity"], set_=row))
