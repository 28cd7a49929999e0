"""Show 6 against the running server: a customer who called is copied, held, forgotten, and then in no byte of any file."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from pbx.loopback import CUSTOMER
from tests.kit.hub import Client
from tests.kit.page import call_is, page
from tests.kit.redis_server import RedisServer
from tests.kit.sealed_files import texts_in
from tests.kit.server import Server, running_server
from tests.kit.vaults import vault_of

EMAIL, SURNAME, TOLD = "clara@viajes-sol.example", "Ruizvillalba", "a seat by the window, because of her knee"
DAY_S = 86_400.0
THEIRS = (CUSTOMER, CUSTOMER[3:], EMAIL, SURNAME, TOLD)


def tells(folder: Path, keys_of: Path) -> set[str]:
    """Words of theirs in any file, as the bytes are and as whoever has every key that is left reads them."""
    return {word for text in texts_in(folder, vault_of(keys_of)) for word in THEIRS if word in text}


@asynccontextmanager
async def administrator(server: Server, folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    words = ["user", "add", "adm", "--role", "admin", "--password", "correct horse", "--config", str(folder / "centralita.toml")]
    made = await asyncio.create_subprocess_exec(sys.executable, "-m", "api", *words, cwd=Path(__file__).parents[2])
    assert await made.wait() == 0
    who = {"user": "adm", "password": "correct horse"}
    async with aiohttp.ClientSession(server.url) as http, http.post("/api/v1/sign-in", json=who) as answer:
        token = (await answer.json())["token"]
    async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {token}"}) as http:
        yield http


async def asked(http: aiohttp.ClientSession, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    async with http.request(method, path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if answer.content_type.endswith("json") else None


async def rings(client: Client) -> dict[str, Any]:
    """The customer's call, which comes once 605 has hung up."""
    count = 1
    while True:
        notices = await client.told("call.state", count)
        theirs = [notice for notice in notices if notice["state"] == "ringing" and notice["direction"] == "in"]
        if theirs:
            return theirs[-1]
        count = len(notices) + 1


def left_in(redis: RedisServer, folder: Path) -> Path:
    """All that is in Redis, as a file of bytes."""
    folder.mkdir()
    for words in ("dir", str(folder)), ("rdbcompression", "no"):
        redis.do("CONFIG", "SET", *words)
    redis.do("SAVE")
    return folder


async def work(http: aiohttp.ClientSession, contact_id: str) -> None:
    """A booking and a task in their name."""
    said = {"title_en": "Inca Trail", "title_es": "Camino Inca", "about_en": "", "about_es": "", "country": "PE", "days": 4}
    await asked(http, "PUT", "/api/v1/tours/inca-trail", said)
    when = {"starts_at": time.time() + 30 * DAY_S, "ends_at": time.time() + 34 * DAY_S, "zone": "America/Lima"}
    terms = {"currency": "EUR", "terms": {"seats": 20, "seat_price_cents": 50_000}}
    departure = await asked(http, "POST", "/api/v1/departures", {"tour_id": "inca-trail"} | when | terms, 201)
    wish = {"contact_id": contact_id, "departure_id": departure["departure_id"], "seats": 1, "note": TOLD}
    await asked(http, "POST", "/api/v1/bookings", wish | {"reserve": False}, 201)
    await asked(http, "POST", "/api/v1/tasks", {"title": f"Call {SURNAME} back", "text": TOLD, "number": CUSTOMER}, 201)


async def test_a_customer_is_copied_held_forgotten_and_in_no_byte_any_more(tmp_path: Path) -> None:
    with RedisServer() as redis:
        await customer_comes_and_goes(tmp_path, redis)


async def customer_comes_and_goes(tmp_path: Path, redis: RedisServer) -> None:
    settings = {"cluster": {"redis_url": redis.url}, "limits": {"person_at_once": 100}}
    async with running_server(tmp_path, settings) as server, administrator(server, tmp_path) as http:
        contact = await asked(http, "POST", "/api/v1/contacts", {"first": "Clara", "last": SURNAME, "number": CUSTOMER, "email": EMAIL})
        who = {"contact_id": contact["contact_id"], "reason": "request 7 of 22 November"}
        async with page(server.url, server.user, server.password) as client:
            assert "ok" in await client.ask("call.dial", {"number": "605"})
            call = await rings(client)
            noted = await client.ask("note.write", {"call_id": call["call_id"], "text": TOLD, "revision": 0})
            assert noted["ok"]["taken"], noted
            assert "ok" in await client.ask("call.decline", {"call_id": call["call_id"]})
            await call_is(client, "ended")
        await work(http, contact["contact_id"])
        copy = await asked(http, "POST", "/api/v1/privacy/copies", who)
        tables = {kept["table"]: kept["rows"] for kept in copy["kept"]}
        assert tables["calls"][0]["caller"] == CUSTOMER and tables["contacts"][0]["last"] == SURNAME
        assert [row["text"] for row in tables["call_notes"]] == [TOLD]
        assert tells(server.data_dir, server.data_dir) == set(THEIRS), "with their key everything can be read"
        shutil.copytree(server.data_dir, tmp_path / "backup", ignore=shutil.ignore_patterns("keys", "privacy.key"))

        hold = await asked(http, "POST", "/api/v1/privacy/holds", who, 201)
        assert (await asked(http, "POST", "/api/v1/privacy/erasures", who, 409))["type"].endswith("held")
        await asked(http, "DELETE", f"/api/v1/privacy/holds/{hold['hold_id']}", status=204)
        proof = await asked(http, "POST", "/api/v1/privacy/erasures", who)
        # Their number's and the contact's; the call has one only where something personal happened in it, which is a matter of time.
        assert proof["keys"] >= 2 and {"calls", "call_notes", "contact_numbers"} <= set(proof["rows"])
        again = await asked(http, "POST", "/api/v1/privacy/erasures", who)
        assert (again["keys"], again["rows"], again["recordings"], again["messages"]) == (0, {}, 0, 0)
        assert tells(server.data_dir, server.data_dir) == tells(tmp_path / "backup", server.data_dir) == set()
        assert tells(left_in(redis, tmp_path / "redis"), server.data_dir) == set()

        found = await asked(http, "GET", f"/api/v1/contacts?q={SURNAME}")
        assert found["contacts"] == [] and (await asked(http, "GET", "/api/v1/audit/faults"))["faults"] == []
        kinds = [entry["kind"] for entry in (await asked(http, "GET", "/api/v1/audit?limit=500"))["entries"]]
        assert {"person_copied", "person_held", "hold_lifted", "person_forgetting", "person_forgotten"} <= set(kinds)
    assert tells(tmp_path, server.data_dir) == set(), "nor in what the server said, nor when all was written down at its end"
