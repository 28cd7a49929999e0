"""Transfers by example: who hears whom, who has the call, and what becomes of it when somebody goes in mid transfer."""

import pytest

from rooms import effects as fx
from rooms import events as ev
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.events import TransferAction
from rooms.handling import Handling
from rooms.move import MOVE_TABLE, MoveState, Target
from rooms.record import CallState
from rooms.switchboard import NotPossible
from tests.kit.calls import BEA, DONE, GONE, NUMBER, Desk, arrived, consulting, live_in, live_out, only, sent

BUSY = Cause(EndReason.BUSY, 486)


def act(action: str, refer: bool = False) -> ev.TransferActed:
    return ev.TransferActed("c", "ana", TransferAction(action), refer)


def refused(desk: Desk, now: float, event: ev.Event) -> str:
    with pytest.raises(NotPossible) as refusal:
        desk.at(now, event)
    return refusal.value.code


def test_every_state_of_a_move_can_be_left() -> None:
    assert {state for state, _ in MOVE_TABLE} == set(MoveState)


# --- blind


def test_blind_to_a_number_frees_the_agent_and_lets_the_other_side_hear_ringing() -> None:
    desk = sent()
    assert desk.switchboard.agent_state("ana") is AgentState.AVAILABLE
    assert only(desk.effects, fx.PlaceCall) == [fx.PlaceCall("c", "c-1", "pbx", "600333444", "ana")]
    assert desk.hears("c-phone") == "ringback" and desk.shown("ana").state is CallState.ENDED
    desk.at(13, ev.LegAnswered("c-1"))
    assert (desk.hears("c-phone"), desk.hears("c-1")) == ("c-1", "c-phone")
    ended = desk.at(20, ev.LegHungUp("c-1", DONE))
    assert [effect.leg_id for effect in only(ended, fx.HangUp)] == ["c-phone"]


def test_blind_to_a_colleague() -> None:
    desk = sent(BEA)
    view = desk.shown("bea")
    assert (view.state, view.number, view.came, view.by) == (CallState.RINGING, "+34600111222", "transfer", "ana")
    desk.at(12, ev.CallAccepted("c", "bea"))
    desk.at(12, ev.LegConnected("c-1"))
    assert desk.hears("c-phone") == "c-1" and desk.shown("bea").owned
    desk.at(20, ev.HangUpRequested("c", "bea"))
    assert only(desk.effects, fx.WriteRecord)[-1].record.agent == "bea"


@pytest.mark.parametrize("target", [BEA, NUMBER])
def test_blind_without_an_answer_comes_back_to_who_sent_it(target: Target) -> None:
    desk = sent(target)
    desk.wait_until(40)
    view = desk.shown("ana")
    assert (view.state, view.came) == (CallState.RINGING, "return")
    assert view.move is not None and view.move.target == target.name and view.move.why is not None
    assert view.move.why.reason is EndReason.NO_ANSWER and desk.hears("c-phone") == "ringback"
    desk.at(42, ev.CallAccepted("c", "ana"))
    desk.at(42, ev.LegConnected("c-2"))
    assert desk.hears("c-phone") == "c-2" and desk.shown("ana").owned and desk.shown("ana").move is None


def test_a_colleague_who_declines_sends_it_back_at_once() -> None:
    desk = sent(BEA)
    desk.at(11, ev.CallDeclined("c", "bea"))
    assert desk.shown("ana").came == "return" and desk.shown("bea").state is CallState.ENDED


def test_it_comes_back_to_everybody_where_the_sender_is_in_another_call_and_ends_where_nobody_is() -> None:
    desk = sent()
    desk.at(11, ev.CallDialed("d", "ana", "d-ana", "d-phone", "600", "pbx"))
    desk.at(12, ev.LegRefused("c-1", BUSY))
    assert desk.shown("bea").came == "return"
    alone = live_out()
    alone.at(10, ev.TransferRequested("c", "ana", NUMBER, ask=False))
    ended = alone.at(12, ev.LegRefused("c-1", BUSY))
    assert only(ended, fx.WriteRecord)[-1].record.cause == Cause(EndReason.BUSY, 486, " Nobody was there to take the call back.")


def test_nobody_takes_back_what_came_back() -> None:
    desk = sent()
    desk.at(12, ev.LegRefused("c-1", BUSY))
    assert only(desk.wait_until(42), fx.HangUp)[-1].leg_id == "c-phone"
    assert len(desk.switchboard) == 0 and desk.switchboard.next_deadline() is None


def test_the_caller_hangs_up_in_mid_transfer() -> None:
    desk = sent()
    ended = desk.at(12, ev.LegHungUp("c-phone", DONE))
    assert [effect.leg_id for effect in only(ended, fx.HangUp)] == ["c-1"] and desk.at(12, ev.LegAnswered("c-1")) == []


def test_the_target_answers_as_the_caller_hangs_up() -> None:
    desk = sent()
    desk.at(12, ev.LegAnswered("c-1"))
    assert [effect.leg_id for effect in only(desk.at(12, ev.LegHungUp("c-phone", DONE)), fx.HangUp)] == ["c-1"]


# --- asked first


@pytest.mark.parametrize("target", [BEA, NUMBER])
def test_who_is_asked_first_talks_with_the_agent_alone(target: Target) -> None:
    desk = consulting(target)
    assert (desk.hears("c-phone"), desk.hears("c-ana"), desk.hears("c-1")) == ("hold", "c-1", "c-ana")
    assert fx.HoldPhone("c-phone", True) in desk.effects
    desk.at(13, act("swap"))
    assert (desk.hears("c-phone"), desk.hears("c-ana"), desk.hears("c-1")) == ("c-ana", "c-phone", "hold")
    desk.at(14, act("swap"))
    assert (desk.hears("c-phone"), desk.hears("c-ana"), desk.hears("c-1")) == ("hold", "c-1", "c-ana")


@pytest.mark.parametrize("target", [BEA, NUMBER])
def test_completed_the_two_talk_and_the_agent_is_free(target: Target) -> None:
    desk = consulting(target)
    desk.at(15, act("complete"))
    assert (desk.hears("c-phone"), desk.hears("c-1")) == ("c-1", "c-phone")
    assert desk.switchboard.agent_state("ana") is AgentState.AVAILABLE
    assert desk.switchboard.call("c").agent == target.agent  # type: ignore[union-attr]


@pytest.mark.parametrize("target", [BEA, NUMBER])
def test_merged_all_three_hear_one_another(target: Target) -> None:
    desk = consulting(target)
    desk.at(15, act("merge"))
    assert (desk.hears("c-phone"), desk.hears("c-ana"), desk.hears("c-1")) == ("c-1 c-ana", "c-1 c-phone", "c-ana c-phone")
    assert [(party.party, party.there, party.held) for party in desk.shown("ana").parties] in (
        [("bea", True, False), ("+34600111222", True, False)],
        [("+34600111222", True, False), ("600333444", True, False)],
    )
    desk.at(16, act("complete"))
    assert desk.hears("c-phone") == "c-1" and desk.switchboard.agent_state("ana") is AgentState.AVAILABLE


def test_cancelled_while_it_rings_and_while_they_talk() -> None:
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", NUMBER, ask=True))
    desk.at(11, ev.LegRang("c-1"))
    assert (desk.hears("c-ana"), desk.hears("c-phone")) == ("ringback", "hold")
    for cancelled in (desk, consulting()):
        cancelled.at(13, act("cancel"))
        assert (cancelled.hears("c-phone"), cancelled.hears("c-ana")) == ("c-ana", "c-phone")
        assert cancelled.shown("ana").move is None


def test_the_target_answers_as_the_agent_cancels() -> None:
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", NUMBER, ask=True))
    desk.at(12, act("cancel"))
    assert desk.at(12, ev.LegAnswered("c-1")) == [] and desk.hears("c-ana") == "c-phone"
    crossed = consulting(NUMBER)
    assert only(crossed.at(12, act("cancel")), fx.HangUp)[0].leg_id == "c-1" and crossed.hears("c-ana") == "c-phone"


def test_the_target_refuses_and_the_agent_is_told_why() -> None:
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", NUMBER, ask=True))
    desk.at(12, ev.LegRefused("c-1", BUSY))
    assert desk.hears("c-phone") == "c-ana" and desk.shown("ana").note == BUSY
    assert refused(desk, 13, act("complete")) == "wrong_state"


def test_the_other_side_hangs_up_while_the_agent_asks() -> None:
    desk = consulting()
    desk.at(14, ev.LegHungUp("c-phone", DONE))
    assert (desk.hears("c-ana"), desk.hears("c-1")) == ("c-1", "c-ana") and desk.shown("ana").move is None
    desk.at(15, ev.HangUpRequested("c", "ana"))
    assert len(desk.switchboard) == 0


def test_the_target_hangs_up_while_it_is_asked() -> None:
    for desk, gone in ((consulting(NUMBER), ev.LegHungUp("c-1", DONE)), (consulting(), ev.HangUpRequested("c", "bea"))):
        desk.at(14, gone)
        assert desk.hears("c-phone") == "c-ana" and desk.shown("ana").move is None


def test_completed_before_the_answer_it_is_blind() -> None:
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", BEA, ask=True))
    desk.at(11, act("complete"))
    assert desk.hears("c-phone") == "ringback" and desk.switchboard.agent_state("ana") is AgentState.AVAILABLE
    desk.at(12, ev.CallAccepted("c", "bea"))
    assert desk.shown("bea").owned


def test_the_agent_reloads_while_asking() -> None:
    desk = consulting()
    desk.at(14, ev.LegLost("c-ana", GONE))
    assert (desk.hears("c-phone"), desk.hears("c-1")) == ("hold", "c-ana"), "nobody moves"
    desk.at(20, ev.LegConnected("c-ana"))
    desk.at(21, act("complete"))
    assert desk.hears("c-phone") == "c-1"


def test_an_agent_whose_browser_stays_away_leaves_the_two_others_together() -> None:
    desk = consulting()
    desk.at(14, ev.LegLost("c-ana", GONE))
    desk.wait_until(74)
    assert (desk.hears("c-phone"), desk.hears("c-1")) == ("c-1", "c-phone") and desk.shown("bea").owned


def test_a_colleague_whose_media_does_not_come_up_sends_the_agent_back() -> None:
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", BEA, ask=True))
    desk.at(12, ev.CallAccepted("c", "bea"))
    desk.wait_until(22)
    assert desk.hears("c-phone") == "c-ana" and desk.shown("ana").move is None


def test_hanging_up_while_asking_ends_it_for_all() -> None:
    ended = consulting(NUMBER).at(14, ev.HangUpRequested("c", "ana"))
    assert {effect.leg_id for effect in only(ended, fx.HangUp)} == {"c-phone", "c-1"}


def test_only_the_owner_leads_a_call_of_three() -> None:
    desk = consulting()
    desk.at(15, act("merge"))
    assert refused(desk, 16, ev.HoldRequested("c", "bea", True)) == "not_yours"
    assert refused(desk, 16, ev.TransferRequested("c", "ana", NUMBER, ask=True)) == "wrong_state"
    desk.at(17, ev.MuteRequested("c", "bea", True))
    assert (desk.hears("c-phone"), desk.hears("c-ana")) == ("c-ana", "c-phone") and not desk.shown("ana").muted
    desk.at(18, ev.HangUpRequested("c", "bea"))
    assert desk.hears("c-phone") == "c-ana"


def test_what_cannot_be_transferred() -> None:
    desk = live_in()
    assert refused(desk, 7, ev.TransferRequested("c", "bea", NUMBER, ask=True)) == "ended"
    assert refused(desk, 7, ev.TransferRequested("c", "ana", Target(agent="ana"), ask=True)) == "wrong_state"
    assert refused(desk, 7, ev.TransferRequested("c", "ana", Target(agent="eve"), ask=True)) == "colleague_unavailable"
    desk.at(8, ev.HandlingChanged("bea", Handling(do_not_disturb=True)))
    assert refused(desk, 8, ev.TransferRequested("c", "ana", BEA, ask=False)) == "colleague_unavailable"
    assert refused(desk, 9, act("swap")) == "wrong_state"


def test_a_transfer_follows_the_colleagues_forwarding_on_the_colleagues_account() -> None:
    desk = live_in()
    desk.at(8, ev.HandlingChanged("bea", Handling(always=NUMBER)))
    placed = only(desk.at(10, ev.TransferRequested("c", "ana", BEA, ask=False)), fx.PlaceCall)
    assert placed == [fx.PlaceCall("c", "c-1", "pbx", "600333444", "bea", asked=False, diverted_by="bea")]


# --- by signalling


def test_the_telephone_system_carries_out_a_blind_transfer() -> None:
    desk = live_in()
    asked = desk.at(10, ev.TransferRequested("c", "ana", NUMBER, ask=False, refer=True))
    assert fx.ReferPhone("c-phone", "600333444") in asked and desk.hears("c-phone") == "hold"
    assert desk.at(11, ev.ReferProgressed("c-phone", 180)) == []
    ended = desk.at(12, ev.ReferProgressed("c-phone", 200))
    assert only(ended, fx.HangUp)[0].cause.reason is EndReason.TRANSFERRED


@pytest.mark.parametrize("status", [405, 501, 603])
def test_where_it_refuses_we_call_the_target_ourselves(status: int) -> None:
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", NUMBER, ask=False, refer=True))
    placed = desk.at(11, ev.ReferProgressed("c-phone", status))
    assert only(placed, fx.PlaceCall)[0].leg_id == "c-1" and desk.hears("c-phone") == "ringback"


def test_where_the_target_is_busy_it_comes_back_and_where_nothing_is_heard_we_call_too() -> None:
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", NUMBER, ask=False, refer=True))
    desk.at(11, ev.ReferProgressed("c-phone", 486))
    assert desk.shown("ana").came == "return"
    silent = live_in()
    silent.at(10, ev.TransferRequested("c", "ana", NUMBER, ask=False, refer=True))
    assert only(silent.wait_until(50), fx.PlaceCall)


def test_joined_here_first_and_then_handed_over() -> None:
    desk = consulting(NUMBER)
    assert only(desk.at(15, act("complete", refer=True)), fx.ReferPhone) == [fx.ReferPhone("c-phone", "600333444", "c-1")]
    assert desk.at(16, ev.ReferProgressed("c-phone", 405)) == [] and desk.hears("c-phone") == "c-1"
    assert {effect.leg_id for effect in only(desk.at(17, ev.ReferProgressed("c-phone", 200)), fx.HangUp)} == {"c-phone", "c-1"}


def test_a_phone_gives_its_other_side_to_somebody_else() -> None:
    desk = live_in()
    desk.at(10, ev.TransferAsked("c-phone", NUMBER, "trunk.pbx"))
    assert only(desk.effects, fx.PlaceCall) == [fx.PlaceCall("c", "c-1", "pbx", "600333444", "trunk.pbx", referred="c-phone")]
    assert fx.TellReferrer("c-phone", 180) in desk.at(11, ev.LegRang("c-1")) and desk.hears("c-ana") == "c-phone ringback"
    answered = desk.at(12, ev.LegAnswered("c-1"))
    assert answered[0] == fx.TellReferrer("c-phone", 200) and only(answered, fx.HangUp)[0].leg_id == "c-phone"
    assert (desk.hears("c-ana"), desk.hears("c-1")) == ("c-1", "c-ana")


def test_a_phone_that_hangs_up_as_soon_as_its_wish_is_taken() -> None:
    desk = live_in()
    desk.at(10, ev.TransferAsked("c-phone", NUMBER, "trunk.pbx"))
    assert not only(desk.at(10, ev.LegHungUp("c-phone", DONE)), fx.CloseRoom)
    desk.at(12, ev.LegAnswered("c-1"))
    assert desk.hears("c-ana") == "c-1"


def test_a_phones_wish_that_fails_or_cannot_be_met() -> None:
    desk = live_in()
    desk.at(10, ev.TransferAsked("c-phone", NUMBER, "trunk.pbx"))
    assert desk.at(10, ev.TransferAsked("c-phone", NUMBER, "trunk.pbx")) == [fx.TellReferrer("c-phone", 480)]
    assert fx.TellReferrer("c-phone", 486) in desk.at(11, ev.LegRefused("c-1", BUSY))
    assert desk.hears("c-ana") == "c-phone"
    assert desk.at(12, ev.TransferAsked("x", NUMBER, "trunk.pbx")) == [fx.TellReferrer("x", 480)]


def test_a_phone_in_two_calls_joins_its_other_sides() -> None:
    desk = live_in()
    desk.at(10, ev.CallDialed("d", "bea", "d-bea", "d-phone", "600", "pbx"))
    desk.at(11, ev.LegConnected("d-bea"))
    desk.at(11, ev.LegAnswered("d-phone"))
    joined = desk.at(12, ev.JoinAsked("c-phone", "d-phone", "trunk.pbx"))
    assert joined[0] == fx.TellReferrer("c-phone", 200)
    assert {effect.leg_id for effect in only(joined, fx.HangUp)} == {"c-phone", "d-phone"}
    desk.at(13, ev.LegConnected("c-1"))
    assert (desk.hears("c-ana"), desk.hears("c-1")) == ("c-1", "c-ana") and desk.switchboard.agent_state("bea") is AgentState.ON_CALL


def test_another_phone_takes_ones_place() -> None:
    desk = live_in()
    replaced = desk.at(10, ev.LegReplaced("new", "c-phone", "pbx", "+34911222333"))
    assert replaced[0] == fx.AnswerCall("c", "new", "c-ana") and only(replaced, fx.HangUp)[0].leg_id == "c-phone"
    assert (desk.hears("c-ana"), desk.hears("new")) == ("new", "c-ana")
    late = desk.at(11, ev.LegReplaced("newer", "c-phone", "pbx", ""))
    assert [(effect.leg_id, effect.cause.sip) for effect in only(late, fx.HangUp)] == [("newer", 481)]


# --- the end


@pytest.mark.parametrize("target", [BEA, NUMBER])
def test_the_worker_dies_or_the_server_stops_in_mid_consultation(target: Target) -> None:
    for event in (ev.EffectFailed("c", "", GONE), ev.DrainRequested()):
        desk = consulting(target)
        phones = {leg_id for leg_id in ("c-phone", "c-1") if leg_id == "c-phone" or target is NUMBER}
        assert {effect.leg_id for effect in only(desk.at(14, event), fx.HangUp)} == phones
        assert len(desk.switchboard) == 0 and desk.switchboard.next_deadline() is None
        assert desk.switchboard.engagement("ana") is desk.switchboard.engagement("bea") is None


def test_a_target_that_cannot_be_placed_sends_the_call_back() -> None:
    desk = sent()
    desk.at(10, ev.EffectFailed("c", "c-1", Cause(EndReason.FAILED, 503), "PlaceCall"))
    assert desk.shown("ana").came == "return" and desk.hears("c-phone") == "ringback"


# --- the record


def test_the_record_says_who_transferred_whom_and_on_whose_account() -> None:
    desk = consulting(NUMBER)
    desk.at(15, act("complete"))
    desk.at(30, ev.LegHungUp("c-1", DONE))
    record = only(desk.effects, fx.WriteRecord)[-1].record
    legs = {leg.leg_id: leg for leg in record.legs}
    assert (legs["c-1"].came, legs["c-1"].by, legs["c-1"].answered_s, legs["c-1"].ended_s) == ("consultation", "ana", 12, 30)
    assert legs["c-ana"].ended_s == 15 and legs["c-ana"].cause is not None and legs["c-ana"].cause.reason is EndReason.TRANSFERRED
    assert record.agent == "ana" and legs["c-phone"].by == ""


def test_a_second_call_does_not_ring_at_who_is_being_transferred_to() -> None:
    desk = sent(BEA)
    desk.at(11, arrived("d", "ana"))
    assert desk.switchboard.agent_state("bea") is AgentState.RINGING and not desk.switchboard.available_agents()
