"""What differs by more than chance: the test against scipy's, intervals against the papers' figures, and how often chance is told."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from api.reports.outliers import Group, difference, fisher, outliers, wilson


@pytest.mark.parametrize("table", [(1, 9, 11, 3), (0, 20, 5, 15), (3, 17, 3, 17), (12, 5, 29, 2), (0, 20, 0, 20), (40, 960, 300, 8_700)])
def test_fisher_is_scipys(table: tuple[int, int, int, int]) -> None:
    a, b, c, d = table
    assert fisher(a, b, c, d) == pytest.approx(fisher_exact([[a, b], [c, d]]).pvalue, rel=1e-6, abs=1e-12)
    assert fisher(a, b, c, d) == pytest.approx(fisher(c, d, a, b), rel=1e-9) == pytest.approx(fisher(b, a, d, c), rel=1e-9)


def test_fisher_is_scipys_on_many_tables() -> None:
    random = np.random.default_rng(7)
    for a, b, c, d in random.integers(0, 40, (150, 4)).tolist():
        expected = fisher_exact([[a, b], [c, d]]).pvalue
        assert fisher(a, b, c, d) == pytest.approx(expected, rel=1e-6, abs=1e-12), (a, b, c, d)


def test_tables_of_a_whole_year_are_no_trouble() -> None:
    assert fisher(5_000, 95_000, 50_000, 850_000) < 1e-12 < fisher(5_000, 95_000, 45_000, 855_000) <= 1.0


def test_intervals_are_those_of_the_papers() -> None:
    """Newcombe 1998, tables I and II: 81 of 263; 56 of 70 against 48 of 80, and 9 of 10 against 3 of 10, method 10."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert difference(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert difference(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    assert wilson(0, 20)[0] == 0.0 and wilson(20, 20)[1] == 1.0


def test_the_network_whose_calls_are_bad_is_told_and_the_others_are_not() -> None:
    groups = [Group("network", "10.1.1.0/24", 200, 40), *(Group("network", f"10.1.{at}.0/24", 200, 10) for at in range(2, 6))]
    found = outliers([*groups, Group("browser", "Chrome", 700, 56), Group("browser", "Firefox", 300, 24)])
    (worst,) = found.outliers
    assert (worst.dimension, worst.value, worst.share, worst.rest_share) == ("network", "10.1.1.0/24", 0.2, 0.05)
    assert worst.p <= worst.q < 0.001 and 0 < worst.least < 0.15 < worst.most and (found.tested, found.too_few) == (7, 0)


def test_who_is_better_than_the_rest_is_told_last() -> None:
    found = outliers([Group("agent", "ana", 300, 60), Group("agent", "bea", 300, 3), Group("agent", "eva", 300, 27)])
    assert [each.value for each in found.outliers] == ["ana", "bea"] and found.outliers[1].most < 0


def test_of_few_calls_nothing_is_told() -> None:
    assert outliers([Group("agent", "ana", 19, 19), Group("agent", "bea", 500, 5)]) == outliers([]).__class__([], 0, 2)
    assert outliers([Group("agent", "ana", 100, 4), Group("agent", "bea", 100, 0)]).tested == 0, "too few bad ones"
    assert outliers([Group("trunk", "pbx", 500, 100)]).tested == 0, "there is no rest"


def test_of_very_many_calls_what_does_not_matter_is_not_told() -> None:
    found = outliers([Group("codec", "opus", 100_000, 5_500), Group("codec", "pcma", 100_000, 5_000)])
    assert found.tested == 2 and found.outliers == []


def test_chance_is_told_seldom() -> None:
    """Where nothing differs, any telling is false: in no more than 5 % of all looks, for each is at 40 agents."""
    random, told = np.random.default_rng(11), 0
    for _ in range(200):
        bad = random.binomial(100, 0.08, 40)
        told += bool(outliers([Group("agent", str(at), 100, int(count)) for at, count in enumerate(bad)]).outliers)
    assert told <= 10
