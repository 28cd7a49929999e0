"""The security log: every sign-in, refusal and change; who, by whom, from where, with what, when. Never a password, token or code.

Entries are chained (each digest covers the one before), so what is changed, left out or put between is found by ``faults``. What is cut off
the end is not: therefore the newest number and digest also go to the program's log, which is kept elsewhere.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Protocol, Self

import structlog

from api.identity.devices import Device
from api.store import SecurityEvent, StoreUnavailable
from api.store.people import FIRST_DIGEST, chained
from api.store.rows import LoggedEvent

log = structlog.get_logger()
_MOST_WAITING = 10_000
_BATCH = 200
_RETRY_S = 2.0
_DRAIN_S = 3.0
_PAGE = 500


class LogStore(Protocol):
    async def log_events(self, events: Sequence[SecurityEvent]) -> LoggedEvent | None: ...

    async def logged_events(self, after: int, limit: int) -> list[LoggedEvent]: ...

    async def events_of(self, identity: str, kinds: Collection[str], limit: int) -> list[LoggedEvent]: ...


OF_ACCOUNT = frozenset(
    {
        *("sign_in", "sign_in_refused", "signed_out", "session_ended", "password_changed", "recovery_code_used"),
        *("second_factor_on", "second_factor_off", "user_made", "user_changed"),
    }
)
"""Kinds of entries that the owner of an account is shown."""
_SHOWN = 20


class SecurityLog:
    """``async with``: owns the task that writes, behind everybody's back; leaving writes what waits, for at most three seconds.

    While the database is away entries wait; beyond 10,000 the newest are lost and counted, and the next entry says how many.
    """

    def __init__(self, store: LogStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._waiting: deque[SecurityEvent] = deque()
        self._lost = 0
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_on(), name="security-log")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        try:
            await asyncio.wait_for(self.written(), _DRAIN_S)
        except TimeoutError:
            log.error("security_log.lost", entries=len(self._waiting))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def note(self, kind: str, who: str, device: Device | None = None, *, by: str | None = None, detail: str = "") -> None:
        """Write down what happened to this person's account; ``by`` whom, where it was somebody else. Returns at once."""
        if len(self._waiting) >= _MOST_WAITING:
            self._lost += 1
            return
        address, name = (device.shown_address, device.shown_name) if device is not None else ("", "")
        if self._lost:
            detail, self._lost = f"{detail} ({self._lost} entries before this one were lost)".strip(), 0
        self._waiting.append(SecurityEvent(self._clock(), kind, who, who if by is None else by, address, name, detail))
        self._idle.clear()
        self._wanted.set()

    async def written(self) -> None:
        """Wait until all that was noted so far is in the database."""
        await self._idle.wait()

    async def entries(self, after: int, limit: int) -> list[LoggedEvent]:
        """Entries behind number ``after``, oldest first. Raises ``StoreUnavailable``."""
        return await self._store.logged_events(after, limit)

    async def of_account(self, identity: str) -> list[LoggedEvent]:
        """What its owner should see, the newest first: sign-ins, refused ones, and changes. Raises ``StoreUnavailable``."""
        await self.written()
        return await self._store.events_of(identity, OF_ACCOUNT, _SHOWN)

    async def faults(self) -> list[str]:
        """Where the chain is broken; none: it is whole. Raises ``StoreUnavailable``."""
        found, seq, digest = [], 0, FIRST_DIGEST
        while entries := await self._store.logged_events(seq, _PAGE):
            for entry in entries:
                if entry.seq != seq + 1:
                    found.append(f"entries {seq + 1} to {entry.seq - 1} are missing")
                elif entry.digest != chained(digest, entry.seq, entry.event):
                    found.append(f"entry {entry.seq} or the one before it was changed")
                seq, digest = entry.seq, entry.digest
        return found

    async def _write_on(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                batch = [self._waiting[at] for at in range(min(_BATCH, len(self._waiting)))]
                try:
                    last = await self._store.log_events(batch)
                except StoreUnavailable as error:
                    log.error("security_log.away", detail=str(error), waiting=len(self._waiting))
                    await asyncio.sleep(_RETRY_S)
                    continue
                for _ in batch:
                    self._waiting.popleft()
                if last is not None:
                    log.info("security_log.written", seq=last.seq, digest=last.digest)
            self._idle.set()
