"""Steps that many events lead to: somebody is called, held, let go; the call ends. Each returns its effects and changes the call."""

from rooms.call import Call
from rooms.causes import Cause
from rooms.deadlines import DeadlineKind
from rooms.effects import CloseLeg, CloseRoom, Effect, ExpectAgent, HangUp, HoldPhone, Notify, PlaceCall, PlayOnce, WriteRecord
from rooms.legs import AgentLeg, Came, Leg, PhoneLeg, PhoneState, PhoneStep
from rooms.monitor import Announce
from rooms.move import Target
from rooms.policy import CallPolicy
from rooms.recorder import Recorder
from rooms.recording import RecordingState
from rooms.register import Register


class Steps:
    """Of all calls."""

    def __init__(self, register: Register, recorder: Recorder, policy: CallPolicy) -> None:
        self._register = register
        self._recorder = recorder
        self._policy = policy

    # ------------------------------------------------------------------ what people see

    def show(self, call: Call, only: str = "") -> list[Effect]:
        """Show the call to everybody whom it concerns, each with their own leg."""
        self._register.journal.touch(call)
        return [Notify((identity,), call.view(identity)) for identity in ((only,) if only else call.everybody)]

    def changed(self, call: Call, now: float) -> list[Effect]:
        """What is heard, kept and shown, now that others take part in it."""
        heard = [*self._register.settle(call), *self._recorder.talking(call, now), *self.tell_of_monitors(call, now)]
        effects = [*heard, *self.show(call)]
        self._register.journal.look(call, now)
        return [*effects, WriteRecord(call.record)]

    def tell_of_monitors(self, call: Call, now: float) -> list[Effect]:
        """Who does not know yet that supervisors are in the call hears it said, where all are to know. It is said into music too, but
        waits for what is said of a recording."""
        supervision = self._policy.supervision
        if supervision.announce is not Announce.EVERYONE or not call.monitors:
            return []
        busy = call.phone if call.recording.state is RecordingState.ANNOUNCING else None
        there = [leg for leg in call.taking_part if leg.up]
        new = [leg.leg_id for leg in there if leg is not busy and leg.leg_id not in call.told]
        call.told.update(dict.fromkeys(new, False))
        if new or not all(call.told.get(leg.leg_id) for leg in there):
            self._register.set(call, DeadlineKind.NOTICE, now + supervision.notice_s)
        return [PlayOnce(leg_id, supervision.notice) for leg_id in new]

    # ------------------------------------------------------------------ legs come

    def ring(self, call: Call, identity: str, came: Came, by: str, now: float, *, leg_id: str = "") -> list[Effect]:
        """Let it ring at an agent's. ``leg_id``: where a browser is expected already."""
        leg = AgentLeg(leg_id or call.new_leg_id(), identity, now, came=came, by=by)
        self._register.add_agent(call, leg)
        return [] if leg_id else [ExpectAgent(call.call_id, leg.leg_id, identity)]

    def dial(
        self, call: Call, target: Target, came: Came, by: str, now: float, *, asked: bool = True, diverted_by: str = "", referred: str = ""
    ) -> list[Effect]:
        """Call a number for this call."""
        leg = PhoneLeg(call.new_leg_id(), target.number, target.trunk, now, PhoneState.CALLED, came, by)
        self._register.add_phone(call, leg)
        return [PlaceCall(call.call_id, leg.leg_id, target.trunk, target.number, by, asked, diverted_by, call.private, referred)]

    def join(self, call: Call, identity: str, came: Came, by: str, now: float) -> list[Effect]:
        """An agent takes part from now on."""
        effects = self.ring(call, identity, came, by, now)
        self.take(call, identity, now)
        return effects

    def take(self, call: Call, identity: str, now: float) -> None:
        """An agent whom it rang, or who is to join, takes part: at none of the others it rings any longer."""
        leg = call.legs[identity]
        leg.taken, leg.answered_s = True, now
        self._register.people.enter(identity).calls[call.call_id] = True
        self._register.clear(call, DeadlineKind.RING_RELOAD, identity)

    def await_media(self, call: Call, leg: AgentLeg, now: float) -> None:
        """The agent's audio is to come up. A leg that is lost has its own, longer deadline already."""
        self._register.set(call, DeadlineKind.PATIENCE, now + self._policy.agent_media_patience_s)
        if not self._register.is_set(call, DeadlineKind.RELOAD, leg.party):
            self._register.set(call, DeadlineKind.AGENT_MEDIA, now + self._policy.agent_media_s, leg.party)

    # ------------------------------------------------------------------ who hears whom

    def hold(self, legs: list[Leg], held: bool) -> list[Effect]:
        """Hold these or take them back; what to tell phones about it. What is heard follows when the room is settled."""
        changed = [leg for leg in legs if leg.held is not held]
        for leg in changed:
            leg.held = held
        return [HoldPhone(leg.leg_id, held) for leg in changed if isinstance(leg, PhoneLeg) and leg.up]

    # ------------------------------------------------------------------ legs go

    def drop(self, call: Call, agent: str, now: float, cause: Cause) -> list[Effect]:
        """A call that goes on no longer concerns this agent."""
        leg = self._register.drop_agent(call, agent, now, cause)
        self._register.journal.touch(call)
        return [CloseLeg(leg.leg_id), Notify((agent,), call.view(agent))]

    def drop_others_rung(self, call: Call, now: float, cause: Cause) -> list[Effect]:
        """It rings no longer at anybody's."""
        rung = [identity for identity, leg in call.legs.items() if not leg.taken]
        return [effect for identity in rung for effect in self.drop(call, identity, now, cause)]

    def drop_phone(self, call: Call, leg: PhoneLeg, now: float, cause: Cause) -> list[Effect]:
        """A phone leaves a call that goes on; by a word of ours, where it has not ended itself."""
        told = leg.take(PhoneStep.DROPPED)
        self._register.drop_phone(call, leg.leg_id, now, cause)
        effects: list[Effect] = [HangUp(leg.leg_id, cause)] if told else []
        return [*effects, CloseLeg(leg.leg_id), *self._recorder.leg_left(call, leg.leg_id, now)]

    def drop_leg(self, call: Call, leg: Leg, now: float, cause: Cause) -> list[Effect]:
        return self.drop_phone(call, leg, now, cause) if isinstance(leg, PhoneLeg) else self.drop(call, leg.party, now, cause)

    def end(self, call: Call, cause: Cause, now: float) -> list[Effect]:
        """End the call: the phones first, then everybody is told, the record is complete, the room goes last."""
        effects: list[Effect] = [HangUp(phone.leg_id, cause) for phone in call.phones.values() if phone.take(PhoneStep.DROPPED)]
        call.end(cause, now)
        self._register.journal.look(call, now)
        effects += [*self.show(call), WriteRecord(call.record), CloseRoom(call.call_id)]
        self._register.forget(call, cause, now)
        return effects
