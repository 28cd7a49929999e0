"""What is to be written at other systems, or sent: kept in one transaction with what it is about, and delivered at least once.

Of one subject at one backend entries are delivered in order, one at a time, by one node at a time (a lease in the store). What was not
taken waits longer each time; what a backend refuses for good, or has not taken for a day, is a dead letter: a person sees why, and has it
tried again or drops it. Bodies are sealed. A receiver tells by the entry's key whether it has had it before.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Any, Generic, Protocol, Self, TypeVar
from uuid import uuid4

import msgspec
import structlog
from msgspec import Struct

from api.after.delivery import Dead, OutboxSettings, PutOff, after_fault
from api.backends.protocols import BackendFault, RemoteRef
from api.privacy.vault import ERASED, Vault
from api.store import StoreUnavailable
from api.store.outbox import DEAD, DONE, DROPPED, WAITING, Claimed, OutboxEntry, OutboxStore
from api.store.rows import Line, Row

log = structlog.get_logger()
T = TypeVar("T", bound=Struct)
Body = TypeVar("Body", bound=Struct, contravariant=True)

_AT_ONCE, _AT_ONCE_EACH = 16, 4
"""Entries under way altogether, and to one backend."""
_LOOK_AGAIN_S = 1.0
"""So soon an entry that another node put there is seen."""
_WRITTEN_WITHIN_S = 0.25
"""The store's writer gathers for a moment."""
_STORE_AGAIN_S = 5.0
_PRUNE_EVERY_S = 3_600.0
_MORE_LEASE_S = 15.0


@dataclass(frozen=True, slots=True)
class Settled:
    """How it stands with an entry after a try: ``done``, ``waiting`` (it is tried again) or ``dead``. ``said``: the fault."""

    state: str
    result: RemoteRef | None = None
    said: str = ""


class Deliver(Protocol[Body]):
    """Hands it over. ``former``: the result of the entry that this one needs. Raises ``BackendFault``."""

    async def __call__(self, entry: OutboxEntry, body: Body, former: RemoteRef | None, /) -> RemoteRef | None: ...


@dataclass(frozen=True, slots=True)
class _Way(Generic[T]):
    body: type[T]
    deliver: Deliver[T]
    settled: Callable[[OutboxEntry, T, Settled], None]


class Outbox:
    """``async with``: owns what delivers. ``put_lines``: the store's writer, which writes entries with the call that they are about.

    ``now``: seconds since the epoch. ``node``: who we are among several. ``counts``: tries by how they ended.
    """

    def __init__(
        self,
        store: OutboxStore,
        put_lines: Callable[[Iterable[Line]], None],
        vault: Vault,
        *,
        now: Callable[[], float],
        node: str = "main",
        settings: OutboxSettings | None = None,
        random: Random | None = None,
    ) -> None:
        self._store, self._put_lines, self._vault = store, put_lines, vault
        self._now, self._node = now, node
        self._settings = settings or OutboxSettings()
        self._random = random or SystemRandom()
        self._ways: dict[str, _Way[Any]] = {}
        self._wanted = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._task: asyncio.Task[None] | None = None
        self._pruned_at = 0.0
        self._number = 0
        self.counts: Counter[str] = Counter()

    def deliver_by(
        self,
        kind: str,
        body: type[T],
        deliver: Deliver[T],
        settled: Callable[[OutboxEntry, T, Settled], None] = lambda entry, body, settled: None,
    ) -> None:
        """Who hands over entries of this kind, which wait until then, and who hears what became of each try."""
        self._ways[kind] = _Way(body, deliver, settled)

    async def __aenter__(self) -> Self:
        with suppress(StoreUnavailable):
            await self._store.release(self._node)
        self._task = asyncio.create_task(self._run(), name="outbox")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks = [task for task in (self._task, *self._under_way) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(StoreUnavailable):
            await self._store.release(self._node)

    # ------------------------------------------------------------------ what is put there

    def put(
        self,
        kind: str,
        backend: str,
        subject: str,
        body: Struct,
        idem: str,
        person: str = "",
        *,
        call_id: str = "",
        needs: str = "",
        due_at: float | None = None,
    ) -> None:
        """Keep this to be delivered. Returns at once: with a call's record put in the same breath it is one transaction.

        ``idem``: of two with the same the first counts: call, kind and version. ``person``: the handle of whom it is about.
        ``needs``: the ``idem`` of an entry whose result it wants. ``due_at``: not before then.
        """
        now = self._now()
        self._number = max(self._number + 1, int(now * 1e6))
        row: Row = {
            "entry_id": uuid4().hex,
            "idem": idem,
            "kind": kind,
            "backend": backend,
            "subject": subject,
            "number": self._number,
            "call_id": call_id,
            "person": person,
            "needs": needs,
            "body": self._vault.seal(person or self._call(call_id), msgspec.json.encode(body).decode()),
            "created_at": now,
            "since_at": due_at or now,
            "due_at": due_at or now,
            "attempts": 0,
            "state": WAITING,
            "fault": "",
            "holder": "",
            "held_until": 0.0,
            "ended_at": None,
            "result": "",
        }
        self.counts["put"] += 1
        self._put_lines([Line("outbox", row)])
        self._wanted.set()

    def _call(self, call_id: str) -> str:
        return self._vault.person("call", call_id) if call_id else self._vault.person("outbox", "")

    # ------------------------------------------------------------------ what people do

    async def entries(self, state: str, limit: int, after: str = "") -> list[OutboxEntry]:
        """Raises ``StoreUnavailable``, as the others do."""
        return await self._store.entries(state, limit, after)

    async def of_call(self, call_id: str) -> list[OutboxEntry]:
        return await self._store.of_call(call_id)

    async def waiting(self) -> dict[str, int]:
        """How many are in each state."""
        return await self._store.counts()

    async def entry(self, entry_id: str) -> OutboxEntry | None:
        return await self._store.entry(entry_id)

    async def retry(self, entry_id: str) -> bool:
        """Try a dead letter again, and those that wanted its result. False: it is none."""
        entry = await self._store.entry(entry_id)
        if entry is None:
            return False
        retried = await self._store.retry([entry_id, *await self._store.needing(entry.idem)], self._now())
        self._wanted.set()
        return retried > 0

    async def drop(self, entry_id: str) -> bool:
        """Give it up. False: there is none to be given up."""
        return await self._store.drop(entry_id, self._now())

    # ------------------------------------------------------------------ delivering

    async def _run(self) -> None:
        while True:
            self._wanted.clear()
            try:
                wait_s = await self._deliver_due()
                await self._prune()
            except StoreUnavailable as error:
                log.warning("outbox.store_away", detail=str(error))
                wait_s = _STORE_AGAIN_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wanted.wait()
                    await asyncio.sleep(_WRITTEN_WITHIN_S)

    async def _deliver_due(self) -> float:
        """Begin with all that may be delivered now. How long nothing will be due, in seconds."""
        while (room := _AT_ONCE - len(self._under_way)) > 0:
            now, busy = self._now(), Counter(self._under_way.values())
            full = [backend for backend, count in busy.items() if count >= _AT_ONCE_EACH]
            until = now + self._settings.deliver_within_s + _MORE_LEASE_S
            claimed = await self._store.claim(self._node, now, until, room, kinds=self._ways, full=full)
            for one in claimed:
                task = asyncio.create_task(self._serve(one), name=f"outbox-{one.entry.kind}")
                self._under_way[task] = one.entry.backend
                task.add_done_callback(self._over)
            if not claimed:
                break
        now = self._now()
        due = await self._store.next_due(now, self._ways)
        return _LOOK_AGAIN_S if due is None else min(_LOOK_AGAIN_S, max(0.02, due - now))

    def _over(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        self._wanted.set()

    async def _serve(self, claimed: Claimed) -> None:
        entry, way, body = claimed.entry, self._ways[claimed.entry.kind], None
        try:
            text = self._vault.open(claimed.body)
            if text == ERASED:
                await self._store.forget(entry.entry_id, self._node, self._now())
                self.counts["erased"] += 1
                return
            body = msgspec.json.decode(text, type=way.body)
            result = await self._handed_over(way, entry, body)
            settled = await self._done(entry, result)
        except BackendFault as fault:
            settled = await self._failed(entry, fault)
        except StoreUnavailable as error:
            log.warning("outbox.store_away", detail=str(error))
            return  # the lease runs out
        except Exception as error:  # a defect of ours, which a person has to see
            log.exception("outbox.defect", kind=entry.kind, entry=entry.entry_id)
            settled = await self._failed(entry, BackendFault("invalid", f"A defect of ours: {type(error).__name__}.", retryable=True))
        if body is not None and settled is not None:
            self._tell(way, entry, body, settled)

    def _tell(self, way: _Way[Any], entry: OutboxEntry, body: Struct, settled: Settled) -> None:
        try:
            way.settled(entry, body, settled)
        except Exception as error:  # it is settled, whatever becomes of those who hear of it
            log.exception("outbox.hearer_failed", kind=entry.kind, error=type(error).__name__)

    async def _handed_over(self, way: _Way[Any], entry: OutboxEntry, body: Struct) -> RemoteRef | None:
        former = await self._former(entry.needs) if entry.needs else None
        try:
            async with asyncio.timeout(self._settings.deliver_within_s):
                return await way.deliver(entry, body, former)
        except TimeoutError:
            raise BackendFault("slow", f"Not delivered within {self._settings.deliver_within_s:g} s.") from None

    async def _former(self, needs: str) -> RemoteRef | None:
        known = await self._store.result_of(needs)
        if known is None or known[0] in (DEAD, DROPPED):
            raise BackendFault("refused", "What it belongs to was not delivered.")
        if known[0] != DONE:
            raise BackendFault("open", "What it belongs to is not delivered yet.", retry_after_s=1.0)
        text = self._vault.open(known[1])
        return msgspec.json.decode(text, type=RemoteRef) if text else None

    async def _done(self, entry: OutboxEntry, result: RemoteRef | None) -> Settled | None:
        kept = self._vault.seal(self._call(entry.call_id), msgspec.json.encode(result).decode()) if result is not None else ""
        ours = await self._store.finish(entry.entry_id, self._node, kept, self._now())
        self.counts["delivered" if ours else "late"] += 1
        return Settled(DONE, result) if ours else None

    async def _failed(self, entry: OutboxEntry, fault: BackendFault) -> Settled | None:
        now = self._now()
        verdict = after_fault(fault, entry.attempts, entry.since_at, now, self._random.random(), self._settings)
        told = {"entry": entry.entry_id, "kind": entry.kind, "backend": entry.backend, "fault": str(fault)}
        try:
            if isinstance(verdict, PutOff):
                log.info("outbox.put_off", **told, wait_s=round(verdict.due_at - now, 1))
                ours = await self._store.put_off(entry.entry_id, self._node, str(fault), verdict.due_at, verdict.attempts)
                self.counts["put_off"] += 1
            else:
                log.error("outbox.dead", **told, hint="centralita outbox list")
                ours = await self._store.bury(entry.entry_id, self._node, verdict.why, verdict.attempts, now)
                self.counts["dead"] += 1
        except StoreUnavailable as error:
            log.warning("outbox.store_away", detail=str(error))
            return None  # the lease runs out
        return Settled(DEAD if isinstance(verdict, Dead) else WAITING, said=str(fault)) if ours else None

    async def _prune(self) -> None:
        now = self._now()
        if now - self._pruned_at >= _PRUNE_EVERY_S:
            self._pruned_at = now
            await self._store.prune(now - self._settings.keep_done_s)
