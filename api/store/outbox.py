"""What is still to be written at other systems, in the database. Times are seconds since the epoch."""

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, func, select, tuple_, update
from sqlalchemy.orm import aliased

from api.store.database import in_words
from api.store.outbox_tables import outbox
from api.store.rows import Row
from api.store.statements import Statements

WAITING, DONE, DEAD, DROPPED = "waiting", "done", "dead", "dropped"


class OutboxEntry(Struct, frozen=True):
    """As it stands, but for its body. ``fault``: why it was not taken the last time. Other words as in ``outbox_tables``."""

    entry_id: str
    idem: str
    kind: str
    backend: str
    subject: str
    call_id: str
    needs: str
    created_at: float
    since_at: float
    due_at: float
    attempts: int
    state: str
    fault: str
    ended_at: float | None


class Claimed(Struct, frozen=True):
    """An entry that is ours to deliver. ``body`` is sealed."""

    entry: OutboxEntry
    body: str


_SHOWN = tuple(outbox.c[name] for name in OutboxEntry.__struct_fields__)


class OutboxStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away. New entries are lines of the store's writer."""

    async def claim(
        self, holder: str, now: float, until: float, limit: int, *, kinds: Collection[str], full: Collection[str] = ()
    ) -> list[Claimed]:
        """At most so many entries of these kinds that are due, the longest first, each the first of its subject: nobody else delivers them
        until then. None of the backends that are ``full``."""
        query = select(*_SHOWN, outbox.c.body).where(_is_first(), outbox.c.due_at <= now, outbox.c.held_until <= now)
        query = query.where(outbox.c.kind.in_(kinds))
        if full:
            query = query.where(outbox.c.backend.not_in(full))
        claimed = []
        found = await self._rows(query.order_by(outbox.c.due_at, outbox.c.number).limit(limit))
        if not found:
            return []
        with in_words(self._engine.url):
            async with self._writing() as connection:
                for row in found:
                    free = (outbox.c.entry_id == row["entry_id"], outbox.c.state == WAITING, outbox.c.held_until <= now)
                    taken = await connection.execute(update(outbox).where(*free).values(holder=holder, held_until=until))
                    if taken.rowcount == 1:
                        values = dict(row)
                        claimed.append(Claimed(body=values.pop("body"), entry=OutboxEntry(**values)))
        return claimed

    async def next_due(self, now: float, kinds: Collection[str]) -> float | None:
        """When the next one of these kinds that nobody delivers may be tried; None: there is none."""
        query = select(func.min(outbox.c.due_at).label("due")).where(_is_first(), outbox.c.held_until <= now, outbox.c.kind.in_(kinds))
        due: float | None = (await self._rows(query))[0]["due"]
        return due

    async def finish(self, entry_id: str, holder: str, result: str, now: float) -> bool:
        """It was taken. False: it was not ours any more."""
        values = {"state": DONE, "fault": "", "body": "", "result": result, "ended_at": now, "held_until": 0.0}
        return await self._settle(entry_id, holder, values)

    async def put_off(self, entry_id: str, holder: str, fault: str, due_at: float, attempts: int) -> bool:
        """It was not taken, and is tried again."""
        return await self._settle(entry_id, holder, {"fault": fault, "due_at": due_at, "attempts": attempts, "held_until": 0.0})

    async def bury(self, entry_id: str, holder: str, fault: str, attempts: int, now: float) -> bool:
        """It was not taken, and is tried no more."""
        values = {"state": DEAD, "fault": fault, "attempts": attempts, "ended_at": now, "held_until": 0.0}
        return await self._settle(entry_id, holder, values)

    async def forget(self, entry_id: str, holder: str, now: float) -> bool:
        """Whom it is about was erased: there is nothing left of it to deliver."""
        values = {"state": DROPPED, "fault": "Whom it is about was erased.", "body": "", "ended_at": now, "held_until": 0.0}
        return await self._settle(entry_id, holder, values)

    async def _settle(self, entry_id: str, holder: str, values: Row) -> bool:
        ours = (outbox.c.entry_id == entry_id, outbox.c.holder == holder, outbox.c.state == WAITING)
        return await self._update(update(outbox).where(*ours).values(values)) == 1

    async def release(self, holder: str) -> None:
        """Another node, or this one started again, may go on at once."""
        await self._update(update(outbox).where(outbox.c.holder == holder, outbox.c.state == WAITING).values(held_until=0.0))

    async def result_of(self, idem: str) -> tuple[str, str] | None:
        """Its state, and its result, sealed; None: there is no such entry."""
        found = await self._rows(select(outbox.c.state, outbox.c.result).where(outbox.c.idem == idem))
        return (found[0]["state"], found[0]["result"]) if found else None

    # ------------------------------------------------------------------ what people see and do

    async def entry(self, entry_id: str) -> OutboxEntry | None:
        found = await self._rows(select(*_SHOWN).where(outbox.c.entry_id == entry_id))
        return OutboxEntry(**found[0]) if found else None

    async def entries(self, state: str, limit: int, after: str = "") -> list[OutboxEntry]:
        """Those in this state, the oldest first, behind this one."""
        query = select(*_SHOWN).where(outbox.c.state == state)
        if after:
            place = select(outbox.c.created_at, outbox.c.entry_id).where(outbox.c.entry_id == after)
            query = query.where(tuple_(outbox.c.created_at, outbox.c.entry_id) > place.scalar_subquery())
        rows = await self._rows(query.order_by(outbox.c.created_at, outbox.c.entry_id).limit(limit))
        return [OutboxEntry(**row) for row in rows]

    async def of_call(self, call_id: str) -> list[OutboxEntry]:
        """The oldest first."""
        rows = await self._rows(select(*_SHOWN).where(outbox.c.call_id == call_id).order_by(outbox.c.number))
        return [OutboxEntry(**row) for row in rows]

    async def counts(self) -> dict[str, int]:
        """How many are in each state."""
        rows = await self._rows(select(outbox.c.state, func.count().label("count")).group_by(outbox.c.state))
        return {row["state"]: row["count"] for row in rows}

    async def retry(self, entry_ids: Iterable[str], now: float) -> int:
        """Dead ones are tried anew. How many they were."""
        values = {"state": WAITING, "attempts": 0, "since_at": now, "due_at": now, "ended_at": None, "held_until": 0.0}
        of_them = (outbox.c.entry_id.in_(list(entry_ids)), outbox.c.state == DEAD)
        return await self._update(update(outbox).where(*of_them).values(values))

    async def needing(self, idem: str) -> list[str]:
        """Dead ones that want the result of this one."""
        return [
            row["entry_id"] for row in await self._rows(select(outbox.c.entry_id).where(outbox.c.needs == idem, outbox.c.state == DEAD))
        ]

    async def drop(self, entry_id: str, now: float) -> bool:
        """It is given up, and its body forgotten; not while it is being delivered."""
        of_it = (outbox.c.entry_id == entry_id, outbox.c.state.in_((DEAD, WAITING)), outbox.c.held_until <= now)
        values = {"state": DROPPED, "body": "", "ended_at": now}
        return await self._update(update(outbox).where(*of_it).values(values)) == 1

    async def prune(self, before: float) -> int:
        """Forget those that were done or dropped before then."""
        return await self._update(delete(outbox).where(outbox.c.state.in_((DONE, DROPPED)), outbox.c.ended_at < before))


def _is_first() -> ColumnElement[bool]:
    """It waits, and nothing of its subject at its backend waits before it."""
    other: Any = aliased(outbox)
    before = select(other.c.entry_id).where(
        other.c.backend == outbox.c.backend,
        other.c.subject == outbox.c.subject,
        other.c.state == WAITING,
        other.c.number < outbox.c.number,
    )
    waiting: ColumnElement[bool] = (outbox.c.state == WAITING) & ~before.exists()
    return waiting
