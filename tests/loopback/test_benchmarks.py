"""The benchmarks that need sockets: they run, and their yardsticks show what is wrong when something is."""

import json

import numpy as np
import pytest

from api.load.streams import first_frame
from benchmarks.__main__ import main
from benchmarks.load import beeps
from media import rtp
from rooms.audio import OPUS, PCMA, AudioCodec

Rows = dict[str, dict[str, object]]


def quick(name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Rows]:
    """What a quick run says, by the first word of its cases and by its figures."""
    status = main([name, "--quick", "--json"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["benchmark"] == name
    assert set(result["machine"]) == {"cpu", "cores", "python", "versions", "load"}
    assert status == (0 if all(row["holds"] is not False for row in result["rows"]) else 1)
    found: dict[str, Rows] = {}
    for row in result["rows"]:
        assert set(row) == {"case", "metric", "value", "unit", "peer", "peer_value", "ratio", "goal", "holds"}
        found.setdefault(row["case"].partition(" ")[0], {})[row["metric"]] = row
    return found


def test_quick_signalling_answers_every_call(capsys: pytest.CaptureFixture[str]) -> None:
    found = quick("sip_signalling", capsys)
    for case in ("20", "whole"):
        assert found[case]["calls failed"]["value"] == 0 and found[case]["CPU per call"]["unit"] == "ms"
    whole = found["whole"]
    assert whole["records of calls, whole and each once"]["value"] == whole["calls made"]["value"] == 30
    assert whole["requests of agents refused"]["value"] == whole["records too many"]["value"] == 0


def test_quick_delay_has_its_shape_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    rows = quick("delay", capsys)
    assert rows["forwarding"]["added delay, p99"]["goal"] == "<= 5"
    target_ms = rows["mixing"]["jitter buffers' target, p95"]["value"]
    assert isinstance(target_ms, float) and target_ms >= 20
    assert rows["mixing"]["added delay, p95"]["goal"] == f"<= {50 + target_ms:g}"
    for kind in ("forwarding", "mixing"):
        assert rows[kind]["packets lost"]["value"] == rows[kind]["packets altered, forged, out of order"]["value"] == 0


@pytest.mark.parametrize(("name", "case"), [("bridge_capacity", "calls"), ("transcode_capacity", "calls"), ("mix_capacity", "rooms")])
def test_a_quick_capacity_run_loses_and_alters_nothing(name: str, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = quick(name, capsys)[case]
    assert rows["packets lost"]["value"] == rows["packets altered, forged, out of order"]["value"] == 0
    work = next(row for metric, row in rows.items() if metric.startswith("CPU per"))
    assert isinstance(work["value"], float) and work["value"] > 0
    assert any(metric.endswith("per core at 90%") for metric in rows)


def test_calls_beside_those_who_misbehave_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    rows = quick("bad_input", capsys)["2"]
    assert rows["packets altered, forged, out of order"]["value"] == rows["calls of ours ended"]["value"] == 0
    lost, dropped = rows["packets lost"]["value"], rows["datagrams that the kernel dropped"]["value"]
    assert isinstance(lost, float) and isinstance(dropped, float) and lost <= dropped, "we lose nothing that reaches us"
    sent = rows["datagrams of theirs"]["value"]
    assert isinstance(sent, float) and sent > 1_000


def test_a_killed_worker_ends_no_call_and_leaves_others_whole(capsys: pytest.CaptureFixture[str]) -> None:
    main(["worker_death", "--quick", "--json"])
    rows = {row["metric"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]}
    assert rows["packets lost or reordered, other worker's calls"]["value"] == rows["calls ended by it"]["value"] == 0
    assert rows["longest gap, other worker's calls"]["peer_value"] > 0
    assert rows["longest gap, its own calls"]["value"] > 0


def test_the_last_seats_are_sold_once_on_both_databases(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row for found in quick("booking_contention", capsys).values() for row in found.values()]
    assert rows and all(row["holds"] for row in rows if row["goal"])


@pytest.mark.parametrize("codec", [PCMA, OPUS])
def test_a_beep_is_heard_when_it_comes(codec: AudioCodec) -> None:
    said = beeps.beeping(codec)
    first = first_frame(3, said)
    departures = [1_000 + number / 50 for number in range(100)]
    packets = [said.packets[(first + number) % 20] for number in range(100)]
    tape = [
        (left_s + 0.137, rtp.build(codec.payload_type, 65_500 + number, number * codec.clock_rate // 50, 1, packets[number]))
        for number, left_s in enumerate(departures)
    ]
    found = beeps.delays_s(codec, departures, first, codec, tape)
    assert len(found) == 5 and np.allclose(found, 0.137, atol=0.001)


def test_after_a_reconnect_storm_everybody_has_everything_once_and_bad_clients_harm_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signaling_fanout", "--quick", "--json", "--only", "storm,frozen,flood"]) in (0, 1)
    rows = {row["metric"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]}
    assert rows["heard"]["value"] == 200 * 1_000 / 10
    for metric in ("missing", "twice", "out of order", "memory each, with the kernel's", "still connected", "flooder disconnected"):
        assert rows[metric]["holds"], rows[metric]


def test_idle_connections_are_cheap(capsys: pytest.CaptureFixture[str]) -> None:
    rows = quick("signaling_connections", capsys)["100"]
    assert rows["memory each"]["holds"]


def test_quick_records_are_written_whole_into_both_databases(capsys: pytest.CaptureFixture[str]) -> None:
    main(["records_write", "--quick", "--only", "writes", "--json"])
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert {row["case"].partition(",")[0] for row in rows} == {"SQLite", "PostgreSQL"}
    figures = [row for row in rows if row["metric"] in ("samples given up", "calls recorded per minute of one core's time")]
    assert [row["value"] > 0 for row in figures] == [True, False, True, False]
