"""Records as text: what a spreadsheet, and what a program, reads of them."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.record_lines import FIELDS, agent_state_line, body, call_line, event_line, head, leg_line, neutral, statistics_line
from api.record_routes import wanted_of
from api.store.records import Wanted
from signaling.refusal import Refusal


def call(**changed: Any) -> dict[str, Any]:
    row = dict.fromkeys(FIELDS["call"]) | {"record_seq": 7, "call_id": "c", "caller": "+34600111222", "caller_name": ""}
    row |= {"started_at": 0.0, "ended_at": 12.3467, "recordings": ["c-1", "c-2"], "cost": 0.12345, "mos_min": 3.14159}
    return row | changed


def test_a_call_as_json() -> None:
    line = json.loads(body("call", "jsonl", [call_line(call())]))
    assert list(line) == list(FIELDS["call"])
    assert (line["cursor"], line["caller"], line["started_at"]) == (7, "+34600111222", "1970-01-01T00:00:00.000Z")
    assert (line["ended_at"], line["duration_s"]) == ("1970-01-01T00:00:12.346Z", 12.347)
    assert (line["recordings"], line["cost"], line["mos_min"], line["answered_at"]) == (["c-1", "c-2"], 0.12345, 3.142, None)
    assert head("call", "jsonl") == b""


def test_a_call_as_csv_comes_back_as_it_went() -> None:
    name = 'Luz "la jefa", García\nÑandú'
    text = (head("call", "csv") + body("call", "csv", [call_line(call(caller_name=name))])).decode()
    assert text.startswith("cursor,call_id,direction,") and text.count("\r\n") == 2
    row = next(csv.DictReader(io.StringIO(text, newline="")))
    assert (row["caller"], row["caller_name"], row["recordings"], row["answered_at"]) == ("+34600111222", name, "c-1 c-2", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+cmd", "'+1+cmd"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("  =1", "'  =1"),
        ("Ana;=1+1", "Ana;'=1+1"),
        ("two\n=1", "two\n'=1"),
        ("+34600111222", "+34600111222"),
        ("600", "600"),
        ("+34 600=1", "'+34 600=1"),
        ("a-b = c", "a-b = c"),
        ("", ""),
    ],
)
def test_no_text_is_a_formula_and_numbers_stay_numbers(text: str, shown: str) -> None:
    assert neutral(text) == shown


@given(st.text(alphabet="=+-@;\t\r\n a1'\"", max_size=12))
def test_no_field_of_any_text_begins_a_formula(text: str) -> None:
    for field in neutral(text).replace("\r", ";").replace("\n", ";").split(";"):
        assert not field.lstrip(" ").startswith(("=", "@", "-", "\t")), "nothing is left to calculate"


def test_legs_say_how_long_they_rang_and_talked() -> None:
    row = dict.fromkeys(FIELDS["leg"]) | {"opened_at": 10.0, "answered_at": 14.5, "ended_at": 20.0}
    assert (leg_line(row, 3)["ring_s"], leg_line(row, 3)["talk_s"], leg_line(row, 3)["cursor"]) == (4.5, 5.5, 3)
    unanswered = leg_line(row | {"answered_at": None}, 3)
    assert (unanswered["ring_s"], unanswered["talk_s"], unanswered["answered_at"]) == (10.0, 0.0, None)


def test_events_and_states_have_their_times() -> None:
    event = dict.fromkeys(FIELDS["event"]) | {"at": 1.5, "seq": 2}
    assert (event_line(event, 3)["at"], event_line(event, 3)["seq"]) == ("1970-01-01T00:00:01.500Z", 2)
    state = {"record_seq": 4, "identity": "ana", "state": "break", "reason": "lunch", "at": 60.0, "ended_at": 90.25}
    assert agent_state_line(state) == {
        "cursor": 4,
        "agent": "ana",
        "state": "break",
        "reason": "lunch",
        "began_at": "1970-01-01T00:01:00.000Z",
        "ended_at": "1970-01-01T00:01:30.250Z",
        "duration_s": 30.25,
    }


def test_what_is_asked_for() -> None:
    assert wanted_of({}) == ("call", "jsonl", Wanted())
    asked = {"kind": "leg", "format": "csv", "from": "1970-01-02", "to": "1970-01-02T02:00:00+01:00", "since": "5", "agent": "ana"}
    assert wanted_of(asked) == ("leg", "csv", Wanted(5, 86_400.0, 90_000.0, "ana"))
    for name, value in (("kind", "x"), ("format", "xls"), ("since", "-1"), ("since", "9" * 19), ("from", "noon"), ("to", "2026-13-01")):
        with pytest.raises(Refusal) as refused:
            wanted_of({name: value})
        assert refused.value.code == "bad_message" and name in str(refused.value)


def test_statistics_say_the_service_level_by_the_queues_rule() -> None:
    row = dict.fromkeys(FIELDS["statistics"], 0) | {"slot": 3, "answered": 6, "in_time": 4, "abandoned": 3, "short": 2, "overflowed": 1}
    line = statistics_line(row | {"talk_s": 60.0, "wrap_up_s": 15.0, "called_back": 5, "turned_away": 7}, 2)
    assert (line["began_at"], line["interval_s"]) == ("1970-01-01T01:30:00.000Z", 1_800)
    assert (line["service_level"], line["handle_s"]) == (0.5, 75.0), "who gave up at once, is called back or was turned away is no part"
    assert statistics_line(row | {"answered": 0, "abandoned": 2, "overflowed": 0}, 1)["service_level"] is None
