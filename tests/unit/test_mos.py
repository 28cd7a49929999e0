"""The E-model against the standards' equations, evaluated a second time, and against published values; and the bounds of its scales."""

import math
import random

import pytest

from benchmarks.quality import emodel
from dsp.mos import (
    CODECS,
    FULLBAND,
    NARROWBAND,
    WIDEBAND,
    BurstRatio,
    Connection,
    delay_impairment,
    fullband,
    loss_impairment,
    mos_from_r,
    narrowband,
    rate,
    wideband,
)


@pytest.mark.parametrize("scale", ["nb", "wb", "fb"])
def test_every_input_enters_as_the_equations_say(scale: str) -> None:
    assert emodel.difference(scale, 300) < 1e-9


def test_published_figures_are_met_to_their_last_digit() -> None:
    assert emodel.published_missed() == 0


def test_defaults_give_the_standards_rating() -> None:
    terms = narrowband(Connection())
    assert terms.r == pytest.approx(93.206208, abs=1e-6)  # as other implementations of G.107 print it
    assert (terms.idte, terms.idd, terms.ie_eff) == (0.0, 0.0, 0.0)
    assert wideband(Connection()).r == 129.0 and fullband(Connection()).r == 148.0


@pytest.mark.parametrize(("loss", "mos"), [(0, 4.41), (0.01, 4.33), (0.03, 4.13), (0.05, 3.92), (0.10, 3.41)])
def test_g711_with_concealment(loss: float, mos: float) -> None:
    rating = rate("pcma", loss=loss, delay_ms=50)
    assert rating is not None and rating.scale == "nb" and rating.mos == pytest.approx(mos, abs=0.005)


@pytest.mark.parametrize(("loss", "mos"), [(0, 4.41), (0.01, 3.83), (0.03, 2.79), (0.05, 2.17), (0.10, 1.48)])
def test_g711_without_concealment(loss: float, mos: float) -> None:
    rating = rate("g711-bare", loss=loss, delay_ms=50)
    assert rating is not None and rating.mos == pytest.approx(mos, abs=0.005)


@pytest.mark.parametrize(("delay_ms", "mos"), [(150, 4.41), (200, 4.34), (250, 4.18), (300, 3.96), (400, 3.56)])
def test_delay_alone(delay_ms: float, mos: float) -> None:
    rating = rate("pcmu", loss=0.0, delay_ms=delay_ms)
    assert rating is not None and rating.mos == pytest.approx(mos, abs=0.005)


def test_people_less_sensitive_to_delay_lose_less() -> None:
    assert delay_impairment(250, sensitivity=0.4, perceivable_ms=150) < delay_impairment(250, sensitivity=0.55, perceivable_ms=120)
    assert delay_impairment(250, sensitivity=0.55, perceivable_ms=120) < delay_impairment(250)
    assert narrowband(Connection(ta_ms=140, delay_sensitivity=0.4, perceivable_delay_ms=150)).idd == 0.0


@pytest.mark.parametrize(("name", "r"), [("g722", 116.0), ("g722-56", 109.0), ("g722-48", 98.0)])
def test_g722_on_the_wideband_scale(name: str, r: float) -> None:
    rating = rate(name, loss=0.0, delay_ms=20)
    assert rating is not None and rating.scale == "wb" and rating.r == r
    assert name != "g722" or rating.mos == pytest.approx(4.337, abs=0.001)


def test_an_echo_that_is_known_counts() -> None:
    quiet, loud = (rate("pcma", loss=0.0, delay_ms=80, connection=Connection(telr_db=telr, t_ms=80)) for telr in (65.0, 35.0))
    assert quiet is not None and loud is not None and quiet.r == pytest.approx(91.6, abs=0.1) and loud.r < 60
    assert narrowband(Connection(telr_db=20.0, t_ms=0.9)).idte == 0.0, "an echo within 1 ms is sidetone"


def test_nothing_is_claimed_before_it_is_measured() -> None:
    assert rate("pcma", loss=None, delay_ms=50) is None
    assert rate("pcma", loss=0.0, delay_ms=None) is None
    assert rate("speex", loss=0.0, delay_ms=50) is None


@pytest.mark.parametrize("name", sorted(CODECS))
def test_more_loss_delay_or_burst_is_never_better(name: str) -> None:
    def r(loss: float, delay_ms: float, burst: float = 1.0) -> float:
        rating = rate(name, loss=loss, delay_ms=delay_ms, burst_ratio=burst)
        assert rating is not None and 1 <= rating.mos <= 4.5 and rating.scale == CODECS[name].scale.name
        return rating.r

    losses, delays = [r(k / 50, 50) for k in range(51)], [r(0.01, 20 * k) for k in range(60)]
    assert losses == sorted(losses, reverse=True) and delays == sorted(delays, reverse=True)
    assert r(0.05, 50, 2.0) < r(0.05, 50, 1.0) < r(0.0, 50)
    assert r(0.05, 50, 0.5) == r(0.05, 50, 1.0), "loss more even than random counts as random"
    assert r(0.0, 0) - r(0.05, 0) == pytest.approx(loss_impairment(CODECS[name], 0.05) - CODECS[name].ie)
    assert CODECS[name].source


def test_mos_of_the_scales_ends() -> None:
    assert mos_from_r(-5) == 1.0 and mos_from_r(120) == 4.5 and mos_from_r(93.2) == pytest.approx(4.409, abs=0.001)
    assert mos_from_r(3.0) == 1.0, "the published cubic dips below 1 there"
    assert math.isclose(mos_from_r(50), 1 + 0.035 * 50 + 7e-6 * 50 * -10 * 50)
    assert (NARROWBAND.stretch, WIDEBAND.ceiling / WIDEBAND.stretch, FULLBAND.ceiling / FULLBAND.stretch) == (1.0, 100.0, 100.0)


def test_burst_ratio_of_a_known_sequence() -> None:
    counter = BurstRatio()
    assert counter.value is None
    for lost in (False, True, True, False, False, True, False, False, True, True, True):
        counter.count(lost=lost)
    assert counter.value == pytest.approx(3 / 2 * (1 - 3 / 11)), "runs of 2 and 1; the third has not ended"
    counter.count(lost=False, packets=9)
    assert counter.value == pytest.approx(6 / 3 * (1 - 6 / 20))


@pytest.mark.parametrize(("begin", "end"), [(0.05, 0.95), (0.02, 0.5), (0.05, 0.25)])
def test_burst_ratio_of_the_two_state_model_is_one_over_p_plus_q(begin: float, end: float) -> None:
    """G.107, clause 7.5: BurstR = 1 / (p + q), p and q the chances of a run's beginning and end; 1 is random loss."""
    chance, counter, lost = random.Random(5), BurstRatio(), False
    for _ in range(100_000):
        lost = chance.random() >= end if lost else chance.random() < begin
        counter.count(lost=lost)
    assert counter.value == pytest.approx(1 / (begin + end), rel=0.03)
