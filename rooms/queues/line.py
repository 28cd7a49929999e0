"""Those who wait in one queue, in order; and who of them may be offered to the same agents."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import NamedTuple

from rooms.queues.estimate import Stretch
from rooms.queues.figures import Tally
from rooms.queues.needs import Course, Levels, course_of
from rooms.queues.queue_plan import QueuePlan, SkillNeed
from rooms.queues.staff import Circle
from rooms.queues.ticket import Ticket

_MOST_COURSES = 1000


class Place(NamedTuple):
    """Sorted, those of one queue stand in the order in which they are served.

    ``as_if_since_s``: since when somebody of no priority would have waited to be where this one is. ``number``: of entering.
    """

    as_if_since_s: float
    since_s: float
    number: int
    ticket_id: str


@dataclass(slots=True)
class Waiting:
    """One ticket. ``lane``: where it waits for an agent; None while it is being offered to the agents ``offered``.

    ``passed_over``: agents who refused it, and until when it is kept from them. ``told``: when its wait was told first, and what, before
    it was stretched.
    """

    ticket: Ticket
    place: Place
    line: "Line"
    course: Course
    entered_s: float
    lane: "Lane | None" = None
    offered: list[str] = field(default_factory=list)
    passed_over: dict[str, float] = field(default_factory=dict)
    told: tuple[float, float] | None = None


class LaneKey(NamedTuple):
    """``only``: the last agent, who is being waited for. ``without``: who refused."""

    queue: str
    levels: Levels
    only: str = ""
    without: frozenset[str] = frozenset()


@dataclass(slots=True)
class Lane:
    """Tickets of one queue that the same agents may take: ``mask`` of them. There is no empty one."""

    key: LaneKey
    line: "Line"
    circle: Circle
    mask: int
    places: list[Place] = field(default_factory=list)

    def add(self, place: Place) -> None:
        insort(self.places, place)

    def remove(self, place: Place) -> None:
        del self.places[bisect_left(self.places, place)]

    def worth(self, now: float) -> float:
        """The effective priority of the first one, which no other here exceeds."""
        plan = self.line.plan
        return plan.priority + (now - self.places[0].as_if_since_s) / plan.ageing_s


class Line:
    """A queue. ``order``: all places. ``ringing``: callers being offered. ``retired``: not in the plan any more; who waits is served."""

    def __init__(self, plan: QueuePlan) -> None:
        self.plan = plan
        self.retired = False
        self.order: list[Place] = []
        self.tally = Tally()
        self.stretch = Stretch()
        self.ringing = 0
        self.call_backs = 0
        self._courses: dict[tuple[SkillNeed, ...], Course] = {}

    def course(self, needs: tuple[SkillNeed, ...] = ()) -> Course:
        """The needs of the queue and ``needs`` over time."""
        found = self._courses.get(needs)
        if found is None:
            if len(self._courses) >= _MOST_COURSES:
                self._courses.clear()
            found = self._courses[needs] = course_of((*self.plan.needs, *needs))
        return found

    def is_full(self, ticket: Ticket) -> bool:
        """Callers and those to be called back each have ``max_waiting`` places; a caller who rings at an agent needs none."""
        taken = len(self.order) - self.call_backs - self.ringing if ticket.has_a_caller else self.call_backs
        return taken >= self.plan.max_waiting

    def place(self, ticket: Ticket, number: int) -> Place:
        return Place(ticket.since_s - ticket.priority * self.plan.ageing_s, ticket.since_s, number, ticket.ticket_id)

    def plan_anew(self, plan: QueuePlan) -> None:
        """Places and courses must be made anew."""
        self.plan = plan
        self._courses.clear()

    def add(self, waiting: Waiting) -> None:
        insort(self.order, waiting.place)
        self.call_backs += not waiting.ticket.has_a_caller

    def remove(self, waiting: Waiting) -> None:
        del self.order[bisect_left(self.order, waiting.place)]
        self.call_backs -= not waiting.ticket.has_a_caller

    def position(self, place: Place) -> int:
        """1 for who is next."""
        return bisect_left(self.order, place) + 1
