"""Call detail records of real calls: each event exactly once through an outage, and read by whoever may."""

import csv
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from typer.testing import CliRunner

from api.__main__ import app as command
from api.audit.audit import Audit
from api.metrics import Metrics
from api.record_routes import SETTLED_S, RecordRoutes, exported
from api.routes import PartHealth, make_app, make_runner
from api.store import Store
from api.store.audit import AuditWanted
from api.store.records import Wanted
from rooms import events as ev
from rooms.causes import Cause, EndReason
from rooms.record import CallRecord, CallState, LegRecord
from signaling.tokens import TokenIssuer
from tests.kit.centre import comes, plan
from tests.kit.exchange_bench import POLICY, TIMES, exchange_bench
from tests.kit.people import AUDIT_KEYS, known_by
from tests.kit.postgres import Postgres
from tests.kit.vaults import VAULT

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
DONE = Cause(EndReason.COMPLETED)
PATIENT, LONG = replace(POLICY, agent_media_s=60.0), replace(TIMES, longest_s=60.0)
"""A call that nobody speaks in lasts for as long as a database takes to stop."""


async def test_every_event_of_calls_is_there_once_after_the_database_was_away(tmp_path: Path) -> None:
    with Postgres() as server:
        async with exchange_bench(tmp_path, policy=PATIENT, times=LONG, database=await server.create("outage")) as bench:
            ids = [bench.dial("ana", "600")]
            await bench.told.call("ana", "live")
            await bench.store.flush()
            server.stop()
            bench.exchange.feed(ev.HoldRequested(ids[0], "ana", True))
            bench.exchange.feed(ev.HoldRequested(ids[0], "ana", False))
            bench.exchange.feed(ev.HangUpRequested(ids[0], "ana"))
            await bench.told.call("ana", "ended")
            ids.append(bench.dial("ana", "603"))
            await bench.exchange.no_calls()
            server.start()
            assert [await bench.ended(call_id) for call_id in ids] == ["completed", "busy"]
            pages = [page async for page in exported(bench.store.records, "event", Wanted(), bench.exchange.now() + 2 * SETTLED_S)]
            told = [(line["call_id"], line["seq"], line["what"]) for page in pages for line in page]
            assert [max(Counter(at[:2] for at in told).values()), len({at[0] for at in told})] == [1, 2]
            first, second = ([what for call_id, _, what in told if call_id == wanted] for wanted in ids)
            assert (first[0], first[-3:]) == ("dialed", ["held", "resumed", "ended"])
            assert (second[0], second[-1]) == ("dialed", "ended")
            (calls,) = [page async for page in exported(bench.store.records, "call", Wanted(), bench.exchange.now() + 2 * SETTLED_S)]
            assert [(call["entries"], call["ended_by"]) for call in calls] == [(len(first), "ana"), (len(second), "603")]
            states = [page async for page in exported(bench.store.records, "agent_state", Wanted(agent="ana"), 0.0)]
            assert [line["state"] for page in states for line in page] == ["on_call", "offline", "on_call"], "no page of hers is open"


async def test_a_callers_way_through_a_queue_is_whole_when_the_agents_work_is_done(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path, policy=replace(POLICY, wrap_up_undo_s=0.0)) as bench:
        for event in (ev.PlanChanged(plan()), ev.AgentSkilled("ana", {"sales": 1}), ev.AgentConnected("ana")):
            bench.exchange.feed(event)
        bench.phones.expect("c-phone", "c", "demo")
        bench.exchange.feed(comes())
        bench.exchange.feed(ev.DigitHeard("c-phone", "1"))
        await bench.told.call("ana", "ringing")
        bench.exchange.feed(ev.CallAccepted("c", "ana"))
        bench.exchange.feed(ev.HangUpRequested("c", "ana"))
        assert await bench.ended("c") == "completed"
        later = bench.exchange.now() + 2 * SETTLED_S
        assert [page async for page in exported(bench.store.records, "call", Wanted(), later)] == [], "Ana still works on it"
        bench.exchange.feed(ev.WrapUpFinished("ana", "c", "sold"))
        await bench.store.flush()
        ((call,),) = [page async for page in exported(bench.store.records, "call", Wanted(queue="sales"), later)]
        assert (call["answered_by"], call["queues"], call["wrap_up_codes"], call["entry"]) == ("ana", ["sales"], ["sold"], "Main")
        ((visit,),) = [page async for page in exported(bench.store.records, "visit", Wanted(), later)]
        assert (visit["outcome"], visit["agent"], visit["in_time"], visit["offers"]) == ("served", "ana", True, 1)
        (states,) = [page async for page in exported(bench.store.records, "agent_state", Wanted(), later)]
        assert [state["state"] for state in states] == ["available", "ringing", "on_call", "wrap_up"]


# --- over HTTP


def record(call_id: str, agent: str, at: float) -> CallRecord:
    phone = LegRecord(f"{call_id}-phone", "phone", "+34600111222", "pbx", at, at + 1, at + 9, DONE)
    legs = (phone, LegRecord(f"{call_id}-{agent}", "agent", agent, "", at, at + 1, at + 9, DONE))
    return CallRecord(call_id, "in", "+34600111222", '=1+1,"x"', "900", agent, CallState.ENDED, at, at + 1, at + 9, DONE, legs)


@asynccontextmanager
async def site(store: Store, log: Audit) -> AsyncIterator[ClientSession]:
    async def healthy() -> Mapping[str, PartHealth]:
        return {}

    async with Metrics() as metrics:
        app = make_app(known_by(TOKENS), metrics, healthy)
        RecordRoutes(store, log, lambda: 2_000.0).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
                yield http
        finally:
            await runner.cleanup()


async def test_records_are_exported_to_whom_they_concern_and_every_export_is_noted(tmp_path: Path) -> None:
    async with (
        Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=VAULT) as store,
        Audit(store.audit, AUDIT_KEYS) as log,
        site(store, log) as http,
    ):
        await store.people.save_user("ana", name="Ana", role="agent", password_hash="", teams=["hotels"])
        await store.people.save_user("bea", name="Bea", role="agent", password_hash="", teams=["flights"])
        for at in range(450):
            store.put_call(record(f"c{at:03}", "ana" if at % 2 else "bea", float(at)), lambda at_s: at_s)
        await store.flush()

        async def ask(role: str, query: str = "", *teams: str) -> tuple[int, str, bytes]:
            token = TOKENS.issue("eva", "Eva", role, teams=teams).token
            async with http.get(f"/api/v1/calls/records{query}", headers={"Authorization": f"Bearer {token}"}) as answer:
                return answer.status, answer.headers["Content-Type"], await answer.read()

        def lines(body: bytes) -> list[Any]:
            return [json.loads(line) for line in body.splitlines()]

        assert (await ask("agent"))[0] == 403
        status, _, refused = await ask("supervisor", "?kind=bill")
        assert (status, json.loads(refused)["error"]["code"]) == (400, "bad_message")
        status, kind, body = await ask("service")
        assert (status, kind) == (200, "application/jsonl; charset=utf-8")
        assert [line["call_id"] for line in lines(body)] == [f"c{at:03}" for at in range(450)], "whole, in order"
        rest = lines((await ask("admin", f"?since={lines(body)[440]['cursor']}"))[2])
        assert [line["call_id"] for line in rest] == [f"c{at:03}" for at in range(441, 450)]
        of_team = lines((await ask("supervisor", "?kind=leg&from=1970-01-01T00:00:10&to=1970-01-01T00:00:14", "hotels"))[2])
        assert [line["leg_id"] for line in of_team] == ["c011-ana", "c011-phone", "c013-ana", "c013-phone"]
        assert lines((await ask("supervisor", "?agent=bea", "hotels"))[2]) == []
        _, kind, body = await ask("supervisor", "?format=csv&agent=bea&to=1970-01-01T00:00:04")
        rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
        assert (kind, [row["call_id"] for row in rows]) == ("text/csv; charset=utf-8", ["c000", "c002"])
        assert (rows[0]["caller"], rows[0]["caller_name"]) == ("+34600111222", '\'=1+1,"x"')
        await log.written()
        noted = [entry.event for entry in await log.entries(AuditWanted(), 99)]
        assert {(each.kind, each.who) for each in noted} == {("records_exported", "eva")}
        assert [each.detail for each in noted][-1] == "call as csv to 4.0 agent bea"
        assert len(noted) == 5


def test_the_command_writes_the_same_and_notes_it_too(tmp_path: Path) -> None:
    settings = tmp_path / "centralita.toml"
    settings.write_text(f'[server]\ndata_dir = "{tmp_path}"\n')
    run = CliRunner().invoke(command, ["records", "export", "--by", "eva", "--format", "csv", "--config", str(settings)])
    assert run.exit_code == 0, run.output
    assert run.output.startswith("cursor,call_id,direction,caller,")
    wrong = CliRunner().invoke(command, ["records", "export", "--by", "eva", "--from", "noon", "--config", str(settings)])
    assert wrong.exit_code == 2 and "from is a day" in wrong.output
