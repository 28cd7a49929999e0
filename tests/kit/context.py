"""Backends whose answers a test gives when it likes, and a lookup over them; what pages would be told is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from api.backends.cache import AnswerCache, CacheTimes
from api.backends.context import CallContext, LinkHosts
from api.backends.guard import BackendLimits
from api.backends.lookup import ContextLookup
from api.backends.protocols import (
    Activity,
    BackendFault,
    BookingCard,
    CallerKey,
    Capability,
    ContactRef,
    Health,
    Kind,
    TicketCard,
)
from api.backends.registry import Backends
from api.privacy.vault import Vault

NUMBER = "+34600111222"
KEY = CallerKey(NUMBER, "600 111 222")
PATIENCE_S = 30.0


class FakeBackend:
    """Of any kind. ``people``, ``cards``: what it answers. While it is not ``free`` it hangs; ``fault`` is what it raises."""

    capabilities = frozenset(Capability)

    def __init__(self, id: str, kind: Kind, *people: ContactRef, cards: Sequence[Any] = ()) -> None:
        self.id = id
        self.kind = kind
        self.people = list(people)
        self.cards = list(cards)
        self.free = asyncio.Event()
        self.free.set()
        self.fault: BackendFault | None = None
        self.asked: list[str] = []

    async def health(self) -> Health:
        return Health(True)

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        return await self._answer("who", self.people)

    async def find_customers(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        return await self._answer("who", self.people)

    async def timeline(self, contact: ContactRef, *, limit: int = 10) -> list[Activity]:
        return await self._answer(f"of {contact.id}", self.cards)

    async def bookings_for(self, customer: ContactRef, *, limit: int = 10) -> list[BookingCard]:
        return await self._answer(f"of {customer.id}", self.cards)

    async def open_tickets(self, key: CallerKey, *, limit: int = 10) -> list[TicketCard]:
        return await self._answer("tickets", self.cards)

    async def _answer(self, what: str, answer: list[Any]) -> list[Any]:
        self.asked.append(what)
        await self.free.wait()
        if self.fault is not None:
            raise self.fault
        return list(answer)


def ana(backend: str, id: str = "1", name: str = "Ana García", **more: Any) -> ContactRef:
    return ContactRef(backend, id, name, **{"numbers": (NUMBER,), **more})


def trip(backend: str, ref: str = "R1") -> BookingCard:
    return BookingCard(backend, ref, ref, "Lisbon", "confirmed", 1.0, 2.0, Decimal(100), Decimal(50), "EUR")


class LookupBench:
    """``told``: contexts by person, the newest last. ``now`` moves both clocks."""

    def __init__(self, backends: Sequence[FakeBackend], limits: BackendLimits | None, most_calls: int) -> None:
        self.now = 1_000_000.0
        self.vault = Vault.in_memory()
        self.registry = Backends()
        for backend in backends:
            self.registry.add(backend, limits or BackendLimits(soft_s=PATIENCE_S, hard_s=PATIENCE_S, pause_s=0.0, tries=1))
        self.cache = AnswerCache(self.vault, CacheTimes(), now=lambda: self.now)
        self.lookup = ContextLookup(
            self.registry, self.cache, self.vault, may_lead=LinkHosts(["crm.example"]), clock=lambda: self.now, most_calls=most_calls
        )
        self.lookup.meet(self.tell)
        self.told: dict[str, list[CallContext]] = {}
        self.facts: list[dict[str, Any]] = []
        self._came = asyncio.Event()

    def tell(self, identities: Iterable[str], context: CallContext) -> None:
        for identity in identities:
            self.told.setdefault(identity, []).append(context)
        self._came.set()

    def begin(self, call_id: str = "c", key: CallerKey = KEY) -> None:
        self.lookup.begin(call_id, key, lambda facts: self.facts.append(dict(facts)))

    async def sees(self, identity: str, matches: Callable[[CallContext], bool]) -> CallContext:
        """Waits until what this person was told last matches."""
        async with asyncio.timeout(PATIENCE_S):
            while not (told := self.told.get(identity)) or not matches(told[-1]):
                self._came.clear()
                await self._came.wait()
        return told[-1]


@asynccontextmanager
async def lookup_bench(*backends: FakeBackend, limits: BackendLimits | None = None, most_calls: int = 5_000) -> AsyncIterator[LookupBench]:
    bench = LookupBench(backends, limits, most_calls)
    async with bench.cache, bench.lookup:
        yield bench


def states(context: CallContext) -> dict[str, str]:
    return {part.backend: part.state for part in context.parts}
