"""No number of a card is kept or told to others, wherever somebody writes one: at the running server, whose every byte is read afterwards.

``WRITTEN`` and ``NOT_WRITTEN`` name each column of text in the database. A new one stands in neither: then the first test fails, and
whoever made it says whether people write there.
"""

import re
import time
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from sqlalchemy import String

from api.privacy.personal import HARMLESS, PERSONAL
from api.store import Store
from api.store.schema import metadata
from tests.kit.hub import Client
from tests.kit.page import page
from tests.kit.sealed_files import texts_in
from tests.kit.server import running_server
from tests.kit.vaults import vault_of
from tests.loopback.test_customer_forgotten import administrator

assert Store, "all tables are known"
CARD = "4111 1111 1111 1111"
_ANY = re.compile(r"4111[ -]?1111[ -]?1111[ -]?1111")
_LONG = 65
"""Columns of as many letters hold ids and states at most."""
HERE = "here"
WRITTEN = {
    **dict.fromkeys(("contacts.first", "contacts.last", "contacts.company"), HERE),
    **dict.fromkeys(("campaigns.name", "campaigns.script", "do_not_call.reason"), HERE),
    **dict.fromkeys(("campaign_entries.name", "campaign_entries.note", "campaign_entries.consent"), HERE),
    **dict.fromkeys(("tasks.title", "tasks.text"), HERE),
    **dict.fromkeys(("tickets.title", "ticket_entries.text", "ticket_links.title"), HERE),
    **dict.fromkeys(("articles.title", "articles.text", "article_versions.title", "article_versions.text"), HERE),
    **dict.fromkeys(("rooms.name", "rooms.metadata", "rooms.members", "messages.text", "messages.sender_name", "attachments.name"), HERE),
    **dict.fromkeys(("centre_versions.comment", "legal_holds.reason", "absences.reason", "agent_states.reason"), HERE),
    "reported_chats.messages": HERE,
    "call_notes.text": "tests/loopback/test_after_call.py::test_two_who_edit_one_note_lose_nothing_and_a_crm_hears_of_each_change_once",
    "surveys.comment": "tests/loopback/test_service_desk.py::test_a_comment_has_no_number_of_a_card",
    "appointments.name": "tests/loopback/test_appointment_desk.py::test_an_appointment_has_no_number_of_a_card",
    "appointments.consent": "tests/loopback/test_appointment_desk.py::test_an_appointment_has_no_number_of_a_card",
    "appointments.note": "tests/loopback/test_appointment_desk.py::test_an_appointment_has_no_number_of_a_card",
    "booking_steps.paper": "tests/loopback/test_bookings.py::test_what_is_wrong_is_refused_and_said",
    "booking_steps.said": "tests/loopback/test_bookings.py::test_what_is_wrong_is_refused_and_said",
}
"""What people write, and where it is shown that nothing of a card is in it: ``HERE``, or by that test. Bookings refuse it."""
_TELEPHONE = "a number or an address to reach somebody by, read as such"
_LINE = "what a telephone line or a PBX said of a call"
_DERIVED = "made of what stands in columns above"
_COMPANY = "what the company publishes or sets up, by those who run it"
_MACHINE = "drawn, counted or measured by a program"
NOT_WRITTEN = {
    **dict.fromkeys(("calls.caller", "calls.caller_name", "calls.called", "calls.end_detail", "calls.ended_by", "legs.party"), _LINE),
    **dict.fromkeys(("legs.end_detail", "legs.ended_by", "call_events.party", "call_events.by", "call_events.detail"), _LINE),
    **dict.fromkeys(
        ("voicemails.caller", "voicemails.caller_name", "call_backs.name", "reported_calls.name", "reported_chats.name"), _LINE
    ),
    **dict.fromkeys(("call_backs.number", "contacts.email", "contact_numbers.number", "reported_calls.number"), _TELEPHONE),
    **dict.fromkeys(("reported_chats.number", "reported_chats.email", "campaign_entries.number", "do_not_call.number"), _TELEPHONE),
    **dict.fromkeys(("tasks.number", "tickets.number", "appointments.e164", "appointments.email"), _TELEPHONE),
    **dict.fromkeys(("call_handling.always", "call_handling.busy", "call_handling.no_answer", "call_handling.offline"), _TELEPHONE),
    **dict.fromkeys(("webhook_outbox.body", "told_events.body", "outbox.body", "outbox.result", "rule_runs.detail"), _DERIVED),
    **dict.fromkeys(("ticket_entries.changes", "audit.what", "audit.detail"), _DERIVED),
    **dict.fromkeys(("ticket_links.url", "appointments.token", "appointments.link", "audit.device", "sessions.device"), _MACHINE),
    **dict.fromkeys(("recordings.recording_id", "recordings.fault", "queue_visits.queue", "unsealed.after"), _MACHINE),
    **dict.fromkeys(("users.password_hash", "second_factors.secret", "second_factors.recovery", "webhook_endpoints.fault"), _MACHINE),
    **dict.fromkeys(("pbx_calls.reason", "pbx_calls.judgement", "room_epochs.announcement", "room_epochs.signature"), _MACHINE),
    **dict.fromkeys(("room_packages.package", "devices.sign_key", "devices.wrap_key", "devices.signature", "messages.cipher"), _MACHINE),
    **dict.fromkeys(("users.name", "users.teams", "api_keys.name", "api_keys.scopes", "webhook_endpoints.url", "pbx_dids.name"), _COMPANY),
    **dict.fromkeys(("pbx_extensions.name", "pbx_extensions.email", "pbx_queues.name", "pbx_queues.agents"), _COMPANY),
    **dict.fromkeys(("work_calendars.hours", "work_calendars.languages", "work_calendars.skills"), _COMPANY),
    **dict.fromkeys(("centre_texts.text", "centre_documents.name", "articles.tags", "article_versions.tags"), _COMPANY),
    **dict.fromkeys((f"consultation_services.{name}" for name in ("name_en", "name_es", "about_en", "about_es")), _COMPANY),
    **dict.fromkeys((f"consultation_services.{name}" for name in ("languages", "skills", "professionals")), _COMPANY),
    "consents.wording": _COMPANY,
    **dict.fromkeys((f"outbox.{name}" for name in ("fault", "idem", "needs", "subject")), _MACHINE),
    **dict.fromkeys(("reported_calls.agent", "reported_calls.queue", "reported_chats.agent", "reported_chats.queue"), _MACHINE),
    **dict.fromkeys(("rule_runs.happening", "rule_runs.subject", "told_events.event_id", "told_events.subject"), _MACHINE),
    **dict.fromkeys(("tasks.idem", "tickets.idem", "ticket_entries.idem", "tickets.taken", "ticket_links.target"), _MACHINE),
    **dict.fromkeys(("calls.call_back", "calls.entry", "calls.queue", "call_notes.told", "voicemails.voicemail_id"), _MACHINE),
    **dict.fromkeys(("attachments.content_type", "messages.attachments", "messages.reactions", "rooms.links"), _MACHINE),
    **dict.fromkeys(("campaign_entries.zones", "consents.about", "contacts.email_key", "surveys.subject", "webhook_outbox.url"), _MACHINE),
    **dict.fromkeys(("tours.title_en", "tours.title_es", "tours.about_en", "tours.about_es"), _COMPANY),
}


def columns_of_text() -> set[str]:
    """Those for texts of any length, and whatever is sealed."""
    found = set()
    for name, table in metadata.tables.items():
        personal = PERSONAL.get(name)
        sealed = {*personal.sealed, *personal.within} if personal is not None else set()
        for column in table.c:
            if column.name in sealed or (isinstance(column.type, String) and (column.type.length or _LONG) >= _LONG):
                found.add(f"{name}.{column.name}")
    return found


def test_of_each_column_of_text_it_is_said_whether_people_write_there() -> None:
    assert PERSONAL.keys() | HARMLESS.keys() >= metadata.tables.keys()
    assert not WRITTEN.keys() & NOT_WRITTEN.keys()
    assert columns_of_text() == WRITTEN.keys() | NOT_WRITTEN.keys(), "a new column, or one that is gone"


def test_whoever_is_said_to_show_it_is_there() -> None:
    for where in {*WRITTEN.values()} - {HERE}:
        file, _, test = where.partition("::")
        assert f"def {test}(" in (Path(__file__).parents[2] / file).read_text(encoding="utf-8"), where


class Sentences:
    """One for each column, with the number of a card in it."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, column: str, *, words: str = "") -> str:
        assert WRITTEN[column] is HERE
        self.said.add(column)
        return f"{words or column} {CARD}"


async def done(http: ClientSession, method: str, path: str, body: object) -> Any:
    async with http.request(method, path, json=body) as answer:
        assert answer.status < 300, f"{path}: {await answer.text()}"
        return await answer.json() if answer.content_type.endswith("json") else None


async def rest(http: ClientSession, say: Sentences) -> None:
    """What is written by people who plan and administrate."""
    number = "+34600111222"
    new = {"first": say("contacts.first"), "last": say("contacts.last"), "company": say("contacts.company"), "number": number}
    contact = await done(http, "POST", "/api/v1/contacts", new)
    async with http.get(f"/api/v1/contacts/{contact['contact_id']}") as answer:
        mark = answer.headers["ETag"]
    right = {"first": new["first"] + " 2", "last": "", "company": "", "email": "", "numbers": [number]}
    async with http.put(f"/api/v1/contacts/{contact['contact_id']}", json=right, headers={"If-Match": mark}) as answer:
        assert (await answer.json())["first"].endswith("•••• 1111 2"), await answer.text()
    plan = {"name": say("campaigns.name"), "script": say("campaigns.script")}
    campaign = await done(http, "POST", "/api/v1/campaigns", plan)
    entry = {name: say(f"campaign_entries.{name}") for name in ("name", "note", "consent")}
    entries = {"entries": [entry | {"number": number, "consent_at": time.time() - 60}]}
    assert (await done(http, "POST", f"/api/v1/campaigns/{campaign['campaign_id']}/entries", entries))["added"] == 1
    await done(http, "POST", "/api/v1/do-not-call", {"number": "+34600111223", "reason": say("do_not_call.reason")})
    await done(http, "POST", "/api/v1/tasks", {"title": say("tasks.title"), "text": say("tasks.text")})
    link = {"kind": "call", "target": "c1", "title": say("ticket_links.title")}
    ticket = {"title": say("tickets.title"), "text": say("ticket_entries.text"), "links": [link]}
    await done(http, "POST", "/api/v1/tickets", ticket)
    article = {"title": say("articles.title"), "text": say("articles.text"), "language": "en"}
    made = await done(http, "POST", "/api/v1/articles", article)
    again = {"title": say("article_versions.title"), "text": say("article_versions.text"), "language": "en", "version": 1}
    await done(http, "PUT", f"/api/v1/articles/{made['article_id']}", again)
    breaks = {"documents": {"breaks": 'reasons = ["lunch"]'}, "comment": say("centre_versions.comment")}
    await done(http, "PUT", "/api/v1/centre/documents", breaks)
    await done(http, "POST", "/api/v1/privacy/holds", {"numbers": ["+34600111224"], "reason": say("legal_holds.reason")})
    away = {"from_at": time.time() + 60, "until_at": time.time() + 120, "reason": say("absences.reason"), "professional": "demo"}
    await done(http, "POST", "/api/v1/absences", away)


async def signals(client: Client, http: ClientSession, say: Sentences) -> None:
    """What is written on a page."""
    away = {"available": False, "reason": say("agent_states.reason")}
    assert "ok" in await client.ask("presence.set", away)
    invited = [{"identity": "eva", "name": say("rooms.members")}]
    room = await client.ask("room.create", {"name": say("rooms.name"), "metadata": say("rooms.metadata"), "invited": invited})
    room_id = room["ok"]["room_id"]
    sent = await client.ask("chat.send", {"room_id": room_id, "message_id": "m1", "text": say("messages.text")})
    assert sent["ok"]["text"] == "messages.text •••• 1111", sent
    edited = await client.ask("chat.edit", {"room_id": room_id, "message_id": "m1", "text": say("messages.text")})
    assert edited["ok"]["text"] == "messages.text •••• 1111", edited
    wish = {"room_id": room_id, "name": say("attachments.name"), "content_type": "text/plain", "size": 1}
    ticket = (await client.ask("chat.attach", wish))["ok"]
    async with http.post(ticket["url"], data=b"x", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status < 300, await answer.text()
    assert "ok" in await client.ask("room.update", {"room_id": room_id, "name": say("rooms.name")})


async def test_no_number_of_a_card_is_in_any_byte_that_the_server_keeps(tmp_path: Path) -> None:
    say = Sentences()
    async with running_server(tmp_path, {"limits": {"person_at_once": 200}}) as server, administrator(server, tmp_path) as http:
        await rest(http, say)
        async with page(server.url, server.user, server.password) as client:
            await signals(client, http, say)
    texts = list(texts_in(tmp_path, vault_of(server.data_dir)))
    assert [found[0] for text in texts for found in _ANY.finditer(text)] == []
    shown_elsewhere = {"reported_chats.messages", "messages.sender_name"}
    assert say.said == {column for column, where in WRITTEN.items() if where is HERE} - shown_elsewhere
    kept = "\n".join(texts) + "\n".join(text.encode("latin-1").decode("utf-8", "ignore") for text in texts if text.isascii() is False)
    assert [column for column in say.said if f"{column} •••• 1111" not in kept] == []
