"""How long to wait before the next try."""

from api.patience import Patience, doubling


def test_waits_double_up_to_a_bound_and_begin_anew_after_a_success() -> None:
    patience, waits = Patience(0.2, 5.0), []
    for succeeded in (False,) * 7 + (True, False, False):
        patience.tried(succeeded)
        waits.append(patience.wait_s)
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0.2, 0.2, 0.4]


def test_a_thousand_failures_are_as_long_as_the_longest_wait() -> None:
    assert doubling(1.0, 600.0, 10_000) == 600.0
