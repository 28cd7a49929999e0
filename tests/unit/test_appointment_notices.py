"""What customers are told of appointments, when, in which words; and the calendar file that comes along."""

import re
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from api.appointments.calendar_file import CalendarEntry, calendar_file
from api.appointments.notices import WITHIN_S, Notice, due, facts_of, kind_of_reminder, link_of, moment
from api.notify.templates import Templates
from api.store.appointments import Appointment

HOUR = 3600.0
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC).timestamp()
LEADS = (24 * HOUR, HOUR)


def appointment(**more: object) -> Appointment:
    made = Appointment(
        appointment_id="a1", number="ABCD3467", service_id="visas", professional="ana", start_at=START, end_at=START + 1800, state="booked",
        language="es", zone="Europe/Madrid", person="p", number_key="", email_key="", name="Luz {x}", e164="+34600111222",
        email="luz@example.org", note="", token_hash="", token="own-token", idem="", consent="yes", made_at=START - 72 * HOUR,
        made_by="customer", set_at=START - 72 * HOUR, room_id="r1", link="link.token",
    )  # fmt: skip
    return replace(made, **more)


def test_a_booking_is_confirmed_once_its_link_is_there_and_reminded_at_each_lead_once() -> None:
    made = appointment()
    assert due(replace(made, room_id=""), (), START - 71 * HOUR, LEADS) == []
    assert due(made, (), START - 71 * HOUR, LEADS) == ["booked"]
    sent = {("a1", "booked", 0)}
    assert due(made, sent, START - 25 * HOUR, LEADS) == []
    assert due(made, sent, START - 23 * HOUR, LEADS) == [kind_of_reminder(24 * HOUR)]
    sent.add(("a1", kind_of_reminder(24 * HOUR), 0))
    assert due(made, sent, START - 2 * HOUR, LEADS) == []
    assert due(made, sent, START - HOUR, LEADS) == [kind_of_reminder(HOUR)]
    assert due(made, sent, START, LEADS) == []


def test_who_books_late_or_moves_gets_no_reminder_of_what_they_just_did() -> None:
    late = appointment(set_at=START - 2 * HOUR)
    assert due(late, (), START - 2 * HOUR + 1, LEADS) == ["booked"]
    assert due(late, {("a1", "booked", 0)}, START - HOUR + 1, LEADS) == [kind_of_reminder(HOUR)]
    moved = appointment(revision=1, state="moved", set_at=START - 30 * HOUR)
    assert due(moved, {("a1", "booked", 0), ("a1", kind_of_reminder(24 * HOUR), 0)}, START - 29 * HOUR, LEADS) == ["moved"]
    assert due(moved, {("a1", "moved", 1)}, START - 20 * HOUR, LEADS) == [kind_of_reminder(24 * HOUR)], "of the new time"


def test_after_a_long_sleep_only_what_still_matters_is_told() -> None:
    made = appointment()
    assert due(made, (), START - HOUR / 2, LEADS) == [kind_of_reminder(HOUR)]
    assert due(appointment(state="cancelled", set_at=START - HOUR), (), START, LEADS) == ["cancelled"]
    assert due(appointment(state="cancelled", set_at=START + 1800), (), START + 1801, LEADS) == ["sorry"], "nobody met them"
    assert due(appointment(state="cancelled", set_at=START - HOUR), (), START - HOUR + WITHIN_S, LEADS) == []
    assert due(appointment(state="no_show", set_at=START + 900), (), START + 901, LEADS) == ["missed"]
    assert due(appointment(state="done", set_at=START + 1800), (), START + 1801, LEADS) == []


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("notice", [*Notice])
def test_every_notice_is_worded_in_both_languages_in_the_customers_time(language: str, notice: Notice) -> None:
    made = appointment(language=language, zone="America/Bogota")
    facts = facts_of(made, service="Visas", with_name="Ana", site="https://t.example", company="Viajes")
    subject, text = Templates().message(f"appointment-{notice}", language, facts)
    assert "04:00" in text and "Luz {x}" in text and "Visas" in subject and not re.search(r"\{(?!x)", subject + text)
    stands = notice in (Notice.BOOKED, Notice.MOVED, Notice.REMINDER)
    assert ("https://t.example/consultation#link.token" in text) is ("https://t.example/book#own-token" in text) is stands
    assert link_of(kind_of_reminder(HOUR)) == "join" and link_of(notice) in facts


def test_days_are_said_as_each_language_says_them() -> None:
    assert moment(START, "Europe/Madrid", "es")[1] == "lunes 23 de noviembre 2026, 10:00 (hora de Madrid)"
    assert moment(START, "America/New_York", "en")[1] == "Monday 23 November 2026, 04:00 (New York time)"
    twice = datetime(2026, 10, 25, 1, 30, tzinfo=UTC).timestamp()
    assert moment(twice, "Europe/Madrid", "en")[1] == "Sunday 25 October 2026, 02:30 CET (Madrid time)", "which of the two it is"


def test_a_calendar_file_is_folded_escaped_and_replaced_by_the_next_one() -> None:
    entry = CalendarEntry(
        "a1@t", 2, START, START + 1800, START - 1, "Visas; Ana, y más", "línea uno\nlínea dos " + "ñ" * 80, "https://t.example/x"
    )
    lines = calendar_file(entry).split("\r\n")
    assert all(len(line.encode()) <= 75 for line in lines) and lines[-1] == ""
    whole = calendar_file(entry).replace("\r\n ", "")
    assert "SUMMARY:Visas\\; Ana\\, y más\r\n" in whole and "línea uno\\nlínea dos " + "ñ" * 80 in whole
    assert "DTSTART:20261123T090000Z" in whole and "SEQUENCE:2" in whole and "METHOD:PUBLISH" in whole
    called_off = calendar_file(CalendarEntry("a1@t", 3, START, START, START, "x", cancelled=True, organizer="a@b.c", attendee="d@e.f"))
    assert "METHOD:CANCEL" in called_off and "STATUS:CANCELLED" in called_off and "VALARM" not in called_off


def test_no_line_of_a_calendar_file_can_be_smuggled_in() -> None:
    entry = CalendarEntry("a1@t", 0, START, START, START, "x\r\nATTENDEE:mailto:evil@example.org\x0b\x85y")
    assert not any(line.startswith("ATTENDEE") for line in calendar_file(entry).split("\r\n"))
