"""The network emulator keeps the figures it is given, and its seed."""

import numpy as np
import pytest

from dsp.levels import runs
from dsp.netem import NetworkEmulator


@pytest.mark.parametrize(("loss", "burst"), [(0.05, 2.0), (0.02, 1.5), (0.2, 3.0), (0.5, 4.0), (0.0, 1.0)])
def test_loss_and_mean_burst(loss: float, burst: float) -> None:
    network = NetworkEmulator(7, loss=loss, burst=burst)
    lost = np.array([not network.fates(0.02 * k, 200) for k in range(100_000)])
    assert lost.mean() == pytest.approx(loss, abs=0.1 * loss)
    assert network.lost == lost.sum() and network.sent == len(lost)
    if loss:
        lengths = np.array([end - start for start, end in runs(lost)])
        assert lengths.mean() == pytest.approx(burst, rel=0.05)
        assert (lengths == 2).sum() / (lengths == 1).sum() == pytest.approx(1 - 1 / burst, abs=0.05)  # geometric


def test_delay_jitter_and_order() -> None:
    network = NetworkEmulator(1, delay_ms=40, jitter_ms=5)
    delays = np.array([network.fates(0.02 * k, 200)[0] - 0.02 * k for k in range(20_000)])
    assert delays.min() >= 0.04 and delays.max() <= 0.04 + 0.026
    assert delays.mean() - 0.04 == pytest.approx(0.005, rel=0.1)
    assert (np.diff(delays + 0.02 * np.arange(20_000)) >= 0).all()


def test_reordered_and_duplicated() -> None:
    network = NetworkEmulator(1, delay_ms=10, reorder=0.02, duplicate=0.03, reorder_ms=50)
    fates = [network.fates(0.02 * k, 200) for k in range(20_000)]
    first = np.array([times[0] for times in fates])
    assert (np.diff(first) < 0).mean() == pytest.approx(0.02, rel=0.15)
    assert np.mean([len(times) == 2 for times in fates]) == pytest.approx(0.03, rel=0.15)


def test_the_seed_decides_everything_and_settings_do_not_disturb_one_another() -> None:
    def course(seed: int, **settings: float) -> list[list[float]]:
        network = NetworkEmulator(seed, loss=0.1, burst=2, **settings)
        return [network.fates(0.02 * k, 200) for k in range(500)]

    assert course(3, jitter_ms=4) == course(3, jitter_ms=4) != course(4, jitter_ms=4)
    assert [bool(fate) for fate in course(3)] == [bool(fate) for fate in course(3, jitter_ms=9, reorder=0.1, duplicate=0.1)]


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.0}, {"loss": -0.1}, {"burst": 0.5}, {"delay_ms": -1}, {"duplicate": 2}, {"loss": 0.9, "burst": 2}]
)
def test_impossible_paths_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"fractions|negative|bursts"):
        NetworkEmulator(1, **wrong)
