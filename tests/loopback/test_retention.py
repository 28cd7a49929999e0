"""What was kept for long enough goes, on both databases and in virtual time; what a hold or a file keeps stays."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select
from typer.testing import CliRunner

from api.__main__ import app
from api.privacy.data_class import DataClass
from api.privacy.personal import seal_row
from api.privacy.retention import Retention
from api.privacy.retention_policy import RetentionPolicy
from api.settings.retention import RetentionSection
from api.store import Store
from api.store.contacts import Contact
from api.store.legal_holds import LegalHold
from api.store.retention import KINDS, RetentionStore
from api.store.schema import metadata
from api.store.sealed import Sealed
from rooms.causes import Cause, EndReason
from rooms.entries import Entry, What
from rooms.record import CallRecord, CallState, LegRecord
from tests.kit.postgres import Postgres
from tests.kit.vaults import VAULT, store_of
from tests.loopback.test_store import sample

DAY_S = 86_400.0
SPAIN, GERMANY = "+34600111222", "+4915123456789"
OVER = Cause(EndReason.COMPLETED, 200, "Over")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


both = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path}/calls.sqlite3"
    if getattr(request, "param", "sqlite") == "postgresql":
        url = await request.getfixturevalue("postgres").create(f"t{uuid4().hex}")
    async with Store.open(url, vault=VAULT) as store:
        yield store


@dataclass
class Years:
    """A store whose time passes at a word."""

    store: Store
    policy: RetentionPolicy = field(default_factory=lambda: RetentionSection().policy())
    now: float = 0.0
    noted: list[tuple[str, str]] = field(default_factory=list)

    @property
    def retention(self) -> Retention:
        part = self.store.part(RetentionStore)
        return Retention(part, self.policy, "ES", lambda *note: self.noted.append(note), pause_s=0.0, now=lambda: self.now)

    async def after(self, days: float) -> dict[str, int]:
        self.now = days * DAY_S
        return dict(await self.retention.look())

    async def rows(self, *tables: str) -> dict[str, int]:
        async with self.store._engine.connect() as connection:
            counts = {name: await connection.scalar(select(func.count()).select_from(metadata.tables[name])) for name in tables}
        return {name: count for name, count in counts.items() if count}

    async def add(self, table: str, **given: Any) -> None:
        """A row of which only what is given matters."""
        row = {column.name: _any(column) for column in metadata.tables[table].c if not column.nullable} | given
        async with self.store._writing() as connection:
            await connection.execute(insert(metadata.tables[table]).values(seal_row(VAULT, table, row)))

    async def call(self, call_id: str, number: str = SPAIN) -> None:
        """Of a minute, at the beginning of time, with everything that a call leaves."""
        leg = LegRecord(f"{call_id}-phone", "phone", number, "pbx", 0.0, 1.0, 60.0, OVER)
        self.store.put_call(CallRecord(call_id, "in", number, "Luz", "900", "ana", CallState.ENDED, 0.0, 1.0, 60.0, OVER, (leg,)), float)
        self.store.put_entries([Entry(call_id, 1, 0.0, What.ARRIVED, number, f"{call_id}-phone")], float)
        self.store.put_quality(call_id, 3.0, [sample(f"{call_id}-phone", 4.1)])
        await self.store.flush()
        await self.add("call_notes", call_id=call_id)


def _any(column: Any) -> Any:
    return "" if isinstance(column.type, Sealed) else column.type.python_type()


CALL = ("calls", "legs", "call_events", "call_notes", "quality")


@both
async def test_a_call_goes_whole_when_its_time_is_over_and_a_second_look_changes_nothing(store: Store) -> None:
    years = Years(store, RetentionSection(calls=730).policy())
    await years.call("c")
    assert await years.after(729.9) == {} and len(await years.rows(*CALL)) == 5
    years.now = 730.1 * DAY_S
    assert await years.retention.due() == {"quality": 1, "calls": 1} and len(await years.rows(*CALL)) == 5, "to ask deletes nothing"
    assert await years.retention.look() == {"quality": 1, "calls": 1}
    assert await years.rows(*CALL) == {}
    deleted = [("retention_deleted", "quality: 1"), ("retention_deleted", "calls: 1")]
    assert years.noted == [*deleted, ("retention_forgot", "1 people of whom nothing was left, 1 keys")]
    assert await years.retention.look() == {} and len(years.noted) == 3


async def test_figures_may_go_before_their_call_and_what_has_no_period_never_does(store: Store) -> None:
    years = Years(store, RetentionPolicy({kind.name: 0 for kind in KINDS}))
    await years.call("c")
    assert await years.after(100_000) == {} and len(await years.rows(*CALL)) == 5
    years.policy = RetentionSection(quality=30, calls=0).policy()
    assert await years.after(31) == {"quality": 1}
    assert set(await years.rows(*CALL)) == {*CALL} - {"quality"}
    assert await years.after(32) == {}


async def test_more_than_one_portion_goes_portion_by_portion(store: Store) -> None:
    years = Years(store)
    async with store._writing() as connection:
        columns = metadata.tables["wrap_ups"].c
        rows = [{column.name: _any(column) for column in columns} | {"call_id": f"c{n}", "ended_at": n % 7} for n in range(1_203)]
        await connection.execute(insert(metadata.tables["wrap_ups"]), rows)
    assert await years.after(731) == {"queues": 1_203} and await years.rows("wrap_ups") == {}


@both
async def test_a_legal_hold_keeps_a_person_and_the_calls_they_were_in(store: Store) -> None:
    years = Years(store)
    await store.contacts.add(Contact("1", "Luz", numbers=(SPAIN,)), "ana", 0.0)
    for call_id, number in (("hers", SPAIN), ("named", GERMANY), ("free", GERMANY)):
        await years.call(call_id, number)
    await years.add("tickets", ticket_id="t", idem="t", contact_id="1", ended_at=1.0)
    await years.add("ticket_entries", ticket_id="t", seq=1)
    await store.legal_holds.place(LegalHold("h", "a court asked", "eva", 1.0), [VAULT.number(SPAIN)], ["named"])
    assert await years.after(5_000) == {"quality": 1, "calls": 1}
    assert await years.rows("calls", "tickets", "ticket_entries") == {"calls": 2, "tickets": 1, "ticket_entries": 1}
    assert await store.legal_holds.lift("h", "eva", 2.0)
    assert await years.after(5_001) == {"quality": 2, "calls": 2, "tickets": 1}
    assert await years.rows("calls", "tickets", "ticket_entries") == {}


async def test_a_call_stays_as_long_as_its_recording(store: Store) -> None:
    years = Years(store)
    await years.call("c")
    await years.add("recordings", recording_id="r", call_id="c")
    assert await years.after(5_000) == {"quality": 1}
    await store.mark_erased("r", years.now, "eva")
    assert await years.after(5_001) == {"calls": 1} and await years.rows("recordings") == {}


@both
async def test_the_country_of_the_customers_number_decides(store: Store) -> None:
    years = Years(store, RetentionSection(countries={"DE": {"calls": 90, "bookings": 0}}, bookings=10).policy())  # type: ignore[dict-item]
    for contact_id, number in (("1", SPAIN), ("2", GERMANY)):
        await years.call(contact_id, number)
        await store.contacts.add(Contact(contact_id, numbers=(number,), first="L"), "ana", 0.0)
    await years.add("tours", tour_id="t")
    await years.add("departures", departure_id="d", tour_id="t", ends_at=5.0)
    for contact_id in "12":
        await years.add("bookings", reference=contact_id, contact_id=contact_id, departure_id="d")
        await years.add("booking_steps", reference=contact_id, revision=1, contact_id=contact_id)
    assert await years.after(91) == {"calls": 1, "bookings": 1}
    left = await store.call("1")
    assert left is not None and left.caller == SPAIN
    assert [row["reference"] for row in await store._rows(select(metadata.tables["bookings"]))] == ["2"]


@both
async def test_every_kind_goes_and_what_goes_on_stays(store: Store) -> None:
    years = Years(store)
    await years.add("call_backs", call_back_id="b", seq=1)
    await years.add("call_backs", call_back_id="b", seq=2, outcome="done")
    await years.add("call_backs", call_back_id="waits", seq=1)
    for table, key in (("reported_calls", "report_key"), ("reported_chats", "report_key"), ("surveys", "survey_id")):
        await years.add(table, **{key: "x"})
    await years.add("survey_answers", survey_id="x")
    await years.add("tickets", ticket_id="open", idem="open")
    await years.add("tasks", task_id="done", idem="done", done_at=1.0)
    await years.add("tasks", task_id="open", idem="open")
    await years.add("campaigns", campaign_id="k")
    await years.add("campaign_entries", entry_id="e", campaign_id="k", person="p", outcome_at=1.0)
    await years.add("appointments", appointment_id="a", end_at=1.0)
    await years.add("appointment_steps", appointment_id="a", seq=1)
    await years.add("queue_visits", call_id="c", visit=1)
    await years.add("agent_states", identity="ana", at=1.0, boot_id="b")
    await years.add("agent_states", identity="ana", at=2.0, boot_id="b")
    gone = await years.after(4_000)
    once = ("reported_calls", "reported_chats", "tasks", "campaigns", "appointments", "surveys", "call_backs")
    assert gone == dict.fromkeys(once, 1) | {"queues": 2}
    left = await years.rows(*(table.name for table in metadata.sorted_tables))
    names = ("call_backs", "tickets", "tasks", "agent_states")
    assert {name: left[name] for name in names} == dict.fromkeys(names, 1)
    assert not {"survey_answers", "appointment_steps", "queue_visits", "campaign_entries"} & set(left)


def test_the_command_says_what_would_go_and_deletes_it_for_who_says_who_they_are(tmp_path: Path) -> None:
    config = tmp_path / "centralita.toml"
    config.write_text(f"[server]\ndata_dir = '{tmp_path}'\n")

    async def fill() -> None:
        async with store_of(tmp_path) as store:
            await Years(store).add("wrap_ups", call_id="c", ended_at=1.0)

    asyncio.run(fill())
    words = ["privacy", "retention", "--config", str(config)]
    said = [CliRunner().invoke(app, [*words, *more]) for more in (["--dry-run"], [], ["--by", "eva"], ["--dry-run"])]
    assert [each.exit_code for each in said] == [0, 2, 0, 0]
    assert [each.output for each in said if not each.exit_code] == [
        "queues: 1\n1 would be deleted.\n",
        "queues: 1\n1 were deleted.\n",
        "0 would be deleted.\n",
    ]


def test_a_class_bounds_what_a_country_does_not_say() -> None:
    section = RetentionSection(calls=700, classes={DataClass.SENSITIVE: 100}, countries={"DE": {"calls": 200}})  # type: ignore[dict-item]
    policy = section.policy()
    assert policy.keep_s("calls", DataClass.SENSITIVE) == 100 * DAY_S == policy.shortest_s("calls", DataClass.SENSITIVE)
    assert policy.keep_s("calls", DataClass.SENSITIVE, "DE") == 200 * DAY_S
    assert policy.keep_s("bookings", DataClass.REGULATED, "DE") == 2_557 * DAY_S, "seven years"
    assert {kind.name for kind in KINDS} == set(policy.kinds)
