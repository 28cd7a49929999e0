"""Events of backends: what they change is asked anew and shown; what is forged, stale, replayed or too large changes nothing."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.audit.audit import Audit
from api.audit.keys import AuditKeys
from api.backends.event_routes import MOST_BYTES, BackendEventRoutes
from api.backends.protocols import CallerKey, Kind, TicketCard
from api.backends.signature import signed
from api.privacy.vault import Vault
from api.store import Store
from api.store.audit import AuditWanted
from signaling.refusal import Refusal
from tests.kit.context import NUMBER, FakeBackend, LookupBench, ana, lookup_bench

SECRET, NOW = "e" * 32, 1_800_000_000.0
PATH = "/api/v1/backends/crm/events"


class Sender:
    """Who posts events. ``told``: what other nodes hear."""

    def __init__(self, client: TestClient[Any, Any], routes: BackendEventRoutes) -> None:
        self._client, self.routes = client, routes
        self.now = NOW
        self.told: list[tuple[str, list[str], str]] = []

    async def post(self, event: object, *, path: str = PATH, secret: str = SECRET, at: float | None = None, **headers: str) -> str:
        body = event if isinstance(event, bytes) else msgspec.json.encode(event)
        given = signed(secret.encode(), "POST", PATH, body, self.now if at is None else at) | headers
        async with self._client.post(path, data=body, headers=given) as answer:
            told = await answer.json()
        return str(told.get("code") or answer.status)


@web.middleware
async def told(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        return await handler(request)  # type: ignore[no-any-return]
    except Refusal as refusal:
        return web.json_response({"code": refusal.code}, status=400)


@asynccontextmanager
async def sender(bench: LookupBench, folder: Path) -> AsyncIterator[tuple[Sender, Store, Audit]]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(f"sqlite:///{folder / 'audit.sqlite3'}", vault=Vault.in_memory()))
        audit = await stack.enter_async_context(Audit(store.audit, AuditKeys((bytes(32),))))

        def tell(backend: str, handles: Collection[str], contact: str) -> None:
            made.told.append((backend, sorted(handles), contact))

        routes = BackendEventRoutes(bench.lookup, {"crm": SECRET}, audit, "ES", tell_nodes=tell, now=lambda: made.now)
        app = web.Application(middlewares=[told])
        routes.add_to(app)
        made = Sender(await stack.enter_async_context(TestClient(TestServer(app))), routes)
        yield made, store, audit


async def test_what_changed_is_asked_anew_and_shown(tmp_path: Path) -> None:
    crm, desk = FakeBackend("crm", Kind.CRM, ana("crm")), FakeBackend("desk", Kind.TICKETING)
    async with lookup_bench(crm, desk) as bench, sender(bench, tmp_path) as (someone, _, _):
        bench.begin()
        bench.lookup.seen("c", ["eva"])
        await bench.sees("eva", lambda context: context.contact is not None and context.contact.name == "Ana García" and context.whole)
        asked = len(desk.asked)
        crm.people = [ana("crm", name="Ana Ruiz")]
        assert await someone.post({"number": "600 111 222"}) == "202"
        await bench.sees("eva", lambda context: context.contact is not None and context.contact.name == "Ana Ruiz")
        crm.people = [ana("crm", name="Ana Gil")]
        assert await someone.post({"contact": "1", "about": "what nobody knows here"}) == "202"
        await bench.sees("eva", lambda context: context.contact is not None and context.contact.name == "Ana Gil")
        assert len(desk.asked) == asked
        assert someone.told == [("crm", [bench.vault.number(NUMBER)], ""), ("crm", [], "1")]
        assert await someone.post({"number": "+34600999888"}) == "202"
        assert await someone.post({"contact": "999"}) == "202"
        assert await someone.post({}) == "202"


async def test_a_ticket_that_somebody_else_opened_appears(tmp_path: Path) -> None:
    desk = FakeBackend("crm", Kind.TICKETING)
    async with lookup_bench(desk) as bench, sender(bench, tmp_path) as (someone, _, _):
        bench.begin()
        bench.lookup.seen("c", ["eva"])
        await bench.sees("eva", lambda context: context.whole)
        desk.cards = [TicketCard("crm", "7", "Refund", "new")]
        assert await someone.post({"number": NUMBER}) == "202"
        await bench.sees("eva", lambda context: [card.id for card in context.tickets] == ["7"])


async def test_what_was_kept_of_somebody_who_is_in_no_call_is_dropped(tmp_path: Path) -> None:
    crm = FakeBackend("crm", Kind.CRM, ana("crm"))
    async with lookup_bench(crm) as bench, sender(bench, tmp_path) as (someone, _, _):
        for call_id, number in (("c1", NUMBER), ("c2", "")):
            bench.begin(call_id, CallerKey(number or None, "", email="ana@example.com"))
            bench.lookup.seen(call_id, [call_id])
            await bench.sees(call_id, lambda context: context.whole and (context.contact is not None or bool(context.choices)))
            bench.lookup._drop(call_id)
        assert bench.cache.gauges["entries"] > 0
        assert await someone.post({"number": NUMBER, "email": "ana@example.com"}) == "202"
        assert bench.cache.gauges["entries"] == 0


async def test_what_is_not_the_backends_own_word_changes_nothing(tmp_path: Path) -> None:
    crm = FakeBackend("crm", Kind.CRM, ana("crm"))
    async with lookup_bench(crm) as bench, sender(bench, tmp_path) as (someone, store, audit):
        event = {"number": NUMBER}
        assert await someone.post(event, secret="x" * 32) == "token_invalid"
        assert await someone.post(event, at=NOW - 301) == "token_invalid"
        assert await someone.post(event, path=f"{PATH}?all=1") == "token_invalid"
        assert await someone.post(event, **{"X-Centralita-Signature": ""}) == "token_invalid"
        assert await someone.post(event, path="/api/v1/backends/other/events") == "unknown_backend"
        assert await someone.post(b" " * (MOST_BYTES + 1)) == "too_large"
        assert await someone.post(b"{") == "bad_message"
        assert await someone.post({"number": ["x"]}) == "bad_message"
        assert await someone.post(event) == "202"
        assert await someone.post(event) == "token_invalid"
        assert someone.routes.counts == {"forged": 2, "stale": 1, "unsigned": 1, "replayed": 1, "unreadable": 2, "taken": 1}
        someone.now += 61.0
        assert await someone.post(event, secret="x" * 32) == "token_invalid"
        await audit.written()
        entries = await store.audit.entries(AuditWanted(kind="backend_events_refused"), 10)
        assert [(entry.event.who, msgspec.json.decode(entry.event.detail)) for entry in entries] == [
            ("crm", {"forged": 1}),
            ("crm", {"forged": 2, "stale": 1, "unsigned": 1, "replayed": 1}),
        ]
        assert crm.asked == []
