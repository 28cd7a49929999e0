"""Who is there: the presence of people over all nodes, from leases that run out by themselves.

Every node says what it knows itself of each person (``Facts``): the pages they have open there, the calls of theirs that it has. What it
said holds as long as its lease, which every word of it renews, heartbeats too. A node that is not heard of for ``lease_s`` is dead, and all
that it said is forgotten in the same moment: nobody has to clear up after it, and it leaves no ghost.

A lease has a fencing token that grows with each life of a node: what an earlier life said and comes late is not believed (M. Kleppmann,
"How to do distributed locking", 2016). The words of one life are numbered; who sees by the numbers that one is missing asks that node for
everything. So the picture is right as soon as a word of each node has come, whatever was lost before.

A person's presence (``online``, ``away``, ``offline``) says whether they are there, the agent state whether they may take calls: two
things. Whether somebody takes calls is their own word and outlives their node: of two such words the later one counts.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rooms.agent import AgentState, agent_state

_TOKENS_REMEMBERED = 1_000
_WISHES_REMEMBERED = 10_000


class Presence(StrEnum):
    ONLINE = "online"
    AWAY = "away"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Wish:
    """Does a person take calls, and why not. ``said_at_ms``: since the epoch, so that nodes agree which word is the later one."""

    available: bool = True
    reason: str = ""
    away: bool = False
    said_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What one node knows of one person. ``phones``: pages that calls ring at, ``pages``: others; ``engaged``: by a call of that node;
    ``there``: is any connection of theirs up, also a guest's?"""

    name: str = ""
    teams: tuple[str, ...] = ()
    phones: int = 0
    pages: int = 0
    engaged: AgentState | None = None
    """``ringing``, ``on_call`` or ``wrap_up``."""
    wish: Wish | None = None
    there: bool = False
    consulting: bool = False
    """Are they in a consultation of that node?"""

    @property
    def worth_telling(self) -> bool:
        return bool(self.phones or self.pages or self.engaged or self.there or self.consulting)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as all nodes together see them. ``elsewhere``: engaged by a call of another node. ``there``: connected somewhere, which
    watchers are not told."""

    identity: str
    name: str = ""
    teams: tuple[str, ...] = ()
    presence: Presence = Presence.OFFLINE
    state: AgentState = AgentState.OFFLINE
    reason: str = ""
    """Of a break."""
    phones: int = 0
    pages: int = 0
    available: bool = True
    """Their wish."""
    wish_reason: str = ""
    """What they said with it, whatever they are doing."""
    elsewhere: AgentState | None = None
    there: bool = False
    consulting: bool = False


@dataclass(slots=True)
class _Lease:
    token: int
    until_s: float
    heard: int | None = None
    """The number of the last word from it; None before it has told everything."""
    people: dict[str, Facts] = field(default_factory=dict)


class Attendance:
    """Everybody's presence as ``node`` sees it. Watchers are told at most every ``every_s`` (``tell``), call control at once (``news``)."""

    def __init__(self, node: str, *, lease_s: float, every_s: float = 1.0) -> None:
        self._node, self._lease_s, self._every_s = node, lease_s, every_s
        self._own: dict[str, Facts] = {}
        self._leases: dict[str, _Lease] = {}
        self._tokens: OrderedDict[str, int] = OrderedDict()
        self._wishes: OrderedDict[str, Wish] = OrderedDict()
        self._people: dict[str, Person] = {}
        self._news: dict[str, None] = {}
        self._unsaid: dict[str, Person] = {}
        self._told_at_s: float | None = None

    # ------------------------------------------------------------------ what this node knows itself

    def own(self, identity: str) -> Facts:
        return self._own.get(identity, Facts())

    def own_people(self) -> dict[str, Facts]:
        """All that other nodes are to be told."""
        return {identity: self.told(identity) for identity in self._own}

    def told(self, identity: str) -> Facts:
        """What other nodes are to be told of a person; empty facts where nothing is known of them here."""
        facts = self._own.get(identity)
        return Facts() if facts is None else replace(facts, wish=self._wishes.get(identity))

    def know(self, identity: str, facts: Facts) -> bool:
        """This node knows something else of this person now: did it change, so that others are to be told?"""
        before = self._own.get(identity)
        if facts == (before or Facts()):
            return False
        if facts.worth_telling:
            self._own[identity] = facts
        else:
            self._own.pop(identity, None)
        self._look(identity)
        return True

    def wish(self, identity: str, wish: Wish) -> bool:
        """A person said whether they take calls; True when this is the latest word."""
        known = self._wishes.get(identity)
        if known is not None and (known.said_at_ms, known.available, known.reason) >= (wish.said_at_ms, wish.available, wish.reason):
            return False
        self._wishes[identity] = wish
        self._wishes.move_to_end(identity)
        while len(self._wishes) > _WISHES_REMEMBERED:
            self._wishes.popitem(last=False)
        self._look(identity)
        return True

    # ------------------------------------------------------------------ what other nodes say

    @property
    def nodes(self) -> tuple[str, ...]:
        """Other nodes whose lease holds."""
        return tuple(self._leases)

    def hear(self, node: str, token: int, number: int, now: float) -> bool:
        """A node lives and has said ``number`` words so far. False where some of them are missing here: ask it for everything."""
        lease = self._renew(node, token, now)
        return lease is None or (lease.heard is not None and lease.heard >= number)

    def change(self, node: str, token: int, number: int, people: Mapping[str, Facts], now: float) -> bool:
        """Word ``number`` of a node: what is otherwise now; empty facts where it knows nothing of a person any more. False as above."""
        lease = self._renew(node, token, now)
        if lease is None or (lease.heard is not None and number <= lease.heard):
            return True
        if lease.heard is None or number != lease.heard + 1:
            return False
        lease.heard = number
        for identity, facts in people.items():
            self._put(lease, identity, facts)
        return True

    def complete(self, node: str, token: int, number: int, people: Mapping[str, Facts], now: float) -> None:
        """Everything that a node knows, after its word ``number``."""
        lease = self._renew(node, token, now)
        if lease is None or (lease.heard is not None and number < lease.heard):
            return
        lease.heard = number
        for identity in [identity for identity in lease.people if identity not in people]:
            self._put(lease, identity, Facts())
        for identity, facts in people.items():
            self._put(lease, identity, facts)

    def leave(self, node: str, token: int) -> None:
        """A node says goodbye."""
        lease = self._leases.get(node)
        if lease is not None and lease.token <= token:
            self._end(node)

    def expire(self, now: float) -> list[str]:
        """End the leases that have run out by ``now``; whose they were."""
        dead = [node for node, lease in self._leases.items() if lease.until_s <= now]
        for node in dead:
            self._end(node)
        return dead

    def next_expiry(self) -> float | None:
        return min((lease.until_s for lease in self._leases.values()), default=None)

    def _renew(self, node: str, token: int, now: float) -> _Lease | None:
        """The lease of this life of a node, begun where it is a new one; None where the word is of an earlier life, or our own."""
        if node == self._node or token < self._tokens.get(node, token):
            return None
        lease = self._leases.get(node)
        if lease is None or lease.token < token:
            if lease is not None:
                self._end(node)
            lease = self._leases[node] = _Lease(token, now)
            self._tokens[node] = token
            self._tokens.move_to_end(node)
            while len(self._tokens) > _TOKENS_REMEMBERED:
                self._tokens.popitem(last=False)
        lease.until_s = now + self._lease_s
        return lease

    def _end(self, node: str) -> None:
        for identity in self._leases.pop(node).people:
            self._look(identity)

    def _put(self, lease: _Lease, identity: str, facts: Facts) -> None:
        if facts.worth_telling:
            lease.people[identity] = facts
        else:
            lease.people.pop(identity, None)
        if facts.wish is not None:
            self.wish(identity, facts.wish)
        self._look(identity)

    # ------------------------------------------------------------------ the picture

    def person(self, identity: str) -> Person:
        return self._people.get(identity) or self._seen(identity)

    def everybody(self) -> list[Person]:
        """Who is not offline everywhere, or has a call."""
        return [someone for someone in self._people.values() if someone.presence is not Presence.OFFLINE or someone.elsewhere]

    def facts_of(self, node: str, identity: str) -> Facts:
        """What another node knows of a person."""
        lease = self._leases.get(node)
        return Facts() if lease is None else lease.people.get(identity, Facts())

    def nodes_engaging(self, identity: str) -> list[str]:
        """Other nodes that have calls of this person."""
        return [node for node, lease in self._leases.items() if (facts := lease.people.get(identity)) is not None and facts.engaged]

    def news(self) -> list[Person]:
        """Everybody who looks otherwise than at the last call of this function."""
        told = [self.person(identity) for identity in self._news]
        self._news.clear()
        return told

    def tell(self, now: float) -> list[Person]:
        """What watchers are to be told at ``now``: everybody who changed, once, and nothing before ``every_s`` since the last time."""
        if not self._unsaid or now < self.next_tell(now):
            return []
        told = [person for identity, before in self._unsaid.items() if _looks(person := self.person(identity)) != _looks(before)]
        self._unsaid.clear()
        if told:
            self._told_at_s = now
        return told

    def next_tell(self, now: float) -> float:
        """When watchers may next be told something."""
        return now if self._told_at_s is None else max(now, self._told_at_s + self._every_s)

    def _look(self, identity: str) -> None:
        before = self._known(identity)
        after = self._seen(identity)
        if after == Person(identity):
            self._people.pop(identity, None)
        else:
            self._people[identity] = after
        if after != before:
            self._news[identity] = None
            self._unsaid.setdefault(identity, before)

    def _known(self, identity: str) -> Person:
        return self._people.get(identity, Person(identity))

    def _seen(self, identity: str) -> Person:
        others = [facts for lease in self._leases.values() if (facts := lease.people.get(identity)) is not None]
        own = self._own.get(identity)
        views = [own, *others] if own is not None else others
        wish = self._wishes.get(identity, Wish())
        phones, pages = sum(facts.phones for facts in views), sum(facts.pages for facts in views)
        engaged = _most({facts.engaged for facts in views})
        there = Presence.AWAY if wish.away else Presence.ONLINE
        consulting = any(facts.consulting for facts in views)
        state = agent_state(
            on_call=engaged is AgentState.ON_CALL,
            connected=phones > 0,
            ringing=engaged is AgentState.RINGING,
            wrapping_up=engaged is AgentState.WRAP_UP,
            consulting=consulting,
            willing=wish.available,
        )
        return Person(
            identity=identity,
            name=next((facts.name for facts in views if facts.name), ""),
            teams=next((facts.teams for facts in views if facts.teams), ()),
            presence=there if phones or pages else Presence.OFFLINE,
            state=state,
            reason=wish.reason if state is AgentState.BREAK else "",
            phones=phones,
            pages=pages,
            available=wish.available,
            wish_reason=wish.reason,
            elsewhere=_most({facts.engaged for facts in others}),
            there=any(facts.there for facts in views),
            consulting=consulting,
        )


def _looks(person: Person) -> Person:
    """As watchers see them."""
    return replace(person, there=False, consulting=False, wish_reason="")


def _most(engaged: set[AgentState | None]) -> AgentState | None:
    return next((state for state in (AgentState.ON_CALL, AgentState.RINGING, AgentState.WRAP_UP) if state in engaged), None)
