"""A call, its legs, and the tables that say how they may change.

Theory. A call has one phone leg and one or more agent legs, of which one at most is the *owner's*: whoever dialled, or accepted first.
What the network does (the phone leg), what the browser does (the agent leg) and what the two make of the conversation (the call) are three
machines; mixing them in one gives a product of states that nobody can read. A step that a table does not know is not taken: for the
network that is a late event, which is counted and forgotten; for a person it is a refusal.

Call, outgoing:  DIALING --RANG--> RINGING --ANSWERED--> LIVE, and DIALING --ANSWERED--> LIVE (many PBXs never say 180). It is live from
the phone's answer, whether the agent's audio is up or not: from then on it costs money and somebody listens.

Call, incoming:  RINGING --ACCEPTED--> ANSWERING --AGENT_UP--> LIVE. Answering means: our 200 is on its way, the agent's audio is not yet
up. An agent whose browser prewarmed its media passes through in no time.

Every state but ENDED may END, for any cause; nothing leaves ENDED.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from rooms.causes import Cause
from rooms.record import CallRecord, CallState, CallView, LegRecord
from rooms.recording import CallRecording, RecordingState


class CallStep(Enum):
    RANG = auto()
    ANSWERED = auto()
    ACCEPTED = auto()
    AGENT_UP = auto()
    END = auto()


CALL_TABLE: dict[tuple[CallState, CallStep], CallState] = {
    (CallState.DIALING, CallStep.RANG): CallState.RINGING,
    (CallState.DIALING, CallStep.ANSWERED): CallState.LIVE,
    (CallState.DIALING, CallStep.END): CallState.ENDED,
    (CallState.RINGING, CallStep.RANG): CallState.RINGING,
    (CallState.RINGING, CallStep.ANSWERED): CallState.LIVE,
    (CallState.RINGING, CallStep.ACCEPTED): CallState.ANSWERING,
    (CallState.RINGING, CallStep.END): CallState.ENDED,
    (CallState.ANSWERING, CallStep.AGENT_UP): CallState.LIVE,
    (CallState.ANSWERING, CallStep.END): CallState.ENDED,
    (CallState.LIVE, CallStep.END): CallState.ENDED,
}


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
    leg_id: str
    party: str
    trunk: str
    opened_s: float
    state: PhoneState
    early_media: bool = False
    answered_s: float | None = None
    ended_s: float | None = None
    cause: Cause | None = None

    def take(self, step: PhoneStep) -> bool:
        """Take a step; False where the table has none."""
        to = PHONE_TABLE.get((self.state, step))
        self.state = to or self.state
        return to is not None

    @property
    def record(self) -> LegRecord:
        return LegRecord(self.leg_id, "phone", self.party, self.trunk, self.opened_s, self.answered_s, self.ended_s, self.cause)


@dataclass(slots=True)
class AgentLeg:
    leg_id: str
    party: str
    opened_s: float
    state: AgentLegState = AgentLegState.ANCHORED
    answered_s: float | None = None
    ended_s: float | None = None
    cause: Cause | None = None

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
    def record(self) -> LegRecord:
        return LegRecord(self.leg_id, "agent", self.party, "", self.opened_s, self.answered_s, self.ended_s, self.cause)


@dataclass(slots=True)
class Call:
    """``legs`` are the agents' legs by identity; ``owner`` is the identity whose call it is, empty until somebody accepts.

    ``impatient``: the other side has waited so long for the agent's audio that it is played something.
    """

    call_id: str
    direction: str
    caller: str
    caller_name: str
    called: str
    started_s: float
    state: CallState
    phone: PhoneLeg
    legs: dict[str, AgentLeg]
    owner: str = ""
    muted: bool = False
    held: bool = False
    held_by_other: bool = False
    impatient: bool = False
    answered_s: float | None = None
    ended_s: float | None = None
    cause: Cause | None = None
    dropped: dict[str, AgentLeg] = field(default_factory=dict)
    recording: CallRecording = field(default_factory=CallRecording)

    def take(self, step: CallStep) -> bool:
        """Take a step; False where the table has none."""
        to = CALL_TABLE.get((self.state, step))
        self.state = to or self.state
        return to is not None

    @property
    def outgoing(self) -> bool:
        return self.direction == "out"

    @property
    def own_leg(self) -> AgentLeg | None:
        """The leg of whoever has the call."""
        return self.legs.get(self.owner)

    def drop_agent(self, identity: str, now: float, cause: Cause) -> AgentLeg:
        """This agent no longer takes part; the leg stays for the record."""
        leg = self.legs.pop(identity)
        leg.end(now, cause)
        self.dropped[identity] = leg
        return leg

    def end(self, cause: Cause, now: float) -> None:
        """It is over, for every leg that still takes part."""
        self.take(CallStep.END)
        self.ended_s, self.cause = now, cause
        self.phone.ended_s, self.phone.cause = now, cause
        for leg in self.legs.values():
            leg.end(now, cause)

    def view(self, identity: str = "") -> CallView:
        """The call as this agent sees it (default: as its owner does). For one whom it no longer rings, it has ended."""
        identity = identity or self.owner
        leg = self.legs.get(identity) or self.dropped.get(identity)
        gone = identity in self.dropped
        return CallView(
            call_id=self.call_id,
            direction=self.direction,
            state=CallState.ENDED if gone else self.state,
            number=self.called if self.outgoing else self.caller,
            name=self.caller_name,
            agent=identity,
            agent_leg=leg.leg_id if leg else "",
            muted=self.muted,
            held=self.held,
            held_by_other=self.held_by_other,
            started_s=self.started_s,
            answered_s=None if gone else self.answered_s,
            ended_s=leg.ended_s if gone and leg else self.ended_s,
            cause=leg.cause if gone and leg else self.cause,
            agent_connected=leg is not None and leg.up,
            recording=RecordingState.OFF if gone or self.state is CallState.ENDED else self.recording.state,
        )

    @property
    def record(self) -> CallRecord:
        legs = [leg.record for leg in (*self.legs.values(), *self.dropped.values())]
        return CallRecord(
            call_id=self.call_id,
            direction=self.direction,
            caller=self.caller,
            caller_name=self.caller_name,
            called=self.called,
            agent=self.owner,
            state=self.state,
            started_s=self.started_s,
            answered_s=self.answered_s,
            ended_s=self.ended_s,
            cause=self.cause,
            legs=(self.phone.record, *legs),
        )
