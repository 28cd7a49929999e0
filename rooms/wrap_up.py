"""The timed work of an agent after a call that they had taken from a queue.

It begins when the agent is out of the call, whoever ended it, and ends when they say so, when its time is over, or when they take another
call. Where a code is required and none was said by then, it is waited for a while longer; then the agent is put on a break: nobody is
offered calls who does not answer questions. A page that reloads meanwhile finds it as it was.

Who says to be done is free at once, and may take that back for some seconds, as long as no other call is theirs: a wrong code, a word that
the note still needs. Only then is it written down, so that nothing that was told to others (records, the CRM's log) has to be corrected.
What a killed server loses by that is what it loses of any work that is not over.
"""

from dataclasses import replace

from rooms.agent import FinishedWork, WrapUp
from rooms.deadlines import DeadlineKind, Key
from rooms.effects import Effect, KeepWrapUp, PutOnBreak, ShowAgent
from rooms.events import WrapUpExtended, WrapUpFinished, WrapUpTakenBack
from rooms.policy import CallPolicy
from rooms.queues.queue_plan import QueuePlan
from rooms.refusals import NotPossible
from rooms.register import Register

NO_CODE = "no_code"
"""The reason of the break of who did not say the code of their call."""


class WrapUps:
    """Of all agents."""

    def __init__(self, register: Register, policy: CallPolicy) -> None:
        self._register = register
        self._policy = policy

    def begin(self, agent: str, call_id: str, plan: QueuePlan, now: float) -> list[Effect]:
        """The agent is out of a call from this queue."""
        if plan.wrap_up_s <= 0:
            return []
        step_s, most_s = plan.wrap_up_s, plan.wrap_up_s * self._policy.wrap_up_times
        codes, required = plan.wrap_up_codes, plan.wrap_up_required and bool(plan.wrap_up_codes)
        ended = [*self.settle(agent), *self.end(agent, now)]
        return [*ended, *self._set(agent, WrapUp(call_id, plan.name, now, now + step_s, step_s, most_s, codes, required))]

    def finish(self, event: WrapUpFinished, now: float) -> list[Effect]:
        """The agent is done. Raises ``NotPossible``."""
        wrap_up = self._own(event.agent, event.call_id)
        known = event.code in wrap_up.codes or not wrap_up.codes
        if (event.code and not known) or (not event.code and wrap_up.required):
            raise NotPossible("bad_code", f"Say what this call was about: {', '.join(wrap_up.codes)}.")
        if self._policy.wrap_up_undo_s <= 0:
            return self.end(event.agent, now, event.code)
        self._stop(event.agent, now)
        until_s = now + self._policy.wrap_up_undo_s
        self._register.people.enter(event.agent).finished = FinishedWork(wrap_up, event.code, now, until_s)
        self._register.deadlines.set(Key("", DeadlineKind.WRAP_UP_KEPT, event.agent), until_s)
        return [ShowAgent(event.agent, None)]

    def take_back(self, event: WrapUpTakenBack, now: float) -> list[Effect]:
        """The agent was not done: they have the time that was left, and no less than that in which this can be wished. Raises
        ``NotPossible``."""
        known = self._register.people.get(event.agent)
        finished = known.finished
        if finished is None or finished.wrap_up.call_id != event.call_id:
            raise NotPossible("no_undo", "It is too late to take this up again: write to the call's note in its history.")
        self._register.people.enter(event.agent).finished = None
        self._register.deadlines.clear(Key("", DeadlineKind.WRAP_UP_KEPT, event.agent))
        left_s = max(finished.wrap_up.until_s - finished.ended_s, self._policy.wrap_up_undo_s)
        return self._set(event.agent, replace(finished.wrap_up, until_s=now + left_s))

    def settle(self, agent: str) -> list[Effect]:
        """What they said to be done is done for good."""
        known = self._register.people.get(agent)
        finished = known.finished
        if finished is None:
            return []
        known.finished = None
        self._register.people.tidy(agent)
        self._register.deadlines.clear(Key("", DeadlineKind.WRAP_UP_KEPT, agent))
        return [_kept(agent, finished.wrap_up, finished.code, finished.ended_s), ShowAgent(agent, known.wrap_up)]

    def extend(self, event: WrapUpExtended, now: float) -> list[Effect]:
        """The agent needs more time. Raises ``NotPossible``."""
        wrap_up = self._own(event.agent, event.call_id)
        until_s = min(max(wrap_up.until_s, now) + wrap_up.step_s, wrap_up.began_s + wrap_up.most_s)
        if wrap_up.due or until_s <= wrap_up.until_s:
            raise NotPossible("no_more_time", "This work has been made longer as often as may be: finish it, or take a break.")
        return self._set(event.agent, replace(wrap_up, until_s=until_s))

    def over(self, agent: str, now: float) -> list[Effect]:
        """Its time is over."""
        wrap_up = self._register.people.get(agent).wrap_up
        if wrap_up is None:
            return []
        if wrap_up.required and not wrap_up.due:
            return self._set(agent, replace(wrap_up, until_s=now + self._policy.wrap_up_due_s, due=True))
        effects = self.end(agent, now)
        return [*effects, *put_on_break(self._register, agent, NO_CODE)] if wrap_up.due else effects

    def end(self, agent: str, now: float, code: str = "") -> list[Effect]:
        """There is none any more."""
        wrap_up = self._register.people.get(agent).wrap_up
        if wrap_up is None:
            return []
        self._stop(agent, now)
        self._register.people.tidy(agent)
        return [_kept(agent, wrap_up, code, now), ShowAgent(agent, None)]

    def _stop(self, agent: str, now: float) -> None:
        known = self._register.people.enter(agent)
        known.wrap_up, known.free_since_s = None, now
        self._register.deadlines.clear(Key("", DeadlineKind.WRAP_UP, agent))

    def _set(self, agent: str, wrap_up: WrapUp) -> list[Effect]:
        self._register.people.enter(agent).wrap_up = wrap_up
        self._register.deadlines.set(Key("", DeadlineKind.WRAP_UP, agent), wrap_up.until_s)
        return [ShowAgent(agent, wrap_up)]

    def _own(self, agent: str, call_id: str) -> WrapUp:
        wrap_up = self._register.people.get(agent).wrap_up
        if wrap_up is None or wrap_up.call_id != call_id:
            raise NotPossible("no_wrap_up", "The work on this call is over already.")
        return wrap_up


def _kept(agent: str, wrap_up: WrapUp, code: str, ended_s: float) -> KeepWrapUp:
    return KeepWrapUp(wrap_up.call_id, agent, wrap_up.queue, code, wrap_up.began_s, ended_s)


def put_on_break(register: Register, agent: str, reason: str) -> list[Effect]:
    """This agent takes no calls until they say that they do."""
    known = register.people.enter(agent)
    known.willing, known.reason = False, reason
    return [PutOnBreak(agent, reason)]
