"""The E-model against published values (ITU-T G.107, G.113) and the bounds of its scales."""

import math

import pytest

from dsp.mos import CODECS, FULLBAND, NARROWBAND, WIDEBAND, delay_impairment, mos_from_r, rate


@pytest.mark.parametrize(("loss", "mos"), [(0, 4.41), (0.01, 4.33), (0.03, 4.13), (0.05, 3.92), (0.10, 3.41)])
def test_g711_with_concealment(loss: float, mos: float) -> None:
    rating = rate("pcma", loss=loss, delay_ms=50)
    assert rating is not None and rating.scale == "nb" and rating.mos == pytest.approx(mos, abs=0.005)


@pytest.mark.parametrize(("loss", "mos"), [(0, 4.41), (0.01, 3.83), (0.03, 2.79), (0.05, 2.17), (0.10, 1.48)])
def test_g711_without_concealment(loss: float, mos: float) -> None:
    rating = rate("g711-bare", loss=loss, delay_ms=50)
    assert rating is not None and rating.mos == pytest.approx(mos, abs=0.005)


@pytest.mark.parametrize(("delay_ms", "idd"), [(0, 0), (100, 0), (150, 0.16), (200, 3.04), (300, 14.8), (400, 24.1), (500, 30.6)])
def test_delay_impairment(delay_ms: float, idd: float) -> None:
    assert delay_impairment(delay_ms) == pytest.approx(idd, abs=0.05)


@pytest.mark.parametrize(("delay_ms", "mos"), [(150, 4.41), (200, 4.34), (250, 4.18), (300, 3.96), (400, 3.56)])
def test_delay_alone(delay_ms: float, mos: float) -> None:
    rating = rate("pcmu", loss=0.0, delay_ms=delay_ms)
    assert rating is not None and rating.mos == pytest.approx(mos, abs=0.005)


def test_g722_on_the_wideband_scale() -> None:
    rating = rate("g722", loss=0.0, delay_ms=20)
    assert rating is not None and rating.scale == "wb" and rating.r == 116 and rating.mos == pytest.approx(4.337, abs=0.005)


def test_nothing_is_claimed_before_it_is_measured() -> None:
    assert rate("pcma", loss=None, delay_ms=50) is None
    assert rate("pcma", loss=0.0, delay_ms=None) is None
    assert rate("speex", loss=0.0, delay_ms=50) is None


@pytest.mark.parametrize("name", sorted(CODECS))
def test_more_loss_delay_or_burst_is_never_better(name: str) -> None:
    def r(loss: float, delay_ms: float, burst: float = 1.0) -> float:
        rating = rate(name, loss=loss, delay_ms=delay_ms, burst_ratio=burst)
        assert rating is not None and 1 <= rating.mos <= 4.5
        return rating.r

    losses, delays = [r(k / 50, 50) for k in range(51)], [r(0.01, 20 * k) for k in range(60)]
    assert losses == sorted(losses, reverse=True) and delays == sorted(delays, reverse=True)
    assert r(0.05, 50, 2.0) < r(0.05, 50, 1.0) < r(0.0, 50)
    assert CODECS[name].source


def test_mos_of_the_scales_ends() -> None:
    assert mos_from_r(-5) == 1.0 and mos_from_r(120) == 4.5 and mos_from_r(93.2) == pytest.approx(4.409, abs=0.001)
    assert math.isclose(mos_from_r(50), 1 + 0.035 * 50 + 7e-6 * 50 * -10 * 50)
    assert (NARROWBAND.stretch, WIDEBAND.ceiling / WIDEBAND.stretch, FULLBAND.ceiling / FULLBAND.stretch) == (1.0, 100.0, 100.0)
