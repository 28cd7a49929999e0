"""Every text in the database is somebody's and sealed, or said to be nobody's; and whoever is erased is gone from all of it."""

import importlib
import pkgutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import String

import api.store
from api.privacy.erasure import Erased, Erasure
from api.privacy.personal import HARMLESS, PERSONAL
from api.privacy.vault import Vault, is_sealed
from api.store import Store
from api.store.schema import metadata
from api.store.sealed import Sealed
from tests.unit.test_sealing import NAME, NUMBER, put_all, traces

for module in pkgutil.iter_modules(api.store.__path__):
    importlib.import_module(f"api.store.{module.name}")


def test_every_text_of_every_table_is_declared() -> None:
    unknown, wrong = [], []
    for table in metadata.tables.values():
        texts = {column.name for column in table.columns if isinstance(column.type, String | Sealed)}
        personal = PERSONAL.get(table.name)
        if personal is None:
            unknown += [] if table.name in HARMLESS else [table.name]
            continue
        own = (personal.own or ())[:1]
        declared = {*personal.sealed, *personal.handles, *own, *personal.within, *personal.plain, personal.contact} - {""}
        unknown += [f"{table.name}.{name}" for name in sorted(texts - declared)]
        wrong += [f"{table.name}.{name}" for name in sorted(declared - texts)]
    assert unknown == [], "say in api/privacy/personal.py whether these are a customer's (sealed), lead to one (handles), or are nobody's"
    assert wrong == [] and not set(HARMLESS) & set(PERSONAL) and not {*HARMLESS, *PERSONAL} - set(metadata.tables)


def test_what_is_sealed_here_is_opened_by_itself() -> None:
    for name, personal in PERSONAL.items():
        marked = {column.name for column in metadata.tables[name].columns if isinstance(column.type, Sealed)}
        assert marked == (set(personal.sealed) if personal.seal is not None else set()), name


THEIRS = (NUMBER, NAME, "Luzdivina", "600111222")


@pytest.fixture
def vault() -> Vault:
    return Vault.in_memory()


@pytest.fixture
async def store(tmp_path: Path, vault: Vault) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=vault) as store:
        yield store


def erasure(store: Store, vault: Vault) -> Erasure:
    return Erasure(store._engine, vault)


async def readable(store: Store) -> list[str]:
    """Columns in which a text of theirs can still be read, with every key that is left."""
    found = []
    for name, personal in PERSONAL.items():
        for row in await store._rows(metadata.tables[name].select()):
            texts = {column: store._vault.open(str(row[column] or "")) for column in (*personal.sealed, *personal.within)}
            found += [
                f"{name}.{column}"
                for column, text in texts.items()
                if any(word in text for word in (NUMBER, NAME, "Luzdivina", "600111222"))
            ]
    return sorted(set(found))


async def test_who_is_erased_is_read_nowhere_and_found_nowhere_but_stays_uncalled(store: Store, vault: Vault, tmp_path: Path) -> None:
    await put_all(store)
    await store.flush()
    before = await readable(store)
    assert {name.split(".")[0] for name in before} >= {"calls", "legs", "call_events", "contacts", "do_not_call", "voicemails"}
    eraser = erasure(store, vault)
    person = await eraser.person("1", "ES")
    assert person.ids == {"call": {"c"}, "report": {"r"}}
    done = await eraser.erase(person)
    assert done.keys >= 3 and {"calls", "legs", "contact_numbers", "contact_words", "contacts"} <= set(done.rows)
    left = await readable(store)
    assert {name.split(".")[0] for name in left} <= {"rooms", "messages", "attachments"}, "a guest of a room that leads to no contact"
    assert await store.contacts.by_number(NUMBER, 9) == await store.contacts.search("luz", 9) == []
    assert await store.centre.calls_with([NUMBER], 0.0) == []
    assert store.outbound.handle_of(NUMBER) in await store.outbound.every_unwanted() and await store.outbound.unwanted(9) == []
    kept = await store.call("c")
    assert kept is not None and (kept.caller, kept.agent, kept.started_at) == ("", "ana", 1_000.0)
    assert traces(tmp_path, vault.number(NUMBER)).keys() == {vault.number(NUMBER)}, "in the list of who is not to be called alone"


async def test_to_erase_again_changes_nothing(store: Store, vault: Vault) -> None:
    await put_all(store)
    await store.flush()
    eraser = erasure(store, vault)
    await eraser.erase(await eraser.person("1", "ES"))
    assert await eraser.erase(await eraser.person("1", "ES")) == Erased(0, {})


async def test_who_is_no_contact_is_erased_by_number_in_every_spelling(store: Store, vault: Vault) -> None:
    await put_all(store)
    await store.flush()
    eraser = erasure(store, vault)
    done = await eraser.erase(await eraser.person("", "ES", numbers=[NUMBER]))
    assert done.keys >= 2 and done.rows["calls"] == 1
    found = await store.call("c")
    assert found is not None and found.caller == "" and not is_sealed(found.caller_name)
    assert [contact.first for contact in await store.contacts.search("luz", 9)] == ["Luzdivina"], "a contact is erased as a contact"
