"""Slots of professionals: hours, breaks, absences, pauses, notice, horizon, skills, both clock changes; what is near one that is gone."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.appointments.slots import CELL_S, Service, Slot, WorkCalendar, alternatives, cells, free_slots, is_offered, least_busy
from api.appointments.states import OVER, TABLE, State, Step, after, befores
from rooms.calendar import Calendar, Span

MADRID = "Europe/Madrid"
HALF_HOUR = Service("visit", 1800.0, 1800.0)
WEEKDAYS = {day: (Span(9 * 60, 14 * 60), Span(16 * 60, 18 * 60)) for day in range(5)}
LONG_AGO = 0.0


def at(wall: str, zone: str = MADRID, fold: int = 0) -> float:
    return datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def walls(slots: list[Slot], zone: str = MADRID) -> list[str]:
    return [datetime.fromtimestamp(slot.start_s, ZoneInfo(zone)).strftime("%H:%M") for slot in slots]


def works(hours: Calendar | None = None, **more: object) -> WorkCalendar:
    return WorkCalendar("ana", hours or Calendar(MADRID, WEEKDAYS), **({"horizon_s": 1e12} | more))  # type: ignore[arg-type]


def test_a_day_has_the_slots_that_fit_wholly_into_its_hours() -> None:
    found = free_slots(HALF_HOUR, [works()], {}, at("2026-11-23"), at("2026-11-24"), LONG_AGO)
    assert walls(found) == [
        *("09:00", "09:30", "10:00", "10:30", "11:00", "11:30", "12:00", "12:30", "13:00", "13:30"),
        *("16:00", "16:30", "17:00", "17:30"),
    ]
    assert walls(free_slots(Service("long", 5400.0, 5400.0), [works()], {}, at("2026-11-23"), at("2026-11-24"), LONG_AGO)) == [
        *("09:00", "10:30", "12:00", "16:00")
    ]


def test_the_grid_begins_anew_after_a_break_and_absences_take_slots_off_it() -> None:
    breaks = Calendar(MADRID, {0: (Span(10 * 60 + 40, 11 * 60 + 5),)})
    away = (at("2026-11-23T12:20"), at("2026-11-23T23:00"))
    found = free_slots(HALF_HOUR, [works(breaks=breaks, absences=(away,))], {}, at("2026-11-23"), at("2026-11-24"), LONG_AGO)
    assert walls(found) == ["09:00", "09:30", "10:00", "11:05", "11:35"]


def test_what_is_booked_takes_its_pause_along_and_the_slot_before_needs_its_own() -> None:
    calendar = works(buffer_s=600.0)
    taken = {"ana": set(calendar.takes(at("2026-11-23T10:00"), 1800.0))}
    found = free_slots(HALF_HOUR, [calendar], taken, at("2026-11-23T09:00"), at("2026-11-23T11:31"), LONG_AGO)
    assert walls(found) == ["09:00", "11:00", "11:30"]


def test_notice_and_horizon() -> None:
    calendar, now = works(notice_s=7200.0, horizon_s=86_400.0), at("2026-11-23T09:00")
    found = free_slots(HALF_HOUR, [calendar], {}, at("2026-11-23"), at("2026-11-28"), now)
    assert (walls(found)[0], walls(found)[-1], len(found)) == ("11:00", "09:00", 11)
    assert is_offered(HALF_HOUR, calendar, at("2026-11-23T11:00"), now)
    assert not is_offered(HALF_HOUR, calendar, at("2026-11-23T10:30"), now)
    assert not is_offered(HALF_HOUR, calendar, at("2026-11-23T11:10"), now)


@pytest.mark.parametrize(
    ("service", "language", "gives"),
    [
        (Service("a", 1800.0, 1800.0), "", True),
        (Service("a", 1800.0, 1800.0), "es", True),
        (Service("a", 1800.0, 1800.0), "de", False),
        (Service("a", 1800.0, 1800.0, languages=frozenset({"en"})), "es", False),
        (Service("a", 1800.0, 1800.0, professionals=frozenset({"bea"})), "", False),
        (Service("a", 1800.0, 1800.0, professionals=frozenset({"ana"}), skills=frozenset({"visas"})), "es", True),
        (Service("a", 1800.0, 1800.0, skills=frozenset({"visas", "cruises"})), "", False),
    ],
)
def test_who_gives_what(service: Service, language: str, gives: bool) -> None:
    assert works(languages=frozenset({"es", "en"}), skills=frozenset({"visas"})).gives(service, language) is gives


def test_the_hour_that_does_not_exist_has_no_slots_and_the_one_that_comes_twice_has_them_twice() -> None:
    nights = works(Calendar(MADRID, {day: (Span(60, 300),) for day in range(7)}))
    spring = free_slots(HALF_HOUR, [nights], {}, at("2026-03-29"), at("2026-03-30"), LONG_AGO)
    assert walls(spring) == ["01:00", "01:30", "03:00", "03:30", "04:00", "04:30"]
    autumn = free_slots(HALF_HOUR, [nights], {}, at("2026-10-25"), at("2026-10-26"), LONG_AGO)
    assert walls(autumn) == ["01:00", "01:30", "02:00", "02:30", "02:00", "02:30", "03:00", "03:30", "04:00", "04:30"]
    assert len({slot.start_s for slot in autumn}) == len(autumn)


ZONES = st.sampled_from([MADRID, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia"])
CHANGES = st.sampled_from(["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2026-07-01"])
SPANS = st.lists(st.integers(0, 287), min_size=2, max_size=6, unique=True).map(
    lambda marks: tuple(Span(5 * begin, 5 * end) for begin, end in zip(*[iter(sorted(marks))] * 2, strict=False))
)


@settings(max_examples=50, deadline=None)
@given(zone=ZONES, change=CHANGES, spans=SPANS, step=st.sampled_from([900, 1500, 1800, 2700]), length=st.sampled_from([900, 1800, 3600]))
def test_no_slot_is_doubled_lost_or_out_of_hours_whatever_clocks_do(
    zone: str, change: str, spans: tuple[Span, ...], step: int, length: int
) -> None:
    """Against the slow way: each moment of the period is asked whether it is in hours."""
    hours = Calendar(zone, dict.fromkeys(range(7), spans))
    service = Service("s", float(length), float(step))
    day = datetime.fromisoformat(change).replace(tzinfo=ZoneInfo(zone))
    begin, end = (day - timedelta(days=1)).timestamp(), (day + timedelta(days=2)).timestamp()
    found = free_slots(service, [works(hours)], {}, begin, end, LONG_AGO)
    assert [slot.start_s for slot in found] == sorted({slot.start_s for slot in found})
    for slot in found:
        assert all(hours.is_open(moment) == "open" for moment in range(int(slot.start_s), int(slot.end_s), CELL_S))
    if step >= length:
        assert all(former.end_s <= latter.start_s for former, latter in pairwise(found))
    for opens, closes in hours.spans(begin, end):
        fitting = [slot for slot in found if opens <= slot.start_s and slot.end_s <= closes]
        first = max(0, -(-int(begin - opens) // step))
        last = min((int(closes - opens) - length) // step, (int(end - opens) - 1) // step)
        assert len(fitting) == max(0, last - first + 1)
    halves = [
        *free_slots(service, [works(hours)], {}, begin, day.timestamp(), LONG_AGO),
        *free_slots(service, [works(hours)], {}, day.timestamp(), end, LONG_AGO),
    ]
    assert sorted(halves) == found, "where a period is cut makes no difference"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8)), max_size=12))
def test_two_appointments_share_a_cell_only_if_they_overlap(spans: list[tuple[int, int]]) -> None:
    for begin, length in spans:
        for other, other_length in spans:
            overlap = begin < other + other_length and other < begin + length
            shared = not set(cells(begin * 300.0, (begin + length) * 300.0)).isdisjoint(
                cells(other * 300.0, (other + other_length) * 300.0)
            )
            assert shared is overlap


def test_what_is_near_a_slot_that_is_gone() -> None:
    ana, bea = works(), WorkCalendar("bea", Calendar(MADRID, WEEKDAYS), horizon_s=1e12)
    gone = Slot(at("2026-11-23T10:00"), at("2026-11-23T10:30"), "ana")
    taken = {"ana": set(cells(gone.start_s, gone.end_s))}
    free = free_slots(HALF_HOUR, [ana, bea], taken, at("2026-11-23"), at("2026-11-25"), LONG_AGO)
    near = alternatives(gone, free, MADRID)
    assert walls(near.same_professional) == ["09:30", "10:30", "09:00"]
    assert (walls(near.same_day), {slot.professional for slot in near.same_day}) == (["10:00", "09:30", "10:30"], {"bea"})
    assert [datetime.fromtimestamp(slot.start_s, ZoneInfo(MADRID)).day for slot in near.others] == [24, 24, 24]
    assert least_busy([gone, Slot(gone.start_s, gone.end_s, "bea")], taken)[0].professional == "bea"


def test_states_lead_where_the_table_says_and_nothing_leaves_an_end() -> None:
    assert after(State.BOOKED, Step.MOVE) is State.MOVED
    assert after(State.MOVED, Step.CONFIRM) is State.CONFIRMED
    assert after(State.NO_SHOW, Step.ARRIVE) is State.ARRIVED
    assert after(State.ARRIVED, Step.MISS) is None, "who came is no no-show"
    assert all(after(State.DONE, step) is after(State.CANCELLED, step) is None for step in Step)
    assert {state for state, _ in TABLE} | OVER == set(State)
    assert befores(Step.END) == {State.UNDER_WAY}
