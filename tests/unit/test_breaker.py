"""When a backend is let alone, and when it is asked again."""

from hypothesis import given
from hypothesis import strategies as st

from api.backends.breaker import Breaker, BreakerLimits, BreakerState
from signaling.limits import TokenBucket


def ask(breaker: Breaker, good: bool, now: float) -> None:
    breaker.leave(breaker.enter(now), good, now)


def test_five_failures_in_a_row_open_it_and_two_successes_close_it() -> None:
    breaker = Breaker(BreakerLimits())
    for good in (False, False, False, False, True, False, False, False, False):
        ask(breaker, good, 0.0)
    assert breaker.state(0.0) is BreakerState.CLOSED
    ask(breaker, False, 0.0)
    assert breaker.state(59.0) is BreakerState.OPEN
    assert breaker.wait_s(20.0) == 40.0
    assert breaker.state(60.0) is BreakerState.PROBING
    ask(breaker, True, 60.0)
    assert breaker.state(61.0) is BreakerState.PROBING
    ask(breaker, True, 61.0)
    assert breaker.state(61.0) is BreakerState.CLOSED


def test_more_than_half_of_twenty_within_half_a_minute_open_it() -> None:
    def after(failing: int, step_s: float) -> BreakerState:
        breaker = Breaker(BreakerLimits(failures=100))
        goods = [False] * failing + [True] * (20 - failing)
        for place, good in enumerate(goods):
            ask(breaker, good, place * step_s)
        return breaker.state(19 * step_s)

    assert after(10, 1.0) is BreakerState.CLOSED
    assert after(11, 1.0) is BreakerState.OPEN
    assert after(11, 2.0) is BreakerState.CLOSED  # not twenty within half a minute


def test_one_failed_probe_opens_it_again_and_only_so_many_probe_at_once() -> None:
    breaker = Breaker(BreakerLimits(failures=1))
    ask(breaker, False, 0.0)
    first, _ = breaker.enter(60.0), breaker.enter(60.0)
    assert breaker.wait_s(60.0) == 1.0
    breaker.leave(first, False, 62.0)
    assert breaker.state(62.0) is BreakerState.OPEN
    assert breaker.wait_s(62.0) == 60.0


def test_a_probe_that_nobody_can_judge_makes_room_for_the_next() -> None:
    breaker = Breaker(BreakerLimits(failures=1, probes=1))
    ask(breaker, False, 0.0)
    probe = breaker.enter(60.0)
    assert breaker.wait_s(60.0) == 1.0
    breaker.leave(probe, None, 61.0)
    assert breaker.wait_s(61.0) == 0.0


class Story:
    """The slow version: all of what happened is kept, and the state is read off the words of the docstring."""

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._since: list[tuple[float, bool]] = []
        self._opened_at: float | None = None

    def asked(self, good: bool, now: float) -> None:
        if self._opened_at is not None:
            self._since.append((now, good))
            if not good:
                self._opened_at, self._since = now, []
            elif len(self._since) >= self._limits.probes:
                self._opened_at, self._since = None, []
            return
        self._since.append((now, good))
        row = [was for _, was in self._since[-self._limits.failures :]]
        last = [was for at, was in self._since[-self._limits.of :] if now - at <= self._limits.within_s]
        in_a_row = len(row) == self._limits.failures and not any(row)
        if in_a_row or (len(last) >= self._limits.of and last.count(False) > self._limits.share * len(last)):
            self._opened_at, self._since = now, []

    def state(self, now: float) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if not self._since and now < self._opened_at + self._limits.open_s else BreakerState.PROBING


LIMITS = st.builds(
    BreakerLimits,
    failures=st.integers(1, 6),
    share=st.floats(0.1, 0.9),
    of=st.integers(1, 8),
    within_s=st.integers(1, 40).map(float),
    open_s=st.integers(1, 60).map(float),
    probes=st.integers(1, 4),
)


@given(LIMITS, st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=120))
def test_it_agrees_with_its_story(limits: BreakerLimits, steps: list[tuple[int, bool]]) -> None:
    breaker, story, now = Breaker(limits), Story(limits), 0.0
    for pause_s, good in steps:
        now += pause_s
        assert breaker.state(now) is story.state(now)
        if breaker.wait_s(now) == 0.0:
            ask(breaker, good, now)
            story.asked(good, now)
        else:
            assert breaker.state(now) is not BreakerState.CLOSED


@given(LIMITS, st.lists(st.tuples(st.sampled_from(("enter", "good", "bad", "nobody", "wait")), st.integers(0, 20)), max_size=200))
def test_probes_are_bounded_and_every_entry_can_be_left(limits: BreakerLimits, acts: list[tuple[str, int]]) -> None:
    breaker, now = Breaker(limits), 0.0
    inside: list[tuple[int, BreakerState]] = []
    for act, number in acts:
        if act == "wait":
            now += number
        elif act == "enter":
            if breaker.wait_s(now) == 0.0:
                state = breaker.state(now)
                inside.append((breaker.enter(now), state))
        elif inside:
            generation, _ = inside.pop(number % len(inside))
            breaker.leave(generation, {"good": True, "bad": False, "nobody": None}[act], now)
        newest = max((generation for generation, _ in inside), default=-1)
        probing = [state for generation, state in inside if generation == newest]
        assert probing.count(BreakerState.PROBING) <= limits.probes
        assert breaker.wait_s(now) <= max(limits.open_s, 1.0)


@given(st.floats(0.1, 50), st.integers(1, 50), st.lists(st.floats(0, 5), max_size=100))
def test_a_bucket_never_gives_more_than_its_burst_and_rate(rate: float, burst: int, pauses: list[float]) -> None:
    bucket, now, given_ = TokenBucket(rate, burst, 0.0), 0.0, 0
    for pause_s in pauses:
        now += pause_s
        wait_s = bucket.take(now)
        if wait_s == 0.0:
            given_ += 1
        else:
            # Who waits as told gets it.
            now += wait_s * (1 + 1e-9) + 1e-9
            assert bucket.take(now) == 0.0
            given_ += 1
        assert given_ <= burst + rate * now + 1e-6
