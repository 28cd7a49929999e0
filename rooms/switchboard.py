"""Call control: events in, effects out. No clock, no network, no tasks: ``now`` is an argument and every effect is data.

The tables stand in ``rooms/call.py``, what is heard in ``rooms/room.py``. Rules that are decided here:

- The first agent to accept has the call. For the others it ends with "answered elsewhere".
- An accepted call is answered at once, before the agent's audio is up: a browser needs a quarter of a second for that. Should it need
  longer, the caller hears ringing instead of silence, and after ``agent_media_s`` the call ends with ``media_lost``. It does not ring
  again: the caller has been answered and pays, and a browser without a microphone has none ten seconds later.
- A dialled number that is busy or refuses ends the call at once, without a busy tone: the page says the reason in words, and the agent can
  dial the next number in the same second.
- A browser that goes away leaves its leg anchored for ``reload_s``; the phone hears the waiting tone and never sees a BYE.
- Hanging up a call that has just ended, or accepting twice, is what two hands do: no error. Accepting one that has gone is told why.
- Late events of the network are counted in ``late`` and change nothing. A 200 that crosses our CANCEL is the trunk's to acknowledge and
  end.
- The last effect of every call is its ``CloseRoom``; after it the call is forgotten, and its record is the store's.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from rooms import events as ev
from rooms.agent import AgentState
from rooms.call import AgentLeg, AgentLegState, AgentLegStep, Call, CallStep, PhoneLeg, PhoneState, PhoneStep
from rooms.causes import Cause, EndReason
from rooms.deadlines import DeadlineKind
from rooms.effects import (
    AnswerCall,
    CloseLeg,
    CloseRoom,
    Effect,
    HangUp,
    HoldPhone,
    Notify,
    OpenRoom,
    PlaceCall,
    RingBack,
    SendDigits,
    WriteRecord,
)
from rooms.policy import CallPolicy
from rooms.record import CallRecord, CallState, CallView
from rooms.recorder import Recorder
from rooms.refusals import NotPossible
from rooms.register import Register

__all__ = ["CallPolicy", "NotPossible", "Switchboard"]

_DIGITS = frozenset("0123456789*#ABCD")
_BEARABLE = frozenset({"Play", "SendDigits", "HoldPhone", "RingBack", "Notify", "WriteRecord", "CloseLeg", "EraseRecording"})
_OF_RECORDING = frozenset({"PlayOnce", "StartRecording", "PauseRecording", "ResumeRecording", "StopRecording"})
"""Effects whose failure does not end the call."""


class Switchboard:
    """Every call of this node. Bounded by ``policy.max_calls``; ended calls are forgotten but for their last ``remembered_ends`` names."""

    def __init__(self, policy: CallPolicy | None = None) -> None:
        self._policy = policy or CallPolicy()
        self._register = Register(self._policy.remembered_ends)
        self._recorder = Recorder(self._policy.recording, self._register)
        self._draining = False
        self.late: Counter[str] = Counter()
        """Events that came too late, or about nothing we know, by their type."""

    # ------------------------------------------------------------------ what others read

    def __len__(self) -> int:
        return len(self._register.calls)

    def call(self, call_id: str) -> CallView | None:
        """The call as its owner sees it; None when it is unknown or has ended."""
        call = self._register.calls.get(call_id)
        return call.view() if call else None

    def record(self, call_id: str) -> CallRecord | None:
        """The call as it would be stored now."""
        call = self._register.calls.get(call_id)
        return call.record if call else None

    def calls_of(self, agent: str) -> list[CallView]:
        """The calls that are this agent's or ring at theirs, oldest first."""
        return [self._register.calls[call_id].view(agent) for call_id in self._register.people.get(agent).calls]

    def agent_state(self, agent: str) -> AgentState:
        return self._register.people.get(agent).state

    def engagement(self, agent: str) -> AgentState | None:
        """Is a call here theirs (``on_call``), does one ring at theirs (``ringing``), or neither?"""
        known = self._register.people.get(agent)
        return AgentState.ON_CALL if known.own_call is not None else AgentState.RINGING if known.calls else None

    def wants_calls(self, agent: str) -> bool:
        """What this person last said about taking calls; yes by default."""
        return self._register.people.get(agent).willing

    def available_agents(self, called: str = "") -> tuple[str, ...]:
        """Who may be rung now, longest free first. Where ``called`` is the identity of somebody known, that one or nobody."""
        return self._register.people.available(called, self._policy.max_ringing_agents)

    # ------------------------------------------------------------------ events and time

    def handle(self, event: ev.Event, now: float) -> list[Effect]:
        """What follows from an event. Raises ``NotPossible`` for what a person may not do now, before anything has changed."""
        effects: list[Effect] = self._ON[type(event)](self, event, now)
        return effects

    def expire(self, now: float) -> list[Effect]:
        """What follows from the deadlines that have come. After it ``next_deadline()`` is later than ``now``."""
        effects: list[Effect] = []
        while (key := self._register.deadlines.pop_due(now)) is not None:
            effects.extend(self._ON_DEADLINE[key.kind](self, self._register.calls[key.call_id], key.party, now))
        return effects

    def next_deadline(self) -> float | None:
        return self._register.deadlines.next()

    # ------------------------------------------------------------------ calls begin

    def _dialed(self, event: ev.CallDialed, now: float) -> list[Effect]:
        if self._draining:
            raise NotPossible("stopping", "The server is being stopped and takes no new calls: try again in a minute.")
        if len(self._register.calls) >= self._policy.max_calls:
            raise NotPossible("full", "The server has as many calls as it may have: try again when one has ended.")
        if event.call_id in self._register.calls or not self._register.are_new(event.agent_leg, event.phone_leg):
            raise NotPossible("duplicate_call", "This call exists already: each call needs identifiers of its own.")
        if self._register.people.get(event.agent).on_call:
            raise NotPossible("on_call", "You are in a call already: hang up first.")
        call = Call(
            call_id=event.call_id,
            direction="out",
            caller=event.agent,
            caller_name="",
            called=event.number,
            started_s=now,
            state=CallState.DIALING,
            phone=PhoneLeg(event.phone_leg, event.number, event.trunk, now, PhoneState.CALLED),
            legs={event.agent: AgentLeg(event.agent_leg, event.agent, now)},
            owner=event.agent,
        )
        self._register.enter(call)
        self._register.set(call, DeadlineKind.NO_ANSWER, now + self._policy.no_answer_s)
        place = PlaceCall(call.call_id, event.phone_leg, event.trunk, event.number)
        return [OpenRoom(call.call_id), place, *_show(call), WriteRecord(call.record)]

    def _arrived(self, event: ev.CallArrived, now: float) -> list[Effect]:
        if event.call_id in self._register.calls or not self._register.are_new(event.phone_leg):
            return self._count_late(event)
        legs: dict[str, AgentLeg] = {}
        taken = {event.phone_leg}
        for identity, leg_id in event.agents[: self._policy.max_ringing_agents]:
            if identity not in legs and leg_id not in taken and self._register.are_new(leg_id):
                legs[identity] = AgentLeg(leg_id, identity, now)
                taken.add(leg_id)
        refusal = self._refusal(legs)
        call = Call(
            call_id=event.call_id,
            direction="in",
            caller=event.caller,
            caller_name=event.caller_name,
            called=event.called,
            started_s=now,
            state=CallState.RINGING,
            phone=PhoneLeg(event.phone_leg, event.caller, event.trunk, now, PhoneState.OFFERED),
            legs={} if refusal else legs,
        )
        self._register.enter(call)
        if refusal is not None:
            return [OpenRoom(call.call_id), *self._end(call, refusal, now)]
        self._register.set(call, DeadlineKind.RING, now + self._policy.ring_s)
        return [OpenRoom(call.call_id), RingBack(event.phone_leg), *_show(call), WriteRecord(call.record)]

    def _refusal(self, legs: dict[str, AgentLeg]) -> Cause | None:
        """Why an arriving call is not taken; None when it rings."""
        if self._draining:
            return Cause(EndReason.SERVER_STOPPED, 503, "The server is being stopped.")
        if len(self._register.calls) >= self._policy.max_calls:
            return Cause(EndReason.NOBODY_AVAILABLE, 503, "The server has as many calls as it may have.")
        if not legs:
            return Cause(EndReason.NOBODY_AVAILABLE, 480, "Nobody is available.")
        return None

    # ------------------------------------------------------------------ what the phone does

    def _rang(self, event: ev.LegRang, now: float) -> list[Effect]:
        call = self._register.phone_steps(event.leg_id, PhoneStep.RANG)
        if call is None:
            return self._count_late(event)
        call.phone.early_media = call.phone.early_media or event.early_media
        first = call.state is CallState.DIALING
        call.take(CallStep.RANG)
        return [*self._register.settle(call), *(_show(call) if first else [])]

    def _answered(self, event: ev.LegAnswered, now: float) -> list[Effect]:
        call = self._register.phone_steps(event.leg_id, PhoneStep.ANSWERED)
        if call is None:
            return self._count_late(event)
        if not call.take(CallStep.ANSWERED):
            return []  # the ACK of our own 200
        call.answered_s = call.phone.answered_s = now
        self._register.clear(call, DeadlineKind.NO_ANSWER)
        leg = call.own_leg
        if leg is not None and not leg.up:
            self._await_agent(call, now)
        return [*self._register.settle(call), *self._recorder.talking(call, now), *_show(call), WriteRecord(call.record)]

    def _refused(self, event: ev.LegRefused, now: float) -> list[Effect]:
        call = self._register.phone_steps(event.leg_id, PhoneStep.REFUSED)
        return self._end(call, event.cause, now) if call else self._count_late(event)

    def _hung_up(self, event: ev.LegHungUp, now: float) -> list[Effect]:
        call = self._register.phone_steps(event.leg_id, PhoneStep.HUNG_UP)
        if call is None:
            return self._count_late(event)
        cause = event.cause
        if call.answered_s is None and cause.reason is EndReason.COMPLETED:
            reason = EndReason.DECLINED if call.outgoing else EndReason.GAVE_UP
            cause = Cause(reason, cause.sip, cause.detail)
        return self._end(call, cause, now)

    def _held(self, event: ev.LegHeld, now: float) -> list[Effect]:
        call = self._register.phone_steps(event.leg_id, PhoneStep.HELD)
        if call is None:
            return self._count_late(event)
        if call.held_by_other is event.held:
            return []
        call.held_by_other = event.held
        return _show(call)

    # ------------------------------------------------------------------ what the browser does

    def _connected(self, event: ev.LegConnected, now: float) -> list[Effect]:
        stepped = self._register.agent_steps(event.leg_id, AgentLegStep.CONNECTED)
        if stepped is None:
            return self._count_late(event)
        call, leg = stepped
        if leg is not call.own_leg:
            return _show(call, leg.party)
        for kind in (DeadlineKind.AGENT_MEDIA, DeadlineKind.PATIENCE, DeadlineKind.RELOAD):
            self._register.clear(call, kind)
        call.impatient = False
        call.take(CallStep.AGENT_UP)
        if leg.answered_s is None:
            leg.answered_s = now
        return [*self._register.settle(call), *self._recorder.talking(call, now), *_show(call)]

    def _lost(self, event: ev.LegLost, now: float) -> list[Effect]:
        phoned = self._register.phone_steps(event.leg_id, PhoneStep.LOST)
        if phoned is not None:
            return [HangUp(event.leg_id, event.cause), *self._end(phoned, event.cause, now)]
        stepped = self._register.agent_steps(event.leg_id, AgentLegStep.LOST)
        if stepped is None:
            return self._count_late(event)
        call, leg = stepped
        if leg is call.own_leg:
            self._register.set(call, DeadlineKind.RELOAD, now + self._policy.reload_s)
            if call.phone.state is PhoneState.UP:
                self._register.set(call, DeadlineKind.PATIENCE, now + self._policy.agent_media_patience_s)
        return [*self._register.settle(call), *_show(call, leg.party)]

    # ------------------------------------------------------------------ what the agent asks

    def _accepted(self, event: ev.CallAccepted, now: float) -> list[Effect]:
        call = self._register.call_for(event.call_id, event.agent)
        if call.owner == event.agent and not call.outgoing:
            return []
        if call.owner:
            raise NotPossible("wrong_state", "You placed this call yourself: there is nothing to accept.")
        agent = self._register.people.enter(event.agent)
        if agent.on_call:
            raise NotPossible("on_call", "You are in a call already: hang up first.")
        call.take(CallStep.ACCEPTED)
        call.phone.take(PhoneStep.ACCEPTED)
        call.owner = event.agent
        agent.calls[call.call_id] = True
        leg = call.legs[event.agent]
        call.answered_s = call.phone.answered_s = leg.answered_s = now
        self._register.clear(call, DeadlineKind.RING)
        self._register.clear(call, DeadlineKind.RING_RELOAD, event.agent)
        if leg.up:
            call.take(CallStep.AGENT_UP)
        else:
            self._await_agent(call, now)
        effects: list[Effect] = [AnswerCall(call.call_id, call.phone.leg_id, leg.leg_id)]
        elsewhere = Cause(EndReason.ANSWERED_ELSEWHERE, 200, "Somebody else took the call.")
        for identity in [identity for identity in call.legs if identity != event.agent]:
            effects.extend(self._drop(call, identity, now, elsewhere))
        effects += [*self._register.settle(call), *self._recorder.talking(call, now)]
        return [*effects, *_show(call), WriteRecord(call.record)]

    def _declined(self, event: ev.CallDeclined, now: float) -> list[Effect]:
        if self._register.has_ended_for(event.call_id, event.agent):
            return []
        call = self._register.call_for(event.call_id, event.agent)
        if call.owner:
            raise NotPossible("wrong_state", "This call rings no longer: hang up instead.")
        return self._stop_ringing(call, event.agent, now, Cause(EndReason.DECLINED, detail="The agent declined."))

    def _hang_up(self, event: ev.HangUpRequested, now: float) -> list[Effect]:
        if self._register.has_ended_for(event.call_id, event.agent):
            return []
        call = self._register.call_for(event.call_id, event.agent)
        if not call.owner:
            return self._stop_ringing(call, event.agent, now, Cause(EndReason.DECLINED, detail="The agent declined."))
        reason = EndReason.GAVE_UP if call.answered_s is None else EndReason.COMPLETED
        return self._end(call, Cause(reason, detail="The agent hung up."), now)

    def _mute(self, event: ev.MuteRequested, now: float) -> list[Effect]:
        call = self._register.own_call(event.call_id, event.agent)
        if call.muted is event.muted:
            return []
        call.muted = event.muted
        return [*self._register.settle(call), *_show(call)]

    def _hold(self, event: ev.HoldRequested, now: float) -> list[Effect]:
        call = self._register.own_call(event.call_id, event.agent)
        if call.phone.state is not PhoneState.UP:
            raise NotPossible("wrong_state", "Nobody has answered yet: there is nobody to hold.")
        if call.held is event.held:
            return []
        call.held = event.held
        return [*self._register.settle(call), HoldPhone(call.phone.leg_id, event.held), *_show(call)]

    def _digits(self, event: ev.DigitsPressed, now: float) -> list[Effect]:
        call = self._register.own_call(event.call_id, event.agent)
        if not 0 < len(event.digits) <= self._policy.max_digits or not _DIGITS.issuperset(event.digits):
            raise NotPossible("bad_digits", f"Digits are 1 to {self._policy.max_digits} of 0-9, *, # and A-D.")
        if not (call.phone.state is PhoneState.UP or (call.phone.state is PhoneState.EARLY and call.phone.early_media)):
            raise NotPossible("wrong_state", "The other side does not listen yet: wait for the answer.")
        return [SendDigits(call.phone.leg_id, event.digits)]

    # ------------------------------------------------------------------ recording

    def _recording_requested(self, event: ev.RecordingRequested, now: float) -> list[Effect]:
        call = self._register.live_call(event.call_id) if event.supervisor else self._register.own_call(event.call_id, event.by)
        return self._shown(call, lambda known: self._recorder.request(known, event.action, event.by, now, supervisor=event.supervisor))

    def _recording_began(self, event: ev.RecordingBegan, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        return self._shown(call, lambda known: self._recorder.began(known, event.recording_id, now)) if call else self._count_late(event)

    def _recording_broke(self, event: ev.RecordingBroke, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        if call is None:
            return self._count_late(event)
        return self._shown(call, lambda known: self._recorder.broke(known, event.recording_id, now, again=event.again))

    def _sound_ended(self, event: ev.SoundEnded, now: float) -> list[Effect]:
        call = self._register.call_of_leg(event.leg_id)
        if call is None:
            return self._count_late(event)
        return self._shown(call, lambda known: self._recorder.sound_ended(known, event.leg_id, event.sound, now))

    def _shown(self, call: Call, step: Callable[[Call], list[Effect]]) -> list[Effect]:
        """The effects of a step of a call's recording, and what people are shown where it changed something."""
        before = call.recording.state
        effects = step(call)
        return effects if call.recording.state is before else [*effects, *_show(call)]

    # ------------------------------------------------------------------ presence, failures, the end of the day

    def _agent_connected(self, event: ev.AgentConnected, now: float) -> list[Effect]:
        agent = self._register.people.enter(event.agent)
        if not agent.connected:
            agent.connected, agent.free_since_s = True, now
        for call_id in agent.calls:
            self._register.clear(self._register.calls[call_id], DeadlineKind.RING_RELOAD, event.agent)
        return []

    def _agent_disconnected(self, event: ev.AgentDisconnected, now: float) -> list[Effect]:
        if event.agent not in self._register.people:
            return self._count_late(event)
        agent = self._register.people.enter(event.agent)
        agent.connected = False
        for call_id, own in agent.calls.items():
            if not own:
                self._register.set(self._register.calls[call_id], DeadlineKind.RING_RELOAD, now + self._policy.ring_reload_s, event.agent)
        self._register.people.tidy(event.agent)
        return []

    def _availability(self, event: ev.AvailabilityChanged, now: float) -> list[Effect]:
        self._register.people.enter(event.agent).willing = event.available
        self._register.people.tidy(event.agent)
        return []

    def _engaged(self, event: ev.AgentEngaged, now: float) -> list[Effect]:
        agent = self._register.people.enter(event.agent)
        if agent.elsewhere is AgentState.ON_CALL and event.state is None:
            agent.free_since_s = now
        agent.elsewhere = event.state
        self._register.people.tidy(event.agent)
        return []

    def _effect_failed(self, event: ev.EffectFailed, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        if call is None:
            return self._count_late(event)
        if event.effect in _BEARABLE:
            return []
        if event.effect in _OF_RECORDING:
            return self._shown(call, lambda known: self._recorder.refused(known, event.effect, now))
        ringing = next((leg.party for leg in call.legs.values() if leg.leg_id == event.leg_id and not call.owner), None)
        return self._stop_ringing(call, ringing, now, event.cause) if ringing else self._end(call, event.cause, now)

    def _drain(self, event: ev.DrainRequested, now: float) -> list[Effect]:
        self._draining = True
        cause = Cause(EndReason.SERVER_STOPPED, detail="The server is being stopped.")
        return [effect for call in list(self._register.calls.values()) for effect in self._end(call, cause, now)]

    # ------------------------------------------------------------------ deadlines

    def _no_answer(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._end(call, Cause(EndReason.NO_ANSWER, detail=f"No answer within {self._policy.no_answer_s:g} s."), now)

    def _ring_over(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._end(call, Cause(EndReason.NO_ANSWER, 480, f"Nobody accepted within {self._policy.ring_s:g} s."), now)

    def _agent_silent(self, call: Call, party: str, now: float) -> list[Effect]:
        detail = "The agent's browser brought up no audio: see whether its microphone is allowed and UDP reaches the server."
        return self._end(call, Cause(EndReason.MEDIA_LOST, detail=detail), now)

    def _reload_over(self, call: Call, party: str, now: float) -> list[Effect]:
        detail = f"The agent's browser went away and did not come back within {self._policy.reload_s:g} s."
        return self._end(call, Cause(EndReason.MEDIA_LOST, detail=detail), now)

    def _patience_over(self, call: Call, party: str, now: float) -> list[Effect]:
        call.impatient = True
        return self._register.settle(call)

    def _recording_due(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._shown(call, lambda known: self._recorder.due(known, now))

    def _agent_gone(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._stop_ringing(call, party, now, Cause(EndReason.NOBODY_AVAILABLE, 480, "The agent's page went away."))

    # ------------------------------------------------------------------ shared steps

    def _await_agent(self, call: Call, now: float) -> None:
        """The phone is answered and the agent's audio is not up. A leg that is lost has its own, longer deadline already."""
        self._register.set(call, DeadlineKind.PATIENCE, now + self._policy.agent_media_patience_s)
        leg = call.own_leg
        if not call.outgoing or (leg is not None and leg.state is AgentLegState.ANCHORED):
            self._register.set(call, DeadlineKind.AGENT_MEDIA, now + self._policy.agent_media_s)

    def _stop_ringing(self, call: Call, agent: str, now: float, cause: Cause) -> list[Effect]:
        """It rings no longer at this agent's; when it rings nowhere, the call ends for the same cause."""
        return self._end(call, cause, now) if len(call.legs) == 1 else self._drop(call, agent, now, cause)

    def _drop(self, call: Call, agent: str, now: float, cause: Cause) -> list[Effect]:
        leg = self._register.drop_agent(call, agent, now, cause)
        return [CloseLeg(leg.leg_id), Notify((agent,), call.view(agent))]

    def _end(self, call: Call, cause: Cause, now: float) -> list[Effect]:
        """End the call: the phone first, then everybody is told, the record is complete, the room goes last."""
        effects: list[Effect] = []
        if call.phone.take(PhoneStep.DROPPED):
            effects.append(HangUp(call.phone.leg_id, cause))
        call.end(cause, now)
        effects += [*_show(call), WriteRecord(call.record), CloseRoom(call.call_id)]
        self._register.forget(call, cause, now)
        return effects

    def _count_late(self, event: ev.Event) -> list[Effect]:
        self.late[type(event).__name__] += 1
        return []

    _ON: dict[type, Callable[[Any, Any, float], list[Effect]]] = {  # noqa: RUF012 - a table, never written
        ev.CallDialed: _dialed,
        ev.CallArrived: _arrived,
        ev.LegRang: _rang,
        ev.LegAnswered: _answered,
        ev.LegRefused: _refused,
        ev.LegHungUp: _hung_up,
        ev.LegHeld: _held,
        ev.LegConnected: _connected,
        ev.LegLost: _lost,
        ev.CallAccepted: _accepted,
        ev.CallDeclined: _declined,
        ev.HangUpRequested: _hang_up,
        ev.MuteRequested: _mute,
        ev.HoldRequested: _hold,
        ev.DigitsPressed: _digits,
        ev.RecordingRequested: _recording_requested,
        ev.RecordingBegan: _recording_began,
        ev.RecordingBroke: _recording_broke,
        ev.SoundEnded: _sound_ended,
        ev.AgentConnected: _agent_connected,
        ev.AgentDisconnected: _agent_disconnected,
        ev.AvailabilityChanged: _availability,
        ev.AgentEngaged: _engaged,
        ev.EffectFailed: _effect_failed,
        ev.DrainRequested: _drain,
    }
    _ON_DEADLINE: dict[DeadlineKind, Callable[[Any, Call, str, float], list[Effect]]] = {  # noqa: RUF012 - a table, never written
        DeadlineKind.NO_ANSWER: _no_answer,
        DeadlineKind.RING: _ring_over,
        DeadlineKind.AGENT_MEDIA: _agent_silent,
        DeadlineKind.PATIENCE: _patience_over,
        DeadlineKind.RELOAD: _reload_over,
        DeadlineKind.RING_RELOAD: _agent_gone,
        DeadlineKind.RECORDING: _recording_due,
    }


def _show(call: Call, only: str = "") -> list[Effect]:
    """Show the call to everybody whom it concerns, each with their own leg."""
    return [Notify((identity,), call.view(identity)) for identity in ((only,) if only else call.legs)]
