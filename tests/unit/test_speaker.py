"""Who has the floor."""

from media.speaker import ActiveSpeaker

LOUD, SOFT, SILENT = 1e-2, 1e-4, 1e-9


def run(speaker: ActiveSpeaker, from_s: float, seconds: float, **powers: float) -> list[str]:
    """Everybody this loud for so long; who took the floor."""
    steps = range(round(10 * seconds))
    return [speaker.leg_id for step in steps if speaker.heard(powers, from_s + step / 10)]


def test_the_first_to_speak_has_the_floor_and_a_louder_one_takes_it() -> None:
    speaker = ActiveSpeaker()
    assert run(speaker, 0.0, 2, ana=SILENT, ben=SILENT, eva=SILENT) == []
    assert run(speaker, 2.0, 2, ana=SOFT, ben=SILENT, eva=SILENT) == ["ana"]
    assert run(speaker, 4.0, 2, ana=SOFT, ben=1.5 * SOFT, eva=SILENT) == []
    assert run(speaker, 6.0, 2, ana=SOFT, ben=LOUD, eva=SILENT) == ["ben"]


def test_a_cough_does_not_take_the_floor() -> None:
    speaker = ActiveSpeaker()
    run(speaker, 0.0, 0.5, ana=LOUD, ben=SILENT)
    assert run(speaker, 0.5, 0.2, ana=LOUD, ben=2 * LOUD) == [] and speaker.leg_id == "ana"


def test_a_pause_for_breath_keeps_the_floor_and_a_long_one_gives_it_up() -> None:
    speaker = ActiveSpeaker()
    run(speaker, 0.0, 1, ana=LOUD)
    assert run(speaker, 1.0, 1.5, ana=SILENT) == []
    assert run(speaker, 2.5, 3, ana=SILENT) == [""]


def test_who_leaves_loses_it_at_once() -> None:
    speaker = ActiveSpeaker()
    run(speaker, 0.0, 1, ana=LOUD, ben=SILENT)
    assert run(speaker, 1.0, 0.1, ben=SILENT) == [""]
    run(speaker, 2.0, 1, ana=LOUD, ben=SILENT)
    assert run(speaker, 3.0, 0.1, ben=LOUD) == ["ben"]
