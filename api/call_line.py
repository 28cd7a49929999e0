"""One call's work, done in order by one task of its own: what fails here ends this call and no other."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
Job = Callable[[], Awaitable[None]]


class LineFull(Exception):
    """The call has more work waiting than a healthy call ever has; the newest job was refused."""


class CallLine:
    """A bounded queue of jobs and the task that does them.

    ``on_failure(job name, error)`` is called for a job that raised, or took longer than ``job_s`` seconds; the next job runs all the same,
    because the hang-up of a broken call is one of them. ``close`` waits for what is queued, at most ``drain_s`` seconds.
    """

    def __init__(
        self,
        call_id: str,
        on_failure: Callable[[str, str, Exception], None],
        *,
        capacity: int = 256,
        job_s: float = 3.0,
        drain_s: float = 2.0,
    ) -> None:
        self.call_id = call_id
        self._on_failure = on_failure
        self._jobs: asyncio.Queue[tuple[str, Job] | None] = asyncio.Queue()
        self._capacity = capacity
        self._job_s = job_s
        self._drain_s = drain_s
        self._task = asyncio.create_task(self._work(), name=f"call-{call_id}")

    def put(self, name: str, job: Job, *, last: bool = False) -> None:
        """Queue a job. Raises ``LineFull``, but never for the ``last`` words of a call, of which there are few."""

        async def in_time() -> None:
            async with asyncio.timeout(self._job_s):
                await job()

        self._queue(name, in_time, last)

    async def ask(self, name: str, job: Callable[[], Awaitable[T]]) -> T:
        """Do a job in its turn and return its result; its error is the caller's, not the call's. Raises ``LineFull``, ``TimeoutError``."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def answer() -> None:
            try:
                async with asyncio.timeout(self._job_s):
                    result = await job()
            except Exception as error:  # noqa: BLE001 - handed to whoever asked
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)
            finally:
                done.cancel()  # where the line itself was cut; else it does nothing

        self._queue(name, answer, False)
        return await done

    def _queue(self, name: str, job: Job, last: bool) -> None:
        if not last and self._jobs.qsize() >= self._capacity:
            raise LineFull(f"call {self.call_id} has {self._jobs.qsize()} jobs waiting")
        self._jobs.put_nowait((name, job))

    async def close(self) -> None:
        """Finish what is queued, then end the task."""
        self._jobs.put_nowait(None)
        with suppress(TimeoutError):  # then it was cancelled, and has ended
            await asyncio.wait_for(self._task, self._drain_s)

    async def _work(self) -> None:
        while (item := await self._jobs.get()) is not None:
            name, job = item
            try:
                await job()
            except Exception as error:  # noqa: BLE001 - one call's failure is told to call control, whatever it was
                self._on_failure(self.call_id, name, error)
