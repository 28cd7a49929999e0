"""Supervisors in calls, by example: who hears whom in each mode, and what becomes of them when the call changes hands or ends."""

import pytest

from rooms import effects as fx
from rooms import events as ev
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.monitor import Announce, MonitorMode, SupervisionPolicy
from rooms.move import Target
from rooms.policy import RecordingMode, RecordingPolicy
from rooms.record import CallState, MonitorView
from rooms.recording import RecordingAction
from rooms.switchboard import CallPolicy, NotPossible
from tests.kit.calls import BEA, DONE, GONE, NUMBER, Desk, arrived, dialed, live_in, live_out, only, ringing_out
from tests.kit.centre import Centre

LISTEN, WHISPER, BARGE = MonitorMode
EVA = "c-1"
"""Her leg: the first that the call itself names."""


def watch(desk: Desk, now: float, mode: MonitorMode = LISTEN, supervisor: str = "eva") -> list[fx.Effect]:
    return desk.at(now, ev.MonitorRequested("c", supervisor, mode))


def watched(mode: MonitorMode = LISTEN, policy: CallPolicy | None = None) -> Desk:
    """Ana's call is live since 6; Eva monitors it since 10, her audio is up at 11. Bea is there too."""
    desk = Desk(policy)
    for person in ("ana", "bea", "eva"):
        desk.at(0, ev.AgentConnected(person))
    desk.at(0, arrived("c", "ana"))
    desk.at(5, ev.CallAccepted("c", "ana"))
    desk.at(6, ev.LegConnected("c-ana"))
    watch(desk, 10, mode)
    desk.at(11, ev.LegConnected(EVA))
    return desk


def ears(desk: Desk) -> tuple[str, str, str]:
    """What the phone, Ana and Eva hear."""
    return desk.hears("c-phone"), desk.hears("c-ana"), desk.hears(EVA)


def refused(desk: Desk, now: float, event: ev.Event) -> str:
    with pytest.raises(NotPossible) as refusal:
        desk.at(now, event)
    return refusal.value.code


def is_over(desk: Desk) -> bool:
    return len(desk.switchboard) == 0 and desk.switchboard.next_deadline() is None and not desk.switchboard.calls_of("eva")


# --- the modes


def test_who_hears_whom_in_each_mode_and_that_modes_change_by_gains_alone() -> None:
    desk = watched()
    assert ears(desk) == ("c-ana", "c-phone", "c-ana c-phone")
    assert {type(effect) for effect in watch(desk, 12, WHISPER)} == {fx.SetGains, fx.Notify}
    assert ears(desk) == ("c-ana", "c-1 c-phone", "c-ana c-phone")
    watch(desk, 13, BARGE)
    assert ears(desk) == ("c-1 c-ana", "c-1 c-phone", "c-ana c-phone")
    watch(desk, 14, LISTEN)
    assert ears(desk) == ("c-ana", "c-phone", "c-ana c-phone")
    assert watch(desk, 15, LISTEN) == []


def test_nobody_hears_a_supervisor_for_a_moment_before_the_gains_are_set() -> None:
    desk = live_in()
    watch(desk, 10)
    kinds = [type(effect) for effect in desk.at(11, ev.LegConnected(EVA))]
    assert kinds.index(fx.SetGains) < kinds.index(fx.JoinBridge)


def test_a_supervisor_is_no_party_and_the_agent_sees_who_monitors() -> None:
    desk = watched()
    mine, anas = desk.shown("eva"), desk.shown("ana")
    assert (mine.state, mine.mode, mine.came, mine.by, mine.owned) == (CallState.LIVE, "listen", "monitor", "eva", False)
    assert [party.party for party in mine.parties] == ["ana", "+34600111222"]
    assert [party.party for party in anas.parties] == ["+34600111222"]
    assert (anas.mode, anas.monitors) == ("", (MonitorView("eva", "listen"),))
    watch(desk, 12, BARGE)
    assert desk.shown("ana").monitors == (MonitorView("eva", "barge"),)
    desk.at(13, ev.HangUpRequested("c", "eva"))
    assert desk.shown("ana").monitors == ()


def test_an_agent_who_is_not_to_know_sees_nothing_and_the_board_does() -> None:
    desk = watched(policy=CallPolicy(supervision=SupervisionPolicy(Announce.NEVER)))
    assert all(not effect.view.monitors for effect in desk.all(fx.Notify) if "ana" in effect.agents)
    board = desk.switchboard.seen_from_outside("c")
    assert board is not None and board.monitors == (MonitorView("eva", "listen"),)


def test_where_everybody_is_to_know_each_hears_it_said_once_and_who_comes_later_too() -> None:
    policy = CallPolicy(supervision=SupervisionPolicy(Announce.EVERYONE, "notice"))
    desk = watched(policy=policy)
    assert desk.all(fx.PlayOnce) == [fx.PlayOnce("c-ana", "notice"), fx.PlayOnce("c-phone", "notice")]
    assert desk.hears(EVA) == "", "nobody is heard before it was said whole"
    desk.at(12, ev.SoundEnded("c-phone", "notice"))
    assert desk.hears(EVA) == "c-phone"
    desk.at(12, ev.SoundEnded("c-ana", "notice"))
    assert desk.hears(EVA) == "c-ana c-phone"
    watch(desk, 12, BARGE)
    desk.at(13, ev.TransferRequested("c", "ana", NUMBER, ask=True))
    desk.at(14, ev.LegAnswered("c-2"))
    assert desk.all(fx.PlayOnce)[2:] == [fx.PlayOnce("c-2", "notice")]
    desk.at(15, ev.HangUpRequested("c", "eva"))
    watch(desk, 16, supervisor="bea")
    assert len(desk.all(fx.PlayOnce)) == 6, "who comes when nobody was there is told of anew"


def test_a_notice_that_something_else_cut_short_is_said_again_and_cuts_no_announcement_short_itself() -> None:
    recorded = RecordingPolicy(RecordingMode.ON_DEMAND, announcement="recorded", beep=False)
    desk = watched(policy=CallPolicy(recording=recorded, supervision=SupervisionPolicy(Announce.EVERYONE, "notice", notice_s=10)))
    desk.at(12, ev.SoundEnded("c-ana", "notice"))
    desk.at(12, ev.RecordingRequested("c", "ana", RecordingAction.START))
    said = len(desk.all(fx.PlayOnce))
    assert desk.all(fx.PlayOnce)[-1] == fx.PlayOnce("c-phone", "recorded") and desk.hears(EVA) == "c-ana"
    assert desk.wait_until(20) == [], "the announcement is let end"
    desk.at(21, ev.SoundEnded("c-phone", "recorded"))
    assert desk.wait_until(30) == [fx.PlayOnce("c-phone", "notice")] and len(desk.all(fx.PlayOnce)) == said + 1
    desk.at(32, ev.SoundEnded("c-phone", "notice"))
    assert desk.hears(EVA) == "c-ana c-phone" and desk.wait_until(100) == [] and desk.switchboard.next_deadline() is None


def test_where_it_cannot_be_said_that_somebody_listens_nobody_does() -> None:
    desk = watched(policy=CallPolicy(supervision=SupervisionPolicy(Announce.EVERYONE, "notice")))
    desk.at(12, ev.SoundEnded("c-ana", "notice"))
    desk.at(12, ev.EffectFailed("c", "c-ana", GONE, "PlayOnce"))
    assert desk.shown("eva").mode == "listen", "that was another sound"
    desk.at(13, ev.EffectFailed("c", "c-phone", GONE, "PlayOnce"))
    assert desk.shown("eva").state is CallState.ENDED and desk.shown("ana").state is CallState.LIVE


# --- the call goes its way


def test_the_music_of_who_is_held_is_not_disturbed_and_not_listened_to() -> None:
    desk = watched(BARGE)
    desk.at(12, ev.HoldRequested("c", "ana", True))
    assert ears(desk) == ("hold", "c-1", "c-ana")
    desk.at(13, ev.HoldRequested("c", "ana", False))
    assert ears(desk) == ("c-1 c-ana", "c-1 c-phone", "c-ana c-phone")


@pytest.mark.parametrize("target", [BEA, NUMBER])
def test_a_consultation_is_heard_and_a_whisper_stays_with_the_agent(target: Target) -> None:
    desk = watched(WHISPER)
    desk.at(12, ev.TransferRequested("c", "ana", target, ask=True))
    if target.agent:
        desk.at(13, ev.CallAccepted("c", "bea"))
        desk.at(13, ev.LegConnected("c-2"))
    else:
        desk.at(13, ev.LegAnswered("c-2"))
    assert (*ears(desk), desk.hears("c-2")) == ("hold", "c-1 c-2", "c-2 c-ana", "c-ana")
    desk.at(14, ev.TransferActed("c", "ana", ev.TransferAction.COMPLETE))
    if target.agent:
        assert (desk.hears("c-phone"), desk.hears("c-2"), desk.hears(EVA)) == ("c-2", "c-1 c-phone", "c-2 c-phone"), "to whose it is now"
    else:
        assert (desk.hears("c-phone"), desk.hears("c-2"), desk.hears(EVA)) == ("c-2", "c-phone", "c-2 c-phone"), "to nobody"
    desk.at(20, ev.LegHungUp("c-phone", DONE))
    assert desk.shown("eva").state is CallState.ENDED and is_over(desk)


def test_while_a_call_is_on_its_way_the_supervisor_waits_in_silence() -> None:
    desk = watched(BARGE)
    desk.at(12, ev.TransferRequested("c", "ana", NUMBER, ask=False))
    assert (desk.hears("c-phone"), desk.hears(EVA)) == ("ringback", "")
    desk.at(13, ev.LegAnswered("c-2"))
    assert (desk.hears("c-phone"), desk.hears("c-2"), desk.hears(EVA)) == ("c-1 c-2", "c-1 c-phone", "c-2 c-phone")


def test_a_parked_call_keeps_its_music_and_its_supervisor() -> None:
    desk = watched(BARGE)
    desk.at(12, ev.ParkRequested("c", "ana"))
    assert (desk.hears("c-phone"), desk.hears(EVA)) == ("hold", "")
    assert refused(desk, 13, ev.PickUpRequested("c", "eva")) == "on_call"
    assert refused(desk, 13, ev.TakeOverRequested("c", "eva")) == "wrong_state"
    desk.at(14, ev.PickUpRequested("c", "bea"))
    desk.at(15, ev.LegConnected("c-2"))
    assert (desk.hears("c-phone"), desk.hears(EVA)) == ("c-1 c-2", "c-2 c-phone")


def test_a_call_that_comes_back_does_not_ring_at_who_monitors_it() -> None:
    desk = watched()
    desk.at(12, ev.TransferRequested("c", "ana", NUMBER, ask=False))
    desk.at(12, ev.AgentDisconnected("ana"))
    desk.at(13, ev.LegRefused("c-2", Cause(EndReason.BUSY, 486)))
    assert desk.shown("bea").came == "return" and desk.shown("eva").mode == "listen"


@pytest.mark.parametrize("end", [ev.HangUpRequested("c", "ana"), ev.LegHungUp("c-phone", DONE), ev.DrainRequested()])
def test_a_call_never_lives_on_because_of_a_supervisor(end: ev.Event) -> None:
    desk = watched(BARGE)
    ended = desk.at(12, end)
    assert only(ended, fx.CloseRoom) and desk.shown("eva").state is CallState.ENDED and is_over(desk)
    record = only(ended, fx.WriteRecord)[-1].record
    assert [(leg.kind, leg.party, leg.came) for leg in record.legs if leg.kind == "monitor"] == [("monitor", "eva", "monitor")]
    assert all(leg.ended_s == 12 for leg in record.legs)
    assert desk.at(13, ev.HangUpRequested("c", "eva")) == [], "leaving what has just ended is no fault"


def test_a_recording_is_of_the_other_side_whoever_monitors() -> None:
    policy = CallPolicy(recording=RecordingPolicy(RecordingMode.ALWAYS, beep=False))
    desk = watched(WHISPER, policy)
    watch(desk, 12, BARGE)
    desk.at(13, ev.HangUpRequested("c", "eva"))
    assert [effect.phone_leg for effect in desk.all(fx.StartRecording)] == ["c-phone"] and not desk.all(fx.StopRecording)


# --- the supervisor comes and goes


def test_a_supervisor_is_in_one_call_and_is_offered_none() -> None:
    desk = watched()
    assert desk.switchboard.agent_state("eva") is AgentState.ON_CALL and "eva" not in desk.switchboard.available_agents()
    desk.at(12, dialed("d", "bea"))
    desk.at(13, ev.LegAnswered("d-phone"))
    assert refused(desk, 14, ev.MonitorRequested("d", "eva", LISTEN)) == "on_call"
    assert refused(desk, 14, dialed("e", "eva")) == "on_call"
    assert refused(desk, 14, ev.MonitorRequested("c", "bea", LISTEN)) == "on_call"
    desk.at(15, ev.HangUpRequested("c", "eva"))
    assert desk.shown("eva").state is CallState.ENDED and desk.switchboard.agent_state("eva") is AgentState.AVAILABLE
    desk.at(16, ev.MonitorRequested("d", "eva", LISTEN))
    assert [view.call_id for view in desk.switchboard.calls_of("eva")] == ["d"]


def test_what_cannot_be_monitored() -> None:
    desk = ringing_out()
    assert refused(desk, 3, ev.MonitorRequested("c", "eva", LISTEN)) == "wrong_state"
    assert refused(desk, 3, ev.MonitorRequested("x", "eva", LISTEN)) == "unknown_call"
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", BEA, ask=True))
    assert refused(desk, 11, ev.MonitorRequested("c", "bea", LISTEN)) == "wrong_state", "it rings at hers"
    desk.at(11, ev.AgentEngaged("eva", AgentState.ON_CALL))
    assert refused(desk, 12, ev.MonitorRequested("c", "eva", LISTEN)) == "on_call", "in a call of another node"


def test_only_so_many_at_once() -> None:
    desk = live_in()
    for number in range(4):
        watch(desk, 10, supervisor=f"eva{number}")
    assert refused(desk, 11, ev.MonitorRequested("c", "eva4", LISTEN)) == "too_many_supervisors"


def test_supervisors_hear_one_another_where_they_barge_in() -> None:
    desk = watched(BARGE)
    watch(desk, 12, WHISPER, supervisor="bea")
    desk.at(13, ev.LegConnected("c-2"))
    assert (desk.hears(EVA), desk.hears("c-2")) == ("c-ana c-phone", "c-1 c-ana c-phone")
    assert desk.shown("eva").monitors == (MonitorView("bea", "whisper"),)


def test_a_page_that_reloads_finds_its_leg() -> None:
    desk = watched(BARGE)
    desk.at(12, ev.LegLost(EVA, GONE))
    assert desk.shown("ana").state is CallState.LIVE and ears(desk) == ("c-1 c-ana", "c-1 c-phone", "c-ana c-phone")
    desk.at(15, ev.LegConnected(EVA))
    assert [view.agent_leg for view in desk.switchboard.calls_of("eva")] == [EVA] and desk.switchboard.next_deadline() is None


def test_a_page_that_does_not_come_back_or_brings_no_audio_ends_it_for_the_supervisor_alone() -> None:
    desk = watched()
    desk.at(12, ev.LegLost(EVA, GONE))
    desk.wait_until(72)
    assert desk.shown("eva").cause is not None and desk.shown("eva").cause.reason is EndReason.MEDIA_LOST  # type: ignore[union-attr]
    watch(desk, 80)
    desk.wait_until(90)
    assert desk.shown("eva").state is CallState.ENDED and desk.shown("ana").state is CallState.LIVE
    assert desk.switchboard.next_deadline() is None


@pytest.mark.parametrize("effect", ["JoinBridge", ""])
def test_what_fails_for_a_supervisor_costs_nobody_else_the_call(effect: str) -> None:
    desk = watched()
    desk.at(12, ev.EffectFailed("c", EVA, GONE, effect))
    assert desk.shown("eva").state is CallState.ENDED and desk.shown("ana").state is CallState.LIVE
    assert desk.at(13, ev.EffectFailed("c", EVA, GONE, effect)) == []


def test_somebody_else_ends_it() -> None:
    desk = watched()
    lapsed = ev.MonitorEnded("c", "eva", Cause(EndReason.FORBIDDEN))
    desk.at(12, lapsed)
    assert desk.shown("eva").cause == Cause(EndReason.FORBIDDEN) and desk.shown("ana").monitors == ()
    assert desk.at(13, lapsed) == [] and desk.switchboard.late == {"MonitorEnded": 1}


# --- taking over


def test_who_takes_over_talks_at_once_and_the_agent_is_told_why() -> None:
    desk = watched(WHISPER)
    desk.at(12, ev.HoldRequested("c", "ana", True))
    effects = desk.at(13, ev.TakeOverRequested("c", "eva"))
    assert (desk.hears("c-phone"), desk.hears(EVA)) == ("c-1", "c-phone") and fx.HoldPhone("c-phone", False) in effects
    mine, anas = desk.shown("eva"), desk.shown("ana")
    assert (mine.owned, mine.mode, mine.came, mine.by) == (True, "", "take_over", "ana")
    assert anas.state is CallState.ENDED and anas.cause is not None and anas.cause.reason is EndReason.TAKEN_OVER
    assert desk.switchboard.agent_state("ana") is AgentState.AVAILABLE
    assert desk.at(14, ev.TakeOverRequested("c", "eva")) == []
    ended = desk.at(20, ev.HangUpRequested("c", "eva"))
    record = only(ended, fx.WriteRecord)[-1].record
    assert record.agent == "eva" and [(leg.kind, leg.party, leg.came) for leg in record.legs if leg.kind != "phone"] == [
        ("agent", "eva", "take_over"), ("agent", "ana", "rung"),
    ]  # fmt: skip
    assert is_over(desk)


def test_the_agent_may_stay_and_listen() -> None:
    desk = watched(BARGE)
    desk.at(12, ev.TakeOverRequested("c", "eva", agent_stays=True))
    assert ears(desk) == ("c-1", "c-1 c-phone", "c-phone")
    anas = desk.shown("ana")
    assert (anas.state, anas.mode, anas.by, anas.owned) == (CallState.LIVE, "listen", "eva", False)
    assert desk.shown("eva").monitors == (MonitorView("ana", "listen"),)
    desk.at(13, ev.HangUpRequested("c", "ana"))
    assert desk.shown("ana").state is CallState.ENDED and desk.shown("eva").state is CallState.LIVE
    desk.at(14, ev.LegHungUp("c-phone", DONE))
    assert is_over(desk)


def test_a_transfer_that_is_going_on_goes_over_too() -> None:
    desk = watched()
    desk.at(12, ev.TransferRequested("c", "ana", NUMBER, ask=True))
    desk.at(13, ev.LegAnswered("c-2"))
    desk.at(14, ev.TakeOverRequested("c", "eva"))
    assert (desk.hears("c-phone"), desk.hears("c-2"), desk.hears(EVA)) == ("hold", "c-1", "c-2")
    desk.at(15, ev.TransferActed("c", "eva", ev.TransferAction.CANCEL))
    assert (desk.hears("c-phone"), desk.hears(EVA)) == ("c-1", "c-phone")


def test_one_may_take_over_without_having_listened() -> None:
    desk = live_out()
    desk.at(10, ev.TakeOverRequested("c", "eva"))
    assert desk.shown("eva").direction == "out"
    assert only(desk.effects, fx.ExpectAgent)[-1] == fx.ExpectAgent("c", EVA, "eva")
    desk.wait_until(12)
    assert desk.hears("c-phone") == "ringback", "no silence while the supervisor's audio comes up"
    desk.at(13, ev.LegConnected(EVA))
    assert (desk.hears("c-phone"), desk.hears(EVA)) == ("c-1", "c-phone")


def test_a_supervisor_whose_audio_never_came_up_is_the_owner_who_lost_theirs() -> None:
    desk = live_in()
    watch(desk, 10)
    desk.at(12, ev.TakeOverRequested("c", "eva"))
    desk.wait_until(22)
    assert is_over(desk) and desk.shown("eva").cause is not None


def test_two_take_over_and_the_later_one_has_it() -> None:
    desk = watched()
    desk.at(12, ev.TakeOverRequested("c", "eva"))
    desk.at(13, ev.TakeOverRequested("c", "bea"))
    assert desk.shown("eva").cause is not None and desk.shown("bea").owned and desk.shown("bea").by == "eva"


def test_the_journal_of_the_call_tells_it() -> None:
    desk = watched()
    watch(desk, 12, BARGE)
    desk.at(13, ev.TakeOverRequested("c", "eva", agent_stays=True))
    desk.at(14, ev.HangUpRequested("c", "ana"))
    told = [(entry.at_s, entry.what, entry.party, entry.detail, entry.by) for entry in desk.entries if entry.at_s >= 10]
    assert told == [
        (10, "monitored", "eva", "listen", "eva"),
        (11, "connected", "eva", "", "eva"),
        (12, "monitored", "eva", "barge", "eva"),
        (13, "taken_over", "eva", "", "eva"),
        (13, "monitored", "ana", "listen", "eva"),
        (14, "left", "ana", "completed", "ana"),
    ]
    record = desk.switchboard.record("c")
    assert record is not None and record.tally is not None and record.tally.answered_by == "ana"


# --- callers from queues


def from_queue() -> Centre:
    """Ana took the caller at 15 and is heard at 16; Eva listens since 20, as leg ``c-2``."""
    centre = Centre(agents=("ana",))
    centre.queue(10)
    with pytest.raises(NotPossible):
        centre.at(12, ev.MonitorRequested("c", "eva", LISTEN))
    assert centre.hears("c-phone") == "music/sales", "who waits is not listened to"
    centre.at(15, ev.CallAccepted("c", "ana"))
    centre.at(16, ev.LegConnected("c-1"))
    centre.at(20, ev.MonitorRequested("c", "eva", LISTEN))
    centre.at(21, ev.LegConnected("c-2"))
    return centre


def test_work_after_a_call_that_was_taken_over_begins_when_the_agent_is_out_of_it() -> None:
    centre = from_queue()
    centre.at(25, ev.TakeOverRequested("c", "eva"))
    assert centre.switchboard.agent_state("ana") is AgentState.WRAP_UP
    centre.at(30, ev.HangUpRequested("c", "eva"))
    assert centre.switchboard.agent_state("eva") is not AgentState.WRAP_UP and len(centre.switchboard) == 0
    staying = from_queue()
    staying.at(25, ev.TakeOverRequested("c", "eva", agent_stays=True))
    assert staying.switchboard.agent_state("ana") is AgentState.ON_CALL
    staying.at(30, ev.HangUpRequested("c", "ana"))
    assert staying.switchboard.agent_state("ana") is AgentState.WRAP_UP
    staying.at(31, ev.LegHungUp("c-phone", DONE))
    assert len(staying.switchboard) == 0


def test_a_supervisor_who_listens_is_offered_nobody_who_waits() -> None:
    centre = Centre(agents=("ana", "bea"))
    centre.queue(10)
    centre.at(15, ev.CallAccepted("c", "ana"))
    centre.at(16, ev.LegConnected("c-1"))
    centre.at(20, ev.MonitorRequested("c", "bea", LISTEN))
    centre.queue(25, call_id="d")
    assert [view.call_id for view in centre.switchboard.calls_of("bea")] == ["c"]
    centre.at(30, ev.HangUpRequested("c", "bea"))
    centre.until(31)
    assert [view.call_id for view in centre.switchboard.calls_of("bea")] == ["d"], "and is again, once out of the call"
