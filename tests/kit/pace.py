"""The pace of who speaks or films, frame by frame."""

import asyncio
import time


class Pace:
    """From the first ``turn`` on, which comes at once. Who comes later than ``stopped_s`` was stopped, and goes on from there: no far end
    makes up for it with a burst."""

    def __init__(self, frame_s: float = 0.02, *, stopped_s: float = 0.1) -> None:
        self._frame_s, self._stopped_s = frame_s, stopped_s
        self._next_s: float | None = None

    async def turn(self) -> None:
        """Returns when the next frame is due."""
        now_s = time.monotonic()
        if self._next_s is None or now_s - self._next_s > self._stopped_s:
            self._next_s = now_s
        await asyncio.sleep(max(0.0, self._next_s - now_s))
        self._next_s += self._frame_s
