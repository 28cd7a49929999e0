"""What follows when a call is to go to somebody else; the table stands in ``rooms/move.py``. Rules that are decided here:

- Of two who take part one may be replaced or one be added: a call has three parties at most, so that it is always plain who is meant.
- Blind: the agent is free at once. Where the target does not answer, the call comes back to who sent it; where that one is in another call
  or away, it rings at everybody who is free; where nobody is, it ends with the target's cause.
- Asked first: when the target hangs up, refuses or is cancelled, the other side is taken back from hold, and the agent is told why. When
  the other side hangs up, agent and target go on talking. When the agent's browser is gone for good, the two others are joined: better than
  hanging up on both.
- An agent who hangs up ends the call for all; who wants to leave it to the others completes.
- Where the PBX is asked to carry out a transfer and refuses, we do it ourselves. When both sides are joined here already, its refusal
  changes nothing.
- A peer's REFER is obeyed as far as toll protection lets it (``api/exchange.py`` asks); the peer is told how it goes, and is let go when
  the target answers.
"""

from rooms.call import Call
from rooms.causes import Cause, EndReason, sip_of_cause
from rooms.deadlines import DeadlineKind
from rooms.effects import AnswerCall, Effect, HangUp, LetHear, ReferPhone, TellReferrer
from rooms.events import JoinAsked, LegReplaced, ReferProgressed, TransferActed, TransferAction, TransferAsked, TransferRequested
from rooms.legs import AgentLeg, Came, Leg, PhoneLeg, PhoneState, PhoneStep
from rooms.move import Move, MoveState, MoveStep, Target
from rooms.policy import CallPolicy
from rooms.record import CallState
from rooms.refusals import NotPossible
from rooms.register import Register
from rooms.steps import Steps

_ANSWERED_ELSEWHERE = Cause(EndReason.ANSWERED_ELSEWHERE, 200, "Somebody else took the call.")
_TARGETS_OWN = frozenset({404, 408, 410, 480, 484, 486, 487, 600, 604})
"""With these the target itself refused, and not the PBX the transfer: there is no use in calling it once more (RFC 3515, section 2.4.5)."""


class Transfers:
    """Of all calls. Each function returns the effects of one step and changes the call accordingly."""

    def __init__(self, register: Register, steps: Steps, policy: CallPolicy) -> None:
        self._register = register
        self._steps = steps
        self._policy = policy

    # ------------------------------------------------------------------ what the agent asks

    def request(self, event: TransferRequested, now: float) -> list[Effect]:
        """Begin a transfer. Raises ``NotPossible``."""
        call = self._register.own_call(event.call_id, event.agent)
        other = self.only_other(call)
        target, by = self._whom(call, event)
        call.note = None
        refers = event.refer and not event.ask and not target.agent and isinstance(other, PhoneLeg)
        state = MoveState.CALLING if event.ask else MoveState.REFERRED if refers else MoveState.SENT
        call.move = move = Move(state, event.agent, now, target)
        if event.ask:
            holds = self._steps.hold([other], True)
            effects = self._call_target(call, Came.CONSULTATION, by, now)
            return [*effects, *self._register.settle(call), *holds, *self._steps.changed(call, now)]
        holds = self._steps.hold([other], False)
        effects = self._steps.drop(call, event.agent, now, Cause(EndReason.TRANSFERRED, detail="You gave the call to somebody else."))
        if refers:
            self._register.set(call, DeadlineKind.MOVE, now + self._policy.refer_s)
            effects.append(ReferPhone(other.leg_id, target.number))
        else:
            effects += self._call_target(call, Came.TRANSFER, by, now)
        assert call.move is move
        return [*effects, *holds, *self._steps.changed(call, now)]

    def only_other(self, call: Call) -> Leg:
        """Who is talked with. Raises ``NotPossible`` where that is nobody, or more than one, or the call is being moved already."""
        others = call.others(call.owner)
        if call.state is not CallState.LIVE or not others:
            raise NotPossible("wrong_state", "Nobody has answered yet: wait until somebody is there.")
        if call.move is not None:
            raise NotPossible("wrong_state", "A transfer of this call is going on: complete or cancel it first.")
        if len(others) > 1:
            raise NotPossible("wrong_state", "Three take part in this call already: leave it to the others, or hang up.")
        return others[0]

    def act(self, event: TransferActed, now: float) -> list[Effect]:
        """Swap, merge, complete or cancel. Raises ``NotPossible``."""
        call = self._register.own_call(event.call_id, event.agent)
        if event.action is TransferAction.COMPLETE and call.move is None and len(call.others(event.agent)) > 1:
            return self._leave(call, event.agent, now)
        if call.moving not in (MoveState.CALLING, MoveState.CONSULTING):
            raise NotPossible("wrong_state", "No transfer of this call is going on.")
        match event.action:
            case TransferAction.CANCEL:
                return self._cancel(call, now)
            case TransferAction.COMPLETE:
                return self._complete(call, event.agent, now, refer=event.refer)
            case TransferAction.SWAP:
                return self._swap(call, now)
            case TransferAction.MERGE:
                return self._merge(call, now)

    def _swap(self, call: Call, now: float) -> list[Effect]:
        target = self._consulted(call, MoveStep.SWAPPED)
        rest = [leg for leg in call.others(call.owner) if leg is not target]
        held = target.held
        holds = [*self._steps.hold([target], not held), *self._steps.hold(rest, held)]
        return [*self._register.settle(call), *holds, *self._steps.show(call)]

    def _merge(self, call: Call, now: float) -> list[Effect]:
        self._consulted(call, MoveStep.MERGED)
        holds = self._steps.hold(call.taking_part, False)
        return [*self._register.settle(call), *holds, *self._steps.changed(call, now)]

    def _consulted(self, call: Call, step: MoveStep) -> Leg:
        target = call.target
        if target is None or not call.move_takes(step):
            raise NotPossible("wrong_state", "The one you call has not answered yet.")
        return target

    def _cancel(self, call: Call, now: float) -> list[Effect]:
        target = call.target
        call.move_takes(MoveStep.CANCELLED)
        self._register.clear(call, DeadlineKind.MOVE)
        cause = Cause(EndReason.GAVE_UP, detail="The transfer was cancelled.")
        effects = self._steps.drop_leg(call, target, now, cause) if target is not None else []
        return [*effects, *self._back(call, now)]

    def _back(self, call: Call, now: float) -> list[Effect]:
        holds = self._steps.hold(call.taking_part, False)
        return [*self._register.settle(call), *holds, *self._steps.changed(call, now)]

    def _complete(self, call: Call, agent: str, now: float, *, refer: bool) -> list[Effect]:
        target = call.target
        if call.moving is MoveState.CALLING:
            call.move_takes(MoveStep.LEFT)
            holds = self._steps.hold(call.taking_part, False)
            gone = self._steps.drop(call, agent, now, Cause(EndReason.TRANSFERRED, detail="You gave the call to somebody else."))
            return [*gone, *holds, *self._steps.changed(call, now)]
        number = call.move.target.number if call.move is not None else ""
        call.move_takes(MoveStep.LEFT)
        effects = self._leave(call, agent, now)
        first = call.phone
        if refer and first is not None and isinstance(target, PhoneLeg) and first is not target:
            effects.append(ReferPhone(first.leg_id, number, target.leg_id))
        return effects

    def _leave(self, call: Call, agent: str, now: float) -> list[Effect]:
        """The agent goes, the others stay; a colleague among them has the call from now on."""
        gone = self._steps.drop(call, agent, now, Cause(EndReason.TRANSFERRED, detail="You left the call to the others."))
        self._give(call)
        return [*gone, *self._back(call, now)]

    def _give(self, call: Call) -> None:
        heir = next((leg for leg in call.legs.values() if leg.taken), None)
        if not call.owner and heir is not None:
            call.own(heir.party)

    # ------------------------------------------------------------------ the target

    def _whom(self, call: Call, event: TransferRequested) -> tuple[Target, str]:
        """Where the target is to be reached, and on whose account."""
        if not event.target.agent:
            return event.target, event.agent
        if event.target.agent in call.legs:
            raise NotPossible("wrong_state", "This colleague is in the call already.")
        reach = self._register.people.reach(event.target.agent, call.hops, self._policy.most_hops)
        if reach.cause is not None or reach.target.agent in call.legs:
            detail = reach.cause.detail if reach.cause is not None else "Their calls go to somebody who is in this call already."
            raise NotPossible("colleague_unavailable", f"This colleague cannot be reached: {detail}")
        call.hops = reach.hops
        return reach.target, reach.by or event.agent

    def _call_target(self, call: Call, came: Came, by: str, now: float) -> list[Effect]:
        move = call.move
        assert move is not None
        self._register.set(call, DeadlineKind.MOVE, now + self._policy.transfer_ring_s)
        if move.target.agent:
            effects = self._steps.ring(call, move.target.agent, came, move.by, now)
            move.leg_id = call.legs[move.target.agent].leg_id
        else:
            own = by == move.by
            effects = self._steps.dial(call, move.target, came, by, now, asked=own, diverted_by="" if own else by, referred=move.referrer)
            move.leg_id = next(reversed(call.phones))
        return effects

    def rang(self, call: Call, leg: PhoneLeg) -> list[Effect]:
        """Whoever referred us to this phone is told that it rings; a caller led on to it hears what it says before it answers."""
        move = call.move
        if move is None or move.leg_id != leg.leg_id:
            return []
        told: list[Effect] = [TellReferrer(move.referrer, 180)] if move.referrer else []
        if move.state is MoveState.FORWARDED and leg.early_media:
            for caller in call.phones.values():
                if caller.state is PhoneState.OFFERED and not caller.early_media:
                    caller.early_media = True
                    told.append(LetHear(call.call_id, caller.leg_id, leg.leg_id))
        return told

    def answered(self, call: Call, leg: Leg, now: float) -> list[Effect]:
        """The target has answered."""
        move = call.move
        assert move is not None
        forwarded = move.state is MoveState.FORWARDED
        call.move_takes(MoveStep.ANSWERED)
        self._register.clear(call, DeadlineKind.MOVE)
        effects: list[Effect] = []
        referrer = call.phones.get(move.referrer)
        if referrer is not None:
            done = Cause(EndReason.TRANSFERRED, detail="The other side was transferred as this phone asked.")
            effects += [TellReferrer(referrer.leg_id, 200), *self._steps.drop_phone(call, referrer, now, done)]
        if forwarded:
            effects += self._let_in(call, leg, now)
        if call.move is None:
            self._give(call)
        return [*effects, *self._steps.changed(call, now)]

    def _let_in(self, call: Call, leg: Leg, now: float) -> list[Effect]:
        """The caller, who is not answered yet, is led to the phone that the call was forwarded to."""
        waiting = [phone for phone in call.phones.values() if phone is not leg and phone.take(PhoneStep.ACCEPTED)]
        for phone in waiting:
            phone.answer(now)
        return [AnswerCall(call.call_id, phone.leg_id, leg.leg_id) for phone in waiting]

    def failed(self, call: Call, cause: Cause, now: float) -> list[Effect]:
        """The target, which has gone already, did not answer, or no longer takes part."""
        move = call.move
        assert move is not None
        self._register.clear(call, DeadlineKind.MOVE)
        if not call.move_takes(MoveStep.FAILED):
            return self._steps.end(call, cause, now)
        move.leg_id = ""
        if call.moving is MoveState.RETURNING:
            return self.comes_back(call, cause, now)
        call.note = cause
        told: list[Effect] = [TellReferrer(move.referrer, _told(cause))] if move.referrer in call.phones else []
        if len(call.taking_part) < 2:
            return [*told, *self._steps.end(call, cause, now)]
        return [*told, *self._back(call, now)]

    def comes_back(self, call: Call, why: Cause, now: float) -> list[Effect]:
        """Ring at whose call it was; else at whoever is free."""
        move = call.move
        assert move is not None
        move.why = why
        self._register.unpark(call)
        people = self._register.people
        former = people.get(move.by)
        agents = (move.by,) if former.connected and not former.on_call else people.available("", self._policy.max_ringing_agents)
        if not agents:
            return self._steps.end(call, Cause(why.reason, why.sip, f"{why.detail} Nobody was there to take the call back."), now)
        effects = [effect for agent in agents for effect in self._steps.ring(call, agent, Came.RETURN, move.by, now)]
        self._register.set(call, DeadlineKind.MOVE, now + self._policy.transfer_ring_s)
        return [*effects, *self._steps.changed(call, now)]

    def time_is_over(self, call: Call, now: float) -> list[Effect]:
        """Nobody has answered, carried out or picked up in time what was begun."""
        late = Cause(EndReason.NO_ANSWER, 480, "There was no answer in time.")
        match call.moving:
            case MoveState.REFERRED:
                return self._ourselves(call, now)
            case MoveState.PARKED:
                call.move_takes(MoveStep.FAILED)
                return self.comes_back(call, late, now)
            case MoveState.RETURNING:
                return self._steps.end(call, late, now)
        target = call.target
        gone = self._steps.drop_leg(call, target, now, late) if target is not None else []
        return [*gone, *self.failed(call, late, now)]

    # ------------------------------------------------------------------ somebody goes

    def left(self, call: Call, leg: Leg, cause: Cause, now: float) -> list[Effect]:
        """A leg that took part, or was called, has gone: what becomes of the rest."""
        move = call.move
        if move is not None and leg is call.target and move.state is not MoveState.CONSULTING:
            gone = self._steps.drop_leg(call, leg, now, cause)
            return [*gone, *self.failed(call, cause, now)]
        if move is not None and leg.leg_id == move.referrer and move.state is MoveState.OBEYED:
            # Many phones hang up as soon as their REFER is accepted.
            move.referrer = ""
            return [*self._steps.drop_leg(call, leg, now, cause), *self._steps.changed(call, now)]
        rest = [other for other in call.taking_part if other is not leg]
        if len(rest) < 2 or (move is not None and move.state is not MoveState.CONSULTING):
            return self._steps.end(call, cause, now)
        if leg is not call.own_leg:
            call.note = cause
        gone = self._steps.drop_leg(call, leg, now, cause)
        call.move_takes(MoveStep.FAILED)
        self._give(call)
        return [*gone, *self._back(call, now)]

    # ------------------------------------------------------------------ signalling: REFER and Replaces

    def refer_progressed(self, event: ReferProgressed, now: float) -> list[Effect]:
        """The PBX carries a transfer out, or not."""
        call = self._register.call_of_leg(event.leg_id)
        if call is None or event.status < 200:
            return []
        if event.status < 300:
            return self._steps.end(call, Cause(EndReason.TRANSFERRED, detail="The telephone system joined both sides itself."), now)
        if call.moving is not MoveState.REFERRED:
            return []  # both are joined here
        if event.status in _TARGETS_OWN:
            call.move_takes(MoveStep.FAILED)
            call.move_takes(MoveStep.FAILED)
            return self.comes_back(call, Cause(EndReason.BUSY if event.status in (486, 600) else EndReason.NO_ANSWER, event.status), now)
        return self._ourselves(call, now)

    def _ourselves(self, call: Call, now: float) -> list[Effect]:
        """The PBX does not do it: we call the target."""
        call.move_takes(MoveStep.FAILED)
        assert call.move is not None
        return [*self._call_target(call, Came.TRANSFER, call.move.by, now), *self._steps.changed(call, now)]

    def asked(self, event: TransferAsked, now: float) -> list[Effect]:
        """A phone asks that its other side be given to somebody else."""
        call = self._register.call_of_leg(event.leg_id)
        if call is None or not self._may_be_moved(call):
            return [TellReferrer(event.leg_id, 480)]
        target = event.target
        if target.agent:
            reach = self._register.people.reach(target.agent, call.hops, self._policy.most_hops)
            if reach.cause is not None or reach.target.agent in call.legs:
                return [TellReferrer(event.leg_id, reach.cause.sip or 480 if reach.cause is not None else 486)]
            call.hops, target = reach.hops, reach.target
            by = reach.by or event.by
        else:
            by = event.by
        call.move = Move(MoveState.OBEYED, event.by, now, target, referrer=event.leg_id)
        effects = self._call_target(call, Came.TRANSFER, by, now)
        return [*effects, *self._steps.changed(call, now)]

    def _may_be_moved(self, call: Call) -> bool:
        return call.state is CallState.LIVE and call.move is None and len(call.taking_part) == 2

    def join_asked(self, event: JoinAsked, now: float) -> list[Effect]:
        """A phone in two calls with us asks that their other sides be joined. What can move from room to room is an agent's leg."""
        call, other = self._register.call_of_leg(event.leg_id), self._register.call_of_leg(event.replaces)
        if call is None or other is None or call is other or not self._may_be_moved(call) or not self._may_be_moved(other):
            return [TellReferrer(event.leg_id, 480)]
        stays = next(leg for leg in call.taking_part if leg.leg_id != event.leg_id)
        comes = next(leg for leg in other.taking_part if leg.leg_id != event.replaces)
        referrer, replaced = event.leg_id, event.replaces
        if not isinstance(comes, AgentLeg):
            call, other, stays, comes, referrer, replaced = other, call, comes, stays, replaced, referrer
        leg = call.phones.get(referrer)
        if not isinstance(comes, AgentLeg) or leg is None:
            return [TellReferrer(event.leg_id, 488)]
        done = Cause(EndReason.TRANSFERRED, detail="The other side was joined with somebody else.")
        effects: list[Effect] = [TellReferrer(event.leg_id, 200), *self._steps.end(other, done, now)]
        effects += self._steps.join(call, comes.party, Came.TRANSFER, event.by, now)
        self._steps.await_media(call, call.legs[comes.party], now)
        self._give(call)
        effects += self._steps.drop_phone(call, leg, now, done)
        return [*effects, *self._steps.changed(call, now)]

    def replaced(self, event: LegReplaced, now: float) -> list[Effect]:
        """Another phone takes the place of one of ours, which is let go."""
        call = self._register.call_of_leg(event.replaces)
        former = call.phones.get(event.replaces) if call is not None else None
        if call is None or former is None or not former.up:
            return [HangUp(event.leg_id, Cause(EndReason.FAILED, 481, "The leg to be replaced has just ended."))]
        leg = PhoneLeg(event.leg_id, event.caller, event.trunk, now, PhoneState.OFFERED, Came.REPLACED, held=former.held)
        self._register.put_instead(call, former, leg)
        leg.take(PhoneStep.ACCEPTED)
        leg.answer(now)
        if call.move is not None and call.move.leg_id == former.leg_id:
            call.move.leg_id = leg.leg_id
        own = call.own_leg
        effects: list[Effect] = [AnswerCall(call.call_id, leg.leg_id, own.leg_id if own is not None else "")]
        effects += self._register.settle(call)
        done = Cause(EndReason.TRANSFERRED, detail="Another phone took its place.")
        return [*effects, *self._steps.drop_phone(call, former, now, done), *self._steps.changed(call, now)]


def _told(cause: Cause) -> int:
    status = sip_of_cause(cause)
    return status if status >= 300 else 480
