"""Deadlines by name, soonest first; the clock is an argument."""

import heapq
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=tuple[str, ...])


class DeadlineKind(StrEnum):
    """What runs out."""

    NO_ANSWER = "no_answer"
    RING = "ring"
    AGENT_MEDIA = "agent_media"
    PATIENCE = "patience"
    RELOAD = "reload"
    RING_RELOAD = "ring_reload"
    RECORDING = "recording"
    RING_STEP = "ring_step"
    MOVE = "move"
    NOTICE = "notice"
    FLOW = "flow"
    QUEUE = "queue"
    """The caller has waited as long as one may."""
    OFFER = "offer"
    ANNOUNCE = "announce"
    WRAP_UP = "wrap_up"
    WRAP_UP_KEPT = "wrap_up_kept"
    """These are of no call: an agent's, that of the queues, that of somebody to be called back."""
    DECIDE = "decide"
    CALL_BACK = "call_back"


class Key(NamedTuple):
    """``party`` is the agent where a call has one such deadline per agent, else empty."""

    call_id: str
    kind: DeadlineKind
    party: str = ""


class Deadlines(Generic[K]):
    """A set of named times. Setting a name again moves it, clearing one that is not set does nothing.

    The heap may hold entries that were moved or cleared; they are skipped, and swept when they outnumber the living ones.
    """

    def __init__(self) -> None:
        self._at: dict[K, float] = {}
        self._heap: list[tuple[float, K]] = []

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, key: K) -> bool:
        return key in self._at

    def set(self, key: K, at_s: float) -> None:
        self._at[key] = at_s
        heapq.heappush(self._heap, (at_s, key))
        if len(self._heap) > 2 * len(self._at) + 64:
            self._heap = [(at, name) for name, at in self._at.items()]
            heapq.heapify(self._heap)

    def clear(self, key: K) -> None:
        self._at.pop(key, None)

    def next(self) -> float | None:
        """The soonest deadline, or None."""
        heap = self._heap
        while heap and self._at.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> K | None:
        """Take out the soonest deadline that has come (at or before ``now``); None when there is none."""
        at = self.next()
        if at is None or at > now:
            return None
        key = heapq.heappop(self._heap)[1]
        del self._at[key]
        return key


class CallDeadlines(Deadlines[Key]):
    """Those of calls."""

    def clear_call(self, call_id: str, parties: tuple[str, ...]) -> None:
        """Clear every deadline of a call; ``parties`` are the agents that may have some of their own."""
        for kind in DeadlineKind:
            self.clear(Key(call_id, kind))
            for party in parties:
                self.clear(Key(call_id, kind, party))

    def clear_own(self) -> None:
        """Clear those that are of no call."""
        for key in [key for key in self._at if not key.call_id]:
            self.clear(key)
