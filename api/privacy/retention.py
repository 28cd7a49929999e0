"""Deletes what was kept for long enough, some rows at a time, so that nothing waits for it (GDPR article 5.1 e)."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Self

import structlog

from api.leading import Leads, Rounds, alone
from api.privacy.retention_policy import RetentionPolicy
from api.store.errors import StoreUnavailable
from api.store.retention import KINDS, Kind, RetentionStore
from pbx.numbers import number_of_caller

log = structlog.get_logger()
LOOK_EVERY_S = 6 * 3_600.0
_FIRST_AFTER_S = 600.0
"""Whoever starts has better things to do."""
_PORTIONS = 4
"""Of people, at each look."""
_PAUSE_S = 0.05
"""Between two transactions, so that others write."""


class Retention:
    """``async with``: looks ten minutes after the start, then every ``look_every_s``, where this node ``leads``. ``note`` is the audit's:
    kind, detail. ``region``: the country of numbers without one. ``now``: seconds since the epoch. ``counts``: rows deleted by kind."""

    def __init__(
        self,
        store: RetentionStore,
        policy: RetentionPolicy,
        region: str,
        note: Callable[[str, str], None],
        *,
        leads: Leads = alone,
        look_every_s: float = LOOK_EVERY_S,
        pause_s: float = _PAUSE_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._policy, self._region, self._note = store, policy, region, note
        self._leads = leads
        self._pause_s = pause_s
        self._now = now
        self.rounds = Rounds("retention", leads, self._look_round, self._neglected, every_s=look_every_s, first_after_s=_FIRST_AFTER_S)
        self.forgotten = 0
        """People whose keys were destroyed, because nothing of theirs was left."""
        self.counts: Counter[str] = Counter({kind.name: 0 for kind in KINDS} | {"neglected": 0})

    async def __aenter__(self) -> Self:
        await self.rounds.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.rounds.__aexit__(*exc_info)

    async def due(self) -> Mapping[str, int]:
        """How many of each kind would be deleted now. Raises ``StoreUnavailable``."""
        return await self._through(only_count=True)

    async def look(self) -> Mapping[str, int]:
        """Delete what is due, and tell how many of each kind that was; done again it changes nothing. Raises ``StoreUnavailable``."""
        gone = await self._through(only_count=False)
        for name, count in gone.items():
            self._note("retention_deleted", f"{name}: {count}")
        await self._forget()
        return gone

    async def _forget(self) -> None:
        """Destroy the keys of people of whom nothing is left; those who were looked at before have their turn, some at each look."""
        forgotten = keys = 0
        for _ in range(_PORTIONS):
            looked = await self._store.forget(self._now())
            forgotten, keys = forgotten + looked.forgotten, keys + looked.keys
            if not looked.new or not await self._leads():
                break
            await asyncio.sleep(self._pause_s)
        if forgotten:
            self.forgotten += forgotten
            self._note("retention_forgot", f"{forgotten} people of whom nothing was left, {keys} keys")

    async def _through(self, *, only_count: bool) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        for kind in KINDS:
            if not (only_count or await self._leads()):
                break
            count = await self._of_kind(kind, only_count=only_count)
            found[kind.name] += count
        return {name: count for name, count in found.items() if count}

    async def _of_kind(self, kind: Kind, *, only_count: bool) -> int:
        now, count, place = self._now(), 0, None
        if math.isinf(self._policy.shortest_s(kind.name, kind.data_class)):
            return 0
        while True:
            some, place = await self._store.take(kind, self._policy, now, self._country_of, place, only_count=only_count)
            count += some
            if not only_count:
                self.counts[kind.name] += some
            if place is None or not (only_count or await self._leads()):
                return count
            await asyncio.sleep(self._pause_s)

    def _country_of(self, number: str) -> str:
        return number_of_caller(number, self._region).region if number else ""

    async def _look_round(self) -> None:
        if gone := await self.look():
            log.info("retention.deleted", **gone)

    def _neglected(self, fault: StoreUnavailable) -> None:
        self.counts["neglected"] += 1
        log.error("retention.neglected", fault=str(fault), hint="it is looked at again; look after the database")
