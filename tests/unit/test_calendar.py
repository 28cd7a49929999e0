"""When an office is open: hours, holidays, nights and clock changes; and what is wrong with a table of them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.calendar import LOOK_AHEAD_DAYS, Calendar, FromEaster, Span, YearDay, easter
from rooms.calendar_reading import read_calendars
from rooms.document import DocumentError

TABLE = """
[office]
zone = "Europe/Madrid"
holidays = ["01-01", "easter-2", 2026-09-11]

[office.weekly]
monday-thursday = ["09:00-14:00", "16:00-20:00"]
friday = ["09:00-15:00", "22:00-02:00+1"]

[office.exceptions]
2026-12-24 = ["09:00-13:00"]
2026-12-31 = []
2027-01-01 = ["12:00-14:00"]
"""
OFFICE = read_calendars(TABLE)["office"]


def at(wall: str, zone: str = "Europe/Madrid", fold: int = 0) -> float:
    return datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def wall(epoch_s: float | None, zone: str = "Europe/Madrid") -> str:
    assert epoch_s is not None
    return datetime.fromtimestamp(epoch_s, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M%z")


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("2026-11-23T08:59:59", "closed"),
        ("2026-11-23T09:00", "open"),
        ("2026-11-23T13:59:59", "open"),
        ("2026-11-23T14:00", "closed"),
        ("2026-11-23T19:59", "open"),
        ("2026-11-27T23:00", "open"),
        ("2026-11-28T01:59", "open"),  # still Friday's
        ("2026-11-28T02:00", "closed"),
        ("2026-11-29T01:00", "closed"),
        ("2026-04-03T10:00", "holiday"),  # Good Friday
        ("2026-09-11T10:00", "holiday"),
        ("2025-09-11T10:00", "open"),
        ("2026-12-24T12:59", "open"),
        ("2026-12-24T16:30", "closed"),
        ("2026-12-31T10:00", "closed"),
        ("2027-01-01T10:00", "holiday"),
        ("2027-01-01T12:00", "open"),  # a holiday with hours of its own
        ("2029-01-01T12:00", "holiday"),
    ],
)
def test_an_office_is_open_in_its_hours_and_not_on_its_holidays(when: str, found: str) -> None:
    assert OFFICE.is_open(at(when)) == found


def test_easter_is_where_the_almanacs_have_it() -> None:
    """The dates of the United States Naval Observatory, and the earliest and the latest that there are."""
    known = ["2000-04-23", "2008-03-23", "2011-04-24", "2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2038-04-25", "1818-03-22"]
    assert [easter(date.fromisoformat(each).year).isoformat() for each in known] == known


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-11-23T08:00", "2026-11-23T09:00+0100"),
        ("2026-11-23T09:00", "2026-11-23T14:00+0100"),
        ("2026-11-27T23:00", "2026-11-28T02:00+0100"),
        ("2026-11-28T10:00", "2026-11-30T09:00+0100"),
        ("2026-04-02T21:00", "2026-04-03T00:00+0200"),  # a holiday begins at midnight
        ("2026-12-31T10:00", "2027-01-01T00:00+0100"),
    ],
)
def test_the_next_change_is_told(now: str, then: str) -> None:
    assert wall(OFFICE.next_change(at(now))) == then


def test_what_never_changes_has_no_next_change() -> None:
    assert Calendar("Europe/Madrid", {}).next_change(0.0) is None
    assert Calendar("Europe/Madrid", {day: (Span(0, 1440),) for day in range(7)}).next_change(0.0) is None


SPRING = {"Europe/Madrid": "2026-03-29T{}", "Atlantic/Canary": "2026-03-29T{}", "America/New_York": "2026-03-08T{}"}
AUTUMN = {"Europe/Madrid": "2026-10-25T{}", "Atlantic/Canary": "2026-10-25T{}", "America/New_York": "2026-11-01T{}"}
HOUR = {"Europe/Madrid": 2, "Atlantic/Canary": 1, "America/New_York": 2}
"""In Madrid and New York the hour from two to three is left out in spring, in the Canaries from one to two; the last hour of summer
time comes twice in autumn: in Madrid from two, in the Canaries and in New York from one."""
TWICE = {"Europe/Madrid": 2, "Atlantic/Canary": 1, "America/New_York": 1}


def open_between(zone: str, span: Span, day: str) -> tuple[float, float] | None:
    """From when to when an office of this one span a day is open on that day."""
    calendar = Calendar(zone, {}, exceptions={date.fromisoformat(day): (span,)})
    start = at(f"{day}T00:00", zone)
    begin = start if calendar.is_open(start) == "open" else calendar.next_change(start)
    return None if begin is None else (begin, calendar.next_change(begin) or 0.0)


@pytest.mark.parametrize("zone", SPRING)
def test_when_an_hour_is_left_out_a_span_begins_and_ends_at_the_change(zone: str) -> None:
    hour, day = HOUR[zone], SPRING[zone][:10]
    change = at(SPRING[zone].format(f"{hour + 1:02}:00"), zone)
    half = 60 * hour + 30
    assert open_between(zone, Span(half, half + 180), day) == (change, at(f"{day}T{hour + 3:02}:30", zone))
    assert open_between(zone, Span(0, half), day) == (at(f"{day}T00:00", zone), change)
    assert open_between(zone, Span(half, half + 10), day) is None
    assert open_between(zone, Span(0, 1440), day) == (at(f"{day}T00:00", zone), at(f"{day}T00:00", zone) + 23 * 3600)


@pytest.mark.parametrize("zone", AUTUMN)
def test_when_an_hour_comes_twice_a_span_begins_at_its_first_and_ends_at_its_second_time(zone: str) -> None:
    hour, day = TWICE[zone], AUTUMN[zone][:10]
    half, clock = 60 * hour + 30, f"{day}T{hour:02}:30"
    assert open_between(zone, Span(half, half + 180), day) == (at(clock, zone), at(clock, zone) + 4 * 3600)
    assert open_between(zone, Span(0, half), day) == (at(f"{day}T00:00", zone), at(clock, zone, fold=1))
    assert open_between(zone, Span(half, half + 10), day) == (at(clock, zone), at(clock, zone) + 3600 + 600)
    assert open_between(zone, Span(0, 1440), day) == (at(f"{day}T00:00", zone), at(f"{day}T00:00", zone) + 25 * 3600)


def test_a_night_over_the_change_is_an_hour_shorter_or_longer() -> None:
    night = Calendar("Europe/Madrid", {5: (Span(22 * 60, 30 * 60),)})  # Saturday to Sunday at six
    for start, hours in (("2026-03-28T22:00", 7), ("2026-10-24T22:00", 9), ("2026-11-21T22:00", 8)):
        assert night.next_change(at(start)) == at(start) + hours * 3600


def test_a_midnight_that_does_not_exist_begins_its_day_at_the_change() -> None:
    beirut = Calendar("Asia/Beirut", {}, frozenset({date(2026, 3, 29)}))
    change = at("2026-03-29T01:00", "Asia/Beirut")
    assert [beirut.is_open(change - 1), beirut.is_open(change)] == ["closed", "holiday"]
    assert beirut.next_change(change - 1) == change


SPANS = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).map(lambda pair: (Span(pair[0], pair[0] + pair[1]),))
HOLIDAYS = st.frozensets(
    st.dates(date(2026, 1, 1), date(2026, 12, 31))
    | st.builds(YearDay, st.integers(1, 12), st.integers(1, 28))
    | st.builds(FromEaster, st.integers(-9, 60)),
    max_size=6,
)


@given(
    st.sampled_from(["Europe/Madrid", "Atlantic/Canary", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.dictionaries(st.integers(0, 6), SPANS),
    HOLIDAYS,
    st.dictionaries(st.dates(date(2026, 1, 1), date(2026, 12, 31)), SPANS, max_size=3),
    st.integers(int(at("2026-01-01T00:00")), int(at("2026-12-31T00:00"))),
    st.data(),
)
def test_nothing_changes_before_the_next_change_and_something_does_at_it(
    zone: str,
    weekly: dict[int, tuple[Span, ...]],
    holidays: frozenset[date],
    exceptions: dict[date, tuple[Span, ...]],
    now: int,
    data: st.DataObject,
) -> None:
    calendar = Calendar(zone, weekly, holidays, exceptions)
    before = calendar.is_open(now)
    change = calendar.next_change(now)
    until = now + LOOK_AHEAD_DAYS * 86_400 - 2 * 86_400 if change is None else int(change) - 1
    for _ in range(5):
        assert calendar.is_open(data.draw(st.integers(now, max(now, until)))) == before
    if change is not None:
        assert calendar.is_open(change - 1) == before != calendar.is_open(change)


FAULTY = """[office]
zone = "Europe/Madird"
holidays = ["2026-02-30", "12-25", "2026-12-25", "12-25", "eastern", 7]
hollidays = []
[office.weekly]
monday-friday = ["09:00-14:00", "13:00-20:00"]
friday = ["18:00-09:00", "9:00-10:00", "23:00-25:00", "08:00-09:00+1"]
funday = []
[office.exceptions]
"2026-13-01" = []
2026-12-24 = ["09:00-13:00", "09:00-13:00"]
[branch]
zone = "Atlantic/Canary"
"""


def test_everything_that_is_wrong_with_a_table_is_told_at_once_with_its_line() -> None:
    with pytest.raises(DocumentError) as told:
        read_calendars(FAULTY)
    assert [(fault.line, fault.message.split(":")[0]) for fault in told.value.faults] == [
        (2, "'Europe/Madird' is no time zone"),
        (3, "'2026-02-30' is no holiday"),
        (3, "'eastern' is no holiday"),
        (3, "12-25 is a holiday already"),
        (3, "2026-12-25 is a holiday already"),
        (3, "7 is no holiday"),
        (4, "'hollidays' has no meaning here; did you mean 'holidays'?"),
        (6, "The spans of 'monday-friday' overlap"),
        (7, "'08"),
        (7, "'18"),
        (7, "'23"),
        (7, "'9"),
        (7, "friday has its hours already"),
        (8, "'funday' is no weekday"),
        (10, "'2026-13-01' is no date"),
        (11, "'09"),
        (12, "'weekly' is missing"),
    ]
    messages = [fault.message for fault in told.value.faults if fault.line == 7]
    assert messages == [
        "'08:00-09:00+1' is longer than a day: leave +1 out, or divide it.",
        "'18:00-09:00' ends before it begins: write +1 behind it if it ends on the next day.",
        "'23:00-25:00' has a time that does not exist: a day goes from 00:00 to 24:00.",
        "'9:00-10:00' is no span of time: write it like 09:00-14:00, and 22:00-02:00+1 where it ends on the next day.",
        "friday has its hours already: give them once.",
    ]
