"""What was asked for under a key of the one who asks, and what was answered: for as long as it may be asked again."""

from dataclasses import dataclass

from sqlalchemy import delete, select, update

from api.store.database import in_words
from api.store.sent_key_tables import sent_keys
from api.store.statements import Statements


@dataclass(frozen=True, slots=True)
class SentKey:
    """``fingerprint``: of what was asked. ``at``: seconds since the epoch. ``status``: 0 while it is being done. ``answer``: encrypted;
    empty where it is not kept."""

    fingerprint: str
    at: float
    status: int
    answer: str


class SentKeyStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def begin(self, key_id: str, who: str, fingerprint: str, at: float) -> SentKey | None:
        """None: it is this request's to do. Else what is known of the one that came first, at whichever node."""
        row = {"key_id": key_id, "who": who, "fingerprint": fingerprint, "at": at, "status": 0, "answer": ""}
        with in_words(self._engine.url):
            async with self._writing() as connection:
                made = await connection.execute(self._insert(sent_keys).on_conflict_do_nothing(), row)
        return None if made.rowcount else await self.found(key_id)

    async def found(self, key_id: str) -> SentKey | None:
        """None: nothing was asked for under this key, or it failed and may be asked for anew."""
        columns = [sent_keys.c[name] for name in ("fingerprint", "at", "status", "answer")]
        rows = await self._rows(select(*columns).where(sent_keys.c.key_id == key_id))
        return SentKey(**rows[0]) if rows else None

    async def done(self, key_id: str, status: int, answer: str) -> None:
        await self._update(update(sent_keys).where(sent_keys.c.key_id == key_id).values(status=status, answer=answer))

    async def release(self, key_id: str) -> None:
        """Nothing was done: the key is as new."""
        await self._update(delete(sent_keys).where(sent_keys.c.key_id == key_id, sent_keys.c.status == 0))

    async def prune(self, before: float, who: str, most: int) -> None:
        """Forget everybody's from before then, and of this person's all but the newest ``most``."""
        await self._update(delete(sent_keys).where(sent_keys.c.at < before))
        oldest = select(sent_keys.c.at).where(sent_keys.c.who == who).order_by(sent_keys.c.at.desc()).offset(most).limit(1)
        await self._update(delete(sent_keys).where(sent_keys.c.who == who, sent_keys.c.at <= oldest.scalar_subquery()))

    async def forget_answers(self) -> None:
        """What was answered may be about somebody who is to be forgotten. That it was done stays."""
        await self._update(update(sent_keys).where(sent_keys.c.answer != "").values(answer=""))
