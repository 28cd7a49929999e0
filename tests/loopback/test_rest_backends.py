"""Backends that are asked as the settings say: the same contract as the others, and what is theirs alone."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.backends.adapters import open_adapters
from api.backends.protocols import BackendFault, CallerKey, ContactRef, RemoteRef
from api.backends.registry import Backends
from api.backends.signature import ReplayWindow
from api.settings.tree import Settings
from tests.kit.backend_suite import ANA, BookingContract, HttpContract, HttpCrmContract, HttpTicketContract, key_of
from tests.kit.rest_office import BOOKING, CRM, KEY, TICKETING, RestOffice, RestWorld


@asynccontextmanager
async def opened(text: str, folder: Path, base: str) -> AsyncIterator[Any]:
    """The backend that a settings file with this text has."""
    file = folder / "centralita.toml"
    file.write_text(text.format(base=base))
    ids = [line.split('"')[1] for line in text.splitlines() if line.startswith("id = ")][:1]
    settings = Settings.load(file, {f"CENTRALITA_BACKENDS__SECRETS__{id.upper()}": KEY for id in ids})
    backends = Backends()
    async with open_adapters(settings.backends, backends, "ES"):
        (guard,) = backends
        yield guard.backend


@pytest.fixture
async def world() -> AsyncIterator[RestWorld]:
    async with RestOffice() as office, RestWorld(office) as world:
        yield world


class TestCrm(HttpCrmContract):
    @pytest.fixture
    async def backend(self, world: RestWorld, tmp_path: Path) -> AsyncIterator[Any]:
        async with opened(CRM, tmp_path, world.base) as backend:
            yield backend


class TestBooking(BookingContract, HttpContract):
    @pytest.fixture
    async def backend(self, world: RestWorld, tmp_path: Path) -> AsyncIterator[Any]:
        async with opened(BOOKING, tmp_path, world.base) as backend:
            yield backend


class TestTicketing(HttpTicketContract):
    @pytest.fixture
    async def backend(self, world: RestWorld, tmp_path: Path) -> AsyncIterator[Any]:
        async with opened(TICKETING, tmp_path, world.base) as backend:
            yield backend


async def test_what_stands_elsewhere_is_read_from_there(world: RestWorld, tmp_path: Path) -> None:
    id = await world.person("Ana García Ruiz", ANA, email="ana@example.com", company="Viajes Sol")
    at = f"https://office.example/people/{id}"
    ana = ContactRef("office", id, "Ana García Ruiz", "Viajes Sol", "ana@example.com", (ANA,), "es", True, None, 1200.5, at)
    async with opened(CRM, tmp_path, world.base) as crm:
        assert await crm.find_contacts(key_of(ANA)) == [ana]
        assert await crm.find_contacts(CallerKey(None, "", email="ana@example.com", withheld=True)) == [ana]
        world.office.written += [
            {"of": id, "at": "01/07/2026 10:30", "kind": "mail", "text": "Offer"},
            {"of": id, "at": "soon", "text": "?"},
        ]
        (activity,) = await crm.timeline(ana)
        assert (activity.at, activity.kind, activity.title) == (1_782_894_600.0, "mail", "Offer")
    async with opened(BOOKING, tmp_path, world.base) as booking:
        trip = {"person": id, "no": 77, "where": "Roma", "phase": "OK", "from": "2026-12-24", "money": ["10.10", 20], "unit": "eur"}
        world.office.trips.append(trip)
        (card,) = await booking.bookings_for(ana)
        assert (card.id, card.title, card.state, card.currency) == ("77", "Roma", "confirmed", "EUR")
        assert (card.paid, card.due, card.starts_at) == (Decimal("10.10"), Decimal(20), 1_798_066_800.0)


async def test_an_id_cannot_lead_elsewhere(world: RestWorld, tmp_path: Path) -> None:
    async with opened(TICKETING, tmp_path, world.base) as matters:
        for id in ("../people/1", "1?mark=x", "1/../../ping"):
            with pytest.raises(BackendFault, match="404"):
                await matters.set_open(RemoteRef("matters", id), False, idem="x")
        for id in ("..", ".", ""):
            with pytest.raises(BackendFault, match="an id that is none"):
                await matters.set_open(RemoteRef("matters", id), False, idem="x")


@pytest.mark.parametrize(
    ("auth", "shown"),
    [
        ('{ type = "none" }', ""),
        ('{ type = "header", header = "X-Key", prefix = "k " }', f"k {KEY}"),
        ('{ type = "basic", user = "us" }', "Basic " + base64.b64encode(f"us:{KEY}".encode()).decode()),
        ('{ type = "oauth2", user = "us", token_url = "TOKENS", scope = "read" }', "Bearer t1"),
        ('{ type = "hmac", user = "us" }', "signed"),
    ],
)
async def test_each_way_to_say_who_we_are(tmp_path: Path, auth: str, shown: str) -> None:
    seen: list[str] = []

    async def token(request: web.Request) -> web.Response:
        assert dict(await request.post()) == {"grant_type": "client_credentials", "scope": "read"}
        return web.json_response({"access_token": "t1", "token_type": "Bearer", "expires_in": 60})

    async def ping(request: web.Request) -> web.Response:
        headers = request.headers
        if "X-Centralita-Signature" in headers:
            ReplayWindow().check(headers, "GET", "/ping", b"", [KEY.encode()], int(headers["X-Centralita-Timestamp"]))
            seen.append("signed" if headers["X-Centralita-Key"] == "us" else "")
        else:
            seen.append(headers.get("Authorization", headers.get("X-Key", "")))
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/token", token)
    app.router.add_get("/ping", ping)
    async with TestServer(app) as server:
        base = f"http://127.0.0.1:{server.port}"
        text = CRM.replace('{{ type = "header", header = "X-Api-Key", prefix = "key " }}', auth.replace("{", "{{").replace("}", "}}"))
        async with opened(text.replace("TOKENS", f"{base}/token"), tmp_path, base) as crm:
            assert (await crm.health()).ok
    assert seen == [shown]
