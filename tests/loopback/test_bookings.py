"""Tours and bookings over REST against a real store, what is told of them, and what the context of calls learns of them."""

import asyncio
import io
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import ClientSession, web
from msgspec.structs import replace
from sqlalchemy import event

from api.audit.audit import Audit
from api.audit.keys import AuditKeys
from api.backends.protocols import CallerKey, ContactRef
from api.happenings import Happening, Happenings
from api.metrics import Metrics
from api.rest_limits import RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.store import Store
from api.store.audit import AuditWanted
from api.store.contacts import Contact
from api.travel.backend import BuiltinBooking
from api.travel.booking import HOLD_S
from api.travel.bookings import Bookings
from api.travel.demo import seed
from api.travel.routes import TravelRoutes
from api.travel.tours import Tours
from pbx.loopback import CUSTOMER
from signaling.grants import Grant
from tests.kit.backend_suite import BookingContract
from tests.kit.vaults import VAULT

DAY_S = 86_400.0
ROLES = {"ana": "agent", "lea": "supervisor", "gus": "customer"}
TOUR = {
    "title_en": "Inca Trail",
    "title_es": "Camino Inca",
    "about_en": "Four days on foot.",
    "about_es": "Cuatro días a pie.",
    "country": "PE",
    "days": 4,
}
STAGE = {"kind": "activity", "day": 2, "time": "05:30", "title_en": "Dead Woman's Pass", "title_es": "Paso de Warmiwañusca"}
LUZ = Contact("luz", "Luz", "O'Neil; DROP TABLE bookings --", numbers=("+34600111222",), email="luz@example.com", language="es")
RAY = Contact("ray", "Ray", "<b>Gil</b>", numbers=("+12025550123",))


@dataclass
class Desk:
    http: ClientSession
    store: Store
    bookings: Bookings
    audit: Audit
    url: str = ""
    now: float = 1_790_000_000.0
    told: list[Happening] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, body: Any = None, *, who: str = "ana", headers: dict[str, str] | None = None
    ) -> tuple[int, Any, str]:
        """Status, answer, ETag."""
        sent = {"Authorization": f"Bearer {who}", **(headers or {})}
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        if data is not None:
            sent["Content-Type"] = "application/json"
        async with self.http.request(method, f"{self.url}/api/v1{path}", data=data, headers=sent) as response:
            return response.status, await response.json(), response.headers.get("ETag", "")

    async def does(self, path: str, body: Any = None, **more: Any) -> Any:
        status, answer, _ = await self.ask("POST", path, {} if body is None else body, **more)
        assert status in (200, 201), answer
        return answer

    async def sees(self, path: str) -> Any:
        status, answer, _ = await self.ask("GET", path)
        assert status == 200, answer
        return answer

    async def refused(self, code: str, status: int, path: str, body: Any = None, *, method: str = "POST", **more: Any) -> None:
        got, answer, _ = await self.ask(method, path, {} if body is None else body, **more)
        assert (got, answer["error"]["code"]) == (status, code)

    async def departure(self, *, seats: int = 20, days: float = 30.0, **terms: Any) -> str:
        status, answer, _ = await self.ask("PUT", "/tours/inca-trail", TOUR, who="lea")
        assert status == 200, answer
        starts = self.now + days * DAY_S
        made = await self.does(
            "/departures",
            {
                "tour_id": "inca-trail",
                "starts_at": starts,
                "ends_at": starts + 4 * DAY_S,
                "zone": "America/Lima",
                "currency": "EUR",
                "terms": {"seats": seats, "seat_price_cents": 50_000, **terms},
            },
            who="lea",
        )
        departure_id: str = made["departure_id"]
        return departure_id

    async def booking(self, departure_id: str, *, contact: str = "luz", seats: int = 2, **more: Any) -> str:
        made = await self.does("/bookings", {"contact_id": contact, "departure_id": departure_id, "seats": seats, **more})
        reference: str = made["reference"]
        return reference


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all its tables, to be copied: making them takes longer than most of these tests."""
    path = tmp_path_factory.mktemp("travel") / "empty.sqlite3"

    async def make() -> None:
        async with Store.open(f"sqlite:///{path}", vault=VAULT):
            pass

    asyncio.run(make())
    return path


@pytest.fixture
def database(empty: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(empty, tmp_path / 'travel.sqlite3')}"


@pytest.fixture
async def desk(database: str) -> AsyncIterator[Desk]:
    async def identify(token: str) -> Grant:
        return Grant(token, token.title(), ROLES[token], "1", 0.0, 0.0, 0.0)

    async def health() -> dict[str, PartHealth]:
        return {}

    def now() -> float:
        return desk.now

    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(database, vault=VAULT))
        audit = await stack.enter_async_context(Audit(store.audit, AuditKeys([b"a key of thirty-two bytes, or so"])))
        happenings = Happenings()
        bookings = Bookings(store.bookings, store.contacts, VAULT, happenings, "ES", now=now, chance=Random(8))
        limits = RestLimits(RestLimitSettings(person={}), lambda: 0.0)
        app = make_app(identify, await stack.enter_async_context(Metrics()), health, limits=limits)
        TravelRoutes(Tours(store.travel, bookings.look, now=now), bookings, VAULT, audit).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = await stack.enter_async_context(ClientSession())
        desk = Desk(http, store, bookings, audit, f"http://127.0.0.1:{runner.addresses[0][1]}")
        happenings.listen(desk.told.append)
        for contact in (LUZ, RAY):
            await store.contacts.add(contact, "lea", desk.now)
        yield desk


async def test_a_booking_from_the_wish_to_the_refund(desk: Desk) -> None:
    departure_id = await desk.departure()
    reference = await desk.booking(departure_id, reserve=False, note="by the window")
    assert (await desk.sees(f"/departures/{departure_id}"))["free"] == 20
    held = await desk.does(f"/bookings/{reference}/reserve")
    assert (held["state"], held["hold_until"], held["deposit_cents"]) == ("reserved", desk.now + HOLD_S, 20_000)
    assert (await desk.sees("/departures"))["departures"][0]["free"] == 18
    await desk.refused("forbidden", 403, f"/bookings/{reference}/confirm")
    paid = await desk.does(
        f"/bookings/{reference}/payments", {"cents": 20_000, "currency": "EUR", "method": "transfer", "paper": "receipt 7"}
    )
    assert (paid["state"], paid["due_cents"], paid["hold_until"]) == ("confirmed", 80_000, None)
    await desk.refused("overpaid", 409, f"/bookings/{reference}/payments", {"cents": 80_001, "currency": "EUR", "method": "cash"})
    await desk.does(f"/bookings/{reference}/seats", {"seats": 1})
    later = await desk.departure(days=60, seat_price_cents=60_000)
    moved = await desk.does(f"/bookings/{reference}/move", {"departure_id": later, "reason": "she is ill"})
    assert (moved["departure_id"], moved["due_cents"]) == (later, 40_000)
    gone = await desk.does(f"/bookings/{reference}/cancel", {"reason": "she does not travel"})
    assert (gone["state"], gone["due_cents"], gone["owed_cents"]) == ("cancelled", 0, 20_000)
    refund = {"cents": 20_000, "currency": "EUR", "method": "transfer"}
    await desk.refused("forbidden", 403, f"/bookings/{reference}/refunds", refund)
    await desk.does(f"/bookings/{reference}/refunds", refund, who="lea")
    await desk.refused("booking_state", 409, f"/bookings/{reference}/reserve")

    shown = await desk.sees(f"/bookings/{reference.lower()[:3]} {reference[3:]}")
    assert [(step["step"], step["by"], step["cents"], step["said"], step["paper"]) for step in shown["steps"]] == [
        ("initiate", "ana", 0, "by the window", ""),
        ("reserve", "ana", 0, "", ""),
        ("pay", "ana", 20_000, "", "receipt 7"),
        ("resize", "ana", 0, "", ""),
        ("move", "ana", 0, "she is ill", ""),
        ("cancel", "ana", 0, "she does not travel", ""),
        ("refund", "lea", -20_000, "", ""),
    ]
    assert shown["booking"]["customer"] == {
        "contact_id": "luz",
        "name": f"Luz {LUZ.last}",
        "number": "+34600111222",
        "language": "es",
        "vip": False,
    }
    assert [(each.kind, each.subject) for each in desk.told] == [
        (f"booking.{kind}", reference) for kind in ("initiated", "reserved", "confirmed", "cancelled")
    ]
    confirmed = desk.told[2]
    assert (
        confirmed.facts["due"] == 800 and confirmed.facts["number"] == "+34600111222" and confirmed.person == VAULT.person("contact", "luz")
    )
    await desk.audit.written()
    noted = [(entry.event.kind, entry.event.what, entry.event.subject) for entry in await desk.audit.entries(AuditWanted(), 100)]
    assert ("booking_seen", reference, VAULT.person("contact", "luz")) in noted
    assert sum(kind == "booking_changed" for kind, *_ in noted) == 6
    assert "Luz" not in str(noted) and "600111222" not in str(noted)


async def test_a_hold_that_is_over_is_written_down_once_and_told(desk: Desk) -> None:
    departure_id = await desk.departure(seats=2)
    reference = await desk.booking(departure_id)
    await desk.refused("sold_out", 409, "/bookings", {"contact_id": "ray", "departure_id": departure_id, "seats": 1})
    assert await desk.bookings.look() == 0
    desk.now += HOLD_S
    assert (await desk.sees(f"/bookings/{reference}"))["booking"]["state"] == "expired", "though nobody has written it"
    assert await desk.bookings.look() == 1 and await desk.bookings.look() == 0
    assert [each.kind for each in desk.told] == ["booking.reserved", "booking.expired"]
    await desk.refused("booking_state", 409, f"/bookings/{reference}/confirm", who="lea")
    assert (await desk.does(f"/bookings/{reference}/reserve"))["state"] == "reserved"
    desk.now += HOLD_S
    other = await desk.booking(departure_id, contact="ray")
    assert [(each.kind, each.subject) for each in desk.told][-2:] == [("booking.expired", reference), ("booking.reserved", other)]


async def test_a_request_may_come_twice_under_one_key(desk: Desk) -> None:
    departure_id = await desk.departure()
    key = {"Idempotency-Key": "call 7"}
    body = {"contact_id": "luz", "departure_id": departure_id, "seats": 3}
    answers = [await desk.ask("POST", "/bookings", body, headers=key) for _ in range(2)]
    assert [status for status, *_ in answers] == [201, 200] and answers[0][1]["reference"] == answers[1][1]["reference"]
    await desk.refused("key_reused", 409, "/bookings", body | {"seats": 4}, headers=key)
    status, other, _ = await desk.ask("POST", "/bookings", body | {"seats": 4}, headers=key, who="lea")
    assert status == 201 and other["reference"] != answers[0][1]["reference"], "a key is its sender's own"
    path = f"/bookings/{other['reference']}/payments"
    payment = {"cents": 100, "currency": "EUR", "method": "cash"}
    for _ in range(3):
        assert (await desk.does(path, payment, headers={"Idempotency-Key": "p"}))["paid_cents"] == 100
    assert (await desk.does(path, payment))["paid_cents"] == 200
    await desk.refused("bad_message", 400, path, payment, headers={"Idempotency-Key": "x" * 129})
    assert [each.kind for each in desk.told] == ["booking.reserved"] * 2


async def test_who_changes_what_others_changed_is_told(desk: Desk) -> None:
    reference = await desk.booking(await desk.departure(), note="with a cot")
    assert [step["said"] for step in (await desk.sees(f"/bookings/{reference}"))["steps"]] == ["with a cot", ""]
    _, _, tag = await desk.ask("GET", f"/bookings/{reference}")
    await desk.does(f"/bookings/{reference}/seats", {"seats": 3}, headers={"If-Match": tag})
    await desk.refused("booking_changed", 412, f"/bookings/{reference}/cancel", headers={"If-Match": tag})
    await desk.refused("bad_message", 400, f"/bookings/{reference}/cancel", headers={"If-Match": '"x"'})


async def test_bookings_are_found_by_reference_number_name_contact_and_departure(desk: Desk) -> None:
    departure_id = await desk.departure()
    luz, ray = await desk.booking(departure_id), await desk.booking(departure_id, contact="ray", seats=1)

    async def found(query: str) -> list[str]:
        return sorted(each["reference"] for each in (await desk.sees(f"/bookings?{query}"))["bookings"])

    assert await found(f"q={luz.lower()}") == [luz]
    assert await found("q=600%20111%20222") == await found("q=luz") == await found("contact=luz") == [luz]
    assert await found(f"departure={departure_id}") == await found("q=") == await found("") == sorted([luz, ray])
    assert await found("q=nobody") == await found("q=%27%20OR%201%3D1%20--") == await found("contact=x") == []
    await desk.refused("bad_message", 400, f"/bookings?q={'x' * 201}", None, method="GET")


async def test_what_is_wrong_is_refused_and_said(desk: Desk) -> None:
    departure_id = await desk.departure()
    good = {"contact_id": "luz", "departure_id": departure_id, "seats": 1}
    await desk.refused("unknown_contact", 404, "/bookings", good | {"contact_id": "nobody"})
    await desk.refused("unknown_departure", 404, "/bookings", good | {"departure_id": "none"})
    await desk.refused("card_number", 400, "/bookings", good | {"note": "her card is 4111 1111 1111 1111"})
    for wrong in ({"seats": 0}, {"seats": 51}, {"seats": "1"}, {"note": "x" * 501}, {"more": 1}):
        await desk.refused("bad_message", 400, "/bookings", good | wrong)
    await desk.refused("unknown_booking", 404, "/bookings/XXXXXX/cancel")
    await desk.refused("unknown_booking", 404, "/bookings/CDFGHJ", method="GET")
    await desk.refused("forbidden", 403, "/bookings", good, who="gus")
    terms = {"seats": 9, "seat_price_cents": 1}
    await desk.refused("forbidden", 403, f"/departures/{departure_id}", terms, method="PUT")
    await desk.refused("unknown_departure", 404, "/departures/none", terms, method="PUT", who="lea")
    await desk.booking(departure_id, seats=10)
    await desk.refused("seats_taken", 409, f"/departures/{departure_id}", terms, method="PUT", who="lea")
    new = {
        "tour_id": "inca-trail",
        "starts_at": desk.now + 9,
        "ends_at": desk.now + 99,
        "zone": "Mars/Base",
        "currency": "EUR",
        "terms": terms,
    }
    for wrong, code, status in (
        ({}, "bad_message", 400),
        ({"zone": "../etc"}, "bad_message", 400),
        ({"starts_at": desk.now - 1}, "bad_message", 400),
        ({"tour_id": "none"}, "unknown_tour", 404),
        ({"currency": "XXX"}, "bad_message", 400),
    ):
        await desk.refused(code, status, "/departures", new | wrong, who="lea")
    await desk.refused("bad_message", 400, "/tours/Inca%20Trail", TOUR, method="PUT", who="lea")
    assert (await desk.sees("/tours"))["tours"] == [{"tour_id": "inca-trail", **TOUR, "programme": []}]
    await desk.refused("bad_message", 400, "/tours/inca-trail", TOUR | {"programme": [STAGE | {"zone": "Peru"}]}, method="PUT", who="lea")
    await desk.ask("PUT", f"/departures/{departure_id}", {"seats": 20, "seat_price_cents": 1, "on_sale": False}, who="lea")
    await desk.refused("not_on_sale", 409, "/bookings", good)


async def test_the_demo_fills_an_empty_database_and_no_other(desk: Desk, empty: Path, tmp_path: Path) -> None:
    assert not await seed(desk.store.travel, desk.store.bookings, desk.store.contacts, desk.now), "there are customers"
    async with Store.open(f"sqlite:///{shutil.copy(empty, tmp_path / 'demo.sqlite3')}", vault=VAULT) as store:
        assert await seed(store.travel, store.bookings, store.contacts, desk.now)
        assert not await seed(store.travel, store.bookings, store.contacts, desk.now)
        backend = BuiltinBooking(store.bookings, store.contacts, lambda: desk.now)
        assert [each.last for each in await store.contacts.search("íñi", 9)] == ["Aguirre"]
        (clara,) = await backend.find_customers(CallerKey(CUSTOMER, CUSTOMER))
        card = (await backend.bookings_for(clara))[0]
        assert (clara.name, card.title, card.state) == ("Clara Vidal", "Camino de Santiago, los últimos 115 km", "confirmed")
        assert card.due > 0 and [step.step for step in await store.bookings.steps(card.ref)] == ["initiate", "reserve", "pay"]


# --- for the context of calls


async def test_a_caller_is_on_the_next_trip_with_what_is_unpaid(desk: Desk) -> None:
    soon, later = await desk.departure(days=3), await desk.departure(days=40)
    lapsed = await desk.booking(later, seats=1)
    desk.now += HOLD_S
    far, near = await desk.booking(later, seats=1), await desk.booking(soon, seats=2)
    await desk.does(f"/bookings/{near}/payments", {"cents": 20_050, "currency": "EUR", "method": "card"})
    backend = BuiltinBooking(desk.store.bookings, desk.store.contacts, lambda: desk.now)
    (luz,) = await backend.find_customers(CallerKey("+34600111222", "600111222"))
    cards = await backend.bookings_for(luz)
    assert [(card.ref, card.state) for card in cards] == [(near, "confirmed"), (far, "reserved"), (lapsed, "expired")]
    first = cards[0]
    assert (first.title, first.paid, first.due, first.currency) == ("Camino Inca", Decimal("200.50"), Decimal("799.50"), "EUR")
    assert (first.url, luz.url) == (f"/bookings#{near}", "/bookings#contact/luz")
    assert first.starts_at is not None and first.ends_at == first.starts_at + 4 * DAY_S
    assert first.stages == ()
    await desk.ask("PUT", "/tours/inca-trail", TOUR | {"programme": [STAGE]}, who="lea")
    await desk.ask("PUT", "/tours/inca-trail", TOUR, who="lea")
    (stage,) = (await backend.bookings_for(luz))[0].stages
    assert (stage.title, stage.starts[10:], stage.zone) == ("Paso de Warmiwañusca", "T05:30", first.zone), "kept by who says nothing of it"
    assert len(await backend.bookings_for(luz, limit=1)) == 1
    assert await backend.find_customers(CallerKey(None, "", booking_ref=near.lower())) == [luz]
    assert await backend.find_customers(CallerKey(None, "", email="LUZ@example.com")) == [luz]
    assert await backend.bookings_for(replace(luz, id="ray")) == []
    assert await backend.bookings_for(ContactRef("builtin-booking", "nobody", "")) == []


@dataclass
class World:
    """Puts people where the built-in bookings look for them; of what may go wrong there is the database alone."""

    store: Store
    broken: bool = False
    asked: int = 0

    async def person(self, name: str, *numbers: str, email: str = "", company: str = "") -> str:
        contact = Contact(f"c{self.asked}{len(name)}", name, company=company, email=email, numbers=numbers)
        await self.store.contacts.add(contact, "lea", 1.0)
        return contact.contact_id

    def breaks(self, how: str, times: int = 1_000) -> None:
        self.broken = how != "skew"


class TestBuiltinBooking(BookingContract):
    # What can only go wrong on the way to another host, or in what it says, cannot go wrong here.
    test_what_goes_wrong_is_named = None  # type: ignore[assignment]
    test_who_hangs_is_given_up_and_then_let_alone = None  # type: ignore[assignment]
    test_a_wish_to_be_let_alone_is_obeyed = None  # type: ignore[assignment]
    test_a_connection_that_drops_once_costs_a_read_nothing = None  # type: ignore[assignment]

    @pytest.fixture
    async def world(self, database: str) -> AsyncIterator[World]:
        async with Store.open(database, vault=VAULT) as store:
            world = World(store)

            def count(*_: object) -> None:
                world.asked += 1
                if world.broken:
                    raise OSError("The database was taken away.")

            event.listen(store._engine.sync_engine, "before_cursor_execute", count)
            yield world
            world.broken = False

    @pytest.fixture
    def backend(self, world: World) -> BuiltinBooking:
        return BuiltinBooking(world.store.bookings, world.store.contacts, lambda: 1.0)
