"""Letting a backend alone that fails: a circuit breaker. Pure: ``now`` is monotonic seconds.

::

    CLOSED     --``failures`` in a row, or more than ``share`` of the last ``of`` asked within ``within_s``-->  OPEN
    OPEN       --``open_s`` later-->  PROBING
    PROBING    --``probes`` successes-->  CLOSED        --one failure-->  OPEN

Every change begins a new generation, and what was asked in an earlier one no longer counts: the late failures of a hundred requests that
were under way do not open it again, and a late success says nothing of how it is now. (M. Nygard, Release It!, 2nd ed., 5.2.)
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    failures: int = 5
    share: float = 0.5
    of: int = 20
    within_s: float = 30.0
    open_s: float = 60.0
    probes: int = 2


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Breaker:
    """One backend's. Each ``enter`` is followed by one ``leave``."""

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._state = BreakerState.CLOSED
        self._opened_at = 0.0
        self._in_a_row = 0
        self._recent: deque[tuple[float, bool]] = deque(maxlen=limits.of)
        self._probing = 0
        self._proved = 0
        self._generation = 0
        self.opened = 0
        """How often it opened."""

    def state(self, now: float) -> BreakerState:
        if self._state is BreakerState.OPEN and now >= self._opened_at + self._limits.open_s:
            return BreakerState.PROBING
        return self._state

    def wait_s(self, now: float) -> float:
        """Until it may be asked: 0.0 now. While it is probed, others wait for how the probes end, which nobody knows: a second."""
        match self.state(now):
            case BreakerState.OPEN:
                return self._opened_at + self._limits.open_s - now
            case BreakerState.PROBING if self._state is BreakerState.PROBING:
                return 0.0 if self._probing + self._proved < self._limits.probes else 1.0
            case _:
                return 0.0

    def enter(self, now: float) -> int:
        """It is asked now, ``wait_s`` being 0. Gives the generation, for ``leave``."""
        if self._state is BreakerState.OPEN:
            self._turn(BreakerState.PROBING)
        if self._state is BreakerState.PROBING:
            self._probing += 1
        return self._generation

    def leave(self, generation: int, good: bool | None, now: float) -> None:
        """How it ended. None: nobody can tell, for example because who asked went away."""
        if generation != self._generation:
            return
        if self._state is BreakerState.PROBING:
            self._probing -= 1
            self._prove(good, now)
        elif good is not None:
            self._count(good, now)

    def _prove(self, good: bool | None, now: float) -> None:
        if good is False:
            self._open(now)
        elif good:
            self._proved += 1
            if self._proved >= self._limits.probes:
                self._turn(BreakerState.CLOSED)

    def _count(self, good: bool, now: float) -> None:
        self._in_a_row = 0 if good else self._in_a_row + 1
        self._recent.append((now, good))
        lately = [was_good for at, was_good in self._recent if now - at <= self._limits.within_s]
        many = len(lately) >= self._limits.of and lately.count(False) > self._limits.share * len(lately)
        if self._in_a_row >= self._limits.failures or many:
            self._open(now)

    def _open(self, now: float) -> None:
        self._turn(BreakerState.OPEN)
        self._opened_at = now
        self.opened += 1

    def _turn(self, state: BreakerState) -> None:
        self._state = state
        self._generation += 1
        self._in_a_row = self._probing = self._proved = 0
        self._recent.clear()
