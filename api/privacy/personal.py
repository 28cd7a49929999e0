"""What is kept of customers, table by table: which columns are sealed and under whose key, by which handles rows are found, and what for.

This is the one place that says so. Whoever writes a row asks it, so do the sealing of rows of before and the erasure of a person; a test
finds every column of text that stands neither here nor among the harmless ones (``HARMLESS``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from api.privacy.data_class import DataClass
from api.privacy.sealed_rows import (
    Row,
    Seal,
    named,
    seal_attachment,
    seal_booking_step,
    seal_call,
    seal_call_back,
    seal_contact,
    seal_contact_number,
    seal_entry,
    seal_event,
    seal_leg,
    seal_message,
    seal_report,
    seal_room,
    seal_told,
    seal_trace,
    seal_unwanted,
    seal_voicemail,
)
from api.privacy.vault import Vault

_CALLS = "to know who spoke with whom, and how it went"
_CALL = ("call_id", "call")
_ROOM = ("room_id", "room")
_WITH_CUSTOMERS = "to serve a customer who asked for something"


@dataclass(frozen=True, slots=True)
class Personal:
    """``purpose``: why it is kept. ``sealed``: columns of texts. ``handles``: columns that hold handles, by which rows are found and which
    an erasure empties. ``contact``: the column of the contact it is about.

    ``seal`` gives the sealed columns and the handles for a row whose texts are in the clear; None: its store seals by itself. Where
    ``told``, whoever writes the row tells its handles, as handles or in the clear. ``own``: the column of an id under whose own key it may
    be sealed too, and its kind. ``within``: columns of JSON in which names are sealed. ``outlives``: its handles stay when the person
    is erased. ``index``: of no use without the person, so that an erasure deletes its rows. ``plain``: columns of text that are nobody's.
    """

    purpose: str
    sealed: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    seal: Seal | None = None
    contact: str = ""
    own: tuple[str, str] | None = None
    within: tuple[str, ...] = ()
    plain: frozenset[str] = frozenset()
    data_class: DataClass = DataClass.SENSITIVE
    told: bool = False
    outlives: bool = False
    index: bool = False


def _plain(names: str) -> frozenset[str]:
    return frozenset(names.split())


def seal_row(vault: Vault, table: str, row: Row) -> Row:
    """The row as it may lie on a disk."""
    personal = PERSONAL.get(table)
    return row if personal is None or personal.seal is None else row | personal.seal(vault, row)


def open_row(vault: Vault, table: str, row: Row) -> Row:
    """What ``seal_row`` was given."""
    personal = PERSONAL.get(table)
    if personal is None or personal.seal is None:
        return row
    plain = {name: value for name, value in row.items() if personal.told or name not in personal.handles}
    opened = {name: vault.open(row[name]) for name in personal.sealed if row.get(name)}
    return plain | opened | {name: named(row[name], lambda _, sealed: vault.open(sealed)) for name in personal.within}


PERSONAL: Mapping[str, Personal] = {
    "calls": Personal(
        _CALLS,
        ("caller", "caller_name", "called", "end_detail", "ended_by"),
        ("person",),
        seal_call,
        own=_CALL,
        plain=_plain(
            "boot_id direction agent state end_reason mos_scale quality_hop quality_cause answered_by entry language queue call_back"
        ),
    ),
    "legs": Personal(
        _CALLS,
        ("party", "end_detail", "ended_by"),
        ("person",),
        seal_leg,
        own=_CALL,
        plain=_plain("leg_id kind trunk end_reason came brought_by codec headset connection way family"),
    ),
    "call_events": Personal(_CALLS, ("party", "by", "detail"), (), seal_event, own=_CALL, plain=_plain("what leg_id")),
    "call_traces": Personal("to find what a call failed of", ("body",), (), seal_trace, own=_CALL, plain=_plain("leg_id kind")),
    "call_notes": Personal(_CALLS, ("text",), ("person",), own=_CALL, plain=_plain("by told")),
    "scorecards": Personal(
        "to help agents to serve customers better",
        ("note",),
        ("person",),
        own=_CALL,
        plain=_plain("card_id form_id agent by scores"),
    ),
    "voicemails": Personal(
        "to answer who left a message",
        ("caller", "caller_name"),
        ("person",),
        seal_voicemail,
        own=_CALL,
        plain=_plain("voicemail_id box language outcome heard_by erased_by"),
    ),
    "call_backs": Personal(
        "to call back who asked for it",
        ("number", "name"),
        ("person",),
        seal_call_back,
        plain=_plain("call_back_id node queue language outcome"),
    ),
    "contacts": Personal(
        "to know who calls",
        ("first", "last", "company", "email"),
        ("email_key",),
        seal_contact,
        contact="contact_id",
        plain=_plain("made_by language origins"),
    ),
    "contact_numbers": Personal("to know who calls", ("number",), ("person",), seal_contact_number, contact="contact_id", index=True),
    "contact_words": Personal("to know who calls", (), ("word",), contact="contact_id", index=True),
    "reported_calls": Personal(
        _CALLS,
        ("number", "name"),
        ("person",),
        seal_report("number", "name"),
        contact="contact_id",
        own=("report_key", "report"),
        plain=_plain("direction agent queue"),
        told=True,
    ),
    "reported_chats": Personal(
        _CALLS,
        ("number", "email", "name", "messages"),
        ("person",),
        seal_report("number", "email", "name", "messages"),
        contact="contact_id",
        own=("report_key", "report"),
        plain=_plain("agent queue"),
        told=True,
    ),
    "campaign_entries": Personal(
        "to call who agreed to be called",
        ("number", "name", "note", "consent"),
        ("person",),
        seal_entry,
        index=True,
        plain=_plain("entry_id campaign_id zones state reserved_by outcome outcome_by"),
    ),
    "do_not_call": Personal(
        "not to call who does not want it", ("number", "reason"), ("person",), seal_unwanted, plain=_plain("added_by"), outlives=True
    ),
    "rooms": Personal(
        "to hold consultations and meetings",
        ("name", "metadata"),
        (),
        seal_room,
        own=_ROOM,
        within=("members",),
        plain=_plain("kind created_by links state end_reason"),
    ),
    "messages": Personal(
        "to know what was written in a room",
        ("sender_name", "text"),
        (),
        seal_message,
        own=_ROOM,
        plain=_plain("message_id sender cipher reply_to attachments reactions"),
    ),
    "attachments": Personal(
        "to give what was sent in a room", ("name",), (), seal_attachment, own=_ROOM, plain=_plain("attachment_id owner content_type file")
    ),
    "webhook_outbox": Personal(
        "to tell programs of the company what happens", ("body",), (), seal_told, plain=_plain("event_id url event subject")
    ),
    "told_events": Personal("to tell programs of the company what happens", ("body",), ("person",), plain=_plain("event_id event subject")),
    "outbox": Personal(
        "to write where it belongs what a call led to",
        ("body", "result"),
        ("person",),
        own=_CALL,
        plain=_plain("entry_id idem kind backend subject needs state fault holder"),
    ),
    "tasks": Personal(
        _WITH_CUSTOMERS,
        ("title", "text", "number"),
        ("person",),
        own=_CALL,
        plain=_plain("task_id idem assigned team created_by done_by"),
    ),
    "rule_runs": Personal(
        _WITH_CUSTOMERS, ("detail",), ("person",), plain=_plain("run_id rule happening kind subject outcome"), data_class=DataClass.INTERNAL
    ),
    "tickets": Personal(
        _WITH_CUSTOMERS,
        ("title", "number"),
        ("number_key",),
        contact="contact_id",
        own=("ticket_id", "ticket"),
        plain=_plain("idem language category priority state team agent opened_by taken"),
    ),
    "ticket_entries": Personal(_WITH_CUSTOMERS, ("text", "changes"), own=("ticket_id", "ticket"), plain=_plain("idem by what")),
    "ticket_links": Personal(_WITH_CUSTOMERS, ("title", "url"), own=("ticket_id", "ticket"), plain=_plain("kind target by")),
    "consents": Personal(
        "to show what somebody agreed to, and was asked",
        handles=("person_key",),
        plain=_plain("purpose wording by answer language version means about"),
        data_class=DataClass.REGULATED,
        outlives=True,
    ),
    "surveys": Personal(
        "to learn how satisfied customers are",
        ("comment",),
        ("person_key",),
        contact="contact_id",
        plain=_plain("survey_id token_key rule after subject questions language queue agent appointment channel"),
    ),
    "appointments": Personal(
        "to hold consultations that were booked",
        ("name", "e164", "email", "note", "token", "link"),
        ("person", "number_key", "email_key"),
        contact="contact_id",
        own=_ROOM,
        plain=_plain("appointment_id number service_id professional state language zone token_hash idem consent made_by"),
    ),
    "bookings": Personal(
        "to hold what was booked",
        contact="contact_id",
        own=("reference", "booking"),
        plain=_plain("departure_id currency state"),
        data_class=DataClass.REGULATED,
    ),
    "booking_steps": Personal(
        "to know what was agreed and paid for a trip",
        ("paper", "said"),
        (),
        seal_booking_step,
        contact="contact_id",
        own=("reference", "booking"),
        data_class=DataClass.REGULATED,
        plain=_plain("step state departure_id method by"),
    ),
}

HARMLESS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *(
                "users",
                "sessions",
                "second_factors",
                "api_keys",
                "call_handling",
                "agent_skills",
                "agent_queues",
                "agent_states",
                "alert_thresholds",
                "open_alerts",
                "devices",
            ),
            *("pbx_extensions", "pbx_queues", "absences", "work_calendars", "wrap_ups"),
        ),
        "people of the company at their work",
    ),
    **dict.fromkeys(
        (
            *(
                "node_runs",
                "leases",
                "record_numbers",
                "unsealed",
                "key_folder",
                "centre_versions",
                "centre_texts",
                "centre_documents",
                "campaigns",
                "pbx_dids",
            ),
            *("webhook_endpoints", "consultation_services", "tours", "departures", "articles", "article_versions", "scorecard_forms"),
            "report_schedules",
        ),
        "the company's own: what it offers, says and sets",
    ),
    **dict.fromkeys(
        (
            *("quality", "queue_visits", "pbx_calls", "recordings", "booking_keys", "appointment_cells", "appointment_steps"),
            *("appointment_notices", "survey_answers", "room_epochs", "room_packages", "room_people", "read_marks"),
            "consultation_steps",
        ),
        "figures, states and ids drawn by us, of what stands in a table above",
    ),
    "sent_keys": "digests of keys, and what was answered, which only who has the key can read; for a day, and until an erasure",
    "departed": "pseudonyms of people of whom something was deleted, until nothing of theirs is left",
    **dict.fromkeys(("legal_holds", "held_people", "held_calls"), "whose data must not be erased: pseudonyms, and what a court said"),
    "audit": "pseudonyms alone: whoever is erased is a handle there that leads nowhere",
}
"""Tables without a text of a customer, and why."""
