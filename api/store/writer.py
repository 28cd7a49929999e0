"""Writes records (of calls and their recordings) and quality samples behind the call path's back.

The call path hands over plain data and never waits. One task writes, in order. Of each call or recording only the newest record waits,
because every record is complete: so what waits grows with the calls of the outage and not with its length, and no record is dropped while
the program runs. Of quality samples the oldest give way, and are counted.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from api.patience import Patience
from api.store.errors import StoreRefused, StoreUnavailable
from api.store.rows import Record, Sample, key_of

log = structlog.get_logger()

Write = Callable[[list[Record], list[Sample]], Awaitable[None]]
"""Writes a batch in one transaction. Raises ``StoreUnavailable``: nothing of it is written; ``StoreRefused``: nor ever will be as it is."""


class Writer:
    """``async with``: owns the task that writes. Leaving flushes, for at most ``drain_s`` seconds.

    A batch that the database refuses is written again row by row, so that one bad row costs only itself; it is counted in ``refused``.
    While the database is away (``reachable`` is False) everything waits. What comes within ``gather_s`` seconds is one transaction, because
    each costs as much as many rows; who flushes or leaves does not wait for that.
    """

    def __init__(
        self,
        write: Write,
        *,
        most_samples: int = 20_000,
        batch: int = 500,
        first_retry_s: float = 0.2,
        longest_retry_s: float = 10.0,
        gather_s: float = 0.05,
        drain_s: float = 3.0,
    ) -> None:
        self._write = write
        self._records: dict[str, Record] = {}
        self._samples: deque[Sample] = deque()
        self._in_flight = (0, 0)
        self._most_samples = most_samples
        self._batch = batch
        self._patience = Patience(first_retry_s, longest_retry_s)
        self._gather_s = gather_s
        self._drain_s = drain_s
        self._wanted = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.reachable = True
        self.dropped_samples = 0
        self.refused = 0

    async def __aenter__(self) -> "Writer":
        self._task = asyncio.create_task(self._run(), name="store-writer")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._closing = True
        self._hurry.set()
        self._wanted.set()
        assert self._task is not None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._task, self._drain_s)
        if self._records:
            log.error("store.records_lost", records=list(self._records)[:20], count=len(self._records))

    @property
    def waiting(self) -> tuple[int, int]:
        """Records and samples that are not yet written, those under way included."""
        return len(self._records) + self._in_flight[0], len(self._samples) + self._in_flight[1]

    @property
    def alive(self) -> bool:
        """Is there a task that writes? It ends by ``async with`` alone; anything else is a defect of ours."""
        return self._task is not None and not self._task.done()

    def put(self, record: Record) -> None:
        self._records.pop(key_of(record), None)
        self._records[key_of(record)] = record
        self._want()

    def put_sample(self, sample: Sample) -> None:
        self._samples.append(sample)
        self._shed()
        self._want()

    async def flush(self) -> None:
        """Wait until all that was put so far is written."""
        self._hurry.set()
        await self._idle.wait()

    def _want(self) -> None:
        self._idle.clear()
        self._wanted.set()

    def _shed(self) -> None:
        while len(self._samples) > self._most_samples:
            self._samples.popleft()
            self.dropped_samples += 1

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._records or self._samples:
                await self._gather()
                written = await self._write_some()
                self._patience.tried(written)
                if not written:
                    await asyncio.sleep(self._patience.wait_s)
            self._idle.set()
            if self._closing:
                return
            self._hurry.clear()

    async def _gather(self) -> None:
        if len(self._records) < self._batch:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._gather_s):  # wait_for may swallow the cancellation that ends us (cpython 86296)
                    await self._hurry.wait()

    async def _write_some(self) -> bool:
        """Write a batch; False when the database is away."""
        records = [self._records.pop(key) for key in list(self._records)[: self._batch]]
        samples = [self._samples.popleft() for _ in range(min(self._batch, len(self._samples)))]
        self._in_flight = len(records), len(samples)
        try:
            return await self._written_or_put_back(records, samples)
        except asyncio.CancelledError:
            self._put_back(records, samples)
            raise
        finally:
            self._in_flight = (0, 0)

    async def _written_or_put_back(self, records: list[Record], samples: list[Sample]) -> bool:
        try:
            await self._write(records, samples)
        except StoreRefused:
            return await self._write_one_by_one(records, samples)
        except StoreUnavailable as error:
            self._put_back(records, samples)
            self._say(False, str(error))
            return False
        self._say(True, "")
        return True

    async def _write_one_by_one(self, records: list[Record], samples: list[Sample]) -> bool:
        """Find the row that the database does not take. False when it went away meanwhile."""
        for at, record in enumerate(records):
            if not await self._written([record], [], record.call_id):
                self._put_back(records[at:], samples)
                return False
        for at, sample in enumerate(samples):
            if not await self._written([], [sample], sample.call_id):
                self._put_back([], samples[at:])
                return False
        return True

    async def _written(self, records: list[Record], samples: list[Sample], call_id: str) -> bool:
        """Written or refused for good; False when the database went away meanwhile."""
        try:
            await self._write(records, samples)
        except StoreRefused as error:
            self.refused += 1
            log.error("store.refused", call_id=call_id, kind="record" if records else "sample", detail=str(error))
        except StoreUnavailable as error:
            self._say(False, str(error))
            return False
        return True

    def _put_back(self, records: list[Record], samples: list[Sample]) -> None:
        """To the front, unless something newer about the same call came meanwhile."""
        newer = self._records
        self._records = {key_of(record): record for record in records if key_of(record) not in newer} | newer
        self._samples.extendleft(reversed(samples))
        self._shed()

    def _say(self, reachable: bool, detail: str) -> None:
        if reachable is not self.reachable:
            self.reachable = reachable
            if reachable:
                log.info("store.back")
            else:
                log.error("store.away", detail=detail)
