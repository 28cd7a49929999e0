"""The conformance suite: every flow of the tables in ``tests.kit.flows`` against the asyncio user agent, over each transport it is for.

A trunk with a scripted application on one side, SIPp on the other; the flows run side by side, and each has a test of its own. Another
kind of trunk is held to the same tables by another ``Subject``.
"""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.kit.flows import basic, dialogs, early, inside, losses, manners, offers, registrar, registration
from tests.kit.flows.flow import Flow
from tests.kit.sipp_flows import OURS, Run, run_all, runs
from tests.kit.sipp_steps import Caller

FLOWS = (
    *losses.FLOWS,  # they wait longest, the others go on meanwhile
    *registration.FLOWS,
    *registrar.FLOWS,
    *basic.FLOWS,
    *early.FLOWS,
    *offers.FLOWS,
    *dialogs.FLOWS,
    *inside.FLOWS,
    *manners.FLOWS,
)


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[Run, str]:
    """What went wrong with each run that was chosen; empty where nothing did."""
    chosen = [
        item.callspec.params["run"] for item in request.session.items if "run" in getattr(getattr(item, "callspec", None), "params", {})
    ]
    return asyncio.run(run_all(chosen, OURS, tmp_path_factory.mktemp("flows")))


@pytest.mark.parametrize("run", runs(FLOWS), ids=str)
def test_the_agent_keeps_to(run: Run, outcomes: dict[Run, str]) -> None:
    assert outcomes[run] == "", f"{run.flow.clause}: {run.flow.proves}\n{outcomes[run]}"


def test_the_tables_name_every_flow_once_and_with_its_clause() -> None:
    assert not [name for name, times in Counter(flow.name for flow in FLOWS).items() if times > 1]
    assert all(flow.clause.startswith("RFC ") and flow.proves for flow in FLOWS)
    assert len(FLOWS) >= 60


def test_a_flow_can_fail(tmp_path: Path) -> None:
    """A pattern that is not there, one that must not be there, a status and an event that do not come: each is found out."""
    wrong = (
        Flow("pattern", "", "", Caller("busy").invites().is_refused(486, "Allow-Nothing: ")),
        Flow("never", "", "", Caller("ring").invites().gets(180, never="Contact: ")),
        Flow("status", "", "", Caller("busy").invites().is_refused(480)),
        Flow("event", "", "", Caller("answer").calls().hangs_up(), "Arrived Confirmed"),
    )
    chosen = [Run(flow, "udp") for flow in wrong]
    assert all(asyncio.run(run_all(chosen, OURS, tmp_path)).values())
