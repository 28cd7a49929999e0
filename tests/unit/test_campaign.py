"""Whom a campaign calls when, and what follows from how it went."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.campaign import LONGEST_LATER_S, CallingHours, EntryState, Outcome, Tries

MADRID, CANARY, NEW_YORK = (ZoneInfo(name) for name in ("Europe/Madrid", "Atlantic/Canary", "America/New_York"))
HOURS = CallingHours(frozenset({1, 2, 3, 4, 5}), 9 * 60, 21 * 60)


def at(text: str, zone: ZoneInfo = MADRID) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("when", "zones", "allowed"),
    [
        ("2026-11-23T09:00", (MADRID,), True),
        ("2026-11-23T08:59", (MADRID,), False),
        ("2026-11-23T20:59", (MADRID,), True),
        ("2026-11-23T21:00", (MADRID,), False),
        ("2026-11-22T12:00", (MADRID,), False),  # a Sunday
        ("2026-11-23T09:30", (MADRID, CANARY), False),  # a mobile may be on the islands, where it is an hour earlier
        ("2026-11-23T10:00", (MADRID, CANARY), True),
        ("2026-11-23T14:59", (NEW_YORK,), False),
        ("2026-11-23T15:00", (NEW_YORK,), True),
        ("2026-11-27T23:30", (NEW_YORK,), True),  # Friday afternoon there
        ("2026-11-28T00:30", (NEW_YORK,), True),  # Saturday here, Friday there
        ("2026-03-29T10:00", (MADRID,), False),  # a Sunday with a clock change
    ],
)
def test_a_number_is_called_at_its_own_hours(when: str, zones: tuple[ZoneInfo, ...], allowed: bool) -> None:
    assert HOURS.allow(at(when), zones) is allowed


@pytest.mark.parametrize(
    ("days", "begin", "end"), [(frozenset(), 0, 60), (frozenset({0}), 0, 60), (frozenset({1}), 60, 60), (frozenset({1}), 0, 1_441)]
)
def test_hours_that_make_no_sense_are_refused(days: frozenset[int], begin: int, end: int) -> None:
    with pytest.raises(ValueError, match=r"days|hours"):
        CallingHours(days, begin, end)


@pytest.mark.parametrize(
    ("outcome", "attempts", "state", "tried", "due_s"),
    [
        (Outcome.REACHED, 0, EntryState.DONE, 1, 1_000.0),
        (Outcome.REFUSED, 0, EntryState.DONE, 1, 1_000.0),
        (Outcome.WRONG_NUMBER, 2, EntryState.DONE, 3, 1_000.0),
        (Outcome.NO_ANSWER, 0, EntryState.OPEN, 1, 1_600.0),
        (Outcome.BUSY, 1, EntryState.OPEN, 2, 1_600.0),
        (Outcome.BUSY, 2, EntryState.DONE, 3, 1_000.0),
        (Outcome.LATER, 2, EntryState.OPEN, 2, 5_000.0),
        (Outcome.SKIPPED, 2, EntryState.OPEN, 2, 1_600.0),
    ],
)
def test_what_follows_from_how_it_went(outcome: Outcome, attempts: int, state: EntryState, tried: int, due_s: float) -> None:
    assert Tries(3, 600.0).after(outcome, attempts, 1_000.0, 5_000.0) == (state, tried, due_s)


@pytest.mark.parametrize("later_s", [None, 999.0, 1_000.0, 1_001.0 + LONGEST_LATER_S])
def test_later_is_a_time_to_come(later_s: float | None) -> None:
    with pytest.raises(ValueError, match="time to come"):
        Tries().after(Outcome.LATER, 0, 1_000.0, later_s)


@given(
    st.lists(st.sampled_from([each for each in Outcome if each not in (Outcome.LATER, Outcome.SKIPPED)]), max_size=20), st.integers(1, 9)
)
def test_nobody_is_tried_more_often_than_allowed(outcomes: list[Outcome], most: int) -> None:
    state, attempts = EntryState.OPEN, 0
    for outcome in outcomes:
        if state is EntryState.DONE:
            break
        state, attempts, _ = Tries(most, 60.0).after(outcome, attempts, 0.0)
    assert attempts <= most
