"""Calls beside backends that hang, fail and flood: they are answered, and whoever answers is told which backend is slow, and why."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.backends.builtin_crm import BuiltinCrm
from api.backends.cache import AnswerCache, CacheTimes
from api.backends.context import CallContext, LinkHosts
from api.backends.guard import BackendLimits
from api.backends.http import BackendHttp
from api.backends.lookup import ContextLookup
from api.backends.protocols import BookingCard, CallerKey, Capability, ContactDraft, ContactRef, Health, Kind, TicketCard
from api.backends.registry import Backends
from api.backends.routes import BackendRoutes
from api.backends.shared_answers import SharedAnswers
from api.backends.views import context_partial
from api.privacy.vault import Vault
from api.store import Store
from api.store.contacts import Contact
from pbx.loopback import LoopbackTimes
from pbx.trunk import Arrived
from rooms.centre_plan import Arrival
from rooms.events import AgentConnected, CallAccepted, HangUpRequested
from rooms.record import CallView
from rooms.switchboard import CallPolicy
from signaling.context_messages import ContextPartial
from signaling.redis_bus import RedisBus
from signaling.topics import person
from tests.kit.bus import redis_bus
from tests.kit.context import KEY, NUMBER, FakeBackend, ana, lookup_bench, trip
from tests.kit.exchange_bench import ExchangeBench, exchange_bench
from tests.kit.redis_server import RedisServer

PATIENCE_S = 30.0


class Elsewhere:
    """A backend of any kind behind HTTP, whose every answer goes wrong."""

    capabilities = frozenset({Capability.LOOKUP, Capability.TICKET})

    def __init__(self, http: BackendHttp, id: str, kind: Kind) -> None:
        self._http, self.id, self.kind = http, id, kind

    async def health(self) -> Health:
        return Health(True)

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        (await self._http.ask("GET", self.id)).demand().json()
        return []

    async def find_customers(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        return await self.find_contacts(key)

    async def bookings_for(self, customer: ContactRef, *, limit: int = 10) -> list[BookingCard]:
        return []

    async def open_tickets(self, key: CallerKey, *, limit: int = 10) -> list[TicketCard]:
        await self.find_contacts(key)
        return []


@asynccontextmanager
async def bad_backends(let_go: asyncio.Event) -> AsyncIterator[Backends]:
    async def hangs(request: web.Request) -> web.Response:
        await let_go.wait()
        return web.json_response({})

    async def fails(request: web.Request) -> web.Response:
        return web.Response(status=500)

    async def floods(request: web.Request) -> web.Response:
        return web.Response(body=b" " * 10_000_000, content_type="application/json")

    app = web.Application()
    for path, answer in {"/hangs": hangs, "/fails": fails, "/floods": floods}.items():
        app.router.add_get(path, answer)
    async with TestServer(app) as server, BackendHttp(f"http://127.0.0.1:{server.port}", allow_private=True) as http:
        backends = Backends()
        limits = BackendLimits(soft_s=0.01, hard_s=PATIENCE_S, tries=1)
        for id, kind in (("hangs", Kind.CRM), ("fails", Kind.TICKETING), ("floods", Kind.BOOKING)):
            backends.add(Elsewhere(http, id, kind), limits)
        try:
            yield backends
        finally:
            let_go.set()


async def told(bench: ExchangeBench, identity: str, states: dict[str, str]) -> ContextPartial:
    """Waits until this person's page was told that the backends stand so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            mine = [notice for topic, notice in bench.told.notices if topic == person(identity) and isinstance(notice, ContextPartial)]
            if mine and {part.backend: part.state for part in mine[-1].parts} == states:
                return mine[-1]
            bench.told._came.clear()
            await bench.told._came.wait()


async def test_a_call_is_answered_whatever_the_backends_do_and_the_page_says_which_is_slow(tmp_path: Path) -> None:
    let_go = asyncio.Event()
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(bad_backends(let_go))
        vault = Vault.in_memory()
        cache = await stack.enter_async_context(AnswerCache(vault, CacheTimes()))
        context = await stack.enter_async_context(ContextLookup(backends, cache, vault))

        def receive(call_id: str, event: Arrived) -> Arrival:
            context.begin(call_id, CallerKey(event.caller, event.caller))
            return Arrival()

        def on_shown(agents: tuple[str, ...], view: CallView) -> None:
            context.seen(view.call_id, agents)

        def tell(identities: Iterable[str], known: CallContext) -> None:
            for identity in identities:
                bench.told.publish(person(identity), context_partial(known))

        bench = await stack.enter_async_context(
            exchange_bench(tmp_path, policy=CallPolicy(), times=LoopbackTimes(), receive=receive, on_shown=on_shown)
        )
        context.meet(tell)
        bench.exchange.feed(AgentConnected("ana"))
        bench.demo.call(NUMBER, "", "ana")
        ringing = await bench.told.call("ana", "ringing")
        bench.exchange.feed(CallAccepted(ringing.call_id, "ana"))
        await bench.told.call("ana", "answering", "live")
        slow = await told(bench, "ana", {"hangs": "slow", "fails": "unreachable", "floods": "too_large"})
        assert (slow.whole, [part.said for part in slow.parts][1:]) == (
            False,
            ["It failed by a fault of its own (500).", "Its answer is larger than 256 kB."],
        )
        bench.exchange.feed(HangUpRequested(ringing.call_id, "ana"))
        let_go.set()
        await told(bench, "ana", {"hangs": "none", "fails": "unreachable", "floods": "too_large"})
        await bench.ended(ringing.call_id)


async def test_nodes_share_answers_by_redis_and_forget_together() -> None:
    vault = Vault.in_memory()
    handle, shape = vault.number(NUMBER), tuple[ContactRef, ...]

    async def ask() -> tuple[ContactRef, ...]:
        return (ana("crm"),)

    with RedisServer() as server:
        async with redis_bus(server.url, "one") as heard:
            assert isinstance(heard.bus, RedisBus)
            shelf = SharedAnswers(heard.bus, within_s=PATIENCE_S)
            async with AnswerCache(vault, CacheTimes(), shelf=shelf) as one, AnswerCache(vault, CacheTimes(), shelf=shelf) as other:
                await one.ask(handle, "crm:who", shape, ask)
                found = await other.find(handle, "crm:who", shape)
                assert found is not None
                assert (found.value, other.counts["shared"]) == ((ana("crm"),), 1)
                await one.forget([handle])
                async with AnswerCache(vault, CacheTimes(), shelf=shelf) as third:
                    assert await third.find(handle, "crm:who", shape) is None
            assert shelf.away == 0


async def test_backends_are_shown_and_tried_over_rest() -> None:
    crm = FakeBackend("crm", Kind.BOOKING, ana("crm"), cards=[trip("crm")])
    async with lookup_bench(crm) as bench:
        app = web.Application()
        BackendRoutes(bench.registry, lambda: bench.lookup.cache_gauges, bench.vault, "ES").add_to(app)
        async with TestClient(TestServer(app)) as client:
            answer = await client.post("/api/v1/backends/crm/try", json={"number": "600 111 222"})
            trial = await answer.json()
            assert (trial["number"], trial["contacts"][0]["name"], trial["bookings"][0]["due"]) == (NUMBER, "Ana García", "50")
            shown = await (await client.get("/api/v1/backends")).json()
            state = shown["backends"][0]["state"]
            assert (state["breaker"], state["counts"], shown["cache"]["entries"]) == ("closed", {"ok": 2}, 0)
            assert KEY.e164 == NUMBER
            crm.people = [ana("crm", numbers=("+34600999999",))]
            wrong = await (await client.post("/api/v1/backends/crm/try", json={"number": NUMBER})).json()
            assert (wrong["cause"], wrong["bookings"]) == ("invalid", [])


async def test_our_own_contacts_are_a_backend_like_others(tmp_path: Path) -> None:
    vault = Vault.in_memory()
    async with Store.open(f"sqlite:///{tmp_path / 'calls.sqlite3'}", vault=vault) as store:
        known = Contact("1", "Ana", "García", "Viajes Sol", "ana@example.com", (NUMBER,), vip=True, language="es", lead_score=0.7)
        await store.contacts.add(known, "boss", 1.0)
        crm = BuiltinCrm(store.contacts, store.centre, "ES")
        (found,) = await crm.find_contacts(KEY)
        assert (found.name, found.company, found.vip, found.language, found.lead_score) == ("Ana García", "Viajes Sol", True, "es", 0.7)
        assert LinkHosts(())(crm.id, found.url)
        assert await crm.find_contacts(CallerKey(NUMBER, NUMBER, withheld=True)) == []
        assert [one.id for one in await crm.find_contacts(CallerKey(None, "", email="ANA@example.com"))] == ["1"]
        assert await crm.timeline(found) == []
        draft = ContactDraft("Luis Pérez Gil", "+34600333444", language="es")
        made = await crm.create_contact(draft, idem="call-1:contact")
        assert await crm.create_contact(draft, idem="call-1:contact") == made
        assert [(one.id, one.name) for one in await crm.find_contacts(CallerKey("+34600333444", ""))] == [(made.id, "Luis Pérez Gil")]
