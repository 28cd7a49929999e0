"""Each press of a key once and in order, however many ways it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.presses import Presses, Way

BOTH = (Way.AUDIO, Way.SIGNALLING)


def told(*words: tuple[str, Way, float]) -> str:
    presses = Presses()
    return "".join(digit for digit, way, at_s in words if presses.is_new("leg", digit, way, at_s))


@pytest.mark.parametrize(("first", "second"), [BOTH, BOTH[::-1]])
def test_a_key_that_comes_both_ways_is_pressed_once(first: Way, second: Way) -> None:
    assert (
        told(("1", first, 0.0), ("1", second, 0.2), ("1", first, 0.5), ("1", second, 0.6), ("2", first, 0.8), ("2", second, 0.9)) == "112"
    )


@pytest.mark.parametrize("way", BOTH)
def test_a_key_pressed_again_and_again_one_way_is_pressed_so_often(way: Way) -> None:
    assert told(*[("7", way, 0.1 * n) for n in range(40)]) == "7" * 40


def test_what_comes_much_later_is_another_press() -> None:
    assert told(("1", Way.AUDIO, 0.0), ("1", Way.SIGNALLING, 3.0)) == "11"


def test_legs_are_apart_and_none_is_remembered_for_ever() -> None:
    presses = Presses()
    assert presses.is_new("a", "1", Way.AUDIO, 0.0) and presses.is_new("b", "1", Way.SIGNALLING, 0.1)
    presses.forget("a")
    assert len(presses) == 1 and presses.is_new("a", "1", Way.SIGNALLING, 0.2)
    for number in range(10_050):
        presses.is_new(f"leg {number}", "1", Way.AUDIO, 1.0)
    assert len(presses) == 10_000


@given(st.lists(st.sampled_from("01*#"), max_size=20), st.floats(0.0, 1.0), st.booleans())
def test_whatever_is_pressed_is_told_once_and_in_order_where_both_ways_keep_it(keys: list[str], late_s: float, audio_first: bool) -> None:
    first, second = BOTH if audio_first else BOTH[::-1]
    words = [(0.3 * n, 0, key, first) for n, key in enumerate(keys)] + [(0.3 * n + late_s, 1, key, second) for n, key in enumerate(keys)]
    assert told(*[(key, way, at_s) for at_s, _, key, way in sorted(words)]) == "".join(keys)
