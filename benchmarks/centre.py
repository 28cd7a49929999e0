"""A contact centre in simulated time: callers and agents of chance around the product's own queues (``rooms/queues``).

Nothing of the rules is here. Callers come, wait, give up or are called back; agents are offered them, answer after a while, decline, let it
ring, vanish, talk, come and go. All chance comes from one seeded source, so that a day can be had again to its last decision.
"""

import hashlib
import heapq
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from rooms.queues.figures import Figures
from rooms.queues.queue_plan import QueuePlan, SkillNeed
from rooms.queues.queues import Queues
from rooms.queues.ticket import Entered, Left, Medium, Offer, Refused, Ticket

_VANISHED_S = 5.0
"""So long until it is known that an agent is not there any more."""


@dataclass(frozen=True, slots=True)
class Caller:
    """``patience_s``: gives up after so long. ``call_back_after_s``: would rather be called back than wait longer than that."""

    name: str
    queue: str
    at_s: float
    handle_s: float
    patience_s: float = math.inf
    call_back_after_s: float = math.inf
    priority: int = 0
    needs: tuple[SkillNeed, ...] = ()
    last_agent: str = ""


@dataclass(frozen=True, slots=True)
class Habits:
    """Of agents: how long they take to answer (mean, exponential; 0: at once), which fraction of offers they decline, let ring, or vanish
    at, and how long they are gone then."""

    answer_s: float = 0.0
    declines: float = 0.0
    lets_ring: float = 0.0
    vanishes: float = 0.0
    gone_s: float = 120.0


@dataclass(slots=True)
class Fate:
    """How it went with a caller: ``served``, ``abandoned``, ``called_back``, ``closed``, ``kept`` (a call-back for another day), ``full``
    or ``nobody``. ``told_s``: the wait that was told them when they came, where it was asked."""

    caller: Caller
    how: str = ""
    wait_s: float = 0.0
    told_s: float | None = None


class Centre:
    """``ended`` is told of each caller once. ``estimates``: ask how long each one who has to wait will wait.

    ``came``: callers. ``wrong``: offers of what was gone, or to who was not there, had one or was in a call.
    """

    def __init__(
        self,
        plans: Mapping[str, QueuePlan],
        chance: Random,
        ended: Callable[[Fate], None],
        habits: Habits = Habits(),
        *,
        estimates: bool = False,
    ) -> None:
        self.queues = Queues()
        self.now = 0.0
        self.wrong = 0
        self.came = 0
        self.plans = plans
        self._chance = chance
        self._ended = ended
        self._habits = habits
        self._estimates = estimates
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._count = 0
        self._waiting: dict[str, Fate] = {}
        self._present: set[str] = set()
        self._gone: set[str] = set()
        self._rung: dict[str, str] = {}
        self._on_call: set[str] = set()
        self._decisions = hashlib.sha256()
        self.begin()

    def begin(self) -> None:
        """What is to be run is planned."""
        self.queues.plan(self.plans, self.now)

    def figures(self) -> list[Figures]:
        """Of each queue, as it counted itself."""
        return [figures for name in self.plans if (figures := self.queues.figures(name, self.now)) is not None]

    @property
    def digest(self) -> str:
        """Of all decisions in their order, with their times."""
        return self._decisions.hexdigest()

    @property
    def left_over(self) -> int:
        """Tickets, offers, calls and deadlines that are there though all is over."""
        return len(self.queues) + len(self._waiting) + len(self._rung) + len(self._on_call) + (self.queues.next_deadline() is not None)

    def at(self, at_s: float, do: Callable[[Any], None], what: Any = None) -> None:
        self._count += 1
        heapq.heappush(self._events, (at_s, self._count, do, what))

    def run(self, callers: Iterator[Caller]) -> None:
        """Until nothing happens any more. ``callers`` in the order in which they come."""
        self._await(callers)
        while self._events:
            deadline = self.queues.next_deadline()
            if deadline is not None and deadline < self._events[0][0]:
                self.now = deadline
            else:
                self.now, _, do, what = heapq.heappop(self._events)
                do(what)
            for offer in self.queues.decide(self.now):
                self._decisions.update(repr((self.now, offer)).encode())
                self._ring(offer)

    def sign_in(self, agent: tuple[str, Mapping[str, int], frozenset[str]]) -> None:
        identity, skills, queues = agent
        self._present.add(identity)
        self.queues.agent(identity, skills, queues, self.now)
        self._free(identity)

    def sign_out(self, identity: str) -> None:
        """Goes home; a call goes on to its end."""
        self._present.discard(identity)
        self._rung.pop(identity, None)
        self.queues.forget(identity, self.now)

    def close(self, _: None) -> None:
        """Who still waits is told that it is closed."""
        for ticket_id, fate in list(self._waiting.items()):
            self._leave(ticket_id, Left.CLOSED, "kept" if fate.how == "called_back" else "closed")

    def _await(self, callers: Iterator[Caller]) -> None:
        caller = next(callers, None)
        if caller is not None:
            self.at(caller.at_s, self._arrive, (caller, callers))

    def _arrive(self, what: tuple[Caller, Iterator[Caller]]) -> None:
        caller, callers = what
        self._await(callers)
        self.came += 1
        fate = Fate(caller)
        ticket = Ticket(caller.name, caller.queue, self.now, caller.priority, caller.needs, caller.last_agent)
        entered = self.queues.enter(ticket, self.now)
        if entered is not Entered.WAITING:
            fate.how = entered.value
            self._ended(fate)
            return
        self._waiting[caller.name] = fate
        if caller.patience_s < math.inf:
            self.at(self.now + caller.patience_s, self._give_up, fate)
        if caller.call_back_after_s < caller.patience_s:
            self.at(self.now + caller.call_back_after_s, self._ask_call_back, fate)
        if self._estimates:
            fate.told_s = self.queues.estimate_s(caller.name, self.now)

    def _give_up(self, fate: Fate) -> None:
        if self._waiting.get(fate.caller.name) is fate:
            self._leave(fate.caller.name, Left.ABANDONED, "abandoned")

    def _ask_call_back(self, fate: Fate) -> None:
        """The place is kept by a ticket of its own."""
        caller = fate.caller
        if self._waiting.get(caller.name) is not fate or caller.name in self._rung.values():
            return
        back = Ticket(f"{caller.name}-back", caller.queue, caller.at_s, caller.priority, caller.needs, medium=Medium.CALL_BACK)
        if self.queues.enter(back, self.now) is Entered.WAITING:
            del self._waiting[caller.name]
            self.queues.leave(caller.name, Left.CALL_BACK, self.now)
            fate.how = "called_back"
            self._waiting[back.ticket_id] = fate

    def _leave(self, ticket_id: str, how: Left, word: str) -> None:
        self.queues.leave(ticket_id, how, self.now)
        self._end(ticket_id, word)

    def _end(self, ticket_id: str, word: str) -> Fate:
        fate = self._waiting.pop(ticket_id)
        fate.how, fate.wait_s = word, self.now - fate.caller.at_s
        for identity in [identity for identity, rung in self._rung.items() if rung == ticket_id]:
            del self._rung[identity]
        self._ended(fate)
        return fate

    def _ring(self, offer: Offer) -> None:
        for identity in offer.agents:
            known = offer.ticket_id in self._waiting and identity in self._present
            self.wrong += not known or identity in self._rung or identity in self._on_call or identity in self._gone
            self._rung[identity] = offer.ticket_id
        for identity in offer.agents:
            self._react(offer, identity)

    def _react(self, offer: Offer, identity: str) -> None:
        habits, chance = self._habits, self._chance
        both = (offer.ticket_id, identity)
        if not habits.answer_s:
            self._answer(both)
            return
        die, after_s = chance.random(), chance.expovariate(1 / habits.answer_s)
        if die < habits.vanishes:
            self.at(self.now + _VANISHED_S, self._refuse, (*both, Refused.GONE))
        elif die < habits.vanishes + habits.lets_ring:
            self.at(self.now + self.plans[offer.queue].ring_s, self._refuse, (*both, Refused.NO_ANSWER))
        elif die < habits.vanishes + habits.lets_ring + habits.declines:
            self.at(self.now + after_s, self._refuse, (*both, Refused.DECLINED))
        else:
            self.at(self.now + after_s, self._answer, both)

    def _answer(self, both: tuple[str, str]) -> None:
        ticket_id, identity = both
        if not self.queues.answered(ticket_id, identity, self.now):
            return
        back = self._waiting[ticket_id].how == "called_back"
        fate = self._end(ticket_id, "called_back" if back else "served")
        self._on_call.add(identity)
        self.at(self.now + fate.caller.handle_s, self._hang_up, identity)

    def _refuse(self, what: tuple[str, str, Refused]) -> None:
        ticket_id, identity, why = what
        if not self.queues.refused(ticket_id, identity, self.now, why):
            return
        del self._rung[identity]
        if why is Refused.GONE:
            self._gone.add(identity)
            self.at(self.now + self._habits.gone_s, self._return, identity)

    def _return(self, identity: str) -> None:
        self._gone.discard(identity)
        self._free(identity)

    def _hang_up(self, identity: str) -> None:
        self._on_call.discard(identity)
        self._free(identity)

    def _free(self, identity: str) -> None:
        if identity in self._present and identity not in self._gone and identity not in self._on_call:
            self.queues.free(identity, self.now)
