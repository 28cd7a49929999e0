"""Which entry of a plan a call has: the one that says most of the number dialled, then of the caller, then of the time."""

import pytest

from api.centre.number_document import read_numbers
from rooms.calendar import Calendar, Span
from rooms.centre_plan import CentrePlan, NumberEntry
from rooms.document import Document

PLAN = CentrePlan(
    calendars={"office": Calendar("UTC", {day: (Span(9 * 60, 17 * 60),) for day in range(7)})},
    entries=(
        NumberEntry("*", "", label="all"),
        NumberEntry("+34*", "", label="spain"),
        NumberEntry("+3491*", "", label="madrid"),
        NumberEntry("+34911234567", "", label="main"),
        NumberEntry("+34911234567", "", label="twice"),
        NumberEntry("+34911234567", "", label="by-night", calendar="office", during="closed"),
        NumberEntry("+34911234567", "", label="from-britain", callers=("GB",)),
        NumberEntry("+34911234567", "", label="from-london", callers=("+4420*", "+4411*")),
        NumberEntry("+34911234567", "", label="from-ana", callers=("+442079460018",)),
        NumberEntry("+34911234567", "", label="from-nobody", callers=("withheld",)),
        NumberEntry("60*", "", label="desk"),
        NumberEntry("600", "", label="reception"),
        NumberEntry("911234599", "", label="as-sent"),
        NumberEntry("700", "", label="day-only", calendar="office"),
        NumberEntry("700", "", label="lost", calendar="nowhere"),
    ),
)
NOON_S, MIDNIGHT_S = 43_200.0, 0.0


@pytest.mark.parametrize(
    ("called", "caller", "country", "at_s", "label"),
    [
        ("+34911234567", "+34600111222", "ES", NOON_S, "main"),
        ("+34911234567", "+34600111222", "ES", MIDNIGHT_S, "by-night"),
        ("+34911234567", "+447700900123", "GB", NOON_S, "from-britain"),
        ("+34911234567", "+447700900123", "GB", MIDNIGHT_S, "from-britain"),  # the caller says more than the time
        ("+34911234567", "+442079460000", "GB", NOON_S, "from-london"),
        ("+34911234567", "+442079460018", "GB", NOON_S, "from-ana"),
        ("+34911234567", "", "", NOON_S, "from-nobody"),
        ("+34915550000", "", "", NOON_S, "madrid"),
        ("+34930000000", "", "", NOON_S, "spain"),
        ("+442079460018", "", "", NOON_S, "all"),
        ("600", "", "", NOON_S, "reception"),
        ("601", "", "", NOON_S, "desk"),
        ("700", "", "", NOON_S, "day-only"),
        ("700", "", "", MIDNIGHT_S, "all"),
    ],
)
def test_a_call_has_the_entry_that_says_most(called: str, caller: str, country: str, at_s: float, label: str) -> None:
    entry = PLAN.entry(called, caller, country=country, epoch_s=at_s)
    assert entry is not None and entry.label == label


def test_a_number_is_known_as_the_pbx_sent_it_too() -> None:
    entry = PLAN.entry("+34911234599", "", also_called=("911234599",))
    assert entry is not None and entry.label == "as-sent"


def test_a_call_for_nothing_in_the_plan_has_no_entry() -> None:
    assert CentrePlan(entries=PLAN.entries[10:]).entry("+34911234567", "") is None


def test_two_entries_for_the_same_calls_are_a_fault() -> None:
    text = """entries = [
        { number = "911 234 567", flow = "main", callers = ["GB", "FR"] },
        { number = "+34 911 234 567", flow = "main", callers = ["FR", "GB"] },
        { number = "+34 911 234 567", flow = "main" },
    ]"""
    document = Document(text, "numbers")
    read_numbers(document, "ES", ["main"], [])
    assert [str(fault) for fault in document.faults] == [
        "numbers, line 3: These calls to '+34911234567' have an entry already: keep one of the two."
    ]
