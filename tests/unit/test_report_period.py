"""Days and hours as the house counts them, those of the change to and from summer time too."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from api.reports.period import Period, bucket_name, buckets, house_zone, midnight, period

MADRID = ZoneInfo("Europe/Madrid")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=MADRID).timestamp()


def local(of: Period) -> tuple[str, str]:
    since, until = (datetime.fromtimestamp(at, MADRID).isoformat(timespec="minutes") for at in (of.since, of.until))
    return since, until


def test_periods_end_before_today_but_for_today_so_far() -> None:
    assert local(period("today", "Europe/Madrid", NOON)) == ("2026-11-22T00:00+01:00", "2026-11-22T12:00+01:00")
    assert local(period("yesterday", "Europe/Madrid", NOON)) == ("2026-11-21T00:00+01:00", "2026-11-22T00:00+01:00")
    assert local(period("7d", "Europe/Madrid", NOON)) == ("2026-11-15T00:00+01:00", "2026-11-22T00:00+01:00")
    month = period("28d", "Europe/Madrid", NOON)
    assert local(month) == ("2026-10-25T00:00+02:00", "2026-11-22T00:00+01:00") and month.until - month.since == 28 * 86_400 + 3_600
    assert [period(name, "UTC", NOON).whole for name in ("today", "yesterday")] == [False, True]
    chosen = period("dates", "Europe/Madrid", NOON, date(2026, 3, 29), date(2026, 3, 29))
    assert chosen.until - chosen.since == 23 * 3_600 and chosen.whole
    assert not period("dates", "Europe/Madrid", NOON, date(2026, 11, 22), date(2026, 11, 30)).whole


@pytest.mark.parametrize(
    "first, last", [(None, None), ("2026-11-02", "2026-11-01"), ("2024-01-01", "2026-01-01"), ("2026-11-23", "2026-11-23")]
)
def test_days_that_are_none_are_refused(first: str | None, last: str | None) -> None:
    with pytest.raises(ValueError, match="from is"):
        period("dates", "Europe/Madrid", NOON, *(None if day is None else date.fromisoformat(day) for day in (first, last)))


def test_the_day_with_25_hours_has_them_and_the_hour_that_comes_twice_is_two() -> None:
    autumn = period("dates", "Europe/Madrid", NOON, date(2026, 10, 25), date(2026, 10, 25))
    names = [bucket_name(at, "Europe/Madrid", "hour") for at in buckets(autumn, "hour")]
    assert len(names) == 25 and len(set(names)) == 25
    assert names[2:4] == ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]
    spring = period("dates", "Europe/Madrid", NOON, date(2026, 3, 29), date(2026, 3, 29))
    assert [bucket_name(at, "Europe/Madrid", "hour")[11:16] for at in buckets(spring, "hour")][:4] == ["00:00", "01:00", "03:00", "04:00"]
    days = period("dates", "Europe/Madrid", NOON, date(2026, 10, 24), date(2026, 10, 26))
    assert [bucket_name(at, "Europe/Madrid", "day") for at in buckets(days, "day")] == ["2026-10-24", "2026-10-25", "2026-10-26"]


def test_where_midnight_is_left_out_the_day_begins_with_its_first_moment() -> None:
    cairo = ZoneInfo("Africa/Cairo")
    begins = midnight(date(2024, 4, 26), cairo)
    assert datetime.fromtimestamp(begins, cairo).isoformat() == "2024-04-26T01:00:00+03:00"
    assert datetime.fromtimestamp(begins - 1, cairo).date() == date(2024, 4, 25)


def test_the_first_moments_of_a_day_are_one_hour_and_before_it_none() -> None:
    begin = midnight(date(2026, 11, 22), MADRID)
    assert buckets(Period(begin, begin + 1, "Europe/Madrid", False), "hour") == [begin]
    assert (
        buckets(Period(begin, begin, "Europe/Madrid", False), "hour") == buckets(Period(begin, begin, "Europe/Madrid", False), "day") == []
    )


def test_the_house_is_where_most_of_its_calendars_are_unless_somebody_said() -> None:
    assert house_zone("", ["Europe/Madrid", "Atlantic/Canary", "Europe/Madrid"]) == "Europe/Madrid"
    assert house_zone("", []) == "UTC" and house_zone("Europe/Paris", ["UTC"]) == "Europe/Paris"
