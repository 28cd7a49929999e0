"""A message from the tone to its end, in made-up time: what ends it, what is none, what happens when nobody says what became of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.voicemail import Message, MessageAct, MessageLimits, MessageState, Outcome, PlayTone, Record, Settle, StopRecording

LIMITS = MessageLimits(max_s=60.0, least_s=1.0, quiet_s=5.0, begin_s=8.0, tone_s=2.0, keep_s=2.0)


def taking(now: float = 1.0) -> Message:
    message = Message(LIMITS, 0.0)
    assert message.begin() == [PlayTone()]
    assert message.tone_over(now) == [Record()]
    message.there()
    return message


def test_a_message_ends_with_a_key_and_is_kept_when_its_recording_is() -> None:
    message = taking()
    message.voice(True, 0.0, 2.0)
    assert message.digit("5", 3.0) == []
    assert message.digit("#", 9.0) == [StopRecording("the caller pressed a key")]
    assert message.digit("#", 9.1) == []
    assert message.closed(9.3) == [Settle(Outcome.TAKEN, 8.0)]
    assert message.closed(9.4) == message.broke(9.4) == message.expire(99.0) == [] and message.deadline is None


def test_who_refuses_before_the_tone_is_over_is_not_recorded_at_all() -> None:
    message = Message(LIMITS, 0.0)
    message.begin()
    assert message.digit("#", 0.5) == [] and message.state is MessageState.TONE
    assert message.digit("*", 1.0) == [Settle(Outcome.EMPTY, 1.0)] and message.refused and not message.is_there
    assert message.tone_over(1.5) == message.expire(99.0) == message.digit("*", 2.0) == [] and message.deadline is None


def test_who_refuses_after_having_spoken_left_no_message() -> None:
    message = taking()
    message.voice(True, 0.0, 2.0)
    assert message.digit("*", 9.0) == [StopRecording("the caller does not want it kept")]
    assert message.closed(9.1) == [Settle(Outcome.EMPTY, 8.0)] and message.refused


def test_a_message_ends_with_silence_but_not_while_a_word_lasts() -> None:
    message = taking()
    message.voice(True, 0.0, 2.0)
    assert message.deadline == 61.0
    message.voice(False, 10.0, 12.0)
    assert message.deadline == 17.0 and message.expire(16.9) == []
    message.voice(True, 10.0, 16.0)
    assert message.expire(30.0) == []
    message.voice(False, 12.0, 40.0)
    assert message.expire(45.0) == [StopRecording("the caller said no more")]
    assert message.closed(45.1) == [Settle(Outcome.TAKEN, 44.0)]


def test_a_message_has_a_longest_time_also_while_somebody_speaks() -> None:
    message = taking()
    message.voice(True, 0.0, 2.0)
    assert message.expire(61.0) == [StopRecording("it had its longest time")]
    assert message.closed(61.1) == [Settle(Outcome.TAKEN, 60.0)]
    late = taking()
    late.voice(False, 4.0, 59.0)
    assert late.deadline == 61.0


@pytest.mark.parametrize(("spoken_s", "outcome"), [(0.0, Outcome.EMPTY), (0.9, Outcome.EMPTY), (1.0, Outcome.TAKEN)])
def test_who_said_too_little_left_no_message(spoken_s: float, outcome: Outcome) -> None:
    message = taking()
    if spoken_s:
        message.voice(True, 0.0, 2.0)
        message.voice(False, spoken_s, 3.0)
    assert message.deadline is not None
    assert isinstance(message.expire(message.deadline)[0], StopRecording)
    (settled,) = message.closed(20.0)
    assert isinstance(settled, Settle) and settled.outcome is outcome


def test_who_hangs_up_in_the_middle_of_a_word_has_said_it_until_then() -> None:
    message = taking()
    message.voice(True, 0.0, 2.0)
    assert message.closed(4.5) == [Settle(Outcome.TAKEN, 3.5)]


def test_what_broke_is_kept_as_far_as_it_goes_and_what_was_never_there_is_not() -> None:
    message = taking()
    message.voice(True, 0.0, 2.0)
    assert message.broke(8.0) == [Settle(Outcome.TAKEN, 7.0)]
    never = Message(LIMITS, 0.0)
    never.tone_over(1.0)
    never.voice(True, 0.0, 2.0)
    assert never.broke(5.0) == [Settle(Outcome.FAILED, 4.0)]


def test_nobody_waits_for_a_tone_or_a_recording_of_which_nothing_is_heard() -> None:
    message = Message(LIMITS, 0.0)
    assert message.expire(2.0) == [Record()]
    assert message.tone_over(2.1) == []
    assert message.expire(10.0) == [StopRecording("the caller said no more")]
    assert message.expire(12.0) == [Settle(Outcome.FAILED, 8.0)]


STEP = st.one_of(
    st.tuples(st.just("tone")),
    st.tuples(st.just("there")),
    st.tuples(st.just("voice"), st.booleans()),
    st.tuples(st.just("digit"), st.sampled_from("0#")),
    st.tuples(st.just("closed")),
    st.tuples(st.just("broke")),
    st.tuples(st.just("expire")),
)


@given(st.lists(st.tuples(STEP, st.floats(0.0, 20.0)), max_size=30))
def test_whatever_comes_in_whatever_order_a_message_ends_once_and_in_time(steps: list[tuple[tuple[str, ...], float]]) -> None:
    message, now, spoken_s = Message(LIMITS, 0.0), 0.0, 0.0
    done: list[MessageAct] = message.begin()
    for step, wait_s in steps:
        while message.deadline is not None and message.deadline <= now + wait_s:
            done += message.expire(message.deadline)
        now += wait_s
        match step:
            case ("tone",):
                done += message.tone_over(now)
            case ("there",):
                message.there()
            case ("voice", speaks):
                spoken_s += 0.1
                done += message.voice(bool(speaks), spoken_s, now)
            case ("digit", key):
                done += message.digit(key, now)
            case ("closed",):
                done += message.closed(now)
            case ("broke",):
                done += message.broke(now)
            case _:
                done += message.expire(now)
    while message.deadline is not None:
        done += message.expire(message.deadline)
    assert message.state is MessageState.OVER
    kinds = [type(act) for act in done]
    assert kinds[0] is PlayTone and kinds[-1] is Settle
    assert all(kinds.count(kind) <= 1 for kind in (PlayTone, Record, StopRecording, Settle))
    assert done[-1].duration_s <= LIMITS.max_s  # type: ignore[union-attr]
