"""The network emulator keeps the figures it is given, and its seed."""

import numpy as np
import pytest

from dsp.levels import runs
from dsp.netem import PRESETS, GilbertElliott, NetworkEmulator, TraceReplay


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


WRONG = [
    {"loss": 1.0},
    {"loss": -0.1},
    {"burst": 0.5},
    {"delay_ms": -1},
    {"duplicate": 2},
    {"loss": 0.9, "burst": 2},
    {"jitter_correlation": 1.0},
    {"rate_kbps": 0},
    {"stall_every_s": 0},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_impossible_paths_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"fractions|negative|burst|positive"):
        NetworkEmulator(1, **wrong)


@pytest.mark.parametrize("chances", [(0.1, 0.0), (1.1, 0.5), (0.1, 0.5, -0.1)])
def test_impossible_chains_are_refused(chances: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"fractions|never left"):
        GilbertElliott(*chances)


def test_all_four_chances_of_the_chain_are_kept() -> None:
    chain = GilbertElliott(to_bad=0.02, to_good=0.1, loss_bad=0.6, loss_good=0.01)
    network = NetworkEmulator(3, chain=chain)
    lost = np.array([not network.fates(0.02 * k, 200) for k in range(200_000)], float)
    assert lost.mean() == pytest.approx(chain.loss, rel=0.03)
    # Two losses n packets apart: E = loss^2 + share (1 - share) (difference)^2 (1 - to_bad - to_good)^n
    share = chain.share_bad
    for apart in (1, 5, 20):
        expected = chain.loss**2 + share * (1 - share) * 0.59**2 * 0.88**apart
        assert (lost[apart:] * lost[:-apart]).mean() == pytest.approx(expected, rel=0.06)


def delays_s(network: NetworkEmulator, count: int = 20_000, size: int = 160) -> np.ndarray:
    return np.array([times[0] - 0.02 * k if (times := network.fates(0.02 * k, size)) else np.nan for k in range(count)])


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_correlated_jitter_keeps_its_mean(correlation: float) -> None:
    delays = delays_s(NetworkEmulator(1, jitter_ms=3, jitter_correlation=correlation, ordered=False), 100_000)
    assert delays.mean() == pytest.approx(0.003, rel=0.05)
    measured = np.corrcoef(delays[1:], delays[:-1])[0, 1]
    assert measured == pytest.approx(correlation, abs=0.05)


def test_jitter_without_order_overtakes() -> None:
    arrivals = delays_s(NetworkEmulator(1, jitter_ms=20, ordered=False)) + 0.02 * np.arange(20_000)
    kept = delays_s(NetworkEmulator(1, jitter_ms=20)) + 0.02 * np.arange(20_000)
    assert (np.diff(arrivals) < 0).mean() > 0.1 and (np.diff(kept) >= 0).all()


def test_the_bottleneck_sends_at_its_rate_and_drops_what_waits_too_long() -> None:
    """160 bytes and 40 of headers every 20 ms are 80 kbit/s; the link takes 64: four of five pass, and the queue stays full."""
    network = NetworkEmulator(1, rate_kbps=64, queue_ms=300)
    delays = delays_s(network, 5_000)
    passed = ~np.isnan(delays)
    assert passed[1_000:].mean() == pytest.approx(0.8, abs=0.01) and network.dropped == (~passed).sum()
    assert np.nanmax(delays) <= 0.3 + 0.025 + 1e-9 and np.nanmin(delays[1_000:]) > 0.29
    assert np.diff((delays + 0.02 * np.arange(5_000))[passed]).min() == pytest.approx(0.025)


def test_a_stall_holds_everything_back_and_then_lets_it_go() -> None:
    delays = delays_s(NetworkEmulator(2, stall_ms=300, stall_every_s=5), 100_000)
    assert (delays > 0).mean() == pytest.approx(0.3 / 5.3, rel=0.15)
    assert np.diff(delays).min() >= -0.02 - 1e-9, "nobody overtakes"


def test_foreign_traffic_fills_the_queue_and_gives_way() -> None:
    delays = delays_s(NetworkEmulator(2, bloat_ms=400, bloat_period_s=4), 20_000)
    assert 0.35 < delays.max() <= 0.4 and np.mean(delays) == pytest.approx(0.15, rel=0.1)
    falls = (np.diff(delays) < -0.015).sum()
    assert falls > 50
    assert np.diff(delays).min() >= -0.02 - 1e-9


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_paths(name: str) -> None:
    delays = delays_s(NetworkEmulator.preset(name, 1), 10_000)
    again = delays_s(NetworkEmulator.preset(name, 1), 10_000)
    assert np.array_equal(delays, again, equal_nan=True)
    assert np.isnan(delays).mean() < 0.1 and np.nanmin(delays) >= PRESETS[name]["delay_ms"] / 1000


def test_a_recording_is_replayed_and_begins_again() -> None:
    replay = TraceReplay.from_arrivals({10: 5.0, 11: 5.03, 13: 5.06}, 0.02, delay_s=0.1)
    fates = [replay.fates(k * 0.02, 160) for k in range(6)]
    assert [len(times) for times in fates] == [1, 1, 0, 1, 1, 1] and replay.lost == 1
    assert [times[0] - k * 0.02 for k, times in enumerate(fates) if times] == pytest.approx([0.1, 0.11, 0.1, 0.1, 0.11])
    with pytest.raises(ValueError, match="without packets"):
        TraceReplay([])
