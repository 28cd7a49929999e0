"""Supervisors listen to calls, whisper to the agent, barge in, and take over; what these mean is said in ``rooms/monitor.py``.

Whether somebody may was asked before (``api/supervision.py``). Rules that are decided here:

- Only a call that an agent has can be monitored. A supervisor is in one call at a time, their own or another's, and is offered none then.
- A transfer, a parking or a hold does not end it: what is left of the call is heard on, without who waits or is led on. It ends with the
  call, when the supervisor leaves, and when their page brings up no audio in time or does not come back.
- Where everybody is to be told, each is heard once the notice was said to them whole; where it cannot be said, the supervisor goes.
- Who takes over has the call, with what is being done with it, and talks with the other side at once. Whose it was leaves and is told why,
  or stays and listens. A call that nobody has, because it is parked or on its way to somebody, cannot be taken over.
"""

from rooms.call import Call
from rooms.causes import Cause, EndReason
from rooms.deadlines import DeadlineKind
from rooms.effects import CloseLeg, Effect, ExpectAgent, Notify, WriteRecord
from rooms.events import MonitorRequested, TakeOverRequested
from rooms.legs import AgentLeg, Came, Leg
from rooms.monitor import Announce, Monitor, MonitorMode
from rooms.policy import CallPolicy
from rooms.record import CallState
from rooms.refusals import NotPossible
from rooms.register import Register
from rooms.steps import Steps


class Monitoring:
    """Of all calls. Each function returns the effects of one step and changes the call accordingly."""

    def __init__(self, register: Register, steps: Steps, policy: CallPolicy) -> None:
        self._register = register
        self._steps = steps
        self._policy = policy

    def request(self, event: MonitorRequested, now: float) -> list[Effect]:
        """Begin, or change the mode. Raises ``NotPossible``."""
        call = self._register.live_call(event.call_id)
        known = call.monitors.get(event.by)
        if known is None:
            return self._begin(call, event.by, event.mode, now)
        if known.mode is event.mode:
            return []
        known.mode = event.mode
        return [*self._register.settle(call), *self._steps.show(call)]

    def _begin(self, call: Call, supervisor: str, mode: MonitorMode, now: float) -> list[Effect]:
        self._must_be_free(call, supervisor)
        if len(call.monitors) >= self._policy.supervision.most_per_call:
            raise NotPossible("too_many_supervisors", f"{len(call.monitors)} supervisors are in this call already, which is the most.")
        leg = AgentLeg(call.new_leg_id(), supervisor, now, came=Came.MONITOR, by=supervisor, taken=True)
        if not call.monitors:
            call.told.clear()
        self._register.add_monitor(call, Monitor(leg, mode, supervisor, self._policy.supervision.announce))
        self._register.set(call, DeadlineKind.AGENT_MEDIA, now + self._policy.agent_media_s, supervisor)
        return [ExpectAgent(call.call_id, leg.leg_id, supervisor), *self._steps.changed(call, now)]

    def _must_be_free(self, call: Call, supervisor: str) -> None:
        if call.state is not CallState.LIVE or not call.owner:
            raise NotPossible("wrong_state", "Nobody has this call now: it is not answered yet, waits, or is on its way to somebody.")
        if supervisor in call.legs and not call.legs[supervisor].taken:
            raise NotPossible("wrong_state", "This call rings at yours: accept it.")
        if self._register.people.get(supervisor).on_call:
            raise NotPossible("on_call", "You are in a call already: hang up first.")

    def leave(self, call: Call, supervisor: str, now: float, cause: Cause) -> list[Effect]:
        """The supervisor goes, the call does not."""
        leg = self._register.drop_monitor(call, supervisor, now, cause)
        gone: list[Effect] = [CloseLeg(leg.leg_id), Notify((supervisor,), call.view(supervisor))]
        return [*gone, *self._register.settle(call), *self._steps.show(call), WriteRecord(call.record)]

    @staticmethod
    def leg_of(call: Call, leg_id: str) -> Leg | None:
        """The leg of a supervisor who monitors this call, or did."""
        known = (*(monitor.leg for monitor in call.monitors.values()), *(leg for leg in call.gone if leg.came is Came.MONITOR))
        return next((leg for leg in known if leg.leg_id == leg_id), None)

    def left(self, call: Call, leg: Leg, now: float, cause: Cause) -> list[Effect]:
        """Something went wrong with this leg: nobody else has to go for it."""
        return self.leave(call, leg.party, now, cause) if leg.ended_s is None else []

    def take_over(self, event: TakeOverRequested, now: float) -> list[Effect]:
        """Raises ``NotPossible``."""
        call, supervisor = self._register.live_call(event.call_id), event.by
        if call.owner == supervisor:
            return []
        if supervisor not in call.monitors:
            self._must_be_free(call, supervisor)
        former = call.own_leg
        if former is None or call.state is not CallState.LIVE:
            raise NotPossible("wrong_state", "Nobody has this call now: it is parked, or on its way to somebody.")
        effects = self._let_in(call, supervisor, former.party, now)
        call.own(supervisor)
        effects += self._let_go(call, former, supervisor, now, stays=event.agent_stays)
        holds: list[Effect] = []
        if call.move is None:
            holds = self._steps.hold(call.others(supervisor), False)
        elif call.move.by == former.party:
            call.move.by = supervisor
        leg = call.legs[supervisor]
        if not leg.up:
            self._steps.await_media(call, leg, now)
        return [*effects, *self._register.settle(call), *holds, *self._steps.changed(call, now)]

    def _let_in(self, call: Call, supervisor: str, former: str, now: float) -> list[Effect]:
        monitor = call.monitors.get(supervisor)
        if monitor is None:
            return self._steps.join(call, supervisor, Came.TAKE_OVER, former, now)
        del call.monitors[supervisor]
        leg = monitor.leg
        leg.came, leg.by, leg.answered_s = Came.TAKE_OVER, former, now
        call.legs[supervisor] = leg
        return []

    def _let_go(self, call: Call, former: AgentLeg, supervisor: str, now: float, *, stays: bool) -> list[Effect]:
        if not stays:
            return self._steps.drop(call, former.party, now, Cause(EndReason.TAKEN_OVER, detail="A supervisor took the call over."))
        del call.legs[former.party]
        call.monitors[former.party] = Monitor(former, MonitorMode.LISTEN, supervisor, Announce.AGENT)
        return []

    # ------------------------------------------------------------------ telling everybody

    def notice_ended(self, call: Call, leg_id: str, sound: str) -> list[Effect]:
        """A leg has heard a sound to its end."""
        if sound != self._policy.supervision.notice or leg_id not in call.told:
            return []
        call.told[leg_id] = True
        return self._register.settle(call)

    def notice_due(self, call: Call, now: float) -> list[Effect]:
        """By now everybody should have heard it whole: who has not hears it again."""
        call.told = {leg_id: whole for leg_id, whole in call.told.items() if whole}
        return self._steps.tell_of_monitors(call, now)

    def notice_failed(self, call: Call, leg_id: str, now: float) -> list[Effect]:
        """Something could not be said to this leg: where it was the notice, nobody may listen."""
        if call.told.get(leg_id, True):
            return []
        cause = Cause(EndReason.FAILED, detail="Everybody is to be told of you, and it cannot be said: the server's log says why.")
        untold = [one for one, monitor in call.monitors.items() if monitor.announce is Announce.EVERYONE]
        return [effect for one in untold for effect in self.leave(call, one, now, cause)]

    # ------------------------------------------------------------------ their audio

    def connected(self, call: Call, leg: AgentLeg, now: float) -> list[Effect]:
        """It is up, the first time or again."""
        for kind in (DeadlineKind.AGENT_MEDIA, DeadlineKind.RELOAD):
            self._register.clear(call, kind, leg.party)
        if leg.answered_s is None:
            leg.answered_s = now
        return [*self._register.settle(call), *self._steps.show(call, leg.party)]

    def lost(self, call: Call, leg: AgentLeg, now: float) -> list[Effect]:
        """Their page may come back."""
        self._register.set(call, DeadlineKind.RELOAD, now + self._policy.reload_s, leg.party)
        return self._steps.show(call, leg.party)
