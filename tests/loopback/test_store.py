"""The store on both of its databases: the same tests, a real file and a real server."""

import asyncio
import dataclasses
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from msgspec import Struct
from msgspec.structs import asdict, replace
from sqlalchemy import URL, Connection, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine

from api.after.outbox import Outbox
from api.centre.caller_lookups import EarlierCalls
from api.privacy.erasure import Erasure
from api.privacy.vault import Vault
from api.reports.funnel import FunnelSteps, funnel
from api.reports.period import Period
from api.reports.report import Reports, Scope
from api.rooms import RoomEvent
from api.store import ApiKey, SecondFactor, Store, StoredRecording, StoredSession, StoreUnavailable
from api.store.centre import AgentSkills, PlanVersion
from api.store.database import database_url, in_words, make_engine
from api.store.outbound import CampaignRow, EntryRow, Unwanted
from api.store.past_rooms import Erased
from api.store.records import Wanted
from api.store.report_schedules import StoredSchedule
from api.store.reports import Asked, Trait
from api.store.room_rows import message_entry, person_entry, room_entry
from api.store.rows import MEANS, LegMeans, Sample, call_rows, entry_line, sample_values
from api.store.schema import metadata, node_runs, quality
from api.store.scorecards import CardsSought
from api.store.sealing import open_sealing
from api.store.spool import RecordSpool
from api.store.statements import Appended
from media.messages import Fault, LegSample
from rooms.agent import AgentChange, AgentState
from rooms.causes import Cause, EndReason
from rooms.chat import Message, Reaction
from rooms.effects import KeepWrapUp
from rooms.entries import Entry, QueueVisit, What
from rooms.membership import Member, MemberState, Role, Room, RoomEnd, RoomKind
from rooms.record import CallRecord, CallState, LegRecord
from tests.kit.postgres import Postgres
from tests.kit.reported import BEGIN, TEAMS, put_day
from tests.kit.vaults import VAULT
from tests.unit.test_sealing import AS_TOLD, in_the_clear, put_all, read_all

NUMBER = "+34600111222"
BUSY = Cause(EndReason.BUSY, 486, "Busy here")
ELSEWHERE = Cause(EndReason.ANSWERED_ELSEWHERE, 200, "Somebody else took the call.")


def epoch(now_s: float) -> float:
    return 1_000_000.0 + now_s


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/calls.sqlite3"
    server: Postgres = request.getfixturevalue("postgres")
    return await server.create(f"t{uuid4().hex}")


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with Store.open(url, vault=VAULT) as store:
        yield store


class Noted(Struct, frozen=True):
    text: str


ANA = VAULT.number("+34600111222")


def record(
    call_id: str = "c",
    *,
    agent: str = "ana",
    started_s: float = 0.0,
    answered_s: float | None = None,
    ended_s: float | None = None,
    cause: Cause | None = None,
    rung: tuple[str, ...] = ("ana",),
) -> CallRecord:
    state = CallState.ENDED if ended_s is not None else CallState.LIVE if answered_s is not None else CallState.RINGING
    phone = LegRecord(f"{call_id}-phone", "phone", NUMBER, "pbx", started_s, answered_s, ended_s, cause)
    legs = [phone]
    for identity in rung:
        lost = answered_s is not None and identity != agent
        end = (answered_s, ELSEWHERE) if lost else (ended_s, cause)
        legs.append(LegRecord(f"{call_id}-{identity}", "agent", identity, "", started_s, None if lost else answered_s, *end))
    return CallRecord(call_id, "in", NUMBER, "Luz", "900", agent, state, started_s, answered_s, ended_s, cause, tuple(legs))


def sample(leg_id: str, mos: float | None, *, scale: str = "nb", cause: str = "good") -> LegSample:
    return LegSample(
        leg_id=leg_id,
        packets=50,
        loss=0.02,
        jitter_ms=3.5,
        round_trip_ms=None,
        discarded=1,
        concealed_ms=20.0,
        level_dbfs=-21.5,
        r=80.0,
        mos=mos,
        scale=scale,
        cause=cause,
        codec="g722",
    )


# --- schema


def _differences(connection: Connection) -> list[object]:
    def is_table_of_ours(name: str | None, kind: str, _parents: object) -> bool:
        return not (kind == "table" and str(name).startswith("article_words"))  # what each database searches by its own means

    opts = {"compare_type": True, "include_name": is_table_of_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=opts), metadata))


async def test_migrations_lead_to_the_schema(url: str) -> None:
    async with Store.open(url, vault=VAULT):
        pass
    engine = make_engine(database_url(url))
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
        await connection.execute(text("ALTER TABLE users ADD COLUMN extra INTEGER"))
        assert len(await connection.run_sync(_differences)) == 1, "the comparison sees differences"
    await engine.dispose()


async def test_two_that_start_together_on_an_empty_database(url: str) -> None:
    async with Store.open(url, node="a", vault=VAULT) as one, Store.open(url, node="b", vault=VAULT) as two:
        assert await one.healthy() and await two.healthy()

    async def open_and_close(node: str) -> None:
        async with Store.open(url, node=node, vault=VAULT) as store:
            assert await store.healthy()

    await asyncio.gather(*(open_and_close(node) for node in "cdef"))


async def test_first_starts_together(tmp_path: Path, postgres: Postgres) -> None:
    for url in (f"sqlite:///{tmp_path}/new.sqlite3", await postgres.create("together")):
        opened = [Store.open(url, node=node, vault=VAULT) for node in "abcd"]
        stores = await asyncio.gather(*(store.__aenter__() for store in opened))
        assert all(await asyncio.gather(*(store.healthy() for store in stores)))
        await asyncio.gather(*(store.__aexit__(None, None, None) for store in opened))


async def test_a_newer_schema_is_refused(url: str) -> None:
    async with Store.open(url, vault=VAULT):
        pass
    engine = make_engine(database_url(url))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(StoreUnavailable, match="newer than this program"):
        async with Store.open(url, vault=VAULT):
            pass


# --- campaigns


def entry(campaign_id: str, number: int, zones: str = "Europe/Madrid") -> EntryRow:
    return EntryRow(f"{campaign_id}-{number}", campaign_id, f"+346000000{number:02}", "Eva", "", zones, "on the website", 1.0)


async def test_an_entry_of_a_campaign_is_on_one_screen_at_a_time(store: Store) -> None:
    outbound = store.outbound
    await outbound.add_campaign(CampaignRow("c", "Spring", "", "", "12345", 540, 1_260, "Europe/Madrid", 3, 600.0, True, "eva", 1.0))
    assert await outbound.add_entries([entry("c", number) for number in range(8)]) == {f"c-{number}" for number in range(8)}
    assert await outbound.add_entries([replace(entry("c", 3), entry_id="again")]) == set()
    await outbound.add_entries([entry("c", 20, "Asia/Tokyo")])
    await outbound.add_unwanted(Unwanted("+34600000000", "asked", "eva", 5.0))
    people = [f"agent{number}" for number in range(10)]
    found = await asyncio.gather(*(outbound.reserve("c", ["Europe/Madrid"], who, 10.0, 20.0) for who in people))
    given = [row.entry_id for row in found if row is not None]
    assert sorted(given) == [f"c-{number}" for number in range(1, 8)]  # each once; not who wants no calls, nor who sleeps
    mine = next(row for row in found if row is not None)
    assert await outbound.reserved("c", mine.reserved_by, 19.0) == mine
    assert await outbound.reserved("c", mine.reserved_by, 20.0) is None
    again = await outbound.reserve("c", ["Europe/Madrid"], "late", 20.0, 30.0)
    assert again is not None and again.reserved_by == "late"
    told = {"state": "done", "attempts": 1, "outcome": "reached", "outcome_at": 21.0}
    assert not await outbound.settle(EntryRow(**{**asdict(again), **told, "outcome_by": "somebody"}))
    assert await outbound.settle(EntryRow(**{**asdict(again), **told, "outcome_by": "late"}))
    assert await outbound.outcomes() == {"c": {("done", "reached"): 1, ("open", ""): 8}}


# --- people


async def test_users_are_made_changed_and_disabled(store: Store) -> None:
    assert await store.people.user("ana") is None
    await store.people.save_user("ana", name="Ana", role="agent", password_hash="h1", at=5.0)
    await store.people.save_user("ana", name="Ana Ruiz", role="supervisor", password_hash="h2", at=9.0)
    await store.people.signed_in("ana", 7.0)
    await store.people.set_password_hash("ana", "h3")
    ana = await store.people.user("ana")
    assert ana is not None
    assert (ana.name, ana.role, ana.password_hash) == ("Ana Ruiz", "supervisor", "h3")
    assert (ana.created_at, ana.last_sign_in_at, ana.disabled) == (5.0, 7.0, False)
    await store.people.save_user("ana", name="Ana", role="agent", password_hash="h3", disabled=True)
    assert await store.people.user("ana") is None
    assert [(user.identity, user.disabled) for user in await store.people.users()] == [("ana", True)]


async def test_sessions_end_once_and_say_where_they_were(store: Store) -> None:
    people = store.people
    for number, factor in ((1, True), (2, False), (3, False)):
        await people.open_session(StoredSession(f"s{number}", "ana", "Firefox", "d1", "192.0.2.0/24", factor, float(number), float(number)))
    assert await people.is_trusted("ana", "d1", "192.0.2.0/24", 1.0) and not await people.is_trusted("ana", "d1", "192.0.2.0/24", 1.5)
    assert await people.is_known("ana", "d1", "192.0.2.0/24") and not await people.is_known("ana", "d1", "198.51.100.0/24")
    assert await people.end_session("s1", "ana", 10.0, "ana") and not await people.end_session("s1", "ana", 11.0, "ana")
    assert not await people.end_session("s2", "ben", 10.0, "ben")
    assert await people.end_sessions("ana", 12.0, "eva", but="s3") == 1
    assert [session.session_id for session in await people.open_sessions("ana")] == ["s3"]
    assert {(each.session_id, each.ended_by) for each in await people.ended_sessions(10.0)} == {("s1", "ana"), ("s2", "eva")}
    await people.save_user("ana", name="Ana", role="agent", password_hash="h", at=20.0)
    await people.save_user("ana", name="Ana Ruiz", role="agent", password_hash="h", at=21.0)
    assert len(await people.open_sessions("ana")) == 1  # a name takes nothing away
    await people.save_user("ana", name="Ana", role="agent", password_hash="h", teams=["hotels"], at=22.0, by="eva")
    assert [each.session_id for each in await people.ended_sessions(22.0)] == ["s3"]
    assert await people.teams_of("ana") == {"hotels"}
    assert await people.forget_sessions(2.5) == 2


async def test_a_second_factor_is_kept_once_and_its_codes_struck_off(store: Store) -> None:
    people = store.people
    assert await people.begin_second_factor("ana", "first") and await people.begin_second_factor("ana", "second")
    await people.confirm_second_factor("ana", 5.0, 7, ["a", "b"])
    assert not await people.begin_second_factor("ana", "third")
    factor = await people.second_factor("ana")
    assert factor == SecondFactor("ana", "second", 5.0, 7, ("a", "b"))
    assert await people.use_step("ana", 8) and not await people.use_step("ana", 8) and not await people.use_step("ana", 6)
    assert await people.use_recovery(factor, "a") and not await people.use_recovery(factor, "b")  # somebody was faster
    assert await people.drop_second_factor("ana") and not await people.drop_second_factor("ana")


async def test_a_key_is_kept_until_it_is_revoked(store: Store) -> None:
    people = store.people
    key = ApiKey("k1", "booking", "vouchers", "0" * 64, ("room.create", "token.issue"), 1.0, "eva", 9.0)
    await people.save_key(key)
    await people.used_key("k1", 3.0)
    assert await people.key("k1") == dataclasses.replace(key, used_at=3.0)
    assert await people.revoke_key("k1", 4.0) and not await people.revoke_key("k1", 5.0) and await people.keys() == []


# --- calls


async def test_a_call_with_its_legs_comes_back_as_it_went(store: Store) -> None:
    store.put_call(record(ended_s=12.25, cause=BUSY), epoch)
    await store.flush()
    call = await store.call("c")
    assert call is not None
    assert (call.caller, call.caller_name, call.called, call.agent) == (NUMBER, "Luz", "900", "ana")
    assert (call.state, call.started_at, call.answered_at, call.ended_at) == ("ended", 1_000_000.0, None, 1_000_012.25)
    assert (call.end_reason, call.end_sip, call.end_detail) == ("busy", 486, "Busy here")
    assert [(leg.kind, leg.party, leg.trunk) for leg in call.legs] == [("agent", "ana", ""), ("phone", NUMBER, "pbx")]
    assert await store.call("unknown") is None


async def test_the_newest_record_counts_and_the_end_is_final(store: Store) -> None:
    for step in (record(), record(answered_s=3.0), record(answered_s=3.0, ended_s=9.0, cause=BUSY)):
        store.put_call(step, epoch)
        await store.flush()
    store.put_call(record(answered_s=3.0), epoch)
    store.put_call(record(answered_s=3.0), epoch)
    await store.flush()
    call = await store.call("c")
    assert call is not None and (call.state, call.ended_at) == ("ended", 1_000_009.0)
    assert {leg.ended_at for leg in call.legs} == {1_000_009.0} and len(call.legs) == 2


async def test_recent_calls_are_ones_own_and_those_that_rang(store: Store) -> None:
    for at, rung in enumerate([("ana",), ("bea",), ("ana", "bea")]):
        taker = "bea" if "bea" in rung else "ana"
        store.put_call(record(f"c{at}", agent=taker, started_s=at, answered_s=at + 1, ended_s=at + 9, cause=BUSY, rung=rung), epoch)
    await store.flush()
    assert [call.call_id for call in await store.recent_calls("ana", 10)] == ["c2", "c0"]
    assert [call.call_id for call in await store.recent_calls("bea", 1)] == ["c2"]
    missed, taken = (await store.recent_calls("ana", 10))[0], (await store.recent_calls("bea", 10))[0]
    assert (missed.end_reason, missed.answered_at, missed.ended_at) == ("answered_elsewhere", None, 1_000_003.0)
    assert (taken.end_reason, taken.answered_at, taken.ended_at) == ("busy", 1_000_003.0, 1_000_011.0)
    assert await store.recent_calls(NUMBER, 10) == [], "a phone is no agent"


# --- quality


async def test_samples_and_the_summary_of_the_worst_leg(store: Store) -> None:
    store.put_call(record(answered_s=1.0), epoch)
    for second, (agent_mos, phone_mos) in enumerate([(4.4, 4.1), (4.4, 2.5), (4.3, 3.9), (None, None)]):
        bad = phone_mos == 2.5
        samples = [sample("c-ana", agent_mos, scale="wb"), sample("c-phone", phone_mos, cause="loss" if bad else "good")]
        store.put_quality("c", 1_000_001.0 + second, samples, [Fault("c-phone", "phone_to_us", "loss", 30.0)] if bad else [])
    store.put_quality("c", 1_000_001.0, [sample("c-ana", 1.0)])
    await store.flush()
    samples = await store.samples("c")
    assert len(samples) == 8, "the same leg and second is the same sample"
    assert samples[1].leg == sample("c-phone", 4.1) and samples[0].at == 1_000_001.0
    call = await store.call("c")
    assert call is not None and call.mos_min is None
    store.put_call(record(answered_s=1.0, ended_s=5.0, cause=BUSY), epoch)
    await store.flush()
    call = await store.call("c")
    assert call is not None
    assert (call.mos_scale, call.mos_min, call.mos_p10, call.mos_p50) == ("nb", 2.5, 2.5, 3.9)
    assert (call.quality_hop, call.quality_cause) == ("phone_to_us", "loss")
    assert [kept.fault.hop if kept.fault else None for kept in samples] == [None, None, None, "phone_to_us", None, None, None, None]
    store.put_quality("c", 1_000_005.0, [sample("c-phone", 1.5, cause="loss")])
    await store.flush()
    call = await store.call("c")
    assert call is not None and call.mos_min == 1.5, "the last second comes after the end"


async def test_what_a_far_end_heard_of_us_may_be_the_worst_of_a_call(store: Store) -> None:
    store.put_call(record(answered_s=1.0, ended_s=20.0, cause=BUSY), epoch)
    for second in range(20):
        heard = replace(sample("c-phone", 4.1), far_mos=1.8 + 0.1 * second, far_scale="nb", far_cause="loss", packets_sent=50)
        hop = "us_to_phone" if second < 15 else "phone_to_us"
        store.put_quality("c", epoch(1.0 + second), [sample("c-ana", 4.4), heard], [Fault("c-phone", hop, "loss", 30.0)])
    await store.flush()
    assert (await store.samples("c"))[1].leg.packets_sent == 50
    call = await store.call("c")
    assert call is not None and (call.mos_min, call.mos_p10) == (1.8, pytest.approx(1.9))
    assert (call.quality_hop, call.quality_cause) == ("us_to_phone", "loss")


async def test_samples_of_a_call_that_nobody_recorded_do_no_harm(store: Store) -> None:
    store.put_quality("ghost", 1.0, [sample("g", 4.0)])
    store.put_call(record(), epoch)
    await store.flush()
    assert await store.call("c") is not None and len(await store.samples("ghost")) == 1


# --- starts and ends of the node


async def test_calls_of_a_run_that_died_are_interrupted(url: str) -> None:
    async with Store.open(url, vault=VAULT) as dead:
        dead.put_call(record("ringing", started_s=3.0), epoch)
        dead.put_call(record("live", answered_s=4.0), epoch)
        dead.put_call(record("done", answered_s=4.0, ended_s=5.0, cause=BUSY), epoch)
        dead.put_quality("live", epoch(30.0), [sample("live-phone", 4.0)])
        await dead.flush()
        async with Store.open(url, node="another", vault=VAULT) as other:
            assert await other.mark_interrupted(epoch(99.0)) == [], "another node's calls may well live"
        async with Store.open(url, vault=VAULT) as store:
            store.put_call(record("mine", answered_s=50.0), epoch)
            await store.flush()
            assert await store.mark_interrupted(epoch(99.0)) == ["live", "ringing"]
            assert await store.mark_interrupted(epoch(99.0)) == []
            live, ringing = await store.call("live"), await store.call("ringing")
            done, mine = await store.call("done"), await store.call("mine")
    assert live is not None and ringing is not None and done is not None and mine is not None
    assert (live.state, live.end_reason, live.ended_at, live.mos_p50) == ("ended", "interrupted", epoch(30.0), 4.0)
    assert {leg.end_reason for leg in live.legs} == {"interrupted"}
    assert (ringing.end_reason, ringing.ended_at) == ("interrupted", epoch(3.0))
    assert (done.end_reason, mine.state) == ("busy", "live")


async def test_what_waits_is_written_when_the_store_closes(url: str) -> None:
    async with Store.open(url, vault=VAULT) as store:
        for at in range(50):
            store.put_call(record(f"c{at}", started_s=at), epoch)
    async with Store.open(url, vault=VAULT) as store:
        assert len(await store.recent_calls("ana", 100)) == 50


async def test_the_run_is_noted(url: str) -> None:
    times = iter([100.0, 200.0])
    async with Store.open(url, clock=lambda: next(times), vault=VAULT) as store:
        boot_id = store.boot_id
    engine = make_engine(database_url(url))
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT boot_id, node, started_at, ended_at FROM node_runs"))).all()
    await engine.dispose()
    assert [tuple(row) for row in rows] == [(boot_id, "main", 100.0, 200.0)]


# --- when the database is not there


async def test_records_outlive_an_outage() -> None:
    with Postgres() as server:
        async with Store.open(await server.create("outage"), vault=VAULT) as store:
            store.put_call(record(), epoch)
            await store.flush()
            server.stop()
            store.put_call(record(answered_s=2.0), epoch)
            store.put_call(record("d"), epoch)
            store.put_quality("c", epoch(3.0), [sample("c-phone", 4.0)])
            assert not await store.healthy()
            with pytest.raises(StoreUnavailable, match="Connect call failed"):
                await store.call("c")
            store.put_call(record(answered_s=2.0, ended_s=9.0, cause=BUSY), epoch)
            server.start()
            await asyncio.wait_for(store.flush(), 30)
            call, other = await store.call("c"), await store.call("d")
            assert call is not None and call.end_reason == "busy" and call.mos_p50 == 4.0
            assert other is not None and other.state == "ringing"
            assert await store.healthy()


async def test_one_row_that_the_database_refuses_costs_only_itself(postgres: Postgres) -> None:
    async with Store.open(await postgres.create("refusal"), vault=VAULT) as store:
        for call_id in ("a", "b" * 65, "c"):
            store.put_call(record(call_id), epoch)
        await store.flush()
        assert [call.call_id for call in await store.recent_calls("ana", 9)] == ["a", "c"] and store.writer.refused == 1


async def test_a_sample_that_the_database_refuses_or_has_already_costs_no_other(postgres: Postgres) -> None:
    async with Store.open(await postgres.create("refused_samples"), vault=VAULT) as store:
        store.put_quality("c", epoch(1.0), [sample("a", 4.0), sample("b" * 65, 3.0), sample("c", 2.0)])
        await store.flush()
        assert [kept.leg.leg_id for kept in await store.samples("c")] == ["a", "c"] and store.writer.refused == 1
        for at in (2.0, 3.0, 1.0):
            store.put_quality("c", epoch(at), [sample("a", 1.0)])
        await store.flush()
        assert [(kept.at, kept.leg.mos) for kept in await store.samples("c") if kept.leg.leg_id == "a"] == [
            (epoch(1.0), 4.0),
            (epoch(2.0), 1.0),
            (epoch(3.0), 1.0),
        ]


async def test_who_appends_on_a_connection_that_was_cut_is_told_that_the_database_is_away(postgres: Postgres) -> None:
    async with Store.open(await postgres.create("cut"), vault=VAULT) as store:
        url = database_url(postgres.url("cut"))
        engine, other = make_engine(url), make_engine(url)
        appended = Appended(postgresql.insert(quality).on_conflict_do_nothing(), engine.dialect)
        second = [sample_values(Sample("c", epoch(1.0), sample("a", 4.0)))]
        with pytest.raises(StoreUnavailable):
            await _append_after("SELECT pg_terminate_backend({pid}, 20000)", url, engine, other, appended, second)
        await _append_after("SELECT {pid}", url, engine, other, appended, second)
        await engine.dispose()
        await other.dispose()
        assert [kept.at for kept in await store.samples("c")] == [epoch(1.0)], "nothing was half written"


async def _append_after(
    deed: str, url: URL, engine: AsyncEngine, other: AsyncEngine, appended: Appended, values: list[tuple[object, ...]]
) -> None:
    with in_words(url):
        async with engine.connect() as connection, connection.begin():
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
            async with other.connect() as apart:
                await apart.execute(text(deed.format(pid=pid)))
            await appended.append(connection, values)


async def test_a_recording_is_known_with_its_checkpoint_until_it_is_erased_and_after(store: Store) -> None:
    begun = StoredRecording("c-1", "c", "ana", "announced", "a" * 32 + ".rec", 10.5)
    store.put_recording(dataclasses.replace(begun, recording_id="c-2", started_at=20.5))
    store.put_recording(begun)
    await store.flush()
    assert [part.recording_id for part in await store.recordings_of("c")] == ["c-1", "c-2"] and await store.recordings_of("d") == []
    ended = dataclasses.replace(begun, ended_at=15.5, packets=500, lost=2, entries=2, digest="d" * 64, fault="")
    store.put_recording(ended)
    await store.flush()
    store.put_recording(begun)  # told late
    await store.flush()
    assert await store.recording("c-1") == ended
    for entries in (4, 3):
        await store.keep_checkpoint("c-1", entries, str(entries) * 64)
    await store.end_recording("c-1", 99.0, "lost")
    await store.end_recording("c-2", 99.0, "lost")
    assert await store.recording("c-1") == dataclasses.replace(ended, entries=4, digest="4" * 64)
    other = dataclasses.replace(begun, recording_id="c-2", started_at=20.5, ended_at=99.0, fault="lost")
    assert (await store.recordings_of("c"))[1] == other
    assert [row.recording_id for row in await store.kept_recordings(limit=1)] == ["c-1"]
    assert [row.recording_id for row in await store.kept_recordings("c-1")] == ["c-2"]
    for by in ("eva", "bea"):
        await store.mark_erased("c-1", 30.0, by)
    store.put_recording(ended)
    await store.flush()
    found = await store.recording("c-1")
    assert found is not None and (found.erased_at, found.erased_by) == (30.0, "eva")
    assert [row.recording_id for row in await store.kept_recordings()] == ["c-2"]
    assert await store.recording("none") is None


async def test_errors_say_what_to_do_and_keep_secrets(tmp_path: Path, postgres: Postgres) -> None:
    no_database = tmp_path / "text.sqlite3"
    no_database.write_text("This is no database. " * 100)
    cases = {
        f"sqlite:///{tmp_path}/missing/calls.sqlite3": "make its folder",
        f"sqlite:///{tmp_path}": "cannot be opened",
        f"sqlite:///{no_database}": "not a database",
        "sqlite://": "names no file",
        "calls.db": "no database URL",
        "mysql://root:secret@localhost/calls": "do not speak",
        postgres.url("nothing"): "does not exist",
        postgres.url("postgres", password="secret"): "password authentication failed",
        "postgresql://postgres:secret@127.0.0.1:1/calls": "host and port",
    }
    for url, expected in cases.items():
        with pytest.raises(StoreUnavailable, match=expected) as refusal:
            async with Store.open(url, vault=VAULT):
                pass
        assert "secret" not in str(refusal.value) and "only for" not in str(refusal.value)


async def test_numbers_stay_out_of_error_messages(store: Store) -> None:
    await store.people.save_user("ana", name="Ana", role="agent", password_hash="h")
    with pytest.raises(StoreUnavailable) as refusal:
        await store.people.save_user("ana", name=NUMBER, role="agent", password_hash=None)  # type: ignore[arg-type]
    assert NUMBER not in str(refusal.value)
    assert refusal.value.__cause__ is None or NUMBER not in str(refusal.value.__cause__)


# --- SQLite's own


async def test_the_file_is_ours_alone_and_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite3"
    async with Store.open(f"sqlite:///{path}", vault=VAULT):
        for name in ("calls.sqlite3", "calls.sqlite3-wal"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


async def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    async with Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=VAULT) as store:
        store.put_call(record(), epoch)
        await store.flush()
        async with store._writing() as connection:
            await connection.execute(text("UPDATE calls SET caller_name = 'someone'"))
            call = await asyncio.wait_for(store.call("c"), 30)
        assert call is not None and call.caller_name == "Luz"


async def test_a_failed_migration_leaves_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.sqlite3"
    engine = make_engine(database_url(url))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE legs (x INTEGER)"))
    with suppress(StoreUnavailable):
        async with Store.open(url, vault=VAULT):
            pytest.fail("a table of another program is in the way")
    async with engine.connect() as connection:
        names = (await connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'"))).all()
    await engine.dispose()
    assert names == ["legs"]


async def test_of_rooms_that_are_over_nothing_is_left_when_it_is_erased(store: Store) -> None:
    ana = Member("ana", "Ana", Role.MEMBER, invited=True)
    rooms = [Room(name, RoomKind.MEETING, name, "eva", 1.0, 8, members={"ana": ana}) for name in ("old", "new", "on")]
    said = [Message(room.room_id, f"m{at}", at, "ana", "Ana", 10.0 * at, text="Hola") for room in rooms for at in (1, 2)]
    pressed = Message("on", "m3", 3, "eva", "Eva", 50.0, text="Sí", reactions=(Reaction("👍", ("ana", "tom")), Reaction("🎉", ("ana",))))
    ends = [room_entry(room, why=RoomEnd.FINISHED, ended_at=at) for room, at in zip(rooms, (5.0, 20.0), strict=False)]
    people = [person_entry(room.room_id, "ana") for room in rooms] + [person_entry("new", "tom", may_read=False)]
    await store.rooms.keep([room_entry(rooms[2]), *ends, *people, *(message_entry(message) for message in (*said, pressed))])
    past = store.past_rooms
    assert [room.room_id for room in await past.of("ana", before=None, limit=9)] == ["new", "old"]
    assert await past.readable("new", "ana") and not await past.readable("new", "tom") and not await past.readable("on", "ana")
    assert await past.erase_ended(10.0) == Erased(("old",), 2)
    assert await past.erase_ended(10.0) == Erased()
    assert await past.erase_said(15.0, 99.0) == Erased(("on",), 1)
    assert (await past.erase_person("ana", 99.0)).messages == 3
    assert [message.sender for message in await store.rooms.history("new", limit=9)] == ["", ""]
    assert [(m.sender, m.text, m.reactions) for m in await store.rooms.history("on", limit=9)] == [
        ("", "", ()),
        ("eva", "Sí", (Reaction("👍", ("tom",)),)),
    ]
    assert await past.of("ana", before=None, limit=9) == []
    assert await past.unknown_files(["a" * 32]) == {"a" * 32}


# --- what happened, entry by entry


def entries(call_id: str, *words: What, first: int = 1) -> list[Entry]:
    return [Entry(call_id, seq, float(seq), what, "ana", f"{call_id}-ana", "bea", "why") for seq, what in enumerate(words, start=first)]


async def test_a_journal_is_kept_once_however_often_it_is_written(url: str, store: Store) -> None:
    journal = entries("c", What.ARRIVED, What.OFFERED, What.ENDED)
    store.put_entries(journal[:2], epoch)
    await store.flush()
    store.put_entries(journal, epoch)
    store.put_entries(entries("d", What.ARRIVED), epoch)
    store.put_call(record(ended_s=9.0, cause=BUSY), epoch)
    await store.flush()
    kept = await _all(url, "SELECT call_id, seq, at, what, party, leg_id, detail FROM call_events ORDER BY call_id, seq")
    assert kept == [
        ("c", 1, epoch(1.0), "arrived", "ana", "c-ana", "why"),
        ("c", 2, epoch(2.0), "offered", "ana", "c-ana", "why"),
        ("c", 3, epoch(3.0), "ended", "ana", "c-ana", "why"),
        ("d", 1, epoch(1.0), "arrived", "ana", "d-ana", "why"),
    ]


async def test_what_a_leg_spoke_is_known_when_it_has_gone(store: Store) -> None:
    first = {"c-phone": LegMeans("pcma"), "c-ana": LegMeans("opus", "Jabra EVOLVE 20", "wifi", "host/udp", "ipv4")}
    last = {"c-phone": LegMeans(), "c-ana": LegMeans("g722", way="relay/tls")}
    store.put_call(record(answered_s=1.0), epoch, means_of=first.__getitem__)
    await store.flush()
    store.put_call(record(answered_s=1.0, ended_s=2.0, cause=BUSY), epoch, means_of=last.__getitem__)
    await store.flush()
    call = await store.call("c")
    assert call is not None and {leg.leg_id: leg.codec for leg in call.legs} == {"c-phone": "pcma", "c-ana": "g722"}
    of_ana = next(leg for leg in (await store.records.legs_of(["c"]))["c"] if leg["leg_id"] == "c-ana")
    assert [of_ana[name] for name in MEANS] == ["g722", "Jabra EVOLVE 20", "wifi", "relay/tls", "ipv4"]


async def test_journals_and_agents_of_a_run_that_died_are_closed(url: str) -> None:
    async with Store.open(url, vault=VAULT) as dead:
        dead.put_call(record("live", answered_s=4.0), epoch)
        dead.put_entries(entries("live", What.ARRIVED, What.ACCEPTED), epoch)
        dead.put_agent_changes([AgentChange("ana", 1.0, AgentState.ON_CALL), AgentChange("bea", 2.0, AgentState.BREAK, "lunch")], epoch)
        dead.put_agent_changes([AgentChange("eva", 2.5, AgentState.AVAILABLE), AgentChange("eva", 3.0, AgentState.OFFLINE)], epoch)
        dead.put_quality("live", epoch(30.0), [sample("live-phone", 4.0)])
        await dead.flush()
        async with Store.open(url, node="another", vault=VAULT) as other:
            await other.mark_interrupted(epoch(99.0))
            other.put_agent_changes([AgentChange("bea", 50.0, AgentState.AVAILABLE)], epoch)
            await other.flush()
        async with Store.open(url, vault=VAULT) as store:
            for _ in range(2):
                await store.mark_interrupted(epoch(99.0))
    assert await _all(url, "SELECT seq, at, what, detail FROM call_events WHERE call_id = 'live' ORDER BY seq") == [
        (1, epoch(1.0), "arrived", "why"),
        (2, epoch(2.0), "accepted", "why"),
        (3, epoch(30.0), "ended", "interrupted"),
    ]
    states = await _all(url, "SELECT identity, at, state, reason FROM agent_states ORDER BY identity, at")
    assert [(who, state, reason) for who, _, state, reason in states] == [
        ("ana", "on_call", ""),
        ("ana", "offline", "interrupted"),
        ("bea", "break", "lunch"),
        ("bea", "available", ""),
        ("eva", "available", ""),
        ("eva", "offline", ""),
    ], "another node has seen bea since"
    assert states[1][1] == epoch(3.0), "its last word of anybody"


async def places(store: Store, wanted: Wanted = Wanted(), now: float = 99.0) -> list[tuple[str, int]]:  # noqa: B008 - frozen
    await store.records.number_calls(epoch(now))
    return [(row["call_id"], row["record_seq"]) for row in await store.records.calls(wanted, await store.records.span(wanted), 2)]


async def test_complete_calls_have_their_place_once_and_for_all(url: str, store: Store) -> None:
    for at in (3, 1, 2):
        store.put_call(record(f"c{at}", agent="bea" if at == 2 else "ana", started_s=at, ended_s=at + 10.0, cause=BUSY), epoch)
    store.put_call(record("goes on", started_s=0.5), epoch)
    await store.flush()
    assert await places(store, now=11.5) == [("c1", 1)], "the others have ended a moment ago, or not at all"
    assert await places(store) == [("c1", 1), ("c2", 2)], "a page"
    assert await places(store, Wanted(after=2)) == [("c3", 3)]
    store.put_call(record("late", started_s=0.0, ended_s=1.0, cause=BUSY), epoch)
    store.put_call(record("c1", started_s=1.0, ended_s=11.0, cause=BUSY), epoch)
    await store.flush()
    async with Store.open(url, node="another", vault=VAULT) as other:
        await asyncio.gather(*(each.records.number_calls(epoch(99.0)) for each in (store, other, store, other)))
    assert await places(store, Wanted(after=3)) == [("late", 4)], "who has read up to 3 misses nothing, and has nothing twice"
    assert await places(store, Wanted(begun_from=epoch(1.5), begun_before=epoch(3.0))) == [("c2", 2)]
    assert await places(store, Wanted(begun_from=epoch(50.0))) == []
    assert await places(store, Wanted(agent="eva")) == []
    assert await places(store, Wanted(people=frozenset({"eva", "ana"}), after=3)) == [("late", 4)]
    assert await places(store, Wanted(people=frozenset())) == []


async def test_legs_come_with_what_was_measured_at_them_and_calls_with_their_recordings(store: Store) -> None:
    store.put_call(record(answered_s=1.0, ended_s=5.0, cause=BUSY), epoch)
    store.put_quality("c", epoch(2.0), [sample("c-phone", 4.0), sample("c-ana", None)])
    store.put_quality("c", epoch(3.0), [sample("c-phone", 3.0)])
    store.put_entries(entries("c", What.ARRIVED, What.ENDED), epoch)
    for part in (2, 1):
        store.put_recording(StoredRecording(f"c-{part}", "c", "ana", "given", started_at=float(part)))
    await store.flush()
    of_calls = await store.records.legs_of(["c", "nobody"])
    assert [(leg["leg_id"], leg["mos_min"], leg["mos_mean"]) for leg in of_calls["c"]] == [("c-ana", None, None), ("c-phone", 3.0, 3.5)]
    assert [event["what"] for event in (await store.records.events_of(["c"]))["c"]] == ["arrived", "ended"]
    await store.records.number_calls(epoch(99.0))
    (call,) = await store.records.calls(Wanted(), (1, 9), 9)
    assert call["recordings"] == ["c-1", "c-2"]


async def test_what_agents_did_is_complete_when_they_do_something_else(store: Store) -> None:
    store.put_agent_changes([AgentChange("ana", 1.0, AgentState.AVAILABLE), AgentChange("bea", 2.0, AgentState.AVAILABLE)], epoch)
    store.put_agent_changes([AgentChange("ana", 3.0, AgentState.BREAK, "lunch")], epoch)
    await store.flush()

    async def read(wanted: Wanted = Wanted()) -> list[tuple[str, str, float, int]]:  # noqa: B008 - frozen
        await store.records.number_agent_states()
        rows = await store.records.agent_states(wanted, 9)
        return [(row["identity"], row["state"], row["ended_at"] - row["at"], row["record_seq"]) for row in rows]

    assert await read() == [("ana", "available", 2.0, 1)]
    store.put_agent_changes([AgentChange("bea", 5.0, AgentState.OFFLINE), AgentChange("ana", 9.0, AgentState.OFFLINE)], epoch)
    await store.flush()
    assert await read(Wanted(after=1)) == [("bea", "available", 3.0, 2), ("ana", "break", 6.0, 3)]
    assert await read(Wanted(agent="ana", begun_from=epoch(2.0), begun_before=epoch(9.0))) == [("ana", "break", 6.0, 3)]
    assert await read(Wanted(people=frozenset({"eva"}))) == []


def visit(call_id: str, joined_s: float, waited_s: float, outcome: str, number: int = 1, **more: object) -> QueueVisit:
    return QueueVisit(call_id, number, "sales", joined_s, joined_s, joined_s + waited_s, outcome, **more)  # type: ignore[arg-type]


async def test_statistics_are_what_the_records_add_up_to(store: Store) -> None:
    store.put_call(record("c1", answered_s=10.0, ended_s=100.0, cause=BUSY), lambda at_s: at_s)
    store.put_visits(
        [
            visit("c1", 0.0, 10.0, "served", agent="ana", leg_id="c1-ana", in_time=True, offers=1),
            visit("c2", 1.0, 40.0, "served", agent="ana", leg_id="unknown"),
            visit("c3", 899.0, 30.0, "abandoned"),
            visit("c4", 20.0, 2.0, "abandoned", short=True),
            visit("c5", 900.0, 60.0, "timeout"),
            visit("c5", 960.0, 0.0, "full", number=2),
            visit("c6", 1_799.0, 5.0, "call_back"),
            visit("c7", 1_800.0, 5.0, "call_back"),
        ],
        lambda at_s: at_s,
    )
    store.put_wrap_up(KeepWrapUp("c1", "ana", "sales", "booked", 100.0, 115.0), lambda at_s: at_s)
    await store.flush()
    first, second = await store.records.queue_statistics(0, 4, 2, "")
    assert (first["queue"], first["slot"], second["slot"], second["called_back"]) == ("sales", 0, 1, 1)
    counts = ("offered", "answered", "in_time", "abandoned", "short", "overflowed", "turned_away", "called_back")
    assert [first[name] for name in counts] == [7, 2, 1, 2, 1, 1, 1, 1]
    sums = ("wait_s", "answered_wait_s", "longest_wait_s", "talk_s", "wrap_up_s")
    assert [first[name] for name in sums] == [147.0, 50.0, 60.0, 90.0, 15.0]
    quarters = await store.records.queue_statistics(0, 2, 1, "sales")
    assert [(row["slot"], row["offered"]) for row in quarters] == [(0, 4), (1, 3)]
    assert await store.records.queue_statistics(0, 2, 1, "support") == []


async def test_a_report_is_the_sums_of_what_was_kept_by_whatever_it_is_asked(store: Store) -> None:
    await put_day(store)

    async def teams() -> Mapping[str, frozenset[str]]:
        return TEAMS

    reports = Reports(store, teams, lambda: BEGIN + 20 * 86_400)
    day = Period(BEGIN, BEGIN + 86_400, "UTC")
    all_of_it = (await reports.report(day, "all", Scope())).total
    assert (all_of_it.offered, all_of_it.handled, all_of_it.abandoned, all_of_it.outgoing) == (5, 3, 2, 1)
    assert (all_of_it.service_level, all_of_it.abandoned_share, all_of_it.answer_s) == (2 / 4, 1 / 5, 20.0)
    assert (all_of_it.longest_s, all_of_it.talk_s, all_of_it.hold_s, all_of_it.wrap_up_s) == (90.0, 190 / 3, 20 / 3, 10.0)
    assert all_of_it.handle_s == pytest.approx(80.0)
    assert (all_of_it.staffed_s, all_of_it.utilisation, all_of_it.occupancy) == (3_000.0, 1_800 / 3_000, 1_800 / 2_400)
    assert (all_of_it.judged, all_of_it.resolution) == (3, 2 / 3), "one called again two days later"
    assert (all_of_it.mos_scale, all_of_it.mos_p50, all_of_it.mos_p10, all_of_it.bad_share) == ("nb", 4.0, 2.0, 1 / 3)
    of_agents = await reports.report(day, "agent", Scope())
    assert [(each.name, each.figures.handled, each.figures.staffed_s) for each in of_agents.groups] == [
        ("ana", 2, 1_800.0),
        ("bea", 1, 1_200.0),
    ]
    assert {each.figures.offered for each in of_agents.groups} == {None} and of_agents.total == all_of_it
    of_teams = await reports.report(day, "team", Scope())
    assert [(each.name, each.figures.handled) for each in of_teams.groups] == [("flights", 1), ("hotels", 3)]
    of_queues = await reports.report(day, "queue", Scope())
    assert [(each.name, each.figures.offered, each.figures.outgoing) for each in of_queues.groups] == [("", 0, 1), ("sales", 5, 0)]
    hours = await reports.report(Period(BEGIN, BEGIN + 3 * 3_600, "UTC"), "hour", Scope())
    assert [(each.figures.handled, each.figures.staffed_s, each.figures.longest_s) for each in hours.groups] == [
        (2, 2_400.0, 90.0),
        (1, 600.0, 10.0),
        (0, 0.0, None),
    ]
    hers = (await reports.report(day, "all", Scope(people=frozenset({"bea"})))).total
    assert (hers.offered, hers.handled, hers.staffed_s, hers.bad_share) == (None, 1, 1_200.0, 0.0)
    nobodys = (await reports.report(day, "all", Scope(people=frozenset({"bea"}), agent="ana"))).total
    assert (nobodys.handled, nobodys.staffed_s, nobodys.measured) == (0, 0.0, 0)
    empty = (await reports.report(Period(BEGIN - 9 * 86_400, BEGIN - 8 * 86_400, "UTC"), "all", Scope())).total
    assert {getattr(empty, name) for name in ("service_level", "handle_s", "occupancy", "resolution", "bad_share", "mos_p50")} == {None}


async def test_bad_calls_are_counted_by_each_trait_of_theirs(store: Store) -> None:
    await put_day(store)
    await store.people.open_session(StoredSession("s", "ana", "Chrome, Windows", "", "10.1.7.0/24", False, BEGIN, BEGIN))
    await store.people.open_session(StoredSession("t", "ana", "Firefox, Linux", "", "10.1.8.0/24", False, BEGIN + 500, BEGIN))
    asked = Asked(BEGIN, BEGIN + 86_400)

    async def told(trait: Trait) -> dict[str, tuple[int, int]]:
        return {row["value"]: (row["calls"], row["bad"]) for row in await store.reports.shares(asked, trait)}

    assert await told("agent") == {"ana": (2, 1), "bea": (1, 0)}
    assert (await told("queue"), await told("trunk"), await told("phone_codec")) == ({"sales": (3, 1)}, {"pbx": (3, 1)}, {})
    assert (await told("device"), await told("place")) == ({"Chrome, Windows": (2, 1)}, {"10.1.7.0/24": (2, 1)}), "as it was at the time"
    for trait, value in (("place", "10.1.7.0/24"), ("trunk", "pbx"), ("agent", "ana")):
        assert [row["call_id"] for row in await store.reports.bad_with(asked, trait, [value, "other"], 9)] == ["c2"]
    assert await store.reports.bad_with(dataclasses.replace(asked, people=frozenset({"bea"})), "trunk", ["pbx"], 9) == []
    assert await store.records.first_visits() == {"sales": BEGIN}


async def test_forms_cards_and_schedules_are_kept_as_they_are_asked_for(store: Store) -> None:
    await put_day(store)
    form = {"form_id": "f", "version": 1, "title": "One", "criteria": "[]", "active": True, "at": 1.0, "by": "eva"}
    assert await store.scorecards.add_form(form) and not await store.scorecards.add_form(form)
    assert await store.scorecards.add_form(form | {"version": 2, "title": "Two"})
    assert [(each["version"], each["title"]) for each in await store.scorecards.forms()] == [(2, "Two")]
    card = {"form_id": "f", "version": 2, "by": "eva", "scores": "{}", "total": 0.5, "note": "Calm."}
    for at, agent in ((1.0, "ana"), (1.0, "bea"), (2.0, "ana")):
        await store.scorecards.add(card | {"card_id": f"{agent}{at:.0f}", "call_id": "c1", "agent": agent, "at": at})
    first = await store.scorecards.cards(CardsSought(), 2)
    rest = await store.scorecards.cards(CardsSought(before=(first[-1]["at"], first[-1]["card_id"])), 2)
    assert [each["card_id"] for each in [*first, *rest]] == ["ana2", "ana1", "bea1"] and rest[0]["note"] == "Calm."
    assert len(await store.scorecards.scores(CardsSought(frozenset({"ana"}), since=1.5, until=9.0), 9)) == 1
    assert await store.scorecards.took_part("c1", "ana") and not await store.scorecards.took_part("c1", "bea")
    await store.scorecards.seen("ana1", 5.0)
    await store.scorecards.seen("ana1", 6.0)
    found = await store.scorecards.card("ana1")
    assert found is not None and found["seen_at"] == 5.0
    assert await store.scorecards.erase("ana1") and not await store.scorecards.erase("ana1")
    made = StoredSchedule("s", "eva", "day", 0, 480, "queue", "", "en", "eva@example.com", 1.0, 10.0)
    await store.report_schedules.add(made)
    assert (await store.report_schedules.count("eva"), await store.report_schedules.due(9.9, 9)) == (1, [])
    assert await store.report_schedules.due(10.0, 9) == [made]
    assert await store.report_schedules.advance(made, 20.0, 11.0) and not await store.report_schedules.advance(made, 30.0, 12.0)
    assert [(each.next_at, each.sent_at) for each in await store.report_schedules.of("eva")] == [(20.0, 11.0)]
    assert not await store.report_schedules.drop("s", "luz") and await store.report_schedules.drop("s", "eva")


async def test_a_state_ends_with_the_run_of_the_server_that_told_of_it(store: Store, url: str) -> None:
    store.put_agent_changes([AgentChange("ana", 1_000.0, AgentState.AVAILABLE)], lambda at_s: at_s)
    await store.flush()
    asked = Asked(0.0, 20_000.0)
    assert [(row["state"], row["seconds"]) for row in await store.reports.states(asked)] == [("available", 19_000.0)], "it runs"
    async with Store.open(url, vault=VAULT, clock=lambda: 2e9):  # the other one died without a word
        assert [row["seconds"] for row in await store.reports.states(dataclasses.replace(asked, until=3e9, since=2e9 - 80_000))] == []
        async with store._writing() as connection:
            await connection.execute(update(node_runs).where(node_runs.c.boot_id == store.boot_id).values(started_at=0.0, ended_at=4_000.0))
        assert [row["seconds"] for row in await store.reports.states(asked)] == [3_000.0]


async def test_steps_of_consultations_are_kept_once_and_read_by_the_day_of_their_link(store: Store) -> None:
    now = [50.0]
    heard = FunnelSteps(store.writer, lambda: now[0])
    room = Room("r", RoomKind.CONSULTATION, "", "eva", 1.0, 9)
    heard.link_made(room)
    heard.link_made(dataclasses.replace(room, kind=RoomKind.MEETING, room_id="m"))
    heard.opened("r")
    now[0] = 60.0
    FunnelSteps(store.writer, lambda: 70.0).opened("r")
    room.members["guest.1"] = Member("guest.1", "", Role.GUEST, state=MemberState.WAITING)
    heard.waiting(room)
    now[0] = 75.0
    heard.hear(RoomEvent("e", "participant_joined", room, 75.0, "guest.1"))
    await store.flush()
    rows = await store.reports.funnel(50.0, 51.0)
    assert {row["step"]: row["at"] for row in rows} == {
        "link_made": 50.0,
        "opened": 50.0,
        "checked_in": 60.0,
        "waited": 60.0,
        "joined": 75.0,
    }
    assert funnel(rows).wait_s == 15.0 and await store.reports.funnel(51.0, 99.0) == []


async def test_a_call_is_complete_when_the_work_after_it_is_done(store: Store) -> None:
    for call_id in ("c", "lost"):
        store.put_call(record(call_id, ended_s=5.0, cause=BUSY), epoch)
        store.put_visits([visit(call_id, 0.0, 2.0, "timeout"), visit(call_id, 2.0, 3.0, "served", 2, agent="ana", wraps_up=True)], epoch)
    await store.flush()
    assert await places(store) == []
    store.put_wrap_up(KeepWrapUp("c", "ana", "sales", "booked", 5.0, 25.0), epoch)
    await store.flush()
    assert await places(store) == [("c", 1)]
    (call,) = await store.records.calls(Wanted(queue="sales"), (1, 9), 9)
    assert (call["queues"], call["wrap_up_codes"], call["wrap_up_s"]) == (["sales"], ["booked"], 20.0)
    assert await store.records.calls(Wanted(queue="support"), (1, 9), 9) == []
    assert await places(store, Wanted(after=1), now=3_700.0) == [("lost", 2)], "nobody is at work on it any more"


async def test_what_a_killed_run_left_in_its_spool_is_written_and_closed(url: str, tmp_path: Path) -> None:
    spool = RecordSpool(tmp_path / "calls.spool", VAULT)
    async with Store.open(url, vault=VAULT) as dead:
        dead.put_call(record("live", answered_s=4.0), epoch)
        await dead.flush()
        ended = call_rows(record("over", ended_s=9.0, cause=BUSY), dead.boot_id, epoch, lambda leg: None, lambda leg_id: LegMeans("pcma"))
        spool.append([*(entry_line(entry, epoch) for entry in entries("live", What.ARRIVED)), ended])
    async with Store.open(url, spool=spool, vault=VAULT) as store:
        assert await store.mark_interrupted(epoch(99.0)) == ["live"]
        over = await store.call("over")
        assert over is not None and (over.end_reason, over.legs[0].codec) == ("busy", "pcma")
        assert [event["what"] for event in (await store.records.events_of(["live"]))["live"]] == ["arrived", "ended"]
        assert spool.size == 0


async def _all(url: str, query: str) -> list[tuple[object, ...]]:
    engine = make_engine(database_url(url))
    async with engine.connect() as connection:
        found = [tuple(row) for row in (await connection.execute(text(query))).all()]
    await engine.dispose()
    return found


async def test_what_was_in_the_clear_is_sealed_and_who_is_erased_is_gone_in_both_databases(url: str) -> None:
    vault = Vault.in_memory()
    async with Store.open(url, vault=vault) as store:
        await put_all(store)
        await store.flush()
        await in_the_clear(store, vault)
        async with open_sealing(store.sealing) as sealing, asyncio.timeout(30):
            await sealing
        assert (await store.sealing.left(), await read_all(store)) == ([], AS_TOLD)
        assert all(value.startswith("~1") for (value,) in await _all(url, "SELECT caller_name FROM calls"))
        eraser = Erasure(store._engine, vault)
        done = await eraser.erase(await eraser.person("1", "ES"))
        assert done.keys >= 3 and done.rows["contact_words"] > 9
        again = await eraser.erase(await eraser.person("1", "ES"))
        assert (again.keys, again.rows) == (0, {})
        assert await store.contacts.search("luz", 9) == []


# --- the contact centre

OVER = Cause(EndReason.COMPLETED)


async def test_versions_are_kept_whole_and_follow_one_another(store: Store) -> None:
    centre = store.centre
    assert (await centre.newest(), await centre.versions(10), await centre.documents(0)) == (0, [], {})
    one, two = PlanVersion(1, 1.0, "boss", "begun"), PlanVersion(2, 2.0, "eva", "")
    await centre.add_version(one, {"queues": "[a]", "flows/main": "x = 1"})
    await centre.add_version(two, {"queues": "[b]", "flows/main": "x = 1"})
    for taken in (one, two, PlanVersion(4, 3.0, "ana", "")):
        with pytest.raises(StoreUnavailable):
            await centre.add_version(taken, {"queues": "[c]"})
    assert await centre.newest() == 2
    assert await centre.versions(10) == [two, one] and await centre.versions(10, before=2) == [one]
    assert await centre.documents(1) == {"queues": "[a]", "flows/main": "x = 1"}
    assert await centre.documents(2) == {"queues": "[b]", "flows/main": "x = 1"}


async def test_skills_are_what_was_given_last(store: Store) -> None:
    centre = store.centre
    ana = AgentSkills("ana", {"english": 2, "hotels": 5}, ["sales"])
    await centre.keep_skills(ana)
    await centre.keep_skills(AgentSkills("ben", {}, ["care", "sales"]))
    assert await centre.everybodys_skills() == [ana, AgentSkills("ben", {}, ["care", "sales"])]
    await centre.keep_skills(AgentSkills("ana", {"hotels": 1}, []))
    assert await centre.skills_of("ana") == AgentSkills("ana", {"hotels": 1}, [])
    assert await centre.skills_of("nobody") == AgentSkills("nobody", {}, [])


def call_with(call_id: str, caller: str, agent: str, started_s: float, answered_s: float | None) -> CallRecord:
    phone = LegRecord(f"{call_id}-phone", "phone", caller, "pbx", started_s, answered_s, started_s + 60, OVER)
    return CallRecord(call_id, "in", caller, "", "900", agent, CallState.ENDED, started_s, answered_s, started_s + 60, OVER, (phone,))


async def test_who_talked_with_a_caller_last_is_found_in_any_spelling(store: Store) -> None:
    for record in (
        call_with("long ago", NUMBER, "eva", 0.0, 5.0),
        call_with("talked", "0034600111222", "ana", 3_000_000.0, 3_000_010.0),
        call_with("missed", "600111222", "", 3_001_000.0, None),
        call_with("again", "34600111222", "", 3_002_000.0, None),
        call_with("another's", "+34600111223", "ben", 3_003_000.0, 3_003_010.0),
    ):
        store.put_call(record, lambda at: at)
    await store.flush()
    now = [3_003_610.0]
    calls = EarlierCalls(store.centre, "ES", now=lambda: now[0])
    assert await calls.look_up(NUMBER) == {"last_agent": "ana", "last_call_h": 1.0, "missed_calls": 2.0}
    now[0] += 86_400.0
    assert await calls.look_up(NUMBER) == {"last_agent": "ana", "last_call_h": 25.0}
    assert await calls.look_up("+34600999888") == {}


async def test_what_is_to_be_delivered_is_claimed_once_noted_once_and_has_its_place(store: Store) -> None:
    outbox = Outbox(store.outbox, store.writer.put_lines, VAULT, now=lambda: 10.0)
    for number in range(4):
        outbox.put("note", "far", f"s{number % 2}", Noted(f"n{number}"), f"n{number}-note-1")
        outbox.put("note", "far", "s9", Noted("again"), f"n{number}-note-1")
    await store.flush()
    claims = await asyncio.gather(*(store.outbox.claim(node, 10.0, 20.0, 9, kinds=["note"]) for node in ("a", "b", "a")))
    claimed = [one for claim in claims for one in claim]
    assert sorted(one.entry.idem for one in claimed) == ["n0-note-1", "n1-note-1"], "each the first of its subject, at one node"
    for one in claimed:
        for node in ("a", "b", "nobody"):
            await store.outbox.finish(one.entry.entry_id, node, "", 11.0)
    assert await store.outbox.counts() == {"done": 2, "waiting": 2}
    taken = await asyncio.gather(*(store.notes.write("c", words, 0, "ana", 1.0, ANA) for words in ("one", "two")))
    assert sorted(taken) == [False, True]
    assert [await store.notes.tell("c", "crm", revision, first=revision == 3) for revision in (1, 2, 3, 1)] == [1, 2, 2, 2]
    rows = [
        {"event_id": f"e{n}", "event": "room", "subject": "s", "person": "", "number": n, "body": "{}", "created_at": 1.0}
        for n in (3, 1, 2)
    ]
    await store.webhooks.add([], rows)
    found = await asyncio.gather(store.webhooks.told.behind(0, 9), store.webhooks.told.behind(0, 9))
    assert [[(row["event_id"], row["seq"]) for row in page] for page in found] == [[("e1", 1), ("e2", 2), ("e3", 3)]] * 2
