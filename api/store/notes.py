"""Notes of calls, and how their wrap-up ended, in the database. Times are seconds since the epoch."""

import msgspec
from msgspec import Struct
from sqlalchemy import exists, select, update

from api.store.after_tables import call_notes
from api.store.call_back_tables import wrap_ups
from api.store.database import in_words
from api.store.record_tables import queue_visits
from api.store.statements import Statements


class StoredNote(Struct, frozen=True):
    """``told``: the revision that each backend has."""

    call_id: str
    text: str
    revision: int
    by: str
    at: float
    told: dict[str, int]


class NoteStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def note(self, call_id: str) -> StoredNote | None:
        found = await self._rows(select(call_notes).where(call_notes.c.call_id == call_id))
        if not found:
            return None
        row = found[0]
        told = msgspec.json.decode(row["told"], type=dict[str, int])
        return StoredNote(call_id, self._vault.open(row["text"]), row["revision"], row["by"], row["at"], told)

    async def write(self, call_id: str, text: str, revision: int, by: str, at: float, person: str) -> bool:
        """Keep the note in place of this revision of it (0: there is none). False: somebody else wrote meanwhile; nothing is changed."""
        sealed = self._vault.seal(person, text)
        values = {"text": sealed, "revision": revision + 1, "by": by, "at": at}
        if revision:
            of_it = (call_notes.c.call_id == call_id, call_notes.c.revision == revision)
            return await self._update(update(call_notes).where(*of_it).values(values)) == 1
        new = self._insert(call_notes).values({"call_id": call_id, "person": person, "told": "{}"} | values)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                return (await connection.execute(new.on_conflict_do_nothing(index_elements=["call_id"]))).rowcount == 1

    async def tell(self, call_id: str, backend: str, revision: int, *, first: bool = False) -> int:
        """This backend is about to have this revision; ``first``: unless it has one already. Which one it has now."""
        query = select(call_notes.c.told).where(call_notes.c.call_id == call_id)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                found = await connection.scalar(query.with_for_update())
                if found is None:
                    return 0
                told = msgspec.json.decode(found, type=dict[str, int])
                if backend not in told or (not first and told[backend] < revision):
                    told[backend] = revision
                    values = {"told": msgspec.json.encode(told).decode()}
                    await connection.execute(update(call_notes).where(call_notes.c.call_id == call_id).values(values))
                return told[backend]

    async def wrap_up(self, call_id: str) -> tuple[tuple[str, ...], bool]:
        """The codes that agents gave, and whether somebody still works on the call."""
        codes = await self._rows(select(wrap_ups.c.code).where(wrap_ups.c.call_id == call_id).order_by(wrap_ups.c.began_at))
        done = exists().where(wrap_ups.c.call_id == queue_visits.c.call_id, wrap_ups.c.agent == queue_visits.c.agent)
        working = select(queue_visits.c.visit).where(queue_visits.c.call_id == call_id, queue_visits.c.wraps_up, ~done)
        return tuple(dict.fromkeys(row["code"] for row in codes if row["code"])), bool(await self._rows(working.limit(1)))
