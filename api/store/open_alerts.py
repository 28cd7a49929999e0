"""Alerts of queues that are open at each node, and who sees to them: so that a node that starts again does not tell of them anew."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from api.store.alert_tables import open_alerts
from api.store.database import in_words
from api.store.rows import Row
from api.store.statements import Statements


class OpenAlertStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def of(self, node: str) -> list[Row]:
        """Those that were open when this node wrote last."""
        query = select(*(column for column in open_alerts.c if column.name != "node")).where(open_alerts.c.node == node)
        return [dict(row) for row in await self._rows(query.order_by(open_alerts.c.alert_id))]

    async def keep(self, node: str, rows: Sequence[Row]) -> None:
        """These are all that are open at this node now."""
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(delete(open_alerts).where(open_alerts.c.node == node))
                if rows:
                    await connection.execute(self._insert(open_alerts), [{"node": node, **row} for row in rows])
