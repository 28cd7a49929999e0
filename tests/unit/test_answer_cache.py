"""What backends said, kept for a while: fresh, stale or not at all; nothing in clear, and nothing after somebody was forgotten."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable

import pytest

from api.backends.cache import AnswerCache, CacheTimes, Kept, Shelf
from api.backends.protocols import BackendFault, ContactRef
from api.privacy.vault import Vault

ANA = ContactRef("crm", "7", "Ana García", numbers=("+34600111222",), email="ana@example.com")
People = tuple[ContactRef, ...]
PERSONAL = "Ana G|García|Viajes Sol|34600111222|example"
"""None so short that it may stand in sealed bytes by chance."""


class Backend:
    """Is asked, and answers at once or when it is let."""

    def __init__(self, *people: ContactRef) -> None:
        self.people = people
        self.asked = 0
        self.free = asyncio.Event()
        self.free.set()
        self.fault: BackendFault | None = None

    async def __call__(self) -> People:
        self.asked += 1
        await self.free.wait()
        if self.fault is not None:
            raise self.fault
        return self.people


class Drawer:
    """A shelf of two nodes."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[str, float]] = {}

    async def fetch(self, handle: str, name: str) -> str | None:
        return self.kept.get((handle, name), (None, 0.0))[0]

    async def keep(self, handle: str, name: str, text: str, ttl_s: float) -> None:
        self.kept[handle, name] = (text, ttl_s)

    async def drop(self, handles: Iterable[str]) -> None:
        gone = set(handles)
        self.kept = {key: value for key, value in self.kept.items() if key[0] not in gone}


class Node:
    """A cache whose clock a test moves."""

    def __init__(self, vault: Vault, shelf: Shelf | None = None, times: CacheTimes | None = None) -> None:
        self.now = 1_000_000.0
        self.vault = vault
        self.handle = vault.number("+34600111222")
        self.cache = AnswerCache(vault, times or CacheTimes(), shelf=shelf, now=lambda: self.now)

    async def find(self) -> Kept[People] | None:
        return await self.cache.find(self.handle, "crm:who", tuple[ContactRef, ...])

    async def ask(self, backend: Callable[[], object]) -> People:
        return await self.cache.ask(self.handle, "crm:who", tuple[ContactRef, ...], backend)  # type: ignore[arg-type]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    node = Node(Vault.in_memory())
    async with node.cache:
        yield node


async def test_an_answer_is_fresh_then_stale_then_gone(node: Node) -> None:
    assert await node.find() is None
    assert await node.ask(Backend(ANA)) == (ANA,)
    for after_s, stale in ((0.0, False), (299.0, False), (300.0, True), (86_399.0, True)):
        node.now = 1_000_000.0 + after_s
        assert await node.find() == Kept((ANA,), after_s, stale)
    node.now = 1_000_000.0 + 86_400.0
    assert await node.find() is None
    assert dict(node.cache.counts) == {"missed": 2, "fresh": 2, "stale": 2}
    assert node.cache.gauges["hit_ratio"] == 4 / 6


async def test_that_nobody_is_known_counts_for_half_a_minute(node: Node) -> None:
    await node.ask(Backend())
    node.now += 29.0
    assert await node.find() == Kept((), 29.0, False)
    node.now += 1.0
    assert await node.find() is None


async def test_what_no_longer_counts_of_new_numbers_is_let_go(node: Node) -> None:
    for number in range(100):
        await node.cache.ask(node.vault.number(f"+3460000{number:04}"), "crm:who", tuple[ContactRef, ...], Backend())
    await node.ask(Backend(ANA))
    assert node.cache.gauges["entries"] == 101
    node.now += 30.0
    await node.cache.ask(node.vault.number("+34611222333"), "crm:who", tuple[ContactRef, ...], Backend())
    assert node.cache.gauges["entries"] == 2
    assert await node.find() == Kept((ANA,), 30.0, False)


async def test_that_nobody_is_known_and_then_somebody_is(node: Node) -> None:
    await node.ask(Backend(ANA))
    for backend, found in ((Backend(), ()), (Backend(ANA), (ANA,)), (Backend(), ())):
        await node.ask(backend)
        assert await node.find() == Kept(found, 0.0, False)
    assert node.cache.gauges == {"entries": 1, "bytes": 0, "asking": 0, "hit_ratio": 1.0}
    await node.cache.forget([node.handle])
    assert node.cache.gauges["entries"] == 0


async def test_who_asks_in_the_same_moment_waits_for_one_request(node: Node) -> None:
    backend = Backend(ANA)
    backend.free.clear()
    asking = [asyncio.create_task(node.ask(backend)) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()  # who goes away takes nobody's answer with them
    await asyncio.sleep(0)
    backend.free.set()
    assert await asyncio.gather(*asking[1:]) == [(ANA,)] * 4
    assert (backend.asked, node.cache.counts["joined"]) == (1, 4)


async def test_a_fault_is_told_and_not_kept(node: Node) -> None:
    backend = Backend()
    backend.fault = BackendFault("unreachable", "Away.")
    with pytest.raises(BackendFault):
        await node.ask(backend)
    assert await node.find() is None
    backend.fault, backend.people = None, (ANA,)
    assert await node.ask(backend) == (ANA,)


async def test_more_than_there_is_room_for_makes_the_longest_unused_go() -> None:
    node = Node(Vault.in_memory(), times=CacheTimes(remembered=2))
    async with node.cache as cache:
        for name in ("a", "b"):
            await cache.ask(node.handle, name, tuple[ContactRef, ...], Backend(ANA))
        await cache.find(node.handle, "a", tuple[ContactRef, ...])
        await cache.ask(node.handle, "c", tuple[ContactRef, ...], Backend(ANA))
        left = [name for name in "abc" if cache.peek(node.handle, name, tuple[ContactRef, ...]) is not None]
        assert left == ["a", "c"]
        assert cache.gauges["entries"] == 2


async def test_nodes_share_what_they_know_and_nothing_of_it_can_be_read() -> None:
    vault, drawer = Vault.in_memory(), Drawer()
    one, other = Node(vault, drawer), Node(vault, drawer)
    many = tuple(ContactRef("crm", str(number), "Ana García", company="Viajes Sol " * 20) for number in range(20))
    async with one.cache, other.cache:
        await one.ask(Backend(*many))
        other.now += 10.0
        assert await other.find() == Kept(many, 10.0, False)
        assert other.cache.counts["shared"] == 1
        ((text, ttl_s),) = drawer.kept.values()
        assert ttl_s == 86_400.0
        assert not re.search(PERSONAL, text)
        assert len(text) < 1_500 < len(str(many))  # compressed before it was sealed
        dump = repr(vars(one.cache)) + repr(vars(other.cache)) + repr(drawer.kept)
        assert not re.search(PERSONAL, dump)


async def test_who_is_forgotten_is_forgotten_everywhere_and_also_what_is_on_its_way() -> None:
    vault, drawer = Vault.in_memory(), Drawer()
    one, other = Node(vault, drawer), Node(vault, drawer)
    async with one.cache, other.cache:
        await one.ask(Backend(ANA))
        await other.find()
        slow = Backend(ANA)
        slow.free.clear()
        asking = asyncio.create_task(one.cache.ask(one.handle, "late", tuple[ContactRef, ...], slow))
        await asyncio.sleep(0)
        vault.erase([one.handle])
        await one.cache.forget([one.handle])
        slow.free.set()
        await asking
        assert (await one.find(), drawer.kept, one.cache.gauges["entries"]) == (None, {}, 0)
        assert one.cache.peek(one.handle, "late", tuple[ContactRef, ...]) is None
        assert await other.find() is None  # its key is gone


@pytest.mark.parametrize("text", ["", "soon x", "1000000 ~1AAAA", "1000000 [1,2", "1000000 z!!", 'nan {"a":1}'])
async def test_what_somebody_else_put_on_the_shelf_is_no_answer(text: str) -> None:
    drawer = Drawer()
    node = Node(Vault.in_memory(), drawer)
    drawer.kept[node.handle, "crm:who"] = (text, 1.0)
    async with node.cache:
        assert await node.find() is None
