"""How long this process was stopped while something was measured: so much may two of its clocks differ, and no more."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_LOOK_S = 0.01
_STALL_S = 0.05
"""What is less is usual."""


class Stalls:
    """``seconds``: for how long, all in all, the loop did not run when it was due."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def watch(self) -> None:
        while True:
            due_s = time.monotonic() + _LOOK_S
            await asyncio.sleep(_LOOK_S)
            late_s = time.monotonic() - due_s
            self.seconds += late_s if late_s > _STALL_S else 0.0


@asynccontextmanager
async def stalls() -> AsyncIterator[Stalls]:
    """Those of the block."""
    found = Stalls()
    watching = asyncio.create_task(found.watch())
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.wait([watching])
