"""The journal of all calls: every change of a call's state as one entry, once, derived from the call as it stands and never noted by hand.

As with what is heard (``rooms/room.py``) each event only changes the call; then ``look`` compares it with how it stood when it was last
looked at. So a step that somebody adds to call control is in the journal without a line here, as long as it changes a leg, the move, the
recording or the end. What comes and goes within one event leaves its legs' entries, and of states in between the last.
"""

from rooms.call import Call
from rooms.causes import Cause, EndReason
from rooms.entries import Entry, QueueVisit, SeenLeg, What
from rooms.flows.run import FlowRun
from rooms.legs import AgentLeg, AgentLegState, Came, Leg, PhoneLeg, PhoneState
from rooms.monitor import Monitor
from rooms.move import Move, MoveState
from rooms.queues.ticket import Left
from rooms.record import CallState
from rooms.recording import RecordingState

_MOVED = {
    MoveState.CALLING: What.CONSULTATION_CALLED,
    MoveState.CONSULTING: What.CONSULTING,
    MoveState.SENT: What.TRANSFERRED,
    MoveState.REFERRED: What.TRANSFERRED,
    MoveState.OBEYED: What.TRANSFERRED,
    MoveState.FORWARDED: What.FORWARDED,
    MoveState.PARKED: What.PARKED,
    MoveState.RETURNING: What.RETURNED,
}
_RECORDED = {
    RecordingState.OFF: What.RECORDING_STOPPED,
    RecordingState.ANNOUNCING: What.RECORDING_ANNOUNCED,
    RecordingState.RECORDING: What.RECORDING_BEGUN,
    RecordingState.PAUSED: What.RECORDING_PAUSED,
    RecordingState.FAILED: What.RECORDING_FAILED,
}
_NEW = SeenLeg()


class Journal:
    """Of all calls. ``most``: entries of one call. ``by``: who brings about what is looked at next, empty: nobody but the server."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._touched: dict[str, Call] = {}
        self._noted: list[Entry] = []
        self._visits: list[QueueVisit] = []
        self.by = ""

    def begin(self, by: str) -> None:
        """Another event is to be handled; what was noted of the one before is forgotten."""
        self.by = by
        self._noted, self._visits, self._touched = [], [], {}

    def touch(self, call: Call) -> None:
        """This call is to be looked at when the event has been handled."""
        self._touched[call.call_id] = call

    def look_at_touched(self, now: float) -> None:
        for call in tuple(self._touched.values()):
            self.look(call, now)

    @property
    def noted(self) -> tuple[Entry, ...]:
        """What has happened since ``begin``, in order."""
        return tuple(self._noted)

    @property
    def visits(self) -> tuple[QueueVisit, ...]:
        """Stays in queues that have ended since ``begin``."""
        return tuple(self._visits)

    def look(self, call: Call, now: float) -> None:
        """Note what has changed in this call."""
        self._touched.pop(call.call_id, None)
        log = call.log
        if log.ended:
            return
        noted = len(self._noted)
        if not log.begun:
            log.begun = True
            self._note(call, now, What.DIALED if call.outgoing else What.ARRIVED, call.caller, detail=call.called)
        if call.journey is not None and call.journey.run is not None:
            self._look_at_steps(call, call.journey.run)
        for leg in call.gone[log.gone :]:
            self._look_at_leg(call, leg, now)
            self._leave(call, leg, now)
        log.gone = len(call.gone)
        for agent in call.legs.values():
            if log.modes and log.modes.pop(agent.leg_id, ""):
                self._note(call, now, What.TAKEN_OVER, agent.party, agent.leg_id)
            self._look_at_agent(call, agent, now)
        for monitor in call.monitors.values():
            self._look_at_monitor(call, monitor, now)
        for phone in call.phones.values():
            self._look_at_phone(call, phone, now)
        if log.move is not call.move or log.moving is not call.moving:
            self._look_at_move(call, now)
        log.note = call.note
        if log.recording is not call.recording.state:
            self._look_at_recording(call, now)
        if len(self._noted) > noted or log.left_out or call.state is CallState.ENDED:
            self._count_talk(call, now)
        if call.state is CallState.ENDED:
            self._end(call, now)

    # ------------------------------------------------------------------ legs

    def _look_at_leg(self, call: Call, leg: Leg, now: float) -> None:
        if isinstance(leg, PhoneLeg):
            self._look_at_phone(call, leg, now)
        else:
            self._look_at_agent(call, leg, now)

    def _look_at_phone(self, call: Call, leg: PhoneLeg, now: float) -> None:
        seen, stands = call.log.legs.get(leg.leg_id, _NEW), (leg.state, leg.answered_s is not None, leg.held, leg.held_by_other)
        if seen == stands:
            return
        call.log.legs[leg.leg_id] = SeenLeg(*stands)
        if seen.state is None and leg.came not in (Came.ARRIVED, Came.DIALED):
            self._note(call, now, What.CALLED, leg.party, leg.leg_id, detail=leg.came)
        if seen.state is not leg.state and leg.state is PhoneState.EARLY:
            self._note(call, now, What.RANG, leg.party, leg.leg_id)
        if not seen.there and leg.answered_s is not None:
            self._note(call, now, What.ANSWERED, leg.party, leg.leg_id)
        if seen.other is not leg.held_by_other:
            self._note(call, now, What.HELD_BY_OTHER if leg.held_by_other else What.RESUMED_BY_OTHER, leg.party, leg.leg_id)
        if seen.held is not leg.held:
            self._hold(call, leg, now)

    def _look_at_agent(self, call: Call, leg: AgentLeg, now: float) -> None:
        seen, stands = call.log.legs.get(leg.leg_id, _NEW), (leg.state, leg.taken, leg.held, leg.muted)
        if seen == stands:
            return
        call.log.legs[leg.leg_id] = SeenLeg(*stands)
        if seen.state is None and not leg.taken:
            self._note(call, now, What.OFFERED, leg.party, leg.leg_id, detail=leg.came)
            call.log.offers += leg.came is Came.QUEUE
        if not seen.there and leg.taken and leg.came is not Came.DIALED:
            self._note(call, now, What.ACCEPTED, leg.party, leg.leg_id, detail=leg.came)
        if not call.log.answered_by and leg.taken and leg.came is not Came.DIALED:
            call.log.answered_by = leg.party
        if seen.state is not leg.state and leg.state in (AgentLegState.UP, AgentLegState.LOST):
            self._note(call, now, What.CONNECTED if leg.state is AgentLegState.UP else What.LOST, leg.party, leg.leg_id)
        if seen.other is not leg.muted:
            self._note(call, now, What.MUTED if leg.muted else What.UNMUTED, leg.party, leg.leg_id)
        if seen.held is not leg.held:
            self._hold(call, leg, now)

    def _look_at_monitor(self, call: Call, monitor: Monitor, now: float) -> None:
        leg, log = monitor.leg, call.log
        if log.modes.get(leg.leg_id) != monitor.mode:
            log.modes[leg.leg_id] = monitor.mode
            self._note(call, now, What.MONITORED, leg.party, leg.leg_id, detail=monitor.mode)
        seen = log.legs.get(leg.leg_id, _NEW)
        if seen.state is not leg.state:
            log.legs[leg.leg_id] = SeenLeg(leg.state, True, leg.held, leg.muted)
            if leg.state in (AgentLegState.UP, AgentLegState.LOST):
                self._note(call, now, What.CONNECTED if leg.state is AgentLegState.UP else What.LOST, leg.party, leg.leg_id)

    def _hold(self, call: Call, leg: Leg, now: float) -> None:
        log = call.log
        self._note(call, now, What.HELD if leg.held else What.RESUMED, leg.party, leg.leg_id)
        if leg.held:
            log.held_since_s[leg.leg_id] = now
        else:
            self._count_hold(call, leg, now)

    def _count_hold(self, call: Call, leg: Leg, now: float) -> None:
        since_s = call.log.held_since_s.pop(leg.leg_id, None)
        if since_s is None:
            return
        leg.hold_s += now - since_s
        if isinstance(leg, PhoneLeg):
            call.log.hold_s += now - since_s

    def _leave(self, call: Call, leg: Leg, now: float) -> None:
        """A leg has gone out of a call that goes on."""
        self._count_hold(call, leg, now)
        leg.ended_by = self.by
        what, reason = What.LEFT, leg.cause.reason if leg.cause is not None else EndReason.COMPLETED
        if isinstance(leg, AgentLeg) and not leg.taken:
            what = What.DECLINED if reason is EndReason.DECLINED else What.WITHDRAWN
        self._note(call, now, what, leg.party, leg.leg_id, detail=_cause(leg.cause))
        call.log.legs.pop(leg.leg_id, None)
        call.log.modes.pop(leg.leg_id, None)

    # ------------------------------------------------------------------ the whole call

    def _look_at_move(self, call: Call, now: float) -> None:
        log, move = call.log, call.move
        before, log.move, was, log.moving = log.move, move, log.moving, call.moving
        if before is not None and was is not None and move is not before:
            self._move_over(call, before, was, now)
        what = _MOVED.get(move.state) if move is not None else None
        if move is not None and move is not before and move.target.queue:
            what = What.TRANSFERRED
        if move is not None and what is not None:
            self._note(call, now, what, move.target.name, move.leg_id, detail=str(move.slot or "") or _cause(move.why))
            log.transfers += what is What.TRANSFERRED

    def _move_over(self, call: Call, move: Move, was: MoveState, now: float) -> None:
        if call.state is CallState.ENDED:
            return
        failed = call.note is not None and call.note is not call.log.note
        asking = was in (MoveState.CALLING, MoveState.CONSULTING)
        what = What.TRANSFER_COMPLETED
        if was is MoveState.PARKED or was is MoveState.RETURNING:
            what = What.PICKED_UP
        elif was in (MoveState.FORWARDED, MoveState.GUIDED, MoveState.WAITING):
            return
        elif asking and move.by == call.owner:
            what = What.CONSULTATION_ENDED if failed or len(call.taking_part) < 3 else What.MERGED
        elif failed:
            what = What.TRANSFER_FAILED
        call.log.transfers += asking and what is What.TRANSFER_COMPLETED
        self._note(call, now, what, call.owner if what is What.PICKED_UP else move.target.name, detail=_cause(call.note) if failed else "")

    def _look_at_recording(self, call: Call, now: float) -> None:
        state, before = call.recording.state, call.log.recording
        call.log.recording = state
        resumed = state is RecordingState.RECORDING and before is RecordingState.PAUSED
        part = str(call.recording.part or "")
        self._note(call, now, What.RECORDING_RESUMED if resumed else _RECORDED[state], detail=part)

    def _count_talk(self, call: Call, now: float) -> None:
        log = call.log
        talking = call.state is not CallState.ENDED and len(call.taking_part) >= 2
        if talking and log.talking_since_s is None:
            log.talking_since_s = now
        elif not talking and log.talking_since_s is not None:
            log.talk_s += now - log.talking_since_s
            log.talking_since_s = None

    # ------------------------------------------------------------------ flows and queues

    def _look_at_steps(self, call: Call, run: FlowRun) -> None:
        log = call.log
        if not log.steps and run.trail:
            self._note(call, run.trail[0].since_s, What.GUIDED, call.journey.entry if call.journey is not None else "")
        for passed in run.trail[log.steps :]:
            self._note(call, passed.since_s, What.STEP, passed.flow, detail=passed.step)
        log.steps = len(run.trail)

    def queued(self, call: Call, queue: str, now: float) -> None:
        """The caller waits in this queue from now on."""
        self.look(call, now)
        self._note(call, now, What.QUEUED, queue)
        call.log.offers = 0

    def turned_away(self, call: Call, queue: str, why: str, now: float) -> None:
        """The caller was not let into this queue."""
        self.look(call, now)
        self._note(call, now, What.TURNED_AWAY, queue, detail=why)
        call.log.visits += 1
        self._visits.append(QueueVisit(call.call_id, call.log.visits, queue, now, now, now, why))

    def left_queue(self, call: Call, outcome: str, now: float, agent: str = "") -> None:
        """The caller waits no more. ``agent``: who has them now."""
        journey, log = call.journey, call.log
        if journey is None or journey.plan is None or journey.joined_s is None:
            return
        self.look(call, now)
        plan, waited_s = journey.plan, now - journey.since_s
        if not agent and not log.ended:
            self._note(call, now, What.LED_ON, plan.name, detail=outcome)
        log.visits += 1
        log.waited_s += now - journey.joined_s
        visit = QueueVisit(
            call_id=call.call_id,
            visit=log.visits,
            queue=plan.name,
            since_s=journey.since_s,
            joined_s=journey.joined_s,
            left_s=now,
            outcome=str(outcome),
            agent=agent,
            leg_id=call.legs[agent].leg_id if agent else "",
            offers=log.offers,
            in_time=bool(agent) and waited_s <= plan.service_level_s,
            short=outcome == Left.ABANDONED and waited_s <= plan.short_abandon_s,
            wraps_up=bool(agent) and plan.wrap_up_s > 0,
        )
        self._visits.append(visit)

    def _end(self, call: Call, now: float) -> None:
        for leg in call.every_leg:
            self._count_hold(call, leg, now)
            leg.ended_by = self.by
        for monitor in call.monitors.values():
            monitor.leg.ended_by = self.by
        call.log.ended_by, call.log.ended = self.by, True
        gave_up = self.by != "" and any(phone.party == self.by for phone in call.phones.values())
        self.left_queue(call, Left.ABANDONED if gave_up else Left.CLOSED, now)
        self._note(call, now, What.ENDED, detail=_cause(call.cause))

    def _note(self, call: Call, now: float, what: What, party: str = "", leg_id: str = "", detail: str = "") -> None:
        log = call.log
        if log.seq >= self._most - 1 and what is not What.ENDED:
            log.left_out += 1
            return
        log.seq += 1
        self._noted.append(Entry(call.call_id, log.seq, now, what, party, leg_id, self.by, detail))


def _cause(cause: Cause | None) -> str:
    """Ours, and the wire's where there was one."""
    return "" if cause is None else cause.reason.value if cause.sip is None else f"{cause.reason.value} {cause.sip}"
