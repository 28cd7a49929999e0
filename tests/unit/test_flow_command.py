"""``centralita flow``: flows as files are checked and gone through dry."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.__main__ import app

MAIN = "deploy/centre/flows/main.toml"


@pytest.fixture
def config(tmp_path: Path) -> list[str]:
    path = tmp_path / "centralita.toml"
    path.write_text(f"[server]\ndata_dir = '{tmp_path}'\n")
    return ["--config", str(path)]


def run(*arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output.strip().splitlines()


def test_the_example_is_right_with_its_plan_and_alone(config: list[str], tmp_path: Path) -> None:
    assert run("flow", "check", MAIN, *config) == (0, ["Nothing is wrong: 1 flows."])
    alone = tmp_path / "main.toml"
    alone.write_text(Path(MAIN).read_text())
    assert run("flow", "check", str(alone), *config) == (0, ["Nothing is wrong: 1 flows."])


def test_what_is_wrong_with_a_flow_is_told_with_its_line(config: list[str], tmp_path: Path) -> None:
    path = tmp_path / "night.toml"
    path.write_text('languages = ["en"]\n[steps.a]\nkind = "say"\nsay = "goodbye"\nnext = "b"\n')
    assert run("flow", "check", str(path), *config) == (1, ["night, line 5: There is no step 'b': write it, or lead elsewhere."])
    path.write_text('languages = ["en"]\n[steps.a]\nkind = "set"\nnext = "a"\n')
    code, told = run("flow", "check", str(path), *config)
    assert code == 1 and told[0].startswith("night, line 2: From 'a' a call can come back to it")
    assert run("flow", "check", str(tmp_path / "none.toml"), *config)[0] == 2


def test_a_call_on_christmas_eve_is_tried(config: list[str]) -> None:
    code, lines = run("flow", "try", MAIN, "--at", "2026-12-24T18:00", "--from", "+34600111222", "--press", "1,2", *config)
    assert code == 0
    assert "00:08  [hours: closed until 2026-12-25 00:00]" in lines and lines[-1].endswith("over: completed")
    assert any("leaves a message in the box office" in line for line in lines)


def test_a_number_of_a_plan_leads_into_its_flow(config: list[str]) -> None:
    call = [
        "--to",
        "911 234 568",
        "--from",
        "+34 600 111 222",
        "--at",
        "2026-11-23T10:00:00+00:00",
        "--fact",
        "vip=true",
        "--fact",
        "score=7",
    ]
    code, lines = run("flow", "try", "deploy/centre", *call, "--outcome", "queue=full", "--press", "2", *config)
    assert code == 0 and lines[0] == "00:00  [language: way]"
    assert any("hears: All our agents are busy. To be called back" in line for line in lines)
    assert run("flow", "try", "deploy/centre", "--to", "900", *config)[0] == 2


def test_the_plan_in_force_is_tried_too(config: list[str]) -> None:
    assert run("plan", "put", "deploy/centre", *config)[0] == 0
    arguments = ["--at", "2026-11-23T10:00", "--press", "2,2,4711#", "--answer", "look-up.departs_in_days=1", *config]
    code, lines = run("flow", "try", "main", *arguments)
    assert code == 0 and any("waits in the queue bookings with priority 2" in line for line in lines)
    assert run("flow", "try", "mane", *config)[0] == 2


@pytest.mark.parametrize("wrong", [["--at", "tomorrow"], ["--fact", "vip"], ["--outcome", "queue=taken", "--press", "1,1"]])
def test_what_cannot_be_tried_is_told(config: list[str], wrong: list[str]) -> None:
    assert run("flow", "try", MAIN, "--at", "2026-11-23T10:00", *wrong, *config)[0] == 2
