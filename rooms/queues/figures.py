"""What a queue has done and how it stands."""

import math
from dataclasses import dataclass, field

from rooms.queues.queue_plan import QueuePlan
from rooms.queues.ticket import Left, Ticket


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one queue. Counts since it was planned first, seconds, fractions 0-1.

    ``waiting``: tickets without an agent, those being offered included; ``call_backs`` of them with nobody on the line; ``longest_s``: how
    long the one has waited who came first. ``signed_in``: agents who can serve it, of whom ``available`` are free, ``ringing`` are
    being offered somebody, ``engaged`` are busy and ``away`` are on a break.

    ``entered``, and how they ended. ``served``: callers and consultations; ``call_backs_served`` apart, for they do not wait on the line.
    ``abandoned``: all who gave up, ``short_abandoned`` of them within the plan's ``short_abandon_s``. ``full``, ``nobody``: turned away.

    ``service_level``: callers served within ``service_level_s`` over all who were served, gave up (but not within ``short_abandon_s``),
    or were led on, closed or timed out; None before anybody was. Who chose to be called back, and who was turned away, is no part
    of it. ``wait_s``: mean of those served; ``handle_s``: smoothed time from the answer until the agent was free again, wrap-up included;
    None before the first.
    """

    queue: str
    waiting: int
    call_backs: int
    longest_s: float
    signed_in: int
    available: int
    ringing: int
    engaged: int
    away: int
    entered: int
    offered: int
    refused: int
    served: int
    call_backs_served: int
    abandoned: int
    short_abandoned: int
    timed_out: int
    overflowed: int
    called_back: int
    closed: int
    full: int
    nobody: int
    in_time: int
    service_level: float | None
    wait_s: float | None
    handle_s: float | None


_MEMORY = 64
"""The newest handle time counts for one part in so many; before there were so many, all count alike."""


@dataclass(slots=True)
class Smoothed:
    """A mean that follows."""

    mean: float | None = None
    count: int = 0

    def add(self, value: float) -> None:
        self.count += 1
        before = self.mean if self.mean is not None else value
        self.mean = before + (value - before) / min(self.count, _MEMORY)


@dataclass(slots=True)
class Tally:
    """What a queue has done. ``waited_s``: of all who are not waiting any more, however that ended."""

    entered: int = 0
    offered: int = 0
    refused: int = 0
    served: int = 0
    call_backs_served: int = 0
    short_abandoned: int = 0
    full: int = 0
    nobody: int = 0
    in_time: int = 0
    answer_s: float = 0.0
    waited_s: float = 0.0
    left: dict[Left, int] = field(default_factory=lambda: dict.fromkeys(Left, 0))
    handle: Smoothed = field(default_factory=Smoothed)

    def answer(self, ticket: Ticket, plan: QueuePlan, now: float) -> None:
        waited_s = max(0.0, now - ticket.since_s)
        if not ticket.has_a_caller:
            self.call_backs_served += 1
            return
        self.served += 1
        self.answer_s += waited_s
        self.waited_s += waited_s
        self.in_time += waited_s <= plan.service_level_s

    def leave(self, ticket: Ticket, plan: QueuePlan, how: Left, now: float) -> None:
        if how is Left.SERVED:
            self.answer(ticket, plan, now)
            return
        waited_s = max(0.0, now - ticket.since_s)
        self.left[how] += 1
        if ticket.has_a_caller:
            self.waited_s += waited_s
            self.short_abandoned += how is Left.ABANDONED and waited_s <= plan.short_abandon_s

    @property
    def service_level(self) -> float | None:
        lost = sum(self.left[how] for how in (Left.ABANDONED, Left.TIMEOUT, Left.OVERFLOWED, Left.CLOSED)) - self.short_abandoned
        return self.in_time / (self.served + lost) if self.served + lost else None

    @property
    def patience_s(self) -> float:
        """How long callers wait on the mean before they give up, were it not for being served: exponential, its likeliest value."""
        gone = self.left[Left.ABANDONED]
        return self.waited_s / gone if gone and self.waited_s else math.inf
