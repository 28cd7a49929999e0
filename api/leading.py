"""What one node is enough for: each such work has a lease in the shared database, and whoever has it does the work.

A lease is renewed by asking for it again. A node that stops gives its own back; one that dies, or loses the database, has them until their
time is over, and then whoever asks first has them. That time is the database's, so that nodes whose clocks differ agree on it. Who has one
and asks again soon is answered without the database: by its own clock, which began before the database's, it has it for longer than that.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Protocol, Self

import structlog

from api.store.errors import StoreUnavailable

log = structlog.get_logger()

Leads = Callable[[], Awaitable[bool]]
"""Is it for this node to do it now? To be asked before each portion of work. Raises ``StoreUnavailable``."""
LASTS_S = 90.0
_LOOK_S = 30.0


class Leases(Protocol):
    """Satisfied by ``api.store.leases.LeaseStore``, and by memory where a test has no database."""

    async def take(self, name: str, holder: str, lasts_s: float) -> bool: ...

    async def give_back(self, holder: str) -> None: ...


async def alone() -> bool:
    """Where there is no other node."""
    return True


class Leading:
    """``async with``: leaving gives back what this node has. ``clock``: monotonic seconds. Two runs of one node are two holders."""

    def __init__(self, leases: Leases, node: str, *, lasts_s: float = LASTS_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._leases = leases
        self._holder = f"{node[:48]} {token_hex(4)}"
        self._lasts_s = lasts_s
        self._clock = clock
        self._until: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            if self._until:
                await self._leases.give_back(self._holder)
        except StoreUnavailable as fault:
            log.warning("leading.not_given_back", fault=str(fault), hint=f"others take over in {self._lasts_s:g} s")

    def of(self, name: str) -> Leads:
        async def leads() -> bool:
            return await self._has(name)

        return leads

    async def _has(self, name: str) -> bool:
        asked_at = self._clock()
        if asked_at < self._until.get(name, asked_at) - self._lasts_s / 2:
            return True
        if await self._leases.take(name, self._holder, self._lasts_s):
            self._until[name] = asked_at + self._lasts_s
            return True
        self._until.pop(name, None)
        return False


class Rounds:
    """``async with``: does ``work`` every ``every_s``, first after ``first_after_s``, where this node ``leads``. Who takes over from a node
    that is gone does at once what is due. ``on_fault`` hears that the database kept it from a round. ``clock`` and ``sleep``: seconds.

    ``counts``: rounds that the database prevented (``neglected``), and those that failed for a fault of ours (``failed``), of which the log
    tells. After either the next one comes as if nothing had been.
    """

    def __init__(
        self,
        name: str,
        leads: Leads,
        work: Callable[[], Awaitable[object]],
        on_fault: Callable[[StoreUnavailable], None],
        *,
        every_s: float,
        first_after_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name, self._leads, self._work, self._on_fault = name, leads, work, on_fault
        self._every_s, self._first_after_s = every_s, first_after_s
        self._clock, self._sleep = clock, sleep
        self.counts: Counter[str] = Counter(neglected=0, failed=0)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._go_round(), name=self._name)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _go_round(self) -> None:
        """Asks more often than it works, so that the lease stays with who has it."""
        due_at = self._clock() + self._first_after_s
        while True:
            try:
                if await self._leads() and self._clock() >= due_at:
                    due_at = self._clock() + self._every_s
                    await self._work()
            except StoreUnavailable as fault:
                self.counts["neglected"] += 1
                self._on_fault(fault)
            except Exception as error:
                self.counts["failed"] += 1
                log.error("round.failed", round=self._name, error=type(error).__name__, hint="the next one comes", exc_info=error)
            left_s = due_at - self._clock()
            await self._sleep(min(left_s if left_s > 0 else self._every_s, _LOOK_S))
