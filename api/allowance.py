"""So many times an hour, for each of many; the times themselves are kept, for they are few."""

from collections import OrderedDict, deque
from collections.abc import Callable

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
