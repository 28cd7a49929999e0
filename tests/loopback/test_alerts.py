"""Alerts over HTTP: the same for all supervisors, seen to and put off by name, and bounds that are tried on yesterday's calls."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from msgspec.structs import replace

from api.alert_memory import AlertMemory
from api.alert_routes import AlertRoutes, OtherNodes, kept_thresholds
from api.audit.audit import Audit
from api.board import Board, as_one
from api.call_alerts import CallAlerts
from api.metrics import Metrics
from api.nodes.nodes import Nodes
from api.quality_alerts import Thresholds
from api.rest_limits import RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.store import Store
from api.store.audit import AuditWanted
from rooms.queues.figures import Figures
from signaling.bus import MemoryBus
from signaling.messages import BoardAlert, CallState, HelpState
from signaling.tokens import TokenIssuer
from tests.kit.exchange_bench import Told
from tests.kit.people import AUDIT_KEYS, known_by
from tests.kit.vaults import VAULT
from tests.loopback.test_call_history import record, sample

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
NOW = 100_000.0


class Site:
    """The routes of one board over one database, at ``NOW``."""

    def __init__(self, http: ClientSession, board: Board, store: Store, log: Audit) -> None:
        self._http, self.board, self.store, self.log = http, board, store, log
        self.now = NOW

    async def ask(
        self, method: str, path: str, body: Any = None, *, by: str = "eva", role: str = "supervisor", teams: str = "", seen: str = ""
    ) -> Any:
        """``seen``: what the caller saw, by its ``ETag``."""
        token = TOKENS.issue(by, by.title(), role, teams=teams.split()).token
        data = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        headers |= {"If-Match": seen} if seen else {}
        async with self._http.request(method, f"/api/v1/{path}", data=data, headers=headers) as answer:
            return answer.status, await answer.json() if answer.status != 204 else None

    def second(self, jitter_ms: float) -> None:
        """A second of Ana's call."""
        self.board.quality("c1", [("phone", replace(sample("c1-phone", 4.2, "good"), loss=0.0, jitter_ms=jitter_ms))], [])


@asynccontextmanager
async def site(folder: Path, nodes: OtherNodes | None = None) -> AsyncIterator[Site]:
    async def healthy() -> Mapping[str, PartHealth]:
        return {}

    async with (
        Metrics() as metrics,
        Store.open(f"sqlite:///{folder}/calls.sqlite3", vault=VAULT) as store,
        Audit(store.audit, AUDIT_KEYS) as log,
    ):
        made: list[Site] = []
        board = Board(now=lambda: made[0].now if made else NOW, clock=lambda: NOW)
        board.know_teams(lambda identity: frozenset({"hotels"}) if identity == "ana" else frozenset())
        app = make_app(known_by(TOKENS), metrics, healthy, limits=RestLimits(RestLimitSettings(person={}), lambda: 0.0))
        AlertRoutes(board, nodes or Nodes(MemoryBus(topics=8, kept=8)), store, log, lambda: NOW).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
                made.append(Site(http, board, store, log))
                yield made[0]
        finally:
            await runner.cleanup()


def call() -> CallState:
    return CallState(
        call_id="c1", direction="in", state="live", number="+34600111222", name="", agent="ana", muted=False, held=False,
        held_by_other=False, agent_connected=True, started_at=NOW, answered_at=NOW, ended_at=None, reason=None, detail=None,
    )  # fmt: skip


async def test_all_supervisors_see_an_alert_and_who_sees_to_it_and_the_audit_says_who(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.board.call(call())
        for _ in range(3):
            here.second(jitter_ms=45.0)
        assert (await here.ask("GET", "alerts", role="agent"))[0] == 403
        assert (await here.ask("GET", "alerts", teams="flights"))[1] == {"alerts": [], "whole": True}
        _, told = await here.ask("GET", "alerts", teams="hotels")
        (alert,) = told["alerts"]
        assert (alert["kind"], alert["call_id"], alert["hop"], alert["worst"]) == ("jitter", "c1", "phone_to_us", 45.0)
        assert here.board.watch("luz").alerts[0].alert_id == alert["alert_id"], "on the board too"
        path = f"alerts/{alert['alert_id'].replace(' ', '%20')}"
        assert (await here.ask("POST", f"{path}/snooze", {"for_s": 5}))[0] == 400
        assert (await here.ask("POST", f"{path}/snooze", {"for_s": 900}, teams="flights"))[0] == 404
        assert (await here.ask("POST", f"{path}/snooze", {"for_s": 900}))[0] == 204
        assert (await here.ask("POST", f"{path}/acknowledgement", by="luz"))[0] == 204
        (seen,) = (await here.ask("GET", "alerts"))[1]["alerts"]
        assert (seen["acknowledged_by"], seen["snoozed_by"], seen["snoozed_until"]) == ("luz", "eva", NOW + 900)
        here.board.over("c1")
        assert (await here.ask("GET", "alerts"))[1] == {"alerts": [], "whole": True}
        assert (await here.ask("POST", f"{path}/acknowledgement"))[0] == 404
        await here.log.written()
        noted = [(entry.event.kind, entry.event.who) for entry in await here.log.entries(AuditWanted(), 9)]
        assert sorted(noted) == [("alert_acknowledged", "luz"), ("alert_snoozed", "eva")]


async def test_an_agent_asks_for_help_and_hears_who_sees_to_it(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        told = Told()
        here.board.meet(told)
        assert here.board.help("ana", None) == HelpState(None, "")
        assert here.board.help("ana", True) == here.board.help("ana", True) == HelpState(NOW, "")
        assert (await here.ask("GET", "alerts", teams="flights"))[1]["alerts"] == []
        (alert,) = (await here.ask("GET", "alerts", teams="hotels"))[1]["alerts"]
        assert (alert["kind"], alert["subject"], alert["call_id"], alert["teams"]) == ("help", "ana", "", ["hotels"])
        path = f"alerts/{alert['alert_id'].replace(' ', '%20')}/acknowledgement"
        assert (await here.ask("POST", path, by="luz"))[0] == 204
        assert here.board.help("ana", False) == HelpState(None, "")
        assert (await here.ask("GET", "alerts"))[1]["alerts"] == []
        of_ana = [notice for topic, notice in told.notices if topic == "person:ana"]
        assert of_ana == [HelpState(NOW, ""), HelpState(NOW, ""), HelpState(NOW, "luz"), HelpState(None, "")]


async def test_what_an_agent_says_of_a_calls_sound_is_shown_until_somebody_sees_to_it(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        for what in ("echo", "heard_badly"):
            here.board.report("ana", "c9", what)
        here.board.report("ben", "c9", "broke_off")
        known = (await here.ask("GET", "alerts"))[1]["alerts"]
        assert [(one["subject"], one["call_id"], one["what"]) for one in known] == [("ana", "c9", "echo"), ("ben", "c9", "broke_off")]
        assert [one["subject"] for one in (await here.ask("GET", "alerts", teams="hotels"))[1]["alerts"]] == ["ana"]
        path = f"alerts/{known[0]['alert_id'].replace(' ', '%20')}/acknowledgement"
        assert (await here.ask("POST", path))[0] == 204
        assert [one["subject"] for one in (await here.ask("GET", "alerts"))[1]["alerts"]] == ["ben"]
        here.now += 3_601
        here.board.tell()
        assert (await here.ask("GET", "alerts"))[1]["alerts"] == [], "what nobody saw to is not shown for ever"


async def test_other_bounds_are_tried_on_the_last_day_and_then_hold_for_all(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.store.put_call(record("c1", "ana", NOW - 600), lambda at_s: at_s)
        here.store.put_call(record("old", "ana", NOW - 90_000), lambda at_s: at_s)
        for call_id, at in (("c1", NOW - 500), ("old", NOW - 89_000)):
            for second in range(6):
                good = replace(sample(f"{call_id}-phone", 4.2, "good"), loss=0.0, jitter_ms=20.0)
                here.store.put_quality(call_id, at + second, [good])
        await here.store.flush()
        wanted = {"jitter_ms": 30.0}
        _, tried = await here.ask("POST", "alert-thresholds/preview", wanted)
        assert (tried["told"]["jitter"], tried["seconds"], tried["whole"]) == (0, 6, True), "of the last day alone"
        wanted = {"jitter_ms": 15.0}
        _, tried = await here.ask("POST", "alert-thresholds/preview", wanted)
        assert {kind: count for kind, count in tried["told"].items() if count} == {"jitter": 1}
        assert here.board.alerts.thresholds == Thresholds(), "trying changes nothing"
        assert (await here.ask("PUT", "alert-thresholds", wanted, teams="hotels"))[0] == 403
        assert (await here.ask("PUT", "alert-thresholds", {"jitter_ms": -1}))[0] == 400
        assert (await here.ask("PUT", "alert-thresholds", wanted))[0] == 200
        assert (await here.ask("GET", "alert-thresholds"))[1]["thresholds"]["jitter_ms"] == 15.0
        assert await kept_thresholds(here.store) == (1, here.board.alerts.thresholds) == (1, Thresholds(jitter_ms=15.0))
        await here.log.written()
        (noted,) = [entry.event for entry in await here.log.entries(AuditWanted(), 9)]
        assert (noted.kind, noted.who, noted.detail) == ("alert_thresholds_changed", "eva", "jitter_ms 30 to 15")


async def test_of_two_who_change_the_bounds_that_they_saw_neither_undoes_the_others_work(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        assert (await here.ask("PUT", "alert-thresholds", {"jitter_ms": 15.0}, seen='"0"'))[0] == 200
        status, told = await here.ask("PUT", "alert-thresholds", {"jitter_ms": 16.0}, seen='"0"')
        assert (status, told["error"]["code"]) == (412, "thresholds_changed")
        assert (await here.ask("PUT", "alert-thresholds", {"jitter_ms": 17.0}, seen='W/"x"'))[0] == 400
        assert (await here.ask("PUT", "alert-thresholds", {"jitter_ms": 18.0}, seen='"1"'))[0] == 200
        assert await kept_thresholds(here.store) == (2, here.board.alerts.thresholds) == (2, Thresholds(jitter_ms=18.0))


def waiting(longest_s: float) -> dict[str, Figures]:
    """A queue in which somebody waits so long, and its agents are there."""
    none = dict.fromkeys(Figures.__dataclass_fields__, 0) | {"service_level": None, "wait_s": None, "handle_s": None}
    stands = none | {"queue": "sales", "waiting": 1, "longest_s": longest_s, "signed_in": 2}
    return {"sales": Figures(**stands)}  # type: ignore[arg-type]


async def test_a_node_that_starts_again_knows_who_sees_to_its_queues_and_tells_of_nothing_twice(tmp_path: Path) -> None:
    async with Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=VAULT) as store:
        before = CallAlerts(lambda: NOW)
        async with AlertMemory(before, store.open_alerts, "one"):
            before.heard("c1", [("phone", replace(sample("c1-phone", 4.2, "good"), cause="silent"))] * 3)
            before.look_at(waiting(300.0))
            (alert,) = [alert for alert in before.open if not alert.call_id]
            assert before.see(alert.alert_id, "eva", None)
        assert await store.open_alerts.of("two") == [], "another node's are its own"
        after = CallAlerts(lambda: NOW + 60)
        after.look_at(waiting(360.0))  # it may be measured before it is remembered
        async with AlertMemory(after, store.open_alerts, "one") as memory:
            (again,) = after.open
            assert (again.alert_id, again.acknowledged_by, again.since) == ("wait:sales", "eva", NOW)
            for _ in range(5):
                after.look_at(waiting(1.0))
            assert after.open == []
            await memory.keep()
            assert await store.open_alerts.of("one") == []
            after.look_at(waiting(300.0))
            assert [alert.acknowledged_by for alert in after.open] == [""], "that is another one"
        last = CallAlerts(lambda: NOW + 120)
        async with AlertMemory(last, store.open_alerts, "one"):
            assert len(last.open) == 1
            last.look_at({})
            assert last.open == [], "the queue is no longer planned"


async def test_an_alert_of_a_node_that_does_not_answer_is_no_alert_that_is_over(tmp_path: Path) -> None:
    class Silent:
        async def alerts_elsewhere(self, teams: frozenset[str]) -> tuple[list[BoardAlert], bool]:
            return [], False

        async def see_alert(self, alert_id: str, by: str, until: float | None, teams: frozenset[str]) -> tuple[bool, bool]:
            return False, False

    async with site(tmp_path, Silent()) as here:
        assert (await here.ask("GET", "alerts"))[1] == {"alerts": [], "whole": False}
        status, told = await here.ask("POST", "alerts/wait:sales/acknowledgement")
        assert (status, told["error"]["code"]) == (503, "timeout")
        here.board.alerts.look_at(waiting(300.0))
        assert (await here.ask("POST", "alerts/wait:sales/acknowledgement"))[0] == 204, "its own alerts need nobody else"


def test_an_alert_of_two_nodes_is_one_and_who_sees_to_it_at_one_does_at_all() -> None:
    at_one = BoardAlert(
        alert_id="wait:sales", kind="wait", subject="sales", call_id="", hop="", since=5.0, worst=200.0, acknowledged_by="eva"
    )
    at_two = replace(at_one, since=3.0, acknowledged_by="", snoozed_by="luz", snoozed_until=9.0)
    (merged,) = as_one([at_one, at_two])
    assert (merged.since, merged.acknowledged_by, merged.snoozed_by, merged.snoozed_until) == (3.0, "eva", "luz", 9.0)
    assert as_one([at_two, at_one]) == [merged]
