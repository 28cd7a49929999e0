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

from dataclasses import dataclass, field, replace
from enum import Enum, auto

from rooms.causes import Cause
from rooms.entries import CallLog
from rooms.flows.conditions import Facts
from rooms.journey import Journey
from rooms.legs import AgentLeg, Came, Leg, PhoneLeg
from rooms.monitor import Monitor
from rooms.move import MOVE_TABLE, Move, MoveState, MoveStep
from rooms.record import CallRecord, CallState, CallTally, CallView, MonitorView, MoveView, PartyView
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


_SEEN_AS_IT_IS = frozenset({Came.DIALED, Came.MONITOR, Came.TAKE_OVER})
"""Who came so sees an outgoing call as one; to others it came."""
_OFFERED = (Came.QUEUE, Came.CALL_BACK)


@dataclass(slots=True)
class Call:
    """``phones`` are the phones' legs that live, by leg, the first one the other side; ``legs`` those of agents, by identity.

    ``owner`` is the identity whose call it is, empty while it is nobody's; ``agent`` who had it last. ``gone``: legs that have left, for
    the record; ``dropped``: the last leg of each agent who is no longer part of it. ``waiting``: agents at whose it is to ring after the
    others. ``called_agent``: for whom it is, where it is for one person. ``hops``: how often it was led on to another number.
    ``impatient``: the other side has waited so long for the agent's audio that it is played something. ``journey``: of a caller who comes
    through a flow or a queue, or is called back.
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
    log: CallLog = field(default_factory=CallLog)
    monitors: dict[str, Monitor] = field(default_factory=dict)
    """Supervisors in its room who take no part in it, by identity."""
    told: dict[str, bool] = field(default_factory=dict)
    """Legs to which it is said that there are such, and whether it was said whole."""
    journey: Journey | None = None
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

    @property
    def everybody(self) -> tuple[str, ...]:
        """All whom it concerns: agents, and supervisors."""
        return (*self.legs, *self.monitors)

    def is_over_for(self, identity: str) -> bool:
        """Did it concern this person, and does no longer?"""
        return identity in self.dropped and identity not in self.legs and identity not in self.monitors

    def leg(self, leg_id: str) -> Leg | None:
        """A leg that lives."""
        people = (*self.legs.values(), *(monitor.leg for monitor in self.monitors.values()))
        return self.phones.get(leg_id) or next((leg for leg in people if leg.leg_id == leg_id), None)

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

    def drop_monitor(self, identity: str, now: float, cause: Cause) -> AgentLeg:
        """This supervisor is no longer in its room; the leg stays for the record."""
        leg = self.monitors.pop(identity).leg
        leg.end(now, cause)
        self.gone.append(leg)
        self.dropped[identity] = leg
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
        for leg in (*self.every_leg, *(monitor.leg for monitor in self.monitors.values())):
            leg.end(now, cause)

    def facts(self) -> Facts:
        """What is known of it now, to be asked by rules."""
        journey = self.journey
        of_flow = journey.run.facts if journey is not None and journey.run is not None else {}
        queue = journey.plan.name if journey is not None and journey.plan is not None else ""
        known = {"direction": self.direction, "caller": self.caller, "called": self.called, "agent": self.agent, "queue": queue}
        language = journey.speaks() if journey is not None else ""
        return {**of_flow, **{name: value for name, value in {**known, "language": language}.items() if value}}

    def view(self, identity: str = "") -> CallView:
        """The call as this agent sees it (default: as its owner does). For one whom it no longer rings, it has ended."""
        identity = identity or self.owner
        monitor = self.monitors.get(identity)
        leg = monitor.leg if monitor is not None else self.legs.get(identity) or self.dropped.get(identity)
        gone = self.is_over_for(identity)
        over = gone or self.state is CallState.ENDED
        rings = leg is not None and not leg.taken and not over
        return CallView(
            call_id=self.call_id,
            direction="in" if leg is not None and leg.came not in _SEEN_AS_IT_IS else self.direction,
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
            came=Came.MONITOR if monitor is not None else leg.came if leg is not None and (leg.by or leg.came in _OFFERED) else "",
            by=monitor.by if monitor is not None else leg.by if leg is not None else "",
            owned=bool(identity) and identity == self.owner,
            parties=() if over else tuple(self._parties(identity)),
            move=None if over or self.move is None else self._move_view(self.move),
            note=None if over else self.note,
            private=self.private,
            verified=self.verified,
            mode=monitor.mode if monitor is not None and not over else "",
            monitors=() if over else self.monitors_seen(identity),
            centre=self.journey.view() if self.journey is not None else None,
        )

    def monitors_seen(self, identity: str = "") -> tuple[MonitorView, ...]:
        """Supervisors whom this person is shown; all for another of them, and for who is not in the call."""
        every = identity not in self.legs
        return tuple(MonitorView(one, each.mode) for one, each in self.monitors.items() if one != identity and (every or each.shown))

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
        monitors = (monitor.leg for monitor in self.monitors.values())
        legs: list[Leg] = [*self.phones.values(), *self.legs.values(), *monitors, *self.gone]
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
            tally=self._tally,
        )

    @property
    def _tally(self) -> CallTally:
        tally, journey = self.log.tally, self.journey
        if journey is None:
            return tally
        back = journey.call_back
        return replace(
            tally,
            entry=journey.entry,
            language=journey.speaks(),
            queue=journey.plan.name if journey.plan is not None else "",
            waited_s=self.log.waited_s if back is None else journey.waited_s or 0.0,
            call_back=back.call_back_id if back is not None else "",
            vip=journey.run is not None and journey.run.facts.get("vip") is True,
        )
