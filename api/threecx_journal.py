"""What a 3CX's own log says of our calls, its judgement of their quality above all, kept beside our record."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from api.store import StoreUnavailable
from api.store.pbx import PbxCall, PbxStore
from pbx.threecx.directory import LoggedCall, PbxQuality, matching
from pbx.threecx.faults import ThreeCxFault
from pbx.threecx.xapi import Xapi
from rooms.record import CallRecord, CallState

log = structlog.get_logger()
_WITHIN_S = 180.0
_MOST_WAITING = 1_000


@dataclass(frozen=True, slots=True)
class _Ended:
    call_id: str
    agent: str
    number: str
    began_at: float
    ended_at: float
    tries: int = 0


class ThreeCxJournal:
    """``numbers_of``: the DNs under which the PBX may know an agent's call. ``after_s``: how late its log is asked, once and again."""

    def __init__(
        self,
        xapi: Xapi,
        store: PbxStore,
        *,
        numbers_of: Callable[[str], frozenset[str]],
        after_s: tuple[float, ...],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._xapi, self._store = xapi, store
        self._numbers_of, self._after_s, self._clock = numbers_of, after_s, clock
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._work: set[asyncio.Task[None]] = set()
        self.joined = 0
        self.missed = 0
        self.dropped = 0

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in tuple(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    def heard(self, record: CallRecord, to_epoch: Callable[[float], float]) -> None:
        """A call as it was just recorded; it is one over the PBX's line."""
        if record.state is not CallState.ENDED or record.ended_s is None:
            return
        number = record.called if record.direction == "out" else record.caller
        self._later(_Ended(record.call_id, record.agent, number, to_epoch(record.started_s), to_epoch(record.ended_s)))

    def _later(self, ended: _Ended) -> None:
        if ended.call_id in self._timers:
            return
        if len(self._timers) >= _MOST_WAITING:
            self.dropped += 1
            return
        loop = asyncio.get_running_loop()
        before = self._after_s[ended.tries - 1] if ended.tries else 0.0
        self._timers[ended.call_id] = loop.call_later(self._after_s[ended.tries] - before, self._begin, ended)

    def _begin(self, ended: _Ended) -> None:
        del self._timers[ended.call_id]
        task = asyncio.create_task(self._join(ended), name="threecx-join")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _join(self, ended: _Ended) -> None:
        try:
            found = await self._find(ended)
            if found is not None:
                quality = await self._xapi.quality(found) if found.measured else None
                await self._store.put_call(_row(ended.call_id, found, quality or PbxQuality(), self._clock()))
                self.joined += 1
        except (ThreeCxFault, StoreUnavailable) as fault:
            log.warning("threecx.not_joined", call_id=ended.call_id, detail=str(fault))
            found = None
        if found is None and ended.tries + 1 < len(self._after_s):
            self._later(_Ended(ended.call_id, ended.agent, ended.number, ended.began_at, ended.ended_at, ended.tries + 1))
        elif found is None:
            self.missed += 1

    async def _find(self, ended: _Ended) -> LoggedCall | None:
        rows = await self._xapi.logged_calls(ended.began_at - _WITHIN_S, ended.ended_at + _WITHIN_S)
        found = (
            matching(rows, agent=number, number=ended.number, at=ended.began_at, within_s=_WITHIN_S)
            for number in sorted(self._numbers_of(ended.agent))
        )
        return next(filter(None, found), None)


def _row(call_id: str, found: LoggedCall, quality: PbxQuality, now: float) -> PbxCall:
    return PbxCall(
        call_id,
        found.id[:64],
        found.answered,
        found.talked_s,
        found.reason,
        mos=quality.mos,
        round_trip_ms=quality.round_trip_ms,
        jitter_ms=quality.jitter_ms,
        lost=quality.lost,
        packets=quality.packets,
        codec=quality.codec[:32],
        judgement=quality.reason,
        joined_at=now,
    )
