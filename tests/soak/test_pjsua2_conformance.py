"""The conformance flows against the line that pjsua2 signals for, by hand (`make soak`): all that is within its limits.

What is beyond them is named here with the reason, and is nothing that a call needs; it is why the asyncio user agent is the default.
"""

import asyncio

import pytest

from pbx.pjsua2_trunk import Pjsua2Trunk
from tests.kit.flows import basic, dialogs, early, inside, manners, offers, registration
from tests.kit.sipp_flows import Run, Subject, run_all, runs

PJSUA2 = Subject("pjsua2", Pjsua2Trunk, at_once=3)
FLOWS = (*registration.FLOWS, *basic.FLOWS, *early.FLOWS, *offers.FLOWS, *dialogs.FLOWS, *inside.FLOWS, *manners.FLOWS)
BEYOND = {
    "its trunk leaves it out: encrypted audio, being asked to transfer, calls without an offer, reliable responses of ours, watching": (
        *(
            "encrypted offer",
            "offered plain and encrypted",
            "plain offer where encryption is required",
            "unknown cipher",
            "we offer encryption",
        ),
        *(
            "they refer us",
            "their transfer fails",
            "they want no notify",
            "refer without target",
            "refer to a web page",
            "refer outside a call",
        ),
        *("no offer in the invite", "our reliable early media", "prack and answer", "prack of nothing", "watches the pbx"),
    ),
    "a rule of ours that pjsip has not: passwords for strangers, digits one by one, refreshes below 90 s, versions that stay": (
        *("challenge from inside a call", "realm of a stranger", "no password configured", "wrong password", "digits from us", "refreshes"),
        *("they stop refreshing", "we are asked to refresh", "we refresh by re-invite", "we refresh what we dialled"),
        *("early media from us", "we hold and take back", "same offer again", "no offer in a re-invite", "caller without timers"),
    ),
    "pjsip answers with another status or not at all, and tells of quick digits in any order": (
        *("nothing in common", "answer that is none", "ipv6 in the description", "hold by update", "our hold finds no call"),
        *("request out of order", "request that skips numbers", "request after the end", "options inside a call", "several via"),
        *(
            "digits from them",
            "digit as plain text",
            "info without body",
            "info of another kind",
            "subscription to nothing",
            "notify of nothing",
        ),
        *("replaces without tags", "replaces in another method", "method that is not for us", "method that nobody knows", "message"),
        *("register at us", "bye outside a call", "extension that we lack", "scheme that we lack", "body in an unknown coding"),
        *("answer that nobody reads", "expired", "line is full", "registers", "seen elsewhere", "we are refused with 302", "we refer them"),
    ),
}
_NAMES = {name for names in BEYOND.values() for name in names}
WITHIN = [run for run in runs(FLOWS) if run.flow.name not in _NAMES and run.over in ("udp", "tcp", "proxy")]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[Run, str]:
    """What went wrong with each run; empty where nothing did."""
    return asyncio.run(run_all(WITHIN, PJSUA2, tmp_path_factory.mktemp("flows")))


@pytest.mark.parametrize("run", WITHIN, ids=str)
def test_pjsua2_keeps_to(run: Run, outcomes: dict[Run, str]) -> None:
    assert outcomes[run] == "", f"{run.flow.clause}: {run.flow.proves}\n{outcomes[run]}"


def test_what_is_beyond_it_is_in_the_tables() -> None:
    assert {flow.name for flow in FLOWS} >= _NAMES
