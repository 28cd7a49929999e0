"""Rows are handed out from the bottom and come back."""

import random

import pytest

from dsp.lanes import LANES
from dsp.slots import Slots


def test_the_lowest_free_row_is_taken_first() -> None:
    slots = Slots(20)
    assert [slots.take() for _ in range(4)] == [0, 1, 2, 3]
    slots.free(1)
    assert (slots.take(), slots.take()) == (1, 4)


def test_used_rows_are_whole_tiles_and_shrink_again() -> None:
    slots = Slots(40)
    assert (slots.capacity, slots.used) == (3 * LANES, 0)
    rows = [slots.take() for _ in range(LANES + 1)]
    assert (len(slots), slots.used) == (LANES + 1, 2 * LANES)
    last = rows[-1]
    assert last is not None
    slots.free(last)
    assert slots.used == LANES


def test_a_full_house_gives_none_and_nothing_is_given_twice() -> None:
    slots = Slots(LANES)
    assert None not in [slots.take() for _ in range(LANES)]
    assert slots.take() is None
    with pytest.raises(KeyError):
        slots.free(LANES + 3)


def test_legs_that_come_and_go_at_every_tick_never_use_up_the_rows() -> None:
    slots, chance, taken = Slots(64), random.Random(1), set[int]()
    for _ in range(10_000):
        if taken and chance.random() < 0.5:
            slots.free(taken.pop())
        elif (row := slots.take()) is not None:
            assert row not in taken
            taken.add(row)
    assert len(slots) == len(taken)
