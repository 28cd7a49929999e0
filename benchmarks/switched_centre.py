"""The contact centre in simulated time (``benchmarks/centre.py``) through the whole of call control instead of the queues alone.

Every caller is a call with a flow, every agent a page with a browser: what the switchboard wants is done at once, sounds take their time.
"""

import heapq
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from benchmarks.centre import Caller, Centre, Fate
from rooms import effects as fx
from rooms import events as ev
from rooms.causes import Cause, EndReason
from rooms.centre_plan import CentrePlan, NumberEntry
from rooms.flows import flow as kinds
from rooms.flows.conditions import Comparison, Condition
from rooms.flows.flow import Flow
from rooms.move import Target
from rooms.queues.figures import Figures
from rooms.queues.ticket import Left
from rooms.switchboard import CallPolicy, NotPossible, Switchboard

_SOUND_S = 3.0
_CALL_BACK_S = 55.0
"""So early a call-back is offered that who wants one after a minute knows the key."""
_OVER = Cause(EndReason.COMPLETED)


class SwitchedCentre(Centre):
    """As ``Centre``; ``calls``: how many were opened, ``closed``: how many of them ended."""

    def begin(self) -> None:
        self.switchboard = Switchboard(CallPolicy(max_calls=10_000, call_back_retry_s=60.0))
        self.opened = self.closed = 0
        self._fates: dict[str, Fate] = {}
        self._legs: dict[tuple[str, str], str] = {}
        queues = {name: replace(plan, call_back_after_s=_CALL_BACK_S) for name, plan in self.plans.items()}
        flows = {name: _flow(name) for name in queues}
        entries = tuple(NumberEntry(name, name) for name in queues)
        self._entries = {entry.pattern: entry for entry in entries}
        self._feed(ev.PlanChanged(CentrePlan(1, flows, queues, {}, entries)))

    @property
    def left_over(self) -> int:
        waiting = sum(1 for fate in self._fates.values() if not fate.how)
        return len(self.switchboard) + waiting + self.opened - self.closed + (self.switchboard.next_deadline() is not None)

    def figures(self) -> list[Figures]:
        return list(self.switchboard.queue_figures(self.now).values())

    def run(self, callers: Iterator[Caller]) -> None:
        self._await(callers)
        while self._events or self.switchboard.next_deadline() is not None:
            deadline = self.switchboard.next_deadline()
            if deadline is not None and (not self._events or deadline < self._events[0][0]):
                self.now = deadline
                self._perform(self.switchboard.expire(self.now))
            else:
                self.now, _, do, what = heapq.heappop(self._events)
                do(what)

    # ------------------------------------------------------------------ agents

    def sign_in(self, agent: tuple[str, Mapping[str, int], frozenset[str]]) -> None:
        self._present.add(agent[0])
        self._feed(ev.AgentSkilled(*agent))
        self._feed(ev.AgentConnected(agent[0]))

    def sign_out(self, identity: str) -> None:
        self._present.discard(identity)
        self._feed(ev.AgentDisconnected(identity))

    def close(self, _: None) -> None:
        """Who still waits hangs up; who was to be called back is so another day."""
        for call_id, fate in self._fates.items():
            if not fate.how:
                self._feed(ev.LegHungUp(f"{call_id}-phone", _OVER))
        for view in self.switchboard.call_backs():
            with suppress(NotPossible):
                self._feed(ev.CallBackCancelled(view.call_back.call_back_id))

    def _react_to(self, call_id: str, identity: str) -> None:
        habits, chance = self._habits, self._chance
        both = (call_id, identity)
        if not habits.answer_s:
            self._take(both)
            return
        die, after_s = chance.random(), chance.expovariate(1 / habits.answer_s)
        if die < habits.vanishes:
            self._feed(ev.AgentDisconnected(identity))
            self.at(self.now + habits.gone_s, self._come_back, identity)
        elif die >= habits.vanishes + habits.lets_ring + habits.declines:
            self.at(self.now + after_s, self._take, both)
        elif die >= habits.vanishes + habits.lets_ring:
            self.at(self.now + after_s, self._decline, both)

    def _come_back(self, identity: str) -> None:
        if identity in self._present:
            self._feed(ev.AgentConnected(identity))
            self._feed(ev.AvailabilityChanged(identity, True))

    def _decline(self, both: tuple[str, str]) -> None:
        with suppress(NotPossible):
            self._feed(ev.CallDeclined(*both))

    def _take(self, both: tuple[str, str]) -> None:
        call_id = both[0]
        with suppress(NotPossible):
            self._feed(ev.CallAccepted(*both))
            self._feed(ev.LegConnected(self._legs[both]))
            fate = self._fates[call_id.partition("b")[0]]
            self.at(self.now + fate.caller.handle_s, self._end_call, both)

    def _end_call(self, both: tuple[str, str]) -> None:
        self._feed(ev.HangUpRequested(*both))

    # ------------------------------------------------------------------ callers

    def _arrive(self, what: tuple[Caller, Iterator[Caller]]) -> None:
        caller, callers = what
        self._await(callers)
        self.came += 1
        call_id = f"c{caller.name}"
        fate = self._fates[call_id] = Fate(caller)
        number = f"+34{600_000_000 + self.came}"
        entry = self._entries[caller.queue]
        facts: dict[str, str | float | bool] = {"last_agent": caller.last_agent, "urgent": float(caller.priority)}
        self._feed(ev.CallArrived(call_id, f"{call_id}-phone", "pbx", number, "", caller.queue, (), entry=entry, facts=facts))
        if not fate.how:
            self.at(self.now + caller.patience_s, self._give_up, fate)
            if caller.call_back_after_s < caller.patience_s:
                self.at(self.now + caller.call_back_after_s, self._ask_call_back, fate)

    def _give_up(self, fate: Fate) -> None:
        if not fate.how:
            self._feed(ev.LegHungUp(f"c{fate.caller.name}-phone", _OVER))

    def _ask_call_back(self, fate: Fate) -> None:
        if not fate.how:
            self._feed(ev.DigitHeard(f"c{fate.caller.name}-phone", "1"))

    # ------------------------------------------------------------------ call control

    def _feed(self, event: ev.Event) -> None:
        self._perform(self.switchboard.handle(event, self.now))

    def _perform(self, effects: list[fx.Effect]) -> None:
        """What it wants; what comes of that at once is done behind it."""
        for visit in self.switchboard.visits:
            fate = self._fates[visit.call_id]
            fate.how = "called_back" if visit.outcome == Left.CALL_BACK else visit.outcome
            fate.wait_s = visit.left_s - visit.since_s
            if visit.outcome != Left.CALL_BACK:
                self._ended(fate)
        for effect in effects:
            match effect:
                case fx.OpenRoom():
                    self.opened += 1
                case fx.CloseRoom():
                    self.closed += 1
                case fx.ExpectAgent(call_id=call_id, leg_id=leg_id, agent=agent):
                    self._legs[call_id, agent] = leg_id
                    self._decisions.update(repr((self.now, call_id, agent)).encode())
                    self.at(self.now, lambda both: self._react_to(*both), (call_id, agent))
                case fx.PlayOnce(leg_id=leg_id, sound=sound):
                    self.at(self.now + _SOUND_S, self._feed, ev.SoundEnded(leg_id, sound))
                case fx.FindTarget(call_id=call_id, text=number):
                    self.at(self.now, self._feed, ev.TargetFound(call_id, Target(number=number, trunk="pbx")))
                case fx.PlaceCall(leg_id=leg_id):
                    self.at(self.now, self._feed, ev.LegAnswered(leg_id))
                case fx.PutOnBreak(agent=agent):
                    self.at(self.now + self._habits.gone_s, self._come_back, agent)
                case fx.CallBackOver(call_back=back, outcome=outcome):
                    fate = self._fates[back.call_back_id]
                    fate.how = "called_back" if outcome == "reached" else "kept"
                    self._ended(fate)


def _flow(queue: str) -> Flow:
    """Straight into the queue, the urgent ones first."""
    condition = Condition("urgent", Comparison.AT_LEAST, (1.0,))
    steps: tuple[kinds.Step, ...] = (
        kinds.Choose(name="who", ways=(kinds.Way((condition,), "urgent"),), otherwise="queue"),
        kinds.Queue(name="urgent", queue=queue, priority=1, call_back="end"),
        kinds.Queue(name="queue", queue=queue, call_back="end"),
        kinds.HangUp(name="end", say=("call-back-confirmed",)),
    )
    return Flow(queue, ("es",), "es", "who", {step.name: step for step in steps})
