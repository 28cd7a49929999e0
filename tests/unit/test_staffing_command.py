"""``centralita staffing``: agents for a service level."""

from typer.testing import CliRunner

from api.__main__ import app


def staffing(*arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["staffing", *arguments])
    return result.exit_code, result.output.splitlines()


def test_agents_and_what_fewer_and_more_would_do() -> None:
    code, told = staffing("100", "180")
    assert code == 0 and told[0] == "14 agents. 10.0 calls are held at a time."
    assert told[2].split("  ")[0] == "agents" and [line.split()[0] for line in told[3:]] == ["12", "13", "14", "15", "16", "17"]
    assert told[5].split() == ["14", "88.8", "%", "8", "s", "17.4", "%", "0.0", "%", "71", "%"]


def test_callers_with_patience_need_fewer_and_a_line_without_end_is_told() -> None:
    assert staffing("100", "180", "--patience-s", "120")[1][0].startswith("12 agents")
    assert "without end" in "".join(staffing("1", "1800", "--service-level", "1", "--within-s", "0")[1])


def test_figures_that_mean_nothing_are_refused() -> None:
    assert staffing("0", "180") == (2, ["Arrivals, handle time and patience are more than 0, and there is at least one agent."])
    assert staffing("100", "180", "--service-level", "100")[0] == 2
