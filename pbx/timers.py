"""Deadlines of a sans-IO core: whoever owns the core tells the time, the core says when it wants to be woken next."""

import heapq
from collections.abc import Callable
from itertools import count

FEWEST_CANCELLED = 64


class Timer:
    """One deadline. ``cancel`` is safe at any time, also after it fired."""

    __slots__ = ("_timers", "due", "step")

    def __init__(self, timers: "Timers", due: float, step: Callable[[], None]) -> None:
        self._timers = timers
        self.due = due
        self.step: Callable[[], None] | None = step

    def cancel(self) -> None:
        if self.step is not None:
            self.step = None
            self._timers.one_was_cancelled()


class Timers:
    """``now`` is monotonic seconds, as last told by ``advance`` or ``expire``."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._cancelled = 0

    def start(self, delay_s: float, step: Callable[[], None]) -> Timer:
        timer = Timer(self, self.now + delay_s, step)
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

    def one_was_cancelled(self) -> None:
        """Timers that are long and hardly ever fire must not pile up: when half of all are cancelled, those go."""
        self._cancelled += 1
        if self._cancelled > max(FEWEST_CANCELLED, len(self._heap) // 2):
            self._heap = [entry for entry in self._heap if entry[2].step is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_deadline(self) -> float | None:
        """When the earliest live timer is due; None without any."""
        while self._heap and self._heap[0][2].step is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0][0] if self._heap else None
