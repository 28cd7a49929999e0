"""Of whom the last row went by age, the key goes too; of whom anything is left it stays. On both databases, in virtual time."""

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from api.privacy.personal import HARMLESS, PERSONAL
from api.privacy.vault import ERASED, Vault
from api.settings.retention import RetentionSection
from api.store import Store
from api.store.departed_tables import departed
from api.store.legal_holds import LegalHold
from api.store.retention import KINDS
from api.store.schema import metadata
from api.store.sealed import Sealed
from tests.kit.postgres import Postgres
from tests.loopback.test_retention import DAY_S, GERMANY, SPAIN, Years, _any

LATER = 3_000
"""Days after which nothing has to be kept."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


both = pytest.mark.parametrize("years", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
async def years(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Years]:
    url = f"sqlite:///{tmp_path}/calls.sqlite3"
    if getattr(request, "param", "sqlite") == "postgresql":
        url = await request.getfixturevalue("postgres").create(f"t{uuid4().hex}")
    async with Store.open(url, vault=Vault.in_memory()) as store:
        yield Years(store, RetentionSection().policy())


def remembers(years: Years, number: str) -> bool:
    """Is there a key of theirs?"""
    return bool(years.store.vault.beginnings([years.store.vault.number(number)]))


async def add(years: Years, table: str, n: int = 0, **given: Any) -> None:
    """Row ``n`` as it lies there: what is sealed is given sealed. What it must belong to is made before; of calls that is c1."""
    referring = {"boot_id": years.store.boot_id, "call_id": "c1"}
    row: dict[str, Any] = {}
    for column in metadata.tables[table].c:
        if column.foreign_keys:
            if column.name not in referring:
                await add(years, next(iter(column.foreign_keys)).column.table.name, n)
            row[column.name] = referring.get(column.name, f"n{n}")
        elif column.type.python_type is str and not isinstance(column.type, Sealed):
            row[column.name] = f"n{n}"[: column.type.length]
        elif not column.nullable:
            row[column.name] = n if column.primary_key else _any(column)
    async with years.store._writing() as connection:
        await connection.execute(insert(metadata.tables[table]).values(row | given))


async def depart(years: Years, people: Iterable[str], place: str = "") -> None:
    async with years.store._writing() as connection:
        await years.store.past_rooms.depart(connection, dict.fromkeys(people, place))


async def waiting(years: Years) -> set[str]:
    return {row["person"] for row in await years.store._rows(select(departed.c.person))}


@both
async def test_whose_last_call_went_is_forgotten_and_the_audit_says_so(years: Years) -> None:
    await years.call("c1")
    await years.call("c2", GERMANY)
    vault = years.store.vault
    copy = vault.seal(vault.number(SPAIN), "as a backup has it")
    assert vault.open(copy) and remembers(years, SPAIN) and remembers(years, GERMANY)
    await years.after(LATER)
    assert vault.open(copy) == ERASED and not remembers(years, SPAIN) and not remembers(years, GERMANY)
    assert years.noted[-1] == ("retention_forgot", "2 people of whom nothing was left, 2 keys")
    assert not await waiting(years)
    noted = len(years.noted)
    await years.after(LATER + 1)
    assert len(years.noted) == noted, "a second look changes nothing"


async def test_who_has_another_call_keeps_the_key_until_that_goes_too(years: Years) -> None:
    await years.call("c1")
    await years.call("c2")
    async with years.store._writing() as connection:
        table = metadata.tables["calls"]
        await connection.execute(table.update().where(table.c.call_id == "c2").values(started_at=100 * DAY_S))
    await years.after(2_600)
    assert await years.rows("calls") == {"calls": 1} and remembers(years, SPAIN)
    await years.after(2_700)
    assert await years.rows("calls") == {} and not remembers(years, SPAIN)


@both
async def test_a_row_of_any_table_that_leads_to_them_keeps_the_key(years: Years) -> None:
    vault, tables = years.store.vault, [name for name, personal in PERSONAL.items() if personal.handles and name != "contact_words"]
    people = {table: vault.number(f"+3460000{n:04}") for n, table in enumerate(tables)}
    sealed = {table: vault.seal(person, "in a backup") for table, person in people.items()}
    gone = vault.seal(vault.number(SPAIN), "in a backup")
    await years.call("c1", GERMANY)
    for n, (table, person) in enumerate(people.items()):
        await add(years, table, n, **{PERSONAL[table].handles[-1]: person})
    await depart(years, {*people.values(), vault.number(SPAIN)})
    await years.after(1)
    assert [table for table, text in sealed.items() if vault.open(text) == ERASED] == []
    assert vault.open(gone) == ERASED
    assert await waiting(years) == set(people.values()), "they are looked at again"


@both
async def test_a_text_under_their_key_in_any_column_keeps_it_whoever_the_row_leads_to(years: Years) -> None:
    vault, columns = years.store.vault, [(name, column) for name, personal in PERSONAL.items() for column in personal.sealed]
    people = {place: vault.number(f"+3460000{n:04}") for n, place in enumerate(columns)}
    sealed = {place: vault.seal(person, "in a backup") for place, person in people.items()}
    await years.call("c1", GERMANY)
    for n, ((table, column), person) in enumerate(people.items()):
        await add(years, table, n, **{column: vault.seal(person, "their word")})
    await depart(years, people.values())
    await years.after(1)
    assert [place for place, text in sealed.items() if vault.open(text) == ERASED] == []


async def test_a_legal_hold_keeps_the_key_until_it_is_lifted(years: Years) -> None:
    store, handle = years.store, years.store.vault.number(SPAIN)
    await years.call("c1")
    years.now = LATER * DAY_S
    for kind in KINDS:
        await years.retention._of_kind(kind, only_count=False)
    await store.legal_holds.place(LegalHold("h", "a court", "ana", 1.0), {handle}, ())
    await years.after(LATER)
    assert remembers(years, SPAIN)
    assert await store.legal_holds.lift("h", "ana", 2.0)
    await years.after(LATER + 1)
    assert not remembers(years, SPAIN)


async def test_a_recording_of_the_call_keeps_the_key(years: Years) -> None:
    vault = years.store.vault
    await depart(years, [vault.person("room", "r"), vault.person("guest", "guest-1")], "r")
    guest = vault.seal(vault.person("guest", "guest-1"), "half a key of the film")
    await add(years, "recordings", recording_id="f", call_id="r", erased_at=None)
    await years.after(1)
    assert vault.open(guest) == "half a key of the film"
    async with years.store._writing() as connection:
        await connection.execute(metadata.tables["recordings"].update().values(erased_at=1.0))
    await years.after(2)
    assert vault.open(guest) == ERASED


async def test_a_kill_between_the_rows_and_the_key_loses_nobody_and_each_look_is_bounded(years: Years) -> None:
    vault = years.store.vault
    people = [vault.person("guest", f"g{n}") for n in range(2_300)]
    await depart(years, people, "gone")
    sealed = [vault.seal(person, "x") for person in people]
    await years.after(1)
    left = [text for text in sealed if vault.open(text) != ERASED]
    assert len(left) == 300, "four portions of 500"
    await years.after(2)
    assert all(vault.open(text) == ERASED for text in sealed) and not await waiting(years)


async def test_who_has_something_left_does_not_keep_others_from_their_turn(years: Years) -> None:
    vault, store = years.store.vault, years.store
    staying = [f"+3460000{n:04}" for n in range(2_100)]
    async with store._writing() as connection:
        said = {"purpose": "survey", "given": True, "wording": "w", "at": 1.0, "by": ""}
        await connection.execute(insert(metadata.tables["consents"]), [{"person_key": vault.number(number), **said} for number in staying])
    await depart(years, map(vault.number, staying))
    await years.after(1)
    await years.call("c1")
    await years.after(LATER)
    assert not remembers(years, SPAIN), "new ones come first"


def test_what_is_noted_of_the_departed_is_no_text_of_anybody() -> None:
    assert "departed" in HARMLESS and "leases" in HARMLESS
