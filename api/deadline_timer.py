"""Wakes a pure core when its next deadline comes: the one timer behind all deadlines of call control, rooms and typing."""

import asyncio
from collections.abc import Callable


class DeadlineTimer:
    """``next_deadline`` and ``now`` in seconds on the core's own clock; ``expire`` performs what is due.

    Whoever gives the core an event arms the timer afterwards, whatever came of it; what is due arms it by itself.
    """

    def __init__(self, next_deadline: Callable[[], float | None], now: Callable[[], float], expire: Callable[[], None]) -> None:
        self._next_deadline = next_deadline
        self._now = now
        self._expire = expire
        self._handle: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._closed = False

    def arm(self) -> None:
        """For the next deadline as it is now; for none when there is none, or after ``close``."""
        deadline = self._next_deadline()
        if self._handle is not None and deadline is not None and self._rings_at <= deadline:
            return  # most deadlines are moved away long before they come: rung too early, it is armed again
        self._cancel()
        if deadline is not None and not self._closed:
            self._rings_at = deadline
            self._handle = asyncio.get_running_loop().call_later(max(0.0, deadline - self._now()), self._ring)

    def close(self) -> None:
        """It rings no more."""
        self._closed = True
        self._cancel()

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        try:
            self._expire()
        finally:
            self.arm()
