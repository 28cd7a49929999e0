"""What is asked about rooms: of which one a page's request is, and what nodes ask the one that holds a room beside what pages do."""

import hashlib

from msgspec import Struct

from rooms.membership import Role, Room
from rooms.refusals import NotPossible
from signaling import messages as wire
from signaling.grants import Grant


class RoomQuestion(Struct, frozen=True, tag_field="type"):
    """Base of what no page may ask. Answered with nothing but where it says so, or refused."""


class LinkedRoom(Struct, frozen=True):
    """Where a link leads: the names of the room and of its hosts, and its times: seconds since the epoch, None where it has none."""

    name: str
    hosts: list[str]
    starts_at: float | None = None
    ends_at: float | None = None
    opens_at: float | None = None
    closes_at: float | None = None


def linked(room: Room) -> LinkedRoom:
    hosts, plan = [member.name for member in room.members.values() if member.role is Role.HOST], room.schedule
    if plan is None:
        return LinkedRoom(room.name, hosts)
    return LinkedRoom(room.name, hosts, plan.starts_s, plan.ends_s, plan.opens_s, plan.closes_s)


class CheckLink(RoomQuestion, frozen=True, tag="node.check_link"):
    """May this guest come by this link? Answered by ``LinkedRoom``."""

    room_id: str
    link_id: str
    identity: str


class CheckMember(RoomQuestion, frozen=True, tag="node.check_member"):
    """Is this person in?"""

    room_id: str
    identity: str


class MoveIn(RoomQuestion, frozen=True, tag="node.move_in"):
    """A host of another room, who asks, moves somebody in from there."""

    room_id: str
    identity: str
    name: str
    role: Role
    away: bool


class OwnRooms(RoomQuestion, frozen=True, tag="node.own_rooms"):
    """Of this node alone: a ``RoomList`` of this person."""

    identity: str


AnyRoomQuestion = OwnRooms | CheckLink | CheckMember | MoveIn


def room_of(grant: Grant, request: wire.AnyRequest) -> str:
    """The room that a request is about, by which it finds its node; empty where any node can do it, as one that makes a new room."""
    if isinstance(request, wire.CreateRoom):
        try:
            return direct_id(grant.identity, request) if request.kind == "direct" else ""
        except NotPossible:
            return ""
    room_id: str = getattr(request, "room_id", "")
    return room_id


def direct_id(me: str, request: wire.CreateRoom) -> str:
    """The same two people always meet in the same room. Raises ``NotPossible``."""
    if len(request.invited) != 1 or request.invited[0].identity == me:
        raise NotPossible("bad_invitation", "A conversation of two is with exactly one other person: invite them.")
    kind = "encrypted" if request.encrypted else "clear"
    both = "\0".join((kind, *sorted((me, request.invited[0].identity))))
    return "direct-" + hashlib.sha256(both.encode()).hexdigest()[:40]
