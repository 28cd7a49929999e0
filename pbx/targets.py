"""The addresses of one PBX, best first, and which of them failed a moment ago (RFC 3263, section 4.3)."""

from collections.abc import Iterable

from pbx.timers import Timers
from pbx.transactions import Hop

REST_S = 30.0
LONGEST_REST_S = 300.0
MAX_TARGETS = 8


class Targets:
    """An address that failed rests: 30 s, twice as long each time after that, up to 5 minutes. Only when all rest is one of them tried."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._hops: tuple[Hop, ...] = ()
        self._resting: dict[Hop, tuple[int, float]] = {}

    def locate(self, hops: Iterable[Hop]) -> None:
        """These are the addresses from now on. What is known of those that stay is kept."""
        self._hops = tuple(dict.fromkeys(hops))[:MAX_TARGETS]
        self._resting = {hop: rest for hop, rest in self._resting.items() if hop in self._hops}

    def __contains__(self, hop: Hop) -> bool:
        return hop in self._hops

    def rests(self, hop: Hop) -> bool:
        """Did it fail a moment ago?"""
        return self._resting.get(hop, (0, 0.0))[1] > self._timers.now

    @property
    def best(self) -> Hop | None:
        """Where a request goes first; None: the PBX was not located yet."""
        if not self._resting:
            return self._hops[0] if self._hops else None
        return next(iter(self._in_order()), None)

    def others(self, hop: Hop) -> list[Hop]:
        """Where it goes after that, if this hop fails."""
        return [other for other in self._in_order() if other != hop] if hop in self._hops else []

    def tell(self, hop: Hop, *, well: bool, at_least_s: float = 0.0) -> None:
        """A hop answered, or it did not, or asks to be left alone for so long (Retry-After)."""
        if well:
            self._resting.pop(hop, None)
        elif hop in self._hops:
            failures = self._resting.get(hop, (0, 0.0))[0]
            rest_s = max(at_least_s, min(REST_S * 2**failures, LONGEST_REST_S))
            self._resting[hop] = min(failures + 1, 10), self._timers.now + rest_s

    def _in_order(self) -> list[Hop]:
        def until(hop: Hop) -> float:
            rested = self._resting.get(hop, (0, 0.0))[1]
            return rested if rested > self._timers.now else 0.0

        return sorted(self._hops, key=until)
