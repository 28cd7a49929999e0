"""A house in which every name, note, word and file is markup that would run if a page took it for its own."""

import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
from argon2 import PasswordHasher

from api.store.appointments import CalendarRow, ServiceRow
from tests.kit.hub import Client
from tests.kit.server import Server
from tests.kit.vaults import store_of

PASSWORD = "a password for tests"
MARKUP = "<img src=x onerror=window.broken=1><svg onload=window.broken=1>"
NAME = f"Eva {MARKUP}"[:64]
"""Of the administrator, whose pages are looked at."""
NUMBER = "+34600111225"
"""Nobody's among the demo's customers."""
_HOURS = '[hours]\nzone = "UTC"\n[hours.weekly]\nmonday-sunday = ["00:00-24:00"]\n'


async def settle(data: Path) -> None:
    """An administrator who also gives appointments."""
    async with store_of(data) as store:
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        await store.people.save_user("eva", name=NAME, role="admin", password_hash=hashed)
        await store.appointments.keep_service(ServiceRow("marked", MARKUP, MARKUP, MARKUP, MARKUP, professionals=("eva",)))
        await store.appointments.keep_calendar(CalendarRow("eva", _HOURS, ("en", "es")))


class Office:
    """REST in the administrator's name."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.session: dict[str, Any] = {}
        self._http, self._url = http, f"{url}/api/v1"

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.session['token']}"} if self.session else {}
        async with self._http.request(method, self._url + path, json=body, headers=headers) as answer:
            assert answer.status < 300, (path, await answer.text())
            return await answer.json(content_type=None) if answer.status != 204 else {}


async def fill(server: Server) -> tuple[dict[str, Any], dict[str, str]]:
    """Makes one of everything. Returns the administrator's session, and by a page's address the fragment that has it show such a thing."""
    async with aiohttp.ClientSession() as http:
        office = Office(http, server.url)
        office.session = await office.send("POST", "/sign-in", {"user": "eva", "password": PASSWORD})
        contact = await office.send("POST", "/contacts", {"first": MARKUP, "last": MARKUP, "number": NUMBER, "company": MARKUP})
        shown = {"/": "", "/campaigns": "", "/contacts": contact["contact_id"]}
        shown |= {"/bookings": await _book(office, contact["contact_id"]), "/book": await _appoint(office)}
        shown |= {"/tickets": await _write_ticket(office), "/articles": await _write_article(office)}
        await _campaign(office)
        await office.send("POST", "/tasks", {"title": MARKUP, "text": MARKUP, "number": NUMBER})
        shown["/rooms"] = f"room={await _talk(http, server.url, office.session['token'])}"
    return office.session, shown


async def _book(office: Office, contact_id: str) -> str:
    departure = (await office.send("GET", "/departures"))["departures"][0]["departure_id"]
    wanted = {"contact_id": contact_id, "departure_id": departure, "seats": 1, "note": MARKUP}
    reference: str = (await office.send("POST", "/bookings", wanted))["reference"]
    return reference


async def _appoint(office: Office) -> str:
    """A customer's own appointment; its token."""
    begin = time.time() + 2 * 86_400
    slots = await office.send("GET", f"/booking/slots?service=marked&language=en&from={begin}&until={begin + 86_400}")
    slot = slots["times"][0]
    wanted = {
        "service_id": "marked",
        "start_at": slot["start_at"],
        "professional": "eva",
        "name": MARKUP,
        "number": NUMBER,
        "note": MARKUP,
        "language": "en",
        "zone": "UTC",
        "consent": "yes",
        "idem": uuid.uuid4().hex,
    }
    token: str = (await office.send("POST", "/booking/appointments", wanted))["token"]
    return token


async def _write_ticket(office: Office) -> str:
    ticket = await office.send("POST", "/tickets", {"title": MARKUP, "text": MARKUP, "number": NUMBER, "idem": uuid.uuid4().hex})
    ticket_id: str = ticket["ticket_id"]
    await office.send("POST", f"/tickets/{ticket_id}/comments", {"text": MARKUP, "internal": True})
    return ticket_id


async def _write_article(office: Office) -> str:
    text = f"# {MARKUP}\n\n[x](javascript:window.broken=1) {MARKUP}"
    written = {"title": MARKUP, "text": text, "language": "en", "published": True}
    article_id: str = (await office.send("POST", "/articles", written))["article_id"]
    return article_id


async def _campaign(office: Office) -> None:
    campaign = await office.send("POST", "/campaigns", {"name": MARKUP, "script": MARKUP})
    entry = {"number": "+34600111223", "consent": MARKUP, "consent_at": time.time() - 60, "name": MARKUP, "note": MARKUP}
    await office.send("POST", f"/campaigns/{campaign['campaign_id']}/entries", {"entries": [entry]})
    await office.send("POST", "/do-not-call", {"number": "+34600111224", "reason": MARKUP})


async def _talk(http: aiohttp.ClientSession, url: str, token: str) -> str:
    """A room with a word and a file in it; its id."""
    client = Client(http)
    await client.connect(url, {"token": token})
    try:
        room: str = (await client.ask("room.create", {"kind": "group", "name": MARKUP}))["ok"]["room_id"]
        file = {"room_id": room, "name": f"{MARKUP}.txt", "content_type": "text/plain", "size": 5}
        ticket = (await client.ask("chat.attach", file))["ok"]
        async with http.post(url + ticket["url"], data=b"words", headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status < 300, await answer.text()
        message = {"room_id": room, "message_id": uuid.uuid4().hex, "text": MARKUP, "attachments": [ticket["attachment_id"]]}
        assert "ok" in await client.ask("chat.message", message)
    finally:
        await client.socket.disconnect()
    return room
