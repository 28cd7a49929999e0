"""Messages that callers left, in the database."""

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import ColumnElement, and_, exists, func, select, update

from api.store.rows import StoredVoicemail
from api.store.schema import recordings
from api.store.statements import Statements
from api.store.voicemail_tables import voicemails

_GONE = select(1).where(recordings.c.recording_id == voicemails.c.voicemail_id, recordings.c.erased_at.is_not(None))
_COLUMNS = [voicemails.c[field.name] for field in fields(StoredVoicemail)]
_TAKEN = and_(voicemails.c.outcome == "taken", voicemails.c.erased_at.is_(None), ~exists(_GONE))
"""What is there to be heard: recordings may be kept for less long than a box keeps its messages."""


class VoicemailStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away. Times are seconds since the epoch."""

    async def voicemail(self, voicemail_id: str) -> StoredVoicemail | None:
        found = await self._rows(select(*_COLUMNS).where(voicemails.c.voicemail_id == voicemail_id))
        return StoredVoicemail(**found[0]) if found else None

    async def kept(
        self, boxes: Sequence[str], limit: int, *, unheard: bool = False, before: tuple[float, str] | None = None
    ) -> list[StoredVoicemail]:
        """Messages of these boxes that are there to be heard, newest first. ``before``: only those behind this one (time, id)."""
        query = select(*_COLUMNS).where(_TAKEN, voicemails.c.box.in_(boxes))
        if unheard:
            query = query.where(voicemails.c.heard_at.is_(None))
        if before is not None:
            query = query.where(_older_than(*before))
        query = query.order_by(voicemails.c.left_at.desc(), voicemails.c.voicemail_id.desc()).limit(limit)
        return [StoredVoicemail(**row) for row in await self._rows(query)]

    async def unheard(self, boxes: Sequence[str]) -> dict[str, int]:
        """How many of each box nobody has heard."""
        query = select(voicemails.c.box, func.count().label("count")).where(_TAKEN, voicemails.c.heard_at.is_(None))
        rows = await self._rows(query.where(voicemails.c.box.in_(boxes)).group_by(voicemails.c.box))
        return {row["box"]: row["count"] for row in rows}

    async def boxes(self) -> list[str]:
        """Every box that has a message."""
        return [row["box"] for row in await self._rows(select(voicemails.c.box).where(_TAKEN).distinct().order_by(voicemails.c.box))]

    async def set_heard(self, voicemail_id: str, at: float | None, by: str | None) -> bool:
        """Somebody has heard it, or it counts as new again (None). Was it otherwise before?"""
        so = voicemails.c.heard_at.is_(None) if at is not None else voicemails.c.heard_at.is_not(None)
        of_it = and_(_TAKEN, voicemails.c.voicemail_id == voicemail_id, so)
        return await self._update(update(voicemails).where(of_it).values(heard_at=at, heard_by=by)) > 0

    async def mark_erased(self, voicemail_id: str, at: float, by: str) -> bool:
        """The first time counts. Was this it?"""
        of_it = and_(voicemails.c.voicemail_id == voicemail_id, voicemails.c.erased_at.is_(None))
        return await self._update(update(voicemails).where(of_it).values(erased_at=at, erased_by=by)) > 0

    async def left_open(self) -> list[StoredVoicemail]:
        """Messages of whose end nobody told, though their recordings have ended."""
        query = select(*_COLUMNS).join(recordings, recordings.c.recording_id == voicemails.c.voicemail_id)
        open_still = query.where(voicemails.c.ended_at.is_(None), recordings.c.ended_at.is_not(None))
        return [StoredVoicemail(**row) for row in await self._rows(open_still)]

    async def settle(self, voicemail_id: str, at: float, duration_s: float, outcome: str) -> None:
        """It is over, which nobody was there to tell."""
        of_it = and_(voicemails.c.voicemail_id == voicemail_id, voicemails.c.ended_at.is_(None))
        await self._update(update(voicemails).where(of_it).values(ended_at=at, duration_s=duration_s, outcome=outcome))

    async def older(self, box: str, than: float, limit: int) -> list[StoredVoicemail]:
        """Messages of a box that were left before, the oldest first."""
        query = select(*_COLUMNS).where(_TAKEN, voicemails.c.box == box, voicemails.c.left_at < than)
        return [StoredVoicemail(**row) for row in await self._rows(query.order_by(voicemails.c.left_at).limit(limit))]


def _older_than(left_at: float, voicemail_id: str) -> ColumnElement[bool]:
    return (voicemails.c.left_at < left_at) | ((voicemails.c.left_at == left_at) & (voicemails.c.voicemail_id < voicemail_id))
