"""When an address that does not take connections may be tried again, so that it never has reason to block us."""

from random import Random

SHORTEST_S = 1.0
LONGEST_S = 30.0
STEADY_S = 30.0
"""A connection that lasted as long was none of a row of failures."""

MAX_ADDRESSES = 256
Address = tuple[str, int]


class Backoff:
    """1, 2, 4, ... 30 s between attempts, with jitter, never less than a second, whatever becomes of each. Times are monotonic seconds."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._rows: dict[Address, tuple[int, float]] = {}

    def wait_s(self, address: Address, now: float) -> float:
        """How long to wait before the next attempt; 0: none is too soon."""
        _, earliest = self._rows.get(address, (0, now))
        return max(0.0, earliest - now)

    def tried(self, address: Address, now: float) -> None:
        """An attempt begins: whatever becomes of it, the next one has its place."""
        failures, _ = self._rows.pop(address, (0, 0.0))
        if len(self._rows) >= MAX_ADDRESSES:
            del self._rows[next(iter(self._rows))]
        doubled = min(SHORTEST_S * 2**failures, LONGEST_S)
        self._rows[address] = min(failures + 1, 10), now + max(SHORTEST_S, doubled * self._random.uniform(0.8, 1.2))

    def ended(self, address: Address, lasted_s: float) -> None:
        """A connection that had been made is over."""
        if lasted_s >= STEADY_S:
            self._rows.pop(address, None)
