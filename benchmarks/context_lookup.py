"""Claims: what hangs, fails or floods behind a call takes nothing from it; and who calls is known at once, or in little more than the
slowest backend takes.

Calls go through the real exchange, media worker, store and loopback line in a process of their own, once with a CRM that hangs, a ticketing
that answers 500 and a booking that sends 10 MB, all by HTTP from another process and asked at every call (their breakers never open), once
without any. One call each by turns, so that whatever else the machine does is done to both. The page is told, as it would be.

A day is replayed from five-minute counts of a call centre (``--data``: a folder with ``bank_calls_train.csv``, else a made day of the same
form). These do not say who called: callers are drawn from so many customers as each row says, of whom the n-th calls as often as 1/n says.
The day before is replayed first. A hit is an answer that nobody waits for: fresh, old and being refreshed, or that nobody is known.
"""

import asyncio
import csv
import math
import sys
import time
from bisect import bisect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from itertools import accumulate
from pathlib import Path
from random import Random

from api.backends.cache import AnswerCache, CacheTimes
from api.backends.context import CallContext
from api.backends.lookup import ContextLookup
from api.backends.protocols import CallerKey, ContactRef
from api.privacy.vault import Vault
from benchmarks.load.backends_apart import backends_apart
from benchmarks.load.context_calls import GOOD, MARK, SAID, looked_up
from benchmarks.report import CannotRun, Options, Row

_WARM = 20
_FIVE_MINUTES_S = 300.0
_CUSTOMERS = (10_000, 30_000)
_BACKENDS = ("crm", "booking", "ticketing")


def run(options: Options) -> list[Row]:
    calls, lookups, share = (30, 20, 0.02) if options.quick else (500, 300, 1.0)
    rows = asyncio.run(_beside(calls)) + asyncio.run(_times(lookups))
    days = _days(options.data)
    return rows + [row for customers in _CUSTOMERS for row in asyncio.run(_replay(days, customers, share))]


# ---------------------------------------------------------------------- 1: beside calls


class _Process:
    """Calls of one kind, in a process of their own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout

    async def line(self) -> str:
        while found := (await asyncio.wait_for(self._stdout.readline(), 60)).decode().strip():
            if found.startswith(MARK):
                return found.removeprefix(MARK)
        raise CannotRun("the process with the calls ended by itself: see what it wrote")

    async def one(self) -> float:
        self._stdin.write(b"call\n")
        return float(await self.line())

    async def page(self) -> str:
        """What it says of each backend in the end."""
        self._stdin.write(b"page\n")
        return await self.line()

    async def end(self) -> None:
        self._stdin.close()
        await self._process.wait()


async def _calls(*address: str) -> _Process:
    command = (sys.executable, "-m", "benchmarks.load.context_calls", *address)
    pipe = asyncio.subprocess.PIPE
    process = _Process(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))
    await process.line()
    return process


async def _beside(calls: int) -> list[Row]:
    async with backends_apart() as address:
        alone, beside = await _calls(), await _calls(address)
        without_ms: list[float] = []
        with_ms: list[float] = []
        for number in range(_WARM + calls):
            for process, times_ms in ((alone, without_ms), (beside, with_ms)):
                took_ms = await process.one()
                if number >= _WARM:
                    times_ms.append(took_ms)
        said = await beside.page()
        await beside.end()
        await alone.end()
    case = f"{calls} calls with a CRM that hangs, a ticketing of 500s, a booking of 10 MB, {calls} without"
    return [
        Row(case, "ring to answer without, p50", _share(without_ms, 0.5), "ms"),
        Row(case, "ring to answer with, p50", _share(with_ms, 0.5), "ms"),
        Row(case, "ring to answer without, p99", _share(without_ms, 0.99), "ms"),
        Row(case, "ring to answer with, p99", _share(with_ms, 0.99), "ms"),
        Row(case, "p99 with less p99 without", _share(with_ms, 0.99) - _share(without_ms, 0.99), "ms", goal="<= 5"),
        Row(case, f"the page says: {said}", float(said == SAID), "", goal=">= 1"),
        Row(case, "calls not answered", 2 * calls - len(with_ms) - len(without_ms), "", goal="<= 0"),
    ]


# ---------------------------------------------------------------------- 2: how soon it is known


async def _whole_s(context: ContextLookup, call_id: str, number: str) -> float:
    """From the ring until the page is told all that there is."""
    done = asyncio.Event()

    def tell(identities: Iterable[str], known: CallContext) -> None:
        if known.whole and known.contact is not None and known.bookings and known.tickets:
            done.set()

    context.meet(tell)
    began = time.perf_counter()
    context.begin(call_id, CallerKey(number, number))
    context.seen(call_id, ("ana",))
    await asyncio.wait_for(done.wait(), 30)
    context.ended(call_id)
    return time.perf_counter() - began


async def _times(lookups: int) -> list[Row]:
    rows: list[Row] = []
    async with backends_apart() as address:
        for steps, goal in ((1, "<= 130"), (2, "")):
            async with looked_up(address, iter(GOOD), steps=steps) as context:
                numbers = [f"+34{600_000_000 + number}" for number in range(lookups)]
                asked = [1_000 * await _whole_s(context, f"u{number}", number) for number in numbers]
                kept = [1_000 * await _whole_s(context, f"k{number}", number) for number in numbers]
            how = "each in one request" if steps == 1 else "the booking asked twice, who it is and then what is theirs"
            case = f"three backends of 100 ms, {how}"
            rows.append(Row(case, "uncached, until all is shown, p95", _share(asked, 0.95), "ms", goal=goal))
            if steps == 1:
                rows.append(Row(case, "cached, until all is shown, p95", _share(kept, 0.95), "ms", goal="<= 5"))
    return rows


# ---------------------------------------------------------------------- 3: how much is at hand


def _days(data: Path | None) -> list[list[int]]:
    """Counts by five minutes of two days that follow one another."""
    file = data / "bank_calls_train.csv" if data is not None else None
    if file is None:
        day = [round(115 + 60 * math.sin(math.pi * place / 168)) for place in range(169)]
        return [day, day]
    if not file.is_file():
        raise CannotRun(f"there is no {file}: give a folder with bank_calls_train.csv, or leave --data out")
    by_day: dict[str, list[int]] = {}
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            by_day.setdefault(row["start_utc"][:10], []).append(int(row["calls"]))
    return list(by_day.values())[:2]


class _Callers:
    """Whom a day's calls are by: customer ``n`` calls as often as 1/n says."""

    def __init__(self, customers: int, random: Random) -> None:
        self._until = list(accumulate(1 / rank for rank in range(1, customers + 1)))
        self._random = random

    def next(self) -> str:
        return f"+34{600_000_000 + bisect(self._until, self._random.random() * self._until[-1])}"


async def _replay(days: list[list[int]], customers: int, share: float) -> list[Row]:
    """A small ``share`` of the calls, by as small a share of the customers, is the same day seen through fewer eyes."""
    random, now, counts = Random(8), [0.0], Counter[str]()
    callers, vault = _Callers(max(1, round(customers * share)), random), Vault.in_memory()
    async with AnswerCache(vault, CacheTimes(remembered=200_000), now=lambda: now[0]) as cache:
        for day, blocks in enumerate(days):
            counts = cache.counts.copy()
            for place, calls in enumerate(blocks):
                times = sorted(random.random() for _ in range(round(calls * share)))
                for at in times:
                    now[0] = 86_400.0 * day + _FIVE_MINUTES_S * (place + at)
                    await _call(cache, vault, callers.next())
    seen = cache.counts - counts
    hits = seen["fresh"] + seen["stale"] + seen["nobody"]
    found = hits / (hits + seen["missed"])
    case = f"a day of {round(share * sum(days[-1]))} calls by {round(share * customers)} customers (Zipf), three backends"
    goal = ">= 0.85" if customers == _CUSTOMERS[0] else ""
    return [Row(case, "answers at hand", found, "", goal=goal), Row(case, "of these fresh", seen["fresh"] / max(1, hits), "")]


async def _call(cache: AnswerCache, vault: Vault, number: str) -> None:
    handle, shape = vault.number(number), tuple[ContactRef, ...]
    for backend in _BACKENDS:
        kept = await cache.find(handle, backend, shape)
        if kept is None or kept.stale:
            await cache.ask(handle, backend, shape, _known(backend, number))


def _known(backend: str, number: str) -> Callable[[], Awaitable[tuple[ContactRef, ...]]]:
    async def ask() -> tuple[ContactRef, ...]:
        return (ContactRef(backend, number, "Ana", numbers=(number,)),)

    return ask


def _share(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
