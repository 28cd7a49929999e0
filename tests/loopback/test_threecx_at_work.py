"""A 3CX at work with the server: what is imported, who is kept in step, when a call is one too many, what its log says of a call."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.audit.audit import Audit
from api.store import Store
from api.threecx import ThreeCx
from api.threecx_import import identities_of, new_identity
from api.threecx_settings import ThreeCxWork
from pbx.numbers import Number, NumberKind
from pbx.threecx.directory import PbxUser
from rooms.causes import Cause, EndReason
from rooms.record import CallRecord, CallState
from signaling.refusal import Refusal
from tests.kit.people import AUDIT_KEYS
from tests.kit.small_pbx import SmallPbx, small_pbx
from tests.kit.vaults import VAULT

ABROAD = Number("910000000", "+34910000000", None, "910 000 000", NumberKind.FIXED, "ES")
EMERGENCY = replace(ABROAD, kind=NumberKind.EMERGENCY)


class People:
    """Stands where the nodes do."""

    def __init__(self) -> None:
        self.takes: dict[str, bool] = {}
        self.reasons: dict[str, str] = {}
        self.leads = True

    def takes_calls(self, identity: str) -> bool:
        return self.takes.get(identity, True)

    def wish(self, identity: str, *, available: bool, reason: str, away: bool) -> None:
        self.takes[identity], self.reasons[identity] = available, reason


def user(number: str, name: str, email: str = "", profile: str = "Available") -> dict[str, Any]:
    names = {"FirstName": name, "LastName": "", "EmailAddress": email}
    state = {"CurrentProfileName": profile, "QueueStatus": "LoggedIn", "IsRegistered": True}
    return {"Id": int(number), "Number": number, **names, **state}


@pytest.fixture
async def pbx() -> AsyncIterator[SmallPbx]:
    async with small_pbx() as pbx:
        pbx.tables = {
            "/Users": [user(str(200 + index), f"P{index}", f"p{index}@example.com") for index in range(150)],
            "/Queues": [{"Id": 5, "Number": "800", "Name": "Travel"}],
            "/Queues(5)/Agents": [{"Number": "201"}, {"Number": "200"}],
            "/DidNumbers": [{"Number": "+34910000001"}],
            "/InboundRules": [{"RuleName": "Main", "Did": "+34910000001", "OfficeHoursDestination": {"Number": "800"}}],
            **{f"/Users({number})/Groups": [{"Name": "DEFAULT"}] for number in (206, 207)},
            "/Users(205)/Groups": [{"Name": "DEFAULT"}, {"Name": "Sales Madrid"}],
            "/SystemStatus": [{"MaxSimCalls": 2, "CallsActive": 1, "Version": "20.0.9.1"}],
            "/ReportCallLogData/Pbx.": [],
        }
        yield pbx


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{tmp_path / 'x.sqlite3'}", vault=VAULT) as store:
        yield store


@pytest.fixture
async def threecx(pbx: SmallPbx, store: Store) -> AsyncIterator[tuple[ThreeCx, People]]:
    await store.people.save_user("p0", name="Ana", role="agent", password_hash="")
    await store.people.save_user("luis", name="Luis", role="agent", password_hash="")
    people = People()
    work = ThreeCxWork(
        pbx.settings(), own_numbers=frozenset({"100"}), extensions={"luis": "201"}, look_every_s=0.05, join_after_s=(0.0, 0.01, 0.02)
    )
    async with Audit(store.audit, AUDIT_KEYS) as log, ThreeCx(work, store, log) as threecx:
        threecx.meet(people)
        await threecx.import_now()
        yield threecx, people


async def test_everything_is_imported_page_by_page(threecx: tuple[ThreeCx, People], pbx: SmallPbx) -> None:
    found = await threecx[0].directory()
    assert len(found.extensions) == 150
    assert {each.number: each.identity for each in found.extensions if each.identity} == {"200": "p0", "201": "luis"}
    assert [(queue.number, queue.agents) for queue in found.queues] == [("800", ["200", "201"])]
    assert [(did.number, did.name, did.target) for did in found.dids] == [("+34910000001", "Main", "800")]
    pbx.tables["/Users"] = pbx.tables["/Users"][:1]
    assert await threecx[0].import_now() == 1 and len((await threecx[0].directory()).extensions) == 1


async def test_whoever_is_unknown_becomes_an_agent_without_a_password_where_that_is_wanted(pbx: SmallPbx, store: Store) -> None:
    pbx.tables["/Users"] = [
        user("205", "Ana", "ana@example.com"),
        user("206", "Bea", "ana@example.org"),
        user("207", "Guest", "guest.x@y.z"),
        user("208", "Centralita"),
    ]
    async with (
        Audit(store.audit, AUDIT_KEYS) as log,
        ThreeCx(ThreeCxWork(pbx.settings(), own_numbers=frozenset({"208"}), import_people=True, in_step=False), store, log) as threecx,
    ):
        await threecx.import_now()
        await threecx.import_now()
    assert await store.people.teams_of("ana") == {"Sales-Madrid"}
    made = {each.identity: (each.name, each.role, each.password_hash) for each in await store.people.users()}
    assert made == {"ana": ("Ana", "agent", ""), "206": ("Bea", "agent", ""), "207": ("Guest", "agent", "")}


async def test_a_break_here_reaches_3cx_at_once_and_a_profile_there_reaches_us(threecx: tuple[ThreeCx, People], pbx: SmallPbx) -> None:
    work, people = threecx
    row = next(row for row in pbx.tables["/Users"] if row["Number"] == "201")
    await pbx.until(lambda: work.counts["requests"] > 8)
    people.takes["luis"] = False
    work.changed("luis")
    await pbx.until(lambda: row["CurrentProfileName"] == "Away")
    assert row["QueueStatus"] == "LoggedOut"
    looked = pbx.count("GET", "/xapi/v1/Users")
    await pbx.until(lambda: pbx.count("GET", "/xapi/v1/Users") > looked + 4)  # it was seen to be so
    row["CurrentProfileName"] = "Available"
    await pbx.until(lambda: people.takes["luis"] and row["QueueStatus"] == "LoggedIn")
    row["CurrentProfileName"] = "Custom 1"
    await pbx.until(lambda: not people.takes["luis"])
    assert people.reasons["luis"] == "Custom 1" and "p0" not in people.takes
    written = len(pbx.changes)
    looked = pbx.count("GET", "/xapi/v1/Users")
    await pbx.until(lambda: pbx.count("GET", "/xapi/v1/Users") > looked + 6)
    assert len(pbx.changes) <= written + 1  # the queue log-in that follows, and no quarrel


async def test_a_call_beyond_the_licence_is_refused_and_an_emergency_never(threecx: tuple[ThreeCx, People], pbx: SmallPbx) -> None:
    work, _ = threecx
    await pbx.until(lambda: work.status().most_calls == 2)
    pbx.tables["/SystemStatus"][0]["CallsActive"] = 2
    await pbx.until(lambda: work.status().calls == 2)
    with pytest.raises(Refusal, match="allows 2 calls") as refused:
        work.ask(ABROAD)
    assert (refused.value.code, refused.value.retry_after) == ("pbx_full", 10.0)
    work.ask(EMERGENCY)
    pbx.tables["/SystemStatus"][0]["CallsActive"] = 0
    await pbx.until(lambda: work.status().calls == 0)
    work.ask(ABROAD)


async def test_what_3cx_says_of_a_call_is_kept_beside_it(threecx: tuple[ThreeCx, People], pbx: SmallPbx) -> None:
    work, _ = threecx
    quality = {"MOS": 4.1, "Reason": "fine", "Party1": {"MOSFromPBX": 4.1, "RTT": 30, "RxPackets": 100, "Codec": "PCMA"}}
    row = {"CdrId": "c-1", "StartTime": "1970-01-01T00:16:45Z", "SourceDn": "201", "DestinationCallerId": "0034910000000"}
    pbx.tables["/ReportCallLogData/Pbx."] = [row | {"Answered": True, "TalkingDuration": "PT42S", "QualityReport": True}]
    pbx.tables["/ReportCallLogData/Pbx.GetCallQualityReport"] = [quality]
    record = CallRecord(
        call_id="call-1",
        direction="out",
        caller="",
        caller_name="",
        called="+34910000000",
        agent="luis",
        state=CallState.ENDED,
        started_s=1_000.0,
        answered_s=1_002.0,
        ended_s=1_044.0,
        cause=Cause(EndReason.COMPLETED),
        legs=(),
    )
    work.heard(record, lambda seconds: seconds)
    await pbx.until(lambda: work.counts["joined"] == 1)
    found = await work.call("call-1")
    assert found is not None
    assert (found.pbx_id, found.mos, found.talked_s, found.codec, found.judgement) == ("c-1", 4.1, 42.0, "PCMA", "fine")
    work.heard(replace(record, call_id="call-2", called="+34911111111"), lambda seconds: seconds)
    await pbx.until(lambda: work.counts["join_missed"] == 1)


async def test_a_pbx_that_is_away_is_told_and_waited_for(pbx: SmallPbx, store: Store) -> None:
    pbx.token_status = 503
    async with (
        Audit(store.audit, AUDIT_KEYS) as log,
        ThreeCx(ThreeCxWork(pbx.settings(), look_every_s=0.05, retry_s=0.05), store, log) as threecx,
    ):
        threecx.meet(People())
        await pbx.until(lambda: bool(threecx.trouble) and threecx.counts["failures"] > 2)
        threecx.ask(ABROAD)  # nobody is refused by what is not known
        pbx.token_status = 200
        await pbx.until(lambda: not threecx.trouble and threecx.status().events)


def test_who_has_an_extension() -> None:
    ana, bea = PbxUser(1, "205", "Ana", "Ana@Example.com"), PbxUser(2, "206", "Bea", "ana@example.org")

    def found(*people: str, **given: str) -> dict[str, str]:
        return identities_of([ana, bea], people, given)

    assert found("bea", "ANA@example.com") == {"205": "ANA@example.com"}
    assert found("ana", "206") == {"205": "ana", "206": "206"}
    assert found("ana", "205") == {"205": "205", "206": "ana"}
    assert found("ana", "bea", bea="205") == {"205": "bea", "206": "ana"}
    assert found("ana", ana="207") == {"207": "ana"}
    assert found("ana", gone="205") == {"206": "ana"}
    assert new_identity(ana, []) == "Ana" and new_identity(ana, ["ana"]) == "205" and new_identity(ana, ["ANA", "205"]) is None
    assert new_identity(PbxUser(1, "9", "", "a b+c@x"), []) == "a.b.c"
