"""The pace of who speaks in frames of 20 ms."""

import asyncio
import time

_FRAME_S = 0.02
_STOPPED_S = 0.1
"""Who comes later than this to speak was stopped, and speaks on from there: no far end makes up for it with a burst."""


class Pace:
    """From the first ``turn`` on, which comes at once."""

    def __init__(self) -> None:
        self._next_s: float | None = None

    async def turn(self) -> None:
        """Returns when the next frame is due."""
        now_s = time.monotonic()
        if self._next_s is None or now_s - self._next_s > _STOPPED_S:
            self._next_s = now_s
        await asyncio.sleep(max(0.0, self._next_s - now_s))
        self._next_s += _FRAME_S
