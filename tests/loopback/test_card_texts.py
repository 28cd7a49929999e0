"""No number of a card is kept or told to others, wherever somebody writes one.

``WRITTEN`` and ``NOT_WRITTEN`` name each column of text in the database. A new one stands in neither: then the first test fails, and
whoever made it says whether people write there.
"""

from pathlib import Path

from sqlalchemy import String

from api.contacts import Contacts, Correction, NewContact
from api.knowledge.articles import Articles, WrittenArticle
from api.privacy.personal import HARMLESS, PERSONAL
from api.privacy.vault import Vault
from api.store import Store
from api.store.acknowledged import AcknowledgedWrites
from api.store.schema import metadata
from api.store.spool import Spool

CARD = "4111 1111 1111 1111"
_LONG = 65
"""Columns of as many letters hold ids and states at most."""
WRITTEN = {
    **dict.fromkeys(("contacts.first", "contacts.last", "contacts.company"), "api/contacts.py"),
    **dict.fromkeys(("campaigns.name", "campaigns.script"), "api/outbound/campaigns.py"),
    "do_not_call.reason": "api/outbound/do_not_call.py",
    **dict.fromkeys(("campaign_entries.name", "campaign_entries.note", "campaign_entries.consent"), "api/outbound/campaigns.py"),
    **dict.fromkeys(("tasks.title", "tasks.text"), "api/rules/routes.py"),
    **dict.fromkeys(("tickets.title", "ticket_entries.text", "ticket_links.title"), "api/tickets/tickets.py"),
    **dict.fromkeys(("articles.title", "articles.text", "article_versions.title", "article_versions.text"), "api/knowledge/articles.py"),
    **dict.fromkeys(("rooms.name", "rooms.metadata", "rooms.members", "attachments.name"), "api/room_requests.py"),
    "messages.text": "api/chat.py",
    "messages.sender_name": "api/guest_routes.py",
    "centre_versions.comment": "api/centre/plans.py",
    "legal_holds.reason": "api/privacy/routes.py",
    "absences.reason": "api/appointments/routes.py",
    "agent_states.reason": "api/page_requests.py",
    "reported_chats.messages": "api/contacts.py",
    "call_notes.text": "tests/loopback/test_after_call.py::test_two_who_edit_one_note_lose_nothing_and_a_crm_hears_of_each_change_once",
    **dict.fromkeys(
        ("scorecards.note", "scorecard_forms.title", "scorecard_forms.criteria"),
        "tests/loopback/test_scorecards.py::test_what_is_written_of_a_call_has_no_number_of_a_card_and_goes_with_its_customer",
    ),
    "surveys.comment": "tests/loopback/test_service_desk.py::test_a_comment_has_no_number_of_a_card",
    "appointments.name": "tests/loopback/test_appointment_desk.py::test_an_appointment_has_no_number_of_a_card",
    "appointments.consent": "tests/loopback/test_appointment_desk.py::test_an_appointment_has_no_number_of_a_card",
    "appointments.note": "tests/loopback/test_appointment_desk.py::test_an_appointment_has_no_number_of_a_card",
    "booking_steps.paper": "tests/loopback/test_bookings.py::test_what_is_wrong_is_refused_and_said",
    "booking_steps.said": "tests/loopback/test_bookings.py::test_what_is_wrong_is_refused_and_said",
}
"""What people write, and where cards are looked for in it; what has a test of that is named by it. Bookings refuse it."""
_TELEPHONE = "a number or an address to reach somebody by, read as such"
_LINE = "what a telephone line or a PBX said of a call"
_DERIVED = "made of what stands in columns above"
_COMPANY = "what the company publishes or sets up, by those who run it"
_MACHINE = "drawn, counted or measured by a program"
NOT_WRITTEN = {
    **dict.fromkeys(("calls.caller", "calls.caller_name", "calls.called", "calls.end_detail", "calls.ended_by", "legs.party"), _LINE),
    **dict.fromkeys(("legs.end_detail", "legs.ended_by", "call_events.party", "call_events.by", "call_events.detail"), _LINE),
    "call_traces.body": _LINE,
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
    "contacts.origins": _MACHINE,
    "sent_keys.answer": _DERIVED,
    **dict.fromkeys(("open_alerts.alert_id", "open_alerts.subject"), _MACHINE),
    "scorecards.scores": _MACHINE,
    "report_schedules.queue": _MACHINE,
    "report_schedules.addresses": _TELEPHONE,
    **dict.fromkeys((f"outbox.{name}" for name in ("fault", "idem", "needs", "subject")), _MACHINE),
    **dict.fromkeys(("reported_calls.agent", "reported_calls.queue", "reported_chats.agent", "reported_chats.queue"), _MACHINE),
    **dict.fromkeys(("rule_runs.happening", "rule_runs.subject", "told_events.event_id", "told_events.subject"), _MACHINE),
    **dict.fromkeys(("tasks.idem", "tickets.idem", "ticket_entries.idem", "tickets.taken", "ticket_links.target"), _MACHINE),
    **dict.fromkeys(("calls.call_back", "calls.entry", "calls.queue", "call_notes.told", "voicemails.voicemail_id"), _MACHINE),
    **dict.fromkeys(("attachments.content_type", "messages.attachments", "messages.reactions", "rooms.links"), _MACHINE),
    **dict.fromkeys(("campaign_entries.zones", "consents.about", "contacts.email_key", "surveys.subject", "webhook_outbox.url"), _MACHINE),
    **dict.fromkeys(("tours.title_en", "tours.title_es", "tours.about_en", "tours.about_es", "tours.programme"), _COMPANY),
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


def test_where_cards_are_said_to_be_looked_for_they_are() -> None:
    root = Path(__file__).parents[2]
    for where in {*WRITTEN.values()}:
        file, _, test = where.partition("::")
        text = (root / file).read_text(encoding="utf-8")
        assert f"def {test}(" in text if test else "from api.card_numbers import" in text, where


async def test_contacts_and_articles_have_no_number_of_a_card(tmp_path: Path) -> None:
    vault = Vault.in_memory()
    async with (
        Store.open(f"sqlite:///{tmp_path / 'calls.sqlite3'}", vault=vault) as store,
        AcknowledgedWrites(store.rooms, Spool(tmp_path / "spool", vault)) as writes,
    ):
        contacts, articles = Contacts(store.contacts, writes, "ES"), Articles(store.articles)
        made = await contacts.create(NewContact(f"Ana {CARD}", CARD, "", "", CARD), "boss")
        assert (made.first, made.last, made.company) == ("Ana •••• 1111", "•••• 1111", "•••• 1111")
        right = await contacts.correct(made.contact_id, Correction(f"Eva {CARD} 12/27", "", "", "", ()), contacts.mark(made), "boss")
        assert right is not None and right.first == "Eva •••• 1111 12/27"
        article = await articles.write(WrittenArticle(f"Pay by {CARD}", f"{CARD} 2", "en"), "boss")
        assert (article.title, article.text) == ("Pay by •••• 1111", "•••• 1111 2")
