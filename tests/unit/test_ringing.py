"""Where calls ring, where they are led on to, and how they are parked and picked up."""

import pytest

from rooms import effects as fx
from rooms import events as ev
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.handling import Handling
from rooms.move import Target
from rooms.policy import RingOrder
from rooms.record import CallState
from rooms.switchboard import CallPolicy, NotPossible
from tests.kit.calls import BEA, DONE, NUMBER, Desk, arrived, only, parked

ONE_BY_ONE = CallPolicy(ring_order=RingOrder.ONE_BY_ONE, ring_step_s=15)


def desk_of(*agents: str, policy: CallPolicy | None = None) -> Desk:
    desk = Desk(policy)
    for agent in agents:
        desk.at(0, ev.AgentConnected(agent))
    return desk


def for_ana(hops: int = 0) -> ev.CallArrived:
    return ev.CallArrived("c", "c-phone", "pbx", "+34600111222", "", "ana", (("ana", "c-ana"),), "ana", hops)


def refused(desk: Desk, now: float, event: ev.Event) -> str:
    with pytest.raises(NotPossible) as refusal:
        desk.at(now, event)
    return refusal.value.code


def end_of(desk: Desk) -> Cause:
    record = only(desk.effects, fx.WriteRecord)[-1].record
    assert record.state is CallState.ENDED and record.cause is not None
    return record.cause


def rung(desk: Desk) -> list[str]:
    return [agent for agent in ("ana", "bea", "cai") if any(view.state is CallState.RINGING for view in desk.switchboard.calls_of(agent))]


# --- one by one


def test_one_by_one_it_rings_at_the_next_after_a_while_or_when_one_declines() -> None:
    desk = desk_of("ana", "bea", "cai", policy=ONE_BY_ONE)
    desk.at(0, arrived("c", "ana", "bea", "cai"))
    assert rung(desk) == ["ana"]
    desk.wait_until(15)
    assert rung(desk) == ["bea"] and desk.shown("ana").state is CallState.ENDED
    desk.at(16, ev.CallDeclined("c", "bea"))
    assert rung(desk) == ["cai"]
    desk.at(17, ev.CallAccepted("c", "cai"))
    assert desk.shown("cai").state is CallState.ANSWERING and desk.wait_until(18) == []


def test_one_by_one_who_is_in_a_call_by_then_is_left_out_and_the_last_one_goes_on_ringing() -> None:
    desk = desk_of("ana", "bea", policy=ONE_BY_ONE)
    desk.at(0, arrived("c", "ana", "bea"))
    desk.at(1, ev.CallDialed("d", "bea", "d-bea", "d-phone", "600", "pbx"))
    desk.wait_until(30)
    assert rung(desk) == ["ana"]
    desk.wait_until(45)
    assert end_of(desk).reason is EndReason.NO_ANSWER


# --- forwarding and do-not-disturb


def test_always_forwarded_on_the_account_of_whose_calls_they_are() -> None:
    desk = desk_of("ana")
    desk.at(0, ev.HandlingChanged("ana", Handling(always=NUMBER)))
    placed = only(desk.at(1, for_ana()), fx.PlaceCall)
    assert placed == [fx.PlaceCall("c", "c-1", "pbx", "600333444", "ana", asked=False, diverted_by="ana")]
    answered = desk.at(4, ev.LegAnswered("c-1"))
    assert only(answered, fx.AnswerCall) == [fx.AnswerCall("c", "c-phone", "c-1")]
    assert (desk.hears("c-phone"), desk.hears("c-1")) == ("c-1", "c-phone")
    desk.at(9, ev.LegHungUp("c-phone", DONE))
    assert only(desk.effects, fx.HangUp)[-1].leg_id == "c-1" and end_of(desk).reason is EndReason.COMPLETED


def test_a_forwarded_caller_hears_what_the_other_phone_says_before_it_answers() -> None:
    desk = desk_of("ana")
    desk.at(0, ev.HandlingChanged("ana", Handling(always=NUMBER)))
    desk.at(1, for_ana())
    assert desk.at(2, ev.LegRang("c-1")) == []
    heard = desk.at(3, ev.LegRang("c-1", early_media=True))
    assert heard[0] == fx.LetHear("c", "c-phone", "c-1") and not only(desk.effects, fx.AnswerCall)
    assert (desk.hears("c-phone"), desk.hears("c-1")) == ("c-1", "c-phone")
    assert not only(desk.at(3, ev.LegRang("c-1", early_media=True)), fx.LetHear)
    assert only(desk.at(4, ev.LegAnswered("c-1")), fx.AnswerCall) == [fx.AnswerCall("c", "c-phone", "c-1")]
    desk.at(9, ev.LegHungUp("c-phone", DONE))
    assert end_of(desk).reason is EndReason.COMPLETED


def test_the_caller_gives_up_while_it_is_forwarded_and_the_target_may_refuse() -> None:
    for event, reason in (
        (ev.LegHungUp("c-phone", DONE), EndReason.GAVE_UP),
        (ev.LegRefused("c-1", Cause(EndReason.FORBIDDEN, 403)), EndReason.FORBIDDEN),
    ):
        desk = desk_of("ana")
        desk.at(0, ev.HandlingChanged("ana", Handling(always=NUMBER)))
        desk.at(1, for_ana())
        desk.at(3, event)
        assert end_of(desk).reason is reason and desk.switchboard.next_deadline() is None


def test_busy_offline_and_no_answer_each_go_their_own_way() -> None:
    handling = Handling(busy=NUMBER, offline=Target(number="11", trunk="pbx"), no_answer=BEA, no_answer_s=20)
    desk = desk_of("ana", "bea")
    desk.at(0, ev.HandlingChanged("ana", handling))
    desk.at(1, for_ana())
    assert rung(desk) == ["ana"]
    desk.wait_until(21)
    assert rung(desk) == ["bea"] and (desk.shown("bea").came, desk.shown("bea").by) == ("forward", "ana")
    for before, number in ((ev.AgentEngaged("ana", AgentState.ON_CALL), "600333444"), (ev.AgentDisconnected("ana"), "11")):
        other = desk_of("ana")
        other.at(0, ev.HandlingChanged("ana", handling))
        other.at(0, before)
        assert only(other.at(1, for_ana()), fx.PlaceCall)[0].number == number


def test_who_does_not_want_to_be_disturbed_is_busy_for_callers_and_rung_by_nobody() -> None:
    desk = desk_of("ana", "bea")
    desk.at(0, ev.HandlingChanged("ana", Handling(do_not_disturb=True)))
    assert desk.switchboard.available_agents() == ("bea",)
    desk.at(1, for_ana())
    assert end_of(desk).sip == 486
    desk.at(2, ev.HandlingChanged("ana", Handling()))
    assert set(desk.switchboard.available_agents()) == {"ana", "bea"}


def test_forwards_in_a_circle_end_and_what_others_diverted_counts() -> None:
    desk = desk_of("ana", "bea")
    desk.at(0, ev.HandlingChanged("ana", Handling(always=BEA)))
    desk.at(0, ev.HandlingChanged("bea", Handling(always=Target(agent="ana"))))
    desk.at(1, for_ana())
    assert end_of(desk).sip == 482
    far = desk_of("ana")
    far.at(0, ev.HandlingChanged("ana", Handling(always=NUMBER)))
    far.at(1, for_ana(hops=5))
    assert end_of(far).sip == 482


# --- parking


def test_parked_it_hears_music_and_anybody_picks_it_up() -> None:
    desk = parked()
    assert desk.hears("c-phone") == "hold" and desk.switchboard.agent_state("ana") is AgentState.AVAILABLE
    shown = only(desk.effects, fx.ShowParked)[-1]
    assert [(view.slot, view.number, view.by) for view in shown.parked] == [(1, "+34600111222", "ana")]
    assert set(shown.agents) == {"ana", "bea"}
    desk.at(20, ev.PickUpRequested("c", "bea"))
    desk.at(20, ev.LegConnected("c-1"))
    assert desk.hears("c-phone") == "c-1" and desk.shown("bea").owned
    assert only(desk.effects, fx.ShowParked)[-1].parked == ()


def test_two_reach_for_one_parked_call() -> None:
    desk = parked()
    desk.at(20, ev.PickUpRequested("c", "bea"))
    assert refused(desk, 20, ev.PickUpRequested("c", "ana")) == "picked_up"
    assert refused(desk, 20, ev.PickUpRequested("x", "ana")) == "unknown_call"


def test_nobody_picks_it_up_so_it_goes_back() -> None:
    desk = parked()
    desk.wait_until(130)
    view = desk.shown("ana")
    assert (view.state, view.came) == (CallState.RINGING, "return") and view.move is not None and view.move.slot == 1
    assert only(desk.effects, fx.ShowParked)[-1].parked == ()
    desk.at(131, ev.PickUpRequested("c", "bea"))
    assert desk.shown("bea").owned and desk.shown("ana").state is CallState.ENDED


def test_the_caller_hangs_up_in_the_parking_place_and_it_is_free() -> None:
    desk = parked()
    desk.at(12, ev.LegHungUp("c-phone", DONE))
    assert only(desk.effects, fx.ShowParked)[-1].parked == () and len(desk.switchboard) == 0


def test_places_are_numbered_and_taken_once() -> None:
    desk = parked()
    for call_id, agent in (("d", "ana"), ("e", "bea")):
        desk.at(11, ev.CallDialed(call_id, agent, f"{call_id}-{agent}", f"{call_id}-phone", "600", "pbx"))
        desk.at(12, ev.LegAnswered(f"{call_id}-phone"))
    assert refused(desk, 13, ev.ParkRequested("d", "ana", 1)) == "no_slot"
    assert refused(desk, 13, ev.ParkRequested("d", "ana", 21)) == "no_slot"
    desk.at(13, ev.ParkRequested("d", "ana", 7))
    desk.at(13, ev.ParkRequested("e", "bea"))
    assert [view.slot for view in desk.switchboard.parked()] == [1, 2, 7]
    assert only(desk.at(14, ev.AgentConnected("cai")), fx.ShowParked)[0].agents == ("cai",)


def test_who_is_in_a_call_picks_nothing_up() -> None:
    desk = parked()
    desk.at(11, ev.CallDialed("d", "bea", "d-bea", "d-phone", "600", "pbx"))
    assert refused(desk, 12, ev.PickUpRequested("c", "bea")) == "on_call"
