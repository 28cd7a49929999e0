"""Callers in flows and queues, by example: what they hear, at whose it rings, and that none of them is lost."""

from dataclasses import replace

import pytest

from rooms import effects as fx
from rooms import events as ev
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.flows import flow as kinds
from rooms.move import Target
from rooms.queues.queue_plan import SkillNeed
from rooms.record import CallState
from rooms.switchboard import CallPolicy, NotPossible
from tests.kit.calls import DONE, GAVE_UP, GONE, only
from tests.kit.centre import HELP, MENU, SALES, Centre, comes, flow, plan

EVA = "eva"


def refused(centre: Centre, now: float, event: ev.Event) -> str:
    with pytest.raises(NotPossible) as refusal:
        centre.at(now, event)
    return refusal.value.code


def waiting(agents: tuple[str, ...] = ("ana", "bea")) -> Centre:
    """A caller in the queue ``sales`` since 10."""
    centre = Centre(agents=agents)
    centre.queue(10)
    return centre


def taken() -> Centre:
    """Ana, who is alone, took the caller at 15 and is heard at 16."""
    centre = waiting(("ana",))
    centre.at(15, ev.CallAccepted("c", "ana"))
    centre.at(16, ev.LegConnected("c-1"))
    return centre


# --- who may be offered calls


def test_who_is_in_a_consultation_is_offered_nobody_and_is_next_when_it_is_over() -> None:
    centre = Centre(agents=("ana",))
    centre.at(5, ev.AgentConsulting("ana", True))
    assert centre.switchboard.agent_state("ana") is AgentState.CONSULTING
    centre.queue(10)
    assert centre.switchboard.calls_of("ana") == []
    centre.at(20, ev.AgentConsulting("ana", False))
    assert [view.call_id for view in centre.switchboard.calls_of("ana")] == ["c"]
    assert centre.switchboard.agent_state("ana") is AgentState.RINGING


# --- flows


def test_a_caller_is_answered_asked_and_led_into_the_queue() -> None:
    centre = Centre(agents=())
    effects = centre.at(0, comes())
    assert [type(effect) for effect in effects[:2]] == [fx.OpenRoom, fx.WriteRecord]
    assert only(effects, fx.AnswerCall) == [fx.AnswerCall("c", "c-phone", "")]
    assert only(effects, fx.PlayOnce) == [fx.PlayOnce("c-phone", "prompt/es/which")]
    assert centre.at(3, ev.SoundEnded("c-phone", "prompt/es/which")) == []
    assert centre.until(5) == [fx.Play("c-phone", "hold")], "who thinks it over hears music"
    effects = centre.at(6, ev.DigitHeard("c-phone", "2"))
    assert not only(effects, fx.Hush) and centre.hears("c-phone") == "hold"
    call = centre.switchboard.call("c")
    assert call is not None and call.move is not None and call.move.state == "waiting" and call.centre is not None
    assert (call.centre.queue, call.centre.entry, call.centre.language, call.centre.queued_s) == ("help", "Main", "es", 6)


def test_a_digit_cuts_short_what_is_said() -> None:
    centre = Centre(agents=())
    centre.at(0, comes(language="en"))
    assert only(centre.at(1, ev.DigitHeard("c-phone", "2")), fx.Hush) == [fx.Hush("c-phone")]
    assert centre.at(2, ev.SoundEnded("c-phone", "prompt/en/which")) == [], "it had ended already when it was cut"


def test_a_sound_that_cannot_be_played_is_passed_over() -> None:
    centre = Centre(agents=())
    centre.at(0, comes())
    centre.at(0, ev.EffectFailed("c", "c-phone", GONE, "PlayOnce"))
    assert centre.until(1.5) == [fx.Play("c-phone", "hold")]


def test_a_caller_who_gives_up_in_the_menu_leaves_nothing() -> None:
    centre = Centre(agents=())
    centre.at(0, comes())
    assert centre.at(1, ev.LegHungUp("c-phone", GAVE_UP))[-1] == fx.CloseRoom("c")
    assert len(centre.switchboard) == 0 and centre.switchboard.next_deadline() is None


def test_a_flow_that_turns_a_caller_away_does_not_answer() -> None:
    end = flow(plan().flows["main"].steps["bye"])
    refuse = flow(type(end.steps["bye"])(name="no", reason=EndReason.NOBODY_AVAILABLE))
    centre = Centre(plan(flows={"main": refuse}))
    effects = centre.at(0, comes())
    assert [effect.cause.reason for effect in only(effects, fx.HangUp)] == [EndReason.NOBODY_AVAILABLE]
    assert not only(effects, fx.AnswerCall) and effects[-1] == fx.CloseRoom("c")


def test_a_message_is_taken_and_the_caller_thanked() -> None:
    centre = Centre(agents=())
    centre.queue(0, key="3")
    effects = centre.at(4, ev.SoundEnded("c-phone", "prompt/es/voicemail-greeting"))
    assert effects == [fx.TakeMessage("c", "c-phone", "sales", 120.0, "es")] and centre.hears("c-phone") == ""
    assert centre.at(20, ev.MessageTaken("c", "taken", 15.0)) == [fx.PlayOnce("c-phone", "prompt/es/goodbye")]
    assert centre.at(22, ev.SoundEnded("c-phone", "prompt/es/goodbye"))[-1] == fx.CloseRoom("c")


def test_a_message_that_cannot_be_taken_is_told_to_the_flow() -> None:
    centre = Centre(agents=())
    centre.queue(0, key="3")
    centre.at(4, ev.SoundEnded("c-phone", "prompt/es/voicemail-greeting"))
    assert only(centre.at(5, ev.EffectFailed("c", "c-phone", GONE, "TakeMessage")), fx.PlayOnce)


def test_another_system_is_asked_and_its_answer_counts() -> None:
    centre = Centre()
    assert only(centre.queue(0, key="5"), fx.AskWebhook) == [fx.AskWebhook("c", "crm", {})]
    centre.at(1, ev.WebhookAnswered("c", "ok", {"language": "en", "booking": "MAD-1"}))
    view = centre.switchboard.calls_of("ana")[0].centre
    assert view is not None and view.language == "en" and view.facts == (("booking", "MAD-1"),)


def test_a_flow_calls_an_agent_and_goes_on_when_nobody_answers() -> None:
    centre = Centre(agents=("eva",))
    effects = centre.queue(0, key="4")
    assert only(effects, fx.ExpectAgent) == [fx.ExpectAgent("c", "c-1", "eva")] and centre.hears("c-phone") == "ringback"
    centre.at(1, ev.AgentConnected("ana"))
    centre.until(20)
    assert centre.shown("eva").state is CallState.ENDED
    assert centre.shown("ana").state is CallState.RINGING and centre.hears("c-phone") == "music/sales"


def test_an_agent_whom_a_flow_calls_answers() -> None:
    centre = Centre(agents=("eva",))
    centre.queue(0, key="4")
    centre.at(2, ev.CallAccepted("c", "eva"))
    centre.at(3, ev.LegConnected("c-1"))
    view = centre.shown("eva")
    assert view.state is CallState.LIVE and view.owned and centre.hears("c-phone") == "c-1"
    assert centre.switchboard.next_deadline() is None


def test_a_flow_calls_a_number_on_the_account_of_the_line() -> None:
    centre = Centre(agents=())
    centre.queue(0, key="4")  # nobody there: the number
    centre.at(0, comes("d"))
    other = Centre(plan(flows={"main": flow(MENU[5], *MENU)}), agents=("ana",))
    assert only(other.at(0, comes()), fx.FindTarget) == [fx.FindTarget("c", "600333444", "trunk.pbx")]
    placed = only(other.find(1, Target(number="600333444", trunk="pbx")), fx.PlaceCall)
    assert [(effect.number, effect.by, effect.asked) for effect in placed] == [("600333444", "trunk.pbx", False)]
    other.at(2, ev.LegRefused("c-1", Cause(EndReason.NO_ANSWER, 480)))
    assert other.shown("ana").state is CallState.RINGING
    assert other.hears("c-phone") == "music/sales"


def test_a_number_that_must_not_be_called_is_none() -> None:
    centre = Centre(plan(flows={"main": flow(MENU[5], *MENU)}), agents=("ana",))
    centre.at(0, comes())
    effects = centre.find(1, None)
    assert not only(effects, fx.PlaceCall) and only(effects, fx.PlayOnce) == [fx.PlayOnce("c-phone", "prompt/es/goodbye")]


# --- queues


def test_a_caller_is_offered_to_who_can_do_it_and_has_been_free_longest() -> None:
    centre = Centre(agents=("eva", "bea", "ana"))
    centre.at(1, ev.AvailabilityChanged("bea", False))
    effects = centre.queue(10)
    assert only(effects, fx.ExpectAgent) == [fx.ExpectAgent("c", "c-1", "ana")]
    view = centre.shown("ana")
    assert (view.state, view.came, view.centre and view.centre.queue) == (CallState.RINGING, "queue", "sales")
    assert centre.hears("c-phone") == "music/sales"


def test_an_offer_that_is_taken() -> None:
    centre = taken()
    view = centre.shown("ana")
    assert view.state is CallState.LIVE and view.owned and view.centre is not None and view.centre.waited_s == 5
    assert (centre.hears("c-phone"), centre.hears("c-1")) == ("c-1", "c-phone")
    assert centre.switchboard.agent_state("ana") is AgentState.ON_CALL and centre.switchboard.next_deadline() is None
    figures = centre.switchboard.queue_figures(16)["sales"]
    assert (figures.served, figures.in_time, figures.waiting) == (1, 1, 0)


def test_who_declines_stays_free_and_the_caller_keeps_the_place() -> None:
    centre = waiting()
    first = only(centre.effects, fx.ExpectAgent)[-1].agent
    effects = centre.at(12, ev.CallDeclined("c", first))
    other = only(effects, fx.ExpectAgent)[0].agent
    assert {first, other} == {"ana", "bea"} and centre.switchboard.agent_state(first) is AgentState.AVAILABLE
    view = centre.switchboard.call("c")
    assert view is not None and view.centre is not None and view.centre.queued_s == 10


def test_who_does_not_answer_is_put_on_a_break() -> None:
    centre = waiting(("ana",))
    effects = centre.until(25)
    assert only(effects, fx.PutOnBreak) == [fx.PutOnBreak("ana", "no_answer")]
    assert centre.switchboard.agent_state("ana") is AgentState.BREAK and centre.hears("c-phone") == "music/sales"
    assert only(centre.at(30, ev.AvailabilityChanged("ana", True)), fx.ExpectAgent) == []
    assert only(centre.until(40), fx.ExpectAgent), "not again at once: after the ring time"


def test_two_agents_accept_at_once() -> None:
    centre = Centre()
    centre.queue(10, key="2")
    assert len(centre.all(fx.ExpectAgent)) == 2
    centre.at(12, ev.CallAccepted("c", "ana"))
    assert refused(centre, 12, ev.CallAccepted("c", "bea")) == "ended"
    assert centre.switchboard.agent_state("bea") is AgentState.AVAILABLE


def test_an_agents_browser_dies_while_it_rings() -> None:
    centre = waiting(("ana",))
    centre.at(12, ev.AgentDisconnected("ana"))
    centre.until(22)
    assert centre.shown("ana").state is CallState.ENDED and centre.hears("c-phone") == "music/sales"
    assert only(centre.at(40, ev.AgentConnected("ana")), fx.ExpectAgent)


def test_an_agent_without_audio_gives_the_caller_back_in_the_old_place() -> None:
    centre = waiting(("ana",))
    centre.queue(11, "d")
    centre.at(12, ev.CallAccepted("c", "ana"))
    effects = centre.until(22)
    assert only(effects, fx.PutOnBreak) == [fx.PutOnBreak("ana", "no_audio")]
    assert centre.hears("c-phone") == "music/sales"
    effects = centre.at(30, ev.AgentConnected("bea"))
    assert [effect.call_id for effect in only(effects, fx.ExpectAgent)] == ["c"], "before the one who came later"


def test_an_agent_who_takes_another_call_is_not_waited_for() -> None:
    centre = waiting()
    first = only(centre.effects, fx.ExpectAgent)[-1].agent
    effects = centre.at(12, ev.CallDialed("x", first, "x-leg", "x-phone", "600", "pbx"))
    assert {effect.agent for effect in only(effects, fx.ExpectAgent)} == {"ana", "bea"} - {first}


def test_an_agent_in_a_consultation_is_offered_nobody() -> None:
    centre = Centre(agents=("ana",))
    centre.at(1, ev.AgentEngaged("ana", AgentState.ON_CALL))
    centre.queue(10)
    assert not centre.all(fx.ExpectAgent)
    assert only(centre.at(20, ev.AgentEngaged("ana", None)), fx.ExpectAgent)


def test_the_last_agent_is_waited_for() -> None:
    sticky = SALES.__class__("sales", sticky_s=30.0, ring_s=15.0, needs=(SkillNeed("sales"),))
    centre = Centre(plan(sticky, HELP))
    centre.at(1, ev.AgentEngaged("bea", AgentState.ON_CALL))
    centre.queue(10, last_agent="bea")
    assert not centre.all(fx.ExpectAgent)
    assert [effect.agent for effect in only(centre.at(12, ev.AgentEngaged("bea", None)), fx.ExpectAgent)] == ["bea"]


@pytest.mark.parametrize("offered", [False, True])
def test_a_caller_gives_up_while_waiting(offered: bool) -> None:
    centre = waiting(("ana",)) if offered else waiting(())
    if not offered:  # nobody signed in: to the voicemail
        assert centre.said()[-1] == "prompt/es/voicemail-greeting"
        return
    assert centre.at(12, ev.LegHungUp("c-phone", GAVE_UP))[-1] == fx.CloseRoom("c")
    assert centre.switchboard.agent_state("ana") is AgentState.AVAILABLE and centre.shown("ana").state is CallState.ENDED
    assert centre.switchboard.queue_figures(12)["sales"].abandoned == 1 and centre.switchboard.next_deadline() is None


def test_a_queue_that_is_full_leads_on() -> None:
    centre = Centre(agents=("ana",))
    for call_id in "abc":
        centre.queue(10, call_id)  # one rings, two wait
    centre.queue(11, "d")
    view = centre.switchboard.call("d")
    assert view is not None and view.move is not None and view.move.state == "guided"
    assert centre.said()[-1] == "prompt/es/voicemail-greeting"


def test_a_caller_who_waited_long_enough_is_led_on_but_not_while_it_rings() -> None:
    centre = Centre(agents=("ana",))
    centre.at(1, ev.AgentEngaged("ana", AgentState.ON_CALL))
    centre.queue(10)
    centre.at(125, ev.AgentEngaged("ana", None))
    centre.until(135)
    assert centre.shown("ana").state is CallState.RINGING
    centre.until(140)
    view = centre.switchboard.call("c")
    assert view is not None and view.centre is not None and view.centre.queue == "help"


def test_position_and_wait_are_said_into_the_music_and_a_call_back_is_offered() -> None:
    centre = waiting(("ana",))
    centre.at(10, ev.CallDeclined("c", "ana"))
    centre.queue(11, "d")
    centre.at(11, ev.CallDeclined("d", "ana"))
    centre.until(20)
    assert "prompt/es/queue-position-1" in centre.said() and "prompt/es/queue-position-2" in centre.said()
    for sound in ("queue-position-1", "queue-position-2"):
        for leg in ("c-phone", "d-phone"):
            centre.at(21, ev.SoundEnded(leg, f"prompt/es/{sound}"))
    assert centre.at(22, ev.DigitHeard("c-phone", "1")) == [], "it was not offered yet"


def test_nothing_is_said_over_the_agent() -> None:
    centre = waiting(("ana",))
    centre.at(10, ev.CallDeclined("c", "ana"))
    centre.until(14)
    assert centre.said()[-1] == "prompt/es/queue-position-1"
    centre.at(15, ev.AgentConnected("bea"))
    assert only(centre.at(15, ev.CallAccepted("c", "bea")), fx.Hush) == [fx.Hush("c-phone")]


def test_an_agent_sends_a_caller_to_a_queue() -> None:
    centre = taken()
    effects = centre.at(30, ev.TransferRequested("c", "ana", Target(queue="help"), ask=False))
    assert centre.shown("ana").state is CallState.ENDED and centre.hears("c-phone") == "hold"
    assert centre.switchboard.agent_state("ana") is AgentState.WRAP_UP and not only(effects, fx.CloseRoom)
    effects = centre.at(31, ev.AgentConnected("bea"))
    assert [effect.agent for effect in only(effects, fx.ExpectAgent)] == ["bea"]
    centre.at(32, ev.CallAccepted("c", "bea"))
    centre.at(33, ev.LegConnected(only(effects, fx.ExpectAgent)[0].leg_id))
    assert centre.shown("bea").state is CallState.LIVE


def test_callers_are_led_on_when_the_last_agent_has_gone() -> None:
    """Not while a page may be loaded again; and who may wait without agents waits on."""
    centre = waiting(("ana",))
    centre.queue(11, "d", key="2")
    centre.at(12, ev.AgentDisconnected("ana"))
    centre.until(45)
    assert {name: told.waiting for name, told in centre.switchboard.queue_figures(45).items()} == {"sales": 1, "help": 1}
    centre.until(60)
    assert centre.said()[-1] == "prompt/es/voicemail-greeting"


def test_a_queue_that_takes_nobody_refuses_a_transfer() -> None:
    centre = taken()
    assert refused(centre, 30, ev.TransferRequested("c", "ana", Target(queue="nowhere"), ask=False)) == "queue_closed"
    assert centre.shown("ana").state is CallState.LIVE


def test_a_call_from_a_queue_is_parked_held_and_transferred_like_any_other() -> None:
    centre = taken()
    centre.at(20, ev.HoldRequested("c", "ana", True))
    assert centre.hears("c-phone") == "hold"
    centre.at(21, ev.HoldRequested("c", "ana", False))
    centre.at(22, ev.ParkRequested("c", "ana"))
    assert centre.switchboard.parked()[0].call_id == "c" and centre.hears("c-phone") == "hold"
    centre.at(23, ev.AgentConnected("eva"))
    centre.at(24, ev.PickUpRequested("c", "eva"))
    centre.at(25, ev.LegConnected("c-2"))
    assert centre.shown("eva").state is CallState.LIVE and centre.hears("c-phone") == "c-2"


def test_a_plan_that_changes_leaves_running_callers_as_they_are() -> None:
    centre = waiting(("ana",))
    centre.at(10, ev.CallDeclined("c", "ana"))
    centre.at(11, ev.PlanChanged(plan(HELP, flows={"main": flow(MENU[8])})))
    assert centre.hears("c-phone") == "music/sales", "the queue is gone, who waits in it is served"
    effects = centre.until(26)
    assert [effect.call_id for effect in only(effects, fx.ExpectAgent)] == ["c"]
    assert only(centre.at(27, comes("d")), fx.PlayOnce) == [fx.PlayOnce("d-phone", "prompt/es/goodbye")]


# --- the work after a call


def test_after_a_call_from_a_queue_an_agent_has_time_for_it() -> None:
    centre = taken()
    effects = centre.at(60, ev.LegHungUp("c-phone", DONE))
    shown = only(effects, fx.ShowAgent)[0].wrap_up
    assert shown is not None and (shown.call_id, shown.until_s, shown.codes, shown.more_s) == ("c", 90, ("sold", "lost"), 60)
    assert centre.switchboard.agent_state("ana") is AgentState.WRAP_UP
    centre.queue(61, "d")
    assert not only(centre.until(89), fx.ExpectAgent)
    effects = centre.until(90)
    assert only(effects, fx.KeepWrapUp) == [fx.KeepWrapUp("c", "ana", "sales", "", 60, 90)]
    assert [effect.agent for effect in only(effects, fx.ExpectAgent)] == ["ana"]


def test_it_ends_with_a_code_or_is_made_longer_within_a_bound() -> None:
    centre = taken()
    centre.at(60, ev.HangUpRequested("c", "ana"))
    assert refused(centre, 61, ev.WrapUpFinished("ana", "c", "nonsense")) == "bad_code"
    assert refused(centre, 61, ev.WrapUpFinished("ana", "d")) == "no_wrap_up"
    centre.at(62, ev.WrapUpExtended("ana", "c"))
    centre.at(62, ev.WrapUpExtended("ana", "c"))
    assert refused(centre, 63, ev.WrapUpExtended("ana", "c")) == "no_more_time"
    effects = centre.at(100, ev.WrapUpFinished("ana", "c", "sold"))
    assert only(effects, fx.ShowAgent) == [fx.ShowAgent("ana", None)] and not only(effects, fx.KeepWrapUp)
    assert centre.switchboard.agent_state("ana") is AgentState.AVAILABLE
    effects = centre.until(110)
    assert only(effects, fx.KeepWrapUp) == [fx.KeepWrapUp("c", "ana", "sales", "sold", 60, 100)]
    assert centre.switchboard.finished("ana") is None and centre.switchboard.next_deadline() is None


def test_who_said_to_be_done_may_go_on_for_ten_seconds_and_it_is_written_down_once() -> None:
    centre = taken()
    centre.at(60, ev.HangUpRequested("c", "ana"))
    assert refused(centre, 61, ev.WrapUpTakenBack("ana", "c")) == "no_undo", "she works on it still"
    centre.at(70, ev.WrapUpFinished("ana", "c", "sold"))
    finished = centre.switchboard.finished("ana")
    assert finished is not None and (finished.code, finished.until_s) == ("sold", 80)
    assert refused(centre, 71, ev.WrapUpTakenBack("ana", "d")) == refused(centre, 71, ev.WrapUpTakenBack("bea", "c")) == "no_undo"
    effects = centre.at(75, ev.WrapUpTakenBack("ana", "c"))
    shown = only(effects, fx.ShowAgent)[-1].wrap_up
    assert shown is not None and (shown.began_s, shown.until_s, shown.codes) == (60, 95, ("sold", "lost")), (
        "what was left at 70 is left at 75"
    )
    assert centre.switchboard.agent_state("ana") is AgentState.WRAP_UP and not only(centre.until(81), fx.KeepWrapUp)
    centre.at(94, ev.WrapUpFinished("ana", "c", "lost"))
    assert only(centre.until(104), fx.KeepWrapUp) == [fx.KeepWrapUp("c", "ana", "sales", "lost", 60, 94)]
    assert refused(centre, 105, ev.WrapUpTakenBack("ana", "c")) == "no_undo"


def test_what_rings_at_who_goes_on_keeps_its_place_and_is_hers_when_she_is_done() -> None:
    centre = taken()
    centre.at(60, ev.HangUpRequested("c", "ana"))
    centre.queue(61, "d")
    effects = centre.at(89, ev.WrapUpFinished("ana", "c", "sold"))
    assert [(effect.call_id, effect.agent) for effect in only(effects, fx.ExpectAgent)] == [("d", "ana")]
    centre.at(91, ev.WrapUpTakenBack("ana", "c"))
    wrap_up = centre.switchboard.wrap_up("ana")
    assert centre.switchboard.agent_state("ana") is AgentState.WRAP_UP and centre.switchboard.calls_of("ana") == []
    assert wrap_up is not None and wrap_up.until_s == 101, "a second was left: nobody takes work up again for that"
    effects = centre.until(106)
    assert only(effects, fx.KeepWrapUp) == [fx.KeepWrapUp("c", "ana", "sales", "", 60, 101)]
    assert [(effect.call_id, effect.agent) for effect in only(effects, fx.ExpectAgent)] == [("d", "ana")], "still who waits longest"


def test_the_next_call_and_a_server_that_stops_end_what_could_be_taken_back() -> None:
    centre = taken()
    centre.at(60, ev.HangUpRequested("c", "ana"))
    centre.at(70, ev.WrapUpFinished("ana", "c", "sold"))
    centre.queue(71, "d")
    effects = centre.at(72, ev.CallAccepted("d", "ana"))
    assert only(effects, fx.KeepWrapUp) == [fx.KeepWrapUp("c", "ana", "sales", "sold", 60, 70)]
    assert refused(centre, 73, ev.WrapUpTakenBack("ana", "c")) == "no_undo"
    stopped = taken()
    stopped.at(60, ev.HangUpRequested("c", "ana"))
    stopped.at(70, ev.WrapUpFinished("ana", "c", "sold"))
    stopped.at(71, ev.AgentDisconnected("ana"))
    assert only(stopped.at(72, ev.DrainRequested()), fx.KeepWrapUp) == [fx.KeepWrapUp("c", "ana", "sales", "sold", 60, 70)]


def test_a_reload_changes_nothing_of_it() -> None:
    centre = taken()
    centre.at(60, ev.HangUpRequested("c", "ana"))
    centre.at(61, ev.AgentDisconnected("ana"))
    assert centre.switchboard.agent_state("ana") is AgentState.OFFLINE
    centre.at(62, ev.AgentConnected("ana"))
    wrap_up = centre.switchboard.wrap_up("ana")
    assert centre.switchboard.agent_state("ana") is AgentState.WRAP_UP and wrap_up is not None and wrap_up.until_s == 90


def test_a_code_that_is_required_and_never_said_ends_in_a_break() -> None:
    strict = SALES.__class__("sales", wrap_up_s=10.0, wrap_up_codes=("sold",), wrap_up_required=True)
    centre = Centre(plan(strict, HELP), agents=("ana",))
    centre.queue(10)
    centre.at(11, ev.CallAccepted("c", "ana"))
    centre.at(12, ev.LegConnected("c-1"))
    centre.at(20, ev.HangUpRequested("c", "ana"))
    assert refused(centre, 21, ev.WrapUpFinished("ana", "c")) == "bad_code"
    centre.until(30)
    wrap_up = centre.switchboard.wrap_up("ana")
    assert wrap_up is not None and wrap_up.due and refused(centre, 31, ev.WrapUpExtended("ana", "c")) == "no_more_time"
    assert only(centre.until(90), fx.PutOnBreak) == [fx.PutOnBreak("ana", "no_code")]
    assert centre.switchboard.agent_state("ana") is AgentState.BREAK and centre.switchboard.next_deadline() is None


# --- call-backs


def asked() -> Centre:
    """Ana declined; the caller, waiting since 10, asked at 40 to be called back."""
    centre = waiting(("ana",))
    centre.at(10, ev.AvailabilityChanged("ana", False))
    centre.at(10, ev.CallDeclined("c", "ana"))
    for at_s in (14, 30):
        centre.until(at_s)
        for sound in ("queue-position-1", "call-back-offer-1"):
            centre.at(at_s, ev.SoundEnded("c-phone", f"prompt/es/{sound}"))
    assert "prompt/es/call-back-offer-1" in centre.said()
    centre.at(40, ev.DigitHeard("c-phone", "1"))
    return centre


def test_a_caller_asks_by_key_to_be_called_back_and_keeps_the_place() -> None:
    centre = asked()
    (kept,) = centre.all(fx.KeepCallBack)
    assert (kept.call_back.queue, kept.call_back.number, kept.call_back.since_s) == ("sales", "+34600111222", 10)
    assert centre.said()[-1] == "prompt/es/goodbye"
    centre.at(42, ev.SoundEnded("c-phone", "prompt/es/goodbye"))
    assert len(centre.switchboard) == 0
    centre.queue(43, "d")
    effects = centre.at(50, ev.AvailabilityChanged("ana", True))
    assert [effect.call_id for effect in only(effects, fx.ExpectAgent)] == ["cb0x1"], "before the one who came later"
    view = centre.shown("ana")
    assert (view.state, view.number, view.came, view.centre and view.centre.queue) == (
        CallState.RINGING, "+34600111222", "call_back", "sales",
    )  # fmt: skip


def called() -> Centre:
    """Ana accepted the call-back at 52, and the number is being dialled."""
    centre = asked()
    centre.at(42, ev.SoundEnded("c-phone", "prompt/es/goodbye"))
    centre.at(50, ev.AvailabilityChanged("ana", True))
    effects = centre.at(52, ev.CallAccepted("cb0x1", "ana"))
    assert only(effects, fx.FindTarget) == [fx.FindTarget("cb0x1", "+34600111222", "ana")]
    centre.at(52, ev.LegConnected("cb0x1-1"))
    placed = only(centre.find(52, Target(number="600111222", trunk="pbx")), fx.PlaceCall)
    assert [(effect.leg_id, effect.by, effect.asked) for effect in placed] == [("cb0x1-2", "ana", False)]
    return centre


def test_who_is_called_back_and_reached_is_off_the_list() -> None:
    centre = called()
    centre.at(53, ev.LegRang("cb0x1-2"))
    assert centre.hears("cb0x1-1") == "ringback"
    centre.at(55, ev.LegAnswered("cb0x1-2"))
    assert centre.hears("cb0x1-1") == "cb0x1-2" and not centre.all(fx.CallBackOver)
    effects = centre.at(80, ev.LegHungUp("cb0x1-2", DONE))
    assert [effect.outcome for effect in only(effects, fx.CallBackOver)] == ["reached"]
    assert centre.switchboard.agent_state("ana") is AgentState.WRAP_UP and not centre.switchboard.call_backs()


def test_who_is_not_reached_is_called_again_later_and_given_up_after_some_tries() -> None:
    centre = called()
    for number in range(3):
        leg = f"cb{number}x{number + 1}-2"
        effects = centre.at(60 + 400 * number, ev.LegRefused(leg, Cause(EndReason.BUSY, 486)))
        assert centre.switchboard.agent_state("ana") is AgentState.AVAILABLE, "no work after a call that was none"
        if number == 2:
            break
        assert centre.switchboard.call_backs()[0].call_back.tries == number + 1
        now = 360 + 400 * number
        offered = only(centre.until(now), fx.ExpectAgent)
        centre.at(now, ev.CallAccepted(offered[0].call_id, "ana"))
        centre.at(now, ev.LegConnected(offered[0].leg_id))
        centre.find(now, Target(number="600111222", trunk="pbx"))
    assert [effect.outcome for effect in only(effects, fx.CallBackOver)] == ["given_up"]
    assert not centre.switchboard.call_backs() and centre.switchboard.next_deadline() is None


def test_a_call_back_survives_a_restart() -> None:
    kept = asked().all(fx.KeepCallBack)[-1].call_back
    after = Centre(agents=())
    after.at(1, ev.CallBackRestored(kept))
    assert after.switchboard.call_backs()[0].state == "waiting"
    assert [effect.agent for effect in only(after.at(2, ev.AgentConnected("ana")), fx.ExpectAgent)] == ["ana"]


def test_nobody_wants_to_call_back() -> None:
    centre = asked()
    centre.at(42, ev.SoundEnded("c-phone", "prompt/es/goodbye"))
    centre.at(50, ev.AvailabilityChanged("ana", True))
    centre.at(51, ev.CallDeclined("cb0x1", "ana"))
    assert centre.switchboard.call_backs()[0].state == "waiting" and len(centre.switchboard) == 0
    effects = centre.until(66)
    assert [effect.call_id for effect in only(effects, fx.ExpectAgent)] == ["cb0x2"]


def test_a_call_back_is_cancelled() -> None:
    centre = asked()
    effects = centre.at(41, ev.CallBackCancelled("c"))
    assert [effect.outcome for effect in only(effects, fx.CallBackOver)] == ["cancelled"]
    assert refused(centre, 42, ev.CallBackCancelled("c")) == "unknown_call_back"
    busy = called()
    assert refused(busy, 53, ev.CallBackCancelled("c")) == "wrong_state"


def test_a_flow_knows_the_number_of_a_caller_as_it_was_read_and_not_as_the_line_wrote_it() -> None:
    centre = Centre(agents=("ana",))
    centre.at(10, replace(comes(caller="600 111 222"), facts={"caller": "+34600111222"}))
    centre.at(10, ev.DigitHeard("c-phone", "6"))
    assert [kept.call_back.number for kept in centre.all(fx.KeepCallBack)] == ["+34600111222"]


def test_a_caller_who_withholds_the_number_is_offered_none() -> None:
    centre = Centre(agents=("ana",))
    centre.at(1, ev.AgentEngaged("ana", AgentState.ON_CALL))
    centre.at(10, comes(caller="anonymous", private=True))
    centre.at(10, ev.DigitHeard("c-phone", "6"))
    view = centre.switchboard.call("c")
    assert view is not None and view.move is not None and view.move.state == "waiting", "the flow was told that it cannot be"
    centre.until(60)
    assert "prompt/es/call-back-offer-1" not in centre.said() and not centre.all(fx.KeepCallBack)


def test_a_caller_who_withholds_the_number_may_give_another_one() -> None:
    ask = kinds.Ask(name="number", say=("which",), fact="number", most=9, next="later")
    later = kinds.CallBack(name="later", queue="sales", number="number", kept="bye")
    centre = Centre(plan(flows={"main": flow(ask, later, MENU[-1])}), agents=("ana",))
    centre.at(10, comes(caller="anonymous", private=True))
    for digit in "600333444":
        centre.at(11, ev.DigitHeard("c-phone", digit))
    assert [kept.call_back.number for kept in centre.all(fx.KeepCallBack)] == ["600333444"]


def test_a_flow_keeps_one_call_back_for_one_number() -> None:
    centre = Centre(agents=("ana",))
    centre.at(1, ev.AgentEngaged("ana", AgentState.ON_CALL))
    centre.queue(10, key="6")
    centre.queue(11, "d", key="6")
    assert len(centre.all(fx.KeepCallBack)) == 1 and centre.said()[-1] == "prompt/es/goodbye"


def test_the_day_ends() -> None:
    centre = taken()
    centre.queue(20, "d")
    effects = centre.at(30, ev.DrainRequested())
    assert len(only(effects, fx.CloseRoom)) == 2 and centre.switchboard.next_deadline() is None
    assert not only(effects, fx.ExpectAgent) and len(centre.switchboard) == 0


def test_a_server_that_has_as_many_calls_as_it_may_takes_none_into_a_flow() -> None:
    centre = Centre(policy=CallPolicy(max_calls=1))
    centre.queue(10)
    assert [effect.cause.sip for effect in only(centre.at(11, comes("d")), fx.HangUp)] == [503]


def test_a_call_back_that_reached_somebody_is_done_though_the_server_stops() -> None:
    centre = called()
    centre.at(55, ev.LegAnswered("cb0x1-2"))
    effects = centre.at(60, ev.DrainRequested())
    assert [effect.outcome for effect in only(effects, fx.CallBackOver)] == ["reached"] and centre.switchboard.next_deadline() is None


def test_a_server_that_stops_keeps_the_work_of_agents_and_who_waits_for_a_call_back() -> None:
    centre = asked()
    centre.at(41, ev.AvailabilityChanged("ana", True))
    working = taken()
    working.at(60, ev.HangUpRequested("c", "ana"))
    assert only(working.at(70, ev.DrainRequested()), fx.KeepWrapUp) == [fx.KeepWrapUp("c", "ana", "sales", "", 60, 70)]
    effects = centre.at(45, ev.DrainRequested())
    assert not only(effects, fx.CallBackOver) and centre.switchboard.call_backs() and centre.switchboard.next_deadline() is None


def test_another_phone_in_the_callers_place_hears_what_was_being_said() -> None:
    centre = Centre(agents=())
    centre.at(0, comes())
    effects = centre.at(1, ev.LegReplaced("c-other", "c-phone", "pbx", "601"))
    assert only(effects, fx.PlayOnce) == [fx.PlayOnce("c-other", "prompt/es/which")]
    assert only(centre.at(4, ev.SoundEnded("c-other", "prompt/es/which")), fx.PlayOnce) == []
    assert centre.until(5.5) == [fx.Play("c-other", "hold")]
