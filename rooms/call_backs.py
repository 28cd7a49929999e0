"""Callers who asked to be called back keep their place in the queue; when it is their turn, an agent who accepts calls them.

A call-back is a ticket in its queue. What rings at the agent is an outgoing call without a phone yet; who accepts it has the number
dialled, on their account and through the same checks as if they had dialled it. Nobody there: it is tried again after a while, so often. A
call-back is stored when it is asked for and at each try, before its call is placed, so that a restart loses none and calls nobody once too
often.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rooms.call import Call
from rooms.call_back import CallBack, CallBackOutcome, CallBackState, CallBackView
from rooms.causes import Cause, EndReason
from rooms.deadlines import DeadlineKind, Key
from rooms.effects import CallBackOver, Effect, FindTarget, KeepCallBack, OpenRoom
from rooms.journey import Journey
from rooms.legs import Came
from rooms.move import Target
from rooms.policy import CallPolicy
from rooms.queues.queue_plan import QueuePlan
from rooms.queues.queues import Queues
from rooms.queues.ticket import Entered, Left, Medium, Offer, Refused, Ticket
from rooms.record import CallState
from rooms.refusals import NotPossible
from rooms.register import Register
from rooms.steps import Steps
from rooms.wrap_up import put_on_break

_TICKET = "call_back "
"""Before the name of its ticket: the call in which it was asked for may wait itself."""


@dataclass(slots=True)
class _Kept:
    """``call_id``: the call that rings for it at agents', or calls it. ``offers``: how often it was offered."""

    call_back: CallBack
    call_id: str = ""
    offers: int = 0


class CallBacks:
    """Of all queues of this node."""

    def __init__(self, register: Register, steps: Steps, queues: Queues, policy: CallPolicy) -> None:
        self._register = register
        self._steps = steps
        self._queues = queues
        self._policy = policy
        self._kept: dict[str, _Kept] = {}
        self._plans: Mapping[str, QueuePlan] = {}

    # ------------------------------------------------------------------ what others read

    def views(self) -> tuple[CallBackView, ...]:
        """All that are still to be done, who waits longest first."""
        kept = sorted(self._kept.values(), key=lambda kept: kept.call_back.since_s)
        return tuple(self._view(each) for each in kept)

    def _view(self, kept: _Kept) -> CallBackView:
        call = self._register.calls.get(kept.call_id)
        if call is None:
            return CallBackView(kept.call_back, CallBackState.WAITING)
        state = CallBackState.CALLING if call.owner else CallBackState.OFFERED
        return CallBackView(kept.call_back, state, call.owner or next(iter(call.legs), ""))

    def knows(self, ticket_id: str) -> bool:
        """Is it the ticket of a call-back?"""
        return ticket_id.startswith(_TICKET)

    def is_one(self, call: Call) -> bool:
        return call.journey is not None and call.journey.call_back is not None

    def is_possible(self, call: Call) -> bool:
        """Can this caller be called back, as far as is known now?"""
        return bool(call.caller) and not call.private and call.caller != "anonymous" and len(self._kept) < self._policy.most_call_backs

    # ------------------------------------------------------------------ somebody asks for one

    def ask(self, call: Call, queue: str, number: str, now: float) -> list[Effect] | None:
        """Keep the caller's wish. What was waited for in this queue counts. None where it cannot be kept."""
        plan, journey = self._plans.get(queue), call.journey
        assert journey is not None
        if plan is None or not number or len(self._kept) >= self._policy.most_call_backs:
            return None
        if any(kept.call_back.queue == queue and kept.call_back.number == number for kept in self._kept.values()):
            return []  # it is kept already: one is enough
        since_s = journey.since_s if journey.plan is not None and journey.plan.name == queue else now
        call_back = CallBack(self._new_id(call.call_id), queue, number, call.caller_name, journey.speaks(), since_s)
        kept = _Kept(call_back)
        if not self._enter(kept, now):
            return None
        self._kept[call_back.call_back_id] = kept
        return [KeepCallBack(call_back)]

    def _new_id(self, call_id: str) -> str:
        names = (call_id, *(_named(call_id, f"n{number}") for number in range(1, len(self._kept) + 1)))
        return next(name for name in names if name not in self._kept)

    def _enter(self, kept: _Kept, now: float) -> bool:
        back = kept.call_back
        ticket = Ticket(_TICKET + back.call_back_id, back.queue, back.since_s, back.priority, medium=Medium.CALL_BACK)
        return self._queues.enter(ticket, now) is Entered.WAITING

    def restore(self, call_back: CallBack, now: float) -> list[Effect]:
        """It was asked for before this start."""
        if call_back.call_back_id not in self._kept and len(self._kept) < self._policy.most_call_backs:
            kept = self._kept[call_back.call_back_id] = _Kept(call_back)
            self._wait(kept, now)
        return []

    def want(self, call_back: CallBack, now: float) -> list[Effect]:
        """Somebody who is in no call asks for it, from ``next_s`` on where that is said. Raises ``NotPossible``."""
        if call_back.queue not in self._plans:
            raise NotPossible("unknown_queue", "There is no such queue (any more).")
        if any((kept.call_back.queue, kept.call_back.number) == (call_back.queue, call_back.number) for kept in self._kept.values()):
            return []  # it is kept already: one is enough
        if len(self._kept) >= self._policy.most_call_backs or call_back.call_back_id in self._kept:
            raise NotPossible("busy", "So many people wait to be called back that no more are taken now: try again later.")
        self.restore(call_back, now)
        return [KeepCallBack(call_back)]

    def cancel(self, call_back_id: str, now: float) -> list[Effect]:
        """Nobody need call this one back any more. Raises ``NotPossible``."""
        kept = self._kept.get(call_back_id)
        if kept is None:
            raise NotPossible("unknown_call_back", "This call-back is done, or was cancelled already.")
        call = self._register.calls.get(kept.call_id)
        if call is not None and call.owner:
            raise NotPossible("wrong_state", "Somebody is calling this number just now.")
        effects = self._steps.end(call, Cause(EndReason.GAVE_UP, detail="The call-back was cancelled."), now) if call is not None else []
        return [*effects, *self._done(kept, CallBackOutcome.CANCELLED, now)]

    def _done(self, kept: _Kept, outcome: CallBackOutcome, now: float) -> list[Effect]:
        call_back_id = kept.call_back.call_back_id
        del self._kept[call_back_id]
        self._queues.leave(_TICKET + call_back_id, Left.CLOSED, now)
        self._register.deadlines.clear(Key("", DeadlineKind.CALL_BACK, call_back_id))
        return [CallBackOver(replace(kept.call_back, seq=kept.call_back.seq + 1), outcome)]

    # ------------------------------------------------------------------ it is its turn

    def plan(self, plans: Mapping[str, QueuePlan], now: float) -> None:
        """Queues may have come for which call-backs wait."""
        self._plans = plans
        for kept in self._kept.values():
            if not kept.call_id and not self._waits(kept):
                self._wait(kept, now)

    def _waits(self, kept: _Kept) -> bool:
        ticket_id, call_back_id = _TICKET + kept.call_back.call_back_id, kept.call_back.call_back_id
        return self._queues.position(ticket_id) > 0 or Key("", DeadlineKind.CALL_BACK, call_back_id) in self._register.deadlines

    def _wait(self, kept: _Kept, now: float) -> None:
        """In its queue, or until it may be tried again; in a queue that is not there (any more), until there is one."""
        back = kept.call_back
        if back.next_s is not None and back.next_s > now:
            self._register.deadlines.set(Key("", DeadlineKind.CALL_BACK, back.call_back_id), back.next_s)
        elif not self._enter(kept, now) and back.queue in self._plans:
            retry_s = now + self._policy.call_back_retry_s
            self._register.deadlines.set(Key("", DeadlineKind.CALL_BACK, back.call_back_id), retry_s)

    def due(self, call_back_id: str, now: float) -> list[Effect]:
        """It may be tried again."""
        kept = self._kept.get(call_back_id)
        if kept is not None:
            self._wait(kept, now)
        return []

    def offer(self, offer: Offer, now: float) -> list[Effect]:
        """Let it ring at these agents'."""
        kept = self._kept[offer.ticket_id.removeprefix(_TICKET)]
        back, plan = kept.call_back, self._plans.get(offer.queue)
        if len(self._register.calls) >= self._policy.max_calls or plan is None:
            for agent in offer.agents:
                self._queues.refused(offer.ticket_id, agent, now, Refused.DECLINED)
            return []
        kept.offers += 1
        kept.call_id = _named(back.call_back_id, f"b{back.tries}x{kept.offers}")
        call = Call(kept.call_id, "out", "", back.name, back.number, now, CallState.DIALING, {}, {})
        call.journey = Journey(language=back.language, plan=plan, since_s=back.since_s, call_back=back)
        self._register.enter(call)
        effects: list[Effect] = [OpenRoom(call.call_id)]
        for agent in offer.agents:
            effects += self._steps.ring(call, agent, Came.CALL_BACK, "", now)
        self._register.set(call, DeadlineKind.OFFER, now + plan.ring_s)
        return [*effects, *self._steps.show(call)]

    def refused(self, call: Call, agent: str, why: Refused, cause: Cause, now: float) -> list[Effect]:
        """This agent does not want to call back; when nobody is left at whose it rings, others are asked."""
        kept = self._kept_of(call)
        self._queues.refused(_TICKET + kept.call_back.call_back_id, agent, now, why)
        self._register.people.enter(agent).free_since_s = now
        effects = put_on_break(self._register, agent, "no_answer") if why is Refused.NO_ANSWER else []
        if any(identity != agent for identity in call.legs):
            return [*self._steps.drop(call, agent, now, cause), *effects]
        return [*self._steps.end(call, cause, now), *effects]

    def _kept_of(self, call: Call) -> _Kept:
        assert call.journey is not None and call.journey.call_back is not None
        return self._kept[call.journey.call_back.call_back_id]

    def not_answered(self, call: Call, now: float) -> list[Effect]:
        """It has rung for long enough."""
        late = Cause(EndReason.NO_ANSWER, 480, "It rang for long enough.")
        return [effect for agent in list(call.legs) for effect in self.refused(call, agent, Refused.NO_ANSWER, late, now)]

    # ------------------------------------------------------------------ an agent calls

    def accepted(self, call: Call, agent: str, now: float) -> list[Effect]:
        """This agent calls the number."""
        kept, journey = self._kept_of(call), call.journey
        assert journey is not None and journey.plan is not None
        self._queues.answered(_TICKET + kept.call_back.call_back_id, agent, now)
        self._register.clear(call, DeadlineKind.OFFER)
        kept.call_back = replace(kept.call_back, tries=kept.call_back.tries + 1, next_s=None, seq=kept.call_back.seq + 1)
        journey.waited_s, journey.served[agent] = now - journey.since_s, journey.plan
        call.own(agent)
        elsewhere = Cause(EndReason.ANSWERED_ELSEWHERE, 200, "Somebody else took the call.")
        effects = self._steps.drop_others_rung(call, now, elsewhere)
        self._register.set(call, DeadlineKind.NO_ANSWER, now + self._policy.no_answer_s)
        leg = call.legs[agent]
        if not leg.up:
            self._steps.await_media(call, leg, now)
        effects += [KeepCallBack(kept.call_back), FindTarget(call.call_id, kept.call_back.number, agent)]
        return [*effects, *self._steps.changed(call, now)]

    def found(self, call: Call, target: Target | None, cause: Cause | None, now: float) -> list[Effect]:
        """Where the number is reached."""
        if target is None or not target.number or call.phones:
            return self._steps.end(call, cause or Cause(EndReason.NOT_FOUND, 404, "This number cannot be called."), now)
        effects = self._steps.dial(call, target, Came.DIALED, call.owner, now, asked=False)
        return [*effects, *self._steps.changed(call, now)]

    def over(self, call: Call, now: float) -> list[Effect]:
        """A call is over: where it was one of these, it has reached somebody, or is to be tried again."""
        if not self.is_one(call) or call.journey is None or call.journey.call_back is None:
            return []
        kept = self._kept.get(call.journey.call_back.call_back_id)
        if kept is None or kept.call_id != call.call_id:
            return []
        kept.call_id = ""
        for agent in call.legs:
            self._queues.refused(_TICKET + kept.call_back.call_back_id, agent, now, Refused.GONE)
        if not call.agent:
            return []  # nobody of ours took it: it waits in its queue
        if any(leg.kind == "phone" and leg.answered_s is not None for leg in call.record.legs):
            return self._done(kept, CallBackOutcome.REACHED, now)
        if kept.call_back.tries >= self._policy.call_back_tries:
            return self._done(kept, CallBackOutcome.GIVEN_UP, now)
        kept.call_back = replace(kept.call_back, next_s=now + self._policy.call_back_retry_s, seq=kept.call_back.seq + 1)
        self._wait(kept, now)
        return [KeepCallBack(kept.call_back)]


def _named(call_id: str, suffix: str) -> str:
    """As hard to guess as the call in which it was asked for; what comes after its first dash names the node, and stays."""
    head, dash, node = call_id.partition("-")
    return f"{head}{suffix}{dash}{node}"
