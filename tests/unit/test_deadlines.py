"""Deadlines by name against the slow version: a plain dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from rooms.deadlines import CallDeadlines, DeadlineKind, Key

keys = st.builds(Key, st.sampled_from("cde"), st.sampled_from(DeadlineKind), st.sampled_from(["", "ana"]))


@given(st.lists(st.tuples(keys, st.one_of(st.none(), st.integers(0, 50))), max_size=300), st.integers(0, 50))
def test_same_as_a_dictionary(changes: list[tuple[Key, int | None]], now: int) -> None:
    deadlines, plain = CallDeadlines(), dict[Key, int]()
    for key, at in changes:
        if at is None:
            deadlines.clear(key)
            plain.pop(key, None)
        else:
            deadlines.set(key, at)
            plain[key] = at
        assert deadlines.next() == min(plain.values(), default=None)
    popped = []
    while (due := deadlines.pop_due(now)) is not None:
        popped.append(due)
    assert [plain[key] for key in popped] == sorted(at for at in plain.values() if at <= now)
    assert set(popped) == {key for key, at in plain.items() if at <= now} and len(deadlines) == len(plain) - len(popped)


def test_moving_a_deadline_for_ever_keeps_the_heap_small() -> None:
    deadlines = CallDeadlines()
    for at in range(10_000):
        deadlines.set(Key("c", DeadlineKind.RING), at)
    assert len(deadlines._heap) < 200 and deadlines.next() == 9_999


def test_a_whole_call_is_cleared() -> None:
    deadlines = CallDeadlines()
    deadlines.set(Key("c", DeadlineKind.RING), 1)
    deadlines.set(Key("c", DeadlineKind.RING_RELOAD, "ana"), 2)
    deadlines.set(Key("d", DeadlineKind.RING), 3)
    deadlines.clear_call("c", ("ana",))
    assert deadlines.next() == 3
