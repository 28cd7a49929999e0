"""What becomes of an entry of the outbox that was not taken."""

import pytest

from api.after.delivery import Dead, OutboxSettings, PutOff, after_fault
from api.backends.protocols import BackendFault, FaultCause

SETTINGS = OutboxSettings()


def after(cause: FaultCause, attempts: int = 0, now: float = 0.0, **more: float) -> PutOff | Dead:
    return after_fault(BackendFault(cause, "words.", **more), attempts, 0.0, now, 0.5, SETTINGS)


def test_tries_are_three_times_as_far_apart_each_time_up_to_a_bound() -> None:
    waits = [verdict.due_at for attempts in range(9) if isinstance(verdict := after("unreachable", attempts), PutOff)]
    assert waits == [5.0, 15.0, 45.0, 135.0, 405.0, 1215.0, 3645.0, 10935.0, 21600.0]


def test_jitter_is_a_quarter_each_way() -> None:
    found = [after_fault(BackendFault("slow", ""), 0, 0.0, 0.0, jitter, SETTINGS) for jitter in (0.0, 1.0)]
    assert found == [PutOff(3.75, 1), PutOff(6.25, 1)]


def test_a_backend_says_itself_when_to_come_again() -> None:
    assert after("rate_limited", retry_after_s=120.0) == PutOff(120.0, 1)
    assert after("rate_limited", retry_after_s=1.0) == PutOff(5.0, 1)


def test_to_wait_for_a_backend_that_is_let_alone_is_no_try() -> None:
    assert after("open", attempts=4, retry_after_s=40.0) == PutOff(42.5, 4)


@pytest.mark.parametrize("cause", ["refused", "invalid", "too_large"])
def test_what_is_refused_for_good_is_not_tried_again(cause: FaultCause) -> None:
    assert after(cause) == Dead(f"{cause}: words.", 1)


def test_the_tenth_try_is_the_last() -> None:
    assert after("slow", attempts=8) != Dead("slow: words. It was tried 9 times.", 9)
    assert after("slow", attempts=9) == Dead("slow: words. It was tried 10 times.", 10)


def test_nothing_is_tried_for_longer_than_a_day_not_even_where_nobody_was_asked() -> None:
    assert after("unreachable", now=86_390.0) == PutOff(86_395.0, 1)
    assert after("unreachable", now=86_399.0) == Dead("unreachable: words. It was tried for 24 hours.", 1)
    assert after("open", now=86_399.0, retry_after_s=60.0) == Dead("open: words. It was tried for 24 hours.", 0)
