"""Erlang B, C and A: published values, and the same worked out state by state."""

import math

import pytest

from rooms.erlang import agents_needed, erlang_b, erlang_c, expected


@pytest.mark.parametrize(
    ("agents", "load", "blocked"),
    [(1, 1.0, 0.5), (5, 1.361, 0.01), (10, 4.461, 0.01), (20, 12.03, 0.01), (50, 37.90, 0.01), (100, 84.06, 0.01), (10, 10.0, 0.2146)],
)
def test_erlang_b_as_in_the_tables_of_traffic_theory(agents: int, load: float, blocked: float) -> None:
    assert erlang_b(load, agents) == pytest.approx(blocked, rel=2e-3)


@pytest.mark.parametrize(
    ("agents", "load", "waits"), [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (5, 4.0, 0.5541), (10, 8.0, 0.4092), (12, 10.0, 0.4494), (3, 3.0, 1.0)]
)
def test_erlang_c_as_in_the_tables(agents: int, load: float, waits: float) -> None:
    assert erlang_c(load, agents) == pytest.approx(waits, abs=1e-4)


def test_the_textbook_centre_of_fifty_agents() -> None:
    """Mandelbaum and Zeltyn (2007), table 1: 48 calls a minute of one minute each, a patience of two."""
    endless, impatient = expected(0.8, 60, 50), expected(0.8, 60, 50, 120)
    assert endless.wait_s == pytest.approx(20.8, abs=0.05) and endless.occupancy == pytest.approx(0.96)
    assert impatient.wait_s == pytest.approx(3.7, abs=0.05) and impatient.abandoned == pytest.approx(0.031, abs=0.0005)
    assert impatient.occupancy == pytest.approx(0.93, abs=0.005)


def test_agents_for_a_service_level() -> None:
    """100 calls of three minutes in half an hour, 80 % within 20 s: 14 agents, who reach 88.8 %."""
    assert agents_needed(100 / 1800, 180, 0.8) == 14
    assert expected(100 / 1800, 180, 14).service_level == pytest.approx(0.888, abs=0.0005)
    assert expected(100 / 1800, 180, 13).service_level < 0.8
    assert agents_needed(100 / 1800, 180, 0.8, 120) < 14


@pytest.mark.parametrize("agents", [1, 3, 20, 120])
@pytest.mark.parametrize("patience_s", [20.0, 120.0, 3000.0])
@pytest.mark.parametrize("occupancy", [0.5, 0.9, 1.0, 1.4])
def test_erlang_a_is_the_birth_and_death_process(agents: int, patience_s: float, occupancy: float) -> None:
    handle_s = 180.0
    calls_per_s = occupancy * agents / handle_s
    found = expected(calls_per_s, handle_s, agents, patience_s, within_s=20, short_abandon_s=5)
    chances = _states(calls_per_s, handle_s, agents, patience_s)
    length = sum(max(0, state - agents) * chance for state, chance in enumerate(chances))
    assert found.wait_probability == pytest.approx(sum(chances[agents:]), rel=1e-9)
    assert found.wait_s == pytest.approx(length / calls_per_s, rel=1e-9)
    assert found.abandoned == pytest.approx(length / patience_s / calls_per_s, rel=1e-9)
    busy = sum(min(state, agents) * chance for state, chance in enumerate(chances))
    assert found.occupancy == pytest.approx(busy / agents, rel=1e-9)


@pytest.mark.parametrize(("calls_per_s", "agents", "patience_s"), [(0.1, 20, 60.0), (0.13, 20, 200.0), (0.02, 3, 30.0)])
def test_service_level_of_erlang_a_as_followed_caller_by_caller(calls_per_s: float, agents: int, patience_s: float) -> None:
    found = expected(calls_per_s, 180.0, agents, patience_s, within_s=20, short_abandon_s=5)
    chances = _states(calls_per_s, 180.0, agents, patience_s)
    in_time, early = sum(chances[:agents]), 0.0
    for ahead, chance in enumerate(chances[agents:]):
        if chance > 1e-12:
            served, gone = _followed(ahead, agents / 180.0, patience_s, 20.0, 5.0)
            in_time += chance * served
            early += chance * gone
    assert found.service_level == pytest.approx(in_time / (1 - early), abs=2e-4)


def test_patience_without_end_is_erlang_c() -> None:
    endless, nearly = expected(0.1, 180, 20), expected(0.1, 180, 20, 1e8)
    for name in ("wait_probability", "wait_s", "service_level", "occupancy"):
        assert getattr(nearly, name) == pytest.approx(getattr(endless, name), rel=1e-4)


def test_thousands_of_agents_neither_overflow_nor_cancel() -> None:
    assert erlang_c(9_900, 10_000) == pytest.approx(0.2227, abs=1e-3)
    assert erlang_b(1.0, 10_000) == 0.0 and erlang_b(0.0, 3) == 0.0
    crowd = expected(100, 180, 10_000, 120)  # 18,000 erlangs for 10,000 agents
    assert crowd.abandoned == pytest.approx(1 - 10_000 / 18_000, rel=1e-6) and crowd.occupancy == pytest.approx(1.0)
    assert expected(0.001, 180, 10_000, 120).service_level == 1.0


def test_a_line_that_grows_for_ever_is_told() -> None:
    hopeless = expected(1.0, 180, 20)
    assert math.isinf(hopeless.wait_s) and hopeless.service_level == 0 and hopeless.wait_probability == 1


@pytest.mark.parametrize("wrong", [(0.0, 180.0, 5), (1.0, 0.0, 5), (1.0, 180.0, 0)])
def test_figures_that_mean_nothing_are_refused(wrong: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError):
        expected(*wrong)
    with pytest.raises(ValueError):
        agents_needed(1.0, 180.0, 1.0)
    with pytest.raises(ValueError, match="agents would be needed"):
        agents_needed(1e4, 1e4, 0.8)


def _states(calls_per_s: float, handle_s: float, agents: int, patience_s: float) -> list[float]:
    """Brute force: the balance of each state with the next, until it is of no weight."""
    weights = [1.0]
    while weights[-1] > 1e-16 * max(weights) or len(weights) <= agents + 1:
        state = len(weights)
        weights.append(weights[-1] * calls_per_s / (min(state, agents) / handle_s + max(0, state - agents) / patience_s))
    total = sum(weights)
    return [weight / total for weight in weights]


def _followed(ahead: int, pace: float, patience_s: float, within_s: float, short_s: float, step_s: float = 0.02) -> tuple[float, float]:
    """(served within, gave up within) of one caller with so many ahead, the equations of the line integrated step by step (midpoint)."""
    rates = [pace + place / patience_s for place in range(ahead + 1)]
    here = [0.0] * ahead + [1.0]
    served = gone = 0.0

    def change(state: list[float]) -> list[float]:
        inflow = [*state[1:], 0.0]
        return [rates[min(place + 1, ahead)] * inflow[place] - (rates[place] + 1 / patience_s) * state[place] for place in range(ahead + 1)]

    for step in range(round(within_s / step_s)):
        middle = [now + change * step_s / 2 for now, change in zip(here, change(here), strict=True)]
        served += rates[0] * middle[0] * step_s
        if (step + 0.5) * step_s < short_s:
            gone += sum(middle) / patience_s * step_s
        here = [now + change * step_s for now, change in zip(here, change(middle), strict=True)]
    return served, gone
