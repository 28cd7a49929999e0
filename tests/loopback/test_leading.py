"""What one node is enough for: two nodes on one database, and time that passes at a word."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from api.leading import Leading, Leads, Rounds
from api.privacy.retention import Retention
from api.settings.retention import RetentionSection
from api.store import Store
from api.store.errors import StoreUnavailable
from api.store.retention import RetentionStore
from tests.kit.postgres import Postgres
from tests.kit.vaults import VAULT

WITHIN_S = 30.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Two nodes that share a database."""
    url = f"sqlite:///{tmp_path}/calls.sqlite3"
    if request.param == "postgresql":
        url = await request.getfixturevalue("postgres").create(f"t{uuid4().hex}")
    async with Store.open(url, vault=VAULT, node="a") as one, Store.open(url, vault=VAULT, node="b") as other:
        yield one, other


@dataclass
class Time:
    """Of everybody in a test. ``asleep``: who waits for it, and until when."""

    now: float = 1_000.0
    asleep: dict[asyncio.Future[None], float] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def leading(self, store: Store) -> Leading:
        store.leases.clock = lambda: self.now
        return Leading(store.leases, store.node, lasts_s=90.0, clock=lambda: self.now)

    async def sleep(self, seconds: float) -> None:
        waker = asyncio.get_running_loop().create_future()
        self.asleep[waker] = self.now + seconds
        async with self.changed:
            self.changed.notify_all()
        try:
            await waker
        finally:
            self.asleep.pop(waker, None)

    async def all_asleep(self, people: int) -> None:
        async with asyncio.timeout(WITHIN_S), self.changed:
            await self.changed.wait_for(lambda: len(self.asleep) == people)

    async def to(self, at: float, people: int) -> None:
        """Let time pass until ``at``, a wake-up after the other."""
        await self.all_asleep(people)
        while (due := min(self.asleep.values(), default=at)) <= at:
            self.now = max(self.now, due)
            for waker in [waker for waker, wakes_at in self.asleep.items() if wakes_at <= self.now]:
                del self.asleep[waker]
                waker.set_result(None)
            await self.all_asleep(people)
        self.now = at


async def test_one_of_two_has_a_lease_until_it_is_gone_or_gives_it_back(nodes: tuple[Store, Store]) -> None:
    time = Time()
    one, other = nodes
    async with time.leading(other) as second:
        async with time.leading(one) as first:
            assert await first.of("retention")() and not await second.of("retention")()
            assert await second.of("tickets")(), "each work has a lease of its own"
            time.now += 80
            assert await first.of("retention")(), "renewed"
            time.now += 80
            assert not await second.of("retention")(), "it would be over, were it not renewed"
            time.now += 91
            assert await second.of("retention")(), "who has it is gone"
            assert not await first.of("retention")(), "and is told when it comes back"
            time.now += 91
            assert await first.of("retention")()
        assert await second.of("retention")(), "given back by who stopped"


async def test_who_has_it_does_not_ask_the_database_each_time(nodes: tuple[Store, Store]) -> None:
    time, asked = Time(), 0
    store = nodes[0]
    async with time.leading(store) as leading:
        take = store.leases.take

        async def counted(name: str, holder: str, lasts_s: float) -> bool:
            nonlocal asked
            asked += 1
            return await take(name, holder, lasts_s)

        leading._leases.take = counted  # type: ignore[method-assign]
        leads = leading.of("tickets")
        for _ in range(90):
            assert await leads()
            time.now += 1
        assert asked == 2, "at first, and once half of it is over"


async def test_of_many_who_ask_at_once_one_gets_it(nodes: tuple[Store, Store]) -> None:
    time = Time()
    async with AsyncExitStack() as stack:
        asking = [await stack.enter_async_context(time.leading(store)) for store in nodes * 6]
        assert sum(await asyncio.gather(*(each.of("retention")() for each in asking))) == 1


async def test_the_databases_own_clock_counts_where_nobody_gives_another(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    assert await other.leases.take("sweep", "b", -1.0), "over already"
    assert await one.leases.take("sweep", "a", 3_600.0) and not await other.leases.take("sweep", "b", 3_600.0)


async def test_two_nodes_never_do_a_round_at_once_and_each_round_once(nodes: tuple[Store, Store]) -> None:
    time, done, at_work = Time(), list[tuple[str, float]](), 0

    def rounds(store: Store, leads: Leads) -> Rounds:
        async def work() -> None:
            nonlocal at_work
            at_work += 1
            assert at_work == 1, "the other node is at it"
            assert await leads()
            await time.sleep(20)
            at_work -= 1
            done.append((store.node, time.now))

        return Rounds("sweep", leads, work, _fail, every_s=600, first_after_s=60, clock=lambda: time.now, sleep=time.sleep)

    async with AsyncExitStack() as stack:
        leading = [await stack.enter_async_context(time.leading(store)) for store in nodes]
        first, second = (rounds(store, each.of("sweep")) for store, each in zip(nodes, leading, strict=True))
        async with second:
            async with first:
                await time.to(1_000 + 1_500, 2)
            leader = done[0][0]
            # Whose turn it is, chance decides; from then on it is theirs.
            assert done == [(leader, at) for at in (1_080.0, 1_680.0, 2_280.0)]
            await time.to(1_000 + 2_500, 1)
        assert len(done) == 5 and at_work == 0, "whoever is left goes on"
        assert {node for node, _ in done[3:]} == {"b"}


async def test_a_round_that_the_database_prevents_is_told_and_comes_again() -> None:
    time, faults, done = Time(), list[str](), 0

    async def leads() -> bool:
        return True

    async def work() -> None:
        nonlocal done
        if time.now < 1_100:
            raise StoreUnavailable("away")
        done += 1

    rounds = Rounds("r", leads, work, lambda fault: faults.append(str(fault)), every_s=60, clock=lambda: time.now, sleep=time.sleep)
    async with rounds:
        await time.to(1_130, 1)
    assert (faults, done) == (["away", "away"], 1)
    assert dict(rounds.counts) == {"neglected": 2, "failed": 0}


@pytest.mark.parametrize("whose", ["work", "lease"])
async def test_a_round_that_fails_for_a_fault_of_ours_is_counted_and_comes_again(whose: str) -> None:
    time, done = Time(), list[float]()

    async def leads() -> bool:
        if whose == "lease" and time.now < 1_100:
            raise ValueError("a fault of ours")
        return True

    async def work() -> None:
        if whose == "work" and time.now < 1_100:
            raise ValueError("a fault of ours")
        done.append(time.now)

    rounds = Rounds("r", leads, work, _fail, every_s=60, clock=lambda: time.now, sleep=time.sleep)
    async with rounds:
        await time.to(1_200, 1)
    failed = {"work": 2, "lease": 4}[whose]  # at 1000 and 1060; who does not know whether it leads asks every 30 s
    assert dict(rounds.counts) == {"neglected": 0, "failed": failed}
    assert done == [1_120.0, 1_180.0]


async def test_a_sweep_ends_where_another_took_over(nodes: tuple[Store, Store]) -> None:
    asked = 0

    async def leads() -> bool:
        nonlocal asked
        asked += 1
        return asked < 2

    store = nodes[0]
    retention = Retention(store.part(RetentionStore), RetentionSection().policy(), "ES", lambda *note: None, leads=leads, pause_s=0.0)
    take = retention._store.take
    portions = 0

    async def endless(*given: object, only_count: bool = False) -> tuple[int, tuple[float, str] | None]:
        nonlocal portions
        portions += 1
        await take(*given, only_count=only_count)  # type: ignore[arg-type]
        return 1, (0.0, "more")

    retention._store.take = endless  # type: ignore[method-assign,assignment]
    await asyncio.wait_for(retention.look(), WITHIN_S)
    assert (portions, asked) == (1, 3), "it is asked before each kind and after each portion"


def _fail(fault: StoreUnavailable) -> None:
    raise AssertionError(fault)
