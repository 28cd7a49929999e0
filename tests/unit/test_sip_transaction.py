"""The transaction tables against RFC 3261, section 17 and RFC 6026, timer by timer, in virtual time."""

import itertools

import pytest

from pbx.timers import Timers
from pbx.transaction import Do, Happened, Kind, State, Transaction

H, S = Happened, State


class Bench:
    """One transaction; ``done`` holds (seconds since the start, what it did)."""

    def __init__(self, kind: Kind, *, reliable: bool = False) -> None:
        self.timers = Timers()
        self.done: list[tuple[float, Do]] = []
        self.ended = 0
        self.transaction = Transaction(kind, reliable=reliable, timers=self.timers, do=self._do, ended=self._ended)

    def _do(self, action: Do) -> None:
        self.done.append((round(self.timers.now, 3), action))

    def _ended(self) -> None:
        self.ended += 1

    def until(self, end: float) -> None:
        while (due := self.timers.next_deadline()) is not None and due <= end:
            self.timers.expire(due)
        self.timers.expire(end)

    def times(self, action: Do) -> list[float]:
        return [at for at, what in self.done if what is action]


def test_an_unanswered_invite_doubles_until_timer_b() -> None:
    bench = Bench(Kind.INVITE_CLIENT)
    bench.until(100)
    assert bench.times(Do.SEND) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert bench.times(Do.TELL_TIMEOUT) == [32.0] and bench.ended == 1


def test_an_unanswered_request_doubles_up_to_t2_until_timer_f() -> None:
    bench = Bench(Kind.CLIENT)
    bench.until(100)
    assert bench.times(Do.SEND) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.times(Do.TELL_TIMEOUT) == [32.0]


def test_a_provisional_response_slows_a_request_to_t2() -> None:
    bench = Bench(Kind.CLIENT)
    bench.until(0.6)
    bench.transaction.happened(H.PROVISIONAL)
    bench.until(12)
    assert bench.times(Do.SEND) == [0.5, 1.5, 5.5, 9.5]


@pytest.mark.parametrize("kind", [Kind.INVITE_CLIENT, Kind.CLIENT])
def test_nothing_is_repeated_over_tcp(kind: Kind) -> None:
    bench = Bench(kind, reliable=True)
    bench.until(100)
    assert bench.times(Do.SEND) == [] and bench.times(Do.TELL_TIMEOUT) == [32.0]


def test_a_provisional_response_to_an_invite_ends_repeating_and_waiting() -> None:
    bench = Bench(Kind.INVITE_CLIENT)
    bench.transaction.happened(H.PROVISIONAL)
    bench.until(1000)
    assert bench.done == [(0.0, Do.PASS)] and bench.transaction.state is S.PROCEEDING


@pytest.mark.parametrize(("reliable", "over"), [(False, 32.0), (True, 0.0)])
def test_a_refusal_is_passed_once_and_acknowledged_each_time(reliable: bool, over: float) -> None:
    bench = Bench(Kind.INVITE_CLIENT, reliable=reliable)
    for _ in range(3):
        bench.transaction.happened(H.REFUSAL)
    assert [action for _, action in bench.done] == [Do.ACK, Do.PASS, Do.ACK, Do.ACK]
    bench.until(over)
    assert bench.ended == 1


def test_every_2xx_is_passed_for_64_t1() -> None:
    bench = Bench(Kind.INVITE_CLIENT)
    bench.transaction.happened(H.SUCCESS)
    bench.until(31.9)
    assert bench.transaction.happened(H.SUCCESS)
    bench.until(32)
    assert bench.ended == 1 and len(bench.times(Do.PASS)) == 2
    assert not bench.transaction.happened(H.SUCCESS)


def test_a_refused_invite_is_repeated_until_its_ack() -> None:
    bench = Bench(Kind.INVITE_SERVER)
    bench.transaction.happened(H.SEND_REFUSAL)
    bench.until(8)
    assert bench.times(Do.SEND) == [0.0, 0.5, 1.5, 3.5, 7.5]
    bench.transaction.happened(H.ACK)
    bench.until(13)
    assert bench.ended == 1 and len(bench.times(Do.SEND)) == 5


def test_a_refusal_without_ack_is_told_after_timer_h() -> None:
    bench = Bench(Kind.INVITE_SERVER)
    bench.transaction.happened(H.SEND_REFUSAL)
    bench.until(100)
    assert bench.times(Do.TELL_TIMEOUT) == [32.0] and bench.ended == 1


def test_an_accepted_invite_absorbs_repetitions_and_passes_acks() -> None:
    bench = Bench(Kind.INVITE_SERVER)
    bench.transaction.happened(H.SEND_SUCCESS)
    assert not bench.transaction.happened(H.REQUEST)
    assert bench.transaction.happened(H.ACK) and bench.transaction.happened(H.SEND_SUCCESS)
    bench.until(32)
    assert [action for _, action in bench.done] == [Do.SEND, Do.PASS, Do.SEND] and bench.ended == 1


@pytest.mark.parametrize(("reliable", "over"), [(False, 32.0), (True, 0.0)])
def test_an_answered_request_repeats_its_answer_on_demand(reliable: bool, over: float) -> None:
    bench = Bench(Kind.SERVER, reliable=reliable)
    assert not bench.transaction.happened(H.REQUEST), "nothing to repeat yet"
    bench.transaction.happened(H.SEND_SUCCESS)
    bench.transaction.happened(H.REQUEST)
    assert not bench.transaction.happened(H.SEND_REFUSAL), "one final answer only"
    bench.until(over)
    assert len(bench.times(Do.SEND)) == 2 and bench.ended == 1


@pytest.mark.parametrize("kind", [Kind.INVITE_CLIENT, Kind.CLIENT])
def test_a_transport_that_fails_is_told(kind: Kind) -> None:
    bench = Bench(kind)
    bench.transaction.happened(H.UNREACHABLE)
    assert bench.done == [(0.0, Do.TELL_UNREACHABLE)] and bench.ended == 1
    assert bench.timers.next_deadline() is None


@pytest.mark.parametrize("kind", list(Kind))
def test_no_order_of_events_leaves_timers_behind_or_ends_twice(kind: Kind) -> None:
    told = [what for what in Happened if not what.startswith("timer")]
    for first, second, third in itertools.product(told, repeat=3):
        bench = Bench(kind)
        for what in (first, second, third):
            bench.transaction.happened(what)
        bench.until(10_000)
        state = bench.transaction.state
        assert bench.ended == (state is S.TERMINATED), (first, second, third)
        assert state in (S.TERMINATED, S.PROCEEDING, S.TRYING), (first, second, third)
        assert bench.timers.next_deadline() is None


def test_timers_fire_in_order_and_cancelled_ones_never() -> None:
    timers, fired = Timers(5.0), list[str]()
    timers.start(2, lambda: fired.append("late"))
    gone = timers.start(1, lambda: fired.append("gone"))
    timers.start(1, lambda: timers.start(0.5, lambda: fired.append("nested")))
    gone.cancel()
    assert timers.next_deadline() == 6.0
    timers.expire(6.9)
    assert fired == [] and timers.next_deadline() == 7.0
    timers.advance(3.0)
    assert timers.now == 6.9
    timers.expire(8.0)
    assert fired == ["late", "nested"] and timers.next_deadline() is None


def test_deadlines_that_were_called_off_do_not_pile_up() -> None:
    timers, fired = Timers(), list[int]()
    for number in range(1000):
        kept = timers.start(900.0 + number, lambda number=number: fired.append(number))
        if number % 10:
            kept.cancel()
            kept.cancel()
    assert len(timers._heap) < 300
    assert timers.next_deadline() == 900.0
    timers.expire(5000.0)
    assert fired == list(range(0, 1000, 10)) and timers.next_deadline() is None
