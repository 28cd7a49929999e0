"""Which node decides about a room that people come to. Pure; ``now`` is monotonic seconds.

Theory. A room has one order of what happens in it, so one node decides about it: the one that holds its *claim*. The claim stands in a
register that all nodes share (Redis) and holds as long as the lease of its node's life does, so a node that dies frees all its rooms in one
moment and nobody has to clear up. Each claim has a *fence*, a number that grows with every holder. The store keeps the highest with the
room and refuses what comes with a lower one: so a node that was paused, or cut off, and still believes that it holds a room can change
nothing any more (M. Kleppmann, "How to do distributed locking", 2016). Lease and register are for speed, the fence for truth.

A claim as one node knows it:

    from        GRANTED  FOUND      LOST     OVER
    UNKNOWN     HELD     ELSEWHERE  UNKNOWN  UNKNOWN     the register is to be asked
    HELD        HELD     ELSEWHERE  UNKNOWN  UNKNOWN     ours: we decide
    ELSEWHERE   HELD     ELSEWHERE  UNKNOWN  UNKNOWN     another's: what is asked goes there

GRANTED: the register gave it to us, with a fence. FOUND: it is another node's. LOST: the store refused our fence, or who was said to hold
it does not (any more). OVER: the room has ended.

What becomes of a request depends on the room's claim and on how the node itself stands:

                SURE      DOUBT     ALONE
    UNKNOWN     ASK       WAIT      REFUSE
    HELD        HERE      WAIT      HERE
    ELSEWHERE   SEND      WAIT      REFUSE

SURE: the register answers, and by our own clock our lease holds. DOUBT: it has been silent for a moment, or we were paused for longer than
our lease: nothing is decided until it is known whether we still hold what we held. ALONE: the register is gone for longer than that, as it
may be for all: rooms held here go on, guarded by the fence alone, and of others nothing is known.

A room that nobody holds is taken over by whoever asks for it. But not in the first ``grace_s`` after the register came (back): it may have
forgotten everything, and who held the room before is about to say so again.
"""

from collections import OrderedDict
from collections.abc import Iterable
from enum import StrEnum


class ClaimState(StrEnum):
    UNKNOWN = "unknown"
    HELD = "held"
    ELSEWHERE = "elsewhere"


class ClaimStep(StrEnum):
    GRANTED = "granted"
    FOUND = "found"
    LOST = "lost"
    OVER = "over"


CLAIM_TABLE: dict[ClaimStep, ClaimState] = {
    ClaimStep.GRANTED: ClaimState.HELD,
    ClaimStep.FOUND: ClaimState.ELSEWHERE,
    ClaimStep.LOST: ClaimState.UNKNOWN,
    ClaimStep.OVER: ClaimState.UNKNOWN,
}
"""From every state alike: what the register or the store says counts, whatever was believed before."""


class Footing(StrEnum):
    """How this node stands to the register."""

    SURE = "sure"
    DOUBT = "doubt"
    ALONE = "alone"


class Way(StrEnum):
    """What becomes of a request about a room."""

    HERE = "here"
    SEND = "send"
    ASK = "ask"
    WAIT = "wait"
    REFUSE = "refuse"


WAYS: dict[tuple[ClaimState, Footing], Way] = {
    (ClaimState.UNKNOWN, Footing.SURE): Way.ASK,
    (ClaimState.UNKNOWN, Footing.DOUBT): Way.WAIT,
    (ClaimState.UNKNOWN, Footing.ALONE): Way.REFUSE,
    (ClaimState.HELD, Footing.SURE): Way.HERE,
    (ClaimState.HELD, Footing.DOUBT): Way.WAIT,
    (ClaimState.HELD, Footing.ALONE): Way.HERE,
    (ClaimState.ELSEWHERE, Footing.SURE): Way.SEND,
    (ClaimState.ELSEWHERE, Footing.DOUBT): Way.WAIT,
    (ClaimState.ELSEWHERE, Footing.ALONE): Way.REFUSE,
}


class Ownership:
    """What one node knows of claims. ``remembered``: of whom at most it is remembered that others hold them."""

    def __init__(self, *, grace_s: float, remembered: int = 10_000) -> None:
        self._grace_s, self._remembered = grace_s, remembered
        self._held: dict[str, int] = {}
        self._elsewhere: OrderedDict[str, str] = OrderedDict()
        self._footing = Footing.DOUBT
        self._sure_since_s = 0.0

    # ------------------------------------------------------------------ how this node stands

    @property
    def footing(self) -> Footing:
        return self._footing

    def stand(self, footing: Footing, now: float) -> None:
        """The register came or went. What others hold may have changed hands meanwhile."""
        if footing is Footing.SURE and self._footing is not Footing.SURE:
            self._sure_since_s = now
            self._elsewhere.clear()
        self._footing = footing

    def grace_left_s(self, now: float) -> float:
        """So long nothing is to be taken over that others may have held."""
        return max(0.0, self._sure_since_s + self._grace_s - now)

    # ------------------------------------------------------------------ claims

    def state(self, room_id: str) -> ClaimState:
        if room_id in self._held:
            return ClaimState.HELD
        return ClaimState.ELSEWHERE if room_id in self._elsewhere else ClaimState.UNKNOWN

    def way(self, room_id: str) -> Way:
        return WAYS[self.state(room_id), self._footing]

    @property
    def held(self) -> tuple[str, ...]:
        return tuple(self._held)

    def fence(self, room_id: str) -> int:
        """With which the store takes what we write; 0: we do not hold it."""
        return self._held.get(room_id, 0)

    def node_of(self, room_id: str) -> str:
        """Who else holds it."""
        return self._elsewhere[room_id]

    def granted(self, room_id: str, fence: int) -> None:
        self._take(room_id, ClaimStep.GRANTED)
        self._held[room_id] = fence

    def found(self, room_id: str, node: str) -> bool:
        """Another node holds it. True where we believed that we did."""
        was_held = self._take(room_id, ClaimStep.FOUND) is ClaimState.HELD
        self._elsewhere[room_id] = node
        while len(self._elsewhere) > self._remembered:
            self._elsewhere.popitem(last=False)
        return was_held

    def lost(self, room_id: str) -> bool:
        """Whoever was believed to hold it does not. True where that was us."""
        return self._take(room_id, ClaimStep.LOST) is ClaimState.HELD

    def over(self, room_id: str) -> None:
        self._take(room_id, ClaimStep.OVER)

    def gone(self, node: str) -> list[str]:
        """A node is not there any more: which of its rooms were known here."""
        rooms = [room_id for room_id, holder in self._elsewhere.items() if holder == node]
        for room_id in rooms:
            self.lost(room_id)
        return rooms

    def strays(self, standing: Iterable[str]) -> list[str]:
        """Of the rooms that stand in the store, those that are not held here."""
        return [room_id for room_id in standing if room_id not in self._held]

    def _take(self, room_id: str, step: ClaimStep) -> ClaimState:
        """The state before. Where the table says another one, what belonged to the old one is forgotten."""
        before = self.state(room_id)
        if CLAIM_TABLE[step] is not before:
            self._held.pop(room_id, None)
            self._elsewhere.pop(room_id, None)
        return before
