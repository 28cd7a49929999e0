"""A house in which a morning's work was done, for pictures of it: who works there, and what customers wait for. Nobody in it is real."""

import hashlib
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
from argon2 import PasswordHasher

from api.demo_call.server import Server
from api.settings.tree import Settings
from api.store import StoredVoicemail
from api.store.appointments import CalendarRow, ServiceRow
from api.store.surveys import StoredSurvey
from api.store_beside import store_beside
from api.surveys.survey import Scale

PASSWORD = "a password for pictures"
SURVEY = "a-survey-for-pictures"
PEOPLE = (("eva", "Eva Marín", "admin"), ("luis", "Luis Ferrer", "agent"), ("ines", "Inés Calvo", "supervisor"))
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
"""As whom the pictures' people sign in."""
_HOURS = '[hours]\nzone = "Europe/Madrid"\n[hours.weekly]\nmonday-sunday = ["08:00-20:00"]\n'
_CALLERS = (("+34600111222", "Clara Vidal", "travel"), ("+442071838750", "", "travel"), ("anonymous", "", "travel"))
_TICKETS = (
    (
        "Transfer from Lisbon airport was not there",
        "We waited for an hour and took a taxi (48 €). Who gives the money back?",
        "+34600111222",
    ),
    ("Vegetarian meals on the flight to Nairobi", "Two of four travellers. The airline says that the agency has to ask.", "+442071838750"),
    ("Invoice with our company's address", "For the booking of March, please, and by mail.", "+34915550142"),
)
_TALK = (
    "Good morning! Who is at the desk from two to four?",
    "Me, and Inés until three.",
    "Thanks. The Azores group calls at half past two.",
)


async def settle(data: Path) -> None:
    """Who works there, what was left while nobody did, and a customer who is asked how it was."""
    async with store_beside(Settings.load(env={}, overrides={"server.data_dir": data})) as store:
        hashed = PasswordHasher().hash(PASSWORD)
        for identity, name, role in PEOPLE:
            await store.people.save_user(identity, name=name, role=role, password_hash=hashed)
        about = ("We plan your journey with you, by video.", "Planeamos su viaje con usted, por vídeo.")
        await store.appointments.keep_service(
            ServiceRow("plan", "Planning a journey", "Planear un viaje", *about, professionals=("eva",), languages=("en", "es"))
        )
        await store.appointments.keep_calendar(CalendarRow("eva", _HOURS, ("en", "es")))
        now = time.time()
        for number, (caller, name, box) in enumerate(_CALLERS):
            store.put_voicemail(
                StoredVoicemail(
                    f"v{number}",
                    box,
                    f"call-v{number}",
                    caller,
                    name,
                    "es",
                    now - 3_000 * number - 600,
                    now,
                    duration_s=23.0,
                    outcome="taken",
                )
            )
        scales, until = (Scale.CSAT, Scale.NPS), now + 86_400
        survey = StoredSurvey("s1", "calls", "call", "c1", scales, "", "clara", "es", "sales", "luis", "", "sms", now, until)
        assert await store.surveys.add(survey, hashlib.sha256(SURVEY.encode()).hexdigest())


class Office:
    """REST in somebody's name."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.session: dict[str, Any] = {}
        self._http, self._url = http, f"{url}/api/v1"

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"User-Agent": _BROWSER} | ({"Authorization": f"Bearer {self.session['token']}"} if self.session else {})
        async with self._http.request(method, self._url + path, json=body, headers=headers) as answer:
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json(content_type=None) if answer.status != 204 else {}

    async def sign_in(self, user: str, password: str) -> None:
        self.session = await self.send("POST", "/sign-in", {"user": user, "password": password})


async def fill(running: Server) -> dict[str, str]:
    """A morning's work. Returns by a page's address the fragment that shows some of it."""
    async with aiohttp.ClientSession() as http:
        office = Office(http, running.url)
        await office.sign_in("eva", PASSWORD)
        tickets = [await _ticket(office, *each) for each in _TICKETS]
        await office.send("POST", f"/tickets/{tickets[0]}/comments", {"text": "Receipt asked for by mail.", "internal": True})
        article = await office.send("POST", "/articles", _ARTICLE)
        await _campaign(office)
        await office.send("POST", "/tasks", {"title": "Call back about the visa", "text": "After four.", "number": "+34600111222"})
        contact = (await office.send("GET", "/contacts?q=Clara"))["contacts"][0]["contact_id"]
        booking = (await office.send("GET", f"/bookings?contact={contact}"))["bookings"][0]["reference"]
        own = [await _appointment(office, days) for days in (0.2, 1.2)][-1]
        consultation = await office.send("POST", "/consultations", {"name": "Planning the Azores"})
    return {
        "/tickets": tickets[0],
        "/articles": article["article_id"],
        "/contacts": contact,
        "/bookings": booking,
        "/book": own,
        "/survey": SURVEY,
        "/consultation": consultation["token"],
    }


_ARTICLE = {
    "title": "Luggage on small planes",
    "text": "# Luggage\n\nOn planes with propellers **15 kg** are free.\n\n- a bag on board: 5 kg\n- skis: ask before\n\n"
    "## When it is lost\n\nNote the number of the tag, and make a ticket.",
    "language": "en",
    "published": True,
}


async def _ticket(office: Office, title: str, text: str, number: str) -> str:
    made = await office.send("POST", "/tickets", {"title": title, "text": text, "number": number, "idem": uuid.uuid4().hex})
    ticket_id: str = made["ticket_id"]
    return ticket_id


async def _campaign(office: Office) -> None:
    script = "Ask whether the dates still suit them, and name the new price."
    campaign = await office.send("POST", "/campaigns", {"name": "Early birds of spring", "script": script})
    entries = [
        {"number": f"+3460011133{at}", "consent": "form on the site", "consent_at": time.time() - 86_400, "name": name, "note": "2025"}
        for at, name in enumerate(("Amalia Duarte", "James Okafor", "Sophie Lindqvist"))
    ]
    await office.send("POST", f"/campaigns/{campaign['campaign_id']}/entries", {"entries": entries})
    await office.send("POST", "/do-not-call", {"number": "+34600111224", "reason": "asked on the phone"})


async def _appointment(office: Office, days: float) -> str:
    """A customer's own one; its token."""
    begin = time.time() + days * 86_400
    free = (await office.send("GET", f"/booking/slots?service=plan&language=en&from={begin}&until={begin + 86_400}"))["times"][0]
    wanted = {"service_id": "plan", "start_at": free["start_at"], "professional": "eva", "name": "Clara Vidal", "number": "+34600111222"}
    told = {"note": "Two adults, a child of six.", "language": "en", "zone": "Europe/Madrid", "consent": "yes", "idem": uuid.uuid4().hex}
    token: str = (await office.send("POST", "/booking/appointments", wanted | told))["token"]
    return token
