"""Where a call that arrives rings: at everybody's at once, at one after the other's, at one person's, or at a number that it is led on to.

A call for one person follows that person's forwarding (``rooms/handling.py``); one for nobody in particular rings at whoever is free, all
at once or one by one, who has been free longest first. Whoever declines, or whose page is gone, is left out; when it rings nowhere any
more, the call ends.
"""

from dataclasses import replace

from rooms.call import Call
from rooms.causes import Cause, EndReason
from rooms.deadlines import DeadlineKind
from rooms.effects import Effect, RingBack
from rooms.events import CallArrived
from rooms.handling import Reach
from rooms.legs import Came
from rooms.move import Move, MoveState, Target
from rooms.policy import CallPolicy, RingOrder
from rooms.record import CallState
from rooms.register import Register
from rooms.steps import Steps
from rooms.transfers import Transfers


class Ringing:
    """Of all calls that arrive."""

    def __init__(self, register: Register, steps: Steps, transfers: Transfers, policy: CallPolicy) -> None:
        self._register = register
        self._steps = steps
        self._transfers = transfers
        self._policy = policy

    def begin(self, call: Call, event: CallArrived, pairs: list[tuple[str, str]], now: float) -> list[Effect]:
        """Let an arriving call ring. ``pairs``: those of ``event.agents`` at whose it may."""
        self._register.set(call, DeadlineKind.RING, now + self._policy.ring_s)
        if event.called_agent:
            return self._reach(call, event.called_agent, now, leg_id=dict(pairs).get(event.called_agent, ""))
        if not pairs:
            return self._steps.end(call, Cause(EndReason.NOBODY_AVAILABLE, 480, "Nobody is available."), now)
        at_once = 1 if self._policy.ring_order is RingOrder.ONE_BY_ONE else len(pairs)
        for identity, leg_id in pairs[:at_once]:
            self._steps.ring(call, identity, Came.RUNG, "", now, leg_id=leg_id)
        call.waiting = [identity for identity, _ in pairs[at_once:]]
        if call.waiting:
            self._register.set(call, DeadlineKind.RING_STEP, now + self._policy.ring_step_s)
        return []

    def _reach(self, call: Call, identity: str, now: float, *, leg_id: str = "", by: str = "") -> list[Effect]:
        """Ring at this person's, or where their calls go now. ``by``: who led it on to this person."""
        reach = self._register.people.reach(identity, call.hops, self._policy.most_hops)
        if reach.cause is not None:
            return self._steps.end(call, reach.cause, now)
        call.hops = reach.hops
        return self._lead(call, replace(reach, by=reach.by or by), identity, now, leg_id)

    def _lead(self, call: Call, reach: Reach, identity: str, now: float, leg_id: str = "") -> list[Effect]:
        target = reach.target
        if not target.agent:
            effects = self._steps.dial(call, target, Came.FORWARD, reach.by, now, asked=False, diverted_by=call.called)
            call.move = Move(MoveState.FORWARDED, reach.by, now, target, next(reversed(call.phones)))
            self._register.clear(call, DeadlineKind.RING)
            self._register.set(call, DeadlineKind.MOVE, now + self._policy.ring_s)
            return effects
        own = leg_id if target.agent == identity else ""
        effects = self._steps.ring(call, target.agent, Came.FORWARD if reach.by else Came.RUNG, reach.by, now, leg_id=own)
        call.called_agent = target.agent
        handling = self._register.people.handling(target.agent)
        if handling.no_answer is not None:
            self._register.set(call, DeadlineKind.RING_STEP, now + handling.no_answer_s)
        return effects

    def step(self, call: Call, now: float) -> list[Effect]:
        """It has rung for long enough at whose it rings now."""
        if call.state is not CallState.RINGING or call.move is not None:
            return []
        over = Cause(EndReason.NO_ANSWER, 480, "It rang for long enough.")
        forward = self._register.people.handling(call.called_agent).no_answer if call.called_agent else None
        if forward is not None:
            gone = self._steps.drop_others_rung(call, now, over)
            return [*gone, *self._forward(call, call.called_agent, forward, now), *self._seen(call)]
        following = self._next(call, now)
        if not following:
            return []
        rung = [identity for identity in call.legs if identity not in following]
        gone = [effect for identity in rung for effect in self._steps.drop(call, identity, now, over)]
        return [*gone, *self._ring_next(call, following, now), *self._seen(call)]

    def _forward(self, call: Call, by: str, target: Target, now: float) -> list[Effect]:
        call.hops += 1
        if call.hops > self._policy.most_hops:
            return self._steps.end(call, Cause(EndReason.FAILED, 482, "The call was led on too often: look at who forwards to whom."), now)
        return self._reach(call, target.agent, now, by=by) if target.agent else self._lead(call, Reach(target, call.hops, by), by, now)

    def _next(self, call: Call, now: float) -> list[str]:
        """The next one who is free, if any."""
        free = self._register.people.available("", 10_000)
        while call.waiting:
            identity = call.waiting.pop(0)
            if identity in free:
                return [identity]
        return []

    def _ring_next(self, call: Call, following: list[str], now: float) -> list[Effect]:
        effects = [effect for identity in following for effect in self._steps.ring(call, identity, Came.RUNG, "", now)]
        if call.waiting:
            self._register.set(call, DeadlineKind.RING_STEP, now + self._policy.ring_step_s)
        return effects

    def _seen(self, call: Call) -> list[Effect]:
        return self._steps.show(call) if call.state is not CallState.ENDED else []

    def stops(self, call: Call, agent: str, now: float, cause: Cause) -> list[Effect]:
        """It rings no longer at this agent's; when it rings nowhere, what was being done with the call fails, or it ends."""
        leg = call.legs[agent]
        if leg is call.target:
            return self._transfers.left(call, leg, cause, now)
        others = [identity for identity, other in call.legs.items() if identity != agent and not other.taken]
        if (not others and not call.taking_part) or (not others and call.moving is MoveState.RETURNING):
            following = self._next(call, now) if call.state is CallState.RINGING else []
            if not following:
                return self._steps.end(call, cause, now)
            gone = self._steps.drop(call, agent, now, cause)
            return [*gone, *self._ring_next(call, following, now), *self._seen(call)]
        return self._steps.drop(call, agent, now, cause)

    def ring_back(self, call: Call) -> list[Effect]:
        """The caller hears that it rings, if it does."""
        phone = call.phone
        rings = call.state is CallState.RINGING and phone is not None
        return [RingBack(phone.leg_id)] if rings and phone is not None else []
