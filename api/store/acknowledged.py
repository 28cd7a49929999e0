"""Writes what must not be lost once it is acknowledged: rooms and chat, in the order given, in the database or else in a spool.

Writes that come while one is under way are written together (group commit). When the database is away everything goes to the spool, and
from there to the database as soon as it is back, before anything newer; also after a restart.
"""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

import structlog

from api.patience import Patience
from api.store.errors import StoreFenced, StoreRefused, StoreUnavailable
from api.store.room_rows import Entry
from api.store.rooms import RoomStore
from api.store.spool import Spool

log = structlog.get_logger()

_BATCH = 200


@dataclass(frozen=True, slots=True)
class _Write:
    entries: tuple[Entry, ...]
    kept: "asyncio.Future[None]"


class AcknowledgedWrites:
    """``async with``: owns the task that writes. ``most_waiting``: writes that are neither in database nor spool; more are refused."""

    def __init__(
        self, store: RoomStore, spool: Spool, *, most_waiting: int = 5_000, first_retry_s: float = 0.2, longest_retry_s: float = 5.0
    ) -> None:
        self._store = store
        self._spool = spool
        self._spooled = 0
        self._waiting: deque[_Write] = deque()
        self._most_waiting = most_waiting
        self._patience = Patience(first_retry_s, longest_retry_s)
        self._wanted = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "AcknowledgedWrites":
        entries = await asyncio.to_thread(self._spool.read)
        self._spooled = len(entries)
        self._task = asyncio.create_task(self._run(), name="acknowledged-writes")
        if self._spooled:
            log.info("spool.found", entries=self._spooled)
            self._wanted.set()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._closing = True
        self._wanted.set()
        assert self._task is not None
        await self._task

    @property
    def spooled(self) -> int:
        """Entries that wait for the database."""
        return self._spooled

    def keep(self, *entries: Entry) -> "asyncio.Future[None]":
        """Done when all of these are safe. Fails with ``StoreUnavailable``, ``StoreRefused`` or ``StoreFenced``: then none of them is."""
        kept = asyncio.get_running_loop().create_future()
        kept.add_done_callback(_looked_at)
        if len(self._waiting) >= self._most_waiting:
            kept.set_exception(StoreUnavailable("The database takes less than is written: try again in a moment."))
            return kept
        self._waiting.append(_Write(entries, kept))
        self._wanted.set()
        return kept

    def written(self) -> "asyncio.Future[None]":
        """Done when all that was given before is safe."""
        return self.keep()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience.wait_s if self._spooled else None):
                    await self._wanted.wait()
            self._wanted.clear()
            back = await self._replay()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                back = await self._write_whatever_happens(batch, back)
            self._patience.tried(back)
            if self._closing and not self._waiting:
                return

    async def _write_whatever_happens(self, batch: list[_Write], back: bool) -> bool:
        try:
            return await self._write(batch, back)
        except Exception as error:  # a defect of ours must not keep everybody else waiting for ever
            log.error("store.failed", error=type(error).__name__, exc_info=error)
            _settle(batch, StoreRefused("The server failed at keeping this: its log says why."))
            return back

    async def _replay(self) -> bool:
        """Put the spool into the database; False while that is away."""
        if not self._spooled:
            return True
        entries = await asyncio.to_thread(self._spool.read)
        try:
            for start in range(0, len(entries), _BATCH):
                await self._store_all(entries[start : start + _BATCH])
        except StoreUnavailable:
            return False
        await asyncio.to_thread(self._spool.clear)
        log.info("spool.replayed", entries=len(entries))
        self._spooled = 0
        return True

    async def _store_all(self, entries: list[Entry]) -> None:
        """One that the database will never take costs only itself."""
        try:
            await self._store.keep(entries, acknowledged=True)
        except StoreRefused:
            for entry in entries:
                try:
                    await self._store.keep([entry], acknowledged=True)
                except StoreRefused as error:
                    log.error("spool.refused", table=entry.table, detail=str(error))

    async def _write(self, batch: list[_Write], back: bool) -> bool:
        """Write or spool a batch and tell those who wait. False while the database is away."""
        entries = [entry for write in batch for entry in write.entries]
        if back:
            try:
                await self._store.keep(entries)
            except StoreRefused:
                return await self._write_one_by_one(batch)
            except StoreUnavailable as error:
                log.error("spool.begun", detail=str(error))
            else:
                _settle(batch, None)
                return True
        try:
            await asyncio.to_thread(self._spool.append, entries)
        except StoreUnavailable as error:
            log.error("spool.failed", detail=str(error))
            _settle(batch, error)
        else:
            self._spooled += len(entries)
            _settle(batch, None)
        return False

    async def _write_one_by_one(self, batch: list[_Write]) -> bool:
        """Find the write that the database does not take. False when it went away meanwhile."""
        for at, write in enumerate(batch):
            try:
                await self._store.keep(write.entries)
            except StoreFenced as error:
                _settle([write], error)
            except StoreRefused as error:
                log.error("store.refused", kind=write.entries[0].table, detail=str(error))
                _settle([write], error)
            except StoreUnavailable:
                return await self._write(batch[at:], back=False)
            else:
                _settle([write], None)
        return True


def _settle(batch: list[_Write], error: Exception | None) -> None:
    for write in batch:
        if write.kept.done():  # who asked has gone
            continue
        if error is None:
            write.kept.set_result(None)
        else:
            write.kept.set_exception(error)


def _looked_at(kept: "asyncio.Future[None]") -> None:
    """Nobody need ask how it went: the log says so."""
    if not kept.cancelled():
        kept.exception()
