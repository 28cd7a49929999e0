"""Which stages a leg's voice goes through, second by second."""

import pytest

from dsp.chain import Stages
from media.voice_care import Condition, VoiceCare, VoiceSettings

UNKNOWN = Condition(has_echo=False, noise_dbfs=None, speech_dbfs=None)
FINE = Condition(has_echo=False, noise_dbfs=-70.0, speech_dbfs=-24.0)
NOISY = Condition(has_echo=False, noise_dbfs=-45.0, speech_dbfs=-24.0)
SOFT = Condition(has_echo=False, noise_dbfs=-75.0, speech_dbfs=-40.0)
ECHOING = Condition(has_echo=True, noise_dbfs=-70.0, speech_dbfs=-24.0)
BARE = Stages(high_pass=True, echo=False, noise=False, gain=False)


def test_a_phone_is_taken_care_of_from_the_beginning() -> None:
    care = VoiceCare(VoiceSettings(), "phone")
    assert care.stages(UNKNOWN, 100.0) == Stages() == care.stages(FINE, 101.0)


def test_a_phone_in_a_quiet_place_keeps_its_voice_as_it_is() -> None:
    care = VoiceCare(VoiceSettings(), "phone")
    for now, condition in ((100.0, UNKNOWN), (101.0, NOISY), (105.0, FINE)):
        assert care.stages(condition, now).noise
    assert care.stages(FINE, 111.0) == Stages(noise=False)
    assert care.stages(NOISY, 112.0) == Stages() == care.stages(FINE, 121.9)


def test_noise_suppression_stays_where_a_phone_has_an_echo() -> None:
    care = VoiceCare(VoiceSettings(), "phone")
    care.stages(ECHOING, 100.0)
    assert care.stages(FINE, 200.0) == Stages()


def test_a_browser_is_left_alone_while_nothing_is_wrong() -> None:
    care = VoiceCare(VoiceSettings(), "peer")
    assert [care.stages(condition, now) for now, condition in enumerate((UNKNOWN, FINE, FINE))] == [BARE] * 3


@pytest.mark.parametrize(("condition", "stage"), [(NOISY, "noise"), (SOFT, "gain"), (ECHOING, "echo")], ids=["noise", "gain", "echo"])
def test_what_is_wrong_switches_its_stage_on(condition: Condition, stage: str) -> None:
    stages = VoiceCare(VoiceSettings(), "peer").stages(condition, 0.0)
    assert [name for name in ("echo", "noise", "gain") if getattr(stages, name)] == [stage]


def test_a_stage_goes_off_after_ten_good_seconds_and_an_echo_stays_watched() -> None:
    care = VoiceCare(VoiceSettings(), "peer")
    for condition in (NOISY, ECHOING):
        care.stages(condition, 0.0)
    at_nine, at_ten = care.stages(FINE, 9.9), care.stages(FINE, 10.0)
    assert at_nine.noise
    assert not at_ten.noise and at_ten.echo


def test_on_and_off_are_obeyed() -> None:
    assert VoiceCare(VoiceSettings(echo="on", noise="off", gain="off"), "peer").stages(FINE, 0.0) == Stages(noise=False, gain=False)
    assert VoiceCare(VoiceSettings(echo="off"), "phone").stages(ECHOING, 0.0) == Stages(echo=False)
    assert VoiceCare(VoiceSettings.untouched(), "phone").stages(NOISY, 0.0) == BARE
