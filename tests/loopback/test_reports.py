"""Reports over HTTP: whose figures somebody sees, as what, and what of it is written down."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from csv import DictReader
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from api.audit.audit import Audit
from api.audit.looks import Looks
from api.metrics import Metrics
from api.queue_statistics_routes import QueueStatisticsRoutes
from api.reports.differences import DifferenceFinder
from api.reports.period import period
from api.reports.report import Reports, Scope
from api.reports.routes import Asking, ReportRoutes
from api.reports.staffing import Staffing
from api.rest_limits import RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.store import Store, StoredSession
from api.store.audit import AuditWanted
from api.store.rows import LegMeans
from rooms.erlang import agents_needed
from rooms.queues.queue_plan import QueuePlan
from signaling.tokens import TokenIssuer
from tests.kit.people import AUDIT_KEYS, known_by
from tests.kit.reported import BEGIN, TEAMS, kept_call, put_day, visit
from tests.kit.vaults import VAULT
from tests.loopback.test_call_history import sample

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
NOW = BEGIN + 20 * 86_400.0 + 12 * 3_600
DAY = "period=dates&from=2023-11-14&to=2023-11-14"
"""That of ``BEGIN``."""
CARRIERS = {"Fibra": [ip_network("10.0.0.0/8")], "Sat": [ip_network("192.168.0.0/16"), ip_network("10.9.0.0/16")]}


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

        limits, looks = RestLimits(RestLimitSettings(person={}), lambda: 0.0), Looks(log, VAULT)
        app = make_app(known_by(TOKENS), metrics, healthy, limits=limits, on_looked=looks.note)
        asking = Asking(store.people, lambda: "UTC", log.note, lambda: NOW)
        finder = DifferenceFinder(store.reports, {"madrid": [ip_network("10.1.0.0/16")]}, CARRIERS)
        staffing = Staffing(store.records, dict, lambda: {"sales": QueuePlan("sales")}, lambda: "UTC", lambda: NOW)
        ReportRoutes(Reports(store, teams_of_all, lambda: NOW), store.reports, finder, staffing, asking).add_to(app)
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


@pytest.mark.parametrize(("zone", "offered"), [("UTC", 7), ("Asia/Kolkata", 7), ("America/St_Johns", 1), ("America/New_York", 1)])
async def test_what_queues_did_today_is_what_the_report_of_today_says(tmp_path: Path, zone: str, offered: int) -> None:
    """At half past five by UTC. In St. John's the day began at half past three, in New York at five."""
    now = BEGIN + 5.5 * 3_600

    def statistics(store: Store, log: Audit, asking: Asking) -> QueueStatisticsRoutes:
        return QueueStatisticsRoutes(store.records, lambda: zone, lambda: now)

    async with site(tmp_path, statistics) as here:
        others = [visit("c8", BEGIN + 3 * 3_600 + 1_200, 90.0, "abandoned"), visit("c9", BEGIN + 5 * 3_600 + 1_200, 90.0, "abandoned")]
        here.store.put_visits(others, lambda at_s: at_s)
        await put_day(here.store)
        status, text = await here.ask("queues/statistics?from=today&interval=15&format=csv")
        assert status == 200 and sum(int(line["offered"]) for line in DictReader(StringIO(text))) == offered
        reports = Reports(here.store, nobody_in_teams, lambda: now)
        assert (await reports.report(period("today", zone, now), "queue", Scope())).total.offered == offered


async def nobody_in_teams() -> Mapping[str, frozenset[str]]:
    return {}


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


async def test_what_differs_is_told_with_the_calls_behind_it_of_ones_own_people(tmp_path: Path) -> None:
    """Ana signs in from another network than Bea, has another headset and no cable; half of her calls are bad, of Bea's one in thirty."""
    means = {
        "ana": LegMeans("opus", "Jabra EVOLVE 20", "wifi", "relay/tls", "ipv4"),
        "bea": LegMeans("opus", "built in", "ethernet", "host/udp", "ipv4"),
    }
    async with site(tmp_path) as here:
        for who, place in (("ana", "10.1.7.0/24"), ("bea", "192.168.1.0/24")):
            session = StoredSession(who, who, "Chrome, Windows", "", place, False, BEGIN - 60, BEGIN - 60)
            await here.store.people.open_session(session)
            for at in range(30):
                call = kept_call(f"{who}-{at}", who, BEGIN + 60 * at, 30.0)
                here.store.put_call(call, lambda at_s: at_s, means_of=lambda leg_id: means.get(leg_id.split("-")[-1], LegMeans()))
                bad = at % 2 == 0 if who == "ana" else at == 0
                measured = sample(f"{who}-{at}-phone", 2.0 if bad else 4.2, "loss" if bad else "good")
                here.store.put_quality(call.call_id, BEGIN + 60 * at + 20, [measured])
        await here.store.flush()
        status, told = await here.ask(f"reports/differences?{DAY}")
        assert status == 200 and (told["calls"], told["bad"]) == (60, 16)
        worst = [(each["dimension"], each["value"]) for each in told["outliers"] if each["share"] > each["rest_share"]]
        assert worst == [
            ("agent", "ana"),
            ("carrier", "Fibra"),
            ("connection", "wifi"),
            ("headset", "Jabra EVOLVE 20"),
            ("network", "10.1.7.0/24"),
            ("way", "relay/tls"),
        ]
        _, behind = await here.ask(f"reports/differences/calls?{DAY}&dimension=headset&value=Jabra%20EVOLVE%2020")
        assert len(behind["calls"]) == 15 and {call["who"] for call in behind["calls"]} == {"ana"}
        _, behind = await here.ask(f"reports/differences/calls?{DAY}&dimension=network&value=10.1.7.0/24")
        assert [call["call_id"] for call in behind["calls"]] == [f"ana-{at}" for at in range(28, -1, -2)]
        _, behind = await here.ask(f"reports/differences/calls?{DAY}&dimension=site&value=madrid")
        assert len(behind["calls"]) == 15 and {call["who"] for call in behind["calls"]} == {"ana"}
        _, told = await here.ask(f"reports/differences?{DAY}", by="luz", teams="flights")
        assert (told["calls"], told["tested"], told["outliers"]) == (30, 0, []), "of Bea alone nothing differs from the rest"
        _, behind = await here.ask(f"reports/differences/calls?{DAY}&dimension=agent&value=ana", by="luz", teams="flights")
        assert behind == {"calls": []}
        assert (await here.ask(f"reports/differences/calls?{DAY}&dimension=mood&value=x"))[0] == 400
        _, text = await here.ask(f"reports/differences?{DAY}&format=csv")
        assert text.splitlines()[0].startswith("dimension,value,calls,bad,rest_calls")
        assert [kind for kind, _, _ in await here.noted()].count("differences_read") == 7


async def test_agents_are_advised_where_there_is_history_and_where_not_that_is_said(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        _, young = await here.ask("reports/staffing?hours=2")
        (queue,) = young["queues"]
        assert (queue["why"], queue["weeks"], [hour["needed"] for hour in queue["hours"]]) == ("young", 0, [None, None])
        for week in range(1, 5):
            for at in range(20 if week < 4 else 1):
                begin = NOW - week * 7 * 86_400 + 30 * at
                call_id = f"w{week}-{at}"
                here.store.put_call(kept_call(call_id, "ana", begin, 170.0), lambda at_s: at_s)
                here.store.put_visits([visit(call_id, begin, 10.0, "served", "ana", in_time=True)], lambda at_s: at_s)
        await here.store.flush()
        _, told = await here.ask("reports/staffing?hours=2")
        (queue,) = told["queues"]
        assert (queue["why"], queue["weeks"], queue["calls"], queue["handle_s"], queue["patience_s"]) == ("", 4, 61, 170.0, None)
        first, second = queue["hours"]
        assert (first["calls"], first["needed"], first["level"]) == (61 / 4, agents_needed(61 / 4 / 3_600, 170.0, 0.8), 0.0)
        assert (second["calls"], second["needed"]) == (0.0, 0), "nobody ever called then"
        assert (await here.ask("reports/staffing?hours=13"))[0] == 400
        _, text = await here.ask("reports/staffing?hours=1&format=csv")
        assert text.splitlines()[0] == "queue,at,present,calls,needed,level,why" and len(text.splitlines()) == 2
