"""One call's work, done in order by one task of its own: what fails here ends this call and no other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
Job = Callable[[], Awaitable[None]]


class LineFull(Exception):
    """The call has more work waiting than a healthy call ever has; the newest job was refused."""


class CallLine:
    """A bounded queue of jobs and the task that does them.

    ``on_failure(job name, error)`` is called for a job that raised; the next job runs all the same, because the hang-up of a broken call
    is one of them. Used as ``async with``; leaving waits for what is queued, at most ``drain_s`` seconds.
    """

    def __init__(
        self, call_id: str, on_failure: Callable[[str, str, Exception], None], *, capacity: int = 256, drain_s: float = 2.0
    ) -> None:
        self.call_id = call_id
        self._on_failure = on_failure
        self._jobs: asyncio.Queue[tuple[str, Job] | None] = asyncio.Queue(maxsize=capacity)
        self._drain_s = drain_s
        self._task = asyncio.create_task(self._work(), name=f"call-{call_id}")

    def put(self, name: str, job: Job) -> None:
        """Queue a job. Raises ``LineFull``."""
        try:
            self._jobs.put_nowait((name, job))
        except asyncio.QueueFull:
            raise LineFull(f"call {self.call_id} has {self._jobs.qsize()} jobs waiting") from None

    async def ask(self, name: str, job: Callable[[], Awaitable[T]]) -> T:
        """Do a job in its turn and return its result; its error is the caller's, not the call's."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def answer() -> None:
            try:
                result = await job()
            except Exception as error:  # noqa: BLE001 - handed to whoever asked
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        self.put(name, answer)
        return await done

    async def close(self) -> None:
        """Finish what is queued, then end the task."""
        if self._task.done():
            return
        try:
            await asyncio.wait_for(self._jobs.put(None), self._drain_s)
            await asyncio.wait_for(self._task, self._drain_s)
        except TimeoutError:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        while (item := await self._jobs.get()) is not None:
            name, job = item
            try:
                await job()
            except Exception as error:  # noqa: BLE001 - one call's failure is told to call control, whatever it was
                self._on_failure(self.call_id, name, error)
