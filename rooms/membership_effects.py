"""What is to be done about rooms that people come to, as data, in order."""

from dataclasses import dataclass

from rooms.membership import Exit, Room, RoomEnd


@dataclass(frozen=True, slots=True)
class Begin:
    """The first person is about to be in: the room lives."""

    room_id: str


@dataclass(frozen=True, slots=True)
class Show:
    """Tell everybody in the room how it now stands, and keep it."""

    room_id: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the room as it stands: something changed that its people do not see."""

    room_id: str


@dataclass(frozen=True, slots=True)
class Invite:
    """Tell somebody who is not in that they may come."""

    room_id: str
    identity: str


@dataclass(frozen=True, slots=True)
class Seat:
    """From now on this person hears the room."""

    room_id: str
    identity: str


@dataclass(frozen=True, slots=True)
class Unseat:
    """This person hears the room no more, and is told why."""

    room_id: str
    identity: str
    why: Exit


@dataclass(frozen=True, slots=True)
class ShowWaiting:
    """Tell the hosts who waits."""

    room_id: str


@dataclass(frozen=True, slots=True)
class TurnAway:
    """This person waits no more, and is told why."""

    room_id: str
    identity: str
    why: Exit


@dataclass(frozen=True, slots=True)
class ShowReaction:
    room_id: str
    identity: str
    emoji: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The room is over: its last effect. Everybody was unseated before, and the house knows it no more."""

    room: Room
    why: RoomEnd

    @property
    def room_id(self) -> str:
        return self.room.room_id


MembershipEffect = Begin | Show | Keep | Invite | Seat | Unseat | ShowWaiting | TurnAway | ShowReaction | Finish
