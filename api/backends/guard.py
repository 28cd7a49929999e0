"""What stands between us and one backend: how long it may take, how many may ask it at once and how often, and when it is let alone.

A read that failed on the way is tried once more, where time is left. A write never is, not here: the outbox does that, by its key.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Generic, TypeVar

import msgspec
import structlog
from msgspec import Struct

from api.backends.breaker import Breaker, BreakerLimits
from api.backends.protocols import Backend, BackendFault
from api.store.errors import StoreUnavailable
from signaling.limits import TokenBucket

log = structlog.get_logger()
B = TypeVar("B", bound=Backend, covariant=True)
T = TypeVar("T")
_HARMLESS = frozenset({"refused", "rate_limited"})
"""It answered, so it is there: these say nothing against asking it again."""
_KEPT_TIMES = 200


@dataclass(frozen=True, slots=True)
class BackendLimits:
    """``soft_s``: from then on it is shown as slow. ``hard_s``: a read is given up, with all of its tries; ``write_s``: a write.

    ``at_once`` may ask it, ``most_waiting`` wait for that. ``per_s`` requests on and on, ``burst`` at once.
    """

    soft_s: float = 0.8
    hard_s: float = 3.0
    write_s: float = 10.0
    at_once: int = 8
    most_waiting: int = 200
    per_s: float = 20.0
    burst: int = 40
    tries: int = 2
    pause_s: float = 0.1
    breaker: BreakerLimits = field(default_factory=BreakerLimits)


class GuardState(Struct, frozen=True):
    """How it stands with a backend, for an administrator. ``breaker``: ``closed`` (it is asked), ``open``, ``probing``; ``wait_s``: until
    it is asked again. ``counts``: of requests, by how they ended. ``p50_ms``, ``p95_ms``: of the last 200 answers."""

    backend: str
    kind: str
    can: list[str]
    breaker: str
    wait_s: float
    asked_now: int
    waiting: int
    counts: dict[str, int]
    p50_ms: float | None
    p95_ms: float | None
    last_fault: str
    last_fault_at: float | None


class Guard(Generic[B]):
    """``on_asked`` hears of every request how it ended (``ok`` or the fault's cause) and how many seconds it took. ``clock``: monotonic."""

    def __init__(
        self,
        backend: B,
        limits: BackendLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
        *,
        on_asked: Callable[[str, str, float], None] = lambda backend, how, took_s: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.backend = backend
        self.limits = limits or BackendLimits()
        self._clock = clock
        self._random = random or SystemRandom()
        self._on_asked = on_asked
        self._now = now
        self._breaker = Breaker(self.limits.breaker)
        self._bucket = TokenBucket(self.limits.per_s, self.limits.burst, clock())
        self._rest_until = 0.0
        self._at_once = asyncio.Semaphore(self.limits.at_once)
        self._asked_now = 0
        self._waiting = 0
        self._times: deque[float] = deque(maxlen=_KEPT_TIMES)
        self._last_fault: tuple[float, str] | None = None
        self.counts: Counter[str] = Counter()

    async def read(self, ask: Callable[[B], Awaitable[T]]) -> T:
        """Ask something that changes nothing there. Raises ``BackendFault``, and nothing else."""
        until = self._clock() + self.limits.hard_s
        for tries_left in reversed(range(self.limits.tries)):
            try:
                return await self._once(ask, until)
            except BackendFault as fault:
                pause_s = fault.retry_after_s or self.limits.pause_s * self._random.uniform(0.5, 1.5)
                worth = fault.retryable and fault.cause not in ("slow", "open") and self._clock() + pause_s < until
                if not tries_left or not worth:
                    raise
                self.counts["retried"] += 1
                await asyncio.sleep(pause_s)
        raise AssertionError("a backend is asked at least once")

    async def write(self, ask: Callable[[B], Awaitable[T]]) -> T:
        """Ask for something to be done there. Raises ``BackendFault``: whether it was done nobody knows where that is retryable."""
        return await self._once(ask, self._clock() + self.limits.write_s)

    @property
    def state(self) -> GuardState:
        now, times = self._clock(), sorted(self._times)
        at, last = self._last_fault or (None, "")
        return GuardState(
            backend=self.backend.id,
            kind=self.backend.kind,
            can=sorted(self.backend.capabilities),
            breaker=self._breaker.state(now),
            wait_s=round(max(self._breaker.wait_s(now), self._rest_until - now, 0.0), 1),
            asked_now=self._asked_now,
            waiting=self._waiting,
            counts=dict(self.counts),
            p50_ms=_share(times, 0.5),
            p95_ms=_share(times, 0.95),
            last_fault=last,
            last_fault_at=at,
        )

    # ------------------------------------------------------------------ one request

    async def _once(self, ask: Callable[[B], Awaitable[T]], until: float) -> T:
        began = self._clock()
        try:
            async with self._admitted(until):
                answer = await self._answer(ask, until)
        except BackendFault as fault:
            self._note(fault, self._clock() - began)
            raise
        took_s = self._clock() - began
        self._times.append(took_s)
        self.counts["ok"] += 1
        self._on_asked(self.backend.id, "ok", took_s)
        return answer

    @asynccontextmanager
    async def _admitted(self, until: float) -> AsyncIterator[None]:
        """Wait for one's turn. Raises ``BackendFault`` where it does not come in time."""
        self._refuse()
        if self._waiting >= self.limits.most_waiting:
            raise BackendFault("slow", "Too many wait for it already.", retry_after_s=1.0)
        self._waiting += 1
        try:
            async with asyncio.timeout(max(0.0, until - self._clock())):
                await self._at_once.acquire()
        except TimeoutError:
            raise BackendFault("slow", f"It is busy with {self.limits.at_once} other requests.") from None
        finally:
            self._waiting -= 1
        try:
            self._refuse()  # much may have happened meanwhile
            yield
        finally:
            self._at_once.release()

    def _refuse(self) -> None:
        now = self._clock()
        if (wait_s := self._breaker.wait_s(now)) > 0:
            raise BackendFault("open", "It failed so often that it is let alone for a while.", retry_after_s=wait_s)
        if (wait_s := self._rest_until - now) > 0:
            raise BackendFault("rate_limited", "It asked to be let alone for a while.", retry_after_s=wait_s)

    async def _answer(self, ask: Callable[[B], Awaitable[T]], until: float) -> T:
        wait_s = self._bucket.take(self._clock())
        if wait_s:
            raise BackendFault("rate_limited", f"We ask it at most {self.limits.per_s:g} times a second.", retry_after_s=wait_s)
        generation, good = self._breaker.enter(self._clock()), None
        self._asked_now += 1
        try:
            answer = await self._in_time(ask, until)
            good = True
            return answer
        except BackendFault as fault:
            good = fault.cause in _HARMLESS
            if fault.cause == "rate_limited" and fault.retry_after_s:
                self._rest_until = max(self._rest_until, self._clock() + fault.retry_after_s)
            raise
        finally:
            self._asked_now -= 1
            self._breaker.leave(generation, good, self._clock())

    async def _in_time(self, ask: Callable[[B], Awaitable[T]], until: float) -> T:
        """Whatever goes wrong, as ``BackendFault``."""
        try:
            async with asyncio.timeout(max(0.0, until - self._clock())):
                return await ask(self.backend)
        except BackendFault:
            raise
        except TimeoutError:
            raise BackendFault("slow", "It took too long to answer.") from None
        except StoreUnavailable:
            raise BackendFault("unreachable", "The database is away.") from None
        except msgspec.MsgspecError as error:
            raise BackendFault("invalid", f"Its answer is not what it should be: {type(error).__name__}.") from None
        except OSError as error:
            raise BackendFault("unreachable", f"The connection broke: {type(error).__name__}.") from None
        except Exception as error:  # an adapter's own fault is no call's
            log.exception("backend.adapter_failed", backend=self.backend.id)
            raise BackendFault("invalid", f"Its answer could not be read: {type(error).__name__}.") from None

    def _note(self, fault: BackendFault, took_s: float) -> None:
        self.counts[fault.cause] += 1
        self._on_asked(self.backend.id, fault.cause, took_s)
        if fault.cause != "open":
            self._last_fault = self._now(), str(fault)


def _share(times: list[float], share: float) -> float | None:
    return round(times[min(len(times) - 1, int(share * len(times)))] * 1_000, 1) if times else None
