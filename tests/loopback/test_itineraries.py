"""Itineraries beside consultations, behind a real hub: what a host shows is seen by who is in the room, and for as long as it is shown."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.backends.protocols import BackendFault, BookingCard, Stage
from tests.kit.browser_peer import loopback_ice  # noqa: F401
from tests.kit.consultation_door import Door, consultation_door
from tests.kit.consultation_guest import ConsultationGuest
from tests.kit.context import NUMBER, trip
from tests.kit.hub import Client
from tests.kit.vaults import VAULT

pytestmark = pytest.mark.usefixtures("loopback_ice")
REMARK = "margin-of-thirty-percent"
STAGES = (
    Stage("flight", "", "2026-12-05T07:35", "2026-12-05T08:50", zone="Europe/Madrid", origin="MAD", destination="LIS", number="AU 7"),
    Stage("hotel", "Casa do Rio", "2026-12-05", "2026-12-08", price=Decimal("310.00"), currency="EUR"),
)
LISBON = BookingCard(
    *("trips", "b-1", "R1", "Lisbon", "confirmed", 1.0, 2.0, Decimal(100), Decimal(50), "EUR"), remark=REMARK, url="", stages=STAGES
)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with consultation_door(tmp_path) as found:
        found.trips.cards = [LISBON, trip("trips", "R2")]
        yield found


def code(answer: dict[str, Any]) -> str:
    refused: str = answer["error"]["code"]
    return refused


class Host:
    """Eva, in a consultation that she made."""

    def __init__(self, client: Client, made: dict[str, Any]) -> None:
        self.client, self.made, self.room_id = client, made, made["room_id"]

    async def ask(self, request: str, **fields: object) -> Any:
        return await self.client.ask(request, {"room_id": self.room_id, **fields})

    async def looks(self, ref: str = "", **fields: object) -> dict[str, Any]:
        """All that was found, once nothing more is waited for."""
        assert "ok" in await self.ask("itinerary.look", ref=ref, **fields)
        return await self.client.seen("itinerary.found", lambda told: told["whole"] and told["ref"] == ref)

    async def shares(self, id: str = "b-1") -> str:
        share_id: str = (await self.ask("itinerary.share", backend="trips", id=id))["ok"]["share_id"]
        return share_id


async def hosted(door: Door, **wanted: object) -> Host:
    client, made = await door.staff(), await door.make(**wanted)
    assert "ok" in await client.ask("room.join", {"room_id": made["room_id"]})
    return Host(client, made)


async def shown(guest: ConsultationGuest, share_id: str, stage: int | None = None) -> None:
    """Waits until this page was told that this is shown, and where to look."""
    await guest.hear("room.itinerary", lambda told: (told["share_id"], told["stage"]) == (share_id, stage))


async def read(someone: ConsultationGuest) -> dict[str, Any]:
    found: dict[str, Any] = (await someone.ask("itinerary.read"))["ok"]
    return found


async def test_what_a_host_shows_is_seen_by_who_is_in_the_room_and_by_nobody_else(door: Door) -> None:
    eva = await hosted(door, waiting_room=True)
    tom, ivo = await door.guest(device="tom-" + 16 * "t"), await door.guest(device="ivo-" + 16 * "i")
    coming = asyncio.create_task(tom.join(eva.made["token"], "Tom"))
    (waiting,) = (await eva.client.seen("room.waiting", lambda told: bool(told["waiting"])))["waiting"]
    await eva.ask("room.admit", identity=waiting["identity"], admitted=True)
    await coming
    await ivo.come(eva.made["token"], "Ivo")
    assert (await ivo.ask("room.join"))["ok"]["waiting"]

    told = await eva.looks()
    assert [(each["id"], each["booking"]["ref"], each["remark"]) for each in told["bookings"]] == [("b-1", "R1", REMARK), ("R2", "R2", "")]
    assert (told["customer"], told["known"], [part["state"] for part in told["parts"]]) == ("Ana García", True, ["here"])
    assert await read(tom) == {"room_id": tom.room_id, "share_id": "", "by": "", "stage": None, "booking": None}

    share_id = await eva.shares()
    await shown(tom, share_id)
    seen = await read(tom)
    assert (seen["share_id"], seen["by"], seen["stage"]) == (share_id, "eva", None)
    booking = seen["booking"]
    assert (booking["ref"], booking["paid"], booking["due"], booking["currency"]) == ("R1", "100", "50", "EUR")
    flight, hotel = booking["stages"]
    assert (flight["starts"], flight["zone"], flight["origin"], flight["number"]) == ("2026-12-05T07:35", "Europe/Madrid", "MAD", "AU 7")
    assert (hotel["title"], hotel["price"], hotel["currency"]) == ("Casa do Rio", "310.00", "EUR")
    received = json.dumps([seen, tom.client.notices])
    assert all(secret not in received for secret in (REMARK, "b-1", "trips", "R2", NUMBER, "García"))

    assert "ok" in await eva.ask("itinerary.point", share_id=share_id, stage=1)
    await shown(tom, share_id, 1)
    assert code(await eva.ask("itinerary.point", share_id=share_id, stage=2)) == "not_shared", "it has two"
    assert code(await eva.ask("itinerary.point", share_id="other", stage=0)) == "not_shared"

    await tom.connect()
    assert (await read(tom))["stage"] == 1, "after a reload it is there again"
    assert code(await ivo.ask("itinerary.read")) == "unknown_room"
    for request, fields in (
        ("itinerary.look", {}),
        ("itinerary.look", {"ref": "R2"}),
        ("itinerary.share", {"backend": "trips", "id": "R2"}),
        ("itinerary.point", {"share_id": share_id}),
        ("itinerary.unshare", {}),
    ):
        assert code(await tom.ask(request, **fields)) == code(await ivo.ask(request, **fields)) == "forbidden", request
    luis = await door.staff("luis")
    assert code(await luis.ask("itinerary.read", {"room_id": eva.room_id})) == "unknown_room", "of the house, but not in the room"
    await eva.ask("room.invite", identity="luis", name="Luis")
    assert "ok" in await luis.ask("room.join", {"room_id": eva.room_id})
    assert code(await luis.ask("itinerary.look", {"room_id": eva.room_id})) == "not_host"
    assert code(await luis.ask("itinerary.unshare", {"room_id": eva.room_id})) == "not_host"
    assert (await luis.ask("itinerary.read", {"room_id": eva.room_id}))["ok"]["booking"]["ref"] == "R1"

    assert "ok" in await eva.ask("itinerary.unshare")
    await shown(tom, "")
    assert (await read(tom))["booking"] is None
    assert not [notice for notice in ivo.client.notices if "itinerary" in notice["type"]], "who waits is told nothing"
    log = [(kind, who) for kind, who, _ in await door.log()]
    assert {("caller_shown", "eva"), ("itinerary_shared", "eva"), ("itinerary_unshared", "eva"), ("itinerary_read", "luis")} <= set(log)


async def test_a_host_may_look_by_reference_and_hears_how_it_stands_with_each_backend(door: Door) -> None:
    eva = await hosted(door)
    door.known = False
    assert "ok" in await eva.ask("itinerary.look")
    assert not (await eva.client.seen("itinerary.found"))["known"], "booked by nobody in particular"
    assert code(await eva.ask("itinerary.share", backend="trips", id="b-1")) == "unknown_booking", "nobody looked for it"
    told = await eva.looks(" r-1 ".strip())
    assert [each["id"] for each in told["bookings"]] == ["b-1"], "that one alone"
    assert code(await eva.ask("itinerary.share", backend="trips", id="R2")) == "unknown_booking", "it was not shown to her"
    await eva.shares()

    door.trips.free.clear()
    assert "ok" in await eva.ask("itinerary.look", ref="R9")
    slow = await eva.client.seen("itinerary.found", lambda told: [part["state"] for part in told["parts"]] == ["slow"], ref="R9")
    assert not slow["whole"]
    door.trips.fault = BackendFault("unreachable", "It does not answer.")
    door.trips.free.set()
    away = await eva.client.seen("itinerary.found", lambda told: [part["state"] for part in told["parts"]] == ["unreachable"], ref="R9")
    assert away["whole"] and away["bookings"] == []


async def test_what_is_shown_goes_with_its_host_its_room_and_what_is_forgotten(door: Door) -> None:
    eva = await hosted(door)
    tom = await door.guest()
    await tom.join(eva.made["token"], "Tom")
    await eva.looks()
    await shown(tom, await eva.shares())
    await door.context.forget([VAULT.number(NUMBER)])
    await shown(tom, "")

    door.trips.cards = [replace(LISBON, title="Porto")]
    assert "ok" in await eva.ask("itinerary.look")
    await eva.client.seen("itinerary.found", lambda told: [each["booking"]["title"] for each in told["bookings"]] == ["Porto"])
    await shown(tom, await eva.shares())
    assert "ok" in await eva.ask("room.leave")
    await shown(tom, "")
    assert (await read(tom))["booking"] is None
    assert "ok" in await eva.ask("room.join")
    assert code(await eva.ask("itinerary.share", backend="trips", id="b-1")) == "unknown_booking", "who left looks again"


async def test_of_several_who_may_be_meant_a_host_chooses(door: Door) -> None:
    eva = await hosted(door)
    door.trips.people = [replace(door.trips.people[0], id=id, name=name) for id, name in (("1", "Ana García"), ("2", "Luis Gil"))]
    told = await eva.looks()
    assert ([each["name"] for each in told["choices"]], told["bookings"]) == (["Ana García", "Luis Gil"], [])
    assert code(await eva.ask("itinerary.look", backend="trips", contact="3")) == "unknown_contact"
    assert "ok" in await eva.ask("itinerary.look", backend="trips", contact="2")
    chosen = await eva.client.seen("itinerary.found", lambda told: bool(told["bookings"]))
    assert chosen["customer"] == "Luis Gil"
