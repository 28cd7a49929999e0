"""What 3CX asks and reports by its CRM template, over HTTP against a real store; and contacts for people."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from sqlalchemy import text

from api.audit.audit import Audit
from api.audit.looks import KINDS, Looks, is_personal
from api.contact_routes import ContactRoutes
from api.contacts import Contacts
from api.guarded_routes import ROUTES
from api.metrics import Metrics
from api.pbx_context_routes import PbxContextRoutes
from api.privacy.access import SubjectAccess
from api.privacy.erasure import Person
from api.routes import PartHealth, make_app, make_runner
from api.store import Store
from api.store.acknowledged import AcknowledgedWrites
from api.store.audit import AuditWanted
from api.store.contacts import Contact
from api.store.origins import Origin
from api.store.spool import Spool
from pbx.threecx.crm_template import CrmTemplate
from pbx.threecx.double import Double
from signaling.grants import Grant, Permission
from signaling.refusal import Refusal
from tests.kit.backend_suite import RIGHT_TO_LEFT
from tests.kit.people import AUDIT_KEYS
from tests.kit.vaults import VAULT

KEYS = {
    "pbx": Grant("pbx", "PBX", "service", "1", 0.0, 0.0, 0.0, narrowed_to=frozenset({Permission.PBX_CONTEXT})),
    "ana": Grant("ana", "Ana", "agent", "2", 0.0, 0.0, 0.0),
}
CALL = {
    "type": "Inbound",
    "number": "0034600111222",
    "agent": "205",
    "queue": "[QueueExtension]",
    "duration": "00:03:07",
    "started": "2026-03-01T10:00:00Z",
    "entity": "[EntityId]",
}


class Desk:
    def __init__(self, url: str, http: ClientSession, store: Store, writes: AcknowledgedWrites, audit: Audit) -> None:
        self.url, self._http, self.store, self.writes, self.audit = url, http, store, writes, audit

    async def ask(self, path: str, body: Any = None, *, who: str = "pbx", method: str = "POST") -> tuple[int, Any]:
        method = "GET" if body is None else method
        headers = {"Authorization": f"Bearer {who}"}
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        if data is not None:
            headers["Content-Type"] = "application/json"
        async with self._http.request(method, self.url + path, data=data, headers=headers) as response:
            return response.status, await response.json() if response.content_type.endswith("json") else None

    async def hits(self, path: str, body: Any) -> list[dict[str, str]]:
        status, answer = await self.ask(path, body)
        assert status == 200
        found: list[dict[str, str]] = answer["hits"]
        return found


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async def identify(token: str) -> Grant:
        if token not in KEYS:
            raise Refusal("key_invalid", "No such key.")
        return KEYS[token]

    async def health() -> dict[str, PartHealth]:
        return {}

    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(f"sqlite:///{tmp_path}/contacts.sqlite3", vault=VAULT))
        writes = await stack.enter_async_context(AcknowledgedWrites(store.rooms, Spool(tmp_path / "spool", VAULT), first_retry_s=0.02))
        contacts = Contacts(store.contacts, writes, "ES")
        audit = await stack.enter_async_context(Audit(store.audit, AUDIT_KEYS))
        metrics = await stack.enter_async_context(Metrics())
        app = make_app(identify, metrics, health, on_looked=Looks(audit, VAULT).note)
        PbxContextRoutes(contacts, "https://phone.example.com", within_s=30.0).add_to(app)
        ContactRoutes(contacts).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = await stack.enter_async_context(ClientSession())
        yield Desk(f"http://127.0.0.1:{runner.addresses[0][1]}", http, store, writes, audit)


async def test_a_contact_is_made_once_and_found_by_its_number_in_any_spelling(desk: Desk) -> None:
    new = {"first": "Clara", "last": "Ruiz", "number": "600 111 222", "email": "Clara@Example.com", "company": "[Company]"}
    (made,) = await desk.hits("/pbx/contacts", new)
    assert made["url"] == f"https://phone.example.com/contacts#{made['id']}"
    assert (made["first"], made["last"], made["company"], made["matched"]) == ("Clara", "Ruiz", "", "600 111 222")
    assert await desk.hits("/pbx/contacts", {**new, "first": "Clarita"}) == [made]
    for spelling in ("600111222", "+34600111222", "0034600111222", "34 600 111 222", "<sip:+34600111222@pbx.test>", "600/111/222"):
        assert await desk.hits("/pbx/lookup", {"number": spelling}) == [{**made, "matched": spelling}]
    (by_email,) = await desk.hits("/pbx/lookup-email", {"email": "clara@example.COM"})
    assert by_email == {**made, "matched": "+34600111222"}
    for words in ("ruiz cla", "EXAMPLE.com", "600111222"):
        assert [hit["id"] for hit in await desk.hits("/pbx/search", {"q": words})] == [made["id"]]


async def test_every_look_at_a_contact_is_in_the_audit_without_what_was_looked_for(desk: Desk) -> None:
    (made,) = await desk.hits("/pbx/contacts", {"first": "Clara", "number": "600111222", "email": "clara@example.com"})
    await desk.hits("/pbx/lookup", {"number": "600111222"})
    await desk.hits("/pbx/search", {"q": "clara"})
    assert (await desk.ask(f"/api/v1/contacts/{made['id']}", who="ana"))[0] == 200
    assert (await desk.ask("/api/v1/contacts/nobody", who="ana"))[0] == 404  # nothing was seen
    await desk.audit.written()
    entries = [entry.event for entry in await desk.audit.entries(AuditWanted(), 100)]
    assert [entry.kind for entry in entries] == ["contact_made", "contact_looked_up", "contacts_searched", "contact_read"]
    assert (entries[-1].what, entries[-1].subject) == (made["id"], VAULT.person("contact", made["id"]))
    said = " ".join(str(entry) for entry in entries)
    assert "600111222" not in said and "clara" not in said.lower()


def test_every_route_that_is_named_is_one_and_new_ones_are_in_the_audit_unless_said_otherwise() -> None:
    assert set(KINDS) <= set(ROUTES) and all(is_personal(line) for line in KINDS)
    assert is_personal(("GET", "/api/v1/pbx/calls")) and not is_personal(("GET", "/api/v1/users")) and not is_personal(("GET", "/"))


async def test_names_are_text_in_every_script(desk: Desk) -> None:
    """As the contract of backends has it (tests/kit/backend_suite.py), of those who are asked."""
    markup = "<img src=x onerror=alert(1)>"
    for number, first, last in (("+34600111333", *RIGHT_TO_LEFT.split()), ("+34600111444", markup, "[EntityId] O'Neil; --")):
        (made,) = await desk.hits("/pbx/contacts", {"first": first, "last": last, "number": number})
        (found,) = await desk.hits("/pbx/lookup", {"number": f"00{number[1:]}"})
        assert (found["id"], found["first"], found["last"]) == (made["id"], first, last)


async def test_nobody_and_several_are_no_hit_and_no_error(desk: Desk) -> None:
    for first in ("Ana", "Eva"):
        await desk.store.contacts.add(Contact(first, first, company="Viajes", numbers=("+34910000000",)), "boss", 1.0)
    for number in ("910000000", "600999888", "anonymous", "[Number]", "", "%_", "1" * 300):
        assert await desk.hits("/pbx/lookup", {"number": number}) == []
    assert await desk.hits("/pbx/lookup-email", {"email": "nobody"}) == []
    assert await desk.hits("/pbx/search", {"q": "100%"}) == []
    assert {hit["first"] for hit in await desk.hits("/pbx/search", {"q": "viajes"})} == {"Ana", "Eva"}
    assert {hit["first"] for hit in await desk.hits("/pbx/search", {"q": "910 000 000"})} == {"Ana", "Eva"}


async def test_how_a_contact_is_to_be_treated_is_kept(desk: Desk) -> None:
    (made,) = await desk.hits("/pbx/contacts", {"first": "Clara", "number": "600111222"})
    path = f"/api/v1/contacts/{made['id']}/treatment"
    status, contact = await desk.ask(path, {"vip": True, "language": "en"}, who="ana", method="PUT")
    assert (status, contact["vip"], contact["language"], contact["numbers"]) == (200, True, "en", ["+34600111222"])
    _, card = await desk.ask(f"/api/v1/contacts/{made['id']}", who="ana")
    assert card["contact"] == contact
    status, scored = await desk.ask(path, {"vip": True, "language": "en", "lead_score": 0.75, "value": 1200}, who="ana", method="PUT")
    assert (status, scored["lead_score"], scored["value"]) == (200, 0.75, 1200.0)
    _, again = await desk.ask(path, {"vip": False, "language": "en"}, who="ana", method="PUT")
    assert (again["vip"], again["lead_score"]) == (False, 0.75), "what is not said stays"
    assert (await desk.ask(path, {"vip": True, "language": "en", "lead_score": 7}, who="ana", method="PUT"))[0] == 400
    assert (await desk.ask(path, {"vip": True, "language": "xx"}, who="ana", method="PUT"))[0] == 400
    assert (await desk.ask(path, {"vip": True, "language": "en"}, method="PUT"))[0] == 403
    assert (await desk.ask("/api/v1/contacts/nobody/treatment", {"vip": True, "language": ""}, who="ana", method="PUT"))[0] == 404


async def test_a_contact_is_corrected_whole_and_of_two_who_do_so_one_is_told(desk: Desk) -> None:
    (made,) = await desk.hits("/pbx/contacts", {"first": "Klara", "last": "Ruiz", "number": "600111222", "email": "klara@example.com"})
    right = {"first": "Clara", "last": "Ruiz", "company": "", "email": "clara@example.com", "numbers": ["0034 600 333 444", "600333444"]}

    async def correct(seen: str, body: dict[str, Any]) -> tuple[int, str]:
        headers = {"Authorization": "Bearer ana"} | ({"If-Match": seen} if seen else {})
        async with desk._http.put(f"{desk.url}/api/v1/contacts/{made['id']}", json=body, headers=headers) as response:
            return response.status, response.headers.get("ETag", "")

    async with desk._http.get(f"{desk.url}/api/v1/contacts/{made['id']}", headers={"Authorization": "Bearer ana"}) as response:
        seen = response.headers["ETag"]
    assert await correct("", right) == (428, "")
    for wrong in ({"numbers": ["nobody"]}, {"first": "", "last": ""}, {"vip": 1}):
        assert (await correct(seen, right | wrong))[0] == 400
    status, now = await correct(seen, right)
    assert status == 200 and now not in ("", seen)
    assert (await correct(seen, right | {"first": "Chiara"}))[0] == 412, "somebody was here before"
    contacts = desk.store.contacts
    assert await contacts.by_number("+34600111222", 9) == await contacts.by_email("klara@example.com", 9) == []
    assert await contacts.search("klara", 9) == []
    (found,) = await contacts.by_number("+34600333444", 9)
    assert (found.first, found.email, found.numbers) == ("Clara", "clara@example.com", ("+34600333444",))
    assert await contacts.by_email("CLARA@example.com", 9) == await contacts.search("clara ruiz", 9) == [found]
    assert (await correct(now, right | {"numbers": []}))[0] == 200 and await contacts.by_number("+34600333444", 9) == []
    await desk.audit.written()
    entries = [entry.event for entry in await desk.audit.entries(AuditWanted(), 100) if entry.event.kind == "contact_corrected"]
    assert [(entry.who, entry.subject) for entry in entries] == [("ana", VAULT.person("contact", made["id"]))] * 2


async def test_of_each_field_of_a_contact_it_is_told_where_it_came_from(desk: Desk) -> None:
    (made,) = await desk.hits("/pbx/contacts", {"first": "Klara", "last": "Ruiz", "number": "600111222", "company": "Sol"})
    address = f"/api/v1/contacts/{made['id']}"

    async def origins() -> dict[str, tuple[str, str]]:
        status, card = await desk.ask(address, who="ana")
        assert status == 200 and all(abs(origin["at"] - time.time()) < 600 for origin in card["origin"].values())
        return {name: (origin["source"], origin["by"]) for name, origin in card["origin"].items()}

    told = dict.fromkeys(("first", "last", "company", "numbers"), ("pbx", "pbx"))
    assert await origins() == told
    right = {"first": "Clara", "last": "Ruiz", "company": "Sol", "email": "", "numbers": ["600111222", "600333444"]}
    async with desk._http.get(f"{desk.url}{address}", headers={"Authorization": "Bearer ana"}) as response:
        headers = {"Authorization": "Bearer ana", "If-Match": response.headers["ETag"]}
    async with desk._http.put(f"{desk.url}{address}", json=right, headers=headers) as response:
        assert response.status == 200
    told |= dict.fromkeys(("first", "numbers"), ("person", "ana"))
    assert await origins() == told, "what was right before came from where it came from"
    assert (await desk.ask(f"{address}/treatment", {"vip": True, "language": ""}, who="ana", method="PUT"))[0] == 200
    assert await origins() == told | {"vip": ("person", "ana")}
    await desk.store.contacts.treat(made["id"], Origin("rule", "rules", time.time()), lead_score=0.5)
    assert await origins() == told | {"vip": ("person", "ana"), "lead_score": ("rule", "rules")}
    copy = await desk.store.part(SubjectAccess).copy_for(Person(made["id"], frozenset({VAULT.person("contact", made["id"])})), 0.0)
    (row,) = next(kept.rows for kept in copy.kept if kept.table == "contacts")
    assert (row["origins"]["last"]["source"], row["origins"]["first"]["by"]) == ("pbx", "ana")
    assert row["origins"]["first"]["at"].startswith("20") and set(row["origins"]) == {*told, "vip", "lead_score"}


async def test_a_call_reported_twice_stands_once_and_is_shown_with_its_contact(desk: Desk) -> None:
    (made,) = await desk.hits("/pbx/contacts", {"first": "Clara", "number": "600111222"})
    reports = [CALL, {**CALL, "duration": "00:03:08"}, {**CALL, "type": "Outbound"}, CALL]
    assert [(await desk.ask("/pbx/calls", report))[0] for report in reports] == [202] * 4
    status, card = await desk.ask(f"/api/v1/contacts/{made['id']}", who="ana")
    assert (status, card["contact"]["numbers"]) == (200, ["+34600111222"])
    assert sorted((call["direction"], call["answered"], call["agent"], call["queue"], call["duration_s"]) for call in card["calls"]) == [
        ("in", True, "205", "", 187),
        ("out", True, "205", "", 187),
    ]


async def test_the_generated_template_pleases_the_emulated_pbx_and_a_call_reported_twice_is_journalled_once(desk: Desk) -> None:
    (made,) = await desk.hits("/pbx/contacts", {"first": "Clara", "last": "Ruiz", "number": "600111222"})
    async with Double() as pbx:
        pbx.crm.upload(CrmTemplate(desk.url, "pbx").document().encode())
        engine = pbx.crm.engine()
        assert engine is not None
        for result in (await engine.look_up("0034600111222"), await engine.search("ruiz")):
            assert [contact["ContactUrl"] for contact in result.contacts] == [made["url"]] and not result.error
        assert not (await engine.look_up("+34910999888")).contacts
        (created,) = (await engine.create("Eva", "Sol", "eva@example.com", "+34600777888")).contacts
        (found,) = (await engine.look_up_email("EVA@example.com")).contacts
        assert found["EntityId"] == created["EntityId"]
        with pbx.acting() as calls:
            trunk = calls.arrive("600111222", "+34910000001")
        await pbx.idle()
        with pbx.acting() as calls:
            (leg,) = calls.of("200")
            assert leg.party.name == "Clara Ruiz"
            calls.answer(leg)
            calls.drop(trunk)
        await pbx.idle()
        assert [line for line in pbx.crm.log if line.endswith("/pbx/calls: 202")] == [f"POST {desk.url}/pbx/calls: 202"] * 2
    _, card = await desk.ask(f"/api/v1/contacts/{made['id']}", who="ana")
    assert [(call["direction"], call["answered"], call["agent"]) for call in card["calls"]] == [("in", True, "200")]


async def test_reports_at_once_while_the_database_is_away_are_written_once_when_it_is_back(desk: Desk) -> None:
    async with desk.store.rooms._writing() as connection:
        await connection.execute(text("ALTER TABLE reported_calls RENAME TO away"))
    answers = await asyncio.gather(*(desk.ask("/pbx/calls", CALL) for _ in range(8)))
    assert {status for status, _ in answers} == {202} and desk.writes.spooled == 8
    async with desk.store.rooms._writing() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO reported_calls"))
    await desk.ask("/pbx/calls", {**CALL, "number": "600111223"})
    await desk.writes.written()
    async with desk.store.rooms._writing() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM reported_calls"))).scalar() == 2


async def test_a_chat_of_a_megabyte_is_kept_and_a_larger_one_refused(desk: Desk) -> None:
    chat = {"messages": "ñ" * 180_000, "number": "600111222", "agent_email": "ana@example.com", "started": "2026-03-01T10:00:00Z"}
    assert (await desk.ask("/pbx/chats", chat))[0] == 202
    assert (await desk.ask("/pbx/chats", {**chat, "messages": "a" * 3_000_000}))[0] == 413
    assert (await desk.ask("/pbx/lookup", {"number": "1" * 20_000}))[0] == 413


async def test_what_is_wrong_with_a_request_is_said_and_only_keys_for_it_may_ask(desk: Desk) -> None:
    for body, words in (({"type": "Parked"}, "type must be"), ({"type": "Missed"}, "who called"), ({"number": 5}, "Expected `str`")):
        status, answer = await desk.ask("/pbx/calls", body)
        assert (status, answer["error"]["code"]) == (400, "bad_message") and words in answer["error"]["message"]
    assert (await desk.ask("/pbx/contacts", {"first": "[FirstName]", "number": "600111222"}))[0] == 400
    assert (await desk.ask("/pbx/lookup", {"number": "1"}, who="ana"))[0] == 403
    assert (await desk.ask("/pbx/lookup", {"number": "1"}, who="stolen"))[0] == 401
    assert (await desk.ask("/api/v1/contacts?q=clara", who="pbx"))[0] == 403
    assert (await desk.ask("/api/v1/contacts/nobody", who="ana"))[0] == 404
