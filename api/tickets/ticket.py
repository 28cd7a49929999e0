"""A ticket's states, its clock and what follows when time runs out. Pure: time is an argument, in seconds since the epoch.

A ticket is *open* until somebody solves it, and *waiting* while the customer has to say something: then its clock stands still. *Solved* is
what we say, *closed* that nobody expects anything more; from both it comes back as *reopened*, as long as ``reopen_s`` allows, and has its
whole time again: what was done before was done in time, or somebody was told.

====================  ========  ========  ========  ========  ========
state                 ask       hear      solve     close     reopen
====================  ========  ========  ========  ========  ========
open                  waiting   open      solved    closed
waiting               waiting   open      solved    closed
reopened              waiting   reopened  solved    closed
solved                          reopened  solved    closed    reopened
closed                          reopened            closed    reopened
====================  ========  ========  ========  ========  ========

*ask*: the customer is to answer. *hear*: the customer said something. An act that leads to where a ticket stands changes nothing.

The clock counts the hours in which the office is open (``rooms/calendar.py``), only while nobody but us is waited for. What is due when is
therefore known as soon as a ticket stands still no more: ``due_at``. A *step* is taken when a share of the time is used, each name once
until the ticket is reopened; it may raise the priority, which shortens the time, hand the ticket to a team, and have people told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rooms.calendar import DAY_MINUTES, Calendar, Span
from signaling.refusal import Refusal

ALWAYS = Calendar("UTC", {weekday: (Span(0, DAY_MINUTES),) for weekday in range(7)})
"""Where no calendar is named, every hour counts."""
_HOUR_S = 3_600.0


class TicketState(StrEnum):
    OPEN = "open"
    WAITING = "waiting"
    SOLVED = "solved"
    CLOSED = "closed"
    REOPENED = "reopened"


class Act(StrEnum):
    ASK = "ask"
    HEAR = "hear"
    SOLVE = "solve"
    CLOSE = "close"
    REOPEN = "reopen"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"

    @property
    def rank(self) -> int:
        return [*Priority].index(self)


_S = TicketState
_OURS = frozenset({_S.OPEN, _S.REOPENED})
"""The clock runs."""
OVER = frozenset({_S.SOLVED, _S.CLOSED})

TRANSITIONS: Mapping[tuple[TicketState, Act], TicketState] = {
    **{(state, Act.ASK): _S.WAITING for state in (_S.OPEN, _S.WAITING, _S.REOPENED)},
    **{(state, Act.HEAR): _S.OPEN for state in (_S.OPEN, _S.WAITING)},
    **{(state, Act.HEAR): _S.REOPENED for state in (_S.REOPENED, _S.SOLVED, _S.CLOSED)},
    **{(state, Act.SOLVE): _S.SOLVED for state in (_S.OPEN, _S.WAITING, _S.REOPENED, _S.SOLVED)},
    **{(state, Act.CLOSE): _S.CLOSED for state in _S},
    **{(state, Act.REOPEN): _S.REOPENED for state in (_S.SOLVED, _S.CLOSED)},
}


@dataclass(frozen=True, slots=True)
class Step:
    """What follows when ``share`` of the time is used (1: it is late). ``priority``: at least this from then on. ``team``: whose it is from
    then on; empty: as it was. ``tell``: who is to hear of it, in the words of the rules that listen."""

    name: str
    share: float
    priority: Priority | None = None
    team: str = ""
    tell: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """``target_s``: open hours in which such a ticket is to be solved. ``steps``: in any order."""

    target_s: float
    steps: tuple[Step, ...] = ()


_SOON = Step("due_soon", 0.75, tell=("agent",))
_LATE = Step("late", 1.0, tell=("agent", "team"))
_FAR = Step("far_late", 2.0, tell=("supervisors",))
LEVELS: Mapping[Priority, ServiceLevel] = {
    Priority.LOW: ServiceLevel(72 * _HOUR_S, (_SOON, replace(_LATE, priority=Priority.NORMAL))),
    Priority.NORMAL: ServiceLevel(24 * _HOUR_S, (_SOON, replace(_LATE, priority=Priority.HIGH), _FAR)),
    Priority.HIGH: ServiceLevel(8 * _HOUR_S, (_SOON, replace(_LATE, priority=Priority.URGENT), _FAR)),
    Priority.URGENT: ServiceLevel(4 * _HOUR_S, (_SOON, replace(_LATE, tell=("agent", "team", "supervisors")), _FAR)),
}
"""Where the settings say nothing else."""


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """``reopen_s``: for how long after its end a ticket comes back; later it is a new one."""

    calendar: Calendar = ALWAYS
    levels: Mapping[Priority, ServiceLevel] = field(default_factory=lambda: LEVELS)
    reopen_s: float = 14 * 24 * _HOUR_S


@dataclass(frozen=True, slots=True)
class Ticket:
    """How a ticket stands. ``used_s``: of its time, until ``running_since``; that is None while the clock stands still. ``taken``: names of
    steps. ``ended_at``: when it was solved or closed; None while it is neither."""

    state: TicketState
    priority: Priority
    team: str = ""
    used_s: float = 0.0
    running_since: float | None = None
    taken: tuple[str, ...] = ()
    ended_at: float | None = None

    @classmethod
    def opened(cls, priority: Priority, team: str, now: float) -> "Ticket":
        return cls(TicketState.OPEN, priority, team, running_since=now)

    def act(self, act: Act, now: float, rules: ServiceRules) -> "Ticket":
        """How it stands after this. Raises ``Refusal`` where the table has no line, or where it is too late to come back."""
        state = TRANSITIONS.get((self.state, act))
        if state is None:
            raise Refusal("ticket_not_so", f"A ticket that is {self.state} cannot be changed by {act}: reopen it first, or leave it.")
        if state is self.state:
            return self
        if state is TicketState.REOPENED and self.ended_at is not None and now - self.ended_at > rules.reopen_s:
            raise Refusal("ticket_too_old", "This ticket ended too long ago: make a new one and name this one in it.")
        used_s, running_since, taken = self.used(now, rules), now if state in _OURS else None, self.taken
        if state is TicketState.REOPENED:
            used_s, taken = 0.0, ()
        ended_at = (now if self.ended_at is None else self.ended_at) if state in OVER else None
        return replace(self, state=state, used_s=used_s, running_since=running_since, taken=taken, ended_at=ended_at)

    def used(self, now: float, rules: ServiceRules) -> float:
        """How much of its time is used, in seconds. A clock that was put back takes nothing away."""
        if self.running_since is None or now <= self.running_since:
            return self.used_s
        return self.used_s + rules.calendar.open_s(self.running_since, now)

    def due_at(self, rules: ServiceRules) -> float | None:
        """When its time is used up, also where that is over; None while the clock stands still, or where no office opens again."""
        return self._when(1.0, rules)

    def next_step(self, rules: ServiceRules) -> tuple[float, Step] | None:
        """The step that comes next, and when, as it now stands."""
        coming = [(at, step) for step in self._left(rules) if (at := self._when(step.share, rules)) is not None]
        return min(coming, key=lambda each: (each[0], each[1].share)) if coming else None

    def escalate(self, now: float, rules: ServiceRules) -> tuple["Ticket", list[Step]]:
        """What is due by now, the earliest first: how it stands then, and the steps that were taken. None of them comes twice."""
        ticket, done = self, list[Step]()
        while (coming := ticket.next_step(rules)) is not None and coming[0] <= now:
            step = coming[1]
            priority = max(ticket.priority, step.priority or ticket.priority, key=lambda each: each.rank)
            ticket = replace(ticket, priority=priority, team=step.team or ticket.team, taken=(*ticket.taken, step.name))
            done.append(step)
        return ticket, done

    def _left(self, rules: ServiceRules) -> Iterable[Step]:
        return (step for step in rules.levels[self.priority].steps if step.name not in self.taken)

    def _when(self, share: float, rules: ServiceRules) -> float | None:
        if self.running_since is None:
            return None
        left_s = share * rules.levels[self.priority].target_s - self.used_s
        return self.running_since if left_s <= 0 else rules.calendar.after_open_s(self.running_since, left_s)
