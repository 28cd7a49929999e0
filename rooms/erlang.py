"""What to expect of a queue: Erlang B, C and A.

Calls arrive at random (Poisson), take an exponential time, and are served by the first free of ``agents`` in order of arrival. B: who finds
nobody free is turned away. C: everybody waits (M/M/n). A: everybody waits, but gives up after an exponential patience (M/M/n+M).

``load`` is in erlangs: calls arriving per second times seconds that one takes.

Sources: A. K. Erlang 1917; R. B. Cooper, Introduction to Queueing Theory (1981), 3.3-3.4; C. Palm 1946; A. Mandelbaum and S. Zeltyn,
"Service engineering in action: the Palm/Erlang-A queue" (2007).
"""

import math
from dataclasses import dataclass

_MOST_AGENTS = 100_000
_LONGEST_LINE = 1_000_000


@dataclass(frozen=True, slots=True)
class Expected:
    """Of a queue that has run for long. Fractions 0-1.

    ``wait_probability``: that somebody finds nobody free. ``wait_s``: mean over all callers, those without a wait and those who give up
    included. ``service_level``: served in time of all who do not give up quickly. ``occupancy``: of an agent's time, in calls.
    ``abandoned``: of all callers.
    """

    wait_probability: float
    wait_s: float
    service_level: float
    occupancy: float
    abandoned: float


def erlang_b(load: float, agents: int) -> float:
    """Fraction of calls that find all ``agents`` busy where nobody waits. By Cooper's recursion, which neither overflows nor cancels."""
    if load <= 0:
        return 0.0 if agents else 1.0
    inverse = 1.0
    for busy in range(1, agents + 1):
        inverse = 1 + inverse * busy / load
        if math.isinf(inverse):
            return 0.0
    return 1 / inverse


def erlang_c(load: float, agents: int) -> float:
    """Fraction of calls that have to wait where everybody does; 1 where the line grows for ever (``load >= agents``)."""
    if load >= agents:
        return 1.0
    blocked = erlang_b(load, agents)
    return blocked / (1 - load / agents * (1 - blocked))


def expected(
    calls_per_s: float, handle_s: float, agents: int, patience_s: float = math.inf, *, within_s: float = 20.0, short_abandon_s: float = 0.0
) -> Expected:
    """Erlang A, or Erlang C where patience is endless. ``handle_s``: mean time that a call takes an agent, wrap-up included.

    ``within_s``: what is in time. ``short_abandon_s``: who gives up sooner is not counted in the service level. Raises ValueError for
    figures that mean nothing.
    """
    if calls_per_s <= 0 or handle_s <= 0 or agents < 1 or patience_s <= 0 or within_s < 0:
        raise ValueError("Arrivals, handle time and patience are more than 0, and there is at least one agent.")
    load = calls_per_s * handle_s
    if math.isinf(patience_s):
        return _expected_c(load, handle_s, agents, within_s)
    return _expected_a(calls_per_s, handle_s, agents, patience_s, within_s, short_abandon_s)


def agents_needed(
    calls_per_s: float, handle_s: float, service_level: float, patience_s: float = math.inf, *, within_s: float = 20.0
) -> int:
    """The fewest with whom this fraction is served within ``within_s``. Raises ValueError where more than 100,000 would be needed."""
    if not 0 < service_level < 1:
        raise ValueError("A service level lies between 0 and 1, both excluded.")

    def enough(agents: int) -> bool:
        return expected(calls_per_s, handle_s, agents, patience_s, within_s=within_s).service_level >= service_level

    most = 1
    while not enough(most):
        most *= 2
        if most > _MOST_AGENTS:
            raise ValueError(f"More than {_MOST_AGENTS} agents would be needed.")
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    return most


def _expected_c(load: float, handle_s: float, agents: int, within_s: float) -> Expected:
    if load >= agents:
        return Expected(1.0, math.inf, 0.0, 1.0, 0.0)
    waits, spare = erlang_c(load, agents), agents - load
    in_time = 1 - waits * math.exp(-spare * within_s / handle_s)
    return Expected(waits, waits * handle_s / spare, in_time, load / agents, 0.0)


def _expected_a(calls_per_s: float, handle_s: float, agents: int, patience_s: float, within_s: float, short_s: float) -> Expected:
    """With ``j`` callers waiting the line moves at ``agents / handle_s + j / patience_s``, so that the probability of each further state
    follows from the one before, as in any birth-death process; logarithms keep long lines from overflowing.

    Who finds ``j`` waiting would be served after a sum of exponential times whose rates grow in equal steps. ``exp(-wait / patience_s)`` of
    it has the distribution Beta(agents * patience_s / handle_s, j + 1), from which follows what happens first: the call is served, the
    time is over, or the patience is.
    """
    load = calls_per_s * handle_s
    line = _line(calls_per_s, handle_s, agents, patience_s)
    blocked = erlang_b(load, agents)
    if not blocked:  # so many agents that nobody ever waits
        return Expected(0.0, 0.0, 1.0, load / agents, 0.0)
    highest = max(line)
    weights = [math.exp(weight - highest) for weight in line]
    below = (1 / blocked - 1) * math.exp(-highest)
    total = below + sum(weights)
    length = sum(count * weight for count, weight in enumerate(weights)) / total
    abandoned = min(1.0, length / patience_s / calls_per_s)
    in_time, early = below / total, 0.0
    patient = served_within(within_s, handle_s, agents, patience_s, len(line))
    hasty = gives_up_within(short_s, handle_s, agents, patience_s, len(line))
    for weight, served, gone in zip(weights, patient, hasty, strict=True):
        in_time += weight / total * served
        early += weight / total * gone
    occupancy = min(1.0, load * (1 - abandoned) / agents)
    return Expected(sum(weights) / total, length / calls_per_s, in_time / (1 - early), occupancy, abandoned)


def served_within(within_s: float, handle_s: float, agents: int, patience_s: float, most: int) -> list[float]:
    """How likely somebody is to be served within ``within_s`` who finds all agents busy and 0, 1 ... ``most - 1`` others waiting."""
    growth = agents * patience_s / handle_s
    late = _beta_below(math.exp(-within_s / patience_s), growth + 1, most)
    return [growth / (growth + ahead + 1) * (1 - below) for ahead, below in enumerate(late)]


def gives_up_within(within_s: float, handle_s: float, agents: int, patience_s: float, most: int) -> list[float]:
    """How likely the same is to give up within ``within_s``."""
    growth, still = agents * patience_s / handle_s, math.exp(-within_s / patience_s)
    served = served_within(within_s, handle_s, agents, patience_s, most)
    return [1 - there - still * below for there, below in zip(served, _beta_below(still, growth, most), strict=True)]


def _line(calls_per_s: float, handle_s: float, agents: int, patience_s: float) -> list[float]:
    """Logarithms of how likely it is that 0, 1, 2 ... callers wait, against 0; until that is less than 1e-17 of the likeliest.

    Raises ValueError for a line that does not end soon enough.
    """
    found, weight, highest = [0.0], 0.0, 0.0
    while weight > highest - 40:
        if len(found) > _LONGEST_LINE:
            raise ValueError(f"The line would be longer than {_LONGEST_LINE}: patience or arrivals are too much for so few agents.")
        weight += math.log(calls_per_s / (agents / handle_s + len(found) / patience_s))
        highest = max(highest, weight)
        found.append(weight)
    return found


def _beta_below(x: float, a: float, most: int) -> list[float]:
    """P(Beta(a, b) < x) for b = 1 ... ``most``: ``x**a`` times the first b terms of a binomial series, all positive."""
    found, total, term = [], 0.0, a * math.log(x)
    rest = math.log1p(-x) if x < 1 else -math.inf
    for count in range(most):
        total += math.exp(term)
        found.append(min(1.0, total))
        term += math.log((a + count) / (count + 1)) + rest
    return found
