"""One of the pool's places: a number, a UDP port, and the worker that has it at present; when that one dies, another takes it."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import structlog

from media.messages import AnyMediaEvent, MediaRefusal
from media.settings import MediaSettings
from media.worker_process import WorkerProcess

log = structlog.get_logger()

_REMEMBERED_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


def pause_after(deaths: int) -> float:
    """Seconds to wait before the next worker starts, by how many died within the last minute."""
    return min(_FIRST_PAUSE_S * 2 ** (deaths - 3), _LONGEST_PAUSE_S) if deaths >= 3 else 0.0


class WorkerSeat:
    """``fill`` once, at last ``stop``. ``make`` gives a process that was started.

    ``on_lost(seat, why)`` is called when its worker died, and again whenever a successor could not start. ``on_taken(seat, process)`` is
    awaited before others may command a successor. A successor has its predecessor's browser port, unless that was free to choose and
    another program has taken it meanwhile.

    The successor starts at once; of workers that die within a minute of one another, the third after one second, then after two, four and
    so on up to half a minute.
    """

    def __init__(
        self,
        number: int,
        settings: MediaSettings,
        make: Callable[[], Awaitable[WorkerProcess]],
        on_event: Callable[[AnyMediaEvent], None],
        on_lost: Callable[["WorkerSeat", str], None],
        on_taken: Callable[["WorkerSeat", WorkerProcess], Awaitable[None]],
        *,
        count_every_s: float,
    ) -> None:
        self.number = number
        self.deaths = 0
        self.load = 0
        """Rooms and legs placed here, as the pool counts them."""
        self._configured = self._settings = settings
        self._make = make
        self._on_event, self._on_lost, self._on_taken = on_event, on_lost, on_taken
        self._count_every_s = count_every_s
        self._process: WorkerProcess | None = None
        self._there = asyncio.Event()
        self._died_s: deque[float] = deque(maxlen=8)
        self._former: Counter[str] = Counter()
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def process(self) -> WorkerProcess | None:
        """The worker that has the seat, None while there is none."""
        return self._process

    @property
    def recent_deaths(self) -> int:
        """In the last minute, failed starts included."""
        return len(self._died_s)

    @property
    def counters(self) -> Mapping[str, float]:
        """Of the present worker."""
        return self._process.counters if self._process is not None else {}

    @property
    def gauges(self) -> Mapping[str, float]:
        return self._process.gauges if self._process is not None else {}

    @property
    def totals(self) -> Counter[str]:
        """The present worker's counters and those of its predecessors."""
        totals = self._former.copy()
        totals.update(self.counters)
        return totals

    async def worker(self) -> WorkerProcess:
        """The worker that has the seat, waited for where it has still to take it."""
        while self._process is None:
            await self._there.wait()
        return self._process

    async def fill(self) -> None:
        """Let a worker take the seat. Raises MediaRefusal, OSError."""
        process = await self._make()
        try:
            await process.begin(self.number, self._settings, self._on_event, self._died, count_every_s=self._count_every_s)
            await self._on_taken(self, process)
        except BaseException as error:
            await process.stop()
            if isinstance(error, MediaRefusal) and error.code == "port_unavailable":
                self._settings = self._configured
            raise
        self._process = process
        self._settings = replace(self._settings, port=process.port)
        self._there.set()
        log.info("worker.up", worker=self.number, pid=process.pid, port=process.port)

    def _died(self, why: str) -> None:
        process, self._process = self._process, None
        if process is None:  # it was taking the seat: whoever lets it sees that it failed
            return
        self._there.clear()
        self._former.update(process.counters)
        log.error("worker.lost", worker=self.number, pid=process.pid, why=why)
        self._count_death(f"The media worker of this call died: {why}.")
        if self._stopping:
            return
        self._keeping = asyncio.get_running_loop().create_task(self._refill(process), name=f"refill-{self.number}")

    async def _refill(self, former: WorkerProcess) -> None:
        status = await former.ended()  # until then its port is not free
        log.info("worker.ended", worker=self.number, pid=former.pid, status=status)
        while self._process is None:
            if pause_s := pause_after(self.recent_deaths):
                log.warning("worker.pausing", worker=self.number, deaths=self.recent_deaths, pause_s=pause_s)
                await asyncio.sleep(pause_s)
            try:
                await self.fill()
            except (MediaRefusal, OSError) as error:
                log.error("worker.failed", worker=self.number, detail=str(error))
                self._count_death(str(error))

    def _count_death(self, why: str) -> None:
        now_s = time.monotonic()
        self.deaths += 1
        self._died_s.append(now_s)
        while now_s - self._died_s[0] > _REMEMBERED_S:
            self._died_s.popleft()
        self._on_lost(self, why)

    async def stop(self) -> None:
        self._stopping = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()
            self._process = None
