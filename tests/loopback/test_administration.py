"""What only administrators see over HTTP: lines with their test calls, and what is kept for how long."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientSession, web

from api.audit.audit import Audit
from api.line_routes import LineRoutes
from api.line_trial import LineTrial
from api.metrics import Metrics
from api.phone_legs import PhoneLegs
from api.privacy.data_class import DataClass
from api.privacy.retention import Retention
from api.privacy.retention_policy import RetentionPolicy
from api.privacy.retention_routes import RetentionRoutes
from api.routes import PartHealth, make_app, make_runner
from api.rtp_ports import RtpPorts
from api.settings.retention import RetentionSection
from api.store import Store
from api.store.retention import RetentionStore
from media.settings import MediaSettings
from media.worker import MediaWorker
from pbx.loopback import LoopbackTimes, LoopbackTrunk
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.people import AUDIT_KEYS, known_by
from tests.kit.vaults import VAULT

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")


def as_role(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS.issue(role, role.title(), role).token}"}


def dialled(trunk: str, number: str, who: str) -> str:
    if number == "premium":
        raise Refusal("forbidden_number", "Nobody may dial this.")
    return number


class Desk(SimpleNamespace):
    http: ClientSession
    store: Store

    async def get(self, path: str, role: str = "admin") -> tuple[int, Any]:
        async with self.http.get(f"/api/v1{path}", headers=as_role(role)) as response:
            return response.status, await response.json()

    async def tried(self, number: str, role: str = "admin") -> tuple[int, list[Any]]:
        async with self.http.post("/api/v1/lines/demo/try", json={"number": number}, headers=as_role(role)) as response:
            return response.status, [json.loads(line) for line in (await response.text()).splitlines()]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async def health() -> Mapping[str, PartHealth]:
        return {}

    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=VAULT))
        audit = await stack.enter_async_context(Audit(store.audit, AUDIT_KEYS))
        worker = await stack.enter_async_context(MediaWorker(MediaSettings(), lambda event: None))
        demo = LoopbackTrunk(lambda event: trial.hear_trunk(event) and None, times=LoopbackTimes(ring_s=0.01, answer_s=0.02, refuse_s=0.01))
        trial = LineTrial(worker, PhoneLegs(worker, {"demo": demo}, RtpPorts("127.0.0.1", 0, 0), public_host="127.0.0.1"), {"demo": demo})
        await stack.enter_async_context(demo)
        section = RetentionSection(classes={DataClass.INTERNAL: 100}, countries={"DE": {"calls": 30}})  # type: ignore[dict-item]
        policy: RetentionPolicy = section.policy()
        retention = Retention(store.part(RetentionStore), policy, "ES", lambda kind, detail: None)
        app = make_app(known_by(TOKENS), await stack.enter_async_context(Metrics()), health)
        LineRoutes({"demo": demo}, trial, dialled, audit, "", threecx=False).add_to(app)
        RetentionRoutes(retention, policy, enabled=False, others={"chat": 365, "recordings": None}).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = await stack.enter_async_context(ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}"))
        yield Desk(http=http, store=store)


async def test_lines_are_listed_and_a_test_call_is_told_step_by_step(desk: Desk) -> None:
    status, told = await desk.get("/lines")
    (line,) = told["lines"]
    assert (status, line["name"], line["trunk"], line["ready"], line["calls"]) == (200, "demo", "demo", True, 0)
    status, steps = await desk.tried("600")
    assert (status, [step["state"] for step in steps]) == (200, ["dialling", "ringing", "heard"])
    status, steps = await desk.tried("603")
    assert (steps[-1]["state"], steps[-1]["cause"], steps[-1]["sip"]) == ("refused", "busy", 486)
    status, (problem,) = await desk.tried("premium")
    assert (status, problem["error"]["code"]) == (403, "forbidden_number")
    assert (await desk.tried("600", "supervisor"))[0] == 403 and (await desk.get("/lines", "supervisor"))[0] == 403


async def test_what_is_kept_for_how_long_is_told_and_what_would_go(desk: Desk) -> None:
    _, told = await desk.get("/retention")
    kinds = {kind["kind"]: kind for kind in told["kinds"]}
    assert (kinds["calls"]["days"], kinds["calls"]["class_days"], kinds["calls"]["countries"]) == (2557.0, None, {"DE": 30})
    assert (kinds["queues"]["days"], kinds["queues"]["class_days"], kinds["queues"]["data_class"]) == (100.0, 100, "internal")
    assert (told["enabled"], told["others"], told["neglected"]) == (False, {"chat": 365, "recordings": None}, 0)
    _, due = await desk.get("/retention/due")
    assert set(due["due"]) == set(kinds) and set(due["due"].values()) == {0}
    assert (await desk.get("/retention", "supervisor"))[0] == 403
