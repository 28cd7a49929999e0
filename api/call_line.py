"""One call's work, done in order: what fails here ends this call and no other."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")
JOB_S = 3.0
Job = Callable[[], Awaitable[object] | None]
"""Does its work at once, or gives what is to be awaited for it."""
_Item = tuple[Job, Callable[[Exception], None]]


class LineFull(Exception):
    """The call has more work waiting than a healthy call ever has; the newest job was refused."""


class CallLine:
    """A bounded queue of jobs, done one after the other, never from within ``put``.

    ``on_failure(call_id, job name, error)`` is called for a job that raised, or took longer than ``job_s`` seconds; the next job runs all
    the same, because the hang-up of a broken call is one of them. Most jobs need not wait, so there is a task only while one does: a task
    and a deadline of each would cost more than what they do.
    """

    def __init__(
        self,
        call_id: str,
        on_failure: Callable[[str, str, Exception], None],
        *,
        capacity: int = 256,
        job_s: float = JOB_S,
        drain_s: float = 2.0,
    ) -> None:
        self.call_id = call_id
        self._on_failure = on_failure
        self._jobs: deque[_Item] = deque()
        self._capacity = capacity
        self._job_s = job_s
        self._drain_s = drain_s
        self._loop = asyncio.get_running_loop()
        self._busy = False
        self._task: asyncio.Task[None] | None = None
        self._asked: set[asyncio.Future[Any]] = set()
        self._on_closed: Callable[[], None] | None = None
        self._cut: asyncio.TimerHandle | None = None

    def put(self, name: str, job: Job, *, last: bool = False) -> None:
        """Queue a job. Raises ``LineFull``, but never for the ``last`` words of a call, of which there are few."""
        self._queue((job, lambda error: self._on_failure(self.call_id, name, error)), last)

    async def ask(self, job: Callable[[], Awaitable[T]]) -> T:
        """Do a job in its turn and return its result; its error is the caller's, not the call's. Raises ``LineFull``, ``TimeoutError``."""
        done: asyncio.Future[T] = self._loop.create_future()

        async def answer() -> None:
            result = await job()
            if not done.done():
                done.set_result(result)

        def failed(error: Exception) -> None:
            if not done.done():
                done.set_exception(error)

        self._queue((answer, failed), False)
        self._asked.add(done)
        try:
            return await done
        finally:
            self._asked.discard(done)

    def close(self, on_closed: Callable[[], None]) -> None:
        """Do what is queued, for at most ``drain_s`` seconds; then ``on_closed`` is called."""
        self._on_closed = on_closed
        if self._busy:
            self._cut = self._loop.call_later(self._drain_s, self._give_up)
        else:
            self._rest()

    def _queue(self, item: _Item, last: bool) -> None:
        if not last and len(self._jobs) >= self._capacity:
            raise LineFull(f"call {self.call_id} has {len(self._jobs)} jobs waiting")
        self._jobs.append(item)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        """Do what is queued up to a job that has to wait."""
        while self._jobs:
            job, failed = self._jobs.popleft()
            try:
                waiting = job()
            except Exception as error:  # noqa: BLE001 - one call's failure is told to call control, whatever it was
                failed(error)
                continue
            if waiting is not None:
                self._task = self._loop.create_task(self._wait(waiting, failed), name=f"call-{self.call_id}")
                return
        self._rest()

    async def _wait(self, waiting: Awaitable[object], failed: Callable[[Exception], None]) -> None:
        try:
            async with asyncio.timeout(self._job_s):
                await waiting
        except asyncio.CancelledError:
            self._jobs.clear()
            raise
        except Exception as error:  # noqa: BLE001 - as above
            failed(error)
        finally:
            self._task = None
            self._work()

    def _rest(self) -> None:
        self._busy = False
        if self._on_closed is None:
            return
        if self._cut is not None:
            self._cut.cancel()
        for done in self._asked:  # who asked behind the last job, or was cut short
            done.cancel()
        on_closed, self._on_closed = self._on_closed, None
        on_closed()

    def _give_up(self) -> None:
        if self._task is not None:
            self._task.cancel()
