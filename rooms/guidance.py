"""Callers are led through flows: what a run (``rooms/flows``) wants is done with its call, and what comes of it is told to the run.

A call that a flow leads has no owner; its move is GUIDED, and WAITING while it is in a queue. It is answered by us when the run says so;
until then it may be refused. A run that wants nothing any more is over: the caller is with somebody, or has gone. It ends in no other way:
every step of it has a deadline of its own, and a queue has one, or somebody who will be free.
"""

from collections import deque
from collections.abc import Mapping

from rooms.call import Call, CallStep
from rooms.call_backs import CallBacks
from rooms.causes import Cause, EndReason
from rooms.centre_plan import CentrePlan
from rooms.deadlines import DeadlineKind
from rooms.distribution import Distribution
from rooms.effects import AnswerCall, AskWebhook, Effect, FindTarget, PlayOnce, RingBack, TakeMessage
from rooms.events import CallArrived, TransferRequested
from rooms.flows import acts
from rooms.flows.run import FlowRun
from rooms.journey import Journey
from rooms.legs import Came, Leg, PhoneLeg, PhoneState, PhoneStep
from rooms.move import Move, MoveState, MoveStep, Target
from rooms.policy import CallPolicy
from rooms.queues.ticket import Left
from rooms.refusals import NotPossible
from rooms.register import Register
from rooms.steps import Steps
from rooms.transfers import Transfers

_LED_ON = Cause(EndReason.GAVE_UP, detail="The caller was led on.")


class Guidance:
    """Of all callers in flows. ``plan``: the one that new callers are led by."""

    def __init__(
        self, register: Register, steps: Steps, transfers: Transfers, distribution: Distribution, call_backs: CallBacks, policy: CallPolicy
    ) -> None:
        self._register = register
        self._steps = steps
        self._transfers = transfers
        self._distribution = distribution
        self._call_backs = call_backs
        self._policy = policy
        self.plan = CentrePlan()

    # ------------------------------------------------------------------ a caller comes

    def leads(self, event: CallArrived) -> bool:
        """Is this call for a flow?"""
        return event.entry is not None and (event.flow is not None or event.entry.flow in self.plan.flows)

    def begin(self, call: Call, event: CallArrived, now: float) -> list[Effect]:
        """Lead this call from the beginning of its flow."""
        entry = event.entry
        assert entry is not None
        known = {"called": event.called, "language": entry.language, **event.facts}
        if not (event.private or event.facts.get("withheld")):
            known.setdefault("caller", event.caller)
        flow = event.flow or self.plan.flows[entry.flow]
        run = FlowRun(flow, self.plan.flows, known, self.plan.calendars, event.epoch_s, now)
        call.journey = Journey(entry=entry.label, run=run)
        call.move = Move(MoveState.GUIDED, "", now)
        return self._follow(call, run.begin(now), now)

    def send(self, event: TransferRequested, now: float) -> list[Effect]:
        """An agent gives a caller of theirs into a queue, and is free at once. Raises ``NotPossible``."""
        call = self._register.own_call(event.call_id, event.agent)
        other = self._transfers.only_other(call)
        if not isinstance(other, PhoneLeg) or event.ask:
            raise NotPossible("wrong_state", "Somebody on the telephone can be sent to a queue, without asking first.")
        before = call.journey
        call.journey = journey = before or Journey(language=self._policy.language)
        call.move = Move(MoveState.GUIDED, event.agent, now, event.target)
        refused = self._distribution.join(call, acts.JoinQueue(event.target.queue), now)
        if refused:
            call.journey, call.move = before, None
            words = "is full" if refused == "full" else "is served by nobody now"
            raise NotPossible("queue_closed", f"This queue {words}: choose another one.")
        self._distribution.heard(call, now)
        journey.language = journey.speaks()
        call.note = None
        holds = self._steps.hold([other], False)
        gone = self._steps.drop(call, event.agent, now, Cause(EndReason.TRANSFERRED, detail="You sent the caller to a queue."))
        return [*gone, *holds, *self._steps.changed(call, now)]

    # ------------------------------------------------------------------ what happens to a caller

    def digit(self, call: Call, key: str, now: float) -> list[Effect]:
        """The caller pressed a key."""
        journey = call.journey
        if journey is None:
            return []
        if call.moving is MoveState.GUIDED and journey.run is not None:
            return self._follow(call, journey.run.digit(key, now), now)
        if call.moving is MoveState.WAITING and key == journey.call_back_key and journey.plan is not None:
            kept = self._call_backs.ask(call, journey.plan.name, call.caller, now)
            return [] if kept is None else [*kept, *self._lead_on(call, Left.CALL_BACK, "call_back", now)]
        return []

    def sound_ended(self, call: Call, sound: str, now: float) -> list[Effect]:
        """The caller has heard this to its end, or it cannot be played."""
        journey, phone = call.journey, call.phone
        if journey is None or phone is None or not journey.saying or journey.saying[0] != sound:
            return []
        journey.saying = journey.saying[1:]
        if journey.saying:
            return [PlayOnce(phone.leg_id, journey.saying[0])]
        return self.done(call, "said", now) if call.moving is MoveState.GUIDED else []

    def say_again(self, call: Call) -> list[Effect]:
        """Another phone is in the caller's place, which has not heard what was being said."""
        journey, phone = call.journey, call.phone
        return [PlayOnce(phone.leg_id, journey.saying[0])] if journey is not None and phone is not None and journey.saying else []

    def is_saying(self, call: Call, leg_id: str) -> bool:
        """Is it by us that this leg is told something just now?"""
        return call.journey is not None and bool(call.journey.saying) and call.phone is not None and call.phone.leg_id == leg_id

    def done(self, call: Call, outcome: str, now: float, facts: Mapping[str, str | float | bool] | None = None) -> list[Effect]:
        """What the flow waited for has ended so."""
        journey = call.journey
        if journey is None or journey.run is None or call.moving is not MoveState.GUIDED:
            return []
        return self._follow(call, journey.run.done(outcome, now, facts), now)

    def learn(self, call: Call, facts: Mapping[str, str | float | bool]) -> None:
        if call.journey is not None and call.journey.run is not None:
            call.journey.run.learn(facts)

    def due(self, call: Call, now: float) -> list[Effect]:
        """The flow has waited for long enough."""
        journey = call.journey
        if journey is None or journey.run is None or call.moving is not MoveState.GUIDED:
            return []
        return self._follow(call, journey.run.expire(now), now)

    def waited_enough(self, call: Call, now: float) -> list[Effect]:
        """The queue lets nobody wait for longer, or nobody is there any more to wait for."""
        if call.moving is not MoveState.WAITING or not self._distribution.is_over_time(call):
            return []
        if self._distribution.is_forsaken(call, now):
            return self._lead_on(call, Left.OVERFLOWED, "nobody", now)
        return self._lead_on(call, Left.TIMEOUT, "timeout", now)

    def _lead_on(self, call: Call, how: Left, outcome: str, now: float) -> list[Effect]:
        """Out of the queue, and on in the flow; back to the agent who sent them there."""
        journey, move = call.journey, call.move
        assert journey is not None and move is not None
        effects = self._distribution.leave(call, how, now)
        call.move_takes(MoveStep.FAILED)
        if journey.run is not None and not journey.run.over:
            return [*effects, *self._follow(call, journey.run.done(outcome, now), now)]
        late = Cause(EndReason.NOBODY_AVAILABLE, 480, "Nobody was free in time.")
        if not move.by or outcome == "call_back":
            return [*effects, *self._steps.end(call, late, now)]
        move.state = MoveState.RETURNING
        return [*effects, *self._transfers.comes_back(call, late, now)]

    # ------------------------------------------------------------------ whom a flow calls

    def found(self, call: Call, target: Target | None, cause: Cause | None, now: float) -> list[Effect]:
        """Where that is reached whom the flow wants called."""
        journey = call.journey
        if journey is None or journey.seeks is None or call.move is None:
            return []
        ring_s, journey.seeks = journey.seeks, None
        if target is None:
            return self.done(call, _outcome(cause), now)
        if target.agent:
            return self._ring(call, target.agent, ring_s, now)
        return self._call(call, target, ring_s, self._payer(call), now)

    def _ring(self, call: Call, agent: str, ring_s: float, now: float) -> list[Effect]:
        reach = self._register.people.reach(agent, call.hops, self._policy.most_hops)
        if reach.cause is not None:
            return self.done(call, _outcome(reach.cause), now)
        call.hops = reach.hops
        if not reach.target.agent:
            return self._call(call, reach.target, ring_s, reach.by, now, diverted_by=call.called)
        assert call.move is not None
        effects = self._steps.ring(call, reach.target.agent, Came.TRANSFER, reach.by, now)
        call.move.leg_id, call.move.target = call.legs[reach.target.agent].leg_id, reach.target
        self._register.set(call, DeadlineKind.MOVE, now + ring_s)
        return [*effects, *self._steps.changed(call, now)]

    def _call(self, call: Call, target: Target, ring_s: float, by: str, now: float, *, diverted_by: str = "") -> list[Effect]:
        assert call.move is not None
        effects = self._steps.dial(call, target, Came.TRANSFER, by, now, asked=False, diverted_by=diverted_by)
        call.move.leg_id, call.move.target = next(reversed(call.phones)), target
        self._register.set(call, DeadlineKind.MOVE, now + ring_s)
        return [*effects, *self._steps.changed(call, now)]

    def _payer(self, call: Call) -> str:
        """Nobody of ours asks for it: the line answers for it on which the call came."""
        return f"trunk.{call.phone.trunk}" if call.phone is not None else ""

    def calls(self, call: Call, leg: Leg | None) -> bool:
        """Is this leg of somebody whom a flow has called?"""
        return call.moving is MoveState.GUIDED and leg is not None and leg is call.target

    def unreached(self, call: Call, leg: Leg, cause: Cause, now: float) -> list[Effect]:
        """Whom the flow called does not answer."""
        effects = self._let_go(call, leg, cause, now)
        return [*effects, *self.done(call, _outcome(cause), now)]

    def reached(self, call: Call, now: float) -> None:
        """Whom the flow called has answered: it is over."""
        if call.journey is not None and call.journey.run is not None:
            call.journey.run.done("answered", now)
        self._register.clear(call, DeadlineKind.FLOW)

    def _let_go(self, call: Call, leg: Leg, cause: Cause, now: float) -> list[Effect]:
        assert call.move is not None
        self._register.clear(call, DeadlineKind.MOVE)
        call.move.leg_id, call.move.target = "", Target()
        return self._steps.drop_leg(call, leg, now, cause)

    # ------------------------------------------------------------------ what a run wants

    def _follow(self, call: Call, wanted: list[acts.Act], now: float) -> list[Effect]:
        """Do what the run wants, and what it wants next where something ends at once. It bounds its own steps."""
        self._register.journal.touch(call)
        journey, pending = call.journey, deque(wanted)
        assert journey is not None and journey.run is not None
        run, effects = journey.run, list[Effect]()
        while pending:
            act = pending.popleft()
            target = call.target
            if target is not None and call.moving is MoveState.GUIDED:
                effects += self._let_go(call, target, _LED_ON, now)
            journey.seeks = None
            if isinstance(act, acts.Finish):
                return [*effects, *self._steps.end(call, act.cause, now)]
            ended, done = self._do(call, journey, act, now)
            effects += done
            if ended:
                pending.extend(run.done(ended, now))
        if run.deadline is None:
            self._register.clear(call, DeadlineKind.FLOW)
        else:
            self._register.set(call, DeadlineKind.FLOW, run.deadline)
        return effects

    def _do(self, call: Call, journey: Journey, act: acts.Act, now: float) -> tuple[str, list[Effect]]:
        """One act: how it has ended already, where it has, and its effects."""
        phone = call.phone
        assert phone is not None
        match act:
            case acts.Ring():
                return "", [RingBack(phone.leg_id)] if phone.state is PhoneState.OFFERED else []
            case acts.Answer():
                return "", self._answer(call, phone, now)
            case acts.StopSaying():
                return "", self._distribution.hush(call)
            case acts.Music(sound):
                journey.music = sound
                return "", self._register.settle(call)
            case acts.JoinQueue(queue):
                refused = self._distribution.join(call, act, now)
                if refused:
                    self._register.journal.turned_away(call, queue, refused, now)
                return refused, [] if refused else self._steps.changed(call, now)
            case acts.OfferCallBack(queue, number):
                kept = self._call_backs.ask(call, queue, number, now)
                return "refused" if kept is None else "kept", kept or []
            case acts.AskWebhook(webhook, facts):
                return "", [AskWebhook(call.call_id, webhook, dict(facts))]
            case acts.Connect():
                return "", self._connect(call, journey, act, now)
        journey.music = ""
        quiet = self._register.settle(call)
        if isinstance(act, acts.TakeMessage):
            return "", [*quiet, TakeMessage(call.call_id, phone.leg_id, act.box, act.max_s, journey.speaks())]
        assert isinstance(act, acts.Say)
        journey.saying = list(act.sounds)
        return "" if act.sounds else "said", [*quiet, *(PlayOnce(phone.leg_id, sound) for sound in act.sounds[:1])]

    def _answer(self, call: Call, phone: PhoneLeg, now: float) -> list[Effect]:
        phone.take(PhoneStep.ACCEPTED)
        phone.answer(now)
        call.take(CallStep.ANSWERED)
        call.answered_s = now
        return [AnswerCall(call.call_id, phone.leg_id, ""), *self._steps.changed(call, now)]

    def _connect(self, call: Call, journey: Journey, act: acts.Connect, now: float) -> list[Effect]:
        journey.seeks, journey.music = act.ring_s, "ringback"
        heard = self._register.settle(call)
        if not act.is_agent:
            return [*heard, FindTarget(call.call_id, act.target, self._payer(call))]
        return [*heard, *self.found(call, Target(agent=act.target), None, now)]


def _outcome(cause: Cause | None) -> str:
    """How a flow's ``Connect`` has ended."""
    match cause.reason if cause is not None else EndReason.FAILED:
        case EndReason.BUSY:
            return "busy"
        case EndReason.NO_ANSWER | EndReason.DECLINED | EndReason.NOBODY_AVAILABLE | EndReason.GAVE_UP:
            return "no_answer"
    return "failed"
