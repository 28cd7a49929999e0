"""The benchmark of recording runs, and finds every recorded packet in the files."""

import json

import pytest

from benchmarks.__main__ import main


def test_quick_recording_has_its_shape(capsys: pytest.CaptureFixture[str]) -> None:
    main(["recording", "--quick", "--json"])
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    found = {(row["case"], row["metric"]): row for row in rows}
    assert len(found) == len(rows) == 10
    for case in ("forwarding PCMA, 5 calls", "forwarding OPUS, 5 calls"):
        assert found[case, "packets not in the files"]["value"] == 0
        assert found[case, "recording adds"]["goal"] == "<= 1.5"
        assert found[case, "recorded packet"]["value"] > 0
