"""Claim: the queues decide at least 20,000 calls per second on one core.

A call is everything that the queues do for it: it enters, a decision is asked for at each of its events, it is offered, answered, and its
agent comes free again. Either half of the agents are free, so that every call finds one, or two hundred callers wait at any time, of whom
one is chosen whenever an agent comes free. Time is that of the process, so that other work on the machine counts little. Callers and agents
are drawn beforehand.

There is no peer to run: the rules of other contact centres are no program of their own.
"""

import time
from collections import deque
from dataclasses import dataclass
from random import Random

from benchmarks.report import Options, Row
from rooms.queues.queue_plan import QueuePlan, SkillNeed, Strategy
from rooms.queues.queues import Queues
from rooms.queues.ticket import Offer, Ticket

_SKILLS = ("es", "en", "fr", "de")
_STRATEGIES = (Strategy.LONGEST_IDLE, Strategy.FEWEST_CALLS, Strategy.SKILL_FIRST)


@dataclass(frozen=True, slots=True)
class Size:
    agents: int
    queues: int
    waiting: int

    @property
    def case(self) -> str:
        skills = "four skills in three levels, " if self.queues > 1 else ""
        load = f"{self.waiting} always waiting" if self.waiting else "half of them free"
        return f"{self.agents} agents, {self.queues} {'queues' if self.queues > 1 else 'queue'}, {skills}{load}"


_SIZES = tuple(Size(agents, queues, waiting) for agents in (30, 300) for queues in (1, 20) for waiting in (0, 200))


def _plans(size: Size) -> dict[str, QueuePlan]:
    if size.queues == 1:
        return {"calls": QueuePlan("calls", max_waiting=10_000)}
    plans = {}
    for number in range(size.queues):
        need = SkillNeed(_SKILLS[number % 4], 1 + number % 3, ((20.0, 1),))
        strategy = _STRATEGIES[number % 3]
        plans[f"queue{number}"] = QueuePlan(f"queue{number}", strategy, (need,), priority=number % 3, max_waiting=10_000)
    return plans


def _rate(size: Size, calls: int) -> float:
    """Calls per second of processor time."""
    chance, plans = Random(5), _plans(size)
    names = list(plans)
    queues = Queues()
    queues.plan(plans, 0.0)
    for number in range(size.agents):
        skills = {skill: chance.randint(1, 3) for skill in chance.sample(_SKILLS, 3)}
        queues.agent(f"agent{number}", skills, frozenset(), 0.0)
        queues.free(f"agent{number}", 0.0)
    tickets = deque(Ticket(str(number), chance.choice(names), 0.01 * number, number % 2) for number in range(calls))
    now = 0.0
    on_call: deque[str] = deque()
    busy = size.agents if size.waiting else size.agents // 2

    def take(offers: list[Offer]) -> None:
        for offer in offers:
            queues.answered(offer.ticket_id, offer.agents[0], now)
            on_call.append(offer.agents[0])

    begun_s = time.process_time()
    while tickets:
        ticket = tickets.popleft()
        now = ticket.since_s
        queues.enter(ticket, now)
        take(queues.decide(now))
        if len(on_call) >= busy and len(queues) >= size.waiting:
            queues.free(on_call.popleft(), now)
            take(queues.decide(now))
    served = calls - len(queues)
    return served / (time.process_time() - begun_s)


def run(options: Options) -> list[Row]:
    calls = 2_000 if options.quick else 100_000
    return [Row(size.case, "calls decided per second", _rate(size, calls), "", goal=">= 20000") for size in _SIZES]
