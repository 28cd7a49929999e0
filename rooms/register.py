"""The calls that exist, their legs, people and deadlines: what must always agree with one another is changed here together."""

from collections import OrderedDict

from rooms.call import Call
from rooms.causes import Cause
from rooms.deadlines import CallDeadlines, DeadlineKind, Key
from rooms.effects import Effect
from rooms.journal import Journal
from rooms.legs import AgentLeg, AgentLegStep, PhoneLeg, PhoneStep
from rooms.monitor import Monitor
from rooms.people import People
from rooms.record import ParkedView
from rooms.refusals import NotPossible
from rooms.room import Sounding, changes, sounding


class Register:
    """Calls by id and by leg. ``remembered_ends`` ended calls are known by name, so that a late request is told what became of its call."""

    def __init__(self, remembered_ends: int, most_entries: int) -> None:
        self.calls: dict[str, Call] = {}
        self.people = People()
        self.journal = Journal(most_entries)
        self.deadlines = CallDeadlines()
        self._call_of_leg: dict[str, Call] = {}
        self._heard: dict[str, Sounding] = {}
        self.slots: dict[int, str] = {}
        """Which call is parked where."""
        self._ended: OrderedDict[str, tuple[frozenset[str], Cause]] = OrderedDict()
        self._remembered_ends = remembered_ends
        self.left: list[tuple[Call, AgentLeg]] = []
        self.over: list[Call] = []
        """Agents who left a call, and calls that are over, since this was last looked at (``rooms/distribution.py``)."""

    # ------------------------------------------------------------------ calls come and go

    def are_new(self, *leg_ids: str) -> bool:
        """Are these legs different from one another and from all that exist?"""
        return len(set(leg_ids)) == len(leg_ids) and not any(leg_id in self._call_of_leg for leg_id in leg_ids)

    def enter(self, call: Call) -> None:
        self.calls[call.call_id] = call
        self._heard[call.call_id] = Sounding()
        for phone in call.phones.values():
            self._call_of_leg[phone.leg_id] = call
        for leg in call.legs.values():
            self.add_agent(call, leg)

    def add_agent(self, call: Call, leg: AgentLeg) -> None:
        """A call concerns one agent more."""
        call.legs[leg.party] = leg
        call.dropped.pop(leg.party, None)
        self._call_of_leg[leg.leg_id] = call
        self.people.enter(leg.party).calls[call.call_id] = leg.taken

    def add_monitor(self, call: Call, monitor: Monitor) -> None:
        """A supervisor enters a call that is not theirs, and has no other meanwhile."""
        leg = monitor.leg
        call.monitors[leg.party] = monitor
        call.dropped.pop(leg.party, None)
        self._call_of_leg[leg.leg_id] = call
        self.people.enter(leg.party).calls[call.call_id] = True

    def add_phone(self, call: Call, leg: PhoneLeg) -> None:
        call.phones[leg.leg_id] = leg
        self._call_of_leg[leg.leg_id] = call

    def put_instead(self, call: Call, former: PhoneLeg, leg: PhoneLeg) -> None:
        """A phone in the place of another one, which is still to be dropped."""
        before = [phone for phone in call.phones.values() if phone is not former]
        self.add_phone(call, leg)
        call.phones = {phone.leg_id: phone for phone in (leg, former, *before)}

    def drop_agent(self, call: Call, agent: str, now: float, cause: Cause) -> AgentLeg:
        """A call that goes on no longer concerns this agent."""
        leg = call.drop_agent(agent, now, cause)
        self._person_leaves(call, leg, now)
        return leg

    def drop_monitor(self, call: Call, supervisor: str, now: float, cause: Cause) -> AgentLeg:
        """A supervisor leaves a call that goes on."""
        leg = call.drop_monitor(supervisor, now, cause)
        self._person_leaves(call, leg, now)
        return leg

    def _person_leaves(self, call: Call, leg: AgentLeg, now: float) -> None:
        self._leaves(call, leg.leg_id)
        for kind in DeadlineKind:
            self.clear(call, kind, leg.party)
        self.people.release(leg.party, call.call_id, now)
        self.left.append((call, leg))

    def drop_phone(self, call: Call, leg_id: str, now: float, cause: Cause) -> PhoneLeg:
        """A phone leaves a call that goes on."""
        self._leaves(call, leg_id)
        return call.drop_phone(leg_id, now, cause)

    def _leaves(self, call: Call, leg_id: str) -> None:
        del self._call_of_leg[leg_id]
        self._heard[call.call_id] = self._heard[call.call_id].without(leg_id)

    def forget(self, call: Call, cause: Cause, now: float) -> None:
        """The call has ended and all its effects are given."""
        del self.calls[call.call_id], self._heard[call.call_id]
        self.unpark(call)
        for leg_id in call.phones:
            del self._call_of_leg[leg_id]
        self.deadlines.clear_call(call.call_id, call.everybody)
        for leg in (*call.legs.values(), *(monitor.leg for monitor in call.monitors.values())):
            del self._call_of_leg[leg.leg_id]
            self.people.release(leg.party, call.call_id, now)
            self.left.append((call, leg))
        self.over.append(call)
        self._ended[call.call_id] = (frozenset((*call.everybody, *call.dropped)), cause)
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
        if call.is_over_for(agent):
            raise NotPossible("ended", f"This call rings no longer here: {_worded(call.dropped[agent].cause)}")
        if agent not in call.legs:
            raise NotPossible("not_yours", "This call is somebody else's.")
        return call

    def own_call(self, call_id: str, agent: str) -> Call:
        """The call, for the agent whose it is. Raises ``NotPossible``."""
        call = self.joined_call(call_id, agent)
        if call.owner != agent:
            raise NotPossible("not_yours", "This call is a colleague's: only they can do this with it.")
        return call

    def joined_call(self, call_id: str, agent: str) -> Call:
        """The call, for an agent who takes part in it. Raises ``NotPossible``."""
        call = self.call_for(call_id, agent)
        if not call.legs[agent].taken:
            raise NotPossible("wrong_state", "Accept the call first.")
        return call

    def has_ended_for(self, call_id: str, agent: str) -> bool:
        """Has this call, which concerned this agent, just ended, for them at least?"""
        call = self.calls.get(call_id)
        if call is not None:
            return call.is_over_for(agent)
        return call_id in self._ended and agent in self._ended[call_id][0]

    def live_call(self, call_id: str) -> Call:
        """The call, for somebody whom every call concerns. Raises ``NotPossible``."""
        if call_id not in self.calls:
            raise NotPossible("unknown_call", "There is no such call.")
        return self.calls[call_id]

    def call_of_leg(self, leg_id: str) -> Call | None:
        return self._call_of_leg.get(leg_id)

    # ------------------------------------------------------------------ steps of legs

    def phone_steps(self, leg_id: str, step: PhoneStep) -> tuple[Call, PhoneLeg] | None:
        """The call and its phone's leg that took this step; None where there is no such leg or step."""
        call = self._call_of_leg.get(leg_id)
        leg = call.phones.get(leg_id) if call is not None else None
        return (call, leg) if call is not None and leg is not None and leg.take(step) else None

    def agent_steps(self, leg_id: str, step: AgentLegStep) -> tuple[Call, AgentLeg] | None:
        """The call and the agent's leg that took this step; None where there is no such leg or step."""
        call = self._call_of_leg.get(leg_id)
        if call is None:
            return None
        people = (*call.legs.values(), *(monitor.leg for monitor in call.monitors.values()))
        leg = next((leg for leg in people if leg.leg_id == leg_id), None)
        return (call, leg) if leg is not None and leg.take(step) else None

    # ------------------------------------------------------------------ parked calls

    def park(self, call: Call, slot: int) -> None:
        self.slots = {**self.slots, slot: call.call_id}

    def unpark(self, call: Call) -> None:
        self.slots = {slot: call_id for slot, call_id in self.slots.items() if call_id != call.call_id}

    def parked(self) -> tuple[ParkedView, ...]:
        """Calls that wait to be picked up, by slot."""
        views = []
        for slot, call_id in sorted(self.slots.items()):
            view, move = self.calls[call_id].view(), self.calls[call_id].move
            if move is not None:
                views.append(ParkedView(slot, call_id, view.number, view.name, move.by, move.since_s))
        return tuple(views)

    # ------------------------------------------------------------------ sound and time

    def settle(self, call: Call) -> list[Effect]:
        """Lead the room from what was heard to what is to be heard now."""
        self.journal.touch(call)
        before = self._heard[call.call_id]
        after = self._heard[call.call_id] = sounding(call, before)
        return changes(call.call_id, before, after)

    def idle_ears(self, call: Call) -> list[str]:
        """Legs that take part and hear no waiting sound or tone."""
        heard = self._heard[call.call_id]
        return [leg_id for leg_id in heard.joined if leg_id not in heard.sounds]

    def set(self, call: Call, kind: DeadlineKind, at_s: float, party: str = "") -> None:
        self.deadlines.set(Key(call.call_id, kind, party), at_s)

    def is_set(self, call: Call, kind: DeadlineKind, party: str = "") -> bool:
        return Key(call.call_id, kind, party) in self.deadlines

    def clear(self, call: Call, kind: DeadlineKind, party: str = "") -> None:
        self.deadlines.clear(Key(call.call_id, kind, party))


def _worded(cause: Cause | None) -> str:
    return "" if cause is None else cause.detail or cause.reason.value.replace("_", " ")
