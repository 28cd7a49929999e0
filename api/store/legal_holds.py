"""Legal holds, in the database: what is held must neither be erased on request nor by the passing of time."""

from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import select, update

from api.store.database import in_words
from api.store.legal_hold_tables import held_calls, held_people, legal_holds
from api.store.schema import recordings
from api.store.statements import Statements


class LegalHold(Struct, frozen=True):
    """``placed_at``, ``lifted_at``: seconds since the epoch; None: it is in force."""

    hold_id: str
    reason: str
    placed_by: str
    placed_at: float
    lifted_by: str = ""
    lifted_at: float | None = None


class LegalHoldStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def place(self, hold: LegalHold, handles: Collection[str], call_ids: Collection[str]) -> None:
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(legal_holds.insert().values({name: getattr(hold, name) for name in LegalHold.__struct_fields__}))
                await connection.execute(held_people.insert(), [{"hold_id": hold.hold_id, "person": handle} for handle in sorted(handles)])
                if call_ids:
                    await connection.execute(held_calls.insert(), [{"hold_id": hold.hold_id, "call_id": each} for each in sorted(call_ids)])

    async def lift(self, hold_id: str, by: str, now: float) -> bool:
        """The first time counts. Was this it?"""
        in_force = (legal_holds.c.hold_id == hold_id) & legal_holds.c.lifted_at.is_(None)
        return await self._update(update(legal_holds).where(in_force).values(lifted_by=by, lifted_at=now)) > 0

    async def every(self) -> list[LegalHold]:
        """The newest first."""
        return [LegalHold(**row) for row in await self._rows(select(legal_holds).order_by(legal_holds.c.placed_at.desc()))]

    async def in_force_for(self, handles: Collection[str]) -> list[LegalHold]:
        """What holds whoever has one of these handles."""
        whose = select(held_people.c.hold_id).where(held_people.c.person.in_(handles))
        query = select(legal_holds).where(legal_holds.c.lifted_at.is_(None), legal_holds.c.hold_id.in_(whose))
        return [LegalHold(**row) for row in await self._rows(query.order_by(legal_holds.c.placed_at))]

    async def held_files(self) -> frozenset[str]:
        """Of recordings that must stay."""
        in_force = select(legal_holds.c.hold_id).where(legal_holds.c.lifted_at.is_(None))
        of_calls = select(held_calls.c.call_id).where(held_calls.c.hold_id.in_(in_force))
        query = select(recordings.c.file).where(recordings.c.call_id.in_(of_calls))
        return frozenset(row["file"] for row in await self._rows(query))
