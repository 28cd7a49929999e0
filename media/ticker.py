"""The clock of a media worker: one call every 20 ms for all rooms that need one, without drift; its lateness, and how full it is."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from media.settings import TICK_S

_KEPT_TICKS = 3_000
_CATCH_UP_TICKS = 5
_LATELY_TICKS, _FEW_TICKS = 100, 25


class Ticker:
    """Calls ``tick(tick_s, now_s)`` with the scheduled and the true monotonic time. Used as ``async with``.

    After a stall up to 5 missed ticks are made up for at once, so that streams stay in step; of a longer one whole ticks are skipped
    and counted.
    """

    def __init__(self, tick: Callable[[float, float], None]) -> None:
        self.ticks = 0
        self.skipped = 0
        self._tick = tick
        self._late_s: deque[float] = deque(maxlen=_KEPT_TICKS)
        self._worked_s: deque[float] = deque(maxlen=_LATELY_TICKS)
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0

    async def __aenter__(self) -> "Ticker":
        self._loop = asyncio.get_running_loop()
        self._due_s = time.monotonic() + TICK_S
        self._timer = self._loop.call_later(TICK_S, self._fire)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def late_ms(self, quantile: float) -> float:
        """Lateness that this fraction (0-1) of the last minute's ticks did not exceed; 0 before the first."""
        if not self._late_s:
            return 0.0
        ordered = sorted(self._late_s)
        return 1000.0 * ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    @property
    def share(self) -> float:
        """The fraction of a tick's time that the processor worked at it, in all but one of twenty of the last two seconds' ticks; 0 in the
        first half second. Above 1 the ticks are late for good. What other programs of the machine take is not counted: refusing calls would
        not give it back."""
        if len(self._worked_s) < _FEW_TICKS:
            return 0.0
        ordered = sorted(self._worked_s)
        return ordered[int(0.95 * len(ordered))] / TICK_S

    def _fire(self) -> None:
        now_s = time.monotonic()
        behind = int((now_s - self._due_s) / TICK_S)
        if behind > _CATCH_UP_TICKS:
            self.skipped += behind
            self._due_s += behind * TICK_S
        due_s = self._due_s
        self._late_s.append(max(0.0, now_s - due_s))
        self.ticks += 1
        self._due_s = due_s + TICK_S
        self._timer = self._loop.call_later(self._due_s - now_s, self._fire)
        begun_s = time.thread_time()
        self._tick(due_s, now_s)
        self._worked_s.append(time.thread_time() - begun_s)
