"""One of the pool's places: a number, a UDP port, and the worker that has it at present; when that one dies, another takes it."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

import structlog

from media.messages import AnyMediaEvent, MediaRefusal
from media.settings import MediaSettings
from media.worker_process import WorkerProcess

log = structlog.get_logger()

_REMEMBERED_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


class WorkerSeat:
    """``fill`` once, at last ``stop``. ``on_lost(seat, why)`` is called when its worker has died.

    The successor starts at once; of workers that die within a minute of one another, the third after one second, then after two, four and
    so on up to half a minute.
    """

    def __init__(
        self,
        number: int,
        settings: MediaSettings,
        command: Sequence[str],
        on_event: Callable[[AnyMediaEvent], None],
        on_lost: Callable[["WorkerSeat", str], None],
        *,
        count_every_s: float,
    ) -> None:
        self.number = number
        self.deaths = 0
        self.load = 0
        """Rooms and legs placed here, as the pool counts them."""
        self._settings = settings
        self._command = command
        self._on_event, self._on_lost = on_event, on_lost
        self._count_every_s = count_every_s
        self._process: WorkerProcess | None = None
        self._died_s: deque[float] = deque(maxlen=8)
        self._former: Counter[str] = Counter()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def process(self) -> WorkerProcess | None:
        """The worker that has the seat, None while there is none."""
        return self._process

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

    async def fill(self) -> None:
        """Let a worker take the seat. Raises MediaRefusal, OSError."""
        process = WorkerProcess(self._command, self._on_event, self._died)
        try:
            await process.start()
            await process.begin(self.number, self._settings, count_every_s=self._count_every_s)
        except BaseException:
            await process.stop()
            raise
        self._process = process
        log.info("worker.up", worker=self.number, pid=process.pid, port=process.port)

    def _died(self, why: str) -> None:
        process, self._process = self._process, None
        if process is None:  # it never got as far as having the seat
            return
        self._former.update(process.counters)
        self._keeping = asyncio.get_running_loop().create_task(self._refill(process), name=f"refill-{self.number}")
        log.error("worker.lost", worker=self.number, pid=process.pid, why=why)
        self._on_lost(self, why)

    async def _refill(self, former: WorkerProcess) -> None:
        status = await former.ended()
        log.info("worker.ended", worker=self.number, pid=former.pid, status=status)
        while self._process is None:
            pause_s = self._pause_s()
            if pause_s:
                log.warning("worker.pausing", worker=self.number, deaths=len(self._died_s), pause_s=pause_s)
                await asyncio.sleep(pause_s)
            try:
                await self.fill()
            except (MediaRefusal, OSError) as error:
                log.error("worker.failed", worker=self.number, detail=str(error))

    def _pause_s(self) -> float:
        """How long to wait now that one died, or could not start."""
        now_s = time.monotonic()
        self.deaths += 1
        self._died_s.append(now_s)
        while now_s - self._died_s[0] > _REMEMBERED_S:
            self._died_s.popleft()
        late = len(self._died_s) - 3
        return min(_FIRST_PAUSE_S * 2**late, _LONGEST_PAUSE_S) if late >= 0 else 0.0

    async def stop(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()
            self._process = None
