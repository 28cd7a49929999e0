"""What happens to rooms that people come to, as data. ``now`` comes beside an event, never in it.

``by``: who asks. ``moderates``: they may act as a host in every room, whatever they are in this one. Each request of somebody who is no
member, or not host enough, is refused.
"""

from dataclasses import dataclass

from rooms.membership import Role, RoomKind, Schedule


@dataclass(frozen=True, slots=True)
class RoomWanted:
    """A new room. ``invited``: (identity, name, role) of who may come without being asked again; ``by`` is its host.

    ``expires_s``: it is closed then, whoever is in. ``capacity`` 0: as many as the policy says.
    """

    room_id: str
    by: str
    by_name: str
    kind: RoomKind = RoomKind.MEETING
    name: str = ""
    metadata: str = ""
    capacity: int = 0
    waiting_room: bool = False
    encrypted: bool = False
    schedule: Schedule | None = None
    invited: tuple[tuple[str, str, Role], ...] = ()
    expires_s: float | None = None


@dataclass(frozen=True, slots=True)
class JoinWanted:
    """``granted``: the role that this person's token gives in this room; None where it names none. ``link_id``: the link they
    came by."""

    room_id: str
    identity: str
    name: str
    granted: Role | None = None
    link_id: str = ""


@dataclass(frozen=True, slots=True)
class LeaveWanted:
    room_id: str
    identity: str


@dataclass(frozen=True, slots=True)
class AdmissionDecided:
    """A host lets somebody in who waits, or sends them away."""

    room_id: str
    by: str
    identity: str
    admitted: bool
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class InvitationWanted:
    """``identity`` may come and has this role from now on, also if they were removed before."""

    room_id: str
    by: str
    identity: str
    name: str
    role: Role
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class LinkWanted:
    """Guests may come by this link until it expires."""

    room_id: str
    by: str
    link_id: str
    expires_s: float
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class LinkRevoked:
    """Nobody comes by it any more, and who came by it is out. None: by any of this room's."""

    room_id: str
    by: str
    link_id: str | None
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class RemovalWanted:
    """Out, and not in again unless invited."""

    room_id: str
    by: str
    identity: str
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class MovedIn:
    """A host of this room and of another one moves somebody in from there, where they are ``role`` and maybe away."""

    room_id: str
    by: str
    identity: str
    name: str
    role: Role
    away: bool = False
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class MovedOut:
    """They are in the other room: out of this one."""

    room_id: str
    identity: str


@dataclass(frozen=True, slots=True)
class ChangeWanted:
    """None: as it is."""

    room_id: str
    by: str
    name: str | None = None
    metadata: str | None = None
    capacity: int | None = None
    locked: bool | None = None
    waiting_room: bool | None = None
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class EndWanted:
    """For everybody. A room in which nobody has been yet is cancelled by it."""

    room_id: str
    by: str
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class HandMoved:
    """One's own hand; a host may lower those of others."""

    room_id: str
    by: str
    identity: str
    raised: bool
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class Reacted:
    room_id: str
    by: str
    emoji: str


@dataclass(frozen=True, slots=True)
class PersonLost:
    """Their last connection is gone."""

    identity: str


@dataclass(frozen=True, slots=True)
class PersonBack:
    identity: str


MembershipEvent = (
    RoomWanted
    | JoinWanted
    | LeaveWanted
    | AdmissionDecided
    | InvitationWanted
    | LinkWanted
    | LinkRevoked
    | RemovalWanted
    | MovedIn
    | MovedOut
    | ChangeWanted
    | EndWanted
    | HandMoved
    | Reacted
    | PersonLost
    | PersonBack
)
