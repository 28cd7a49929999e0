"""What is kept of a person is handed to them whole, and nobody else's word with it."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from api.__main__ import app
from api.privacy.access import SubjectAccess, SubjectCopy
from api.privacy.asking import WhoAsked, person_asked
from api.privacy.erasure import Erasure
from api.privacy.personal import HARMLESS, PERSONAL
from api.privacy.routes import processing_record
from api.privacy.vault import Vault, is_sealed
from api.privacy.wiring import open_vault
from api.settings.tree import Settings
from api.store import Store
from api.store.audit import AuditWanted
from api.store.contacts import Contact
from signaling.refusal import Refusal
from tests.unit.test_sealing import COLLEAGUE, NAME, NUMBER, put_all

WHY = "they asked for it"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=Vault.in_memory()) as store:
        await put_all(store)
        await store.contacts.add(Contact("2", "Somebody", "Else", numbers=("+34600999888",)), "ana", 1_000.0)
        await store.flush()
        yield store


async def copy_of(store: Store, asked: WhoAsked) -> SubjectCopy:
    return await store.part(SubjectAccess).copy_for(await person_asked(store.part(Erasure), asked, "ES"), 2_000.0)


async def test_a_contact_gets_all_of_theirs_in_the_clear_and_nothing_of_others(store: Store) -> None:
    copy = await copy_of(store, WhoAsked(WHY, contact_id="1"))
    tables = {kept.table: kept.rows for kept in copy.kept}
    assert tables.keys() >= {"calls", "legs", "call_events", "contacts", "contact_numbers", "voicemails", "do_not_call", "reported_calls"}
    assert tables["calls"][0]["caller"] == NUMBER and tables["calls"][0]["started_at"] == "1970-01-01T00:16:40.000+00:00"
    assert [row["first"] for row in tables["contacts"]] == ["Luzdivina"] and tables["contact_numbers"][0]["number"] == NUMBER
    assert all(kept.purpose for kept in copy.kept if kept.table in PERSONAL)
    text = msgspec.json.encode(copy).decode()
    assert NAME in text and "Somebody" not in text and not any(is_sealed(word) for word in text.split('"'))
    assert store._vault.number(NUMBER) not in text, "handles are ours"


async def test_who_is_no_contact_is_found_by_number_in_any_spelling(store: Store) -> None:
    by_number = await copy_of(store, WhoAsked(WHY, numbers=("600 11 12 22",)))
    tables = {kept.table for kept in by_number.kept}
    assert "calls" in tables and "contacts" not in tables


async def test_the_number_of_another_party_of_their_call_is_left_out(store: Store) -> None:
    copy = await copy_of(store, WhoAsked(WHY, contact_id="1"))
    legs = {row["leg_id"]: row["party"] for kept in copy.kept if kept.table == "legs" for row in kept.rows}
    assert legs == {"c-phone": NUMBER, "c-other": None, "c-ana": "ana"}
    assert COLLEAGUE not in msgspec.json.encode(copy).decode()


@pytest.mark.parametrize("asked", [WhoAsked(WHY), WhoAsked(WHY, numbers=("nobody",))])
async def test_who_is_nobody_is_refused(store: Store, asked: WhoAsked) -> None:
    with pytest.raises(Refusal):
        await copy_of(store, asked)


async def test_the_erased_have_nothing_left_to_be_told(store: Store) -> None:
    eraser = store.part(Erasure)
    await eraser.erase(await eraser.person("1", "ES"))
    text = msgspec.json.encode(await copy_of(store, WhoAsked(WHY, contact_id="1"))).decode()
    assert NUMBER not in text and NAME not in text and "Luzdivina" not in text


def test_the_record_of_processing_names_every_table_with_its_purpose() -> None:
    tables = {kept.table: kept for kept in processing_record().tables}
    assert tables.keys() == {*PERSONAL, *HARMLESS} and all(kept.purpose for kept in tables.values())
    assert tables["contacts"].sealed == ("first", "last", "company", "email") and tables["contacts"].data_class == "sensitive"


def test_the_command_writes_a_file_for_its_owner_alone_and_the_audit(tmp_path: Path) -> None:
    config = tmp_path / "centralita.toml"
    config.write_text(f"[server]\ndata_dir = '{tmp_path}'\n")
    settings = Settings.load(config, {})

    async def fill() -> None:
        async with Store.open(settings.store_url, vault=open_vault(settings)) as store:
            await store.contacts.add(Contact("7", "Luz", "Marina", numbers=(NUMBER,)), "ana", 1_000.0)

    async def noted() -> list[tuple[str, str, str]]:
        async with Store.open(settings.store_url, vault=open_vault(settings)) as store:
            return [(entry.event.kind, entry.event.who, entry.event.detail) for entry in await store.audit.entries(AuditWanted(), 100)]

    asyncio.run(fill())
    out = tmp_path / "copy.json"
    words = ["privacy", "copy", "--number", "600 111 222", "--contact", "7", "--by", "eva", "--reason", WHY, "--out", str(out)]
    first, again = [CliRunner().invoke(app, [*words, "--config", str(config)]) for _ in range(2)]
    assert first.exit_code == 0 and first.output.startswith("2 rows of 2 tables"), first.output
    assert again.exit_code == 2 and "exists" in again.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert NUMBER in out.read_text() and "Luz" in out.read_text()
    assert ("person_copied", "eva", WHY) in asyncio.run(noted())
