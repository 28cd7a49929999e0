"""One side of a call in the emulated PBX, and the table of what may become of it.

Theory. A leg begins as Dialing (its owner called), Ringing (its owner is called), or Connected (what answers by itself: a route point, a
queue, a menu, a caller who waits for us). It only gets further and never back, with one exception: a phone that is rung first for its
owner's own call dials once it is picked up. No status says that a leg is over: it is removed, from any status.
"""

from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from pbx.threecx.double.directory import DnType


class Status(StrEnum):
    """The only confirmed ones."""

    DIALING = "Dialing"
    RINGING = "Ringing"
    CONNECTED = "Connected"


class Step(Enum):
    ANSWERED = auto()
    PICKED_UP_FIRST = auto()


TRANSITIONS: dict[tuple[Status, Step], Status] = {
    (Status.DIALING, Step.ANSWERED): Status.CONNECTED,
    (Status.RINGING, Step.ANSWERED): Status.CONNECTED,
    (Status.RINGING, Step.PICKED_UP_FIRST): Status.DIALING,
}

ACTIONS: dict[str, frozenset[Status]] = {
    "answer": frozenset({Status.RINGING}),
    "drop": frozenset(Status),
    "divert": frozenset({Status.RINGING}),
    "routeto": frozenset({Status.RINGING, Status.CONNECTED}),
    "transferto": frozenset({Status.CONNECTED}),
    "attach_participant_data": frozenset(Status),
    "attach_party_data": frozenset(Status),
}
"""What an API client may ask of a leg, and in which status."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who somebody in a call is to the other side. ``number``: the caller ID."""

    dn: str = ""
    kind: DnType = DnType.NONE
    number: str = ""
    name: str = ""


NOBODY = Party()


@dataclass(slots=True, eq=False)
class Leg:
    """``other``: whom it talks to, rings or calls. ``party``: who that is said to be, also while there is no other leg yet."""

    id: int
    legid: int
    callid: int
    me: Party
    status: Status
    device_id: str = ""
    direct_control: bool = True
    other: "Leg | None" = None
    party: Party = NOBODY
    did: str = ""
    originated_by: Party = NOBODY
    referred_by: Party = NOBODY
    on_behalf_of: Party = NOBODY
    attached: dict[str, str] = field(default_factory=dict)
    uid: str = ""
    wired: bool = False
    born: float = 0.0
    alive: bool = True
    reason: str = ""
    """Why it ended, of 3CX's vocabulary."""

    @property
    def dn(self) -> str:
        return self.me.dn

    def step(self, step: Step) -> None:
        """Raises KeyError where the table has no such step: whoever asks has looked before."""
        self.status = TRANSITIONS[self.status, step]

    def faces(self, other: "Leg") -> None:
        """From now on it talks to that one."""
        self.other, self.party = other, other.me
