"""Call control by example: what each side does, and what each side sees of it."""

import pytest

from rooms import effects as fx
from rooms import events as ev
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.record import CallState
from rooms.switchboard import CallPolicy, NotPossible
from tests.kit.calls import DONE, GONE, Desk, arrived, dialed, live_in, live_out, only, ringing_in, ringing_out


def refused(desk: Desk, now: float, event: ev.Event) -> str:
    with pytest.raises(NotPossible) as refusal:
        desk.at(now, event)
    assert str(refusal.value)
    return refusal.value.code


# --- an outgoing call


def test_dial_opens_the_room_and_calls_at_once() -> None:
    desk = Desk()
    opened, placed, shown, written = desk.at(0, dialed())
    assert opened == fx.OpenRoom("c")
    assert placed == fx.PlaceCall("c", "c-phone", "pbx", "600", "ana")
    assert isinstance(shown, fx.Notify) and shown.view.state is CallState.DIALING and shown.view.agent_leg == "c-ana"
    assert isinstance(written, fx.WriteRecord) and written.record.agent == "ana" and written.record.direction == "out"


def test_agent_hears_ringing_until_the_answer() -> None:
    desk = ringing_out()
    assert desk.all(fx.JoinBridge) == [fx.JoinBridge("c", "c-ana")]
    assert desk.all(fx.Play) == [fx.Play("c-ana", "ringback")]
    answered = desk.at(5, ev.LegAnswered("c-phone"))
    assert answered[:2] == [fx.Play("c-ana", None), fx.JoinBridge("c", "c-phone")]
    assert desk.shown("ana").state is CallState.LIVE and desk.shown("ana").answered_s == 5


def test_early_media_instead_of_our_ringing() -> None:
    desk = Desk()
    desk.at(0, dialed())
    desk.at(1, ev.LegConnected("c-ana"))
    assert fx.JoinBridge("c", "c-phone") in desk.at(2, ev.LegRang("c-phone", early_media=True))
    assert not desk.all(fx.Play)
    assert desk.at(3, ev.DigitsPressed("c", "ana", "1")) == [fx.SendDigits("c-phone", "1")]


def test_ringing_that_turns_into_early_media() -> None:
    desk = ringing_out()
    assert desk.at(3, ev.LegRang("c-phone", early_media=True)) == [fx.Play("c-ana", None), fx.JoinBridge("c", "c-phone")]
    assert desk.at(4, ev.LegRang("c-phone")) == []


def test_an_agent_whose_media_comes_late_hears_ringing_from_then_on() -> None:
    desk = Desk()
    desk.at(0, dialed())
    assert not only(desk.at(1, ev.LegRang("c-phone")), fx.Play)
    assert only(desk.at(2, ev.LegConnected("c-ana")), fx.Play) == [fx.Play("c-ana", "ringback")]


def test_busy() -> None:
    desk = ringing_out()
    effects = desk.at(3, ev.LegRefused("c-phone", Cause(EndReason.BUSY, 486)))
    assert not only(effects, fx.HangUp), "the phone ended it itself"
    assert effects[-1] == fx.CloseRoom("c")
    view = desk.shown("ana")
    assert view.state is CallState.ENDED and view.cause is not None and view.cause.reason is EndReason.BUSY
    assert len(desk.switchboard) == 0 and desk.switchboard.next_deadline() is None


def test_no_answer() -> None:
    desk = ringing_out()
    assert desk.switchboard.next_deadline() == 60
    assert desk.wait_until(59.9) == []
    hung_up = only(desk.wait_until(60), fx.HangUp)
    assert [(effect.leg_id, effect.cause.reason) for effect in hung_up] == [("c-phone", EndReason.NO_ANSWER)]


def test_an_answered_call_has_no_deadline() -> None:
    assert live_out().switchboard.next_deadline() is None


def test_hang_up_while_dialing_crosses_the_answer() -> None:
    desk = ringing_out()
    effects = desk.at(3, ev.HangUpRequested("c", "ana"))
    assert isinstance(effects[0], fx.HangUp) and effects[0].cause.reason is EndReason.GAVE_UP
    assert desk.at(3, ev.LegAnswered("c-phone")) == []
    assert desk.at(3, ev.LegHungUp("c-phone", DONE)) == []
    assert desk.switchboard.late == {"LegAnswered": 1, "LegHungUp": 1}


def test_answered_without_the_agents_media() -> None:
    desk = Desk()
    desk.at(0, dialed())
    desk.at(4, ev.LegAnswered("c-phone"))
    assert desk.wait_until(6) == [fx.Play("c-phone", "ringback")]
    effects = desk.wait_until(14)
    assert [effect.cause.reason for effect in only(effects, fx.HangUp)] == [EndReason.MEDIA_LOST]


def test_dial_refusals() -> None:
    desk = live_out()
    assert refused(desk, 6, dialed("d")) == "on_call"
    assert refused(desk, 6, dialed("c", "bea")) == "duplicate_call"
    assert refused(desk, 6, ev.CallDialed("d", "bea", "x", "x", "600", "pbx")) == "duplicate_call"
    assert refused(desk, 6, ev.CallDialed("d", "bea", "c-ana", "y", "600", "pbx")) == "duplicate_call"
    full = Desk(CallPolicy(max_calls=1))
    full.at(0, dialed())
    assert refused(full, 1, dialed("d", "bea")) == "full"


# --- an incoming call


def test_arrival_rings_everybody_with_a_leg_of_their_own() -> None:
    desk = ringing_in("ana", "bea")
    assert desk.effects[:2] == [fx.OpenRoom("c"), fx.RingBack("c-phone")]
    assert [(view.agent, view.agent_leg) for view in (desk.shown("ana"), desk.shown("bea"))] == [("ana", "c-ana"), ("bea", "c-bea")]
    assert desk.switchboard.calls_of("bea") == [desk.shown("bea")]


def test_nobody_available() -> None:
    desk = Desk()
    effects = desk.at(0, arrived("c"))
    hung_up = only(effects, fx.HangUp)[0]
    assert (hung_up.cause.reason, hung_up.cause.sip) == (EndReason.NOBODY_AVAILABLE, 480)
    assert only(effects, fx.WriteRecord)[-1].record.state is CallState.ENDED
    assert (effects[0], effects[-1]) == (fx.OpenRoom("c"), fx.CloseRoom("c"))


def test_a_full_server_refuses_so_that_the_pbx_goes_elsewhere() -> None:
    desk = Desk(CallPolicy(max_calls=1))
    desk.at(0, dialed())
    assert only(desk.at(1, arrived("d", "bea")), fx.HangUp)[0].cause.sip == 503


def test_accept_answers_and_closes_the_other_rings() -> None:
    desk = ringing_in("ana", "bea")
    effects = desk.at(5, ev.CallAccepted("c", "ana"))
    assert effects[:2] == [fx.AnswerCall("c", "c-phone", "c-ana"), fx.CloseLeg("c-bea")]
    assert fx.JoinBridge("c", "c-phone") in effects
    elsewhere = desk.shown("bea")
    assert elsewhere.state is CallState.ENDED and elsewhere.cause is not None
    assert elsewhere.cause.reason is EndReason.ANSWERED_ELSEWHERE
    assert isinstance(only(effects, fx.Notify)[-1], fx.Notify) and only(effects, fx.Notify)[-1].agents == ("ana",)
    assert desk.shown("ana").state is CallState.ANSWERING
    assert desk.at(6, ev.LegAnswered("c-phone")) == []
    assert desk.at(6, ev.LegConnected("c-ana"))[0] == fx.JoinBridge("c", "c-ana")
    assert desk.shown("ana").state is CallState.LIVE
    assert desk.switchboard.next_deadline() is None


def test_prewarmed_media_hears_nothing_before_accept() -> None:
    desk = ringing_in("ana", "bea")
    effects = desk.at(1, ev.LegConnected("c-ana")) + desk.at(1, ev.LegConnected("c-bea"))
    assert {type(effect) for effect in effects} == {fx.Notify} and desk.shown("ana").agent_connected
    accepted = desk.at(2, ev.CallAccepted("c", "ana"))
    assert only(accepted, fx.JoinBridge) == [fx.JoinBridge("c", "c-ana"), fx.JoinBridge("c", "c-phone")]
    assert desk.shown("ana").state is CallState.LIVE
    assert desk.at(3, ev.LegConnected("c-bea")) == []


def test_two_agents_accept_at_once() -> None:
    desk = ringing_in("ana", "bea")
    desk.at(5, ev.CallAccepted("c", "bea"))
    assert refused(desk, 5, ev.CallAccepted("c", "ana")) == "ended"
    assert desk.switchboard.agent_state("ana") is AgentState.AVAILABLE
    assert desk.switchboard.agent_state("bea") is AgentState.ON_CALL
    assert desk.at(5, ev.CallDeclined("c", "ana")) == []


def test_accept_twice_is_one_accept() -> None:
    desk = ringing_in("ana")
    desk.at(5, ev.CallAccepted("c", "ana"))
    assert desk.at(5, ev.CallAccepted("c", "ana")) == []
    assert refused(desk, 5, ev.CallDeclined("c", "ana")) == "wrong_state"


def test_caller_gives_up_as_the_agent_accepts() -> None:
    desk = ringing_in("ana")
    desk.at(5, ev.LegHungUp("c-phone", DONE))
    assert refused(desk, 5, ev.CallAccepted("c", "ana")) == "ended"
    view = desk.shown("ana")
    assert view.cause is not None and view.cause.reason is EndReason.GAVE_UP


def test_agent_accepts_as_the_caller_gives_up() -> None:
    desk = ringing_in("ana")
    desk.at(5, ev.CallAccepted("c", "ana"))
    effects = desk.at(5, ev.LegHungUp("c-phone", Cause(EndReason.GAVE_UP, 487)))
    assert not only(effects, fx.HangUp) and effects[-1] == fx.CloseRoom("c")
    assert desk.at(6, ev.LegConnected("c-ana")) == []


def test_ring_deadline() -> None:
    desk = ringing_in("ana", "bea")
    hung_up = only(desk.wait_until(45), fx.HangUp)
    assert (hung_up[0].cause.reason, hung_up[0].cause.sip) == (EndReason.NO_ANSWER, 480)
    assert desk.shown("ana").state is desk.shown("bea").state is CallState.ENDED


def test_one_declines_the_other_goes_on_ringing() -> None:
    desk = ringing_in("ana", "bea")
    assert desk.at(1, ev.CallDeclined("c", "ana"))[0] == fx.CloseLeg("c-ana")
    assert desk.shown("ana").state is CallState.ENDED and desk.shown("bea").state is CallState.RINGING
    assert desk.at(1, ev.HangUpRequested("c", "ana")) == []
    assert only(desk.at(2, ev.HangUpRequested("c", "bea")), fx.HangUp)[0].cause.reason is EndReason.DECLINED


def test_accepted_but_no_media_is_not_silence() -> None:
    desk = ringing_in("ana")
    desk.at(5, ev.CallAccepted("c", "ana"))
    assert desk.wait_until(7) == [fx.Play("c-phone", "ringback")]
    assert desk.switchboard.next_deadline() == 15
    assert only(desk.wait_until(15), fx.HangUp)[0].cause.reason is EndReason.MEDIA_LOST


def test_media_after_the_waiting_sound() -> None:
    desk = ringing_in("ana")
    desk.at(5, ev.CallAccepted("c", "ana"))
    desk.wait_until(7)
    assert desk.at(8, ev.LegConnected("c-ana"))[:2] == [fx.Play("c-phone", None), fx.JoinBridge("c", "c-ana")]


def test_prewarmed_media_lost_again_before_accept() -> None:
    desk = ringing_in("ana")
    desk.at(1, ev.LegConnected("c-ana"))
    desk.at(2, ev.LegLost("c-ana", GONE))
    assert not desk.shown("ana").agent_connected
    desk.at(5, ev.CallAccepted("c", "ana"))
    assert desk.shown("ana").state is CallState.ANSWERING
    assert only(desk.wait_until(15), fx.HangUp)[0].cause.reason is EndReason.MEDIA_LOST


def test_agent_gone_while_ringing() -> None:
    desk = ringing_in("ana", "bea")
    desk.at(1, ev.AgentDisconnected("ana"))
    assert desk.wait_until(11)[0] == fx.CloseLeg("c-ana")
    assert [view.state for view in desk.switchboard.calls_of("bea")] == [CallState.RINGING]
    desk.at(12, ev.AgentDisconnected("bea"))
    assert only(desk.wait_until(22), fx.HangUp)[0].cause.reason is EndReason.NOBODY_AVAILABLE


def test_agent_reloads_while_ringing() -> None:
    desk = ringing_in("ana")
    desk.at(1, ev.AgentDisconnected("ana"))
    desk.at(3, ev.AgentConnected("ana"))
    assert desk.wait_until(44) == [] and desk.switchboard.calls_of("ana")


def test_a_call_waits_while_another_is_live() -> None:
    desk = live_out()
    desk.at(6, arrived("d", "ana"))
    assert refused(desk, 7, ev.CallAccepted("d", "ana")) == "on_call"
    desk.at(8, ev.HangUpRequested("c", "ana"))
    assert isinstance(desk.at(9, ev.CallAccepted("d", "ana"))[0], fx.AnswerCall)


def test_a_repeated_arrival_changes_nothing() -> None:
    desk = ringing_in("ana")
    assert desk.at(1, arrived("c", "bea")) == [] and desk.switchboard.late == {"CallArrived": 1}
    assert not desk.switchboard.calls_of("bea")


# --- in a call


def test_both_hang_up() -> None:
    desk = live_in()
    assert only(desk.at(9, ev.HangUpRequested("c", "ana")), fx.HangUp)[0].cause.reason is EndReason.COMPLETED
    assert desk.at(9, ev.LegHungUp("c-phone", DONE)) == []
    other = live_in()
    assert not only(other.at(9, ev.LegHungUp("c-phone", DONE)), fx.HangUp)
    assert other.at(9, ev.HangUpRequested("c", "ana")) == []


def test_mute_is_one_gain() -> None:
    desk = live_out()
    assert desk.at(6, ev.MuteRequested("c", "ana", True))[0] == fx.SetGains("c", (("c-phone", "c-ana", 0.0),))
    assert desk.at(6, ev.MuteRequested("c", "ana", True)) == []
    assert desk.at(7, ev.MuteRequested("c", "ana", False))[0] == fx.SetGains("c", (("c-phone", "c-ana", 1.0),))
    assert not desk.shown("ana").muted


def test_muted_before_the_answer_is_muted_at_the_answer() -> None:
    desk = ringing_out()
    desk.at(3, ev.MuteRequested("c", "ana", True))
    effects = desk.at(5, ev.LegAnswered("c-phone"))
    assert effects.index(fx.SetGains("c", (("c-phone", "c-ana", 0.0),))) < effects.index(fx.JoinBridge("c", "c-phone"))


def test_hold_and_resume() -> None:
    desk = live_out()
    held = desk.at(6, ev.HoldRequested("c", "ana", True))
    assert held[:3] == [
        fx.SetGains("c", (("c-phone", "c-ana", 0.0), ("c-ana", "c-phone", 0.0))),
        fx.Play("c-phone", "hold"),
        fx.HoldPhone("c-phone", True),
    ]
    assert desk.at(6, ev.HoldRequested("c", "ana", True)) == []
    resumed = desk.at(7, ev.HoldRequested("c", "ana", False))
    assert resumed[:3] == [
        fx.Play("c-phone", None),
        fx.SetGains("c", (("c-phone", "c-ana", 1.0), ("c-ana", "c-phone", 1.0))),
        fx.HoldPhone("c-phone", False),
    ]


def test_resumed_while_muted_stays_muted() -> None:
    desk = live_out()
    desk.at(6, ev.HoldRequested("c", "ana", True))
    desk.at(7, ev.MuteRequested("c", "ana", True))
    assert fx.SetGains("c", (("c-ana", "c-phone", 1.0),)) in desk.at(8, ev.HoldRequested("c", "ana", False))


def test_hold_from_either_side_is_independent() -> None:
    desk = live_out()
    desk.at(6, ev.LegHeld("c-phone", True))
    desk.at(7, ev.HoldRequested("c", "ana", True))
    assert (desk.shown("ana").held, desk.shown("ana").held_by_other) == (True, True)
    assert desk.at(8, ev.LegHeld("c-phone", True)) == []
    desk.at(8, ev.LegHeld("c-phone", False))
    assert (desk.shown("ana").held, desk.shown("ana").held_by_other) == (True, False)


def test_digits_only_where_somebody_listens() -> None:
    desk = ringing_out()
    assert refused(desk, 3, ev.DigitsPressed("c", "ana", "1")) == "wrong_state"
    desk.at(5, ev.LegAnswered("c-phone"))
    assert desk.at(6, ev.DigitsPressed("c", "ana", "12#")) == [fx.SendDigits("c-phone", "12#")]
    assert refused(desk, 6, ev.DigitsPressed("c", "ana", "")) == "bad_digits"
    assert refused(desk, 6, ev.DigitsPressed("c", "ana", "1x")) == "bad_digits"
    assert refused(desk, 6, ev.DigitsPressed("c", "ana", "1" * 33)) == "bad_digits"
    desk.at(7, ev.LegHungUp("c-phone", DONE))
    assert refused(desk, 8, ev.DigitsPressed("c", "ana", "1")) == "ended"


def test_reload_within_grace() -> None:
    desk = live_out()
    desk.at(10, ev.LegLost("c-ana", GONE))
    assert not desk.shown("ana").agent_connected and desk.switchboard.agent_state("ana") is AgentState.ON_CALL
    assert desk.wait_until(12) == [fx.Play("c-phone", "hold")]
    back = desk.at(13, ev.LegConnected("c-ana"))
    assert back[0] == fx.Play("c-phone", None) and not only(back, fx.JoinBridge)
    assert not desk.all(fx.HangUp) and desk.switchboard.next_deadline() is None


def test_a_quick_reload_makes_no_sound() -> None:
    desk = live_out()
    desk.at(10, ev.LegLost("c-ana", GONE))
    assert {type(effect) for effect in desk.at(11, ev.LegConnected("c-ana"))} == {fx.Notify}


def test_reload_beyond_grace() -> None:
    desk = live_out()
    desk.at(10, ev.LegLost("c-ana", GONE))
    assert not only(desk.wait_until(69.9), fx.HangUp)
    assert only(desk.wait_until(70), fx.HangUp)[0].cause.reason is EndReason.MEDIA_LOST
    assert desk.at(71, ev.LegConnected("c-ana")) == []


def test_reload_while_dialing_goes_on_into_the_answer() -> None:
    desk = ringing_out()
    desk.at(3, ev.LegLost("c-ana", GONE))
    assert desk.all(fx.Play)[-1] == fx.Play("c-ana", None)
    desk.at(5, ev.LegAnswered("c-phone"))
    assert desk.wait_until(30) == [fx.Play("c-phone", "hold")]
    desk.at(31, ev.LegConnected("c-ana"))
    assert desk.shown("ana").state is CallState.LIVE and desk.switchboard.next_deadline() is None


def test_the_phone_hangs_up_during_the_reload() -> None:
    desk = live_out()
    desk.at(10, ev.LegLost("c-ana", GONE))
    desk.at(11, ev.LegHungUp("c-phone", DONE))
    assert desk.at(12, ev.LegConnected("c-ana")) == [] and desk.switchboard.next_deadline() is None


def test_signalling_gone_while_live_changes_nothing() -> None:
    desk = live_in()
    assert desk.at(9, ev.AgentDisconnected("ana")) == []
    assert desk.switchboard.next_deadline() is None and desk.switchboard.agent_state("ana") is AgentState.ON_CALL


def test_the_phones_media_is_lost() -> None:
    desk = live_out()
    hung_up = only(desk.at(9, ev.LegLost("c-phone", GONE)), fx.HangUp)
    assert [effect.leg_id for effect in hung_up] == ["c-phone"]


# --- who may, and what fails


@pytest.mark.parametrize(
    "event",
    [
        ev.CallAccepted("c", "eve"),
        ev.CallDeclined("c", "eve"),
        ev.HangUpRequested("c", "eve"),
        ev.MuteRequested("c", "eve", True),
        ev.HoldRequested("c", "eve", True),
        ev.DigitsPressed("c", "eve", "1"),
    ],
)
def test_only_the_agent_of_the_call_commands_it(event: ev.Event) -> None:
    desk = live_out()
    assert refused(desk, 6, event) == "not_yours"
    assert refused(Desk(), 6, event) == "unknown_call"
    ended = live_out()
    ended.at(6, ev.LegHungUp("c-phone", DONE))
    assert refused(ended, 7, event) == "unknown_call", "a stranger is not told that it existed"


def test_ringing_agents_may_accept_and_no_more() -> None:
    desk = ringing_in("ana")
    assert refused(desk, 1, ev.MuteRequested("c", "ana", True)) == "wrong_state"
    assert refused(desk, 1, ev.HoldRequested("c", "ana", True)) == "wrong_state"
    out = ringing_out()
    assert refused(out, 3, ev.CallAccepted("c", "ana")) == "wrong_state"
    assert refused(out, 3, ev.HoldRequested("c", "ana", True)) == "wrong_state"


def test_a_failed_effect_ends_the_call_unless_it_is_bearable() -> None:
    desk = live_out()
    failed = Cause(EndReason.FAILED, 503, "No port left.")
    assert desk.at(6, ev.EffectFailed("c", "c-ana", failed, "Play")) == []
    assert only(desk.at(7, ev.EffectFailed("c", "", failed)), fx.HangUp)[0].cause == failed
    assert desk.at(8, ev.EffectFailed("c", "", failed)) == []


def test_a_ringing_agents_failure_is_theirs_alone() -> None:
    desk = ringing_in("ana", "bea")
    desk.at(1, ev.EffectFailed("c", "c-ana", Cause(EndReason.FAILED)))
    assert not desk.switchboard.calls_of("ana") and desk.switchboard.calls_of("bea")


def test_drain_ends_everything_with_a_record() -> None:
    desk = live_out()
    desk.at(6, arrived("d", "bea"))
    effects = desk.at(7, ev.DrainRequested())
    assert {effect.leg_id for effect in only(effects, fx.HangUp)} == {"c-phone", "d-phone"}
    assert [effect.record.cause.reason for effect in only(effects, fx.WriteRecord) if effect.record.cause] == [EndReason.SERVER_STOPPED] * 2
    assert refused(desk, 8, dialed("e", "bea")) == "stopping"
    assert only(desk.at(8, arrived("f", "bea")), fx.HangUp)[0].cause.reason is EndReason.SERVER_STOPPED


# --- records and people


def test_records_at_start_answer_and_end_are_complete() -> None:
    desk = live_in()
    desk.at(9, ev.HangUpRequested("c", "ana"))
    start, answer, end = (effect.record for effect in desk.all(fx.WriteRecord))
    assert (start.state, start.agent, start.answered_s) == (CallState.RINGING, "", None)
    assert (answer.agent, answer.answered_s, answer.ended_s) == ("ana", 5, None)
    assert (end.state, end.ended_s) == (CallState.ENDED, 9)
    legs = {leg.leg_id: leg for leg in end.legs}
    assert set(legs) == {"c-phone", "c-ana", "c-bea"}
    assert legs["c-bea"].ended_s == 5 and legs["c-phone"].answered_s == 5 and legs["c-ana"].cause == end.cause


def test_agent_states_follow_from_facts() -> None:
    desk = Desk()
    state = desk.switchboard.agent_state
    assert state("ana") is AgentState.OFFLINE
    desk.at(0, ev.AgentConnected("ana"))
    assert state("ana") is AgentState.AVAILABLE
    desk.at(1, ev.AvailabilityChanged("ana", False))
    assert state("ana") is AgentState.BREAK
    desk.at(2, ev.AgentDisconnected("ana"))
    desk.at(3, ev.AgentConnected("ana"))
    assert state("ana") is AgentState.BREAK, "a reload is no change of mind"
    assert not desk.switchboard.wants_calls("ana") and desk.switchboard.wants_calls("bea")
    desk.at(4, ev.AvailabilityChanged("ana", True))
    desk.at(5, arrived("c", "ana"))
    assert state("ana") is AgentState.RINGING
    desk.at(6, ev.CallAccepted("c", "ana"))
    assert state("ana") is AgentState.ON_CALL
    desk.at(7, ev.AgentDisconnected("ana"))
    desk.at(8, ev.LegHungUp("c-phone", DONE))
    assert state("ana") is AgentState.OFFLINE


def test_who_is_rung() -> None:
    desk = Desk(CallPolicy(max_ringing_agents=2))
    for now, agent in enumerate(("ana", "bea", "cai")):
        desk.at(now, ev.AgentConnected(agent))
    assert desk.switchboard.available_agents("900") == ("ana", "bea")
    desk.at(3, dialed("c", "ana"))
    desk.at(4, ev.HangUpRequested("c", "ana"))
    assert desk.switchboard.available_agents() == ("bea", "cai"), "longest free first"
    assert desk.switchboard.available_agents("cai") == ("cai",)
    desk.at(5, ev.AvailabilityChanged("cai", False))
    assert desk.switchboard.available_agents("cai") == ()


def test_memory_of_ended_calls_is_bounded() -> None:
    desk = Desk(CallPolicy(remembered_ends=2))
    for number in range(5):
        desk.at(number, dialed(f"c{number}"))
        desk.at(number, ev.HangUpRequested(f"c{number}", "ana"))
    assert desk.at(9, ev.HangUpRequested("c4", "ana")) == []
    assert refused(desk, 9, ev.HangUpRequested("c0", "ana")) == "unknown_call"


def test_everything_of_an_ended_call_is_free_again() -> None:
    desk = live_in()
    desk.at(9, ev.LegHungUp("c-phone", DONE))
    desk.at(10, arrived("c", "ana", "bea"))
    assert [view.agent_leg for agent in ("ana", "bea") for view in desk.switchboard.calls_of(agent)] == ["c-ana", "c-bea"]


def test_who_is_engaged_by_another_node_is_not_rung_and_takes_no_second_call() -> None:
    desk = Desk()
    desk.at(0, ev.AgentConnected("bea"))
    desk.at(1, arrived("c", "bea"))
    desk.at(2, ev.AgentEngaged("bea", AgentState.ON_CALL))
    assert desk.switchboard.agent_state("bea") is AgentState.ON_CALL
    assert refused(desk, 3, ev.CallAccepted("c", "bea")) == "on_call"
    assert refused(desk, 3, dialed("d", "bea")) == "on_call"
    desk.at(4, ev.AgentEngaged("bea", None))
    assert desk.switchboard.agent_state("bea") is AgentState.RINGING
    desk.at(5, ev.CallAccepted("c", "bea"))
    assert desk.shown("bea").state is CallState.ANSWERING
