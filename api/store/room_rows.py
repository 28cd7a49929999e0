"""Rooms, members and messages as rows of tables, and back. Times are seconds since the epoch."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from rooms.chat import Message, Reaction
from rooms.membership import Member, Room, RoomEnd, RoomKind, RoomState, Schedule

Row = dict[str, Any]


class Entry(Struct, frozen=True):
    """One row to be kept, complete. ``fence``: of the claim by which its writer holds the room; 0: of a single node, which needs none."""

    table: Literal["rooms", "room_people", "messages", "read_marks", "reported_calls", "reported_chats"]
    row: Row
    fence: int = 0


class Gist(Struct, frozen=True):
    """What somebody sees of a conversation before they open it. ``read``: up to which position they have read."""

    room_id: str
    last: Message | None
    read: int
    unread: int


class Attachment(Struct, frozen=True):
    """A file that came with a message. ``file``: its name in the folder, which tells nothing. ``size`` in bytes."""

    attachment_id: str
    room_id: str
    owner: str
    name: str
    content_type: str
    size: int
    file: str
    uploaded_at: float


def room_entry(room: Room, *, why: RoomEnd | None = None, ended_at: float | None = None) -> Entry:
    """A room and all its members as they stand. ``why`` and ``ended_at``: it is over."""
    plan = room.schedule
    row: Row = {
        "room_id": room.room_id,
        "kind": room.kind.value,
        "name": room.name,
        "metadata": room.metadata,
        "created_by": room.created_by,
        "created_at": room.created_s,
        "capacity": room.capacity,
        "locked": room.locked,
        "waiting_room": room.waiting_room,
        "encrypted": room.encrypted,
        "members": msgspec.json.encode([member for member in room.members.values() if member.worth_keeping]).decode(),
        "links": msgspec.json.encode(room.links).decode(),
        "starts_at": plan.starts_s if plan else None,
        "ends_at": plan.ends_s if plan else None,
        "early_s": plan.early_s if plan else None,
        "late_s": plan.late_s if plan else None,
        "expires_at": room.expires_s,
        "state": room.state.value,
        "end_reason": why.value if why else None,
        "ended_at": ended_at,
    }
    return Entry("rooms", row)


def person_entry(room_id: str, identity: str, *, may_read: bool = True) -> Entry:
    """Somebody was in a room. ``may_read``: also when it is over."""
    return Entry("room_people", {"room_id": room_id, "identity": identity, "may_read": may_read})


def message_entry(message: Message) -> Entry:
    given = {
        "attachments": msgspec.json.encode(message.attachments).decode(),
        "reactions": msgspec.json.encode({reaction.emoji: reaction.people for reaction in message.reactions}).decode(),
    }
    kept = {name: getattr(message, name) for name in message.__dataclass_fields__}
    return Entry("messages", kept | given)


def mark_entry(room_id: str, identity: str, position: int) -> Entry:
    return Entry("read_marks", {"room_id": room_id, "identity": identity, "position": position})


def room_of(row: Mapping[Any, Any]) -> Room:
    plan = Schedule(row["starts_at"], row["ends_at"], row["early_s"], row["late_s"]) if row["starts_at"] is not None else None
    return Room(
        room_id=row["room_id"],
        kind=RoomKind(row["kind"]),
        name=row["name"],
        created_by=row["created_by"],
        created_s=row["created_at"],
        capacity=row["capacity"],
        metadata=row["metadata"],
        locked=row["locked"],
        waiting_room=row["waiting_room"],
        encrypted=row["encrypted"],
        schedule=plan,
        expires_s=row["expires_at"],
        state=RoomState(row["state"]),
        members={member.identity: member for member in msgspec.json.decode(row["members"], type=list[Member])},
        links=msgspec.json.decode(row["links"], type=dict[str, float]),
    )


def message_of(row: Mapping[Any, Any]) -> Message:
    given: dict[str, list[str]] = msgspec.json.decode(row["reactions"], type=dict[str, list[str]])
    return Message(
        **{name: row[name] for name in Message.__dataclass_fields__ if name not in ("attachments", "reactions")},
        attachments=tuple(msgspec.json.decode(row["attachments"], type=list[str])),
        reactions=tuple(Reaction(emoji, tuple(people)) for emoji, people in given.items()),
    )
