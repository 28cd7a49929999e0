"""The queues under random events: whatever happens, they decide as a slow version does that looks at everybody each time.

Identifiers are drawn from a few, so that events meet. Waits of priority are powers of two, so that equal is equal.
"""

import copy
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rooms.queues.queue_plan import QueuePlan, SkillNeed, Strategy
from rooms.queues.queues import Queues
from rooms.queues.ticket import Entered, Left, Medium, Offer, Refused, Ticket

AGENTS = ("ana", "bea", "cai", "dov")
TICKETS = tuple(f"t{number}" for number in range(8))
agents, tickets = st.sampled_from(AGENTS), st.sampled_from(TICKETS)
skills = st.dictionaries(st.sampled_from(["es", "en"]), st.integers(1, 3), max_size=2)
relax = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 2)), max_size=2).map(tuple)
need = st.builds(SkillNeed, st.sampled_from(["es", "es", "en"]), st.integers(1, 3), relax)
needs = st.one_of(st.just(()), st.tuples(need), st.tuples(need, need))


def plans(name: str) -> st.SearchStrategy[QueuePlan]:
    return st.builds(
        QueuePlan,
        name=st.just(name),
        strategy=st.sampled_from(Strategy),
        needs=needs,
        priority=st.integers(0, 2),
        ageing_s=st.sampled_from([8, 32]),
        max_waiting=st.sampled_from([2, 100]),
        sticky_s=st.sampled_from([0, 15]),
        ring_s=st.sampled_from([5, 20]),
        wait_without_agents=st.booleans(),
    )


both = st.tuples(plans("a"), plans("b")).map(lambda two: {plan.name: plan for plan in two})
changes = st.one_of(both, plans("a").map(lambda plan: {"a": plan}))
queue_sets = st.sampled_from([frozenset[str](), frozenset({"a"}), frozenset({"b"})])
places = st.tuples(
    tickets,
    st.sampled_from(["a", "a", "b", "c"]),
    st.sampled_from([0, 0, 0, 8, 16, 32]),
    st.integers(0, 2),
    needs,
    st.sampled_from(["", *AGENTS]),
    st.sampled_from(Medium),
)
coming = st.one_of(st.tuples(st.just("enter"), places), st.tuples(st.just("free"), st.tuples(agents, st.sampled_from([0, 0, 7]))))
offers = st.one_of(
    st.tuples(st.just("take"), st.tuples(st.integers(0, 3), st.none())),
    st.tuples(st.just("pass"), st.tuples(st.integers(0, 3), st.sampled_from(Refused))),
)
others = st.one_of(
    st.tuples(st.just("agent"), st.tuples(agents, skills, queue_sets)),
    st.tuples(st.just("engaged"), st.tuples(agents, st.booleans())),
    st.tuples(st.just("answered"), st.tuples(tickets, agents)),
    st.tuples(st.just("refused"), st.tuples(tickets, agents, st.sampled_from(Refused))),
    st.tuples(st.just("leave"), st.tuples(tickets, st.sampled_from(Left))),
    st.tuples(st.just("forget"), st.tuples(agents)),
    st.tuples(st.just("plan"), st.tuples(changes)),
)
events = st.integers(0, 9).flatmap(lambda die: coming if die < 5 else offers if die < 8 else others)
teams = st.tuples(*(st.tuples(skills, queue_sets) for _ in AGENTS))
waits = st.sampled_from([0, 0, 0, 1, 2, 5, 20, 40])


@dataclass
class Someone:
    skills: dict[str, int]
    queues: frozenset[str]
    number: int
    calls: int
    free_since_s: float | None = None
    away: bool = False
    ticket_id: str = ""


@dataclass
class Place:
    ticket: Ticket
    number: int
    entered_s: float
    offered: list[str] = field(default_factory=list)
    passed_over: dict[str, float] = field(default_factory=dict)


class SlowQueues:
    """The same rules, looking at all tickets and all agents at each decision."""

    def __init__(self) -> None:
        self.plans: dict[str, QueuePlan] = {}
        self.open: set[str] = set()
        self.people: dict[str, Someone] = {}
        self.places: dict[str, Place] = {}
        self.number = 0
        self.alone: dict[str, float] = {}
        self.gone: dict[str, tuple[float, int]] = {}

    def plan(self, plans: dict[str, QueuePlan], now: float) -> None:
        self.plans.update(plans)
        self.open = set(plans)

    def agent(self, identity: str, skills: dict[str, int], queues: frozenset[str], now: float) -> None:
        self.number += 1
        left_s, calls = self.gone.get(identity, (now, 0))
        fewest = min((other.calls for other in self.people.values()), default=0)
        before = max(fewest, calls if now - left_s <= 600 else 0)
        someone = self.people.setdefault(identity, Someone(skills, queues, self.number, before))
        someone.skills, someone.queues = skills, queues

    def forget(self, identity: str, now: float) -> None:
        if identity in self.people:
            self.refused(self.people[identity].ticket_id, identity, now, Refused.GONE)
            self.gone[identity] = (now, self.people.pop(identity).calls)

    def free(self, identity: str, now: float, since_s: float) -> None:
        if identity in self.people:
            self.people[identity].free_since_s = since_s
            self.people[identity].away = False

    def engaged(self, identity: str, now: float, *, away: bool) -> None:
        if identity in self.people:
            self.people[identity].free_since_s = None
            self.people[identity].away = away

    def enter(self, ticket: Ticket, now: float) -> Entered:
        if ticket.queue not in self.open:
            return Entered.UNKNOWN_QUEUE
        plan = self.plans[ticket.queue]
        others = [place for place in self.places.values() if place.ticket.queue == ticket.queue]
        callers = [place for place in others if place.ticket.medium is not Medium.CALL_BACK and not place.offered]
        backs = [place for place in others if place.ticket.medium is Medium.CALL_BACK]
        if len(backs if ticket.medium is Medium.CALL_BACK else callers) >= plan.max_waiting:
            return Entered.FULL
        self.number += 1
        place = Place(ticket, self.number, now)
        able = any(self.is_able(place, identity, 1e9) for identity in self.people)
        if not able and ticket.medium is not Medium.CALL_BACK and not plan.wait_without_agents:
            return Entered.NOBODY
        self.places[ticket.ticket_id] = place
        return Entered.WAITING

    def leave(self, ticket_id: str, how: Left, now: float) -> bool:
        place = self.places.pop(ticket_id, None)
        for identity in place.offered if place is not None else []:
            self.people[identity].ticket_id = ""
        return place is not None

    def answered(self, ticket_id: str, agent: str, now: float) -> bool:
        place = self.places.get(ticket_id)
        if place is None or agent not in place.offered:
            return False
        self.leave(ticket_id, Left.SERVED, now)
        self.people[agent].free_since_s = None
        self.people[agent].calls += 1
        return True

    def refused(self, ticket_id: str, agent: str, now: float, why: Refused) -> bool:
        place = self.places.get(ticket_id)
        if place is None or agent not in place.offered:
            return False
        place.offered.remove(agent)
        place.passed_over[agent] = now + self.plans[place.ticket.queue].ring_s
        someone = self.people[agent]
        someone.ticket_id = ""
        if why is Refused.GONE or someone.free_since_s is None:
            someone.free_since_s = None
        else:
            someone.free_since_s = now
        return True

    def decide(self, now: float) -> list[Offer]:
        offers = []
        while pairs := [(place, able) for place in self.places.values() if not place.offered and (able := self.able(place, now))]:
            place, able = max(pairs, key=lambda pair: (self.worth(pair[0], now), -pair[0].ticket.since_s, -pair[0].number))
            place.offered = self.chosen(place, able, now)
            for identity in place.offered:
                self.people[identity].ticket_id = place.ticket.ticket_id
            offers.append(Offer(place.ticket.ticket_id, place.ticket.queue, tuple(place.offered)))
        return offers

    def forsaken(self, now: float) -> list[str]:
        """Asked after every event."""
        callers = {one: place for one, place in self.places.items() if place.ticket.medium is not Medium.CALL_BACK}
        strict = {one: place for one, place in callers.items() if not self.plans[place.ticket.queue].wait_without_agents}
        alone = [one for one, place in strict.items() if not any(self.is_able(place, identity, 1e9) for identity in self.people)]
        self.alone = {one: self.alone.get(one, now) for one in alone}
        return [one for one, since_s in self.alone.items() if now >= since_s + 30]

    def worth(self, place: Place, now: float) -> float:
        plan = self.plans[place.ticket.queue]
        return plan.priority + place.ticket.priority + (now - place.ticket.since_s) / plan.ageing_s

    def needed(self, place: Place, waited_s: float) -> dict[str, int]:
        levels: dict[str, int] = {}
        for need in (*self.plans[place.ticket.queue].needs, *place.ticket.needs):
            levels[need.skill] = max(levels.get(need.skill, 0), need.level_after(waited_s))
        return levels

    def is_able(self, place: Place, identity: str, now: float) -> bool:
        someone, queue = self.people[identity], place.ticket.queue
        needed = self.needed(place, now - place.ticket.since_s)
        serves = not someone.queues or queue in someone.queues
        return serves and all(someone.skills.get(skill, 0) >= level for skill, level in needed.items())

    def able(self, place: Place, now: float) -> list[str]:
        """The free ones who may be offered it."""
        may = [one for one in self.people if self.is_able(place, one, now) and place.passed_over.get(one, now) <= now]
        last = place.ticket.last_agent
        if last in may and not self.people[last].away and now < place.entered_s + self.plans[place.ticket.queue].sticky_s:
            may = [last]
        return [one for one in may if self.people[one].free_since_s is not None and not self.people[one].ticket_id]

    def chosen(self, place: Place, able: list[str], now: float) -> list[str]:
        needed = [skill for skill, level in self.needed(place, now - place.ticket.since_s).items() if level]

        def longest(one: str) -> tuple[float, int]:
            return self.people[one].free_since_s or 0.0, self.people[one].number

        match self.plans[place.ticket.queue].strategy:
            case Strategy.RING_ALL:
                return sorted(able, key=longest)
            case Strategy.FEWEST_CALLS:
                return [min(able, key=lambda one: (self.people[one].calls, longest(one)))]
            case Strategy.SKILL_FIRST:
                return [min(able, key=lambda one: (-sum(self.people[one].skills[skill] for skill in needed), longest(one)))]
            case _:
                return [min(able, key=longest)]

    def position(self, ticket_id: str) -> int:
        place = self.places.get(ticket_id)
        if place is None:
            return 0
        line = [other for other in self.places.values() if other.ticket.queue == place.ticket.queue]
        line.sort(key=lambda other: (-self.worth(other, 0.0), other.ticket.since_s, other.number))
        return line.index(place) + 1


def happens(one: Any, event: tuple[str, tuple[Any, ...]], now: float) -> object:
    """To the queues, or to the slow ones."""
    name, facts = event
    match name:
        case "enter":
            ticket_id, queue, before_s, *rest = facts
            return one.enter(Ticket(ticket_id, queue, now - before_s, *rest), now)
        case "free":
            return one.free(facts[0], now, now - facts[1])
        case "engaged":
            return one.engaged(facts[0], now, away=facts[1])
        case "answered" | "leave" | "refused":
            ticket_id, second, *rest = facts
            return getattr(one, name)(ticket_id, second, now, *rest)
        case _:
            return getattr(one, name)(*facts, now)


def met(slow: SlowQueues, event: tuple[str, tuple[Any, ...]]) -> tuple[str, tuple[Any, ...]] | None:
    """The event as it is for those who are there: ``take`` and ``pass`` concern an offer that is being made."""
    name, facts = event
    if name == "enter" and facts[0] in slow.places:
        return None
    if name not in ("take", "pass"):
        return event
    offered = [(ticket_id, agent) for ticket_id, place in slow.places.items() for agent in place.offered]
    if not offered:
        return None
    pair = offered[facts[0] % len(offered)]
    return ("answered", pair) if name == "take" else ("refused", (*pair, facts[1]))


@settings(max_examples=100, deadline=None)
@given(both, teams, st.lists(st.tuples(waits, events), min_size=20, max_size=60))
def test_the_queues_decide_as_the_slow_ones_do_whatever_happens(
    plans: dict[str, QueuePlan], team: Any, steps: list[tuple[int, Any]]
) -> None:
    queues, slow, now = Queues(), SlowQueues(), 100
    begin = [(0, ("agent", (identity, *member))) for identity, member in zip(AGENTS, team, strict=True)]
    for wait, (name, facts) in [(0, ("plan", (plans,))), *begin, *steps]:
        deadline = queues.next_deadline()
        until = now + wait if deadline is None else min(now + wait, deadline - 1)
        if until >= now:  # nothing changes before the deadline
            assert copy.deepcopy(queues).decide(until) == [] and queues.forsaken(until) == queues.forsaken(now)
        now += wait
        event = met(slow, (name, facts))
        if event is None:
            continue
        found = happens(queues, event, now)
        assert found == happens(slow, event, now)
        decided = queues.decide(now)
        assert decided == slow.decide(now)
        assert queues.decide(now) == []
        assert sorted(queues.forsaken(now)) == sorted(slow.forsaken(now))
        _nobody_is_lost_or_twice(queues, slow, now)
    for ticket_id in TICKETS:
        queues.leave(ticket_id, Left.CLOSED, now)
    for identity in AGENTS:
        queues.forget(identity, now)
    assert len(queues) == 0 and queues.next_deadline() is None


def _nobody_is_lost_or_twice(queues: Queues, slow: SlowQueues, now: int) -> None:
    for ticket_id in TICKETS:
        assert queues.position(ticket_id) == slow.position(ticket_id)
        estimate_s = queues.estimate_s(ticket_id, now)
        assert estimate_s is None or estimate_s >= 0
    rung = [agent for place in slow.places.values() for agent in place.offered]
    assert len(rung) == len(set(rung))
    for queue in slow.open:
        told = queues.figures(queue, now)
        assert told is not None
        assert told.waiting == sum(place.ticket.queue == queue for place in slow.places.values())
        ended = told.served + told.call_backs_served + told.abandoned + told.timed_out + told.overflowed + told.called_back + told.closed
        assert told.entered == told.waiting + ended
        assert told.signed_in == told.available + told.ringing + told.engaged + told.away
