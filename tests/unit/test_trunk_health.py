"""Health of one PBX of several: it falls at once and returns by steps, each after health was seen for a while."""

from random import Random

from pbx.trunk_health import FailoverSettings, HealthState, TrunkHealth

SETTINGS = FailoverSettings(rest_s=10, longest_rest_s=80, step_s=30, steady_s=900)


def fallen(at: float = 0.0) -> TrunkHealth:
    health = TrunkHealth(SETTINGS)
    health.seen(at)
    health.failed(at)
    return health


def recover(health: TrunkHealth, now: float) -> float:
    """Be seen every second until all calls are its own again; when that was."""
    while health.share < 1.0:
        health.seen(now)
        now += 1.0
    return now


def test_a_pbx_that_never_failed_has_all_calls_as_soon_as_it_is_seen() -> None:
    health = TrunkHealth(SETTINGS)
    assert health.share == 0.0
    assert health.seen(0) and health.share == 1.0
    assert not health.seen(1)


def test_one_failure_is_enough() -> None:
    health = TrunkHealth(SETTINGS)
    health.seen(0)
    assert health.failed(1) and health.share == 0.0
    assert not health.failed(2)


def test_it_returns_by_steps() -> None:
    health = fallen()
    steps = []
    for now in range(1, 200):
        if health.seen(now):
            steps.append((now, health.share))
    assert steps == [(11, 0.05), (41, 0.2), (71, 0.5), (101, 1.0)]


def test_time_alone_brings_nothing_back() -> None:
    health = fallen()
    health.seen(1)
    assert health.share == 0.0
    assert health.seen(5_000) and health.share == 0.05
    assert health.seen(9_000) and health.share == 0.2, "one step for one sign of life, however late it is"


def test_a_failure_while_it_rests_begins_the_rest_again() -> None:
    health = fallen()
    health.seen(1)
    health.failed(9)
    assert not health.seen(12) and not health.seen(21)
    assert health.seen(22)


def test_it_falls_back_at_the_first_failure_of_each_step() -> None:
    for share in (0.05, 0.2, 0.5):
        health = fallen()
        now = 0.0
        while health.share < share:
            now += 1.0
            health.seen(now)
        health.failed(now)
        assert health.state is HealthState.DOWN


def test_each_fall_doubles_the_rest_until_it_was_steady() -> None:
    health = fallen()
    rests, now = [health.rest_s], 0.0
    for _ in range(5):
        now = recover(health, now)
        health.failed(now)
        rests.append(health.rest_s)
    assert rests == [10, 20, 40, 80, 80, 80]
    now = recover(health, now) + 900
    health.failed(now)
    assert health.rest_s == 10


def test_a_pbx_that_comes_and_goes_is_not_flapped_with() -> None:
    """Whatever it does in ten hours: between a fall and the next call lies at least the rest, and falls grow rare."""
    random, health, now = Random(7), TrunkHealth(SETTINGS), 0.0
    health.seen(now)
    fell_at, rested_s, falls = -1e9, 0.0, 0
    while now < 36_000:
        now += random.expovariate(1.0)
        before = health.share
        if random.random() < 0.02:
            if health.failed(now):
                fell_at, falls = now, falls + 1
                rested_s = health.rest_s
        elif health.seen(now) and before == 0.0:
            assert now - fell_at >= rested_s
    assert falls <= 36_000 / 80, "never more than one fall in the longest rest"
