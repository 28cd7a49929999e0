"""Callers wait in queues, and are offered to agents: whom, is decided in ``rooms/queues``; what follows, here.

- Of an agent who does not answer in time, nobody knows whether they are there: they are put on a break. One who declines is not.
- Whoever is refused, by one agent or by all, keeps the place, and so does a caller whose agent's browser never brought up its audio.
- A caller who has waited as long as the queue lets one is led on by the flow; one who rings at an agent's at that moment is not torn away.
- When the last agent has gone who could take them, callers are led on as if they had come then, unless they may wait without agents.
- A caller waits with music; position and wait are said into it, and that a call-back can be had.
- A queue is its own node's. Its callers are offered to people of other nodes too, whose state is known here; an agent whom two nodes
  choose in the same moment is rung by both, takes one, and is withdrawn from the other.
"""

from collections.abc import Mapping

from rooms import sound_names
from rooms.agent import AgentState
from rooms.call import Call
from rooms.call_backs import CallBacks
from rooms.causes import Cause, EndReason
from rooms.deadlines import DeadlineKind, Key
from rooms.effects import Effect, Hush, PlayOnce
from rooms.events import AgentSkilled, WrapUpTakenBack
from rooms.flows.acts import JoinQueue
from rooms.journey import Journey
from rooms.legs import AgentLeg, AgentLegState, Came
from rooms.move import Move, MoveState, MoveStep
from rooms.policy import CallPolicy
from rooms.queues.queue_plan import QueuePlan
from rooms.queues.queues import Queues
from rooms.queues.ticket import Entered, Left, Offer, Refused, Ticket
from rooms.register import Register
from rooms.steps import Steps
from rooms.wrap_up import WrapUps, put_on_break

NO_ANSWER = "no_answer"
"""The reason of the break of who did not answer a call from a queue."""
NO_AUDIO = "no_audio"
"""... of who took one, but could not be heard."""
_AGAIN_S = 1.0
"""What could not be said just now is said so much later."""
_TOOK_ANOTHER = Cause(EndReason.ANSWERED_ELSEWHERE, 200, "You took another call.")
_WORKS_ON = Cause(EndReason.ANSWERED_ELSEWHERE, 200, "You went on with the work on your last call.")


class Distribution:
    """Of all callers who wait. ``plans``: the queues as they are run now."""

    def __init__(
        self, register: Register, steps: Steps, wrap_ups: WrapUps, call_backs: CallBacks, queues: Queues, policy: CallPolicy
    ) -> None:
        self._register = register
        self._steps = steps
        self._wrap_ups = wrap_ups
        self._call_backs = call_backs
        self._queues = queues
        self._policy = policy
        self.plans: Mapping[str, QueuePlan] = {}
        self._planned = False
        """Was there ever a queue? Until then nobody has to be told what agents do."""
        self._skills: dict[str, AgentSkilled] = {}
        self._signed_in: dict[str, AgentState] = {}
        """Agents that the queues know of, and in which state."""

    # ------------------------------------------------------------------ what is planned

    def plan(self, plans: Mapping[str, QueuePlan], now: float) -> None:
        self.plans = plans
        self._planned = self._planned or bool(plans)
        self._queues.plan(plans, now)

    def skilled(self, event: AgentSkilled, now: float) -> None:
        self._skills[event.agent] = event
        if event.agent in self._signed_in:
            self._queues.agent(event.agent, event.skills, event.queues, now)

    # ------------------------------------------------------------------ a caller comes and goes

    def join(self, call: Call, act: JoinQueue, now: float) -> str:
        """Let the caller of a call that is guided wait: empty, or why that cannot be (``full``, ``nobody``)."""
        journey, plan = call.journey, self.plans.get(act.queue)
        assert journey is not None
        if plan is None:
            return "nobody"
        returns = journey.plan is not None and journey.plan.name == act.queue
        since_s = journey.since_s if returns else now
        facts = journey.run.facts if journey.run is not None else {}
        last_agent = str(facts.get("last_agent", ""))
        entered = self._queues.enter(Ticket(call.call_id, act.queue, since_s, act.priority, act.needs, last_agent), now)
        if entered is not Entered.WAITING:
            return "full" if entered is Entered.FULL else "nobody"
        call.move_takes(MoveStep.QUEUED)
        journey.plan, journey.since_s, journey.joined_s, journey.waited_s = plan, since_s, now, None
        journey.overdue, journey.call_back_key = False, ""
        self._register.journal.queued(call, plan.name, now)
        journey.music = act.music or plan.music or "hold"
        if plan.max_wait_s:
            self._register.set(call, DeadlineKind.QUEUE, now + plan.max_wait_s)
        self._announce_next(call, now, self._policy.announce_first_s)
        return ""

    def leave(self, call: Call, how: Left, now: float) -> list[Effect]:
        """The caller waits no more; whoever it rings at is told."""
        self._queues.leave(call.call_id, how, now)
        self._stops_waiting(call, how, now)
        return [*self.hush(call), *self._steps.drop_others_rung(call, now, Cause(EndReason.GAVE_UP, detail="The caller was led on."))]

    def _stops_waiting(self, call: Call, outcome: str, now: float, agent: str = "") -> None:
        assert call.journey is not None
        self._register.journal.left_queue(call, outcome, now, agent)
        call.journey.joined_s = None
        for kind in (DeadlineKind.QUEUE, DeadlineKind.OFFER, DeadlineKind.ANNOUNCE):
            self._register.clear(call, kind)

    def hush(self, call: Call) -> list[Effect]:
        """Whatever is just being said to the caller, it is enough."""
        journey, phone = call.journey, call.phone
        if journey is None or not journey.saying:
            return []
        journey.saying = []
        return [Hush(phone.leg_id)] if phone is not None and phone.up else []

    def is_over_time(self, call: Call) -> bool:
        """Has the caller waited for as long as one may? While it rings at somebody, not yet."""
        assert call.journey is not None
        call.journey.overdue = True
        return not self._is_offered(call)

    def is_forsaken(self, call: Call, now: float) -> bool:
        """Is nobody signed in any more who could take this caller?"""
        return call.call_id in self._queues.forsaken(now)

    @staticmethod
    def _is_offered(call: Call) -> bool:
        return any(not leg.taken for leg in call.legs.values())

    # ------------------------------------------------------------------ an agent is offered a caller

    def _offer(self, offer: Offer, now: float) -> list[Effect]:
        call = self._register.calls[offer.ticket_id]
        assert call.journey is not None and call.journey.plan is not None
        effects = [effect for agent in offer.agents for effect in self._steps.ring(call, agent, Came.QUEUE, "", now)]
        self._register.set(call, DeadlineKind.OFFER, now + call.journey.plan.ring_s)
        return [*effects, *self._steps.show(call)]

    def refused(self, call: Call, agent: str, why: Refused, cause: Cause, now: float) -> list[Effect]:
        """This agent does not take the caller, who stays where they are."""
        self._queues.refused(call.call_id, agent, now, why)
        self._register.people.enter(agent).free_since_s = now
        effects = self._steps.drop(call, agent, now, cause)
        if why is Refused.NO_ANSWER:
            effects += put_on_break(self._register, agent, NO_ANSWER)
        if not self._is_offered(call):
            self._register.clear(call, DeadlineKind.OFFER)
            if call.journey is not None and call.journey.overdue:
                self._register.set(call, DeadlineKind.QUEUE, now)
        return effects

    def not_answered(self, call: Call, now: float) -> list[Effect]:
        """It has rung for long enough at whom the caller was offered to."""
        late = Cause(EndReason.NO_ANSWER, 480, "It rang for long enough.")
        rung = [identity for identity, leg in call.legs.items() if not leg.taken]
        return [effect for agent in rung for effect in self.refused(call, agent, Refused.NO_ANSWER, late, now)]

    def accepted(self, call: Call, agent: str, now: float) -> list[Effect]:
        """This agent has the caller."""
        journey = call.journey
        assert journey is not None and journey.plan is not None
        self._queues.answered(call.call_id, agent, now)
        effects = self.hush(call)
        journey.waited_s = now - journey.since_s
        self._stops_waiting(call, Left.SERVED, now, agent)
        journey.served[agent] = journey.plan
        if call.legs[agent].up:
            self.heard(call, now)
        return effects

    def heard(self, call: Call, now: float) -> None:
        """The caller is with somebody: the flow is over."""
        if call.journey is not None and call.journey.run is not None:
            call.journey.run.done("answered", now)

    def may_come_back(self, call: Call, leg: AgentLeg) -> bool:
        """Did this agent take a waiting caller without ever being heard?"""
        never_heard = leg.came is Came.QUEUE and leg.taken and leg.state is AgentLegState.ANCHORED
        phone = call.phone
        alone = phone is not None and phone.up and len(call.taking_part) == 2
        return never_heard and alone and call.move is None and call.journey is not None and not call.recording.part

    def come_back(self, call: Call, leg: AgentLeg, cause: Cause, now: float) -> list[Effect]:
        """The caller is back in the place that they had; empty where that is not possible any more."""
        journey = call.journey
        assert journey is not None and journey.plan is not None
        act = JoinQueue(journey.plan.name, music=journey.music)
        before = call.move
        call.move = Move(MoveState.GUIDED, "", now)
        if self.join(call, act, now):
            call.move = before
            return []
        journey.served.pop(leg.party, None)
        effects = [*self._steps.drop(call, leg.party, now, cause), *put_on_break(self._register, leg.party, NO_AUDIO)]
        return [*effects, *self._steps.changed(call, now)]

    # ------------------------------------------------------------------ what a waiting caller hears

    def _announce_next(self, call: Call, now: float, after_s: float) -> None:
        journey = call.journey
        assert journey is not None and journey.plan is not None
        plan, times = journey.plan, list[float]()
        if plan.announce_every_s:
            times.append(now + min(after_s, plan.announce_every_s))
        if plan.call_back_after_s and not journey.call_back_key and self._call_backs.is_possible(call):
            times.append(max(now + _AGAIN_S, journey.since_s + plan.call_back_after_s))
        if times:
            self._register.set(call, DeadlineKind.ANNOUNCE, min(times))

    def announce(self, call: Call, now: float) -> list[Effect]:
        """Say how it stands, unless an agent may be there any moment."""
        journey, phone = call.journey, call.phone
        if journey is None or journey.plan is None or phone is None:
            return []
        sounds = [] if journey.saying or self._is_offered(call) else self._words(call, journey, journey.plan, now)
        self._announce_next(call, now, journey.plan.announce_every_s)
        if not sounds:
            return []
        journey.saying = sounds
        return [PlayOnce(phone.leg_id, journey.saying[0])]

    def _words(self, call: Call, journey: Journey, plan: QueuePlan, now: float) -> list[str]:
        sounds: list[str] = []
        language = journey.speaks()
        if plan.announce_every_s and plan.announce_position:
            sounds.append(sound_names.position(language, self._queues.position(call.call_id)))
        wait_s = self._queues.estimate_s(call.call_id, now) if plan.announce_every_s and plan.announce_wait else None
        if wait_s is not None:
            sounds.append(sound_names.wait(language, wait_s))
        possible = plan.call_back_after_s and now >= journey.since_s + plan.call_back_after_s and self._call_backs.is_possible(call)
        if possible:
            journey.call_back_key = plan.call_back_key
            sounds.append(sound_names.call_back_offer(language, plan.call_back_key))
        return sounds or ([sound_names.sentence(language, "queue-thanks")] if plan.announce_every_s else [])

    # ------------------------------------------------------------------ after every event

    def look(self, now: float) -> list[Effect]:
        """What follows for agents and those who wait, whatever has just happened: who is free is offered who is next."""
        effects: list[Effect] = []
        if not self._planned:
            self._register.left.clear()
            self._register.over.clear()
            return effects
        while True:
            effects += self._have_left(now)
            effects += self._are_over(now)
            effects += self._look_at_agents(now)
            effects += self._decide(now)
            if not (self._register.over or self._register.left or self._register.people.touched):
                return effects

    def _decide(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for offer in self._queues.decide(now):
            effects += self._call_backs.offer(offer, now) if self._call_backs.knows(offer.ticket_id) else self._offer(offer, now)
        for ticket_id in self._queues.forsaken(now):
            call = self._register.calls[ticket_id]
            if not self._is_offered(call):
                self._register.set(call, DeadlineKind.QUEUE, now)
        at_s, key = self._queues.next_deadline(), Key("", DeadlineKind.DECIDE)
        if at_s is None:
            self._register.deadlines.clear(key)
        else:
            self._register.deadlines.set(key, at_s)
        return effects

    def stop(self, now: float) -> list[Effect]:
        """The server goes down, all calls have ended: what has come of call-backs is told, and what agents said of their last calls."""
        effects = self._are_over(now)
        for identity in self._register.people.known():
            effects += [*self._wrap_ups.settle(identity), *self._wrap_ups.end(identity, now)]
        return effects

    def _have_left(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        left, self._register.left = self._register.left, []
        for call, leg in left:
            plan = call.journey.served.pop(leg.party, None) if call.journey is not None and leg.taken else None
            if plan is not None and call.answered_s is not None:
                effects += self._wrap_ups.begin(leg.party, call.call_id, plan, now)
        return effects

    def _are_over(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        over, self._register.over = self._register.over, []
        for call in over:
            self._queues.leave(call.call_id, Left.ABANDONED, now)
            effects += self._call_backs.over(call, now)
        return effects

    def _look_at_agents(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        touched, self._register.people.touched = self._register.people.touched, {}
        for identity in touched:
            agent = self._register.people.get(identity)
            if agent.on_call:
                effects += [*self.withdraw(identity, _TOOK_ANOTHER, now), *self._wrap_ups.settle(identity)]
                effects += self._wrap_ups.end(identity, now) if agent.own_call is not None and self._came_from_queue(identity) else []
            self._tell(identity, now)
        return effects

    def _came_from_queue(self, identity: str) -> bool:
        call = self._register.calls.get(self._register.people.get(identity).own_call or "")
        return call is not None and call.journey is not None and identity in call.journey.served

    def taken_back(self, event: WrapUpTakenBack, now: float) -> list[Effect]:
        """Who goes on with the work on their last call is offered nobody: what was offered meanwhile keeps its place, and is somebody
        else's. Raises ``NotPossible``."""
        effects = self._wrap_ups.take_back(event, now)
        return [*effects, *self.withdraw(event.agent, _WORKS_ON, now)]

    def withdraw(self, identity: str, cause: Cause, now: float) -> list[Effect]:
        """Who is in a call, or works on one, is offered nobody."""
        effects: list[Effect] = []
        for call_id, own in list(self._register.people.get(identity).calls.items()):
            call = self._register.calls[call_id]
            if own or call.legs[identity].came not in (Came.QUEUE, Came.CALL_BACK):
                continue
            if self._call_backs.is_one(call):
                effects += self._call_backs.refused(call, identity, Refused.GONE, cause, now)
            else:
                effects += self.refused(call, identity, Refused.GONE, cause, now)
        return effects

    def _tell(self, identity: str, now: float) -> None:
        """Bring the queues in line with what this agent is doing."""
        agent = self._register.people.get(identity)
        if not agent.connected and not agent.calls:
            if self._signed_in.pop(identity, None) is not None:
                self._queues.forget(identity, now)
            return
        if identity not in self._signed_in:
            known = self._skills.get(identity)
            self._queues.agent(identity, known.skills if known else {}, known.queues if known else frozenset(), now)
        state = self._signed_in[identity] = agent.state
        if state is AgentState.AVAILABLE:
            self._queues.free(identity, now, agent.free_since_s)
        else:
            self._queues.engaged(identity, now, away=state in (AgentState.BREAK, AgentState.CONSULTING))
