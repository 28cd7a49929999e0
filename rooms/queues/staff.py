"""The agents of all queues: who may take what, who is free, and in what order they come.

Theory. A set of agents is a whole number with one bit for each of them, so "who of those that may take this caller is free" is one AND,
however many they are. Who may take what needs certain levels in a certain queue is worked out once (a ``Circle``) and kept right when an
agent comes, goes or learns. Free agents stand in two sorted lists, by how long they have been free and by how few calls they took: the
first one in the list who is in the set is the one.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rooms.queues.needs import Levels
from rooms.queues.queue_plan import Strategy

_MOST_RUNG = 32
"""At so many agents a caller rings at once."""
_MOST_CIRCLES = 1000
_REMEMBERED_S = 600.0
"""Who is back within that has taken as many calls as before: a page that is loaded again is no new agent."""


@dataclass(slots=True)
class Member:
    """One agent. ``number``: in the order of signing in. ``ticket_id``: what is being offered to them. ``handling``: the queue whose ticket
    they have, and since when."""

    identity: str
    bit: int
    number: int
    skills: Mapping[str, int]
    queues: frozenset[str]
    calls: int
    free_since_s: float | None = None
    away: bool = False
    ticket_id: str = ""
    handling: tuple[str, float] | None = None
    listed: tuple[float, int] | None = None
    """(free since, calls) as it stands in the lists of the free ones."""

    def may_take(self, queue: str, levels: Levels) -> bool:
        if self.queues and queue not in self.queues:
            return False
        return all(self.skills.get(skill, 0) >= level for skill, level in levels)


@dataclass(slots=True)
class Circle:
    """Who may take what needs ``levels`` in ``queue``. ``tiers``: the same by their levels added up, highest first."""

    queue: str
    levels: Levels
    mask: int = 0
    tiers: tuple[int, ...] = ()
    _sums: dict[int, int] = field(default_factory=dict)

    def let_in(self, member: Member) -> None:
        self.let_out(member.bit)
        if member.may_take(self.queue, self.levels):
            self.mask |= member.bit
            total = sum(member.skills[skill] for skill, _ in self.levels)
            self._sums[total] = self._sums.get(total, 0) | member.bit
            self._stack()

    def let_out(self, bit: int) -> None:
        if self.mask & bit:
            self.mask &= ~bit
            self._sums = {total: rest for total, mask in self._sums.items() if (rest := mask & ~bit)}
            self._stack()

    def _stack(self) -> None:
        self.tiers = tuple(self._sums[total] for total in sorted(self._sums, reverse=True))


class Staff:
    """Everybody who is signed in. ``idle``, ``ringing``, ``away``: sets of them, as whole numbers."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.idle = 0
        self.ringing = 0
        self.away = 0
        self._by_bit: dict[int, Member] = {}
        self._longest: list[tuple[float, int, int]] = []
        self._fewest: list[tuple[int, float, int, int]] = []
        self._circles: dict[tuple[str, Levels], Circle] = {}
        self._free_bits: list[int] = []
        self._gone: dict[str, tuple[float, int]] = {}
        self._number = 0

    def sign_in(self, identity: str, skills: Mapping[str, int], queues: frozenset[str], now: float) -> None:
        """Also when only the skills or queues of somebody are others now."""
        member = self.members.get(identity)
        if member is None:
            bit = heapq.heappop(self._free_bits) if self._free_bits else 1 << len(self.members)
            calls = self._calls_of(identity, now)
            self._number += 1
            member = self.members[identity] = self._by_bit[bit] = Member(identity, bit, self._number, dict(skills), queues, calls)
        member.skills, member.queues = dict(skills), queues
        for circle in self._circles.values():
            circle.let_in(member)

    def _calls_of(self, identity: str, now: float) -> int:
        """How many somebody has taken who signs in."""
        for other in [other for other, (left_s, _) in self._gone.items() if left_s < now - _REMEMBERED_S]:
            del self._gone[other]
        fewest = min((other.calls for other in self.members.values()), default=0)
        return max(fewest, self._gone.pop(identity, (now, 0))[1])

    def sign_out(self, member: Member, now: float) -> None:
        self._gone[member.identity] = (now, member.calls)
        del self.members[member.identity], self._by_bit[member.bit]
        heapq.heappush(self._free_bits, member.bit)
        self._unlist(member)
        self.ringing &= ~member.bit
        self.away &= ~member.bit
        for circle in self._circles.values():
            circle.let_out(member.bit)

    def settle(self, member: Member) -> None:
        """Bring lists and sets in line with what ``member`` says."""
        bit = member.bit
        self.ringing = self.ringing | bit if member.ticket_id else self.ringing & ~bit
        self.away = self.away | bit if member.away else self.away & ~bit
        wanted = None if member.free_since_s is None or member.ticket_id else (member.free_since_s, member.calls)
        if member.listed != wanted:
            self._unlist(member)
            if wanted is not None:
                self._list(member, *wanted)

    def circle(self, queue: str, levels: Levels) -> Circle:
        found = self._circles.get((queue, levels))
        if found is None:
            if len(self._circles) >= _MOST_CIRCLES:
                self.forget_circles()
            found = self._circles[queue, levels] = Circle(queue, levels)
            for member in self.members.values():
                found.let_in(member)
        return found

    def forget_circles(self) -> None:
        """Those in use must be asked for anew."""
        self._circles.clear()

    def choose(self, strategy: Strategy, circle: Circle, among: int) -> tuple[Member, ...]:
        """Of the free agents in ``among``, which is not empty."""
        if strategy is Strategy.RING_ALL:
            members = (self._by_bit[bit] for _, _, bit in self._longest if bit & among)
            return tuple(member for member, _ in zip(members, range(_MOST_RUNG), strict=False))
        if strategy is Strategy.FEWEST_CALLS:
            return (self._by_bit[next(entry[3] for entry in self._fewest if entry[3] & among)],)
        if strategy is Strategy.SKILL_FIRST:
            among &= next(tier for tier in circle.tiers if tier & among)
        return (self._by_bit[next(entry[2] for entry in self._longest if entry[2] & among)],)

    def mask(self, identities: frozenset[str]) -> int:
        """Those of them who are signed in."""
        return sum(self.members[identity].bit for identity in identities if identity in self.members)

    def within(self, mask: int) -> Iterator[Member]:
        return (member for member in self.members.values() if member.bit & mask)

    def _list(self, member: Member, since_s: float, calls: int) -> None:
        insort(self._longest, (since_s, member.number, member.bit))
        insort(self._fewest, (calls, since_s, member.number, member.bit))
        self.idle |= member.bit
        member.listed = (since_s, calls)

    def _unlist(self, member: Member) -> None:
        if member.listed is None:
            return
        since_s, calls = member.listed
        del self._longest[bisect_left(self._longest, (since_s, member.number, member.bit))]
        del self._fewest[bisect_left(self._fewest, (calls, since_s, member.number, member.bit))]
        self.idle &= ~member.bit
        member.listed = None
