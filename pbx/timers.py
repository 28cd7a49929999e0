"""Deadlines of a sans-IO core: whoever owns the core tells the time, the core says when it wants to be woken next."""

import heapq
from collections.abc import Callable
from itertools import count


class Timer:
    """One deadline. ``cancel`` is safe at any time, also after it fired."""

    __slots__ = ("due", "step")

    def __init__(self, due: float, step: Callable[[], None]) -> None:
        self.due = due
        self.step: Callable[[], None] | None = step

    def cancel(self) -> None:
        self.step = None


class Timers:
    """``now`` is monotonic seconds, as last told by ``advance`` or ``expire``."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()

    def start(self, delay_s: float, step: Callable[[], None]) -> Timer:
        timer = Timer(self.now + delay_s, step)
        heapq.heappush(self._heap, (timer.due, next(self._order), timer))
        return timer

    def advance(self, now: float) -> None:
        """It is ``now``; nothing fires yet. Time never runs backwards."""
        self.now = max(self.now, now)

    def expire(self, now: float) -> None:
        """Fire everything due, in the order of the deadlines."""
        self.advance(now)
        while (due := self.next_deadline()) is not None and due <= self.now:
            _, _, timer = heapq.heappop(self._heap)
            step, timer.step = timer.step, None
            if step is not None:
                step()

    def next_deadline(self) -> float | None:
        """When the earliest live timer is due; None without any."""
        while self._heap and self._heap[0][2].step is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
