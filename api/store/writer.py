"""Writes records (of calls and their recordings), lines of what happened and quality samples behind the call path's back.

The call path hands over plain data and never waits. One task writes, in order. Of each call or recording only the newest record waits,
because every record is complete. Lines wait too; a record is written with or after the lines that came before it, so that a call that has
ended has all its lines. Of quality samples the oldest give way, and are counted.

While the database is away records and lines are in a spool on the disk too, and beyond ``most_in_memory`` there alone: the disk is the
bound. From there they go to the database, before anything newer; after a kill too. To write them twice does no harm. Only where the disk
takes nothing either, lines beyond ``most_lines`` give way, the oldest first, and are counted; records never do.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import structlog

from api.patience import Patience
from api.store.errors import StoreRefused, StoreUnavailable
from api.store.rows import Line, Record, Sample, key_of
from api.store.spool import RecordSpool

log = structlog.get_logger()

_Rows = tuple[list[Record], list[Line], list[Sample]]
_NONE: _Rows = ([], [], [])
Write = Callable[[list[Record], list[Line], list[Sample]], Awaitable[None]]
"""Writes a batch in one transaction. Raises ``StoreUnavailable``: nothing of it is written; ``StoreRefused``: nor ever will be as it is."""


_LINES, _SAMPLES = 4, 8
"""So many more of them than records are one transaction."""


_SPOOL_EVERY_S = 1.0


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
        most_samples: int = 100_000,
        most_in_memory: int = 10_000,
        most_lines: int = 100_000,
        batch: int = 500,
        first_retry_s: float = 0.2,
        longest_retry_s: float = 10.0,
        gather_s: float = 0.2,
        drain_s: float = 3.0,
        spool: RecordSpool | None = None,
    ) -> None:
        self._write = write
        self._records: dict[str, Record] = {}
        self._lines: deque[Line] = deque()
        self._samples: deque[Sample] = deque()
        self._in_flight = (0, 0)
        self._most_samples = most_samples
        self._most_in_memory = most_in_memory
        self._most_lines = most_lines
        self._batch = batch
        self._patience = Patience(first_retry_s, longest_retry_s)
        self._gather_s = gather_s
        self._drain_s = drain_s
        self._spool = spool
        self._spooling = False
        """Is there anything in it?"""
        self._aside: list[Record | Line] = []
        """What is to be put there next."""
        self._disk_fails = False
        self._alone = False
        """Is there anything in it that is not in memory?"""
        self._at = 0
        """What is in it before this byte is in the database."""
        self._wanted = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._idle_or_away = asyncio.Event()
        self._idle_or_away.set()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.reachable = True
        self.dropped_samples = 0
        self.dropped_lines = 0
        self.spooled = 0
        """Rows that were put there."""
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
        if not self._records and not self._lines and not self._alone:
            return
        if self._put_aside(self._aside if self._spooling and not self._disk_fails else [*self._records.values(), *self._lines]):
            log.warning("store.records_spooled", count=len(self._records), lines=len(self._lines))
        else:
            log.error("store.records_lost", records=list(self._records)[:20], count=len(self._records), lines=len(self._lines))

    @property
    def waiting(self) -> tuple[int, int]:
        """Records and samples that are not yet written, those under way included."""
        return len(self._records) + self._in_flight[0], len(self._samples) + self._in_flight[1]

    @property
    def counts(self) -> dict[str, float]:
        """What was counted, by name."""
        return {
            "samples_dropped": self.dropped_samples,
            "lines_dropped": self.dropped_lines,
            "rows_refused": self.refused,
            "rows_spooled": self.spooled,
        }

    @property
    def gauges(self) -> dict[str, float]:
        """What is so now, by name."""
        records, samples = self.waiting
        return {
            "reachable": self.reachable,
            "records_waiting": records,
            "lines_waiting": len(self._lines),
            "samples_waiting": samples,
            "spool_bytes": self._spool.size if self._spool is not None and self._spooling else 0,
        }

    @property
    def alive(self) -> bool:
        """Is there a task that writes? It ends by ``async with`` alone; anything else is a defect of ours."""
        return self._task is not None and not self._task.done()

    async def restore(self) -> None:
        """Write what an earlier run could not. Raises OSError."""
        if self._spool is None:
            return
        size = await asyncio.to_thread(lambda spool: spool.size, self._spool)
        if not size:
            return
        log.info("store.spool_found", bytes=size)
        self._spooling = self._alone = True
        self._want()

    def put(self, record: Record) -> None:
        self._records.pop(key_of(record), None)
        self._records[key_of(record)] = record
        if self._spooling:
            self._aside.append(record)
        self._want()

    def put_lines(self, lines: Iterable[Line]) -> None:
        new = list(lines)
        self._lines.extend(new)
        if self._spooling:
            self._aside.extend(new)
        self._shed()
        self._want()

    def put_sample(self, sample: Sample) -> None:
        self._samples.append(sample)
        self._shed()
        self._want()

    async def flush(self) -> None:
        """Wait until all that was put so far is written."""
        self._hurry.set()
        await self._idle.wait()

    async def caught_up(self, within_s: float) -> bool:
        """Wait until all that was put so far is written, for at most this long and not at all while the database is away. Is it?"""
        self._hurry.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle_or_away.wait()
        return self._idle.is_set()

    def _want(self) -> None:
        self._idle.clear()
        if self.reachable:
            self._idle_or_away.clear()
        self._wanted.set()

    def _shed(self) -> None:
        while len(self._samples) > self._most_samples:
            self._samples.popleft()
            self.dropped_samples += 1
        while len(self._lines) > self._most_lines:
            self._lines.popleft()
            self.dropped_lines += 1

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._records or self._lines or self._samples or self._alone:
                await self._gather()
                written = await (self._replay() if self._alone else self._write_some())
                self._patience.tried(written)
                if not written:
                    await self._wait(self._patience.wait_s)
            self._idle.set()
            self._idle_or_away.set()
            if self._closing:
                return
            self._hurry.clear()

    async def _wait(self, wait_s: float) -> None:
        """The database is away. What waits is on the disk at once, and what comes within a second."""
        if self._spool is not None and not self._spooling:
            self._spooling, self._aside = True, [*self._records.values(), *self._lines]
        while True:
            await self._fill_spool()
            await asyncio.sleep(min(wait_s, _SPOOL_EVERY_S))
            wait_s -= _SPOOL_EVERY_S
            if wait_s <= 0:
                return

    async def _fill_spool(self) -> None:
        """Put what came on the disk; what is there need not be in memory."""
        aside, self._aside = self._aside, []
        if self._disk_fails:
            aside = [*self._records.values(), *self._lines]
        taken = await asyncio.to_thread(self._put_aside, aside)
        self._disk_fails = not taken
        if taken and len(self._records) + len(self._lines) > self._most_in_memory:
            self._records = {key_of(row): row for row in self._aside if not isinstance(row, Line)}
            self._lines = deque(row for row in self._aside if isinstance(row, Line))
            self._alone = True

    async def _replay(self) -> bool:
        """Write what is on the disk, piece by piece; False when the database is away."""
        assert self._spool is not None
        while True:
            rows, following = await asyncio.to_thread(self._spool.read, self._at)
            if following == self._at:
                break
            newest = {key_of(row): row for row in rows if not isinstance(row, Line)}
            lines = [row for row in rows if isinstance(row, Line)]
            if await self._left_over(list(newest.values()), lines, []) != _NONE:
                return False
            self._at = following
        self._alone = False
        if not self._records and not self._lines:
            await self._end_spool()
        return True

    def _put_aside(self, rows: list[Record | Line]) -> bool:
        """False where the disk does not take them, or there is none for it; then they are in memory alone."""
        if self._spool is None:
            return False
        try:
            if rows:
                self._spool.append(rows)
                self.spooled += len(rows)
        except StoreUnavailable as error:
            log.error("store.spool_failed", rows=len(rows), detail=str(error))
            return False
        return True

    async def _end_spool(self) -> None:
        """All that is in it is in the database."""
        self._spooling, self._aside, self._at = False, [], 0
        if self._spool is not None:
            await asyncio.to_thread(self._spool.clear)

    async def _gather(self) -> None:
        if len(self._records) < self._batch and len(self._lines) < _LINES * self._batch and len(self._samples) < _SAMPLES * self._batch:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._gather_s):  # wait_for may swallow the cancellation that ends us (cpython 86296)
                    await self._hurry.wait()

    async def _write_some(self) -> bool:
        """Write a batch; False when the database is away."""
        lines = [self._lines.popleft() for _ in range(min(_LINES * self._batch, len(self._lines)))]
        room = 0 if self._lines else self._batch
        records = [self._records.pop(key) for key in list(self._records)[:room]]
        samples = [self._samples.popleft() for _ in range(min(_SAMPLES * self._batch, len(self._samples)))]
        whole = not self._records and not self._lines
        self._in_flight = len(records), len(samples)
        try:
            written = await self._written_or_put_back(records, lines, samples)
            if written and whole and self._spooling:
                await self._end_spool()
            return written
        except asyncio.CancelledError:
            self._put_back(records, lines, samples)
            raise
        finally:
            self._in_flight = (0, 0)

    async def _written_or_put_back(self, records: list[Record], lines: list[Line], samples: list[Sample]) -> bool:
        left = await self._left_over(records, lines, samples)
        if left == _NONE:
            return True
        self._put_back(*left)
        return False

    async def _left_over(self, records: list[Record], lines: list[Line], samples: list[Sample]) -> _Rows:
        """Write them; what is still to be written because the database is away."""
        try:
            await self._write(records, lines, samples)
        except StoreRefused:
            return await self._write_one_by_one(records, lines, samples)
        except StoreUnavailable as error:
            self._say(False, str(error))
            return records, lines, samples
        self._say(True, "")
        return _NONE

    async def _write_one_by_one(self, records: list[Record], lines: list[Line], samples: list[Sample]) -> _Rows:
        """Find the row that the database does not take. What is left when it went away meanwhile."""
        for at, line in enumerate(lines):
            if not await self._written([], [line], [], line.row.get("call_id", "")):
                return records, lines[at:], samples
        for at, record in enumerate(records):
            if not await self._written([record], [], [], record.call_id):
                return records[at:], [], samples
        for at, sample in enumerate(samples):
            if not await self._written([], [], [sample], sample.call_id):
                return [], [], samples[at:]
        return _NONE

    async def _written(self, records: list[Record], lines: list[Line], samples: list[Sample], call_id: str) -> bool:
        """Written or refused for good; False when the database went away meanwhile."""
        try:
            await self._write(records, lines, samples)
        except StoreRefused as error:
            self.refused += 1
            kind = "record" if records else lines[0].table if lines else "sample"
            log.error("store.refused", call_id=call_id, kind=kind, detail=str(error))
        except StoreUnavailable as error:
            self._say(False, str(error))
            return False
        return True

    def _put_back(self, records: list[Record], lines: list[Line], samples: list[Sample]) -> None:
        """To the front, unless something newer about the same call came meanwhile."""
        newer = self._records
        self._records = {key_of(record): record for record in records if key_of(record) not in newer} | newer
        self._lines.extendleft(reversed(lines))
        self._samples.extendleft(reversed(samples))
        self._shed()

    def _say(self, reachable: bool, detail: str) -> None:
        if reachable is not self.reachable:
            self.reachable = reachable
            if not reachable:
                self._idle_or_away.set()
            elif not self._idle.is_set():
                self._idle_or_away.clear()
            if reachable:
                log.info("store.back")
            else:
                log.error("store.away", detail=detail)
