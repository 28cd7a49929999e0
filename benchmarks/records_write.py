"""Claims: one core records 1,000 calls per minute with SQLite and 5,000 with PostgreSQL, whole; and a PostgreSQL that is killed for a
minute costs no call and no record.

``writes``: calls as a contact centre has them, at the pace of a clock: each arrives, waits in a queue, is offered and taken, talks, is held
and resumed, ends and is wrapped up. Of each there are three states of its record with two legs, twelve entries of its journal, one visit
to a queue, four changes of its agent, a wrap-up code, and for every second that it talks a quality sample of both legs. They go through
the product's writer into a real database, sealed under real keys; as many calls talk as at that rate would. Our process has one core;
PostgreSQL is a process of its own. ``lag`` is how old what is not written yet is at most, by samples that wait. The cost of making the
load is in all figures.

``outage``: ``centralita serve`` with PostgreSQL, SIPp calls 20 times a second, agents take the calls; PostgreSQL is killed (SIGKILL, every
process) for 60 s. Afterwards each call that SIPp made has to be there once, with its legs and every entry of its journal.

There is no peer to run: other servers do not write this.
"""

import asyncio
import os
import tempfile
import time
from collections import deque
from dataclasses import replace
from itertools import product as product_of
from pathlib import Path
from random import Random

import asyncpg
import uvloop

from api.privacy.wiring import open_vault
from api.settings.tree import Settings
from api.store import Store
from api.store.spool import RecordSpool
from benchmarks.load.process import usage
from benchmarks.load.product import product
from benchmarks.load.servers import SERVER_CORE
from benchmarks.load.sip_calls import Load, call, check_sipp
from benchmarks.postgres import Postgres
from benchmarks.report import Options, Row
from media.messages import LegSample
from rooms.agent import AgentChange, AgentState
from rooms.causes import Cause, EndReason
from rooms.effects import KeepWrapUp
from rooms.entries import Entry, QueueVisit, What
from rooms.record import CallRecord, CallState, CallTally, LegRecord

_TALKS_S = (60.0, 180.0)
"""A short call, and a usual one of a travel company."""
_RATES = {"SQLite": 1_000, "PostgreSQL": 5_000}
"""Calls per minute."""
_TICK_S = 0.1
_DONE = Cause(EndReason.COMPLETED, 200, "")
_AGENTS = 2_000
_PLENTY = 20_000
_OUTAGE_S, _BEFORE_S, _AFTER_S = 60.0, 10.0, 20.0
_CALLS_PER_S, _CALL_S = 20, 2.0
_BACK_S = 60.0


class _Calls:
    """Makes the records of calls that begin ``per_s`` times a second and talk for ``talks_s``; ``sample_every`` tick is a call's second."""

    def __init__(self, store: Store, per_s: float, talks_s: float) -> None:
        self._store, self._per_s, self._talks_s = store, per_s, talks_s
        self._chance = Random(7)
        self._epoch_s = time.time()
        self._talking: deque[tuple[int, float]] = deque()
        self._made = 0.0
        self._ticks = 0
        self.begun = self.ended = self.samples = 0
        for number in range(int(per_s * talks_s)):  # those that talk already when we come
            self._begin(-talks_s * (1 - number / (per_s * talks_s)))

    async def catch_up(self, span_s: float) -> None:
        """What was measured of the calls that end within ``span_s``: whoever ends a call reads all its seconds."""
        for number, began_s in list(self._talking)[: int(self._per_s * span_s)]:
            for second in range(int(-began_s)):
                self._sample(number, began_s + second)
            if self._store.writer.waiting[1] > _PLENTY:
                await self._store.flush()
        await self._store.flush()

    def _to_epoch(self, at_s: float) -> float:
        return self._epoch_s + at_s

    def tick(self, now: float) -> None:
        """What happens in a tenth of a second."""
        self._made += self._per_s * _TICK_S
        while self._made >= 1.0:
            self._made -= 1.0
            self._begin(now)
        while self._talking and now - self._talking[0][1] >= self._talks_s:
            self._end(*self._talking.popleft(), now)
        of_each = int(1 / _TICK_S)
        for place in range(self._ticks % of_each, len(self._talking), of_each):
            self._sample(self._talking[place][0], now)
        self._ticks += 1

    def _record(self, number: int, began_s: float, state: CallState, ended_s: float | None = None) -> CallRecord:
        live_s, agent = (began_s + 9.0 if state is not CallState.RINGING else None), f"agent{number % _AGENTS}"
        caller, cause = f"+346{number:08d}", _DONE if ended_s is not None else None
        legs = [LegRecord(f"{number}-phone", "phone", caller, "pbx", began_s, began_s, ended_s, cause, "arrived")]
        if live_s is not None:
            legs.append(LegRecord(f"{number}-agent", "agent", agent, "", live_s - 4.0, live_s, ended_s, cause, "offered"))
        talked_s = ended_s - live_s if ended_s is not None and live_s is not None else 0.0
        tally = CallTally(agent, talked_s, 5.0, 0, agent, 12 if ended_s is not None else 7, 0, "Main", "es", "sales", 9.0)
        return CallRecord(
            f"call-{number}", "in", caller, "Luz García", "900", agent, state, began_s, live_s, ended_s, cause, tuple(legs), tally
        )

    def _entries(self, number: int, first: int, at_s: float, *whats: tuple[What, str]) -> None:
        call_id, caller = f"call-{number}", f"+346{number:08d}"
        entries = [
            Entry(call_id, first + place, at_s, what, caller, f"{number}-phone", "", detail) for place, (what, detail) in enumerate(whats)
        ]
        self._store.put_entries(entries, self._to_epoch)

    def _begin(self, now: float) -> None:
        """It arrives, waits, and is taken."""
        number, agent = self.begun, f"agent{self.begun % _AGENTS}"
        self.begun += 1
        self._store.put_call(self._record(number, now, CallState.RINGING), self._to_epoch)
        self._entries(number, 1, now, (What.ARRIVED, ""), (What.ANSWERED, ""), (What.STEP, "welcome"), (What.QUEUED, "sales"))
        self._store.put_agent_changes([AgentChange(agent, now, AgentState.RINGING, f"call-{number}")], self._to_epoch)
        self._entries(number, 5, now, (What.OFFERED, agent), (What.ACCEPTED, agent), (What.CONNECTED, agent))
        self._store.put_visits(
            [QueueVisit(f"call-{number}", 1, "sales", now, now, now + 9.0, "served", agent, f"{number}-agent", 1, True)], self._to_epoch
        )
        self._store.put_agent_changes([AgentChange(agent, now + 0.01, AgentState.ON_CALL, f"call-{number}")], self._to_epoch)
        self._store.put_call(self._record(number, now, CallState.LIVE), self._to_epoch)
        self._talking.append((number, now))

    def _end(self, number: int, began_s: float, now: float) -> None:
        """It was held meanwhile; it ends, and the work on it too."""
        agent = f"agent{number % _AGENTS}"
        self._entries(
            number, 8, now, (What.HELD, ""), (What.RESUMED, ""), (What.LEFT, agent), (What.LEFT, "phone"), (What.ENDED, "completed")
        )
        self._store.put_call(self._record(number, began_s, CallState.ENDED, now), self._to_epoch)
        changes = [AgentChange(agent, now + 0.02, AgentState.WRAP_UP), AgentChange(agent, now + 0.03, AgentState.AVAILABLE)]
        self._store.put_agent_changes(changes, self._to_epoch)
        self._store.put_wrap_up(KeepWrapUp(f"call-{number}", agent, "sales", "sold", now, now + 5.0), self._to_epoch)
        self.ended += 1

    def _sample(self, number: int, now: float) -> None:
        self._store.put_quality(f"call-{number}", self._to_epoch(now), [self._leg(f"{number}-{kind}", kind) for kind in ("phone", "agent")])
        self.samples += 2

    def _leg(self, leg_id: str, kind: str) -> LegSample:
        lost, jitter_ms = self._chance.random() / 100, 5 * self._chance.random()
        return LegSample(
            leg_id, 50, lost, jitter_ms, 21.5, 0, 0.0, -23.5, 88.0, 4.2 - lost, "nb", "good", "pcma", 0.5, -61.0, None, None, kind,
            1.5, 50, lost, lost, jitter_ms, None, None, 87.0, 4.1, "nb", "good", 1.0,
        )  # fmt: skip


async def _written(name: str, url: str, folder: Path, per_min: int, talks_s: float, span_s: float, server: Postgres) -> list[Row]:
    vault = open_vault(Settings.load(env={}, overrides={"server.data_dir": folder}))
    async with Store.open(url, vault=vault, spool=RecordSpool(folder / "calls.spool", vault)) as store:
        calls = _Calls(store, per_min / 60, talks_s)
        await calls.catch_up(span_s)
        begun_s, cpu_s, theirs_s = time.monotonic(), time.process_time(), usage(server.pids).cpu_s
        samples, ended, lag_s = calls.samples, calls.ended, 0.0
        for number in range(int(span_s / _TICK_S)):
            await asyncio.sleep(max(0.0, begun_s + number * _TICK_S - time.monotonic()))
            calls.tick(number * _TICK_S)
            lag_s = max(lag_s, store.writer.waiting[1] * _TICK_S / max(1, (calls.samples - samples) / (number + 1)))
        flushed_s = time.monotonic()
        await store.flush()
        cpu_s, took_s = time.process_time() - cpu_s, time.monotonic() - begun_s
        theirs_s = usage(server.pids).cpu_s - theirs_s
        case = f"{name}, {per_min} calls per minute of {talks_s:g} s, {int(per_min / 60 * talks_s)} at once"
        done = calls.ended - ended
        return [
            Row(case, "calls recorded per minute", 60 * done / took_s, "", goal=f">= {0.9 * per_min:g}"),
            Row(case, "calls recorded per minute of one core's time", 60 * done / cpu_s, "", goal=f">= {per_min}"),
            Row(case, "share of one core", cpu_s / took_s, ""),
            Row(case, "CPU per call", 1_000 * cpu_s / max(1, done), "ms"),
            Row(case, "CPU per call, of PostgreSQL's processes", 1_000 * theirs_s / max(1, done), "ms"),
            Row(case, "quality samples per second", (calls.samples - samples) / took_s, ""),
            Row(case, "lag, longest", lag_s, "s", goal="<= 5"),
            Row(case, "written after the last came", time.monotonic() - flushed_s, "s"),
            Row(case, "samples given up", store.writer.dropped_samples, "", goal="<= 0"),
        ]


async def _outage(server: Postgres, folder: Path, quick: bool) -> list[Row]:
    outage_s = 3.0 if quick else _OUTAGE_S
    load = Load(_CALLS_PER_S, int(_CALLS_PER_S * (_BEFORE_S + outage_s + _AFTER_S)), _CALL_S)
    agents = tuple(f"agent{number}" for number in range(10 + int(1.5 * load.rate * load.lasts_s)))
    url = await server.create("outage")
    async with product(folder, agents, database=url) as found:
        calling = asyncio.create_task(call(folder / "calls", found.port, replace(load, called=agents)), name="sipp")
        await asyncio.sleep(_BEFORE_S)
        await asyncio.to_thread(server.kill)
        killed_s = time.monotonic()
        await asyncio.sleep(outage_s)
        await asyncio.to_thread(server.start)
        away_s = time.monotonic() - killed_s
        called = await calling
        begun_s = time.monotonic()
        kept = await _kept(url, load.calls)
        back_s = time.monotonic() - begun_s
    case = f"whole product, {load.rate} calls/s of {load.lasts_s:g} s, PostgreSQL killed for {away_s:.0f} s"
    return [
        Row(case, "calls made", load.calls, ""),
        Row(case, "calls failed", called.failed, "", goal="<= 0"),
        Row(case, "requests and responses repeated", called.repeated, "", goal="<= 0"),
        Row(case, "calls answered after 50 ms", called.slow, ""),
        Row(case, "records of calls, whole and each once", kept["whole"], "", goal=f">= {load.calls}"),
        Row(case, "records too many", kept["calls"] - load.calls, "", goal="<= 0"),
        Row(case, "calls with an entry missing or too many", kept["torn"], "", goal="<= 0"),
        Row(case, "complete after the last call had ended", back_s, "s", goal="<= 60"),
    ]


_KEPT = """
SELECT count(*) AS calls,
    count(*) FILTER (WHERE answered_at IS NOT NULL AND ended_at IS NOT NULL AND agent <> '' AND legs = 2) AS whole,
    count(*) FILTER (WHERE written <> entries OR last <> entries) AS torn
FROM calls
LEFT JOIN (SELECT call_id, count(*) AS legs FROM legs GROUP BY call_id) AS l USING (call_id)
LEFT JOIN (SELECT call_id, count(*) AS written, max(seq) AS last FROM call_events GROUP BY call_id) AS e USING (call_id)
"""


async def _kept(url: str, calls: int) -> dict[str, int]:
    """What is in the database once it has so many whole calls, or after a minute."""
    connection = await asyncpg.connect(url)
    try:
        until_s = time.monotonic() + _BACK_S
        while True:
            found = dict(await connection.fetchrow(_KEPT))
            if found["whole"] >= calls or time.monotonic() > until_s:
                return found
            await asyncio.sleep(_TICK_S)
    finally:
        await connection.close()


async def _measure(options: Options) -> list[Row]:
    wanted = options.only or ("writes", "outage")
    rows: list[Row] = []
    span_s = 1.0 if options.quick else 60 * options.minutes or 20.0
    with tempfile.TemporaryDirectory(prefix="centralita-records-") as folder, Postgres() as server:
        if "outage" in wanted:
            check_sipp()
            rows += await _outage(server, Path(folder) / "outage", options.quick)
        if "writes" in wanted:
            cores = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {SERVER_CORE})
            try:
                for (name, per_min), talks_s in product_of(_RATES.items(), _TALKS_S[:1] if options.quick else _TALKS_S):
                    own = Path(folder) / f"{name}-{talks_s:g}"
                    own.mkdir()
                    url = f"sqlite:///{own}/records.sqlite3" if name == "SQLite" else await server.create(own.name)
                    rows += await _written(name, url, own, per_min // 20 if options.quick else per_min, talks_s, span_s, server)
            finally:
                os.sched_setaffinity(0, cores)
    return rows


def run(options: Options) -> list[Row]:
    return uvloop.run(_measure(options))
