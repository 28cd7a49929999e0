"""The legs of a call, and the tables that say how they may change.

Theory. What the network does (a phone's leg) and what a browser does (an agent's leg) are machines of their own, beside that of the call
(``rooms/call.py``): mixing them in one gives a product of states that nobody can read. A step that a table does not know is not taken: for
the network that is a late event, which is counted and forgotten; for a person it is a refusal.

Two things are no states, because they go with several of them: whether a leg is ``held`` by us, and whether an agent has ``taken`` the call
or is only being rung.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from rooms.causes import Cause
from rooms.record import LegRecord


class Came(StrEnum):
    """How a leg came into its call."""

    ARRIVED = "arrived"
    """It called us."""
    DIALED = "dialed"
    RUNG = "rung"
    TRANSFER = "transfer"
    CONSULTATION = "consultation"
    FORWARD = "forward"
    RETURN = "return"
    """The call came back: its transfer failed, or nobody picked it up."""
    PICK_UP = "pick_up"
    QUEUE = "queue"
    """It was offered the call, which waited in a queue."""
    CALL_BACK = "call_back"
    """It was offered to call somebody back."""
    REPLACED = "replaced"
    """In the place of another leg, by signalling (RFC 3891)."""
    MONITOR = "monitor"
    """A supervisor, who takes no part (``rooms/monitor.py``)."""
    TAKE_OVER = "take_over"
    """A supervisor, who has the call now."""


class PhoneState(Enum):
    """``CALLED``: we sent an INVITE. ``EARLY``: it rings there. ``OFFERED``: it calls us. ``UP``: answered, by either side."""

    CALLED = auto()
    EARLY = auto()
    OFFERED = auto()
    UP = auto()
    ENDED = auto()


class PhoneStep(Enum):
    """``ANSWERED`` on a leg that is up already is the ACK of our own 200: true, and news to nobody."""

    RANG = auto()
    ANSWERED = auto()
    REFUSED = auto()
    ACCEPTED = auto()
    HELD = auto()
    HUNG_UP = auto()
    LOST = auto()
    DROPPED = auto()


PHONE_TABLE: dict[tuple[PhoneState, PhoneStep], PhoneState] = {
    (PhoneState.CALLED, PhoneStep.RANG): PhoneState.EARLY,
    (PhoneState.CALLED, PhoneStep.ANSWERED): PhoneState.UP,
    (PhoneState.CALLED, PhoneStep.REFUSED): PhoneState.ENDED,
    (PhoneState.EARLY, PhoneStep.RANG): PhoneState.EARLY,
    (PhoneState.EARLY, PhoneStep.ANSWERED): PhoneState.UP,
    (PhoneState.EARLY, PhoneStep.REFUSED): PhoneState.ENDED,
    (PhoneState.OFFERED, PhoneStep.ACCEPTED): PhoneState.UP,
    (PhoneState.UP, PhoneStep.ANSWERED): PhoneState.UP,
    (PhoneState.UP, PhoneStep.HELD): PhoneState.UP,
    **{
        (state, step): PhoneState.ENDED
        for state in (PhoneState.CALLED, PhoneState.EARLY, PhoneState.OFFERED, PhoneState.UP)
        for step in (PhoneStep.HUNG_UP, PhoneStep.LOST, PhoneStep.DROPPED)
    },
}


class AgentLegState(Enum):
    """``ANCHORED``: no audio yet. ``UP``: audio up. ``LOST``: it was up; the page may come back and take the leg over."""

    ANCHORED = auto()
    UP = auto()
    LOST = auto()
    ENDED = auto()


class AgentLegStep(Enum):
    CONNECTED = auto()
    LOST = auto()
    DROPPED = auto()


AGENT_LEG_TABLE: dict[tuple[AgentLegState, AgentLegStep], AgentLegState] = {
    (AgentLegState.ANCHORED, AgentLegStep.CONNECTED): AgentLegState.UP,
    (AgentLegState.UP, AgentLegStep.CONNECTED): AgentLegState.UP,
    (AgentLegState.UP, AgentLegStep.LOST): AgentLegState.LOST,
    (AgentLegState.LOST, AgentLegStep.CONNECTED): AgentLegState.UP,
    **{(state, AgentLegStep.DROPPED): AgentLegState.ENDED for state in (AgentLegState.ANCHORED, AgentLegState.UP, AgentLegState.LOST)},
}


@dataclass(slots=True)
class PhoneLeg:
    """``by``: who had it dialled, and answers for what it costs; empty where it called us. ``held``: by us; ``held_by_other``: it holds
    us."""

    leg_id: str
    party: str
    trunk: str
    opened_s: float
    state: PhoneState
    came: Came = Came.ARRIVED
    by: str = ""
    early_media: bool = False
    held: bool = False
    held_by_other: bool = False
    answered_s: float | None = None
    ended_s: float | None = None
    cause: Cause | None = None
    hold_s: float = 0.0
    ended_by: str = ""

    def take(self, step: PhoneStep) -> bool:
        """Take a step; False where the table has none."""
        to = PHONE_TABLE.get((self.state, step))
        self.state = to or self.state
        return to is not None

    def answer(self, now: float) -> None:
        if self.answered_s is None:
            self.answered_s = now

    def end(self, now: float, cause: Cause) -> None:
        if self.ended_s is None:
            self.ended_s, self.cause = now, cause

    @property
    def up(self) -> bool:
        return self.state is PhoneState.UP

    @property
    def audible(self) -> bool:
        """Does it speak and hear in the room? Early media is heard too, and hears: a menu that speaks before it answers wants answers.

        So does a caller who is let hear it.
        """
        return self.up or (self.state in (PhoneState.EARLY, PhoneState.OFFERED) and self.early_media)

    @property
    def takes_part(self) -> bool:
        return self.up

    @property
    def record(self) -> LegRecord:
        return LegRecord(
            self.leg_id,
            "phone",
            self.party,
            self.trunk,
            self.opened_s,
            self.answered_s,
            self.ended_s,
            self.cause,
            self.came,
            self.by,
            self.hold_s,
            self.ended_by,
        )


@dataclass(slots=True)
class AgentLeg:
    """``taken``: the agent takes part; else it rings there. ``by``: who brought the agent into the call, where somebody did."""

    leg_id: str
    party: str
    opened_s: float
    state: AgentLegState = AgentLegState.ANCHORED
    came: Came = Came.RUNG
    by: str = ""
    taken: bool = False
    muted: bool = False
    held: bool = False
    answered_s: float | None = None
    ended_s: float | None = None
    cause: Cause | None = None
    hold_s: float = 0.0
    ended_by: str = ""

    def take(self, step: AgentLegStep) -> bool:
        """Take a step; False where the table has none."""
        to = AGENT_LEG_TABLE.get((self.state, step))
        self.state = to or self.state
        return to is not None

    def end(self, now: float, cause: Cause) -> None:
        if self.take(AgentLegStep.DROPPED):
            self.ended_s, self.cause = now, cause

    @property
    def up(self) -> bool:
        return self.state is AgentLegState.UP

    @property
    def audible(self) -> bool:
        """Does it speak and hear in the room? Prewarmed media of an agent who has not accepted does not."""
        return self.taken and self.up

    @property
    def takes_part(self) -> bool:
        return self.taken

    @property
    def record(self) -> LegRecord:
        kind = "monitor" if self.came is Came.MONITOR else "agent"
        return LegRecord(
            self.leg_id,
            kind,
            self.party,
            "",
            self.opened_s,
            self.answered_s,
            self.ended_s,
            self.cause,
            self.came,
            self.by,
            self.hold_s,
            self.ended_by,
        )


Leg = PhoneLeg | AgentLeg
