"""All queues: who waits where, and who is offered to whom.

Theory of the order. A ticket's effective priority is that of its queue plus its own plus what it has waited divided by the queue's
``ageing_s``. Within a queue all age alike, so their order never changes: it is that of ``since_s - priority * ageing_s``, first come, first
served among equals. Nobody starves there: whoever has waited ``(highest priority - own) * ageing_s`` is overtaken by nobody who
comes later. An agent of several queues gets the first of theirs with the highest effective priority, of equal ones the one
who has waited longest. A queue that ages more slowly than another still gets its turn as long as the waits of the other are bounded, by
``max_waiting`` or ``max_wait_s``.

Theory of the choice. As long as somebody waits for whom somebody is free, the one of highest effective priority is offered to the
agent whom the queue's strategy names. Who may not be offered to anybody free holds up nobody behind. For this tickets stand in lanes: all
of a queue whom the same agents may take. Only the first of each lane has to be looked at, so a decision costs as many steps as there are
lanes with somebody in them, not callers. What changes with time alone (needs that fall, a last agent no longer waited for, a refusal
forgotten) moves a ticket to another lane at a time known beforehand: ``next_deadline``. How long it rings, and how long somebody waits
at most, is the business of who asks.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping

from rooms.deadlines import Deadlines
from rooms.queues.estimate import remaining_s
from rooms.queues.figures import Figures
from rooms.queues.line import Lane, LaneKey, Line, Waiting
from rooms.queues.needs import Levels
from rooms.queues.queue_plan import QueuePlan
from rooms.queues.staff import Member, Staff
from rooms.queues.ticket import Entered, Left, Offer, Refused, Ticket

_ALONE_S = 30.0
"""So long after the last agent has gone a caller still waits: a page that is loaded again has gone, too."""


class Queues:
    """Not safe for two threads. ``now`` is monotonic seconds. What is said of a ticket or an agent that is not here changes nothing."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._lanes: dict[LaneKey, Lane] = {}
        self._waiting: dict[str, Waiting] = {}
        self._loyal: dict[str, dict[str, Waiting]] = {}
        self._alone: dict[str, float] = {}
        self._staff = Staff()
        self._deadlines: Deadlines[tuple[str, ...]] = Deadlines()
        self._number = 0

    def __len__(self) -> int:
        """How many wait, in all queues."""
        return len(self._waiting)

    def plan(self, plans: Mapping[str, QueuePlan], now: float) -> None:
        """These are the queues from now on, by their names. In one that is not among them nobody enters any more; who waits is served."""
        for name, line in list(self._lines.items()):
            line.retired = name not in plans
            self._drop_if_over(line)
        for name, plan in plans.items():
            if name in self._lines:
                self._lines[name].plan_anew(plan)
            else:
                self._lines[name] = Line(plan)
        self._staff.forget_circles()
        self._lanes.clear()
        for line in self._lines.values():
            self._replace(line, now)
        self._look_for_alone(now)

    def agent(self, identity: str, skills: Mapping[str, int], queues: frozenset[str], now: float) -> None:
        """Is signed in, with these skills, for these queues (none: all whose needs are met). Gets nothing before ``free``."""
        self._staff.sign_in(identity, skills, queues, now)
        self._changed(identity, now)
        self._look_for_alone(now)

    def forget(self, identity: str, now: float) -> None:
        """Has signed out. What was being offered to them is offered to others."""
        member = self._staff.members.get(identity)
        if member is None:
            return
        if member.ticket_id:
            self.refused(member.ticket_id, identity, now, Refused.GONE)
        self._staff.sign_out(member, now)
        self._changed(identity, now)
        self._look_for_alone(now)

    def free(self, identity: str, now: float, since_s: float | None = None) -> None:
        """May be offered one more; counts as idle since ``since_s`` (now)."""
        member = self._staff.members.get(identity)
        if member is None:
            return
        self._finish(member, now)
        returns, member.away = member.away, False
        member.free_since_s = now if since_s is None else since_s
        self._staff.settle(member)
        if returns:
            self._changed(identity, now)

    def engaged(self, identity: str, now: float, *, away: bool = False) -> None:
        """May not be offered anything: in a call or a consultation, in wrap-up; ``away``: on a break, so that nobody reckons with them.

        What is being offered to them stays so until it is answered or refused.
        """
        member = self._staff.members.get(identity)
        if member is None:
            return
        if away:
            self._finish(member, now)
        changed, member.away = member.away != away, away
        member.free_since_s = None
        self._staff.settle(member)
        if changed:
            self._changed(identity, now)

    def enter(self, ticket: Ticket, now: float) -> Entered:
        """Take its place. Raises ValueError when a ticket of that name waits already."""
        if ticket.ticket_id in self._waiting:
            raise ValueError("This ticket waits already: leave first.")
        line = self._lines.get(ticket.queue)
        if line is None or line.retired:
            return Entered.UNKNOWN_QUEUE
        if line.is_full(ticket):
            line.tally.full += 1
            return Entered.FULL
        course = line.course(ticket.needs)
        if ticket.has_a_caller and not line.plan.wait_without_agents and not self._staff.circle(ticket.queue, course[-1][1]).mask:
            line.tally.nobody += 1
            return Entered.NOBODY
        self._number += 1
        waiting = Waiting(ticket, line.place(ticket, self._number), line, course, now)
        self._waiting[ticket.ticket_id] = waiting
        line.tally.entered += 1
        line.add(waiting)
        if ticket.last_agent:
            self._loyal.setdefault(ticket.last_agent, {})[ticket.ticket_id] = waiting
        self._put(waiting, now)
        return Entered.WAITING

    def leave(self, ticket_id: str, how: Left, now: float) -> bool:
        """It waits no more. False when it did not. Agents who were being offered it are as free as before."""
        waiting = self._waiting.get(ticket_id)
        if waiting is None:
            return False
        waiting.line.tally.leave(waiting.ticket, waiting.line.plan, how, now)
        self._remove(waiting)
        return True

    def decide(self, now: float) -> list[Offer]:
        """Who is offered to whom now."""
        while (due := self._deadlines.pop_due(now)) is not None:
            if len(due) == 1:
                waiting = self._waiting[due[0]]
                self._take_out(waiting)
                self._put(waiting, now)
        offers = []
        while (lane := self._foremost(now)) is not None:
            offers.append(self._offer(lane))
        return offers

    def forsaken(self, now: float) -> list[str]:
        """Callers for whom nobody has been signed in for a while who could ever take them, in a queue where nobody is to wait so. They wait
        on until they leave or somebody comes."""
        return [ticket_id for ticket_id, until_s in self._alone.items() if until_s <= now]

    def answered(self, ticket_id: str, agent: str, now: float) -> bool:
        """This agent has it, who is not free before ``free``. False, and nothing happens, when it was not being offered to this agent (any
        more): of two who answer at once the second is told so."""
        waiting, member = self._waiting.get(ticket_id), self._staff.members.get(agent)
        if waiting is None or member is None or agent not in waiting.offered:
            return False
        waiting.line.tally.answer(waiting.ticket, waiting.line.plan, now)
        if waiting.told is not None:
            at_s, told_s = waiting.told
            waiting.line.stretch.learn(now - at_s, told_s, waiting.line.tally.patience_s)
        member.free_since_s = None
        member.calls += 1
        member.handling = (waiting.line.plan.name, now)
        self._remove(waiting)
        return True

    def refused(self, ticket_id: str, agent: str, now: float, why: Refused) -> bool:
        """This agent does not take it: it keeps its place, and for the queue's ``ring_s`` only others are offered it. The agent comes last
        of those who are free; with ``Refused.GONE`` gets nothing before ``free``. False when it was not being offered to this agent."""
        waiting, member = self._waiting.get(ticket_id), self._staff.members.get(agent)
        if waiting is None or member is None or agent not in waiting.offered:
            return False
        waiting.line.tally.refused += 1
        waiting.offered.remove(agent)
        waiting.passed_over[agent] = now + waiting.line.plan.ring_s
        member.ticket_id = ""
        if why is Refused.GONE:
            member.free_since_s = None
        elif member.free_since_s is not None:
            member.free_since_s = now
        self._staff.settle(member)
        if not waiting.offered:
            waiting.line.ringing -= waiting.ticket.has_a_caller
            self._put(waiting, now)
        return True

    def able(self, queue: str) -> tuple[str, ...]:
        """Who may take somebody in this queue and is on no break: the free ones first, longest free first."""
        line = self._lines.get(queue)
        if line is None or line.retired:
            return ()
        levels = tuple((need.skill, need.level) for need in line.plan.needs)
        able = [member for member in self._staff.members.values() if member.may_take(queue, levels) and not member.away]
        free_first = sorted(able, key=lambda member: (member.free_since_s is None or bool(member.ticket_id), member.free_since_s or 0.0))
        return tuple(member.identity for member in free_first)

    def position(self, ticket_id: str) -> int:
        """In its queue, 1 for who is next; 0 when it does not wait."""
        waiting = self._waiting.get(ticket_id)
        return waiting.line.position(waiting.place) if waiting is not None else 0

    def estimate_s(self, ticket_id: str, now: float) -> float | None:
        """How long it is likely to wait from now on (the mean); 0 while it is being offered. None where nothing is known: nobody who could
        take it is there, or no queue has seen how long a caller takes.

        From those ahead, also in other queues as far as the same agents serve them, the pace at which these agents come free, and how
        soon callers of this queue give up; where needs will fall meanwhile, with what is enough then. It is remembered, and from what
        comes of it later words are made truer (``rooms/queues/estimate.py``).
        """
        waiting = self._waiting.get(ticket_id)
        if waiting is None or waiting.lane is None:
            return None if waiting is None else 0.0
        found = [self._estimate_among(waiting, mask, at_s, now) for at_s, mask in self._prospects(waiting, waiting.lane, now)]
        wait_s = min((wait_s for wait_s in found if wait_s is not None), default=None)
        if wait_s is None:
            return None
        if waiting.told is None and wait_s > 0 and waiting.ticket.has_a_caller:
            waiting.told = (now, wait_s)
        return wait_s * waiting.line.stretch.factor

    def figures(self, queue: str, now: float) -> Figures | None:
        """How a queue stands; None when there is none of that name."""
        line = self._lines.get(queue)
        return self._figures(line, now) if line is not None else None

    def next_deadline(self) -> float | None:
        """Before this ``decide`` and ``forsaken`` say nothing new unless something happens."""
        return self._deadlines.next()

    def _foremost(self, now: float) -> Lane | None:
        """The lane whose first ticket is next, of those for which somebody is free."""
        idle = self._staff.idle
        if not idle:
            return None
        found, most = None, 0.0
        for lane in self._lanes.values():
            if lane.mask & idle:
                worth = lane.worth(now)
                if found is None or worth > most or (worth == most and lane.places[0][1:] < found.places[0][1:]):
                    found, most = lane, worth
        return found

    def _offer(self, lane: Lane) -> Offer:
        waiting = self._waiting[lane.places[0].ticket_id]
        members = self._staff.choose(lane.line.plan.strategy, lane.circle, lane.mask & self._staff.idle)
        self._take_out(waiting)
        lane.line.ringing += waiting.ticket.has_a_caller
        lane.line.tally.offered += 1
        for member in members:
            waiting.offered.append(member.identity)
            member.ticket_id = waiting.ticket.ticket_id
            self._staff.settle(member)
        return Offer(waiting.ticket.ticket_id, lane.key.queue, tuple(waiting.offered))

    def _put(self, waiting: Waiting, now: float) -> None:
        """Into the lane where it belongs now, until that changes with time."""
        ticket, line = waiting.ticket, waiting.line
        levels, times = self._levels(waiting, now)
        waiting.passed_over = {agent: until_s for agent, until_s in waiting.passed_over.items() if until_s > now}
        times += waiting.passed_over.values()
        only, until_s = "", waiting.entered_s + line.plan.sticky_s
        if ticket.last_agent and until_s > now and self._waits_for(ticket.last_agent, waiting, levels):
            only = ticket.last_agent
            times.append(until_s)
        key = LaneKey(ticket.queue, levels, only, frozenset(waiting.passed_over) if waiting.passed_over else frozenset())
        lane = self._lanes.get(key)
        if lane is None:
            circle = self._staff.circle(ticket.queue, levels)
            lane = self._lanes[key] = Lane(key, line, circle, self._mask(key, circle.mask))
        lane.add(waiting.place)
        waiting.lane = lane
        if times:
            self._deadlines.set((ticket.ticket_id,), min(times))

    @staticmethod
    def _levels(waiting: Waiting, now: float) -> tuple[Levels, list[float]]:
        """What is enough now, and when that changes."""
        levels: Levels = waiting.course[0][1]
        for after_s, fewer in waiting.course[1:]:
            at_s = waiting.ticket.since_s + after_s
            if at_s > now:
                return levels, [at_s]
            levels = fewer
        return levels, []

    def _waits_for(self, identity: str, waiting: Waiting, levels: Levels) -> bool:
        member = self._staff.members.get(identity)
        if member is None or member.away or identity in waiting.passed_over:
            return False
        return member.may_take(waiting.ticket.queue, levels)

    def _mask(self, key: LaneKey, mask: int) -> int:
        if key.only:
            mask &= self._staff.mask(frozenset((key.only,)))
        return mask & ~self._staff.mask(key.without) if key.without else mask

    def _take_out(self, waiting: Waiting) -> None:
        """Out of its lane, and nothing about it changes with time."""
        lane = waiting.lane
        if lane is not None:
            lane.remove(waiting.place)
            if not lane.places:
                del self._lanes[lane.key]
            waiting.lane = None
        self._deadlines.clear((waiting.ticket.ticket_id,))

    def _remove(self, waiting: Waiting) -> None:
        """It waits nowhere any more, and is offered to nobody."""
        line = waiting.line
        self._take_out(waiting)
        if waiting.offered:
            line.ringing -= waiting.ticket.has_a_caller
        for identity in waiting.offered:
            member = self._staff.members[identity]
            member.ticket_id = ""
            self._staff.settle(member)
        line.remove(waiting)
        ticket_id, last_agent = waiting.ticket.ticket_id, waiting.ticket.last_agent
        del self._waiting[ticket_id]
        self._not_alone(ticket_id)
        if last_agent:
            del self._loyal[last_agent][ticket_id]
            if not self._loyal[last_agent]:
                del self._loyal[last_agent]
        self._drop_if_over(line)

    def _drop_if_over(self, line: Line) -> None:
        if line.retired and not line.order:
            self._lines.pop(line.plan.name, None)

    def _replace(self, line: Line, now: float) -> None:
        """Everybody of a line finds their place anew."""
        everybody = [self._waiting[place.ticket_id] for place in line.order]
        for waiting in everybody:
            waiting.place = line.place(waiting.ticket, waiting.place.number)
            waiting.course = line.course(waiting.ticket.needs)
            self._deadlines.clear((waiting.ticket.ticket_id,))
            if waiting.lane is not None:
                self._put(waiting, now)
        line.order = sorted(waiting.place for waiting in everybody)

    def _changed(self, identity: str, now: float) -> None:
        """This agent came, went, or may take others than before."""
        for lane in self._lanes.values():
            lane.circle = self._staff.circle(lane.key.queue, lane.key.levels)
            lane.mask = self._mask(lane.key, lane.circle.mask)
        for waiting in self._loyal.get(identity, {}).values():
            if waiting.lane is not None:
                self._take_out(waiting)
                self._put(waiting, now)

    def _look_for_alone(self, now: float) -> None:
        for ticket_id, waiting in self._waiting.items():
            waits_on = waiting.line.plan.wait_without_agents or not waiting.ticket.has_a_caller
            if waits_on or self._staff.circle(waiting.ticket.queue, waiting.course[-1][1]).mask:
                self._not_alone(ticket_id)
            elif ticket_id not in self._alone:
                self._alone[ticket_id] = now + _ALONE_S
                self._deadlines.set((ticket_id, "alone"), now + _ALONE_S)

    def _not_alone(self, ticket_id: str) -> None:
        if self._alone.pop(ticket_id, None) is not None:
            self._deadlines.clear((ticket_id, "alone"))

    def _finish(self, member: Member, now: float) -> None:
        """The ticket that this agent had is done with."""
        if member.handling is not None:
            queue, since_s = member.handling
            member.handling = None
            if queue in self._lines:
                self._lines[queue].tally.handle.add(now - since_s)

    def _prospects(self, waiting: Waiting, lane: Lane, now: float) -> Iterator[tuple[float, int]]:
        """(from when on, those who may take it), beginning with now."""
        yield now, lane.mask
        if lane.key.only:
            yield waiting.entered_s + lane.line.plan.sticky_s, lane.circle.mask
        for after_s, levels in waiting.course:
            if waiting.ticket.since_s + after_s > now:
                yield waiting.ticket.since_s + after_s, self._staff.circle(waiting.ticket.queue, levels).mask

    def _estimate_among(self, waiting: Waiting, mask: int, at_s: float, now: float) -> float | None:
        """With the agents ``mask``, from ``at_s`` on."""
        mask &= ~self._staff.away
        handle_s = self._handle_s(waiting.line)
        if not mask or handle_s is None:
            return None
        if mask & self._staff.idle:
            return max(0.0, at_s - now)
        pace_per_s = 0.0
        for member in self._staff.within(mask):
            busy_with = self._lines.get(member.handling[0]) if member.handling is not None else None
            pace_per_s += 1 / ((busy_with.tally.handle.mean if busy_with is not None else None) or handle_s)
        return max(at_s - now, remaining_s(self._ahead(waiting, mask, now), pace_per_s, waiting.line.tally.patience_s))

    def _handle_s(self, line: Line) -> float | None:
        """Of this queue, else of any."""
        known = (one.tally.handle.mean for one in (line, *self._lines.values()))
        return next((handle_s for handle_s in known if handle_s), None)

    def _ahead(self, waiting: Waiting, mask: int, now: float) -> float:
        """How many the agents ``mask`` will have served before; of a lane that others serve too as much as is their part in it."""
        plan = waiting.line.plan
        worth = plan.priority + (now - waiting.place.as_if_since_s) / plan.ageing_s
        ahead = 0.0
        for lane in self._lanes.values():
            theirs = lane.mask & ~self._staff.away
            if theirs & mask:
                other = lane.line.plan
                until = waiting.place if other is plan else (now - (worth - other.priority) * other.ageing_s,)
                ahead += bisect_left(lane.places, until) * (theirs & mask).bit_count() / theirs.bit_count()
        return ahead

    def _figures(self, line: Line, now: float) -> Figures:
        staff, tally, left = self._staff, line.tally, line.tally.left
        mask = staff.circle(line.plan.name, line.course()[-1][1]).mask
        signed_in, available, ringing, away = (
            part.bit_count() for part in (mask, mask & staff.idle, mask & staff.ringing, mask & staff.away)
        )
        longest_s = max((now - place.since_s for place in line.order), default=0.0)
        return Figures(
            queue=line.plan.name,
            waiting=len(line.order),
            call_backs=line.call_backs,
            longest_s=max(0.0, longest_s),
            signed_in=signed_in,
            available=available,
            ringing=ringing,
            engaged=signed_in - available - ringing - away,
            away=away,
            entered=tally.entered,
            offered=tally.offered,
            refused=tally.refused,
            served=tally.served,
            call_backs_served=tally.call_backs_served,
            abandoned=left[Left.ABANDONED],
            short_abandoned=tally.short_abandoned,
            timed_out=left[Left.TIMEOUT],
            overflowed=left[Left.OVERFLOWED],
            called_back=left[Left.CALL_BACK],
            closed=left[Left.CLOSED],
            full=tally.full,
            nobody=tally.nobody,
            in_time=tally.in_time,
            service_level=tally.service_level,
            wait_s=tally.answer_s / tally.served if tally.served else None,
            handle_s=tally.handle.mean,
        )
