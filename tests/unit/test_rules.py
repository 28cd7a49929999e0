"""Which rules act, and when those of a schedule do."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from rooms.flows.conditions import Comparison, Condition
from rooms.rules.deciding import Outcome, decide
from rooms.rules.rule import Rule
from rooms.rules.schedule import BadSchedule, read_schedule

MADRID = "Europe/Madrid"
VIP = Condition("vip", Comparison.IS, (True,))


def times(text: str, after: str, count: int, zone: str = MADRID) -> list[str]:
    schedule, at = read_schedule(text, zone), datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(zone)).timestamp()
    found = []
    for _ in range(count):
        following = schedule.next_after(at)
        assert following is not None and following > at
        at = following
        found.append(datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%m-%d %H:%M%z"))
    return found


def test_weekdays_steps_ranges_and_names() -> None:
    assert times("30 9 * * mon-fri", "2026-11-20T10:00", 2) == ["11-23 09:30+0100", "11-24 09:30+0100"]
    assert times("*/20 8-9 * * *", "2026-11-20T08:10", 4) == [
        "11-20 08:20+0100",
        "11-20 08:40+0100",
        "11-20 09:00+0100",
        "11-20 09:20+0100",
    ]
    assert times("0 0 1 jan *", "2026-11-20T08:10", 1) == ["01-01 00:00+0100"]
    assert times("0 12 29 feb *", "2097-01-01T00:00", 1) == ["02-29 12:00+0100"]
    assert times("0 12 13 * fri", "2026-11-12T13:00", 3) == ["11-13 12:00+0100", "11-20 12:00+0100", "11-27 12:00+0100"]
    assert times("5/25 * * * 7", "2026-11-22T10:06", 2) == ["11-22 10:30+0100", "11-22 10:55+0100"]


def test_a_wall_time_that_comes_twice_counts_once_and_one_that_never_comes_at_the_change() -> None:
    assert times("30 2 * * *", "2026-10-24T12:00", 2) == ["10-25 02:30+0200", "10-26 02:30+0100"]
    assert times("30 2 * * *", "2026-03-28T12:00", 2) == ["03-29 03:00+0200", "03-30 02:30+0200"]
    assert times("0 * * * *", "2026-03-29T00:30", 3) == ["03-29 01:00+0100", "03-29 03:00+0200", "03-29 04:00+0200"]
    assert times("0 0 * * *", "2026-09-05T12:00", 1, "America/Santiago") == ["09-06 01:00-0300"]


@pytest.mark.parametrize("text", ["", "* * * *", "60 * * * *", "* 24 * * *", "5-1 * * * *", "*/0 * * * *", "a * * * *", "0 0 31 feb *"])
def test_what_never_comes_is_refused(text: str) -> None:
    with pytest.raises(BadSchedule):
        read_schedule(text, MADRID)


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(BadSchedule, match="no time zone"):
        read_schedule("0 9 * * *", "Mars/Olympus")


def test_a_rule_acts_on_its_happening_where_all_holds() -> None:
    rules = [Rule("a", "call.missed", (VIP,)), Rule("b", "call.missed"), Rule("c", "call.ended"), Rule("d", "call.missed", enabled=False)]
    told = decide(rules, "call.missed", {"vip": False}, (), lambda rule: 0)
    assert [(one.rule.name, one.outcome) for one in told] == [("a", Outcome.UNMET), ("b", Outcome.DOES), ("d", Outcome.OFF)]
    assert told[0].why == "vip is true: it is false."
    assert decide(rules[:1], "call.missed", {}, (), lambda rule: 0)[0].why == "vip is true: it is not known."


def test_loops_are_cut_by_cause_depth_and_rate() -> None:
    rule = Rule("a", "ticket.opened", most_per_hour=2)
    assert decide([rule], "ticket.opened", {}, ("b", "a"), lambda name: 0)[0].outcome is Outcome.OWN
    assert decide([rule], "ticket.opened", {}, ("b", "c", "d"), lambda name: 0)[0].outcome is Outcome.DEEP
    assert decide([rule], "ticket.opened", {}, ("b", "c"), lambda name: 1)[0].outcome is Outcome.DOES
    assert decide([rule], "ticket.opened", {}, (), lambda name: 2)[0].outcome is Outcome.TOO_OFTEN


def test_every_moment_of_a_year_is_found_as_a_minute_by_minute_walk_finds_it() -> None:
    schedule, zone = read_schedule("15 */6 * * *", "America/New_York"), ZoneInfo("America/New_York")
    at = datetime(2026, 10, 25, tzinfo=UTC).timestamp()
    until, walked = at + 14 * 86_400, []
    seen: set[str] = set()
    for moment in range(int(at) + 60, int(until), 60):
        wall = datetime.fromtimestamp(moment, zone)
        if wall.minute == 15 and wall.hour % 6 == 0 and (mark := wall.strftime("%d %H:%M")) not in seen:
            seen.add(mark)
            walked.append(float(moment))
    found: list[float] = []
    while (following := schedule.next_after(at)) is not None and following < until:
        at = following
        found.append(at)
    assert found == walked
