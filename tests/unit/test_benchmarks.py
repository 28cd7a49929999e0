"""The benchmark runner: goals are computed, the JSON has its shape, and the benchmarks run."""

import json
from pathlib import Path

import numpy as np
import pytest

from api.results import Row, holds
from benchmarks.__main__ import main, names
from benchmarks.loss_concealment import arrivals, encoded, played, played_by_aiortc
from rooms.audio import PCMA
from tests.kit.speech import speech


@pytest.mark.parametrize(
    ("goal", "value", "peer", "expected"),
    [
        (">= 3.5", 3.5, None, True),
        (">= 3.5", 3.49, None, False),
        ("<= 60", 60, None, True),
        ("<= 60", 61, None, False),
        ("<= 0.6 x peer", 5, 10, True),
        ("<= 0.6 x peer", 7, 10, False),
        (">= peer", 3.0, 3.0, True),
        (">= peer", 2.99, 3.0, False),
        (">= peer + 0.2", 3.2, 3.0, True),
        (">= peer + 0.2", 3.19, 3.0, False),
        (">= peer - 0.05", 2.95, 3.0, True),
        ("", 1, 2, None),
    ],
)
def test_goals(goal: str, value: float, peer: float | None, expected: bool | None) -> None:
    assert holds(goal, value, peer) is expected
    assert Row("case", "metric", value, "ms", "peer", peer, goal).holds is expected


@pytest.mark.parametrize("goal", ["= 3", "about 3", ">= 2 x peer", ">= peer + 0.2", ">= peer", ">= 2 x nothing"])
def test_a_goal_that_cannot_be_read_is_an_error(goal: str) -> None:
    with pytest.raises(ValueError):
        holds(goal, 1.0)


def test_a_goal_is_not_judged_without_its_peer() -> None:
    assert Row("case", "metric", 1.0, "MOS", "peer", None, ">= peer + 0.2").holds is None
    assert Row("case", "metric", 1.0, "MOS", "peer", None, ">= 2").holds is False


def test_every_benchmark_has_a_run() -> None:
    assert "loss_concealment" in names() and not {"report", "speech", "__main__"} & set(names())


def test_quick_run_prints_one_json_object_last(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["loss_concealment", "--quick", "--json"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["benchmark"] == "loss_concealment"
    assert set(result["machine"]) == {"cpu", "cores", "python", "versions", "load"}
    keys = {"case", "metric", "value", "unit", "peer", "peer_value", "ratio", "goal", "holds"}
    assert result["rows"] and all(set(row) == keys for row in result["rows"])
    assert status == (0 if all(row["holds"] is not False for row in result["rows"]) else 1)


def test_under_jitter_and_loss_both_receivers_are_scored(capsys: pytest.CaptureFixture[str]) -> None:
    main(["jitter_under_loss", "--quick", "--json"])
    rows = {row["metric"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]}
    assert rows["PESQ-WB"]["goal"] == ">= peer + 1.0" and rows["PESQ-WB"]["value"] > rows["PESQ-WB"]["peer_value"]
    assert rows["delay"]["value"] > 0 and rows["MOS, E-model"]["value"] > 1


def test_a_day_of_the_queues_adds_up_and_is_the_same_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = [f"2026-11-23T{8 + minute // 60:02}:{minute % 60:02}:00Z,{40 + minute % 7}" for minute in range(0, 180, 5)]
    (tmp_path / "calls.csv").write_text("\n".join(["start_utc,calls", *table]))
    main(["queue_simulation", "--quick", "--json", "--only", "day", "--data", str(tmp_path)])
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    values = {row["metric"]: row["value"] for row in rows}
    assert values["served"] > 100
    for metric in ("callers without an end, or with two", "wrong offers", "otherwise when run again"):
        assert values[metric] == 0
    assert values["tickets, offers, calls and deadlines left over"] == 0


@pytest.mark.parametrize(("text", "told"), [("start_utc,calls\nmonday,3\n", "calls.csv, line 2"), ("", "has no table of calls")])
def test_call_volumes_that_cannot_be_read_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str) -> None:
    (tmp_path / "calls.csv").write_text(text)
    with pytest.raises(SystemExit):
        main(["queue_simulation", "--quick", "--data", str(tmp_path)])
    assert told in capsys.readouterr().err


def test_the_throughput_of_the_queues_is_told_for_all_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["queue_throughput", "--quick", "--json"])
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert len(rows) == 8 and all(row["goal"] == ">= 20000" and row["value"] > 0 for row in rows)


def test_a_wrong_folder_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["loss_concealment", "--data", "no/such/folder"])
    assert "no/such/folder" in capsys.readouterr().err


def test_stock_aiortc_pauses_where_we_do_not() -> None:
    """The peer's figure is real: one lost packet silences it for 300 ms and delays it from then on."""
    payloads = encoded(speech(4.0), PCMA)
    packets = [packet for packet in arrivals(payloads, seed=0, loss=0.0) if packet.index != 60]
    theirs, ours = played_by_aiortc(packets, len(payloads), PCMA), played(packets, len(payloads), PCMA, concealment=True)

    def frozen_frames(samples: np.ndarray) -> int:
        return int((np.abs(samples.reshape(-1, 320)).max(axis=1) < 1e-6)[55:100].sum())

    assert frozen_frames(theirs.samples) >= 10 and frozen_frames(ours.samples) == 0
