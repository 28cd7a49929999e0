"""The whole database as one file and back, from each kind to each; and what is refused."""

import asyncio
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from api.__main__ import app
from api.audit.audit import Audit, checked
from api.store import Store, StoreUnavailable
from api.store.audit import AuditWanted
from api.store.backup import BadArchive, back_up, check, looked_over, restore, upgrade
from api.store.contacts import Contact
from api.store.database import database_url
from rooms.entries import What
from tests.kit.people import AUDIT_KEYS
from tests.kit.postgres import Postgres
from tests.kit.vaults import VAULT, store_of
from tests.loopback.test_store import BUSY, entries, epoch, record, sample

NUMBER = "+34600111222"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


async def _url(kind: str, postgres: Postgres, folder: Path) -> str:
    return f"sqlite:///{folder}/{uuid4().hex}.sqlite3" if kind == "sqlite" else await postgres.create(f"t{uuid4().hex}")


async def _lived_in(url: str) -> None:
    async with Store.open(url, vault=VAULT) as store, Audit(store.audit, AUDIT_KEYS) as audit:
        await store.people.save_user("ana", name="Ana García", role="agent", password_hash="h", teams=["hotels"])
        for number in range(5):
            store.put_call(record(f"c{number}", answered_s=2.0, ended_s=9.0, cause=BUSY), epoch)
        store.put_entries(entries("c1", What.ARRIVED, What.ENDED), epoch)
        store.put_quality("c1", epoch(3.0), [sample("c1-phone", 4.1)])
        await store.flush()
        await store.contacts.add(Contact("k1", "Luz", "Ñuñez 🌍", numbers=(NUMBER,), vip=True), "ana", 1.5)
        for number in range(30):
            audit.note("contact_read", "ana", f"c{number}")


@pytest.mark.parametrize(("kind", "back"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
async def test_what_was_written_into_a_file_is_there_again_row_by_row(postgres: Postgres, tmp_path: Path, kind: str, back: str) -> None:
    old, new, file = await _url(kind, postgres, tmp_path), await _url(back, postgres, tmp_path), tmp_path / "archive.zip"
    await _lived_in(old)
    manifest = await back_up(database_url(old), file, 5.0)
    assert check(file) == manifest and manifest.database == kind
    assert not any(word in file.read_bytes() for word in (NUMBER.encode(), "Ñuñez".encode())), "it is sealed"
    with zipfile.ZipFile(file) as archive:
        assert not any(word in archive.read(name).decode() for name in archive.namelist() for word in (NUMBER, "Ñuñez"))
    await restore(database_url(new), file, replace=False)
    again = await back_up(database_url(new), tmp_path / "again.zip", 5.0)
    assert (again.tables, again.revision) == (manifest.tables, manifest.revision), "every row of every table is the same"
    assert (await looked_over(database_url(new)))[2] == []
    async with Store.open(new, vault=VAULT) as store:
        call = await store.call("c1")
        assert call is not None and (call.caller, call.end_reason, call.mos_p50) == (NUMBER, "busy", 4.1)
        contact = await store.contacts.contact("k1")
        assert contact is not None and (contact.last, contact.vip, contact.numbers) == ("Ñuñez 🌍", True, (NUMBER,))
        assert await checked(store.audit, AUDIT_KEYS, None) == (30, [])
        assert len(await store.audit.entries(AuditWanted(), 99)) == 30
    with pytest.raises(StoreUnavailable, match="The database is not empty"):
        await restore(database_url(new), file, replace=False)
    await restore(database_url(new), file, replace=True)
    assert (await back_up(database_url(new), tmp_path / "again.zip", 5.0)).tables == manifest.tables


async def test_a_file_that_is_damaged_changed_or_something_else_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path}/a.sqlite3", tmp_path / "archive.zip"
    await _lived_in(url)
    await back_up(database_url(url), file, 5.0)
    whole = file.read_bytes()
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(changed, "w") as other:
        for name in archive.namelist():
            body = archive.read(name)
            other.writestr(name, body.replace(b'"ana"', b'"eva"') if name == "users.jsonl" else body)
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "other.zip").write_bytes(b"hello")
    for name, said in (("changed", "the table users is not as it was"), ("cut", "its end is missing"), ("other", "no archive")):
        with pytest.raises(BadArchive, match=said):
            await restore(database_url(url), tmp_path / f"{name}.zip", replace=True)
    assert (await looked_over(database_url(url)))[1]["users"] == 1


async def test_a_backup_is_of_one_moment_whatever_is_written_meanwhile(postgres: Postgres, tmp_path: Path) -> None:
    url = await _url("postgresql", postgres, tmp_path)
    await _lived_in(url)
    file = tmp_path / "archive.zip"
    async with Store.open(url, vault=VAULT) as store:
        manifest = await back_up(database_url(url), file, 5.0)
        store.put_call(record("late"), epoch)
        await store.flush()
    assert {facts.name: facts.rows for facts in manifest.tables}["calls"] == 5 == {f.name: f.rows for f in check(file).tables}["calls"]


async def test_what_is_wrong_with_a_database_is_told(tmp_path: Path) -> None:
    url = database_url(f"sqlite:///{tmp_path}/a.sqlite3")
    assert (await upgrade(url))[0] == "" and (await upgrade(url))[0] != ""
    await _lived_in(str(url))
    assert (await looked_over(url))[2] == []
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as connection:
        connection.executescript("PRAGMA foreign_keys=OFF; DELETE FROM node_runs; DROP TABLE wrap_ups;")
    faults = (await looked_over(url))[2]
    assert faults[0] == "A row of calls refers to one of node_runs that is not there." and faults[-1] == "The table wrap_ups is missing."
    with pytest.raises(StoreUnavailable, match="no database"):
        await back_up(database_url(f"sqlite:///{tmp_path}/none.sqlite3"), tmp_path / "archive.zip", 5.0)


async def test_the_commands_say_what_they_did_and_that_no_key_is_in_it(tmp_path: Path) -> None:
    settings = tmp_path / "centralita.toml"
    settings.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n')
    (tmp_path / "data").mkdir()
    async with store_of(tmp_path / "data") as store:
        await store.people.save_user("ana", name="Ana", role="agent", password_hash="h")

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["db", *arguments, "--config", str(settings)])
        return done.exit_code, done.output

    file = str(tmp_path / "archive.zip")
    code, said = await asyncio.to_thread(run, "backup", file)
    assert code == 0 and "No key is in it" in said
    assert (await asyncio.to_thread(run, "verify", file))[1].startswith(f"{file} is whole")
    code, said = await asyncio.to_thread(run, "verify")
    assert code == 0 and "users: 1\n" in said and "0 faults" in said
    code, said = await asyncio.to_thread(run, "restore", file)
    assert code == 2 and "not empty" in said
    code, said = await asyncio.to_thread(run, "restore", file, "--replace")
    assert code == 0 and "are back" in said
    assert "as it was" in (await asyncio.to_thread(run, "upgrade"))[1]
    async with store_of(tmp_path / "data") as store:
        kinds = [entry.event.kind for entry in await store.audit.entries(AuditWanted(), 9)]
    assert kinds == ["database_restored"], "what was noted after the backup is not in it"
