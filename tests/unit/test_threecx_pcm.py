"""A route point's sound: bytes cut anywhere, and pacing, in plain seconds."""

from random import Random

import pytest

from pbx.threecx.pcm import FRAME_BYTES, SILENCE, Frames, Pacer


def numbered(number: int) -> bytes:
    return bytes([number % 256, 1]) * (FRAME_BYTES // 2)


@pytest.mark.parametrize("seed", range(20))
def test_frames_come_whole_whatever_the_borders(seed: int) -> None:
    random, frames = Random(seed), Frames()
    sent = b"".join(numbered(number) for number in range(50)) + b"x"
    got, at = [], 0
    while at < len(sent):
        size = random.randrange(1, 700)
        got += frames.take(sent[at : at + size])
        at += size
    assert got == [numbered(number) for number in range(50)]


def test_what_is_said_runs_ahead_a_little_and_never_starves() -> None:
    pacer, sent = Pacer(), 0.0
    for tick in range(500):
        now = 10.0 + tick * 0.02
        if tick % 3:
            pacer.say(numbered(tick))
        sent += len(pacer.due(now)) / FRAME_BYTES * 0.02
        assert 0.06 - 1e-6 <= sent - (now - 10.0) <= 0.2 + 1e-6
    assert pacer.dropped == 0 and pacer.filled > 100


def test_a_burst_is_held_back_in_order_and_cleared_when_somebody_speaks() -> None:
    pacer = Pacer()
    for number in range(40):
        pacer.say(numbered(number))
    assert pacer.due(0.0) == b"".join(numbered(number) for number in range(10))
    assert pacer.due(0.02) == numbered(10)
    pacer.clear()
    assert pacer.due(0.04) == b"" and pacer.due(0.2) == SILENCE * 2
    for number in range(60):
        pacer.say(numbered(number))
    assert pacer.dropped == 10


def test_after_a_pause_of_ours_nothing_is_caught_up() -> None:
    pacer = Pacer()
    pacer.due(0.0)
    assert pacer.due(5.0) == SILENCE * 3


def test_half_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="320 bytes"):
        Pacer().say(b"xx")
