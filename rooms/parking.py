"""Parked calls: one waits in a numbered slot, with music, until somebody picks it up or it goes back to who parked it."""

from rooms.causes import Cause, EndReason
from rooms.deadlines import DeadlineKind
from rooms.effects import Effect
from rooms.events import ParkRequested, PickUpRequested
from rooms.legs import Came, PhoneLeg
from rooms.move import Move, MoveState, MoveStep
from rooms.policy import CallPolicy
from rooms.refusals import NotPossible
from rooms.register import Register
from rooms.steps import Steps
from rooms.transfers import Transfers


class Parking:
    """Of all calls."""

    def __init__(self, register: Register, steps: Steps, transfers: Transfers, policy: CallPolicy) -> None:
        self._register = register
        self._steps = steps
        self._transfers = transfers
        self._policy = policy

    def park(self, event: ParkRequested, now: float) -> list[Effect]:
        """The agent is free at once. Raises ``NotPossible``."""
        call = self._register.own_call(event.call_id, event.agent)
        other = self._transfers.only_other(call)
        if not isinstance(other, PhoneLeg):
            raise NotPossible("wrong_state", "A colleague cannot be parked: hang up, or call again.")
        free = (slot for slot in range(1, self._policy.park_slots + 1) if slot not in self._register.slots)
        slot = event.slot or next(free, 0)
        if not 1 <= slot <= self._policy.park_slots or slot in self._register.slots:
            raise NotPossible("no_slot", f"This place is taken or there is none: the places are 1 to {self._policy.park_slots}.")
        call.note = None
        call.move = Move(MoveState.PARKED, event.agent, now, slot=slot)
        self._register.park(call, slot)
        self._register.set(call, DeadlineKind.MOVE, now + self._policy.park_s)
        holds = self._steps.hold([other], False)
        gone = self._steps.drop(call, event.agent, now, Cause(EndReason.TRANSFERRED, detail=f"You parked the call at {slot}."))
        return [*gone, *self._register.settle(call), *holds, *self._steps.changed(call, now)]

    def pick_up(self, event: PickUpRequested, now: float) -> list[Effect]:
        """Raises ``NotPossible``: of two who reach for it the second is told."""
        call = self._register.live_call(event.call_id)
        move = call.move
        if move is None or not move.slot or move.state not in (MoveState.PARKED, MoveState.RETURNING):
            raise NotPossible("picked_up", "Somebody else has this call already.")
        if self._register.people.get(event.agent).on_call:
            raise NotPossible("on_call", "You are in a call already: hang up first.")
        call.move_takes(MoveStep.ANSWERED)
        self._register.unpark(call)
        self._register.clear(call, DeadlineKind.MOVE)
        elsewhere = Cause(EndReason.ANSWERED_ELSEWHERE, 200, "Somebody else took the call.")
        effects = self._steps.drop_others_rung(call, now, elsewhere)
        effects += self._steps.join(call, event.agent, Came.PICK_UP, move.by, now)
        call.own(event.agent)
        self._steps.await_media(call, call.legs[event.agent], now)
        return [*effects, *self._steps.changed(call, now)]
