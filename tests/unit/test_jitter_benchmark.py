"""The yardstick of the jitter buffer: recordings are read as they are, NetEQ's rule does what its source says, what is lost is counted."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.jitter import NetEqRule, Trace, made_paths, neteq, played, read_trace


def path(arrivals_ms: list[float], numbers: list[int] | None = None) -> Trace:
    count = len(arrivals_ms)
    sent = np.array(numbers if numbers is not None else range(count))
    return Trace("made", np.array(arrivals_ms, float), 20.0 * sent, sent, 20.0)


def test_a_recording_is_read_in_order_of_arrival_with_its_numbers_unwrapped(tmp_path: Path) -> None:
    lines = ["# arrival_ms,seq,rtp_ms,bytes"]
    for k in range(100):
        if k != 40:
            lines.append(f"{30 * k + 5 - 40 * (k == 50)},{(65_500 + k) % 65_536},{30 * k},83")
    file = tmp_path / "a.csv"
    file.write_text("\n".join(lines))
    trace = read_trace(file)
    assert trace is not None and trace.packet_ms == 30.0
    assert (trace.spoken, trace.lost) == (100, 1)
    assert (np.diff(trace.arrivals_ms) >= 0).all() and sorted(trace.numbers - trace.numbers.min()) == [k for k in range(100) if k != 40]
    file.write_text("arrival_ms,seq,rtp_ms\n1,2,3\n")
    assert read_trace(file) is None


def test_the_rule_comes_down_to_one_bucket_and_goes_up_with_each_twentieth_window() -> None:
    rule = NetEqRule()
    assert rule.target_ms == 80.0
    for k in range(3_000):
        rule.update(0.0, 20.0 * k, reordered=False)
    assert rule.target_ms == 20.0
    for k in range(3_000, 12_000):
        rule.update(130.0 if k % 250 == 0 else 0.0, 20.0 * k, reordered=False)
    assert rule.target_ms == 140.0, "the largest delay of one window in ten: above the 0.95 quantile"
    for k in range(12_000, 24_000):
        rule.update(130.0 if k % 1_250 == 0 else 0.0, 20.0 * k, reordered=False)
    assert rule.target_ms == 20.0, "of one in fifty: below it"


def test_the_rule_waits_for_reordered_packets_when_they_are_many() -> None:
    few, many = NetEqRule(), NetEqRule()
    for k in range(5_000):
        few.update(0.0, 20.0 * k, reordered=False)
        many.update(60.0 if k % 10 == 0 else 0.0, 20.0 * k, reordered=k % 10 == 0)
    assert few.target_ms == 20.0 and many.target_ms == 80.0


def test_a_packet_beyond_the_rules_delay_is_late() -> None:
    calm = [20.0 * k for k in range(4_000)]
    assert neteq(path(calm)).loss == 0.0
    late = [at + (150.0 if k % 2_000 == 1_999 else 0.0) for k, at in enumerate(calm)]
    assert neteq(path(late)).loss == pytest.approx(2 / 4_000)


def test_what_the_network_loses_and_the_buffer_discards_is_the_loss() -> None:
    numbers = [k for k in range(300) if k % 30]
    heard = played(path([20.0 * k for k in numbers], numbers))
    assert heard.loss == pytest.approx(9 / 299) and heard.concealed == pytest.approx(9 / 299, abs=0.004)
    assert 0 < heard.delay_ms < 45
    whole = played(path([20.0 * k for k in range(300)]))
    assert whole.loss == 0.0 and whole.mos == pytest.approx(4.41, abs=0.005)


def test_made_paths_have_their_names_and_clocks() -> None:
    found = {trace.name: trace for trace in made_paths(3.0)}
    assert {"good", "lte_driving", "clock +1 %", "clock -1 %", "wifi_busy with pauses"} <= found.keys()
    fast = found["clock +1 %"]
    assert np.diff(fast.sent_ms).mean() * (1 + fast.clock_error) == pytest.approx(20.0)
    assert found["wifi_busy with pauses"].spoken < 0.8 * found["wifi_busy"].spoken
