"""The calls that exist, their legs, people and deadlines: what must always agree with one another is changed here together."""

from collections import OrderedDict

from rooms.call import AgentLeg, AgentLegStep, Call, PhoneStep
from rooms.causes import Cause
from rooms.deadlines import CallDeadlines, DeadlineKind, Key
from rooms.effects import Effect
from rooms.people import People
from rooms.refusals import NotPossible
from rooms.room import Sounding, changes, sounding


class Register:
    """Calls by id and by leg. ``remembered_ends`` ended calls are known by name, so that a late request is told what became of its call."""

    def __init__(self, remembered_ends: int) -> None:
        self.calls: dict[str, Call] = {}
        self.people = People()
        self.deadlines = CallDeadlines()
        self._call_of_leg: dict[str, Call] = {}
        self._heard: dict[str, Sounding] = {}
        self._ended: OrderedDict[str, tuple[frozenset[str], Cause]] = OrderedDict()
        self._remembered_ends = remembered_ends

    # ------------------------------------------------------------------ calls come and go

    def are_new(self, *leg_ids: str) -> bool:
        """Are these legs different from one another and from all that exist?"""
        return len(set(leg_ids)) == len(leg_ids) and not any(leg_id in self._call_of_leg for leg_id in leg_ids)

    def enter(self, call: Call) -> None:
        self.calls[call.call_id] = call
        self._heard[call.call_id] = Sounding()
        self._call_of_leg[call.phone.leg_id] = call
        for identity, leg in call.legs.items():
            self._call_of_leg[leg.leg_id] = call
            self.people.enter(identity).calls[call.call_id] = identity == call.owner

    def drop_agent(self, call: Call, agent: str, now: float, cause: Cause) -> AgentLeg:
        """A call that goes on no longer concerns this agent."""
        leg = call.drop_agent(agent, now, cause)
        del self._call_of_leg[leg.leg_id]
        self.clear(call, DeadlineKind.RING_RELOAD, agent)
        self.people.release(agent, call.call_id, now)
        return leg

    def forget(self, call: Call, cause: Cause, now: float) -> None:
        """The call has ended and all its effects are given."""
        del self.calls[call.call_id], self._heard[call.call_id], self._call_of_leg[call.phone.leg_id]
        self.deadlines.clear_call(call.call_id, tuple(call.legs))
        for identity, leg in call.legs.items():
            del self._call_of_leg[leg.leg_id]
            self.people.release(identity, call.call_id, now)
        self._ended[call.call_id] = (frozenset((*call.legs, *call.dropped)), cause)
        while len(self._ended) > self._remembered_ends:
            self._ended.popitem(last=False)

    # ------------------------------------------------------------------ who may command

    def call_for(self, call_id: str, agent: str) -> Call:
        """The call, for an agent whom it concerns. Raises ``NotPossible``."""
        call = self.calls.get(call_id)
        if call is None:
            ended = self._ended.get(call_id)
            if ended is not None and agent in ended[0]:
                raise NotPossible("ended", f"This call has ended: {_worded(ended[1])}")
            raise NotPossible("unknown_call", "There is no such call.")
        if agent in call.dropped:
            raise NotPossible("ended", f"This call rings no longer here: {_worded(call.dropped[agent].cause)}")
        if agent not in call.legs:
            raise NotPossible("not_yours", "This call is somebody else's.")
        return call

    def own_call(self, call_id: str, agent: str) -> Call:
        """The call, for the agent whose it is. Raises ``NotPossible``."""
        call = self.call_for(call_id, agent)
        if call.owner != agent:
            raise NotPossible("wrong_state", "Accept the call first.")
        return call

    def has_ended_for(self, call_id: str, agent: str) -> bool:
        """Has this call, which concerned this agent, just ended, for them at least?"""
        call = self.calls.get(call_id)
        if call is not None:
            return agent in call.dropped
        return call_id in self._ended and agent in self._ended[call_id][0]

    def live_call(self, call_id: str) -> Call:
        """The call, for somebody whom every call concerns. Raises ``NotPossible``."""
        if call_id not in self.calls:
            raise NotPossible("unknown_call", "There is no such call.")
        return self.calls[call_id]

    def call_of_leg(self, leg_id: str) -> Call | None:
        return self._call_of_leg.get(leg_id)

    # ------------------------------------------------------------------ steps of legs

    def phone_steps(self, leg_id: str, step: PhoneStep) -> Call | None:
        """The call whose phone leg took this step; None where there is no such leg or step."""
        call = self._call_of_leg.get(leg_id)
        return call if call is not None and call.phone.leg_id == leg_id and call.phone.take(step) else None

    def agent_steps(self, leg_id: str, step: AgentLegStep) -> tuple[Call, AgentLeg] | None:
        """The call and the agent's leg that took this step; None where there is no such leg or step."""
        call = self._call_of_leg.get(leg_id)
        if call is None:
            return None
        leg = next((leg for leg in call.legs.values() if leg.leg_id == leg_id), None)
        return (call, leg) if leg is not None and leg.take(step) else None

    # ------------------------------------------------------------------ sound and time

    def settle(self, call: Call) -> list[Effect]:
        """Lead the room from what was heard to what is to be heard now."""
        before = self._heard[call.call_id]
        after = self._heard[call.call_id] = sounding(call, before)
        return changes(call.call_id, before, after)

    def idle_ears(self, call: Call) -> list[str]:
        """Legs that take part and hear no waiting sound or tone."""
        heard = self._heard[call.call_id]
        return [leg_id for leg_id in heard.joined if leg_id not in heard.sounds]

    def set(self, call: Call, kind: DeadlineKind, at_s: float, party: str = "") -> None:
        self.deadlines.set(Key(call.call_id, kind, party), at_s)

    def clear(self, call: Call, kind: DeadlineKind, party: str = "") -> None:
        self.deadlines.clear(Key(call.call_id, kind, party))


def _worded(cause: Cause | None) -> str:
    return "" if cause is None else cause.detail or cause.reason.value.replace("_", " ")
