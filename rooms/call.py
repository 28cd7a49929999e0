"""A call, its legs, and the table that says how it may change.

Theory. A call is a room with legs: phones and agents. Of the agents one at most is its *owner*: whoever dialled, or accepted first, or has
been given it. A call may have no owner for a while (it is parked, or on its way to somebody) or for good (two phones were joined). The call
and its legs (``rooms/legs.py``) are machines of their own, and so is what is being done with an answered call (``rooms/move.py``).

Call, outgoing:  DIALING --RANG--> RINGING --ANSWERED--> LIVE, and DIALING --ANSWERED--> LIVE (many PBXs never say 180). It is live from
the phone's answer, whether the agent's audio is up or not: from then on it costs money and somebody listens.

Call, incoming:  RINGING --ACCEPTED--> ANSWERING --AGENT_UP--> LIVE. Answering means: our 200 is on its way, the agent's audio is not yet
up. An agent whose browser prewarmed its media passes through in no time. RINGING --ANSWERED--> LIVE where it was forwarded, and the phone
that it was forwarded to has answered.

Every state but ENDED may END, for any cause; nothing leaves ENDED. An answered call goes on for as long as two take part in it, or one who
is waiting for somebody.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from rooms.causes import Cause
from rooms.legs import AgentLeg, Came, Leg, PhoneLeg
from rooms.move import MOVE_TABLE, Move, MoveState, MoveStep
from rooms.record import CallRecord, CallState, CallView, MoveView, PartyView
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


@dataclass(slots=True)
class Call:
    """``phones`` are the phones' legs that live, by leg, the first one the other side; ``legs`` those of agents, by identity.

    ``owner`` is the identity whose call it is, empty while it is nobody's; ``agent`` who had it last. ``gone``: legs that have left, for
    the record; ``dropped``: the last leg of each agent who is no longer part of it. ``waiting``: agents at whose it is to ring after the
    others. ``called_agent``: for whom it is, where it is for one person. ``hops``: how often it was led on to another number.
    ``impatient``: the other side has waited so long for the agent's audio that it is played something.
    """

    call_id: str
    direction: str
    caller: str
    caller_name: str
    called: str
    started_s: float
    state: CallState
    phones: dict[str, PhoneLeg]
    legs: dict[str, AgentLeg]
    owner: str = ""
    agent: str = ""
    impatient: bool = False
    answered_s: float | None = None
    ended_s: float | None = None
    cause: Cause | None = None
    move: Move | None = None
    note: Cause | None = None
    """Why the last transfer of it came to nothing."""
    waiting: list[str] = field(default_factory=list)
    called_agent: str = ""
    hops: int = 0
    private: bool = False
    verified: bool = True
    gone: list[Leg] = field(default_factory=list)
    dropped: dict[str, AgentLeg] = field(default_factory=dict)
    recording: CallRecording = field(default_factory=CallRecording)
    _drawn: int = 0

    def take(self, step: CallStep) -> bool:
        """Take a step; False where the table has none."""
        to = CALL_TABLE.get((self.state, step))
        self.state = to or self.state
        return to is not None

    def move_takes(self, step: MoveStep) -> bool:
        """Take a step of what is being done with it; False where nothing is, or the table has none."""
        if self.move is None or (self.move.state, step) not in MOVE_TABLE:
            return False
        to = MOVE_TABLE[self.move.state, step]
        if to is None:
            self.move = None
        else:
            self.move.state = to
        return True

    def new_leg_id(self) -> str:
        """A name for one more leg; as hard to guess as the call's own."""
        self._drawn += 1
        return f"{self.call_id}-{self._drawn}"

    @property
    def outgoing(self) -> bool:
        return self.direction == "out"

    @property
    def moving(self) -> MoveState | None:
        return self.move.state if self.move is not None else None

    @property
    def phone(self) -> PhoneLeg | None:
        """The other side, as long as there is one by telephone."""
        return next(iter(self.phones.values()), None)

    @property
    def own_leg(self) -> AgentLeg | None:
        """The leg of whoever has the call."""
        return self.legs.get(self.owner)

    @property
    def every_leg(self) -> list[Leg]:
        """Those that live, agents first."""
        return [*self.legs.values(), *self.phones.values()]

    @property
    def taking_part(self) -> list[Leg]:
        """Those who have accepted, or answered."""
        return [leg for leg in self.every_leg if leg.takes_part]

    def others(self, identity: str) -> list[Leg]:
        """Who takes part beside this agent."""
        return [leg for leg in self.taking_part if leg is not self.legs.get(identity)]

    def leg(self, leg_id: str) -> Leg | None:
        """A leg that lives."""
        return self.phones.get(leg_id) or next((leg for leg in self.legs.values() if leg.leg_id == leg_id), None)

    @property
    def target(self) -> Leg | None:
        """The leg of whom a transfer is to reach."""
        return self.leg(self.move.leg_id) if self.move is not None and self.move.leg_id else None

    def own(self, identity: str) -> None:
        """From now on it is this agent's."""
        self.owner = self.agent = identity

    def drop_agent(self, identity: str, now: float, cause: Cause) -> AgentLeg:
        """This agent no longer takes part; the leg stays for the record."""
        leg = self.legs.pop(identity)
        leg.end(now, cause)
        self.gone.append(leg)
        self.dropped[identity] = leg
        if self.owner == identity:
            self.owner = ""
        return leg

    def drop_phone(self, leg_id: str, now: float, cause: Cause) -> PhoneLeg:
        """This phone no longer takes part; the leg stays for the record."""
        leg = self.phones.pop(leg_id)
        leg.end(now, cause)
        self.gone.append(leg)
        return leg

    def end(self, cause: Cause, now: float) -> None:
        """It is over, for every leg that still takes part."""
        self.take(CallStep.END)
        self.ended_s, self.cause = now, cause
        for leg in self.every_leg:
            leg.end(now, cause)

    def view(self, identity: str = "") -> CallView:
        """The call as this agent sees it (default: as its owner does). For one whom it no longer rings, it has ended."""
        identity = identity or self.owner
        leg = self.legs.get(identity) or self.dropped.get(identity)
        gone = identity not in self.legs and identity in self.dropped
        over = gone or self.state is CallState.ENDED
        rings = leg is not None and not leg.taken and not over
        return CallView(
            call_id=self.call_id,
            direction="in" if leg is not None and leg.came is not Came.DIALED else self.direction,
            state=CallState.ENDED if gone else CallState.RINGING if rings else self.state,
            number=self.called if self.outgoing else self.caller,
            name=self.caller_name,
            agent=identity,
            agent_leg=leg.leg_id if leg else "",
            muted=leg.muted if leg is not None else False,
            held=self._held(identity),
            held_by_other=any(phone.held_by_other for phone in self.phones.values()),
            started_s=self.started_s,
            answered_s=None if gone else leg.answered_s if leg is not None and identity != self.owner else self.answered_s,
            ended_s=leg.ended_s if gone and leg else self.ended_s,
            cause=leg.cause if gone and leg else self.cause,
            agent_connected=leg is not None and leg.up,
            recording=RecordingState.OFF if over else self.recording.state,
            came=leg.came if leg is not None and leg.by else "",
            by=leg.by if leg is not None else "",
            owned=bool(identity) and identity == self.owner,
            parties=() if over else tuple(self._parties(identity)),
            move=None if over or self.move is None else self._move_view(self.move),
            note=None if over else self.note,
            private=self.private,
            verified=self.verified,
        )

    def _held(self, identity: str) -> bool:
        others = self.others(identity)
        return bool(others) and all(leg.held for leg in others)

    def _parties(self, identity: str) -> list[PartyView]:
        return [
            PartyView(leg.leg_id, "phone" if isinstance(leg, PhoneLeg) else "agent", leg.party, leg.takes_part, leg.held)
            for leg in self.every_leg
            if leg is not self.legs.get(identity) and (leg.takes_part or leg is self.target)
        ]

    def _move_view(self, move: Move) -> MoveView:
        return MoveView(move.state.value, move.by, move.target.name, move.slot, move.why, move.since_s)

    @property
    def record(self) -> CallRecord:
        legs: list[Leg] = [*self.phones.values(), *self.legs.values(), *self.gone]
        return CallRecord(
            call_id=self.call_id,
            direction=self.direction,
            caller=self.caller,
            caller_name=self.caller_name,
            called=self.called,
            agent=self.agent,
            state=self.state,
            started_s=self.started_s,
            answered_s=self.answered_s,
            ended_s=self.ended_s,
            cause=self.cause,
            legs=tuple(leg.record for leg in legs),
        )
