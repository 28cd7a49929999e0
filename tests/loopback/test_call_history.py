"""Calls looked for, and one with its seconds and its SIP ladder, over HTTP: what is found, by whom, and what they see of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from msgspec.structs import replace

from api.call_history_routes import CallHistoryRoutes
from api.metrics import Metrics
from api.rest_limits import RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.store import Store
from media.messages import Fault, LegSample
from pbx.ladder import Ladder
from pbx.message import parse_message
from pbx.transactions import Hop
from rooms.causes import Cause, EndReason
from rooms.entries import Entry, What
from rooms.record import CallRecord, CallState, LegRecord
from signaling.grants import Grant, Permission
from signaling.tokens import TokenIssuer
from tests.kit.people import known_by
from tests.kit.vaults import VAULT

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
DONE = Cause(EndReason.COMPLETED)
NUMBER = "+34600111222"


def record(call_id: str, agent: str, at: float, number: str = NUMBER) -> CallRecord:
    phone = LegRecord(f"{call_id}-phone", "phone", number, "pbx", at, at + 1, at + 9, DONE)
    legs = (phone, LegRecord(f"{call_id}-{agent}", "agent", agent, "", at, at + 1, at + 9, DONE))
    return CallRecord(call_id, "in", number, "Luz", "900", agent, CallState.ENDED, at, at + 1, at + 9, DONE, legs)


def sample(leg_id: str, mos: float, cause: str) -> LegSample:
    return LegSample(
        leg_id=leg_id, packets=50, loss=0.2, jitter_ms=2.0, round_trip_ms=40.0, discarded=0, concealed_ms=0.0, level_dbfs=-20.0, r=60.0,
        mos=mos, scale="nb", cause=cause, codec="pcma", kind="phone",
    )  # fmt: skip


async def narrowed(token: str) -> Grant:
    """A service's key here is for records alone."""
    grant = await known_by(TOKENS)(token)
    return replace(grant, narrowed_to=frozenset({Permission.RECORDS_EXPORT})) if grant.role == "service" else grant


@asynccontextmanager
async def site(store: Store, ladder: Ladder) -> AsyncIterator[ClientSession]:
    async def healthy() -> Mapping[str, PartHealth]:
        return {}

    async with Metrics() as metrics:
        app = make_app(narrowed, metrics, healthy, limits=RestLimits(RestLimitSettings(person={}), lambda: 0.0))
        CallHistoryRoutes(store, ladder, "ES", lambda at: 1_000.0 + at).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
                yield http
        finally:
            await runner.cleanup()


def bearer(role: str, *teams: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS.issue('eva', 'Eva', role, teams=teams).token}"}


async def test_calls_are_found_by_number_agent_time_and_how_they_sounded_a_page_at_a_time(tmp_path: Path) -> None:
    async with Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=VAULT) as store, site(store, Ladder()) as http:
        await store.people.save_user("ana", name="Ana", role="agent", password_hash="", teams=["hotels"])
        for at in range(5):
            number = "+34911222333" if at == 3 else NUMBER
            store.put_call(record(f"c{at}", "ana" if at % 2 else "bea", float(at), number), lambda at_s: at_s)
        for second in range(4):
            store.put_quality("c1", 2.0 + second, [sample("c1-phone", 2.0, "loss")], [Fault("c1-phone", "phone_to_us", "loss", 30.0)])
            store.put_quality("c2", 3.0 + second, [sample("c2-phone", 4.2, "good")])
        await store.flush()

        async def found(query: Mapping[str, str], role: str = "supervisor", *teams: str) -> tuple[list[str], Any]:
            async with http.get("/api/v1/calls", params=query, headers=bearer(role, *teams)) as answer:
                assert answer.status == 200, await answer.text()
                page = await answer.json()
                return [call["call_id"] for call in page["calls"]], page["next"]

        first, more = await found({"limit": "2"})
        second, last = await found({"limit": "3", "cursor": more})
        assert (first, second, last) == (["c4", "c3"], ["c2", "c1", "c0"], None)
        assert (await found({"number": "600 111 222"}))[0] == ["c4", "c2", "c1", "c0"], "however it is written"
        assert (await found({"number": "+34911222333", "agent": "ana"}))[0] == ["c3"]
        assert (await found({"agent": "ana", "from": "1970-01-01T00:00:02"}))[0] == ["c3"]
        assert (await found({"bad": "true"}))[0] == ["c1"]
        assert (await found({}, "supervisor", "hotels"))[0] == ["c3", "c1"], "her teams' alone"
        assert (await found({"queue": "sales"}))[0] == []
        for wrong in ({"bad": "very"}, {"cursor": "noon"}, {"limit": "1000"}, {"from": "noon"}):
            async with http.get("/api/v1/calls", params=wrong, headers=bearer("admin")) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (400, "bad_message"), wrong
        async with http.get("/api/v1/calls", headers=bearer("agent")) as answer:
            assert answer.status == 403


INVITE = (
    "INVITE sip:+34600111222@pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\nFrom: <sip:us@pbx>;tag=1\r\n"
    "To: <sip:+34600111222@pbx>\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)
RINGING = INVITE.replace("INVITE sip:+34600111222@pbx.example SIP/2.0", "SIP/2.0 180 Ringing")


async def test_one_calls_page_has_its_way_seconds_and_ladder_and_hides_numbers_from_who_may_not_see_them(
    tmp_path: Path,
) -> None:
    ladder, peer = Ladder(), Hop("udp", "10.0.0.2", 5060)
    ladder.name("c1-phone", "one")
    ladder.note(parse_message(INVITE.encode()), peer, 1.0, sent=True)
    ladder.note(parse_message(RINGING.encode()), peer, 1.2, sent=False)
    async with Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=VAULT) as store, site(store, ladder) as http:
        await store.people.save_user("ana", name="Ana", role="agent", password_hash="", teams=["hotels"])
        store.put_call(record("c1", "ana", 1.0), lambda at_s: at_s)
        store.put_entries([Entry("c1", 1, 1.0, What.ARRIVED, NUMBER, "", "", "900")], lambda at_s: at_s)
        store.put_quality("c1", 2.0, [sample("c1-phone", 2.0, "loss")], [Fault("c1-phone", "phone_to_us", "loss", 30.0)])
        store.put_quality("c1", 3.0, [sample("c1-phone", 2.1, "loss")])
        await store.flush()

        async def ask(path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
            async with http.get(f"/api/v1/calls/{path}", headers=headers) as answer:
                return answer.status, await answer.json()

        eva = bearer("supervisor", "hotels")
        status, detail = await ask("c1", eva)
        assert (status, detail["call"]["caller"], detail["call"]["quality_hop"]) == (200, NUMBER, "phone_to_us")
        assert [(leg["kind"], leg["mos_min"]) for leg in sorted(detail["legs"], key=lambda leg: leg["kind"])] == [
            ("agent", None),
            ("phone", 2.0),
        ]
        assert [(event["what"], event["party"]) for event in detail["events"]] == [("arrived", NUMBER)]
        _, measured = await ask("c1/quality", eva)
        assert [(each["at"], each["mos"], each["level_dbfs"], each["fault_hop"]) for each in measured["samples"]] == [
            (2.0, 2.0, -20.0, "phone_to_us"),
            (3.0, 2.1, -20.0, None),
        ]
        assert [each["at"] for each in (await ask("c1/quality?after=2.0", eva))[1]["samples"]] == [3.0]
        _, signalling = await ask("c1/signalling", eva)
        assert [(rung["at"], rung["sent"], rung["line"], rung["status"], rung["cseq"]) for rung in signalling["rungs"]] == [
            (1_001.0, True, "INVITE sip:+34600111222@pbx.example", 0, "1 INVITE"),
            (1_001.2, False, "180 Ringing", 180, "1 INVITE"),
        ]
        assert (await ask("c1", bearer("supervisor", "flights")))[0] == 403
        narrow = bearer("service")  # as a key for records alone
        for path in ("c1", "c1/signalling"):
            assert (await ask(path, narrow))[0] == 200
            assert "600111222" not in str((await ask(path, narrow))[1])
        assert (await ask("c9", eva))[0] == 404


def test_the_ladder_keeps_calls_alone_and_no_more_than_it_may() -> None:
    ladder, peer = Ladder(most_dialogs=2, most_rungs=3), Hop("udp", "10.0.0.2", 5060)
    ladder.note(parse_message(INVITE.replace("INVITE", "OPTIONS").encode()), peer, 0.0, sent=True)
    ladder.name("a", "one")
    assert ladder.of("a") == ([], 0)
    for at in range(5):
        ladder.note(parse_message(INVITE.encode()), peer, float(at), sent=True)
    rungs, left_out = ladder.of("a")
    assert ([rung.at for rung in rungs], left_out) == ([0.0, 1.0, 2.0], 2)
    for call_id in ("two", "three"):
        ladder.note(parse_message(INVITE.replace("one", call_id).encode()), peer, 9.0, sent=True)
    assert ladder.of("a") == ([], 0), "the oldest gave way"
