"""The mix: every room by its own matrix, changes without clicks, one row's garbage in nobody else's ears."""

import numpy as np
import pytest

from dsp.mix import KNEE, ActiveSpeakers, Mix, soft_limit

SAMPLES = 320


def plainly(block: np.ndarray, rooms: dict[str, tuple[list[int], np.ndarray]]) -> np.ndarray:
    """Room after room, listener after listener."""
    out = np.zeros_like(block)
    for rows, gains in rooms.values():
        for listener, row in enumerate(rows):
            for speaker, other in enumerate(rows):
                out[row] += gains[listener, speaker] * block[other]
    return out


def minus(n: int) -> np.ndarray:
    """Everybody hears everybody else."""
    return (1 - np.eye(n)).astype(np.float32)


def voices(rows: int, seed: int = 0, level: float = 0.05) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, SAMPLES)).astype(np.float32) * np.float32(level)


def many_rooms() -> dict[str, tuple[list[int], np.ndarray]]:
    rng = np.random.default_rng(4)
    places = rng.permutation(64)
    rooms, at = {}, 0
    for index, n in enumerate((2, 5, 2, 1, 7, 5, 2, 3, 5)):
        rooms[f"room {index}"] = (places[at : at + n].tolist(), rng.uniform(0, 1, (n, n)).astype(np.float32))
        at += n
    return rooms


def settled(rooms: dict[str, tuple[list[int], np.ndarray]], capacity: int = 64) -> Mix:
    mix = Mix(capacity)
    for key, (rows, gains) in rooms.items():
        mix.set_room(key, rows, gains)
    mix.process(np.zeros((capacity, SAMPLES), np.float32))
    return mix


def test_all_rooms_are_mixed_as_each_would_be() -> None:
    rooms, block = many_rooms(), voices(64)
    heard = settled(rooms).process(block)
    assert np.allclose(heard, plainly(block, rooms), atol=1e-6)
    assert not heard[[row for row in range(64) if all(row not in rows for rows, _ in rooms.values())]].any()


def test_a_room_among_others_is_bit_equal_to_that_room_alone() -> None:
    rooms, block = many_rooms(), voices(64)
    heard = settled(rooms).process(block)
    for key, (rows, gains) in rooms.items():
        assert np.array_equal(heard[rows], settled({key: (rows, gains)}).process(block)[rows])


def test_a_changed_gain_ramps_over_one_block() -> None:
    mix = settled({"a": ([0, 1], minus(2))}, 16)
    block = np.full((16, SAMPLES), 0.5, np.float32)
    mix.set_room("a", [0, 1], np.array([[0, 0.2], [1, 0]], np.float32))
    ramped, after = mix.process(block), mix.process(block)
    assert ramped[0, 0] == 0.5 and np.allclose(np.diff(ramped[0]), -0.4 / SAMPLES, atol=1e-6)
    assert np.allclose(after[0], 0.1) and np.array_equal(ramped[1], np.full(SAMPLES, 0.5, np.float32))


def test_who_comes_fades_in_and_the_others_go_on() -> None:
    mix = settled({"a": ([3, 7], minus(2))}, 16)
    block = np.zeros((16, SAMPLES), np.float32)
    block[7], block[5] = 0.3, 0.2
    mix.set_room("a", [5, 7, 3], minus(3))
    heard = mix.process(block)[3]
    assert heard[0] == np.float32(0.3) and heard[-1] == pytest.approx(0.5, abs=0.001) and np.diff(heard).min() > 0
    mix.set_room("a", [5, 3], minus(2))
    assert np.allclose(mix.process(block)[3], 0.2), "who has gone is not in the room, the others are as loud as before"
    mix.remove_room("a")
    mix.remove_room("a")
    assert not mix.process(block).any()


def test_two_changes_before_a_block_ramp_from_what_was_heard() -> None:
    mix = settled({"a": ([0, 1], minus(2))}, 16)
    block = np.full((16, SAMPLES), 0.5, np.float32)
    mix.set_room("a", [0, 1], np.zeros((2, 2), np.float32))
    mix.set_room("a", [0, 1], minus(2))
    assert np.array_equal(mix.process(block)[0], block[0])


def test_gains_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="has to be square"):
        Mix(16).set_room("a", [0, 1, 2], minus(2))


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf, 1e30, 3.0, 0.0])
def test_garbage_stays_in_its_own_room_and_is_never_heard_as_such(garbage: float) -> None:
    rooms = {"a": ([0, 1, 2], minus(3)), "b": ([3, 4, 5], minus(3))}
    block = voices(16)
    clean = settled(rooms, 16).process(block)
    block[1, ::3] = garbage
    heard = settled(rooms, 16).process(block)
    assert np.array_equal(heard[3:], clean[3:]) and np.array_equal(heard[1], clean[1])
    assert np.isfinite(heard).all() and np.abs(heard).max() <= 1.0


def test_a_gain_of_nothing_keeps_garbage_out() -> None:
    gains = minus(3)
    gains[0, 1] = 0
    rooms, block = {"a": ([0, 1, 2], gains)}, voices(16)
    clean = settled(rooms, 16).process(block)
    block[1] = np.nan
    assert np.array_equal(settled(rooms, 16).process(block)[0], clean[0])


def test_the_limit_is_soft() -> None:
    x = np.linspace(-4, 4, 8001, dtype=np.float32)[None].copy()
    y = soft_limit(x.copy())
    inside = np.abs(x) <= KNEE
    assert np.array_equal(y[inside], x[inside]) and np.abs(y).max() <= 1.0
    assert np.all(np.diff(y) >= 0) and np.diff(y).max() <= np.diff(x).max() * 1.01
    assert np.array_equal(y, -y[:, ::-1])


def test_only_who_is_selected_is_heard_and_the_change_ramps() -> None:
    mix = settled({"a": ([0, 1, 2], minus(3))}, 16)
    block = np.zeros((16, SAMPLES), np.float32)
    block[0], block[1] = 0.3, 0.2
    audible = np.ones(16, np.bool_)
    audible[1] = False
    mix.select(audible)
    ramped, after = mix.process(block)[2], mix.process(block)[2]
    assert ramped[0] == np.float32(0.5) and ramped[-1] == pytest.approx(0.3, abs=0.001) and np.allclose(after, 0.3)


class TestActiveSpeakers:
    ROOM = np.arange(6)[None]

    def observed(self, speakers: ActiveSpeakers, levels: dict[int, float], blocks: int = 10) -> list[int]:
        for _ in range(blocks):
            level, speaking = np.full(16, -60.0), np.zeros(16, np.bool_)
            for row, dbfs in levels.items():
                level[row], speaking[row] = dbfs, True
            speakers.observe(level, speaking, 0.02)
            speakers.choose(self.ROOM)
        return np.flatnonzero(speakers.selected).tolist()

    def test_the_loudest_are_selected(self) -> None:
        speakers = ActiveSpeakers(16, most=2)
        assert self.observed(speakers, {0: -40, 3: -25, 4: -30}) == [3, 4]
        assert np.flatnonzero(speakers.dominant).tolist() == [3]

    def test_a_little_louder_is_not_enough(self) -> None:
        speakers = ActiveSpeakers(16, most=1)
        assert self.observed(speakers, {1: -30}) == [1]
        assert self.observed(speakers, {1: -30, 2: -26}) == [1]
        assert self.observed(speakers, {1: -30, 2: -20}) == [2]

    def test_who_pauses_stays_until_another_speaks(self) -> None:
        speakers = ActiveSpeakers(16, most=1)
        self.observed(speakers, {5: -25})
        assert self.observed(speakers, {}, 300) == [5] and not speakers.dominant.any()
        assert self.observed(speakers, {0: -45}) == [0]

    def test_noise_that_is_no_speech_and_nan_do_not_count(self) -> None:
        speakers = ActiveSpeakers(16, most=2)
        speakers.observe(np.where(np.arange(16) == 1, np.nan, -20.0), np.arange(16) < 2, 0.1)
        speakers.choose(self.ROOM)
        assert np.flatnonzero(speakers.selected).tolist() == [0]
        speakers.reset(np.array([0]))
        assert not speakers.selected.any() and speakers.level_dbfs[0] == -60.0

    def test_rooms_of_one_size_are_chosen_side_by_side(self) -> None:
        both, one = ActiveSpeakers(16, most=1), ActiveSpeakers(16, most=1)
        level = np.random.default_rng(2).uniform(-50, -20, 16)
        for speakers, rooms in ((both, np.array([[0, 1, 2], [7, 8, 9]])), (one, np.array([[7, 8, 9]]))):
            speakers.observe(level, np.ones(16, np.bool_), 0.1)
            speakers.choose(rooms)
        assert both.selected.sum() == 2 and np.array_equal(both.selected[7:10], one.selected[7:10])
