"""Appointments against real databases: a time is given once, whoever asks at whichever node; and what becomes of it is kept sealed."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from api.appointments.slots import cells
from api.appointments.states import Step
from api.store import Store
from api.store.appointments import Absence, Appointment, CalendarRow, ServiceRow, SlotTaken
from tests.kit.postgres import Postgres
from tests.kit.vaults import VAULT

START = 1_800_000_000.0 - 1_800_000_000.0 % 300
HALF_HOUR = 1_800.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Store]]:
    """Two nodes at one database; on SQLite they are two connections of one machine."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/appointments.sqlite3"
    else:
        url = await request.getfixturevalue("postgres").create(f"a{random.Random(str(tmp_path)).getrandbits(64):x}")
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Store.open(url, vault=VAULT, node=name)) for name in ("one", "two")]


def wanted(index: int, start: float = START, **more: object) -> Appointment:
    number = f"+3460000{index:04}"
    made = Appointment(
        appointment_id=f"a{index}", number=f"N{index:07}", service_id="visas", professional="ana", start_at=start,
        end_at=start + HALF_HOUR, state="booked", language="es", zone="Europe/Madrid", person=VAULT.number(number),
        number_key=VAULT.number(number), email_key="", name=f"Luz Arroyo {index}", e164=number, email="", note="la playa",
        token_hash=f"hash{index}", token=f"token{index}", idem=f"idem{index}", consent="yes", made_at=START - 1e6, made_by="customer",
        set_at=START - 1e6,
    )  # fmt: skip
    return replace(made, **more)


async def test_of_a_hundred_who_want_one_time_exactly_one_gets_it(nodes: list[Store]) -> None:
    async def book(index: int) -> bool:
        # Some want the very time, some one that overlaps it by a few minutes.
        start = START + random.Random(index).choice((0.0, 300.0, -300.0))
        try:
            await nodes[index % 2].appointments.book(wanted(index, start), cells(start, start + HALF_HOUR))
        except SlotTaken:
            return False
        return True

    got = await asyncio.gather(*(book(index) for index in range(100)))
    assert got.count(True) == 1
    found = await nodes[0].appointments.between(START - 1e5, START + 1e5)
    assert [each.appointment_id for each in found] == [f"a{got.index(True)}"]
    assert [step.step for step in await nodes[1].appointments.steps(found[0].appointment_id)] == ["book"]


async def test_two_who_change_places_and_who_asks_twice_lose_nothing(nodes: list[Store]) -> None:
    one, two = (node.appointments for node in nodes)
    later = START + HALF_HOUR
    first = await one.book(wanted(1), cells(START, later))
    second = await two.book(wanted(2, later), cells(later, later + HALF_HOUR))
    swaps = await asyncio.gather(
        one.move(first, "ana", later, later + HALF_HOUR, cells(later, later + HALF_HOUR), at=1.0, who="customer"),
        two.move(second, "ana", START, later, cells(START, later), at=1.0, who="customer"),
        return_exceptions=True,
    )
    assert all(isinstance(swap, SlotTaken) for swap in swaps), "each stands where it stood"
    again = await asyncio.gather(
        *(node.book(replace(wanted(3), idem="idem1", appointment_id=f"x{n}"), range(5)) for n, node in enumerate((one, two)))
    )
    assert [each.appointment_id for each in again] == ["a1", "a1"]
    half = START + 900.0
    moved = await one.move(first, "ana", half - 3600, half - 1800, cells(half - 3600, half - 1800), at=2.0, who="ana")
    assert moved is not None and (moved.state, moved.revision) == ("moved", 1)
    assert await two.move(first, "ana", half, half + 1, cells(half, half + 1), at=3.0, who="ana") is None, "it changed meanwhile"
    assert (await two.book(wanted(4), cells(START, later))).appointment_id == "a4", "what was given up is free"


async def test_a_step_is_taken_once_and_what_it_frees_is_free(nodes: list[Store]) -> None:
    one, two = (node.appointments for node in nodes)
    made = await one.book(wanted(1), cells(START, START + HALF_HOUR))
    assert await one.keep_room(made, "room", "link.token") and not await two.keep_room(made, "other", "x")
    taken = await asyncio.gather(*(store.take_step("a1", Step.CANCEL, at=5.0, who="customer") for store in (one, two)))
    assert sorted(each is not None for each in taken) == [False, True]
    assert (await two.taken(["ana"], START, START)) == {}
    assert [await store.mark_sent(made, "cancelled", 6.0) for store in (one, two)] == [True, False]
    found = await two.of_room("room")
    assert found is not None and (found.link, found.name, found.state, found.set_at) == ("link.token", "Luz Arroyo 1", "cancelled", 5.0)
    assert await one.take_step("a1", Step.ARRIVE, at=7.0, who="room") is None


async def test_who_booked_stands_sealed_and_cannot_be_read_once_forgotten(nodes: list[Store], tmp_path: Path) -> None:
    store = nodes[0].appointments
    made = await store.book(wanted(1, person=VAULT.number("+34699999999")), cells(START, START + HALF_HOUR))
    written = b"".join(file.read_bytes() for file in sorted(tmp_path.glob("appointments.sqlite3*")))  # noqa: ASYNC240 - small files of a test
    assert not any(word in written for word in (b"Arroyo", b"+3460000", b"playa", b"token1"))
    assert [each.name for each in await store.of_customer(made.number_key, "", "", 5)] == ["Luz Arroyo 1"]
    VAULT.erase([made.person])
    found = await store.appointment("a1")
    assert found is not None and (found.name, found.e164, found.note, found.token) == ("", "", "", "")


async def test_services_calendars_and_absences_come_back_as_they_were(nodes: list[Store]) -> None:
    one, two = (node.appointments for node in nodes)
    service = ServiceRow("visas", "Visas", "Visados", languages=("es", "en"), professionals=("ana",))
    calendar = CalendarRow("ana", "[hours]", languages=("es",), buffer_min=10, changed_at=1.0, changed_by="lea")
    for _ in range(2):
        await one.keep_service(service)
        await one.keep_calendar(calendar)
    assert (await two.services(), await two.calendars()) == ([service], [calendar])
    away = Absence("x", "ana", 10.0, 20.0, "dentist", 1.0, "ana")
    await one.add_absence(away)
    assert (await two.absences(15.0), await two.absences(20.0), await two.absences(0.0, "bea")) == ([away], [], [])
    assert await two.drop_absence("x") and not await one.drop_absence("x")
    assert await one.drop_calendar("ana") and await two.calendars() == []
