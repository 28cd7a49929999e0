"""Reports over HTTP: whose figures somebody sees, as what, and what of it is written down."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from api.audit.audit import Audit
from api.metrics import Metrics
from api.reports.report import Reports
from api.reports.routes import Asking, ReportRoutes
from api.rest_limits import RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.store import Store
from api.store.audit import AuditWanted
from signaling.tokens import TokenIssuer
from tests.kit.people import AUDIT_KEYS, known_by
from tests.kit.reported import BEGIN, TEAMS, put_day
from tests.kit.vaults import VAULT

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
NOW = BEGIN + 20 * 86_400.0
DAY = "period=dates&from=2023-11-14&to=2023-11-14"
"""That of ``BEGIN``."""


class Site:
    """The routes over one database, at ``NOW``."""

    def __init__(self, http: ClientSession, store: Store, log: Audit) -> None:
        self._http, self.store, self.log = http, store, log

    async def ask(
        self, path: str, method: str = "GET", body: Any = None, *, by: str = "eva", role: str = "supervisor", teams: str = ""
    ) -> Any:
        """Status and body: what JSON says, or a text."""
        token = TOKENS.issue(by, by.title(), role, teams=teams.split()).token
        async with self._http.request(method, f"/api/v1/{path}", json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
            if answer.status == 204:
                return 204, None
            return answer.status, await (answer.json() if answer.content_type != "text/csv" else answer.text())

    async def noted(self) -> list[tuple[str, str, str]]:
        await self.log.written()
        return [(entry.event.kind, entry.event.who, entry.event.detail) for entry in await self.log.entries(AuditWanted(), 99)]


@asynccontextmanager
async def site(folder: Path, *more: Callable[[Store, Audit, Asking], Any]) -> AsyncIterator[Site]:
    """``more``: makes other routes."""

    async def healthy() -> Mapping[str, PartHealth]:
        return {}

    async with (
        Metrics() as metrics,
        Store.open(f"sqlite:///{folder}/calls.sqlite3", vault=VAULT) as store,
        Audit(store.audit, AUDIT_KEYS) as log,
    ):
        for who, teams in TEAMS.items():
            await store.people.save_user(who, name=who.title(), role="agent", password_hash="", teams=teams)

        async def teams_of_all() -> Mapping[str, frozenset[str]]:
            return {user.identity: user.teams for user in await store.people.users()}

        app = make_app(known_by(TOKENS), metrics, healthy, limits=RestLimits(RestLimitSettings(person={}), lambda: 0.0))
        asking = Asking(store.people, lambda: "UTC", log.note, lambda: NOW)
        ReportRoutes(Reports(store, teams_of_all, lambda: NOW), store.reports, asking).add_to(app)
        for make in more:
            make(store, log, asking).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
                yield Site(http, store, log)
        finally:
            await runner.cleanup()


async def test_supervisors_see_all_and_who_leads_a_team_its_people(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await put_day(here.store)
        status, told = await here.ask(f"reports?{DAY}&by=agent")
        assert status == 200 and told["whole"] and told["zone"] == "UTC"
        assert [(group["name"], group["figures"]["handled"]) for group in told["groups"]] == [("ana", 2), ("bea", 1)]
        assert told["total"]["offered"] == 5
        _, told = await here.ask(f"reports?{DAY}&by=agent", by="luz", teams="flights")
        assert [group["name"] for group in told["groups"]] == ["bea"], "hers alone"
        assert (told["total"]["handled"], told["total"]["offered"], told["total"]["staffed_s"]) == (1, None, 1_200.0)
        _, told = await here.ask(f"reports?{DAY}&agent=ana", by="luz", teams="flights")
        assert (told["total"]["handled"], told["total"]["measured"], told["total"]["outgoing"]) == (0, 0, 0), "nor by asking for somebody"
        assert (await here.ask(f"reports?{DAY}", role="agent"))[0] == 403
        assert (await here.ask(f"reports/funnel?{DAY}", role="agent"))[0] == 403
        assert [(kind, who) for kind, who, _ in await here.noted() if kind == "report_read"] == [
            ("report_read", "eva"),
            ("report_read", "luz"),
            ("report_read", "luz"),
        ]


async def test_a_report_is_a_file_too_in_which_no_name_calculates(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await put_day(here.store)
        await here.store.people.save_user("ana", name="Ana", role="agent", password_hash="", teams=["=1+1"])
        status, text = await here.ask(f"reports?{DAY}&by=team&format=csv")
        lines = text.splitlines()
        assert status == 200 and lines[0].startswith("team,offered,handled,abandoned")
        assert [line.split(",")[:3] for line in lines[1:]] == [
            ["'=1+1", "", "2"],
            ["flights", "", "1"],
            ["hotels", "", "1"],
            ["*", "5", "3"],
        ]
        _, text = await here.ask(f"reports/funnel?{DAY}&format=csv")
        assert text.splitlines()[:2] == ["step,reached,of_links,of_before", "link_made,0,,"]


async def test_what_cannot_be_asked_is_refused_in_words(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        for wrong in (
            *("period=dates", "period=dates&from=noon&to=noon", "period=dates&from=2024-01-02&to=2024-01-01", "period=week", "by=month"),
            *("by=hour&period=28d", "format=xml", f"queue={'q' * 81}"),
        ):
            status, told = await here.ask(f"reports?{wrong}")
            assert (status, told["error"]["code"]) == (400, "bad_message"), wrong
