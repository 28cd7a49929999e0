"""What is left of rooms in the database: who may still read what, and its erasure. Times are seconds since the epoch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct
from sqlalchemy import ColumnElement, Executable, RowMapping, Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.store.database import in_words
from api.store.departed import DepartedStore
from api.store.room_keys import devices, room_epochs, room_packages
from api.store.room_tables import attachments, messages, read_marks, room_people, rooms
from signaling.grants import GUEST_PREFIX

_AT_A_TIME = 500
_NEWEST = 1_000_000
"""So far an erased message's revision is ahead: beyond what any node still has in memory, or a spool."""


class PastRoom(Struct, frozen=True):
    """A room that is over. ``reason``: how it ended."""

    room_id: str
    kind: str
    name: str
    encrypted: bool
    created_at: float
    ended_at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Erased:
    """How much was erased, of which rooms; ``files``: names in the folder of what came with messages."""

    rooms: tuple[str, ...] = ()
    messages: int = 0
    files: tuple[str, ...] = ()


class PastRoomStore(DepartedStore):
    """Everything raises ``StoreUnavailable`` when the database is away. Erasing twice is no fault."""

    async def of(self, identity: str, *, before: float | None, limit: int) -> list[PastRoom]:
        """The rooms that this person was in and may still read, the last to end first; those that ended ``before``."""
        query = _past().where(room_people.c.identity == identity)
        if before is not None:
            query = query.where(rooms.c.ended_at < before)
        return [PastRoom(**row) for row in await self._rows(query.order_by(rooms.c.ended_at.desc()).limit(limit))]

    async def readable(self, room_id: str, identity: str) -> bool:
        """Is this room over, and may this person read it?"""
        return bool(await self._rows(_past().where(rooms.c.room_id == room_id, room_people.c.identity == identity)))

    async def unknown_files(self, names: Sequence[str]) -> set[str]:
        """Those of these that belong to no message's file."""
        known: set[str] = set()
        for at in range(0, len(names), _AT_A_TIME):
            query = select(attachments.c.file).where(attachments.c.file.in_(names[at : at + _AT_A_TIME]))
            known |= {row["file"] for row in await self._rows(query)}
        return set(names) - known

    # ------------------------------------------------------------------ erasing

    async def erase_ended(self, before: float) -> Erased:
        """Some of the rooms that ended before this, with all that was written in them."""
        due = select(rooms.c.room_id).where(rooms.c.ended_at < before).order_by(rooms.c.ended_at).limit(_AT_A_TIME)
        room_ids = tuple(row["room_id"] for row in await self._rows(due))
        if not room_ids:
            return Erased()
        with in_words(self._engine.url):
            async with self._writing() as connection:
                files = await _files(connection, attachments.c.room_id.in_(room_ids))
                written = (await connection.execute(delete(messages).where(messages.c.room_id.in_(room_ids)))).rowcount
                guests = room_people.c.room_id.in_(room_ids) & room_people.c.identity.startswith(GUEST_PREFIX, autoescape=True)
                were_there = await connection.execute(select(room_people.c.identity, room_people.c.room_id).where(guests))
                people = {self._vault.person("guest", identity): room_id for identity, room_id in were_there}
                await self.depart(connection, people | {self._vault.person("room", room_id): room_id for room_id in room_ids})
                for table in (read_marks, room_people, attachments, room_packages, room_epochs, rooms):
                    await connection.execute(delete(table).where(table.c.room_id.in_(room_ids)))
        return Erased(room_ids, written, files)

    async def erase_said(self, before: float, now: float) -> Erased:
        """What was written before this in rooms that go on. Of the last message of each its place is left: others count on from it."""
        going_on = select(rooms.c.room_id).where(rooms.c.ended_at.is_(None))
        later = messages.alias("later")
        last = select(func.max(later.c.position)).where(later.c.room_id == messages.c.room_id).scalar_subquery()
        old = messages.c.room_id.in_(going_on) & (messages.c.sent_at < before)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                unsaid = select(messages.c.room_id).where(old, messages.c.deleted_at.is_(None)).distinct()
                room_ids = tuple((await connection.execute(unsaid)).scalars())
                of_old = attachments.c.room_id.in_(going_on) & (attachments.c.uploaded_at < before)
                files = await _files(connection, of_old)
                await connection.execute(delete(attachments).where(of_old))
                written = (await connection.execute(delete(messages).where(old, messages.c.position < last))).rowcount
                emptied = await connection.execute(_emptied(old & messages.c.deleted_at.is_(None), now))
        return Erased(room_ids, written + emptied.rowcount, files)

    async def erase_person(self, identity: str, now: float) -> Erased:
        """Everything that this person wrote, read, sent and pressed in rooms; of their messages the places are left, without a name."""
        theirs = messages.c.sender == identity
        quoted = json.dumps(identity, ensure_ascii=False)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                rooms_of = select(messages.c.room_id).where(theirs).distinct()
                pressed = select(messages).where(messages.c.reactions.contains(quoted, autoescape=True))
                reacted = (await connection.execute(pressed)).mappings().all()
                room_ids = {*(await connection.execute(rooms_of)).scalars(), *(row["room_id"] for row in reacted)}
                for row in reacted:
                    await connection.execute(_unpressed(row, identity))
                written = (await connection.execute(_emptied(theirs, now, sender="", sender_name=""))).rowcount
                files = await _files(connection, attachments.c.owner == identity)
                await connection.execute(delete(attachments).where(attachments.c.owner == identity))
                for table in (read_marks, room_people, devices):
                    await connection.execute(delete(table).where(table.c.identity == identity))
                await _erase_member(connection, identity, quoted)
        return Erased(tuple(sorted(room_ids)), written, files)


def _past() -> Select[tuple[object, ...]]:
    """Rooms that are over, with those who may still read them."""
    columns = (rooms.c.room_id, rooms.c.kind, rooms.c.name, rooms.c.encrypted, rooms.c.created_at, rooms.c.ended_at)
    joined = rooms.join(room_people, rooms.c.room_id == room_people.c.room_id)
    found = select(*columns, rooms.c.end_reason.label("reason")).select_from(joined)
    return found.where(rooms.c.ended_at.is_not(None), room_people.c.may_read)


def _emptied(which: ColumnElement[bool], now: float, **more: str) -> Executable:
    """Only their places are left."""
    deleted_at = func.coalesce(messages.c.deleted_at, now)
    bare = {"text": "", "cipher": "", "reply_to": "", "attachments": "[]", "reactions": "{}", **more}
    return update(messages).where(which).values(**bare, deleted_at=deleted_at, revision=messages.c.revision + _NEWEST)


def _unpressed(row: RowMapping, identity: str) -> Executable:
    """A message without this person's reactions."""
    reactions = {emoji: [one for one in people if one != identity] for emoji, people in json.loads(row["reactions"]).items()}
    kept = json.dumps({emoji: people for emoji, people in reactions.items() if people}, ensure_ascii=False)
    this = (messages.c.room_id == row["room_id"]) & (messages.c.message_id == row["message_id"])
    return update(messages).where(this).values(reactions=kept, revision=row["revision"] + _NEWEST)


async def _files(connection: AsyncConnection, which: ColumnElement[bool]) -> tuple[str, ...]:
    return tuple((await connection.execute(select(attachments.c.file).where(which))).scalars())


async def _erase_member(connection: AsyncConnection, identity: str, quoted: str) -> None:
    """From the lists of rooms that are over; rooms that go on have their members in memory."""
    named = select(rooms.c.room_id, rooms.c.members).where(rooms.c.ended_at.is_not(None), rooms.c.members.contains(quoted, autoescape=True))
    for row in (await connection.execute(named)).mappings().all():
        left = json.dumps([member for member in json.loads(row["members"]) if member["identity"] != identity], ensure_ascii=False)
        await connection.execute(update(rooms).where(rooms.c.room_id == row["room_id"]).values(members=left))
    await connection.execute(update(rooms).where(rooms.c.ended_at.is_not(None), rooms.c.created_by == identity).values(created_by=""))
