"""Who is corrected or treated otherwise is shown so at the next ring, at every node, whether nodes share what they keep by Redis or not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from api.backends.builtin_crm import BuiltinCrm, renewing
from api.backends.cache import AnswerCache, CacheTimes
from api.backends.context import CallContext, LinkHosts
from api.backends.lookup import ContextLookup
from api.backends.protocols import CallerKey
from api.backends.registry import Backends
from api.backends.shared_answers import SharedAnswers
from api.contacts import Contacts, Correction, NewContact, Treatment
from api.privacy.vault import Vault
from api.store import Store
from api.store.acknowledged import AcknowledgedWrites
from api.store.spool import Spool
from signaling.redis_bus import RedisBus
from tests.kit.bus import redis_bus
from tests.kit.redis_server import RedisServer

NUMBER, OTHER, WITHIN_S = "+34600111222", "+34600333444", 30.0


class Node:
    """What is shown of callers at one node."""

    def __init__(self, vault: Vault, store: Store, shelf: SharedAnswers | None) -> None:
        backends = Backends()
        backends.add(BuiltinCrm(store.contacts, store.centre, "ES"))
        self.cache = AnswerCache(vault, CacheTimes(), shelf=shelf)
        self.context = ContextLookup(backends, self.cache, vault, may_lead=LinkHosts(()))
        self.context.meet(lambda identities, context: self._hear(context))
        self.told: list[CallContext] = []
        self._came = asyncio.Event()
        self._calls = 0

    def _hear(self, context: CallContext) -> None:
        self.told.append(context)
        self._came.set()

    async def ring(self, number: str) -> list[str]:
        """The names that an agent sees once all is known of who calls."""
        self._calls += 1
        call_id = f"c{self._calls}"
        self.context.begin(call_id, CallerKey(number, number))
        self.context.seen(call_id, ["ana"])
        async with asyncio.timeout(WITHIN_S):
            while not (mine := [each for each in self.told if each.call_id == call_id and each.whole]):
                self._came.clear()
                await self._came.wait()
        return [f"{one.name}{' *' if one.vip else ''}" for one in mine[-1].refs]


@asynccontextmanager
async def nodes(tmp_path: Path, *, redis: bool) -> AsyncIterator[tuple[Node, Node, Contacts]]:
    async with AsyncExitStack() as stack:
        vault, shelf = Vault.in_memory(), None
        store = await stack.enter_async_context(Store.open(f"sqlite:///{tmp_path / 'calls.sqlite3'}", vault=vault))
        if redis:
            bus = (await stack.enter_async_context(redis_bus(stack.enter_context(RedisServer()).url, "one"))).bus
            assert isinstance(bus, RedisBus)
            shelf = SharedAnswers(bus, within_s=WITHIN_S)
        one, other = Node(vault, store, shelf), Node(vault, store, shelf)
        for node in (one, other):
            await stack.enter_async_context(node.cache)
            await stack.enter_async_context(node.context)
        words: list[tuple[str, Collection[str], str]] = []
        here = renewing(one.context, vault, lambda *word: words.append(word))

        async def changed(numbers: Collection[str], emails: Collection[str], contact_id: str) -> None:
            await here(numbers, emails, contact_id)
            while words:
                await other.context.renew(*words.pop())

        writes = await stack.enter_async_context(AcknowledgedWrites(store.rooms, Spool(tmp_path / "spool", vault)))
        yield one, other, Contacts(store.contacts, writes, "ES", on_changed=changed)


@pytest.mark.parametrize("redis", [False, True], ids=["memory", "redis"])
async def test_a_contact_that_was_changed_is_shown_as_it_is_now(tmp_path: Path, redis: bool) -> None:
    async with nodes(tmp_path, redis=redis) as (one, other, contacts):

        async def everybody(number: str = NUMBER) -> list[list[str]]:
            return [await one.ring(number), await other.ring(number)]

        assert await everybody() == [[], []], "nobody knows them, and that is kept too"
        made = await contacts.create(NewContact("Ana", "García", NUMBER), "boss")
        assert await everybody() == [["Ana García"]] * 2
        right = Correction("Anna", "Garcia", "", "", (NUMBER, OTHER))
        assert await contacts.correct(made.contact_id, right, contacts.mark(made), "boss") is not None
        assert await everybody() == [["Anna Garcia"]] * 2 and await everybody(OTHER) == [["Anna Garcia"]] * 2
        await contacts.treat(made.contact_id, Treatment(True, "en"), "boss")
        assert await everybody() == [["Anna Garcia *"]] * 2
        known = (await contacts.lookup(OTHER)) or made
        assert (
            await contacts.correct(made.contact_id, Correction("Anna", "Garcia", "", "", (OTHER,)), contacts.mark(known), "boss")
            is not None
        )
        assert await everybody() == [[], []], "this number is theirs no more"
        assert await everybody(OTHER) == [["Anna Garcia *"]] * 2


async def test_a_correction_that_came_too_late_changes_nothing_that_is_kept(tmp_path: Path) -> None:
    async with nodes(tmp_path, redis=False) as (one, _other, contacts):
        told: list[str] = []
        before: Callable[..., Awaitable[None]] | None = contacts._on_changed
        assert before is not None
        made = await contacts.create(NewContact("Ana", "García", NUMBER), "boss")

        async def hear(numbers: Collection[str], emails: Collection[str], contact_id: str) -> None:
            told.append(contact_id)

        contacts._on_changed = hear
        assert await contacts.correct(made.contact_id, Correction("Eve", "", "", "", ()), "not as it is", "boss") is None
        assert told == [] and await one.ring(NUMBER) == ["Ana García"]
