"""Two real nodes with one Redis: what dies takes nothing along that somebody was promised."""

import json

import pytest

from benchmarks.__main__ import main

pytestmark = pytest.mark.xdist_group("crowded")  # with many browsers, or measured: one such file at a time


def test_redis_and_a_node_die_under_live_calls_and_chat(capsys: pytest.CaptureFixture[str]) -> None:
    main(["redis_faults", "--quick", "--only", "faults", "--json"])
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    figures = {(row["case"].partition(":")[0], row["metric"]): row["value"] for row in rows}
    missed = {row["metric"] for row in rows if row["holds"] is False}
    # How long things take is the machine's too; whether they happen is not.
    assert missed <= {"presence right", "longest gap in a live call", "a new call connected after", "longest wait of a REST request"}, rows
    assert figures["Redis killed with -9", "says so, and is ready"] == 1
    assert figures["during all this", "requests answered or refused"] > 10
    assert any(row["metric"] == "of them lost" and int(row["case"].split()[0]) > 5 for row in rows)
