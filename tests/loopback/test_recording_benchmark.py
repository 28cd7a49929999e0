"""The benchmark of recording runs, and finds every recorded packet in the files."""

import json

import pytest

from benchmarks.__main__ import main


def test_quick_recording_has_its_shape(capsys: pytest.CaptureFixture[str]) -> None:
    main(["recording", "--quick", "--json", "--only", "calls"])
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    found = {(row["case"], row["metric"]): row for row in rows}
    (case,) = {case for case, _ in found}
    assert len(found) == len(rows) == 8 and case.startswith("calls of a browser and a phone, G.711, 2 at once, wire ")
    assert all(found[case, metric]["holds"] for metric in {metric for _, metric in found if metric.startswith("packets ")})
    assert found[case, "recording adds"]["goal"] == "<= 1.5"
    assert found[case, "on disk per packet"]["value"] > 0
    assert found[case, "recorded packet"]["value"] >= 0, "nothing where the machine stopped for the whole short window"
