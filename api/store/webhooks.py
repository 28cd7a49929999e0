"""Events that receivers have not taken yet, and how it stands with each receiver, in the database. Times are seconds since the epoch."""

from collections.abc import Sequence

from msgspec.structs import asdict
from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from api.privacy.personal import seal_row
from api.privacy.vault import Vault
from api.store.database import in_words
from api.store.room_rows import Row
from api.store.room_tables import webhook_endpoints, webhook_outbox
from api.store.statements import Statements
from api.store.told_events import ToldEventStore
from api.webhook_endpoint import Endpoint

_STANDING = tuple(webhook_endpoints.c[name] for name in Endpoint.__struct_fields__)


class WebhookStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away. ``told``: what is remembered of what was told."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        super().__init__(engine, vault)
        self.told = ToldEventStore(engine, vault)
        self._add = self._prepared(self._insert(webhook_outbox).on_conflict_do_nothing(index_elements=["event_id", "url"]))

    # ------------------------------------------------------------------ events

    async def add(self, rows: Sequence[Row], told: Sequence[Row] = ()) -> None:
        """``rows``: an event for a receiver; ``told``: an event to be remembered. Written twice they stand once."""
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await self._add.run(connection, [seal_row(self._vault, "webhook_outbox", row) for row in rows])
                await self.told.keep(connection, told)

    async def waiting(self) -> dict[str, int]:
        """How many wait for each receiver."""
        query = select(webhook_outbox.c.url, func.count().label("waiting")).group_by(webhook_outbox.c.url)
        return {row["url"]: row["waiting"] for row in await self._rows(query)}

    async def due(self, url: str, now: float, limit: int) -> list[Row]:
        """Of each subject the first, where it may be tried now, the oldest first."""
        query = select(webhook_outbox).where(_first(url), webhook_outbox.c.due_at <= now).order_by(webhook_outbox.c.number)
        return [dict(row) for row in await self._rows(query.limit(limit))]

    async def next_due(self, url: str) -> float | None:
        """When the next one may be tried."""
        found = await self._rows(select(func.min(webhook_outbox.c.due_at).label("due")).where(_first(url)))
        due: float | None = found[0]["due"]
        return due

    async def put_off(self, event_id: str, url: str, due_at: float, attempts: int) -> None:
        await self._update(update(webhook_outbox).where(_this(event_id, url)).values(due_at=due_at, attempts=attempts))

    async def drop(self, event_id: str, url: str) -> None:
        """It was taken, or is given up."""
        await self._update(delete(webhook_outbox).where(_this(event_id, url)))

    async def drop_all(self, url: str) -> int:
        """How many waited for this receiver."""
        return await self._update(delete(webhook_outbox).where(webhook_outbox.c.url == url))

    # ------------------------------------------------------------------ receivers

    async def hold(self, url: str, holder: str, now: float, until: float) -> bool:
        """May this node post to this receiver until then? Only one may."""
        new = asdict(Endpoint(url)) | {"holder": holder, "held_until": until}
        free = or_(webhook_endpoints.c.holder == holder, webhook_endpoints.c.held_until < now)
        statement = self._insert(webhook_endpoints).values(new)
        statement = statement.on_conflict_do_update(index_elements=["url"], set_={"holder": holder, "held_until": until}, where=free)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                return (await connection.execute(statement)).rowcount == 1

    async def release(self, holder: str) -> None:
        """Another node may go on at once."""
        await self._update(update(webhook_endpoints).where(webhook_endpoints.c.holder == holder).values(held_until=0.0))

    async def endpoints(self) -> list[Endpoint]:
        """All that were ever posted to, by address."""
        return [Endpoint(**row) for row in await self._rows(select(*_STANDING).order_by(webhook_endpoints.c.url))]

    async def keep_endpoint(self, endpoint: Endpoint) -> bool:
        """Is it known? How it stands with it now."""
        values = asdict(endpoint)
        return await self._update(update(webhook_endpoints).where(webhook_endpoints.c.url == values.pop("url")).values(values)) == 1


def _this(event_id: str, url: str) -> ColumnElement[bool]:
    return (webhook_outbox.c.event_id == event_id) & (webhook_outbox.c.url == url)


def _first(url: str) -> ColumnElement[bool]:
    """Nothing of its subject waits before it."""
    firsts = select(func.min(webhook_outbox.c.number)).where(webhook_outbox.c.url == url).group_by(webhook_outbox.c.subject)
    return (webhook_outbox.c.url == url) & webhook_outbox.c.number.in_(firsts)
