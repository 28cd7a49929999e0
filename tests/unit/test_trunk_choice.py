"""Which PBX takes a call: priorities, weights, and the shares of those that return."""

from collections import Counter

from pbx.trunk_choice import Candidate, Choice
from pbx.trunk_health import FailoverSettings, HealthState, TrunkHealth


def candidate(name: str, state: HealthState = HealthState.ALL, priority: int = 1, weight: int = 1) -> Candidate:
    health = TrunkHealth(FailoverSettings())
    health.state = state
    return Candidate(name, health, priority, weight)


def firsts(choice: Choice, calls: int) -> Counter[str]:
    return Counter(choice.order()[0].name for _ in range(calls))


def test_the_lowest_priority_takes_all_calls() -> None:
    choice = Choice([candidate("b", priority=2), candidate("a"), candidate("c", priority=3)])
    assert firsts(choice, 50) == {"a": 50}
    assert [one.name for one in choice.order()] == ["a", "b", "c"]


def test_weights_are_kept_exactly_and_evenly() -> None:
    choice = Choice([candidate("a", weight=3), candidate("b", weight=1)])
    names = [choice.order()[0].name for _ in range(40)]
    assert Counter(names) == {"a": 30, "b": 10}
    assert all(Counter(names[start : start + 4])["b"] == 1 for start in range(0, 40, 4))


def test_a_pbx_that_returns_takes_its_share() -> None:
    for state, expected in ((HealthState.TWENTIETH, 5), (HealthState.FIFTH, 20), (HealthState.HALF, 50), (HealthState.ALL, 100)):
        choice = Choice([candidate("a", state), candidate("b", priority=2)])
        assert firsts(choice, 100)["a"] == expected


def test_within_one_priority_too() -> None:
    choice = Choice([candidate("a", HealthState.TWENTIETH), candidate("b")])
    assert firsts(choice, 210)["a"] == 10, "0.05 of 1.05"


def test_the_second_choice_is_one_that_is_whole() -> None:
    choice = Choice([candidate("a"), candidate("b", HealthState.DOWN, 2), candidate("c", HealthState.HALF, 3), candidate("d", priority=4)])
    assert [one.name for one in choice.order()] == ["a", "d", "c", "b"]


def test_a_returning_pbx_takes_all_where_there_is_no_other() -> None:
    choice = Choice([candidate("a", HealthState.TWENTIETH), candidate("b", HealthState.DOWN, 2)])
    assert firsts(choice, 30) == {"a": 30}


def test_where_all_are_down_they_are_still_tried_in_their_order() -> None:
    choice = Choice([candidate("b", HealthState.DOWN, 2), candidate("a", HealthState.NEW)])
    assert [one.name for one in choice.order()] == ["a", "b"]
