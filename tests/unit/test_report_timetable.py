"""When reports are due: by the clock on the wall, also where that is put forward or back."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from api.reports.delivery import worded
from api.reports.timetable import last_due, next_due

MADRID = "Europe/Madrid"
DAY_S = 86_400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(MADRID)).timestamp()


def told(moment: float) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(MADRID)).isoformat(timespec="minutes")


def test_a_day_is_from_clock_time_to_clock_time() -> None:
    eight = 8 * 60
    assert told(next_due("day", 0, eight, MADRID, at("2026-11-22T07:59"))) == "2026-11-22T08:00+01:00"
    assert told(next_due("day", 0, eight, MADRID, at("2026-11-22T08:00"))) == "2026-11-23T08:00+01:00", "strictly later"
    assert told(next_due("day", 0, eight, MADRID, at("2026-10-24T09:00"))) == "2026-10-25T08:00+01:00", "25 hours later"


def test_a_week_is_from_weekday_to_weekday() -> None:
    assert told(next_due("week", 0, 0, MADRID, at("2026-11-22T12:00"))) == "2026-11-23T00:00+01:00"
    assert told(next_due("week", 6, 60, MADRID, at("2026-11-22T12:00"))) == "2026-11-29T01:00+01:00", "today's is over"


def test_a_time_that_is_left_out_is_not_missed_and_one_that_comes_twice_is_one() -> None:
    half_past_two = 150
    spring = next_due("day", 0, half_past_two, MADRID, at("2026-03-28T12:00"))
    assert told(spring) == "2026-03-29T03:30+02:00" and told(next_due("day", 0, half_past_two, MADRID, spring)) == "2026-03-30T02:30+02:00"
    autumn = next_due("day", 0, half_past_two, MADRID, at("2026-10-24T12:00"))
    assert told(autumn) == "2026-10-25T02:30+02:00" and told(next_due("day", 0, half_past_two, MADRID, autumn)) == "2026-10-26T02:30+01:00"


@pytest.mark.parametrize("every", ["day", "week"])
def test_the_last_one_is_that_before_the_next(every: str) -> None:
    for ahead in range(20):
        now = at("2026-10-20T11:11") + ahead * DAY_S
        last = last_due(every, 2, 480, MADRID, now)
        assert last <= now < next_due(every, 2, 480, MADRID, last)


def test_figures_are_written_as_the_language_does() -> None:
    assert [worded(name, value, "es") for name, value in (("handled", 3), ("csat", 0.915), ("answer_s", 65.4), ("nps", None))] == [
        "3",
        "91,5 %",
        "1:05",
        "-",
    ]
    assert worded("bad_share", 0.04, "en") == "4.0%" and worded("nps", -12.4, "en") == "-12"
