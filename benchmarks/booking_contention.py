"""Claim: however many want the last seats at once, each is sold once, and who comes too late is told at once.

Two hundred clients want the last twenty seats of a departure, at the same moment; again and again, each time of another departure. Then
fifty clients book one seat after the other, all of one departure (every booking waits for the one before) and spread over twenty. A
booking is whole: lock, count, booking, history, idempotency key, committed. SQLite with one node; PostgreSQL with two (two stores, each
with its own connections). Holds are not paid, and fifteen minutes later, by a simulated clock, all the seats have to be free again.

There is no peer to run: other booking systems are no program of this kind.
"""

import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

from api.privacy.vault import Vault
from api.store import Store
from api.store.travel import Tour
from api.store.travel_bookings import Mark
from api.travel import booking as core
from api.travel import reference
from api.travel.booking import HOLD_S, Booking, Departure, Step
from benchmarks.postgres import Postgres
from benchmarks.report import Options, Row
from signaling.refusal import Refusal

_CLIENTS, _LAST_SEATS = 200, 20
_AT_ONCE, _DEPARTURES = 50, 20
_TOUR = Tour("tour", "Tour", "Tour", "", "", "PE", 10)


@dataclass(slots=True)
class _Rush:
    """What came of one rush. ``times_ms``: how long each client waited for an answer."""

    sold: int = 0
    refused: int = 0
    failed: int = 0
    took_s: float = 0.0
    times_ms: list[float] = field(default_factory=list)


class _Nodes:
    def __init__(self, stores: list[Store]) -> None:
        self._stores = stores
        self._chance = Random(8)
        self.now = 1_000_000.0

    async def departure(self, seats: int) -> str:
        made = uuid4().hex
        when = (self.now + 86_400, self.now + 10 * 86_400, "America/Lima")
        await self._stores[0].travel.add_departure(Departure(made, "tour", *when, seats, 100_000, "EUR", 20), "lea", self.now)
        return made

    async def rush(self, wanted: list[str], at_once: int) -> _Rush:
        """One client for each, so many at a time."""
        rush, places = _Rush(), asyncio.Semaphore(at_once)

        async def client(number: int, departure_id: str) -> None:
            async with places:
                begun_s = time.perf_counter()
                try:
                    await self._book(number, departure_id)
                    rush.sold += 1
                except Refusal as refusal:
                    rush.refused += refusal.code == "sold_out"
                    rush.failed += refusal.code != "sold_out"
                rush.times_ms.append(1_000 * (time.perf_counter() - begun_s))

        begun_s = time.perf_counter()
        await asyncio.gather(*(client(number, departure_id) for number, departure_id in enumerate(wanted)))
        rush.took_s = time.perf_counter() - begun_s
        return rush

    async def _book(self, number: int, departure_id: str) -> None:
        def make(where: Departure, taken: int) -> list[tuple[Step, Booking]]:
            wish = core.initiate(reference.draw(self._chance), f"customer {number}", where, 1, self.now)
            return [(Step.INITIATE, wish), (Step.RESERVE, core.reserve(wish, where, taken, self.now))]

        mark = Mark("agent", self.now, key=f"{departure_id} {number}", fingerprint="1")
        await self._stores[number % len(self._stores)].bookings.add(departure_id, mark, make)

    async def taken(self, departure_ids: list[str], now: float) -> int:
        found = [await self._stores[-1].travel.departure(each, now) for each in departure_ids]
        return sum(each.taken for each in found if each is not None)


async def _measured(case: str, url: str, nodes: int, quick: bool) -> list[Row]:
    async with AsyncExitStack() as stack:
        vault = Vault.in_memory()
        stores = [await stack.enter_async_context(Store.open(url, node=f"n{number}", vault=vault)) for number in range(nodes)]
        await stores[0].travel.save_tour(_TOUR, "lea", 0.0)
        world = _Nodes(stores)
        departures = [await world.departure(_LAST_SEATS) for _ in range(1 if quick else 10)]
        rushes = [await world.rush([each] * _CLIENTS, _CLIENTS) for each in departures]
        many = 40 if quick else 1_000
        one = await world.departure(many)
        lone = await world.rush([one] * many, _AT_ONCE)
        spread = [await world.departure(many) for _ in range(_DEPARTURES)]
        wide = await world.rush([spread[number % _DEPARTURES] for number in range(many)], _AT_ONCE)
        held = await world.taken([*departures, one, *spread], world.now + HOLD_S - 0.001)
        back = await world.taken([*departures, one, *spread], world.now + HOLD_S)
        begun_s = time.perf_counter()
        written = len(await stores[-1].bookings.expire(world.now + HOLD_S))
        expired_s = time.perf_counter() - begun_s
    sold = sum(rush.sold for rush in rushes) + lone.sold + wide.sold
    waits = sorted(each for rush in rushes for each in rush.times_ms)
    last = f"{case}, {_CLIENTS} clients, the last {_LAST_SEATS} seats"
    return [
        Row(last, "seats sold too many or too few, of all rushes", sum(abs(rush.sold - _LAST_SEATS) for rush in rushes), "", goal="<= 0"),
        Row(last, "answered otherwise", sum(rush.failed for rush in rushes), "", goal="<= 0"),
        Row(last, "refusals per second", sum(rush.refused for rush in rushes) / sum(rush.took_s for rush in rushes), ""),
        Row(last, "until an answer, median", statistics.median(waits), "ms"),
        Row(last, "until an answer, p99", waits[int(0.99 * len(waits))], "ms"),
        *_of(f"{case}, {_AT_ONCE} clients, one departure", lone),
        *_of(f"{case}, {_AT_ONCE} clients, {_DEPARTURES} departures", wide),
        Row(f"{case}, fifteen minutes later", "seats held a millisecond before, too many or too few", abs(held - sold), "", goal="<= 0"),
        Row(f"{case}, fifteen minutes later", "seats still taken", back, "", goal="<= 0"),
        Row(f"{case}, fifteen minutes later", "holds written off per second", written / expired_s, ""),
        Row(f"{case}, fifteen minutes later", "holds not written off", sold - written, "", goal="<= 0"),
    ]


def _of(case: str, rush: _Rush) -> list[Row]:
    times = sorted(rush.times_ms)
    return [
        Row(case, "bookings per second", rush.sold / rush.took_s, ""),
        Row(case, "until an answer, median", statistics.median(times), "ms"),
        Row(case, "until an answer, p99", times[int(0.99 * len(times))], "ms"),
    ]


def run(options: Options) -> list[Row]:
    rows: list[Row] = []
    with ExitStack() as stack:
        if "sqlite" in (options.only or ("sqlite",)):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="centralita-bookings-"))
            rows += asyncio.run(_measured("SQLite, one node", f"sqlite:///{folder}/bookings.sqlite3", 1, options.quick))
        if "postgresql" in (options.only or ("postgresql",)):
            server = stack.enter_context(Postgres())
            url = asyncio.run(server.create("bookings"))
            rows += asyncio.run(_measured("PostgreSQL, two nodes", url, 2, options.quick))
    return rows
