"""Visitors of other people's sites, as far as no server is needed: hours and call-back times, bounds, and the core's part of it."""

import asyncio
from datetime import UTC, datetime

import pytest

from api.allowance import Allowance
from api.visits.front_desk import FrontDesk
from api.visits.settings import VisitSettings
from api.visits.visitor_line import VisitorLine
from api.visits.visits import plain
from pbx.trunk import Arrived, Confirmed, DigitArrived, HungUp, TrunkEvent
from rooms import events as ev
from rooms.calendar import Calendar, Span
from rooms.call_back import CallBack
from rooms.causes import Cause, EndReason
from rooms.centre_plan import CentrePlan, NumberEntry
from rooms.effects import KeepCallBack
from rooms.flows.straight import straight_to
from rooms.switchboard import NotPossible
from signaling.refusal import Refusal
from tests.kit.centre import Centre, plan

SITE = "https://shop.example"
OFFICE = Calendar("UTC", dict.fromkeys(range(5), (Span(9 * 60, 17 * 60),)))
MONDAY_20 = datetime(2026, 11, 23, 20, 0, tzinfo=UTC).timestamp()
TUESDAY_9 = datetime(2026, 11, 24, 9, 0, tzinfo=UTC).timestamp()
TUESDAY_11 = TUESDAY_9 + 2 * 3_600


def desk(centre: Centre, now: float, *, hours: str = "office", sites: tuple[str, ...] = (SITE,), queues: tuple[str, ...] = ()) -> FrontDesk:
    base = plan()
    of = CentrePlan(1, base.flows, base.queues, {"office": OFFICE}, base.entries)
    settings = VisitSettings(sites=sites, queues=queues, hours=hours)
    return FrontDesk(settings, centre.switchboard, lambda: of, now=lambda: now, core_now=lambda: 0.0)


def test_hours_and_call_back_times_are_the_plans() -> None:
    shut, open_ = desk(Centre(), MONDAY_20), desk(Centre(), TUESDAY_11)
    told = shut.look("sales", "en")
    assert (told.open, told.opens_at) == (False, TUESDAY_9) and told.windows[0].begins_at == TUESDAY_9
    assert all(window.ends_at - window.begins_at <= 7_200 for window in told.windows)
    assert shut.earliest(None) == TUESDAY_9 and shut.earliest(TUESDAY_11) == TUESDAY_11
    assert open_.look("sales", "en").open and open_.earliest(None) is None
    with pytest.raises(Refusal, match="three days"):
        open_.earliest(TUESDAY_11 + 30 * 86_400)
    unknown = desk(Centre(), TUESDAY_11, hours="no such calendar")
    assert not unknown.is_open() and unknown.look("sales", "en").opens_at is None
    always = desk(Centre(), MONDAY_20, hours="")
    assert always.is_open() and always.earliest(None) is None and always.look("sales", "en").windows


def test_what_visitors_may_not_reach_is_refused() -> None:
    for made, queue, code in (
        (desk(Centre(), TUESDAY_11), "no such queue", "unknown_queue"),
        (desk(Centre(), TUESDAY_11, queues=("help",)), "sales", "unknown_queue"),
        (desk(Centre(), TUESDAY_11, sites=()), "sales", "widget_off"),
    ):
        with pytest.raises(Refusal) as caught:
            made.look(queue, "en")
        assert caught.value.code == code


def test_who_is_free_comes_first_and_who_is_away_not_at_all() -> None:
    centre = Centre()
    assert set(centre.switchboard.able("sales")) == {"ana", "bea"} and desk(centre, TUESDAY_11).look("sales", "en").there
    centre.at(1, ev.AvailabilityChanged("ana", False))
    assert centre.switchboard.able("sales") == ("bea",)
    assert Centre(agents=()).switchboard.able("sales") == () and centre.switchboard.able("no such queue") == ()


def test_a_visitor_goes_straight_into_the_queue_and_to_whom_they_write_with_first() -> None:
    for agent, rung in (("", {"ana", "bea"}), ("bea", {"bea"})):
        centre = Centre()
        flow = straight_to("sales", "es", ("en", "es"), agent=agent)
        entry = NumberEntry("web-sales", "", "es", label="web")
        centre.at(1, ev.CallArrived("c", "c-phone", "web", "anonymous", "", "web-sales", (), private=True, entry=entry, flow=flow))
        legs = {identity for identity in ("ana", "bea") if centre.switchboard.calls_of(identity)}
        assert legs and legs <= rung
        waits = centre.switchboard.waiting("c", 1)
        assert (waits is None) is bool(agent)


def test_a_call_back_from_no_call_is_kept_once() -> None:
    centre = Centre(agents=())
    back = CallBack("b1", "sales", "+34600111222", "«Luz»", "es", 0.0, next_s=100.0)
    assert [type(effect) for effect in centre.at(1, ev.CallBackWanted(back))] == [KeepCallBack]
    assert centre.at(2, ev.CallBackWanted(CallBack("b2", "sales", "+34600111222", "", "es", 0.0))) == []
    assert [view.call_back.call_back_id for view in centre.switchboard.call_backs()] == ["b1"]
    with pytest.raises(NotPossible, match="no such queue"):
        centre.at(3, ev.CallBackWanted(CallBack("b3", "gone", "+34600111222", "", "es", 0.0)))


def test_so_many_an_hour_and_then_again() -> None:
    now = [0.0]
    allowance = Allowance(2, lambda: now[0])
    for _ in range(2):
        assert allowance.wait_s("a") == 0.0
        allowance.take("a")
    assert allowance.wait_s("a") == 3_600.0 and allowance.wait_s("b") == 0.0
    now[0] = 3_600.0
    assert allowance.wait_s("a") == 0.0


def test_what_visitors_say_is_one_line_without_numbers_of_cards() -> None:
    assert plain(" Luz\n\x00\u202e <b>x</b>\t") == "Luz <b>x</b>"
    assert "4111" not in plain("4111 1111 1111 1111")


async def test_the_line_tells_each_thing_once_and_gives_up_browsers_that_stay_away() -> None:
    told: list[TrunkEvent] = []
    over: list[tuple[str, EndReason]] = []
    line = VisitorLine(told.append, most=2, patience_s=0.0)
    given_up = asyncio.Event()

    def on_over(leg_id: str, cause: Cause) -> None:
        over.append((leg_id, cause.reason))
        if cause.reason is EndReason.MEDIA_LOST:
            given_up.set()

    line.on_over = on_over
    async with line:
        first, second = line.call("web-sales"), line.call("web-sales")
        assert line.full and [type(event) for event in told] == [Arrived, Arrived]
        line.connected(first)
        line.connected(second)
        line.press(first, "1#")
        line.hang_up(second, Cause(EndReason.COMPLETED))
        line.leave(second)
        assert [event.digit for event in told if isinstance(event, DigitArrived)] == ["1", "#"]
        assert over == [(second, EndReason.COMPLETED)] and not line.full
        line.lost(first)
        await asyncio.wait_for(given_up.wait(), 30)
    assert [type(event) for event in told[-1:]] == [HungUp] and over[-1] == (first, EndReason.MEDIA_LOST)
    assert not any(isinstance(event, Confirmed) for event in told)
