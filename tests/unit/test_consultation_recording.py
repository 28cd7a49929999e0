"""Who of a consultation is recorded when: hosts begin and end it, each person agrees or not, parts come and go with their legs."""

import pytest

from rooms.consultation_recording import (
    CONSULTATION_TABLE,
    Consent,
    ConsultationRecording,
    ConsultationState,
    ErasePart,
    PartEffect,
    PausePart,
    ResumePart,
    StartPart,
    StopPart,
)
from rooms.recording import RecordingAction
from rooms.refusals import NotPossible

LEGS = {"ana": "leg-a", "ben": "leg-b"}
ANA, BEN = StartPart("r", "n-1-1", "leg-a", "ana", "ana"), StartPart("r", "n-2-1", "leg-b", "ben", "ana")


def wants(recording: ConsultationRecording, action: str, by: str = "ana", *, host: bool = True) -> list[PartEffect]:
    return recording.request(RecordingAction(action), by, host=host)


def begun(*, asks: bool = True) -> ConsultationRecording:
    recording = ConsultationRecording("r", "n", asks)
    assert recording.seated(LEGS) == []
    assert wants(recording, "start") == ([ANA] if asks else [ANA, BEN])
    return recording


def refused(recording: ConsultationRecording, action: str, *, host: bool = True) -> str:
    with pytest.raises(NotPossible) as refusal:
        wants(recording, action, host=host)
    return refusal.value.code


def test_every_state_can_be_left_and_reached() -> None:
    assert {state for state, _ in CONSULTATION_TABLE} == set(CONSULTATION_TABLE.values()) == set(ConsultationState)


def test_nobody_is_recorded_who_was_not_asked_and_did_not_agree() -> None:
    recording = begun()
    assert recording.consents == {"ana": Consent.GIVEN, "ben": Consent.ASKED}
    assert recording.answer("ben", agrees=True) == [BEN]
    assert recording.answer("ben", agrees=True) == wants(recording, "start") == []
    assert recording.seated({**LEGS, "eva": "leg-e"}) == [] and recording.consents["eva"] is Consent.ASKED
    assert wants(recording, "stop") == [StopPart("r", "n-1-1"), StopPart("r", "n-2-1")] and recording.consents == {}
    assert wants(recording, "start") == [StartPart("r", "n-1-2", "leg-a", "ana", "ana")]
    assert recording.consents["ben"] is Consent.ASKED, "he agreed to what is over"


def test_where_nobody_is_asked_all_are_recorded_who_come() -> None:
    recording = begun(asks=False)
    assert recording.seated({**LEGS, "eva": "leg-e"}) == [StartPart("r", "n-3-1", "leg-e", "eva", "ana")]


def test_who_does_not_agree_is_not_recorded_and_what_was_kept_is_erased_once() -> None:
    recording = begun(asks=False)
    recording.broke("n-2-1", again=True)
    assert recording.answer("ben", agrees=False) == [StopPart("r", "n-2-2"), ErasePart("n-2-1", "ben"), ErasePart("n-2-2", "ben")]
    assert recording.answer("ben", agrees=False) == recording.seated(LEGS) == wants(recording, "start") == []
    assert wants(recording, "stop") == [StopPart("r", "n-1-1")]
    assert wants(recording, "refuse", "ana", host=False) == [ErasePart("n-1-1", "ana")], "also behind its end"
    assert recording.answer("ana", agrees=True) == [], "to what comes next"


def test_a_pause_holds_for_all_also_for_who_comes_or_agrees_in_it() -> None:
    recording = begun()
    assert wants(recording, "pause") == [PausePart("r", "n-1-1")]
    assert recording.answer("ben", agrees=True) == []
    assert recording.broke("n-1-1", again=True) == [], "no part begins in a pause"
    assert wants(recording, "resume") == [StartPart("r", "n-1-2", "leg-a", "ana", "ana"), BEN]
    wants(recording, "pause")
    assert wants(recording, "resume") == [ResumePart("r", "n-1-2"), ResumePart("r", "n-2-1")]
    wants(recording, "pause")
    assert wants(recording, "stop") == [StopPart("r", "n-1-2"), StopPart("r", "n-2-1")]


def test_a_part_ends_with_its_leg_and_the_next_leg_has_another() -> None:
    recording = begun()
    assert recording.seated({"ben": "leg-b"}) == []
    assert recording.seated({**LEGS, "ana": "leg-a2"}) == [StartPart("r", "n-1-2", "leg-a2", "ana", "ana")]
    assert recording.seated({**LEGS, "ana": "leg-a3"}) == [StartPart("r", "n-1-3", "leg-a3", "ana", "ana")]
    assert recording.broke("n-1-2", again=True) == [], "it was over"


def test_with_the_last_leg_the_recording_is_over_and_said_to_be() -> None:
    recording = begun()
    recording.answer("ben", agrees=True)
    assert recording.seated({}) == [] and recording.state is ConsultationState.OFF
    assert recording.seated(LEGS) == [], "who comes again is asked again"
    assert wants(recording, "start") == [StartPart("r", "n-1-2", "leg-a", "ana", "ana")]


def test_behind_a_full_disk_a_host_begins_again() -> None:
    recording = begun()
    assert recording.broke("n-1-1", again=False) == recording.seated({}) == []
    recording.seated(LEGS)
    recording = begun()
    assert recording.broke("n-1-1", again=False) == []
    assert wants(recording, "start") == [StartPart("r", "n-1-2", "leg-a", "ana", "ana")]


def test_only_hosts_command_and_only_what_means_something() -> None:
    recording = ConsultationRecording("r", "n", asks=True)
    assert refused(recording, "start", host=False) == "not_host"
    assert refused(recording, "pause") == refused(recording, "resume") == refused(recording, "stop") == "wrong_state"
    with pytest.raises(NotPossible, match="not being recorded"):
        recording.answer("ben", agrees=True)
