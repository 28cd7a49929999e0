"""Rooms, their chat and its files, in the database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Executable, and_, false, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from api.privacy.personal import open_row, seal_row
from api.store.contact_tables import reported_calls, reported_chats
from api.store.database import in_words
from api.store.errors import StoreFenced
from api.store.room_rows import Attachment, Entry, Gist, message_of, room_of
from api.store.room_tables import attachments, messages, read_marks, room_people, rooms
from api.store.statements import Statements
from rooms.chat import Message
from rooms.membership import Room, RoomEnd

_TABLES = {table.name: table for table in (rooms, room_people, messages, read_marks, reported_calls, reported_chats)}


class RoomStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    # ------------------------------------------------------------------ what is kept

    async def keep(self, entries: Sequence[Entry], *, acknowledged: bool = False) -> None:
        """Write these in one transaction, in order. Written twice they stand once.

        Raises ``StoreFenced``, and writes nothing, where another node has taken over one of their rooms. ``acknowledged``: to somebody
        already, maybe before it did: then it is taken all the same, and which of two writes of one row counts is said by the row.
        """
        with in_words(self._engine.url):
            async with self._writing() as connection:
                if not acknowledged:
                    await self._check_fences(connection, entries)
                for entry in entries:
                    fenced = {"fence": entry.fence} if entry.table == "rooms" else {}
                    await connection.execute(self._upsert(entry.table), seal_row(self._vault, entry.table, entry.row) | fenced)

    async def _check_fences(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
        """Whoever takes a room over meanwhile waits until this is written, so they read all of it."""
        fences: dict[str, int] = {}
        for entry in entries:
            if entry.fence:
                room_id = entry.row["room_id"]
                fences[room_id] = min(entry.fence, fences.get(room_id, entry.fence))
        if not fences:
            return
        query = select(rooms.c.room_id, rooms.c.fence).where(rooms.c.room_id.in_(fences)).with_for_update(read=True)
        for row in (await connection.execute(query)).mappings():
            if row["fence"] > fences[row["room_id"]]:
                raise StoreFenced("Another node holds this room now.")

    def _upsert(self, name: str) -> Executable:
        table = _TABLES[name]
        statement = self._insert(table)
        given = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
        return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=given, where=_newer(name, statement.excluded))

    # ------------------------------------------------------------------ rooms

    async def open_rooms(self) -> list[Room]:
        """Those that have not ended, with their members, oldest first."""
        found = await self._rows(select(rooms).where(rooms.c.ended_at.is_(None)).order_by(rooms.c.created_at))
        return [self._room(row) for row in found]

    async def ended_rooms(self, limit: int) -> dict[str, RoomEnd]:
        """How the last rooms ended, the latest last."""
        query = select(rooms.c.room_id, rooms.c.end_reason).where(rooms.c.ended_at.is_not(None))
        found = await self._rows(query.order_by(rooms.c.ended_at.desc()).limit(limit))
        return {row["room_id"]: RoomEnd(row["end_reason"]) for row in reversed(found)}

    async def standing(self) -> dict[str, int]:
        """The fence of each room that has not ended, oldest first."""
        query = select(rooms.c.room_id, rooms.c.fence).where(rooms.c.ended_at.is_(None)).order_by(rooms.c.created_at)
        return {row["room_id"]: row["fence"] for row in await self._rows(query)}

    async def fate(self, room_id: str) -> tuple[int, RoomEnd | None] | None:
        """A room's fence, and how it ended where it did; None: there was never such a room."""
        found = await self._rows(select(rooms.c.fence, rooms.c.ended_at, rooms.c.end_reason).where(rooms.c.room_id == room_id))
        if not found:
            return None
        return found[0]["fence"], RoomEnd(found[0]["end_reason"]) if found[0]["ended_at"] is not None else None

    async def fences(self, room_ids: Iterable[str]) -> dict[str, int]:
        query = select(rooms.c.room_id, rooms.c.fence).where(rooms.c.room_id.in_(tuple(room_ids)))
        return {row["room_id"]: row["fence"] for row in await self._rows(query)}

    async def take_over(self, fences: Mapping[str, int]) -> list[Room]:
        """From now on these rooms are written with these fences or higher ones. As they stand; those are missing that ended meanwhile or
        that somebody with a higher fence has."""
        with in_words(self._engine.url):
            async with self._writing() as connection:
                for room_id, fence in fences.items():
                    free = (rooms.c.room_id == room_id) & (rooms.c.fence < fence) & rooms.c.ended_at.is_(None)
                    await connection.execute(update(rooms).where(free).values(fence=fence))
                query = select(rooms).where(rooms.c.room_id.in_(fences), rooms.c.ended_at.is_(None))
                found = (await connection.execute(query)).mappings().all()
        return [self._room(row) for row in found if row["fence"] == fences[row["room_id"]]]

    def _room(self, row: Mapping[Any, Any]) -> Room:
        return room_of(open_row(self._vault, "rooms", dict(row)))

    # ------------------------------------------------------------------ chat

    async def last_position(self, room_id: str) -> int:
        found = await self._rows(select(func.max(messages.c.position).label("last")).where(messages.c.room_id == room_id))
        return found[0]["last"] or 0

    async def marks(self, room_id: str) -> dict[str, int]:
        """How far each has read."""
        found = await self._rows(select(read_marks).where(read_marks.c.room_id == room_id))
        return {row["identity"]: row["position"] for row in found}

    async def message(self, room_id: str, message_id: str) -> Message | None:
        found = await self._rows(select(messages).where(messages.c.room_id == room_id, messages.c.message_id == message_id))
        return message_of(found[0]) if found else None

    async def history(self, room_id: str, *, before: int | None = None, after: int | None = None, limit: int) -> list[Message]:
        """``limit`` messages in order: those right before a position (None: the last ones), or those right after one."""
        query = select(messages).where(messages.c.room_id == room_id)
        if after is not None:
            found = await self._rows(query.where(messages.c.position > after).order_by(messages.c.position).limit(limit))
            return [message_of(row) for row in found]
        if before is not None:
            query = query.where(messages.c.position < before)
        found = await self._rows(query.order_by(messages.c.position.desc()).limit(limit))
        return [message_of(row) for row in reversed(found)]

    async def gists(self, room_ids: Sequence[str], identity: str) -> list[Gist]:
        """Of each of these rooms its last message, and what this person has not read of what others wrote."""
        mine = read_marks.c.room_id.in_(room_ids) & (read_marks.c.identity == identity)
        marks = {row["room_id"]: row["position"] for row in await self._rows(select(read_marks).where(mine))}
        ends = select(messages.c.room_id, func.max(messages.c.position).label("last")).where(messages.c.room_id.in_(room_ids))
        newest = ends.group_by(messages.c.room_id).subquery()
        at_the_end = and_(messages.c.room_id == newest.c.room_id, messages.c.position == newest.c.last)
        last = {row["room_id"]: message_of(row) for row in await self._rows(select(messages).join(newest, at_the_end))}
        behind = and_(read_marks.c.room_id == messages.c.room_id, read_marks.c.identity == identity)
        others = (messages.c.room_id.in_(room_ids), messages.c.sender != identity, messages.c.deleted_at.is_(None))
        counted = select(messages.c.room_id, func.count().label("unread")).outerjoin(read_marks, behind).where(*others)
        newer = counted.where(messages.c.position > func.coalesce(read_marks.c.position, 0)).group_by(messages.c.room_id)
        unread = {row["room_id"]: row["unread"] for row in await self._rows(newer)}
        return [Gist(room_id, last.get(room_id), marks.get(room_id, 0), unread.get(room_id, 0)) for room_id in room_ids]

    # ------------------------------------------------------------------ files

    async def add_attachment(self, attachment: Attachment) -> None:
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(self._insert(attachments).values(seal_row(self._vault, "attachments", asdict(attachment))))

    async def attachment(self, attachment_id: str) -> Attachment | None:
        found = await self._rows(select(attachments).where(attachments.c.attachment_id == attachment_id))
        return Attachment(**found[0]) if found else None

    async def attachments(self, attachment_ids: Iterable[str]) -> list[Attachment]:
        found = await self._rows(select(attachments).where(attachments.c.attachment_id.in_(tuple(attachment_ids))))
        return [Attachment(**row) for row in found]

    async def attachments_size(self) -> int:
        """Bytes of all of them."""
        found = await self._rows(select(func.coalesce(func.sum(attachments.c.size), 0).label("size")))
        return int(found[0]["size"])


def _newer(name: str, excluded: ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]) -> ColumnElement[bool]:
    """Which of two writes of one row counts: what has ended stays ended, fences, revisions and marks only rise; of reports the first."""
    match name:
        case "rooms":
            ends = or_(rooms.c.ended_at.is_(None), excluded.ended_at.is_not(None))
            return and_(ends, or_(excluded.fence == 0, excluded.fence >= rooms.c.fence))
        case "messages":
            return excluded.revision >= messages.c.revision
        case "room_people":
            return true()
        case "reported_calls" | "reported_chats":
            return false()
    return excluded.position > read_marks.c.position
