"""When a call is recorded: policy, announcement, pause for card data, parts that break; time is an integer."""

from dataclasses import replace

import pytest

from rooms import effects as fx
from rooms import events as ev
from rooms.causes import Cause, EndReason
from rooms.policy import CallPolicy, RecordingMode, RecordingPolicy
from rooms.recording import RECORDING_TABLE, RecordingAction, RecordingState, RecordingStep
from rooms.switchboard import NotPossible
from tests.kit.calls import DONE, Desk, arrived, dialed, only

ON_DEMAND = RecordingPolicy(RecordingMode.ON_DEMAND, RecordingMode.ON_DEMAND)
ALWAYS = RecordingPolicy(RecordingMode.ALWAYS, RecordingMode.ALWAYS)
TOLD = replace(ALWAYS, announcement="announcement", consent="announced")
START = fx.StartRecording("c", "c-1", "c-phone", "c-ana", "ana", "not needed")
BEEPS = [fx.PlayOnce("c-ana", "recording"), fx.PlayOnce("c-phone", "recording")]
BROKEN = Cause(EndReason.FAILED, detail="No space left on device")


def live(policy: RecordingPolicy) -> Desk:
    """Ana dialled at 0, it was answered at 5."""
    desk = Desk(CallPolicy(recording=policy))
    desk.at(0, dialed())
    desk.at(1, ev.LegConnected("c-ana"))
    desk.at(2, ev.LegRang("c-phone"))
    desk.at(5, ev.LegAnswered("c-phone"))
    return desk


def wants(desk: Desk, now: float, action: str, by: str = "ana", *, supervisor: bool = False) -> list[fx.Effect]:
    return desk.at(now, ev.RecordingRequested("c", by, RecordingAction(action), supervisor))


def refused(desk: Desk, action: str, by: str = "ana", *, supervisor: bool = False) -> str:
    with pytest.raises(NotPossible) as refusal:
        wants(desk, 9, action, by, supervisor=supervisor)
    return refusal.value.code


def of_media(effects: list[fx.Effect]) -> list[fx.Effect]:
    return [effect for effect in effects if not isinstance(effect, fx.Notify | fx.WriteRecord | fx.KeepConsent)]


def test_every_state_can_be_left_and_reached() -> None:
    for state in RecordingState:
        assert {of for (of, _), to in RECORDING_TABLE.items() if to is state} and {step for of, step in RECORDING_TABLE if of is state}
    stops = {state for state, step in RECORDING_TABLE if step is RecordingStep.STOP}
    assert stops == set(RecordingState) - {RecordingState.OFF}


def test_by_default_nothing_is_recorded_nor_can_be() -> None:
    desk = live(RecordingPolicy())
    assert not desk.all(fx.StartRecording)
    assert refused(desk, "start") == refused(desk, "stop", "eve", supervisor=True) == "not_recorded"


def test_an_agent_records_on_demand_and_everybody_is_shown_so() -> None:
    desk = live(ON_DEMAND)
    assert not desk.all(fx.StartRecording) and desk.shown("ana").recording is RecordingState.OFF
    assert of_media(wants(desk, 6, "start")) == [START, *BEEPS]
    assert desk.shown("ana").recording is RecordingState.RECORDING
    assert wants(desk, 7, "start") == []
    assert of_media(wants(desk, 8, "stop")) == [fx.StopRecording("c", "c-1")]
    assert desk.shown("ana").recording is RecordingState.OFF and wants(desk, 8, "stop") == []
    assert only(wants(desk, 9, "start"), fx.StartRecording)[0].recording_id == "c-2"


def test_every_call_of_a_kind_begins_when_both_sides_talk() -> None:
    desk = Desk(CallPolicy(recording=replace(ALWAYS, outgoing=RecordingMode.NEVER)))
    desk.at(0, ev.AgentConnected("ana"))
    desk.at(0, arrived("c", "ana"))
    assert not only(desk.at(5, ev.CallAccepted("c", "ana")), fx.StartRecording), "her sound is not up yet"
    effects = desk.at(6, ev.LegConnected("c-ana"))
    assert only(effects, fx.StartRecording) == [START]
    assert effects.index(START) > effects.index(fx.JoinBridge("c", "c-ana"))
    assert desk.shown("ana").recording is RecordingState.RECORDING
    desk.at(7, ev.HangUpRequested("c", "ana"))
    assert desk.shown("ana").recording is RecordingState.OFF
    assert not live(replace(ALWAYS, outgoing=RecordingMode.NEVER)).all(fx.StartRecording)


def test_an_agent_whose_sound_was_up_already_is_recorded_from_the_accepting() -> None:
    desk = Desk(CallPolicy(recording=ALWAYS))
    desk.at(0, ev.AgentConnected("ana"))
    desk.at(0, arrived("c", "ana"))
    desk.at(1, ev.LegConnected("c-ana"))
    assert only(desk.at(5, ev.CallAccepted("c", "ana")), fx.StartRecording) == [START]


def test_nobody_else_commands_a_recording() -> None:
    desk = live(ON_DEMAND)
    assert refused(desk, "start", "bea") == "not_yours"
    assert refused(desk, "pause") == refused(desk, "resume") == "wrong_state"
    assert only(wants(desk, 9, "start", "eve", supervisor=True), fx.StartRecording) == [START]
    early = Desk(CallPolicy(recording=ON_DEMAND))
    early.at(0, dialed())
    assert refused(early, "start") == "wrong_state"
    with pytest.raises(NotPossible, match="no such call"):
        early.at(9, ev.RecordingRequested("x", "eve", RecordingAction.STOP, supervisor=True))


def test_what_must_be_recorded_is_ended_by_a_supervisor_alone_and_does_not_begin_again() -> None:
    desk = live(ALWAYS)
    assert refused(desk, "stop") == "wrong_state"
    assert of_media(wants(desk, 9, "stop", "eve", supervisor=True)) == [fx.StopRecording("c", "c-1")]
    desk.at(10, ev.LegLost("c-ana", DONE))
    assert not only(desk.at(11, ev.LegConnected("c-ana")), fx.StartRecording)


def test_who_does_not_agree_is_not_recorded_and_what_was_kept_is_erased() -> None:
    desk = live(TOLD)
    assert of_media(wants(desk, 6, "refuse")) == [] and desk.shown("ana").recording is RecordingState.OFF
    assert desk.at(7, ev.SoundEnded("c-phone", "announcement")) == [] and desk.switchboard.next_deadline() is None
    desk = live(ALWAYS)
    desk.at(6, ev.RecordingBroke("c", "c-1", again=True))
    erased = [fx.EraseRecording("c", "c-1", "ana"), fx.EraseRecording("c", "c-2", "ana")]
    assert of_media(wants(desk, 7, "refuse")) == [fx.StopRecording("c", "c-2"), *erased], "though she may not stop it"
    assert wants(desk, 8, "refuse") == []
    desk.at(9, ev.LegLost("c-ana", DONE))
    assert not only(desk.at(10, ev.LegConnected("c-ana")), fx.StartRecording)
    wants(desk, 11, "start")
    assert of_media(wants(desk, 12, "refuse")) == [fx.StopRecording("c", "c-3"), fx.EraseRecording("c", "c-3", "ana")]
    assert refused(desk, "refuse", "bea") == "not_yours"


def test_a_pause_keeps_nothing_until_somebody_resumes() -> None:
    desk = live(replace(ALWAYS, beep_every_s=15))
    assert desk.switchboard.next_deadline() == 20
    assert of_media(wants(desk, 6, "pause")) == [fx.PauseRecording("c", "c-1")]
    assert desk.shown("ana").recording is RecordingState.PAUSED
    assert wants(desk, 7, "pause") == wants(desk, 7, "start") == []
    assert desk.switchboard.next_deadline() is None, "and no tone says that it is recorded"
    assert of_media(wants(desk, 8, "resume")) == [fx.ResumeRecording("c", "c-1"), *BEEPS]
    assert wants(desk, 8, "resume") == []
    assert [desk.wait_until(23), desk.wait_until(37), desk.wait_until(38)] == [BEEPS, [], BEEPS]


def test_who_hears_music_is_not_beeped_at() -> None:
    desk = live(replace(ALWAYS, beep_every_s=15))
    desk.at(6, ev.HoldRequested("c", "ana", True))
    assert desk.wait_until(20) == BEEPS[:1]


def test_nothing_is_kept_before_the_announcement_was_said_whole() -> None:
    desk = live(TOLD)
    assert not desk.all(fx.StartRecording) and desk.all(fx.PlayOnce) == [fx.PlayOnce("c-phone", "announcement")]
    assert desk.shown("ana").recording is RecordingState.ANNOUNCING
    assert desk.at(6, ev.SoundEnded("c-ana", "announcement")) == desk.at(6, ev.SoundEnded("c-phone", "recording")) == []
    effects = desk.at(9, ev.SoundEnded("c-phone", "announcement"))
    assert of_media(effects) == [replace(START, consent="announced"), *BEEPS]
    wants(desk, 10, "stop", "eve", supervisor=True)
    assert of_media(wants(desk, 11, "start"))[0] == replace(START, recording_id="c-2", consent="announced"), "once is enough"


def test_an_announcement_of_whose_end_nobody_tells_is_made_again() -> None:
    """Its worker died over it, say."""
    desk = live(TOLD)
    assert desk.switchboard.next_deadline() == 125
    desk.at(6, ev.HoldRequested("c", "ana", True))
    assert desk.wait_until(125) == [fx.PlayOnce("c-phone", "announcement")], "music gives way to it"
    assert only(desk.at(130, ev.SoundEnded("c-phone", "announcement")), fx.StartRecording)


def test_who_picks_up_during_the_announcement_and_is_not_there_yet_is_not_recorded_for() -> None:
    desk = live(TOLD)
    desk.at(6, ev.ParkRequested("c", "ana", 0))
    desk.at(7, ev.PickUpRequested("c", "ana"))
    desk.at(9, ev.SoundEnded("c-phone", "announcement"))
    desk.at(10, ev.LegConnected("c-1"))
    assert desk.all(fx.StartRecording) == [replace(START, agent_leg="", consent="announced")]


def test_a_pause_during_the_announcement_is_kept() -> None:
    desk = live(TOLD)
    wants(desk, 6, "pause")
    assert desk.at(9, ev.SoundEnded("c-phone", "announcement")) == [] and desk.switchboard.next_deadline() is None
    assert of_media(wants(desk, 10, "resume"))[0] == replace(START, consent="announced"), "it was said whole"
    early = live(TOLD)
    wants(early, 6, "pause")
    assert of_media(wants(early, 7, "resume")) == [fx.PlayOnce("c-phone", "announcement")]


def test_an_announcement_that_cannot_be_made_is_no_consent() -> None:
    desk = live(TOLD)
    desk.at(6, ev.EffectFailed("c", "", BROKEN, "PlayOnce"))
    assert desk.shown("ana").recording is RecordingState.FAILED and not desk.all(fx.StartRecording)
    assert of_media(desk.wait_until(11)) == [fx.PlayOnce("c-phone", "announcement")]


def test_a_full_disk_leaves_the_call_and_is_tried_again() -> None:
    desk = live(ALWAYS)
    effects = desk.at(6, ev.RecordingBroke("c", "c-1", again=False))
    assert of_media(effects) == [] and desk.shown("ana").recording is RecordingState.FAILED
    assert desk.at(7, ev.RecordingBroke("c", "c-1", again=False)) == []
    assert only(desk.wait_until(11), fx.StartRecording) == [replace(START, recording_id="c-2")]
    assert desk.shown("ana").recording is RecordingState.RECORDING
    assert desk.at(12, ev.RecordingBroke("c", "c-1", again=False)) == [], "an old part"


def test_a_disk_that_stays_full_is_tried_less_and_less_often() -> None:
    desk = live(ALWAYS)
    waits, now = [], 6.0
    for part in range(1, 8):
        desk.at(now, ev.RecordingBroke("c", f"c-{part}", again=False))
        due = desk.switchboard.next_deadline()
        assert due is not None and only(desk.wait_until(due), fx.StartRecording)
        waits.append(due - now)
        now = due
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    desk.at(now, ev.RecordingBegan("c", "c-8"))
    desk.at(now, ev.RecordingBroke("c", "c-8", again=False))
    assert desk.switchboard.next_deadline() == now + 5


def test_the_next_worker_goes_on_with_a_new_part_unless_it_is_paused() -> None:
    desk = live(ALWAYS)
    assert only(desk.at(6, ev.RecordingBroke("c", "c-1", again=True)), fx.StartRecording) == [replace(START, recording_id="c-2")]
    wants(desk, 7, "pause")
    assert desk.at(8, ev.RecordingBroke("c", "c-2", again=True)) == []
    assert desk.shown("ana").recording is RecordingState.PAUSED
    assert of_media(wants(desk, 9, "resume")) == [replace(START, recording_id="c-3"), *BEEPS]


@pytest.mark.parametrize(("action", "follows"), [("pause", [fx.PauseRecording("c", "c-1")]), ("stop", [fx.StopRecording("c", "c-1")])])
def test_a_part_that_begins_after_it_was_given_up_obeys(action: str, follows: list[fx.Effect]) -> None:
    desk = live(ON_DEMAND)
    wants(desk, 6, "start")
    desk.at(9, ev.EffectFailed("c", "", BROKEN, "StartRecording"))
    assert desk.shown("ana").recording is RecordingState.FAILED
    wants(desk, 10, action)
    assert desk.at(11, ev.RecordingBegan("c", "c-1")) == follows


def test_a_part_that_begins_late_counts() -> None:
    desk = live(ALWAYS)
    assert desk.at(6, ev.RecordingBegan("c", "c-1")) == []
    desk.at(6, ev.EffectFailed("c", "", BROKEN, "StartRecording"))
    assert of_media(desk.at(7, ev.RecordingBegan("c", "c-1"))) == BEEPS
    assert desk.shown("ana").recording is RecordingState.RECORDING and desk.switchboard.next_deadline() is None


def test_what_cannot_be_paused_is_ended() -> None:
    desk = live(ALWAYS)
    wants(desk, 6, "pause")
    assert of_media(desk.at(6, ev.EffectFailed("c", "", BROKEN, "PauseRecording"))) == [fx.StopRecording("c", "c-1")]
    assert desk.shown("ana").recording is RecordingState.PAUSED
    desk.at(7, ev.EffectFailed("c", "", BROKEN, "StopRecording"))
    assert of_media(wants(desk, 9, "resume"))[0] == replace(START, recording_id="c-2")


def test_a_tone_that_fails_breaks_nothing() -> None:
    desk = live(ALWAYS)
    assert desk.at(6, ev.EffectFailed("c", "", BROKEN, "PlayOnce")) == []
    assert desk.shown("ana").recording is RecordingState.RECORDING


def test_parts_have_an_end() -> None:
    desk = live(replace(ALWAYS, most_parts=3))
    for part in range(1, 4):
        desk.at(6, ev.RecordingBroke("c", f"c-{part}", again=True))
    assert len(desk.all(fx.StartRecording)) == 3
    assert desk.shown("ana").recording is RecordingState.FAILED and desk.switchboard.next_deadline() is None


def test_events_of_calls_that_are_over_are_counted() -> None:
    desk = live(ALWAYS)
    desk.at(6, ev.HangUpRequested("c", "ana"))
    for event in (ev.RecordingBegan("c", "c-1"), ev.RecordingBroke("c", "c-1", again=True), ev.SoundEnded("c-phone", "recording")):
        assert desk.at(7, event) == []
    assert desk.switchboard.late == {"RecordingBegan": 1, "RecordingBroke": 1, "SoundEnded": 1}


ASKED = replace(ALWAYS, announcement="question", consent="given", asks=True)
YES, NO = fx.KeepConsent("c", "yes"), fx.KeepConsent("c", "no")


def press(desk: Desk, now: float, key: str, leg_id: str = "c-phone") -> list[fx.Effect]:
    return [effect for effect in desk.at(now, ev.DigitHeard(leg_id, key)) if not isinstance(effect, fx.Notify | fx.WriteRecord)]


def test_who_is_asked_is_recorded_from_their_yes_on_and_not_before() -> None:
    desk = live(ASKED)
    assert desk.all(fx.PlayOnce) == [fx.PlayOnce("c-phone", "question")] and not desk.all(fx.StartRecording)
    desk.at(9, ev.SoundEnded("c-phone", "question"))
    assert not desk.all(fx.StartRecording) and desk.shown("ana").recording is RecordingState.ANNOUNCING
    assert press(desk, 10, "5") == press(desk, 10, "1", "c-ana") == [], "another key, and another one's key"
    start = replace(START, consent="given", answered=True)
    assert press(desk, 11, "1") == [fx.Hush("c-phone"), YES, start, *BEEPS]
    assert desk.shown("ana").recording is RecordingState.RECORDING and press(desk, 12, "2") == [], "a key in the call is a key"


@pytest.mark.parametrize("way", ["key", "silence", "key during the question", "agent"])
def test_who_says_no_or_nothing_is_never_begun_to_be_recorded(way: str) -> None:
    desk = live(ASKED)
    if way == "key during the question":
        assert press(desk, 6, "2") == [fx.Hush("c-phone"), NO]
    elif way == "agent":
        assert wants(desk, 6, "refuse")[0] == fx.KeepConsent("c", "no", "ana")
    else:
        desk.at(9, ev.SoundEnded("c-phone", "question"))
        told = press(desk, 10, "2") if way == "key" else [effect for effect in desk.wait_until(19.0) if isinstance(effect, fx.KeepConsent)]
        assert told[-1] == NO
    assert desk.shown("ana").recording is RecordingState.OFF
    desk.at(30, ev.LegLost("c-ana", DONE))
    desk.at(31, ev.LegConnected("c-ana"))
    desk.wait_until(100.0)
    assert not desk.all(fx.StartRecording) and not desk.all(fx.EraseRecording) and press(desk, 101, "1") == []


def test_a_question_that_nobody_heard_whole_is_put_again() -> None:
    desk = live(ASKED)
    desk.wait_until(5 + ASKED.announce_s)
    assert desk.all(fx.PlayOnce) == [fx.PlayOnce("c-phone", "question")] * 2 and not desk.all(fx.KeepConsent)


def test_whoever_took_it_back_before_is_not_recorded_and_nothing_has_to_be_erased() -> None:
    desk = live(ALWAYS)
    assert desk.all(fx.StartRecording) == [START]
    assert of_media(desk.at(6, ev.RecordingObjected("c", "c-1"))) == []
    assert desk.shown("ana").recording is RecordingState.OFF and desk.at(7, ev.RecordingObjected("c", "c-9")) == []
    desk.wait_until(100.0)
    assert desk.all(fx.StartRecording) == [START] and not desk.all(fx.EraseRecording) and not desk.all(fx.StopRecording)


def test_that_somebody_was_told_is_kept_once() -> None:
    desk = live(TOLD)
    desk.at(6, ev.SoundEnded("c-phone", "announcement"))
    desk.at(7, ev.RecordingBroke("c", "c-1", again=True))
    assert desk.all(fx.KeepConsent) == [fx.KeepConsent("c", "told")]
