"""The audit: who did what, when, from where, to whose data; sign-ins and refusals as well as every look at, listen to, change, export and
erasure of personal data. Never a password, token, code or number: customers appear as handles alone (``api/privacy/vault.py``).

Entries are one chain (``api/audit/chain.py``), whichever node writes. Every hundred entries, every hour and at its end each node signs how
far the chain has come (``api/audit/checkpoints.py``): into a folder, which belongs elsewhere, and into the program's log.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
import structlog

from api.audit.chain import ChainCheck
from api.audit.checkpoints import CheckpointFile, read_folder
from api.audit.keys import AuditKeys
from api.identity.devices import Device
from api.store.audit import AuditEntry, AuditEvent, AuditStore, AuditWanted
from api.store.errors import StoreRefused, StoreUnavailable
from api.store.spool import AuditSpool

log = structlog.get_logger()
_MOST_WAITING = 100_000
_BATCH = 200
_RETRY_S = 2.0
_DRAIN_S = 3.0
_PAGE = 250
"""Checked at one go: some milliseconds, in which no call waits."""
_CHECKPOINT_ENTRIES = 100
_CHECKPOINT_S = 3_600.0
_LONGEST_KIND, _LONGEST_WHO, _LONGEST_TEXT, _LONGEST_SUBJECT = 32, 64, 1_000, 32

OF_ACCOUNT = frozenset(
    {
        *("sign_in", "sign_in_refused", "signed_out", "session_ended", "password_changed", "recovery_code_used"),
        *("second_factor_on", "second_factor_off", "user_made", "user_changed"),
    }
)
"""Kinds of entries that the owner of an account is shown."""
_SHOWN = 20


class Audit:
    """``async with``: owns the task that writes, behind everybody's back; leaving writes what waits, for at most three seconds.

    ``checkpoints``: the folder; None: nothing is signed. While the database is away entries wait, on the disk too where there is a
    ``spool``, and after a restart they go from there into the chain, each once; beyond 100,000 the newest are lost and counted, and the
    next entry says how many. ``clock``: seconds since the epoch.
    """

    def __init__(
        self,
        store: AuditStore,
        keys: AuditKeys,
        checkpoints: Path | None = None,
        *,
        node: str = "main",
        spool: AuditSpool | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._spool = spool
        self._spooled = 0
        """So many of those that wait are on the disk."""
        self._used_spool = False
        self._keys = keys
        self._folder = checkpoints
        self._file = CheckpointFile(checkpoints, node, keys) if checkpoints is not None else None
        self._clock = clock
        self._waiting: deque[AuditEvent] = deque()
        self._lost = 0
        self._newest: AuditEntry | None = None
        self._signed: tuple[int, float] | None = None
        """The newest entry that was signed, and when."""
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._spool is not None:
            self._waiting.extend(await asyncio.to_thread(self._spool.read))
            self._spooled = len(self._waiting)
            self._used_spool = True
            if self._waiting:
                self._idle.clear()
                self._wanted.set()
        self._task = asyncio.create_task(self._write_on(), name="audit")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        with suppress(TimeoutError):
            await asyncio.wait_for(self.written(), _DRAIN_S)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._waiting and not await self._put_aside():
            log.error("audit.lost", entries=len(self._waiting))
        await self._sign()

    def note(
        self,
        kind: str,
        who: str,
        what: str = "",
        subject_handle: str = "",
        detail: Mapping[str, object] | str = "",
        *,
        device: Device | None = None,
        by: str | None = None,
    ) -> None:
        """Write down what ``who`` did, or what happened to their account; ``by`` whom, where it was somebody else. Returns at once.

        ``what``: the thing, by its id; ``subject_handle``: whose data it is, by the vault's handle.
        """
        if len(self._waiting) >= _MOST_WAITING:
            self._lost += 1
            return
        told = detail if isinstance(detail, str) else msgspec.json.encode(detail).decode()
        if self._lost:
            told, self._lost = f"{told} ({self._lost} entries before this one were lost)".strip(), 0
        event = AuditEvent(
            self._clock(),
            _plain(kind, _LONGEST_KIND),
            _plain(who, _LONGEST_WHO),
            _plain(who if by is None else by, _LONGEST_WHO),
            device.shown_address if device is not None else "",
            device.shown_name if device is not None else "",
            _plain(told, _LONGEST_TEXT),
            _plain(what, _LONGEST_TEXT),
            _plain(subject_handle, _LONGEST_SUBJECT),
            secrets.token_hex(8),
        )
        self._waiting.append(event)
        self._idle.clear()
        self._wanted.set()

    async def written(self) -> None:
        """Wait until all that was noted so far is in the database."""
        await self._idle.wait()

    @property
    def public_keys(self) -> dict[str, str]:
        """What checks checkpoints, by key id."""
        return self._keys.public

    async def entries(self, wanted: AuditWanted, limit: int) -> list[AuditEntry]:
        """Oldest first. Raises ``StoreUnavailable``."""
        return await self._store.entries(wanted, limit)

    async def of_account(self, identity: str) -> list[AuditEntry]:
        """What its owner should see, the newest first: sign-ins, refused ones, and changes. Raises ``StoreUnavailable``."""
        await self.written()
        return await self._store.events_of(identity, OF_ACCOUNT, _SHOWN)

    async def checked(self) -> tuple[int, list[str]]:
        """See ``checked`` below."""
        return await checked(self._store, self._keys, self._folder)

    async def _write_on(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_CHECKPOINT_S):
                    await self._wanted.wait()
            except TimeoutError:
                await self._sign()
            self._wanted.clear()
            at_once = _BATCH
            while self._waiting:
                batch = [self._waiting[at] for at in range(min(at_once, len(self._waiting)))]
                try:
                    entries = await self._store.append(batch, self._keys.chained)
                except StoreRefused as error:
                    if len(batch) > 1:  # find the one that the database does not take
                        at_once = 1
                        continue
                    log.error("audit.refused", kind=batch[0].kind, detail=str(error))
                    self._lost, entries = self._lost + 1, []
                except StoreUnavailable as error:
                    log.error("audit.away", detail=str(error), waiting=len(self._waiting))
                    await self._put_aside()
                    await asyncio.sleep(_RETRY_S)
                    continue
                for _ in batch:
                    self._waiting.popleft()
                self._spooled = max(0, self._spooled - len(batch))
                if entries:
                    await self._heard(entries)
            if self._spool is not None and self._used_spool:
                await asyncio.to_thread(self._spool.clear)
                self._used_spool = False
            if not self._waiting:
                self._idle.set()

    async def _put_aside(self) -> bool:
        """Is all that waits on the disk?"""
        if self._spool is None:
            return False
        new = list(self._waiting)[self._spooled :]
        try:
            await asyncio.to_thread(self._spool.append, new)
        except StoreUnavailable as error:
            log.error("audit.spool_failed", detail=str(error))
            return False
        self._spooled += len(new)
        self._used_spool = True
        return True

    async def _heard(self, entries: list[AuditEntry]) -> None:
        before, self._newest = self._newest, entries[-1]
        if before is not None and entries[0].seq <= before.seq:
            log.error("audit.cut", first=entries[0].seq, last=before.seq)
            self.note("audit_cut", "", detail=f"entries {entries[0].seq} to {before.seq} were there before and are not any more")
        if self._signed is None:
            await self._sign()
            return
        seq, at = self._signed
        if self._newest.seq - seq >= _CHECKPOINT_ENTRIES or self._clock() - at >= _CHECKPOINT_S:
            await self._sign()

    async def _sign(self) -> None:
        """Say how far the chain has come, where it has come further."""
        if self._newest is None or self._file is None or (self._signed is not None and self._newest.seq == self._signed[0]):
            return
        newest, now = self._newest, self._clock()
        self._signed = (newest.seq, now)
        try:
            line = await asyncio.to_thread(self._file.append, newest.seq, newest.digest, now)
        except OSError as error:
            log.error("audit.checkpoint_failed", detail=str(error), seq=newest.seq, digest=newest.digest)
            return
        log.info("audit.checkpoint", checkpoint=line)


async def checked(store: AuditStore, keys: AuditKeys, folder: Path | None) -> tuple[int, list[str]]:
    """How many entries there are, and what was done to the chain. ``folder``: of checkpoints.

    Raises ``StoreUnavailable``; OSError where the checkpoints cannot be read.
    """
    marks, faults = await asyncio.to_thread(read_folder, folder, keys.public) if folder is not None else ([], [])
    check, seq = ChainCheck(keys, marks), 0
    while entries := await store.entries(AuditWanted(seq), _PAGE):
        check.read(entries)
        seq = entries[-1].seq
    return check.entries, [*check.faults(), *faults]


def _plain(text: str, longest: int) -> str:
    """Printable, and so long at most, whatever strangers sent."""
    return (text if text.isprintable() else "".join(letter for letter in text if letter.isprintable()))[:longest]
