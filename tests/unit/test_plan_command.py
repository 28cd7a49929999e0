"""``centralita plan``: a folder is checked, put in force and written out."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from api.__main__ import app
from api.centre.demo_plan import demo_documents
from api.centre.plan_documents import file_of
from api.centre.plan_folder import read_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in demo_documents().items():
        path = tmp_path / "plan" / file_of(name, text)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "plan"


@pytest.fixture
def config(tmp_path: Path) -> list[str]:
    path = tmp_path / "centralita.toml"
    path.write_text(f"[server]\ndata_dir = '{tmp_path}'\n")
    return ["--config", str(path)]


def plan(*arguments: str) -> tuple[int, str]:
    with capture_logs():
        result = CliRunner().invoke(app, ["plan", *arguments])
    return result.exit_code, result.output.strip()


def test_a_folder_is_checked_and_every_fault_told_with_its_line(folder: Path, config: list[str]) -> None:
    assert plan("check", str(folder), *config) == (0, "Nothing is wrong: 1 flows, 1 queues, 1 numbers.")
    (folder / "queues.toml").write_text("[travels]\nring = 3\n")
    code, told = plan("check", str(folder), *config)
    assert code == 1 and told.splitlines()[-1].startswith("queues:2: 'ring' has no meaning here")
    assert any(line.startswith("flows/main:") and "There is no queue 'travel'" in line for line in told.splitlines())


def test_a_plan_is_put_in_force_and_written_out_again(folder: Path, config: list[str], tmp_path: Path) -> None:
    assert plan("put", str(folder), "--comment", "begun", *config) == (0, "Version 1 is in force.")
    assert plan("put", str(folder), *config) == (0, "Nothing is new: version 1 stays in force.")
    (folder / "breaks.toml").unlink()
    assert plan("put", str(folder), *config) == (0, "Version 2 is in force.")
    (folder / "queues.toml").unlink()
    code, told = plan("put", str(folder), *config)
    assert code == 1 and "There is no queue 'travel'" in told
    written = tmp_path / "written"
    assert plan("export", str(written), *config) == (0, f"6 documents of version 2 are in {written}.")
    assert "breaks" not in read_folder(written)
    assert plan("export", str(written), "--version", "1", *config)[0] == 0
    assert read_folder(written) == demo_documents()
    assert plan("export", str(written), "--version", "9", *config)[0] == 2
