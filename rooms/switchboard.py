"""Call control: events in, effects out. No clock, no network, no tasks: ``now`` is an argument and every effect is data.

The tables stand in ``rooms/call.py``, ``rooms/legs.py`` and ``rooms/move.py``, what is heard in ``rooms/room.py``; what is done with an
answered call in ``rooms/transfers.py`` and ``rooms/parking.py``, what supervisors do in ``rooms/monitoring.py``, where one rings in
``rooms/ringing.py``; callers of the contact centre in ``rooms/guidance.py`` (flows), ``rooms/distribution.py`` (queues) and
``rooms/call_backs.py``. Rules that are decided here:

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
from dataclasses import replace
from typing import Any

from rooms import events as ev
from rooms.agent import AgentChange, AgentState, FinishedWork, WrapUp
from rooms.call import Call, CallStep
from rooms.call_back import CallBackView
from rooms.call_backs import CallBacks
from rooms.causes import Cause, EndReason
from rooms.centre_plan import CentrePlan
from rooms.deadlines import DeadlineKind
from rooms.distribution import Distribution
from rooms.effects import AnswerCall, Effect, HangUp, OpenRoom, PlaceCall, SendDigits, ShowParked, WriteRecord
from rooms.entries import Entry, QueueVisit
from rooms.flows.conditions import Facts
from rooms.guidance import Guidance
from rooms.handling import Handling
from rooms.legs import AgentLeg, AgentLegStep, Came, Leg, PhoneLeg, PhoneState, PhoneStep
from rooms.monitoring import Monitoring
from rooms.move import MoveState
from rooms.parking import Parking
from rooms.policy import CallPolicy
from rooms.queues.figures import Figures
from rooms.queues.queues import Queues
from rooms.queues.ticket import Refused
from rooms.record import CallRecord, CallState, CallView, ParkedView
from rooms.recorder import Recorder
from rooms.refusals import NotPossible
from rooms.register import Register
from rooms.ringing import Ringing
from rooms.steps import Steps
from rooms.transfers import Transfers
from rooms.wrap_up import WrapUps

__all__ = ["CallPolicy", "NotPossible", "Switchboard"]

_DIGITS = frozenset("0123456789*#ABCD")
_BEARABLE = frozenset(
    {
        "Play",
        "SendDigits",
        "HoldPhone",
        "RingBack",
        "LetHear",
        "Notify",
        "WriteRecord",
        "CloseLeg",
        "EraseRecording",
        "KeepConsent",
        "TellReferrer",
        "ShowParked",
        "Hush",
    }
)
_OUR_OWN = (ev.EffectFailed, ev.SoundEnded, ev.RecordingBegan, ev.RecordingBroke, ev.RecordingObjected)
"""Events that nobody of a call brought about."""
_OF_RECORDING = frozenset({"PlayOnce", "StartRecording", "PauseRecording", "ResumeRecording", "StopRecording"})
_OF_GUIDANCE = frozenset({"TakeMessage", "AskWebhook"})
"""Effects whose failure does not end the call."""


class Switchboard:
    """Every call of this node. Bounded by ``policy.max_calls``; ended calls are forgotten but for their last ``remembered_ends`` names."""

    def __init__(self, policy: CallPolicy | None = None) -> None:
        self._policy = policy or CallPolicy()
        self._register = Register(self._policy.remembered_ends, self._policy.most_entries)
        self._recorder = Recorder(self._policy.recording, self._register)
        self._steps = Steps(self._register, self._recorder, self._policy)
        self._transfers = Transfers(self._register, self._steps, self._policy)
        self._parking = Parking(self._register, self._steps, self._transfers, self._policy)
        self._ringing = Ringing(self._register, self._steps, self._transfers, self._policy)
        self._monitoring = Monitoring(self._register, self._steps, self._policy)
        self._queues = queues = Queues()
        self._wrap_ups = WrapUps(self._register, self._policy)
        self._call_backs = CallBacks(self._register, self._steps, queues, self._policy)
        self._distribution = Distribution(self._register, self._steps, self._wrap_ups, self._call_backs, queues, self._policy)
        self._guidance = Guidance(self._register, self._steps, self._transfers, self._distribution, self._call_backs, self._policy)
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

    def facts(self, call_id: str) -> Facts:
        """What is known of a call: what its flow knows, who calls, who has it, in which queue it is. Empty when it is unknown or over."""
        call = self._register.calls.get(call_id)
        return call.facts() if call else {}

    def seen_from_outside(self, call_id: str) -> CallView | None:
        """The call as its owner sees it; while nobody has it, as the first of those does at whom it rings, else with who had it last."""
        call = self._register.calls.get(call_id)
        if call is None:
            return None
        view = call.view(call.owner or next(iter(call.legs), ""))
        return replace(view, agent=view.agent or call.agent, monitors=call.monitors_seen())

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
        """Is a call here theirs (``on_call``), does one ring at theirs (``ringing``), do they work on one (``wrap_up``), or neither?"""
        known = self._register.people.get(agent)
        if known.own_call is not None:
            return AgentState.ON_CALL
        return AgentState.RINGING if known.calls else AgentState.WRAP_UP if known.wrap_up is not None else None

    def wants_calls(self, agent: str) -> bool:
        """What this person last said about taking calls; yes by default."""
        return self._register.people.get(agent).willing

    def available_agents(self, called: str = "") -> tuple[str, ...]:
        """Who may be rung now, longest free first. Where ``called`` is the identity of somebody known, that one or nobody."""
        return self._register.people.available(called, self._policy.max_ringing_agents)

    def is_person(self, called: str) -> bool:
        """Is a call to this name one for a person, and for nobody else?"""
        return self._register.people.is_known(called)

    def handling(self, agent: str) -> Handling:
        """What this person wants done with calls to them."""
        return self._register.people.handling(agent)

    def parked(self) -> tuple[ParkedView, ...]:
        """Calls that wait to be picked up."""
        return self._register.parked()

    def monitoring_legs(self, call_id: str) -> frozenset[str]:
        """Legs of supervisors who monitor this call."""
        call = self._register.calls.get(call_id)
        return frozenset(monitor.leg.leg_id for monitor in call.monitors.values()) if call is not None else frozenset()

    def wrap_up(self, agent: str) -> WrapUp | None:
        """The work on their last call, where there is some to do."""
        return self._register.people.get(agent).wrap_up

    def finished(self, agent: str) -> FinishedWork | None:
        """That work while they may take it up again."""
        return self._register.people.get(agent).finished

    @property
    def plan(self) -> CentrePlan:
        """By which new callers are led."""
        return self._guidance.plan

    def queue_figures(self, now: float) -> dict[str, Figures]:
        """How each queue of the plan stands."""
        found = {name: self._queues.figures(name, now) for name in self._distribution.plans}
        return {name: figures for name, figures in found.items() if figures is not None}

    def waiting(self, call_id: str, now: float) -> tuple[int, float | None] | None:
        """The place of a call in its queue and how long it is likely to wait, in s where that is known; None where it waits in none."""
        position = self._queues.position(call_id)
        return (position, self._queues.estimate_s(call_id, now)) if position else None

    def able(self, queue: str) -> tuple[str, ...]:
        """Who is signed in, on no break, and may take who waits in this queue: the free ones first, longest free first."""
        return self._queues.able(queue)

    def call_backs(self) -> tuple[CallBackView, ...]:
        """Who is to be called back, who waits longest first."""
        return self._call_backs.views()

    def call_of_leg(self, leg_id: str) -> CallView | None:
        """The call that this leg takes part in, as its owner sees it."""
        call = self._register.call_of_leg(leg_id)
        return call.view() if call is not None else None

    # ------------------------------------------------------------------ events and time

    def handle(self, event: ev.Event, now: float) -> list[Effect]:
        """What follows from an event. Raises ``NotPossible`` for what a person may not do now, before anything has changed."""
        parked = self._register.slots
        self._register.journal.begin(self._author(event))
        effects: list[Effect] = self._ON[type(event)](self, event, now)
        return self._finished(parked, [*effects, *self._looked(now)], now)

    def expire(self, now: float) -> list[Effect]:
        """What follows from the deadlines that have come. After it ``next_deadline()`` is later than ``now``."""
        parked, effects = self._register.slots, []
        self._register.journal.begin("")
        while (key := self._register.deadlines.pop_due(now)) is not None:
            if key.call_id:
                effects += self._ON_DEADLINE[key.kind](self, self._register.calls[key.call_id], key.party, now)
            elif key.kind is DeadlineKind.WRAP_UP:
                effects += self._wrap_ups.over(key.party, now)
            elif key.kind is DeadlineKind.WRAP_UP_KEPT:
                effects += self._wrap_ups.settle(key.party)
            elif key.kind is DeadlineKind.CALL_BACK:
                effects += self._call_backs.due(key.party, now)
            effects += self._looked(now)
        return self._finished(parked, effects, now)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What the last event or the last deadlines brought about, for the calls' journals: each entry here once."""
        return self._register.journal.noted

    @property
    def visits(self) -> tuple[QueueVisit, ...]:
        """Stays in queues that have ended by the last event or the last deadlines: each here once."""
        return self._register.journal.visits

    def agent_changes(self, now: float) -> tuple[AgentChange, ...]:
        """Whose state has changed since this was last asked."""
        return self._register.people.changes(now)

    def _author(self, event: ev.Event) -> str:
        """Who brought this about: a person, or the phone or browser of one."""
        if isinstance(event, _OUR_OWN):
            return ""
        leg_id = getattr(event, "leg_id", "")
        call = self._register.call_of_leg(leg_id) if leg_id else None
        leg = call.leg(leg_id) if call is not None else None
        return leg.party if leg is not None else getattr(event, "agent", "") or getattr(event, "by", "")

    def _looked(self, now: float) -> list[Effect]:
        """What follows for the agents and for those who wait in queues."""
        return [] if self._draining else self._distribution.look(now)

    def _finished(self, before: dict[int, str], effects: list[Effect], now: float) -> list[Effect]:
        self._register.journal.look_at_touched(now)
        return (
            effects
            if before == self._register.slots
            else [*effects, ShowParked(self._register.people.connected(), self._register.parked())]
        )

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
            phones={
                event.phone_leg: PhoneLeg(event.phone_leg, event.number, event.trunk, now, PhoneState.CALLED, Came.DIALED, event.agent)
            },
            legs={event.agent: AgentLeg(event.agent_leg, event.agent, now, came=Came.DIALED, taken=True)},
        )
        call.own(event.agent)
        self._register.enter(call)
        self._register.set(call, DeadlineKind.NO_ANSWER, now + self._policy.no_answer_s)
        place = PlaceCall(call.call_id, event.phone_leg, event.trunk, event.number, event.agent)
        return [OpenRoom(call.call_id), place, *self._steps.show(call), WriteRecord(call.record)]

    def _arrived(self, event: ev.CallArrived, now: float) -> list[Effect]:
        if event.call_id in self._register.calls or not self._register.are_new(event.phone_leg):
            return self._count_late(event)
        pairs: dict[str, str] = {}
        for identity, leg_id in event.agents[: self._policy.max_ringing_agents]:
            if identity not in pairs and leg_id not in (event.phone_leg, *pairs.values()) and self._register.are_new(leg_id):
                pairs[identity] = leg_id
        refusal = self._refusal()
        call = Call(
            call_id=event.call_id,
            direction="in",
            caller=event.caller,
            caller_name=event.caller_name,
            called=event.called,
            started_s=now,
            state=CallState.RINGING,
            phones={event.phone_leg: PhoneLeg(event.phone_leg, event.caller, event.trunk, now, PhoneState.OFFERED)},
            legs={},
            called_agent=event.called_agent,
            hops=event.hops,
            private=event.private,
            verified=event.verified,
        )
        self._register.enter(call)
        if refusal is not None:
            return [OpenRoom(call.call_id), *self._steps.end(call, refusal, now)]
        if self._guidance.leads(event):
            return [OpenRoom(call.call_id), WriteRecord(call.record), *self._guidance.begin(call, event, now)]
        effects = self._ringing.begin(call, event, list(pairs.items()), now)
        if call.state is CallState.ENDED:
            return [OpenRoom(call.call_id), *effects]
        return [OpenRoom(call.call_id), *self._ringing.ring_back(call), *effects, *self._steps.show(call), WriteRecord(call.record)]

    def _refusal(self) -> Cause | None:
        """Why an arriving call is not taken; None when it rings."""
        if self._draining:
            return Cause(EndReason.SERVER_STOPPED, 503, "The server is being stopped.")
        if len(self._register.calls) >= self._policy.max_calls:
            return Cause(EndReason.NOBODY_AVAILABLE, 503, "The server has as many calls as it may have.")
        return None

    # ------------------------------------------------------------------ what the phone does

    def _rang(self, event: ev.LegRang, now: float) -> list[Effect]:
        stepped = self._register.phone_steps(event.leg_id, PhoneStep.RANG)
        if stepped is None:
            return self._count_late(event)
        call, phone = stepped
        phone.early_media = phone.early_media or event.early_media
        if phone is call.target:
            return [*self._transfers.rang(call, phone), *self._register.settle(call)]
        first = call.state is CallState.DIALING
        call.take(CallStep.RANG)
        return [*self._register.settle(call), *(self._steps.show(call) if first else [])]

    def _answered(self, event: ev.LegAnswered, now: float) -> list[Effect]:
        stepped = self._register.phone_steps(event.leg_id, PhoneStep.ANSWERED)
        if stepped is None:
            return self._count_late(event)
        call, phone = stepped
        if phone is call.target and phone.answered_s is None:
            if call.moving is MoveState.GUIDED:
                self._guidance.reached(call, now)
            phone.answer(now)
            if call.take(CallStep.ANSWERED):
                call.answered_s = now
                self._register.clear(call, DeadlineKind.RING)
            return self._transfers.answered(call, phone, now)
        if not call.take(CallStep.ANSWERED):
            return []  # the ACK of our own 200
        call.answered_s = now
        phone.answer(now)
        self._register.clear(call, DeadlineKind.NO_ANSWER)
        leg = call.own_leg
        if leg is not None and not leg.up:
            self._steps.await_media(call, leg, now)
        return self._steps.changed(call, now)

    def _refused(self, event: ev.LegRefused, now: float) -> list[Effect]:
        stepped = self._register.phone_steps(event.leg_id, PhoneStep.REFUSED)
        return self._left(*stepped, event.cause, now) if stepped else self._count_late(event)

    def _hung_up(self, event: ev.LegHungUp, now: float) -> list[Effect]:
        stepped = self._register.phone_steps(event.leg_id, PhoneStep.HUNG_UP)
        if stepped is None:
            return self._count_late(event)
        call, phone = stepped
        cause = event.cause
        if phone.answered_s is None and cause.reason is EndReason.COMPLETED:
            reason = EndReason.DECLINED if phone.by else EndReason.GAVE_UP
            cause = Cause(reason, cause.sip, cause.detail)
        return self._left(call, phone, cause, now)

    def _held(self, event: ev.LegHeld, now: float) -> list[Effect]:
        stepped = self._register.phone_steps(event.leg_id, PhoneStep.HELD)
        if stepped is None:
            return self._count_late(event)
        call, phone = stepped
        if phone.held_by_other is event.held:
            return []
        phone.held_by_other = event.held
        return self._steps.show(call)

    # ------------------------------------------------------------------ what the browser does

    def _connected(self, event: ev.LegConnected, now: float) -> list[Effect]:
        stepped = self._register.agent_steps(event.leg_id, AgentLegStep.CONNECTED)
        if stepped is None:
            return self._count_late(event)
        call, leg = stepped
        if leg.party in call.monitors:
            return self._monitoring.connected(call, leg, now)
        if not leg.taken:
            return self._steps.show(call, leg.party)
        for kind, party in ((DeadlineKind.AGENT_MEDIA, leg.party), (DeadlineKind.PATIENCE, ""), (DeadlineKind.RELOAD, leg.party)):
            self._register.clear(call, kind, party)
        call.impatient = False
        call.take(CallStep.AGENT_UP)
        if call.move is None:
            self._distribution.heard(call, now)
        if leg.answered_s is None:
            leg.answered_s = now
        heard = self._register.settle(call)
        return [*heard, *self._recorder.talking(call, now), *self._steps.tell_of_monitors(call, now), *self._steps.show(call)]

    def _lost(self, event: ev.LegLost, now: float) -> list[Effect]:
        phoned = self._register.phone_steps(event.leg_id, PhoneStep.LOST)
        if phoned is not None:
            return [HangUp(event.leg_id, event.cause), *self._left(*phoned, event.cause, now)]
        stepped = self._register.agent_steps(event.leg_id, AgentLegStep.LOST)
        if stepped is None:
            return self._count_late(event)
        call, leg = stepped
        if leg.party in call.monitors:
            return self._monitoring.lost(call, leg, now)
        if leg.taken:
            self._register.set(call, DeadlineKind.RELOAD, now + self._policy.reload_s, leg.party)
            if any(phone.up for phone in call.phones.values()):
                self._register.set(call, DeadlineKind.PATIENCE, now + self._policy.agent_media_patience_s)
        return [*self._register.settle(call), *self._steps.show(call, leg.party)]

    # ------------------------------------------------------------------ what the agent asks

    def _accepted(self, event: ev.CallAccepted, now: float) -> list[Effect]:
        call = self._register.call_for(event.call_id, event.agent)
        leg = call.legs[event.agent]
        if leg.taken and leg.came is not Came.DIALED:
            return []
        if leg.taken:
            raise NotPossible("wrong_state", "You placed this call yourself: there is nothing to accept.")
        if self._register.people.get(event.agent).on_call:
            raise NotPossible("on_call", "You are in a call already: hang up first.")
        self._steps.take(call, event.agent, now)
        if leg.came is Came.CALL_BACK:
            return self._call_backs.accepted(call, event.agent, now)
        phone = call.phone
        first = call.take(CallStep.ACCEPTED)
        effects: list[Effect] = []
        if call.moving is MoveState.WAITING:
            effects += self._distribution.accepted(call, event.agent, now)
        elif call.moving is MoveState.GUIDED:
            self._guidance.reached(call, now)
        if first and phone is not None:
            phone.take(PhoneStep.ACCEPTED)
            phone.answer(now)
            call.answered_s, call.waiting = now, []
            call.own(event.agent)
            for kind in (DeadlineKind.RING, DeadlineKind.RING_STEP):
                self._register.clear(call, kind)
            effects.append(AnswerCall(call.call_id, phone.leg_id, leg.leg_id))
        if leg.up:
            call.take(CallStep.AGENT_UP)
        else:
            self._steps.await_media(call, leg, now)
        elsewhere = Cause(EndReason.ANSWERED_ELSEWHERE, 200, "Somebody else took the call.")
        effects += self._steps.drop_others_rung(call, now, elsewhere)
        if call.move is not None:
            return [*effects, *self._transfers.answered(call, leg, now)]
        return [*effects, *self._steps.changed(call, now)]

    def _declined(self, event: ev.CallDeclined, now: float) -> list[Effect]:
        if self._register.has_ended_for(event.call_id, event.agent):
            return []
        call = self._register.call_for(event.call_id, event.agent)
        if call.legs[event.agent].taken:
            raise NotPossible("wrong_state", "This call rings no longer: hang up instead.")
        return self._stops(call, event.agent, Refused.DECLINED, Cause(EndReason.DECLINED, detail="The agent declined."), now)

    def _hang_up(self, event: ev.HangUpRequested, now: float) -> list[Effect]:
        if self._register.has_ended_for(event.call_id, event.agent):
            return []
        if event.agent in self._register.live_call(event.call_id).monitors:
            cause = Cause(EndReason.COMPLETED, detail="The supervisor left.")
            return self._monitoring.leave(self._register.calls[event.call_id], event.agent, now, cause)
        call = self._register.call_for(event.call_id, event.agent)
        leg = call.legs[event.agent]
        if not leg.taken:
            return self._stops(call, event.agent, Refused.DECLINED, Cause(EndReason.DECLINED, detail="The agent declined."), now)
        reason = EndReason.GAVE_UP if call.answered_s is None else EndReason.COMPLETED
        cause = Cause(reason, detail="The agent hung up.")
        return self._steps.end(call, cause, now) if leg is call.own_leg else self._left(call, leg, cause, now)

    def _mute(self, event: ev.MuteRequested, now: float) -> list[Effect]:
        call = self._register.joined_call(event.call_id, event.agent)
        leg = call.legs[event.agent]
        if leg.muted is event.muted:
            return []
        leg.muted = event.muted
        return [*self._register.settle(call), *self._steps.show(call)]

    def _hold(self, event: ev.HoldRequested, now: float) -> list[Effect]:
        call = self._register.own_call(event.call_id, event.agent)
        others = call.others(event.agent)
        if not others:
            raise NotPossible("wrong_state", "Nobody has answered yet: there is nobody to hold.")
        if call.move is not None:
            raise NotPossible("wrong_state", "One side waits already: talk with the other one, or cancel the transfer.")
        holds = self._steps.hold(others, event.held)
        if not holds and self._register.settle(call) == []:
            return []
        return [*self._register.settle(call), *holds, *self._steps.show(call)]

    def _digits(self, event: ev.DigitsPressed, now: float) -> list[Effect]:
        call = self._register.own_call(event.call_id, event.agent)
        if not 0 < len(event.digits) <= self._policy.max_digits or not _DIGITS.issuperset(event.digits):
            raise NotPossible("bad_digits", f"Digits are 1 to {self._policy.max_digits} of 0-9, *, # and A-D.")
        listen = [phone for phone in call.phones.values() if phone.audible and not phone.held]
        if not listen:
            raise NotPossible("wrong_state", "The other side does not listen yet: wait for the answer.")
        return [SendDigits(phone.leg_id, event.digits) for phone in listen]

    # ------------------------------------------------------------------ somebody goes

    def _left(self, call: Call, leg: Leg, cause: Cause, now: float) -> list[Effect]:
        """A leg that took part, or was called, has gone."""
        if self._guidance.calls(call, leg):
            return self._guidance.unreached(call, leg, cause, now)
        if isinstance(leg, AgentLeg) and self._distribution.may_come_back(call, leg):
            back = self._distribution.come_back(call, leg, cause, now)
            if back:
                return back
        return self._transfers.left(call, leg, cause, now)

    def _stops(self, call: Call, agent: str, why: Refused, cause: Cause, now: float) -> list[Effect]:
        """It rings no longer at this agent's."""
        leg = call.legs[agent]
        if self._guidance.calls(call, leg):
            return self._guidance.unreached(call, leg, cause, now)
        if call.moving is MoveState.WAITING:
            return self._distribution.refused(call, agent, why, cause, now)
        if leg.came is Came.CALL_BACK:
            return self._call_backs.refused(call, agent, why, cause, now)
        return self._ringing.stops(call, agent, now, cause)

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

    def _recording_objected(self, event: ev.RecordingObjected, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        return self._shown(call, lambda known: self._recorder.objected(known, event.recording_id)) if call else self._count_late(event)

    def _sound_ended(self, event: ev.SoundEnded, now: float) -> list[Effect]:
        call = self._register.call_of_leg(event.leg_id)
        if call is None:
            return self._count_late(event)
        noticed = self._monitoring.notice_ended(call, event.leg_id, event.sound)
        if self._guidance.is_saying(call, event.leg_id):
            return [*noticed, *self._guidance.sound_ended(call, event.sound, now)]
        return [*noticed, *self._shown(call, lambda known: self._recorder.sound_ended(known, event.leg_id, event.sound, now))]

    def _shown(self, call: Call, step: Callable[[Call], list[Effect]]) -> list[Effect]:
        """The effects of a step of a call's recording, and what people are shown where it changed something."""
        before = call.recording.state
        effects = step(call)
        return effects if call.recording.state is before else [*effects, *self._steps.show(call)]

    # ------------------------------------------------------------------ presence, failures, the end of the day

    def _agent_connected(self, event: ev.AgentConnected, now: float) -> list[Effect]:
        agent = self._register.people.enter(event.agent)
        if not agent.connected:
            agent.connected, agent.free_since_s = True, now
        for call_id in agent.calls:
            self._register.clear(self._register.calls[call_id], DeadlineKind.RING_RELOAD, event.agent)
        return [ShowParked((event.agent,), self._register.parked())] if self._register.slots else []

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
        agent = self._register.people.enter(event.agent)
        agent.willing, agent.reason = event.available, "" if event.available else event.reason
        self._register.people.tidy(event.agent)
        return []

    def _engaged(self, event: ev.AgentEngaged, now: float) -> list[Effect]:
        agent = self._register.people.enter(event.agent)
        if agent.elsewhere is AgentState.ON_CALL and event.state is None:
            agent.free_since_s = now
        agent.elsewhere = event.state
        self._register.people.tidy(event.agent)
        return []

    def _consulting(self, event: ev.AgentConsulting, now: float) -> list[Effect]:
        agent = self._register.people.enter(event.agent)
        if agent.consulting and not event.consulting:
            agent.free_since_s = now
        agent.consulting = event.consulting
        self._register.people.tidy(event.agent)
        return []

    def _handling_changed(self, event: ev.HandlingChanged, now: float) -> list[Effect]:
        self._register.people.handle(event.agent, event.handling)
        return []

    def _effect_failed(self, event: ev.EffectFailed, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        if call is None:
            return self._count_late(event)
        if event.effect in _BEARABLE:
            return []
        if event.effect == "ReferPhone":
            return self._transfers.refer_progressed(ev.ReferProgressed(event.leg_id, 500), now)
        if event.effect == "PlayOnce" and (untold := self._monitoring.notice_failed(call, event.leg_id, now)):
            return untold
        if event.effect == "PlayOnce" and call.journey is not None and self._guidance.is_saying(call, event.leg_id):
            return self._guidance.sound_ended(call, call.journey.saying[0], now)
        if event.effect in _OF_GUIDANCE:
            return self._guidance.done(call, "failed", now)
        if event.effect == "FindTarget":
            return self._found(ev.TargetFound(event.call_id, None, event.cause), now)
        if event.effect in _OF_RECORDING:
            return self._shown(call, lambda known: self._recorder.refused(known, event.effect, now))
        if (monitor := self._monitoring.leg_of(call, event.leg_id)) is not None:
            return self._monitoring.left(call, monitor, now, event.cause)
        ringing = next((leg.party for leg in call.legs.values() if leg.leg_id == event.leg_id and not leg.taken), None)
        if ringing is not None:
            return self._stops(call, ringing, Refused.GONE, event.cause, now)
        leg = call.leg(event.leg_id)
        if leg is None:
            return self._steps.end(call, event.cause, now)
        told: list[Effect] = [HangUp(leg.leg_id, event.cause)] if isinstance(leg, PhoneLeg) and leg.take(PhoneStep.LOST) else []
        return [*told, *self._left(call, leg, event.cause, now)]

    def _drain(self, event: ev.DrainRequested, now: float) -> list[Effect]:
        self._draining = True
        cause = Cause(EndReason.SERVER_STOPPED, detail="The server is being stopped.")
        effects = [effect for call in list(self._register.calls.values()) for effect in self._steps.end(call, cause, now)]
        effects += self._distribution.stop(now)
        self._register.deadlines.clear_own()
        return effects

    # ------------------------------------------------------------------ the contact centre

    def _plan_changed(self, event: ev.PlanChanged, now: float) -> list[Effect]:
        self._guidance.plan = event.plan
        self._distribution.plan(event.plan.queues, now)
        self._call_backs.plan(event.plan.queues, now)
        return []

    def _agent_skilled(self, event: ev.AgentSkilled, now: float) -> list[Effect]:
        self._distribution.skilled(event, now)
        return []

    def _digit_heard(self, event: ev.DigitHeard, now: float) -> list[Effect]:
        call = self._register.call_of_leg(event.leg_id)
        if call is None:
            return self._count_late(event)
        if self._recorder.asks(call, event.leg_id):
            return self._shown(call, lambda known: self._recorder.digit(known, event.digit, now))
        return self._guidance.digit(call, event.digit, now) if call.phone is not None and call.phone.leg_id == event.leg_id else []

    def _facts_learned(self, event: ev.FactsLearned, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        if call is None:
            return self._count_late(event)
        self._guidance.learn(call, event.facts)
        return self._steps.show(call)

    def _message_taken(self, event: ev.MessageTaken, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        return self._guidance.done(call, event.outcome, now) if call is not None else self._count_late(event)

    def _webhook_answered(self, event: ev.WebhookAnswered, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        return self._guidance.done(call, event.outcome, now, event.facts) if call is not None else self._count_late(event)

    def _found(self, event: ev.TargetFound, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        if call is None:
            return self._count_late(event)
        if self._call_backs.is_one(call):
            return self._call_backs.found(call, event.target, event.cause, now)
        return self._guidance.found(call, event.target, event.cause, now)

    def _wrap_up_finished(self, event: ev.WrapUpFinished, now: float) -> list[Effect]:
        return self._wrap_ups.finish(event, now)

    def _wrap_up_taken_back(self, event: ev.WrapUpTakenBack, now: float) -> list[Effect]:
        return self._distribution.taken_back(event, now)

    def _wrap_up_extended(self, event: ev.WrapUpExtended, now: float) -> list[Effect]:
        return self._wrap_ups.extend(event, now)

    def _call_back_restored(self, event: ev.CallBackRestored, now: float) -> list[Effect]:
        return self._call_backs.restore(event.call_back, now)

    def _call_back_wanted(self, event: ev.CallBackWanted, now: float) -> list[Effect]:
        return self._call_backs.want(event.call_back, now)

    def _call_back_cancelled(self, event: ev.CallBackCancelled, now: float) -> list[Effect]:
        return self._call_backs.cancel(event.call_back_id, now)

    def _flow_due(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._guidance.due(call, now)

    def _waited_enough(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._guidance.waited_enough(call, now)

    def _offer_over(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._call_backs.not_answered(call, now) if self._call_backs.is_one(call) else self._distribution.not_answered(call, now)

    def _announce(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._distribution.announce(call, now)

    # ------------------------------------------------------------------ deadlines

    def _no_answer(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._steps.end(call, Cause(EndReason.NO_ANSWER, detail=f"No answer within {self._policy.no_answer_s:g} s."), now)

    def _ring_over(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._steps.end(call, Cause(EndReason.NO_ANSWER, 480, f"Nobody accepted within {self._policy.ring_s:g} s."), now)

    def _ring_step(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._ringing.step(call, now)

    def _move_over(self, call: Call, party: str, now: float) -> list[Effect]:
        target = call.target
        if target is not None and self._guidance.calls(call, target):
            return self._guidance.unreached(call, target, Cause(EndReason.NO_ANSWER, 480, "There was no answer in time."), now)
        return self._transfers.time_is_over(call, now)

    def _agent_silent(self, call: Call, party: str, now: float) -> list[Effect]:
        detail = "The agent's browser brought up no audio: see whether its microphone is allowed and UDP reaches the server."
        return self._without_media(call, party, now, detail)

    def _reload_over(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._without_media(call, party, now, f"The browser went away and did not come back within {self._policy.reload_s:g} s.")

    def _without_media(self, call: Call, party: str, now: float, detail: str) -> list[Effect]:
        cause = Cause(EndReason.MEDIA_LOST, detail=detail)
        if party in call.monitors:
            return self._monitoring.leave(call, party, now, cause)
        return self._left(call, call.legs[party], cause, now)

    def _notice_due(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._monitoring.notice_due(call, now)

    def _patience_over(self, call: Call, party: str, now: float) -> list[Effect]:
        call.impatient = True
        return self._register.settle(call)

    def _recording_due(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._shown(call, lambda known: self._recorder.due(known, now))

    def _agent_gone(self, call: Call, party: str, now: float) -> list[Effect]:
        return self._stops(call, party, Refused.GONE, Cause(EndReason.NOBODY_AVAILABLE, 480, "The agent's page went away."), now)

    # ------------------------------------------------------------------ what is done with answered calls

    def _transfer(self, event: ev.TransferRequested, now: float) -> list[Effect]:
        if event.target.queue:
            return self._guidance.send(event, now)
        return self._transfers.request(event, now)

    def _transfer_acted(self, event: ev.TransferActed, now: float) -> list[Effect]:
        return self._transfers.act(event, now)

    def _park(self, event: ev.ParkRequested, now: float) -> list[Effect]:
        return self._parking.park(event, now)

    def _pick_up(self, event: ev.PickUpRequested, now: float) -> list[Effect]:
        return self._parking.pick_up(event, now)

    def _monitor(self, event: ev.MonitorRequested, now: float) -> list[Effect]:
        return self._monitoring.request(event, now)

    def _monitor_ended(self, event: ev.MonitorEnded, now: float) -> list[Effect]:
        call = self._register.calls.get(event.call_id)
        if call is None or event.supervisor not in call.monitors:
            return self._count_late(event)
        return self._monitoring.leave(call, event.supervisor, now, event.cause)

    def _take_over(self, event: ev.TakeOverRequested, now: float) -> list[Effect]:
        return self._monitoring.take_over(event, now)

    def _transfer_asked(self, event: ev.TransferAsked, now: float) -> list[Effect]:
        return self._transfers.asked(event, now)

    def _join_asked(self, event: ev.JoinAsked, now: float) -> list[Effect]:
        return self._transfers.join_asked(event, now)

    def _replaced(self, event: ev.LegReplaced, now: float) -> list[Effect]:
        effects = self._transfers.replaced(event, now)
        call = self._register.call_of_leg(event.leg_id)
        return [*effects, *self._guidance.say_again(call)] if call is not None else effects

    def _refer_progressed(self, event: ev.ReferProgressed, now: float) -> list[Effect]:
        return self._transfers.refer_progressed(event, now)

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
        ev.TransferRequested: _transfer,
        ev.TransferActed: _transfer_acted,
        ev.ParkRequested: _park,
        ev.PickUpRequested: _pick_up,
        ev.MonitorRequested: _monitor,
        ev.MonitorEnded: _monitor_ended,
        ev.TakeOverRequested: _take_over,
        ev.TransferAsked: _transfer_asked,
        ev.JoinAsked: _join_asked,
        ev.LegReplaced: _replaced,
        ev.ReferProgressed: _refer_progressed,
        ev.HandlingChanged: _handling_changed,
        ev.RecordingRequested: _recording_requested,
        ev.RecordingBegan: _recording_began,
        ev.RecordingBroke: _recording_broke,
        ev.RecordingObjected: _recording_objected,
        ev.SoundEnded: _sound_ended,
        ev.AgentConnected: _agent_connected,
        ev.AgentDisconnected: _agent_disconnected,
        ev.AvailabilityChanged: _availability,
        ev.AgentEngaged: _engaged,
        ev.AgentConsulting: _consulting,
        ev.PlanChanged: _plan_changed,
        ev.AgentSkilled: _agent_skilled,
        ev.DigitHeard: _digit_heard,
        ev.FactsLearned: _facts_learned,
        ev.MessageTaken: _message_taken,
        ev.WebhookAnswered: _webhook_answered,
        ev.TargetFound: _found,
        ev.WrapUpFinished: _wrap_up_finished,
        ev.WrapUpTakenBack: _wrap_up_taken_back,
        ev.WrapUpExtended: _wrap_up_extended,
        ev.CallBackRestored: _call_back_restored,
        ev.CallBackWanted: _call_back_wanted,
        ev.CallBackCancelled: _call_back_cancelled,
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
        DeadlineKind.RING_STEP: _ring_step,
        DeadlineKind.MOVE: _move_over,
        DeadlineKind.NOTICE: _notice_due,
        DeadlineKind.FLOW: _flow_due,
        DeadlineKind.QUEUE: _waited_enough,
        DeadlineKind.OFFER: _offer_over,
        DeadlineKind.ANNOUNCE: _announce,
    }
