"""Tickets: every state with every act, a clock that counts open hours alone, steps that come once each."""

from datetime import datetime
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.settings.faults import ConfigError
from api.settings.tree import Settings
from api.tickets.ticket import ALWAYS, LEVELS, OVER, TRANSITIONS, Act, Priority, ServiceLevel, ServiceRules, Step, Ticket, TicketState
from rooms.calendar import Calendar
from rooms.calendar_reading import read_calendars
from signaling.refusal import Refusal

OFFICE = read_calendars("""
[office]
zone = "Europe/Madrid"
holidays = ["12-25"]
[office.weekly]
monday-thursday = ["09:00-14:00", "16:00-20:00"]
friday = ["09:00-15:00", "22:00-03:00+1"]
saturday = ["01:00-04:00", "23:00-02:30+1"]
sunday = ["00:00-04:00"]
""")["office"]
HOUR = 3_600.0
RULES = ServiceRules(OFFICE)
DAY_AND_NIGHT = ServiceRules(ALWAYS)


def at(wall: str, fold: int = 0) -> float:
    return datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo("Europe/Madrid"), fold=fold).timestamp()


def opened(now: float = 0.0, priority: Priority = Priority.NORMAL) -> Ticket:
    return Ticket.opened(priority, "travel", now)


# --- states


def in_state(state: TicketState) -> Ticket:
    ways = {
        TicketState.OPEN: (),
        TicketState.WAITING: (Act.ASK,),
        TicketState.SOLVED: (Act.SOLVE,),
        TicketState.CLOSED: (Act.CLOSE,),
        TicketState.REOPENED: (Act.SOLVE, Act.REOPEN),
    }
    ticket = opened()
    for act in ways[state]:
        ticket = ticket.act(act, 10.0, DAY_AND_NIGHT)
    assert ticket.state is state
    return ticket


@pytest.mark.parametrize(("state", "act"), list(product(TicketState, Act)))
def test_every_act_leads_where_the_table_says_or_is_refused(state: TicketState, act: Act) -> None:
    ticket = in_state(state)
    if (state, act) not in TRANSITIONS:
        with pytest.raises(Refusal) as caught:
            ticket.act(act, 20.0, DAY_AND_NIGHT)
        assert caught.value.code == "ticket_not_so"
        return
    after = ticket.act(act, 20.0, DAY_AND_NIGHT)
    assert after.state is TRANSITIONS[state, act]
    assert (after.running_since is not None) == (after.state in (TicketState.OPEN, TicketState.REOPENED))
    assert (after.ended_at is not None) == (after.state in OVER)
    assert (after is ticket) == (after.state is state)


def test_a_ticket_comes_back_for_some_days_and_has_its_whole_time_again() -> None:
    solved = opened().act(Act.SOLVE, 5 * HOUR, DAY_AND_NIGHT).act(Act.CLOSE, 9 * HOUR, DAY_AND_NIGHT)
    assert solved.ended_at == 5 * HOUR, "solved is when the customer had it"
    back = solved.act(Act.HEAR, 5 * HOUR + DAY_AND_NIGHT.reopen_s, DAY_AND_NIGHT)
    assert (back.state, back.used_s, back.taken, back.ended_at) == (TicketState.REOPENED, 0.0, (), None)
    for act in (Act.HEAR, Act.REOPEN):
        with pytest.raises(Refusal) as caught:
            solved.act(act, 5 * HOUR + DAY_AND_NIGHT.reopen_s + 1, DAY_AND_NIGHT)
        assert caught.value.code == "ticket_too_old"


# --- the clock


def test_only_open_hours_count() -> None:
    ticket = opened(at("2026-11-26T19:00"), Priority.URGENT)  # a Thursday; four hours
    assert ticket.due_at(RULES) == at("2026-11-27T12:00")
    assert ticket.used(at("2026-11-27T10:30"), RULES) == 2.5 * HOUR
    assert opened(at("2026-11-26T23:00"), Priority.URGENT).due_at(RULES) == at("2026-11-27T13:00")


def test_the_clock_stands_still_while_the_customer_is_awaited() -> None:
    ticket = opened(at("2026-11-23T09:00"), Priority.URGENT).act(Act.ASK, at("2026-11-23T10:00"), RULES)
    assert ticket.due_at(RULES) is None and ticket.next_step(RULES) is None
    assert ticket.used(at("2026-11-30T10:00"), RULES) == HOUR
    heard = ticket.act(Act.HEAR, at("2026-11-24T13:00"), RULES)
    assert heard.due_at(RULES) == at("2026-11-24T18:00")


def test_hours_that_clocks_take_or_give_do_not_count_or_count_twice() -> None:
    """The night of Saturday: 2026-03-29 02:00 is followed by 03:00, 2026-10-25 comes 02:00-03:00 twice."""
    target = ServiceRules(OFFICE, {priority: ServiceLevel(4.5 * HOUR) for priority in Priority})
    assert opened(at("2026-03-28T23:00")).due_at(target) == at("2026-03-30T09:30")  # 23-4 has but four hours
    assert opened(at("2026-10-24T23:00")).due_at(target) == at("2026-10-25T02:30", fold=1)
    assert OFFICE.open_s(at("2026-10-24T23:00"), at("2026-10-25T04:00")) == 6 * HOUR


def test_a_clock_that_was_put_back_takes_nothing_away() -> None:
    ticket = opened(1_000.0)
    assert ticket.used(500.0, DAY_AND_NIGHT) == 0.0
    assert ticket.act(Act.ASK, 500.0, DAY_AND_NIGHT).used_s == 0.0


moments = st.integers(int(at("2026-03-20T00:00")), int(at("2026-11-05T00:00"))).map(float)
calendars = st.sampled_from([ALWAYS, OFFICE])


@given(calendars, moments, st.integers(0, 20 * 86_400))
def test_what_is_counted_is_what_is_open(calendar: Calendar, begin_s: float, length_s: int) -> None:
    openings = list(calendar.openings(begin_s, begin_s + length_s))
    assert all(begin < end for begin, end in openings)
    assert all(end < begin for (_, end), (begin, _) in pairwise(openings))
    for begin, end in openings:
        assert begin_s <= begin and end <= begin_s + length_s
        assert calendar.is_open(begin) == calendar.is_open((begin + end) / 2) == "open"
    gaps = zip([begin_s, *(end for _, end in openings)], [*(begin for begin, _ in openings), begin_s + length_s], strict=True)
    assert all(calendar.is_open((end + begin) / 2) != "open" for end, begin in gaps if end < begin)


@given(calendars, moments, st.floats(0, 200 * HOUR))
def test_what_is_due_is_due_when_so_much_was_open(calendar: Calendar, begin_s: float, open_s: float) -> None:
    end_s = calendar.after_open_s(begin_s, open_s)
    assert end_s is not None
    assert calendar.open_s(begin_s, end_s) == pytest.approx(open_s, abs=1e-5)


def test_an_office_that_never_opens_never_has_anything_due() -> None:
    ticket = opened()
    assert ticket.due_at(ServiceRules(Calendar("UTC", {}))) is None


# --- steps

STEPS = (Step("due_soon", 0.5), Step("late", 1.0, Priority.HIGH, tell=("team",)), Step("far", 2.0, team="leads"))
QUICK = ServiceRules(
    ALWAYS, {priority: ServiceLevel(8 * HOUR / (1 + priority.rank), (*STEPS, Step("only_high", 1.5))) for priority in Priority}
)


def test_steps_come_in_order_and_each_once() -> None:
    ticket, done = opened(0.0).escalate(2 * HOUR, QUICK)  # normal: four hours
    assert [step.name for step in done] == ["due_soon"]
    assert ticket.escalate(2 * HOUR, QUICK) == (ticket, [])
    ticket, done = ticket.escalate(4 * HOUR, QUICK)
    assert [step.name for step in done] == ["late", "only_high"], "late makes it high, whose time is shorter"
    assert (ticket.priority, ticket.team) == (Priority.HIGH, "travel")
    ticket, done = ticket.escalate(100 * HOUR, QUICK)
    assert [step.name for step in done] == ["far"] and ticket.team == "leads" and ticket.next_step(QUICK) is None


def test_a_step_never_lowers_a_priority() -> None:
    ticket, _ = opened(0.0, Priority.URGENT).escalate(1e9, QUICK)
    assert ticket.priority is Priority.URGENT


def test_the_rules_that_stand_where_none_are_set_hold_together() -> None:
    assert set(LEVELS) == set(Priority)
    targets = [LEVELS[priority].target_s for priority in Priority]
    assert targets == sorted(targets, reverse=True)
    for priority in Priority:
        ticket, done = opened(0.0, priority).escalate(1e9, ServiceRules())
        assert ticket.priority.rank >= priority.rank and [step.name for step in done][:2] == ["due_soon", "late"]


@given(st.lists(st.tuples(st.sampled_from([*Act, None]), st.floats(0, 30 * HOUR)), max_size=25), st.sampled_from(Priority))
def test_whatever_happens_no_step_comes_twice_and_the_clock_never_runs_back(acts: list[tuple[Act | None, float]], first: Priority) -> None:
    now, ticket, seen = at("2026-10-23T12:00"), opened(at("2026-10-23T12:00"), first), list[str]()
    rules = ServiceRules(OFFICE, QUICK.levels, reopen_s=100 * HOUR)
    for act, wait_s in acts:
        now += wait_s
        before = ticket
        try:
            ticket = ticket.act(act, now, rules) if act is not None else ticket
        except Refusal:
            assert ticket is before
        if ticket.state is TicketState.REOPENED and before.state is not TicketState.REOPENED:
            seen.clear()
        else:
            assert ticket.used(now, rules) >= before.used_s
        ticket, done = ticket.escalate(now, rules)
        seen += [step.name for step in done]
        assert len(seen) == len(set(seen)) == len(ticket.taken)
        coming = ticket.next_step(rules)
        assert coming is None or coming[0] > now
        assert ticket.used(now, rules) <= sum(wait for _, wait in acts) + 1e-6


# --- settings


def test_what_the_settings_say_stands_in_place_of_what_is_usual() -> None:
    step = {"at": 1.5, "priority": "urgent", "team": "leads", "tell": ["supervisors"]}
    given = {"calendar": "office", "reopen_days": 2, "levels": {"low": {"hours": 100, "steps": {"very_late": step}}}}
    rules = Settings.load(env={}, overrides={"tickets": given}).tickets.rules({"office": OFFICE})
    assert rules.calendar is OFFICE and rules.reopen_s == 48 * HOUR and rules.levels[Priority.HIGH] is LEVELS[Priority.HIGH]
    assert rules.levels[Priority.LOW] == ServiceLevel(100 * HOUR, (Step("very_late", 1.5, Priority.URGENT, "leads", ("supervisors",)),))
    assert Settings.load(env={}).tickets.rules({}).calendar is ALWAYS, "a calendar that is not in the plan lets every hour count"


@pytest.mark.parametrize("wrong", [{"levels": {"odd": {"hours": 1}}}, {"levels": {"low": {"hours": 0}}}, {"reopen_days": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Settings.load(env={}, overrides={"tickets": wrong})
