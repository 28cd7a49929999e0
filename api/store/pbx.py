"""Extensions, queues and numbers of a PBX as it was last asked, and what it says of our calls."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from sqlalchemy import Table, delete, select, update

from api.store.database import in_words
from api.store.pbx_tables import pbx_calls, pbx_dids, pbx_extensions, pbx_queues
from api.store.rows import Row
from api.store.statements import Statements


class PbxExtension(Struct, frozen=True):
    """``identity``: the user here who has it; None for nobody. Times in seconds since the epoch; so below."""

    number: str
    pbx_id: int
    name: str
    email: str
    identity: str | None
    profile: str
    queue_status: str
    registered: bool
    seen_at: float


class PbxQueueRow(Struct, frozen=True):
    """``agents``: extensions."""

    number: str
    name: str
    agents: list[str]
    seen_at: float


class PbxDidRow(Struct, frozen=True):
    """``target``: where calls to it go, where that is known."""

    number: str
    name: str
    target: str
    seen_at: float


class PbxCall(Struct, frozen=True):
    """The PBX's own word on a call of ours. ``mos`` None: it measured none. ``judgement``: in its words."""

    call_id: str
    pbx_id: str
    answered: bool
    talked_s: float
    reason: str
    mos: float | None
    round_trip_ms: float | None
    jitter_ms: float | None
    lost: float
    packets: int
    codec: str
    judgement: str
    joined_at: float


class PbxStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def replace(self, extensions: Iterable[PbxExtension], queues: Iterable[PbxQueueRow], dids: Iterable[PbxDidRow]) -> None:
        """All of them as they are now; what the PBX has no more is forgotten."""
        rows: list[tuple[Table, list[Row]]] = [
            (pbx_extensions, [_row(each) for each in extensions]),
            (pbx_queues, [_row(each) | {"agents": " ".join(each.agents)} for each in queues]),
            (pbx_dids, [_row(each) for each in dids]),
        ]
        with in_words(self._engine.url):
            async with self._writing() as connection:
                for table, values in rows:
                    await connection.execute(delete(table))
                    if values:
                        await connection.execute(table.insert(), values)

    async def extensions(self) -> list[PbxExtension]:
        return [PbxExtension(**row) for row in await self._rows(select(pbx_extensions).order_by(pbx_extensions.c.number))]

    async def queues(self) -> list[PbxQueueRow]:
        rows = await self._rows(select(pbx_queues).order_by(pbx_queues.c.number))
        return [PbxQueueRow(**{**row, "agents": row["agents"].split()}) for row in rows]

    async def dids(self) -> list[PbxDidRow]:
        return [PbxDidRow(**row) for row in await self._rows(select(pbx_dids).order_by(pbx_dids.c.number))]

    async def set_state(self, states: Mapping[str, tuple[str, str, bool]], at: float) -> None:
        """Profile, queue log-in and registration of these extensions, as they were seen."""
        with in_words(self._engine.url):
            async with self._writing() as connection:
                for number, (profile, queue_status, registered) in states.items():
                    values = {"profile": profile, "queue_status": queue_status, "registered": registered, "seen_at": at}
                    await connection.execute(update(pbx_extensions).where(pbx_extensions.c.number == number).values(values))

    async def put_call(self, call: PbxCall) -> None:
        """The newest counts."""
        row = _row(call)
        statement = self._insert(pbx_calls).values(row).on_conflict_do_update(index_elements=["call_id"], set_=row)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(statement)

    async def call(self, call_id: str) -> PbxCall | None:
        rows = await self._rows(select(pbx_calls).where(pbx_calls.c.call_id == call_id))
        return PbxCall(**rows[0]) if rows else None


def _row(each: Struct) -> Row:
    return {name: getattr(each, name) for name in each.__struct_fields__}
