"""Where keys lie is found among very many, and costs little memory."""

import threading
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from api.privacy.key_index import KeyIndex

MANY = 20_000


def name(number: int) -> bytes:
    return b"key %d" % number


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.integers(0, 2**63 - 1), st.booleans()), max_size=200))
def test_it_finds_what_was_added_in_its_order(added: list[tuple[bytes, int, bool]]) -> None:
    index, known = KeyIndex(at_once=4), dict[bytes, list[int]]()
    for key, place, settles in added:
        index.add(key, place)
        known.setdefault(key, []).append(place)
        if settles:
            index.settle()
    for key, places in known.items():
        assert list(index.find(key)) == places
    assert not list(index.find(b"none of these"))


def test_a_key_costs_some_dozens_of_bytes() -> None:
    tracemalloc.start()
    try:
        index = KeyIndex()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(MANY):
            index.add(name(number), number)
            index.settle()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (held - before) / MANY < 48
    assert all(list(index.find(name(number))) == [number] for number in range(0, MANY, 97))
    assert not any(list(index.find(name(number))) for number in range(MANY, MANY + 500))


def test_who_looks_while_it_settles_finds_everything() -> None:
    index, missed, over = KeyIndex(at_once=16), [], threading.Event()
    for number in range(100):
        index.add(name(number), number)

    def look() -> None:
        while not over.is_set():
            missed.extend(number for number in range(100) if number not in index.find(name(number)))

    looking = [threading.Thread(target=look) for _ in range(2)]
    for thread in looking:
        thread.start()
    for number in range(100, 3_000):
        index.add(name(number), number)
        index.settle()
    over.set()
    for thread in looking:
        thread.join()
    assert not missed and all(list(index.find(name(number))) == [number] for number in range(3_000))
