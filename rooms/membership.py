"""One room and the people in it, and the tables that say how both may change.

Theory. A room lives by its people, so it has few states of its own; whether somebody gets in is a list of rules over facts of room and
person, first that holds. It is no state, because each fact changes by itself: a locked room may be full too.

Room:    PLANNED --BEGIN--> OPEN --END--> ENDED, and PLANNED --END--> ENDED (cancelled, or nobody came). Nothing leaves ENDED.
Member:  OUT --ENTER--> IN; OUT --KNOCK--> WAITING --ENTER--> IN; IN --LOSE--> AWAY --ENTER--> IN; whoever is not out may EXIT.
Waiting needs a connection: who loses it has left the queue, and knocks again when they are back.

In a *lasting* room (group, direct) one stays a member while one is away, and it does not end by being empty.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from rooms.refusals import NotPossible


class RoomKind(StrEnum):
    """``direct``: two people, for good. ``group``: lasting, invited people. ``meeting``: while people are in. ``consultation``: the same,
    planned, with customers who come by a link."""

    MEETING = "meeting"
    CONSULTATION = "consultation"
    GROUP = "group"
    DIRECT = "direct"


class Role(StrEnum):
    """``host`` decides who is in; ``member`` passes by the waiting room; ``guest`` knocks."""

    HOST = "host"
    MEMBER = "member"
    GUEST = "guest"


class RoomState(StrEnum):
    PLANNED = "planned"
    OPEN = "open"
    ENDED = "ended"


class RoomStep(StrEnum):
    BEGIN = "begin"
    END = "end"


ROOM_TABLE: dict[tuple[RoomState, RoomStep], RoomState] = {
    (RoomState.PLANNED, RoomStep.BEGIN): RoomState.OPEN,
    (RoomState.PLANNED, RoomStep.END): RoomState.ENDED,
    (RoomState.OPEN, RoomStep.END): RoomState.ENDED,
}


class RoomEnd(StrEnum):
    """Why a room is over. ``empty``: nobody came, or came back. ``expired``: its time was up. ``finished``, ``cancelled``: a host said."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    EMPTY = "empty"
    EXPIRED = "expired"


class Exit(StrEnum):
    """Why somebody is not in a room any more, or did not get in. ``revoked``: the link by which they came was taken back."""

    LEFT = "left"
    LOST = "lost"
    REMOVED = "removed"
    MOVED = "moved"
    DENIED = "denied"
    REVOKED = "revoked"
    ENDED = "ended"


class MemberState(StrEnum):
    OUT = "out"
    WAITING = "waiting"
    IN = "in"
    AWAY = "away"


class MemberStep(StrEnum):
    ENTER = "enter"
    KNOCK = "knock"
    LOSE = "lose"
    EXIT = "exit"


MEMBER_TABLE: dict[tuple[MemberState, MemberStep], MemberState] = {
    (MemberState.OUT, MemberStep.ENTER): MemberState.IN,
    (MemberState.OUT, MemberStep.KNOCK): MemberState.WAITING,
    (MemberState.WAITING, MemberStep.ENTER): MemberState.IN,
    (MemberState.WAITING, MemberStep.EXIT): MemberState.OUT,
    (MemberState.IN, MemberStep.LOSE): MemberState.AWAY,
    (MemberState.IN, MemberStep.EXIT): MemberState.OUT,
    (MemberState.AWAY, MemberStep.ENTER): MemberState.IN,
    (MemberState.AWAY, MemberStep.EXIT): MemberState.OUT,
}


@dataclass(slots=True)
class Member:
    """``invited``: may come without anybody's leave. ``admitted``: was let in once, and needs not knock again. ``link_id``: by which link
    they came. ``hand_s``: since when the hand is up."""

    identity: str
    name: str
    role: Role
    invited: bool = False
    admitted: bool = False
    removed: bool = False
    link_id: str = ""
    state: MemberState = MemberState.OUT
    since_s: float = 0.0
    hand_s: float | None = None

    def take(self, step: MemberStep, now: float) -> bool:
        """Take a step; False where the table has none."""
        to = MEMBER_TABLE.get((self.state, step))
        if to is None:
            return False
        if to is MemberState.OUT:
            self.hand_s = None
        self.state, self.since_s = to, now
        return True

    @property
    def is_in(self) -> bool:
        """Also who is away for a moment: their seat is kept."""
        return self.state in (MemberState.IN, MemberState.AWAY)

    @property
    def worth_keeping(self) -> bool:
        return self.state is not MemberState.OUT or self.invited or self.admitted or self.removed


@dataclass(frozen=True, slots=True)
class Schedule:
    """Guests and members may come from ``early_s`` before it starts until ``late_s`` after it ends; hosts may be there before."""

    starts_s: float
    ends_s: float
    early_s: float = 600.0
    late_s: float = 900.0

    @property
    def opens_s(self) -> float:
        return self.starts_s - self.early_s

    @property
    def closes_s(self) -> float:
        return self.ends_s + self.late_s


@dataclass(slots=True)
class Room:
    """``members`` in the order in which they were first heard of; some of them are out. Others than ``rooms.house`` read it only."""

    room_id: str
    kind: RoomKind
    name: str
    created_by: str
    created_s: float
    capacity: int
    metadata: str = ""
    locked: bool = False
    waiting_room: bool = False
    encrypted: bool = False
    schedule: Schedule | None = None
    expires_s: float | None = None
    state: RoomState = RoomState.PLANNED
    members: dict[str, Member] = field(default_factory=dict)
    links: dict[str, float] = field(default_factory=dict)
    """By which guests may come, and until when."""

    def take(self, step: RoomStep) -> bool:
        """Take a step; False where the table has none."""
        to = ROOM_TABLE.get((self.state, step))
        self.state = to or self.state
        return to is not None

    @property
    def lasting(self) -> bool:
        return self.kind in (RoomKind.GROUP, RoomKind.DIRECT)

    def present(self) -> Iterator[Member]:
        """Who is in, or away for a moment."""
        return (member for member in self.members.values() if member.is_in)

    def waiting(self) -> list[Member]:
        """Who knocked, the first first."""
        found = [member for member in self.members.values() if member.state is MemberState.WAITING]
        return sorted(found, key=lambda member: member.since_s)

    def hosts(self) -> list[Member]:
        return [member for member in self.present() if member.role is Role.HOST]

    def has(self, identity: str) -> bool:
        """Is this person in?"""
        member = self.members.get(identity)
        return member is not None and member.is_in

    @property
    def full(self) -> bool:
        return sum(1 for _ in self.present()) >= self.capacity

    def step_for(self, member: Member, now: float) -> MemberStep:
        """How somebody who may know of this room gets in: by entering or by knocking. Raises ``NotPossible``: not now, and why.

        Codes: ``removed``, ``too_early``, ``too_late``, ``room_locked``, ``room_full``.
        """
        if member.removed:
            raise NotPossible("removed", "A host removed you from this room: ask them to invite you again.")
        if member.is_in:
            return MemberStep.ENTER
        host = member.role is Role.HOST
        if self.schedule is not None:
            _in_time(self.schedule, now, host=host)
        if self.locked and not host:
            raise NotPossible("room_locked", "This room is locked: a host can unlock it.")
        if self.full:
            raise NotPossible("room_full", f"There are {self.capacity} people in this room, which is its limit: try again later.")
        knocks = self.waiting_room and member.role is Role.GUEST and not member.admitted
        return MemberStep.KNOCK if knocks else MemberStep.ENTER


def _in_time(schedule: Schedule, now: float, *, host: bool) -> None:
    if now >= schedule.closes_s:
        raise NotPossible("too_late", "This appointment is over: ask for a new one.")
    if now < schedule.opens_s and not host:
        minutes = max(1, round((schedule.starts_s - now) / 60))
        raise NotPossible("too_early", f"This appointment begins in {minutes} min: come a few minutes before.", schedule.opens_s - now)
