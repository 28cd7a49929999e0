"""So many times an hour, for each of many; the times themselves are kept, for they are few."""

from collections import OrderedDict, deque
from collections.abc import Callable

from api.rest_limits import Quota, Rates, SharedQuotas

_HOUR_S = 3_600.0
_REMEMBERED = 10_000


class Allowance:
    """``most`` (1 at least) an hour for each name; the last 10,000 are remembered. ``now``: seconds on a clock that goes forward."""

    def __init__(self, most: int, now: Callable[[], float]) -> None:
        self._most = most
        self._now = now
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, name: str) -> float:
        """For how long there is none left; 0.0 where there is one."""
        taken, now = self._taken.get(name), self._now()
        while taken and taken[0] <= now - _HOUR_S:
            taken.popleft()
        return taken[0] + _HOUR_S - now if taken and len(taken) >= self._most else 0.0

    def take(self, name: str) -> None:
        """One of it is used."""
        self._taken.setdefault(name, deque(maxlen=self._most)).append(self._now())
        self._taken.move_to_end(name)
        while len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)


class SharedAllowance:
    """An ``Allowance`` over all nodes, where ``shared`` counts them. This node's own count holds besides, and alone while nobody counts
    there.

    ``kind``: of what, in the names of what is counted.
    """

    def __init__(self, kind: str, most: int, now: Callable[[], float], shared: SharedQuotas | None) -> None:
        self._kind = kind
        self._rates = Rates(most)
        self._own = Allowance(most, now)
        self._shared = shared

    async def take(self, name: str) -> float:
        """Use one of it: 0.0; where there is none left, the seconds until there is."""
        wait_s = self._own.wait_s(name)
        if wait_s:
            return wait_s
        self._own.take(name)  # before anything is awaited: who asks twice at once is counted twice
        counted = await self._shared.take([Quota(self._kind, name, self._rates, "")]) if self._shared is not None else None
        return counted[0].wait_s if counted else 0.0
