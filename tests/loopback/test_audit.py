"""The audit in a real database, SQLite and PostgreSQL: one chain whoever writes, every harm found, nothing lost or doubled in an outage."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Double, update
from structlog.testing import capture_logs
from typer.testing import CliRunner

from api.__main__ import app
from api.audit.audit import Audit, checked
from api.audit.checkpoints import read_folder
from api.audit.keys import AuditKeys
from api.store import Store
from api.store.audit import AuditEvent, AuditWanted, audit
from api.store.spool import AuditSpool
from tests.kit.postgres import Postgres
from tests.kit.vaults import VAULT, store_of

KEYS = AuditKeys([b"k" * 32])
MINE = "was changed, or put there by somebody else"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/audit.sqlite3"
    server: Postgres = request.getfixturevalue("postgres")
    return await server.create(f"t{uuid4().hex}")


@pytest.fixture
async def stores(url: str) -> AsyncIterator[list[Store]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Store.open(url, vault=VAULT, node=node)) for node in ("node-1", "node-2")]


async def _noted(stores: list[Store], folder: Path, each: int) -> None:
    """So many entries by each of two nodes at once."""
    audits = [Audit(store.audit, KEYS, folder, node=store.node) for store in stores]
    async with AsyncExitStack() as stack:
        for one in audits:
            await stack.enter_async_context(one)
        for number in range(each):
            for one, store in zip(audits, stores, strict=True):
                one.note("contact_read", store.node, f"c{number}", "handle", {"number": number})
            await asyncio.sleep(0)


async def _delete(store: Store) -> None:
    await store.audit._update(audit.delete().where(audit.c.seq == 50))


async def _swap(store: Store) -> None:
    for old, new in ((50, 0), (90, 50), (0, 90)):
        await store.audit._update(update(audit).where(audit.c.seq == old).values(seq=new))


async def _cut(store: Store) -> None:
    await store.audit._update(audit.delete().where(audit.c.seq > 100))


async def _cut_and_renumber(store: Store) -> None:
    """So that nothing is missing at first sight: the last fifty are gone, and the first ten too, numbered from one again."""
    await store.audit._update(audit.delete().where((audit.c.seq > 70) | (audit.c.seq <= 10)))
    for seq in range(11, 71):
        await store.audit._update(update(audit).where(audit.c.seq == seq).values(seq=seq - 10))


async def _cut_and_go_on(store: Store) -> None:
    await _cut(store)
    async with Audit(store.audit, KEYS) as again:
        for number in range(40):
            again.note("contact_read", "eva", f"c{number}")


async def _put_between(store: Store) -> None:
    for seq in range(120, 49, -1):
        await store.audit._update(update(audit).where(audit.c.seq == seq).values(seq=seq + 1))
    row = dict((await store.audit._rows(audit.select().where(audit.c.seq == 20)))[0]) | {"seq": 50, "entry_id": "forged"}
    await store.audit._update(audit.insert().values(row))  # type: ignore[arg-type]


_HARMS: list[tuple[Callable[[Store], Awaitable[None]], list[str]]] = [
    (_delete, ["entry 50 is missing"]),
    (_swap, ["entries 50 and 90 were swapped"]),
    (_cut, ["entries 101 to 120 were cut off the end: "]),
    (
        _cut_and_renumber,
        [
            "entries 1 to 10 were taken out, and those behind renumbered, up to 60",
            "entries 71 to 120 were cut off the end: ",
        ],
    ),
    (_cut_and_go_on, ["entry {signed} is not the one that "]),
    (_put_between, ["entry 50 was put between, and those behind renumbered, up to 121"]),
]
"""``{signed}``: the first entry behind 100 that a node signed: the last of all, or where the other node had come to when it ended."""


async def test_two_nodes_write_one_chain_and_every_harm_to_it_is_found(stores: list[Store], tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    await _noted(stores, folder, 60)
    store = stores[0].audit
    assert await checked(store, KEYS, folder) == (120, [])
    entries = await store.entries(AuditWanted(), 500)
    assert {entry.event.who for entry in entries} == {"node-1", "node-2"}
    assert [entry.event.what for entry in entries if entry.event.who == "node-2"] == [f"c{number}" for number in range(60)]
    assert [entry.seq for entry in await store.entries(AuditWanted(2, who="node-1", what="c9"), 10)] == [
        entry.seq for entry in entries if (entry.event.who, entry.event.what) == ("node-1", "c9") and entry.seq > 2
    ]

    for column in audit.c:
        if column.name != "seq":
            value = 5.0 if isinstance(column.type, Double) else "another"
            before = (await store._rows(audit.select().where(audit.c.seq == 33)))[0][column.name]
            await store._update(update(audit).where(audit.c.seq == 33).values({column.name: value}))
            _, faults = await checked(store, KEYS, folder)
            assert faults == [f"entry 33 {MINE}" if column.name != "key_id" else faults[0]], column.name
            assert faults[0].startswith("entry 33 "), column.name
            await store._update(update(audit).where(audit.c.seq == 33).values({column.name: before}))
    rows = [dict(row) for row in await store._rows(audit.select())]
    signed = min(mark.seq for mark in read_folder(folder, KEYS.public)[0] if mark.seq > 100)
    for do, expected in _HARMS:
        await do(stores[0])
        _, faults = await checked(store, KEYS, folder)
        beginnings = [words.format(signed=signed) for words in expected]
        told = len(faults) == len(expected) and all(one.startswith(other) for one, other in zip(faults, beginnings, strict=True))
        assert told, (do, faults)
        await store._update(audit.delete())
        await store._update(audit.insert().values(rows))  # type: ignore[arg-type]
    assert await checked(store, KEYS, folder) == (120, [])


async def test_who_goes_on_writing_notices_that_the_end_was_cut(stores: list[Store]) -> None:
    async with Audit(stores[0].audit, KEYS) as one:
        for number in range(20):
            one.note("contact_read", "ana", f"c{number}")
        await one.written()
        await stores[0].audit._update(audit.delete().where(audit.c.seq > 5))
        one.note("contact_read", "ana", "c20")
        await one.written()
        (cut,) = await one.entries(AuditWanted(kind="audit_cut"), 10)
    assert cut.event.detail == "entries 6 to 20 were there before and are not any more"


async def test_what_was_written_is_not_written_again(stores: list[Store]) -> None:
    store = stores[0].audit
    async with Audit(store, KEYS) as one:
        one.note("contact_read", "ana", "c1")
    (entry,) = await store.entries(AuditWanted(), 10)
    assert await store.append([entry.event], KEYS.chained) == []  # as after an answer of the database that was lost
    assert await checked(store, KEYS, None) == (1, [])


async def test_an_entry_that_the_database_never_takes_costs_itself_alone(postgres: Postgres) -> None:
    async with Store.open(await postgres.create("refused"), vault=VAULT) as store, Audit(store.audit, KEYS) as one:
        one.note("contact_read", "ana", "c1")
        one._waiting.append(AuditEvent(1.0, "k" * 33, "ana"))
        one.note("contact_read", "ana", "c2")
        with capture_logs() as logs:
            await one.written()
        one.note("contact_read", "ana", "c3")
        await one.written()
        entries = [entry.event for entry in await one.entries(AuditWanted(), 9)]
        assert [entry["event"] for entry in logs] == ["audit.refused"]
    assert [(entry.what, entry.detail) for entry in entries][-2:] == [("c2", ""), ("c3", "(1 entries before this one were lost)")]


async def test_the_command_finds_it_and_lists_who_did_what(tmp_path: Path) -> None:
    settings = tmp_path / "centralita.toml"
    settings.write_text(f'[server]\ndata_dir = "{tmp_path}"\n[audit]\nkey = "{"6b" * 32}"\n')
    async with store_of(tmp_path) as store:
        async with Audit(store.audit, KEYS, tmp_path / "audit") as one:
            for number in range(30):
                one.note("recording_listened", "ana" if number % 2 else "eva", f"r{number}")

        def run(*arguments: str) -> tuple[int, list[str]]:
            done = CliRunner().invoke(app, ["audit", *arguments, "--config", str(settings)])
            return done.exit_code, done.stdout.splitlines()

        code, lines = await asyncio.to_thread(run, "verify")
        assert (code, lines[-1]) == (0, f"30 entries, 1 checkpoints in {tmp_path}/audit, 0 faults.")
        assert lines[0] == f"Key {KEYS.newest}, public half: {KEYS.public[KEYS.newest]}"
        _, listed = await asyncio.to_thread(run, "list", "--who", "eva", "--after", "27")
        assert len(listed) == 1 and '"what":"r28"' in listed[0]
        await store.audit._update(audit.delete().where(audit.c.seq > 20))
        code, lines = await asyncio.to_thread(run, "verify", "--checkpoints", str(tmp_path / "audit"))
        assert code == 1 and lines[0].startswith("entries 21 to 30 were cut off the end: entry 30 is the one that main signed at 20")


async def test_what_was_noted_while_the_database_was_away_is_in_the_chain_once_after_a_restart(tmp_path: Path) -> None:
    spool = AuditSpool(tmp_path / "audit.spool", VAULT)
    with Postgres() as server:
        url = await server.create("away")
        async with Store.open(url, vault=VAULT) as store, Audit(store.audit, KEYS, spool=spool) as one:
            one.note("contact_read", "ana", "c1")
            await one.written()
            server.kill()
            one.note("contact_read", "ana", "c2")
            with capture_logs() as logs:
                async with asyncio.timeout(30):
                    while spool.size == 0:
                        await asyncio.to_thread(lambda: None)
            one.note("contact_read", "ana", "c3")
            killed = one._task
            assert killed is not None and [entry["event"] for entry in logs] == ["audit.away"]
            killed.cancel()
            await asyncio.gather(killed, return_exceptions=True)
            await one._put_aside()
            one._waiting.clear()
            one._idle.set()
            server.start()
        async with Store.open(url, vault=VAULT) as store, Audit(store.audit, KEYS, spool=spool) as again:
            await again.written()
            assert [entry.event.what for entry in await again.entries(AuditWanted(), 9)] == ["c1", "c2", "c3"]
            assert (await checked(store.audit, KEYS, None), spool.size) == ((3, []), 0)
