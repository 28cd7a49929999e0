"""What is different about bad calls: who, what or where has a share of them that differs from the rest by more than chance. Pure.

Each value of each dimension (an agent, a network, a codec ...) makes a table of two by two: bad and other calls with it and without it.

* **Test**: Fisher's exact test, two-sided, the sum of all tables with the same margins that are no likelier than this one. It is exact for
  any number of calls. R. A. Fisher, "On the interpretation of chi-squared from contingency tables", J. R. Stat. Soc. 85 (1922); A. Agresti,
  Categorical Data Analysis (3rd ed. 2013), 3.5.
* **Many tests**: false discoveries are held at 5 % of what is told, by Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289,
  over all values that were tested; that holds for tests that depend on one another positively too, as those of overlapping groups do
  (Y. Benjamini and D. Yekutieli, Ann. Stat. 29 (2001) 1165).
* **Small samples** are not tested: fewer than 20 calls with it or without it, or fewer than 5 bad ones in all.
* **What matters**: of thousands of calls any difference is significant. One is told from 2 points on, and where the interval of the
  difference (R. Newcombe's hybrid of Wilson's intervals, Stat. Med. 17 (1998) 873, method 10) does not touch 0.

That two values are told does not say which is the cause: the calls of one may be those of the other.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import exp, lgamma, sqrt

from msgspec import Struct

LEAST_CALLS = 20
LEAST_BAD = 5
FALSE_SHARE = 0.05
LEAST_POINTS = 0.02
_Z = 1.959964
"""Of a 95 % interval."""
_AS_LIKELY = 1e-7
"""Logarithms no further apart are of tables that are as likely as one another but for rounding."""


@dataclass(frozen=True, slots=True)
class Group:
    """Calls with one ``value`` of a ``dimension``, of all in which that dimension is known."""

    dimension: str
    value: str
    calls: int
    bad: int


class Outlier(Struct, frozen=True):
    """``share``, ``rest_share``: of bad calls with and without it. ``least``, ``most``: 95 % interval of their difference. ``p``: of the
    test; ``q``: the lowest share of false discoveries at which it is told."""

    dimension: str
    value: str
    calls: int
    bad: int
    rest_calls: int
    rest_bad: int
    share: float
    rest_share: float
    least: float
    most: float
    p: float
    q: float


class Found(Struct, frozen=True):
    """``tested``: so many values were. ``too_few``: so many had too few calls to tell anything."""

    outliers: list[Outlier]
    tested: int
    too_few: int


def outliers(groups: Iterable[Group]) -> Found:
    """Those that differ, the worst first; those that are better than the rest come last."""
    tested, too_few = list[Outlier](), 0
    by_dimension: dict[str, list[Group]] = {}
    for group in groups:
        by_dimension.setdefault(group.dimension, []).append(group)
    for of_it in by_dimension.values():
        calls, bad = sum(group.calls for group in of_it), sum(group.bad for group in of_it)
        for group in of_it:
            if len(of_it) < 2 or min(group.calls, calls - group.calls) < LEAST_CALLS or bad < LEAST_BAD:
                too_few += 1
            else:
                tested.append(_tested(group, calls, bad))
    corrected = _corrected([each.p for each in tested])
    told = [_with_q(each, q) for each, q in zip(tested, corrected, strict=True) if q <= FALSE_SHARE and _matters(each)]
    return Found(sorted(told, key=lambda each: (each.rest_share - each.share, each.dimension, each.value)), len(tested), too_few)


def _tested(group: Group, calls: int, bad: int) -> Outlier:
    rest, rest_bad = calls - group.calls, bad - group.bad
    least, most = difference(group.bad, group.calls, rest_bad, rest)
    p = fisher(group.bad, group.calls - group.bad, rest_bad, rest - rest_bad)
    share, rest_share = group.bad / group.calls, rest_bad / rest
    return Outlier(group.dimension, group.value, group.calls, group.bad, rest, rest_bad, share, rest_share, least, most, p, 1.0)


def _with_q(each: Outlier, q: float) -> Outlier:
    return Outlier(**{name: getattr(each, name) for name in Outlier.__struct_fields__ if name != "q"}, q=q)


def _matters(each: Outlier) -> bool:
    return abs(each.share - each.rest_share) >= LEAST_POINTS and not each.least <= 0 <= each.most


def fisher(a: int, b: int, c: int, d: int) -> float:
    """Fisher's exact test of [[a, b], [c, d]], two-sided: with these margins ``a`` is hypergeometric."""
    first, bad, total = a + b, a + c, a + b + c + d
    low, high = max(0, first + bad - total), min(first, bad)

    def log_likely(x: int) -> float:
        return _log_choose(bad, x) + _log_choose(total - bad, first - x) - _log_choose(total, first)

    own = log_likely(a)
    mode = min(high, max(low, (first + 1) * (bad + 1) // (total + 2)))
    both = (_tail(log_likely, own, range(mode, low - 1, -1)), _tail(log_likely, own, range(mode + 1, high + 1)))
    return min(1.0, sum(both))


def _tail(log_likely: Callable[[int], float], own: float, away: Sequence[int]) -> float:
    """What is no likelier than ``own`` on one side of the likeliest table. Likelihoods fall away from it, so that the first such table is
    found by halving, and what comes far behind it adds nothing."""
    begin, end = 0, len(away)
    while begin < end:
        middle = (begin + end) // 2
        if log_likely(away[middle]) <= own + _AS_LIKELY:
            end = middle
        else:
            begin = middle + 1
    total = 0.0
    for x in away[begin:]:
        likely = exp(log_likely(x))
        total += likely
        if likely < total * 1e-17:
            break
    return total


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _corrected(ps: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's step-up, as adjusted p-values in the order of ``ps``."""
    order = sorted(range(len(ps)), key=lambda at: ps[at], reverse=True)
    found, lowest = [1.0] * len(ps), 1.0
    for behind, at in enumerate(order):
        lowest = min(lowest, ps[at] * len(ps) / (len(ps) - behind))
        found[at] = lowest
    return found


def wilson(bad: int, calls: int) -> tuple[float, float]:
    """95 % interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209)."""
    share, square = bad / calls, _Z * _Z
    middle = share + square / (2 * calls)
    half = _Z * sqrt(share * (1 - share) / calls + square / (4 * calls * calls))
    return max(0.0, (middle - half) / (1 + square / calls)), min(1.0, (middle + half) / (1 + square / calls))


def difference(bad: int, calls: int, rest_bad: int, rest: int) -> tuple[float, float]:
    """95 % interval of the difference of two shares: Newcombe's method 10."""
    share, rest_share = bad / calls, rest_bad / rest
    (least, most), (rest_least, rest_most) = wilson(bad, calls), wilson(rest_bad, rest)
    apart = share - rest_share
    below = sqrt((share - least) ** 2 + (rest_most - rest_share) ** 2)
    above = sqrt((most - share) ** 2 + (rest_share - rest_least) ** 2)
    return apart - below, apart + above
