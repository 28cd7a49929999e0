"""Two hours of a small contact centre through the whole of call control; a working day: ``python -m benchmarks centre_day``."""

from collections import Counter

from benchmarks.queue_simulation import Day, lived
from benchmarks.switched_centre import SwitchedCentre

HOURS = Day("two hours", 0.0, (0.02, 0.025, 0.03, 0.035, 0.03, 0.025) * 4, (9, 11, 11, 9))


def test_the_same_callers_are_served_as_by_the_queues_alone() -> None:
    """Where ringing, answering and talking cost no time of their own."""
    through, alone = lived(HOURS, 3, plain=True, kind=SwitchedCentre), lived(HOURS, 3, plain=True)
    ends = [sorted((fate.caller.name, fate.how, round(fate.wait_s, 6)) for fate in day.fates) for day in (through, alone)]
    assert ends[0] == ends[1] and Counter(fate.how for fate in through.fates)["served"] > 100
    assert through.centre.left_over == 0 and through.service_level == alone.service_level


def test_every_caller_of_a_lively_day_is_accounted_for_and_nothing_is_left_over() -> None:
    once, twice = (lived(HOURS, 5, plain=False, kind=SwitchedCentre) for _ in range(2))
    names = [fate.caller.name for fate in once.fates]
    assert len(names) == len(set(names)) == once.centre.came
    assert {fate.how for fate in once.fates} >= {"served", "abandoned", "called_back"}
    assert once.centre.left_over == 0 and once.centre.digest == twice.centre.digest
