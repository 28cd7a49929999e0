"""A CRM, a booking system and a ticketing that nobody made an adapter for, in one: it speaks as such programs do, with their bad habits.

It looks for parts of numbers, keeps them as people write them, wraps its lists, names its states and its money in its own way, writes what
it is told twice twice, and takes anything for text.
"""

import re
from itertools import count
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

from api.backends.protocols import RemoteRef
from tests.kit.backend_door import BackendDoor

KEY = "only for this test"


class RestOffice:
    """``async with``: ``base`` is its address. ``keys``: those that it takes in ``X-Api-Key``."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.written: list[dict[str, Any]] = []
        self.tickets: dict[str, dict[str, Any]] = {}
        self.trips: list[dict[str, Any]] = []
        self._ids = count(1)

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._let_in])
        app.router.add_get("/v2/ping", self._ping)
        app.router.add_get("/v2/people", self._find_people)
        app.router.add_post("/v2/people", self._add_person)
        app.router.add_get("/v2/people/{id}/trips", self._find_trips)
        app.router.add_get("/v2/entries", self._find_entries)
        app.router.add_post("/v2/entries", self._add_entry)
        app.router.add_get("/v2/tickets", self._find_tickets)
        app.router.add_post("/v2/tickets", self._add_ticket)
        app.router.add_put("/v2/tickets/{id}", self._change_ticket)
        self._server = TestServer(app)
        await self._server.start_server()
        self.base = f"http://127.0.0.1:{self._server.port}/v2"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._server.close()

    def add_person(self, name: str, *numbers: str, email: str = "", company: str = "", mark: str = "") -> str:
        id = f"P-{next(self._ids)}"
        first, _, last = name.partition(" ")
        phones = [{"kind": "mobile", "value": number} for number in numbers]
        self.people[id] = {"key": id, "first": first, "last": last, "phones": phones, "mail": email, "firm": company, "mark": mark}
        self.people[id] |= {"tongue": "spanish", "stars": 3, "worth": "1200.50"}
        return id

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("X-Api-Key") != f"key {KEY}":
            return web.json_response({"error": "who are you?"}, status=401)
        return await handler(request)  # type: ignore[no-any-return]

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response({"up": True})

    async def _find_people(self, request: web.Request) -> web.Response:
        digits, mail, mark = (request.query.get(name, "") for name in ("digits", "mail", "mark"))
        found = []
        for each in self.people.values():
            numbers = [re.sub(r"[^0-9]", "", phone["value"]) for phone in each["phones"]]
            if (
                (digits and any(digits in number for number in numbers))
                or (mail and mail == each["mail"])
                or (mark and mark == each["mark"])
            ):
                found.append(each)
        if not found:
            return web.json_response({"error": "nobody"}, status=404)
        return web.json_response({"result": {"people": found}})

    async def _add_person(self, request: web.Request) -> web.Response:
        told = await request.json()
        id = self.add_person(told["name"], told["phone"], email=told["mail"], company=told["firm"], mark=told["mark"])
        return web.json_response({"result": {"person": {"key": id}}}, status=201)

    async def _find_trips(self, request: web.Request) -> web.Response:
        return web.json_response([trip for trip in self.trips if trip["person"] == request.match_info["id"]])

    async def _find_entries(self, request: web.Request) -> web.Response:
        found = [each for each in self.written if all(each.get(name) == value for name, value in request.query.items())]
        return web.json_response({"entries": found})

    async def _add_entry(self, request: web.Request) -> web.Response:
        told = await request.json()
        if "of" in told and told["of"] not in self.people and told["of"] not in self.tickets:
            return web.json_response({"error": "about what?"}, status=404)
        self.written.append({"key": f"E-{next(self._ids)}", **told})
        return web.json_response({"key": self.written[-1]["key"]}, status=201)

    async def _find_tickets(self, request: web.Request) -> web.Response:
        digits, mark = request.query.get("digits"), request.query.get("mark")
        found = [each for each in self.tickets.values() if (digits and digits in each["caller"]) or (mark and mark == each["mark"])]
        return web.json_response({"tickets": found, "total": len(found)})

    async def _add_ticket(self, request: web.Request) -> web.Response:
        id = str(next(self._ids))
        self.tickets[id] = {"number": int(id), "phase": "NEW", "changed": 1_800_000_000_000, **await request.json()}
        return web.json_response({"number": int(id)}, status=201)

    async def _change_ticket(self, request: web.Request) -> web.Response:
        ticket = self.tickets.get(request.match_info["id"])
        if ticket is None:
            return web.json_response({"error": "no such ticket"}, status=404)
        ticket |= await request.json()
        return web.Response(status=204)


class RestWorld(BackendDoor):
    """The way to the office, and who is in it."""

    def __init__(self, office: RestOffice) -> None:
        super().__init__(office.base)
        self.office = office

    async def person(self, name: str, *numbers: str, email: str = "", company: str = "") -> str:
        written = [f"({number[:3]}) {number[3:6]}-{number[6:]}" for number in numbers]
        return self.office.add_person(name, *written, email=email, company=company)

    async def notes(self, of: RemoteRef) -> list[str]:
        return [f"{each['text']}{each.get('call', '')}" for each in self.office.written if each.get("of") == of.id]


CRM = """
[[backends.list]]
id = "office"
type = "rest"
kind = "crm"
base_url = "{base}"
allow_private = true
health = "/ping"
auth = {{ type = "header", header = "X-Api-Key", prefix = "key " }}

[backends.list.find_contacts]
path = "/people"
query = {{ digits = "{{national}}", mail = "{{email}}" }}
items = "/result/people"
none = [404]
url = "https://office.example/people/{{id}}"
[backends.list.find_contacts.fields]
id = "/key"
name = ["/first", "/last"]
company = "/firm"
email = "/mail"
numbers = "/phones/*/value"
language = {{ at = "/tongue", words = {{ spanish = "es", english = "en" }} }}
vip = {{ at = "/stars", words = {{ 1 = "no", 2 = "no", 3 = "yes" }} }}
value = "/worth"

[backends.list.timeline]
path = "/entries"
query = {{ of = "{{id}}" }}
items = "/entries"
fields = {{ at = {{ at = "/at", form = "%d/%m/%Y %H:%M", zone = "Europe/Madrid" }}, kind = "/kind", title = "/text" }}

[backends.list.log_call]
path = "/entries"
id = "/key"
known = {{ path = "/entries", query = {{ mark = "{{mark}}" }}, items = "/entries", id = "/key" }}
[backends.list.log_call.body]
of = "{{contact_id}}"
kind = "call"
call = "{{call_id}}"
text = "{{note}}"
mark = "{{mark}}"
seconds = "{{duration_s}}"
began = "{{started_at|iso}}"
agents = ["{{agent}}"]

[backends.list.write_note]
path = "/entries"
id = "/key"
known = {{ path = "/entries", query = {{ mark = "{{mark}}" }}, items = "/entries", id = "/key" }}
body = {{ of = "{{id}}", text = "{{text}}", mark = "{{mark}}" }}

[backends.list.create_contact]
path = "/people"
id = "/result/person/key"
known = {{ path = "/people", query = {{ mark = "{{mark}}" }}, items = "/result/people", id = "/key", none = [404] }}
body = {{ name = "{{name}}", phone = "{{number}}", mail = "{{email}}", firm = "{{company}}", mark = "{{mark}}" }}
"""
BOOKING = """
[[backends.list]]
id = "trips"
type = "rest"
kind = "booking"
base_url = "{base}"
allow_private = true
health = "/ping"
auth = {{ type = "header", header = "X-Api-Key", prefix = "key " }}

[backends.list.find_customers]
path = "/people"
query = {{ digits = "{{national}}" }}
items = "/result/people"
none = [404]
fields = {{ id = "/key", name = ["/first", "/last"], numbers = "/phones/*/value" }}

[backends.list.bookings_for]
path = "/people/{{id}}/trips"
[backends.list.bookings_for.fields]
id = "/no"
ref = "/no"
title = "/where"
state = {{ at = "/phase", words = {{ OK = "confirmed" }}, default = "unknown" }}
starts_at = {{ at = "/from", form = "%Y-%m-%d", zone = "Europe/Madrid" }}
paid = "/money/0"
due = "/money/1"
currency = "/unit"
"""
TICKETING = """
[[backends.list]]
id = "matters"
type = "rest"
kind = "ticketing"
base_url = "{base}"
allow_private = true
health = "/ping"
auth = {{ type = "header", header = "X-Api-Key", prefix = "key " }}

[backends.list.open_tickets]
path = "/tickets"
query = {{ digits = "{{digits}}" }}
items = "/tickets"
url = "https://office.example/tickets/{{id}}"
[backends.list.open_tickets.fields]
id = "/number"
title = "/title"
state = "/phase"
priority = "/weight"
updated_at = {{ at = "/changed", form = "milliseconds" }}
open = {{ at = "/phase", words = {{ NEW = "yes", OPEN = "yes", DONE = "no" }} }}
number = "/caller"

[backends.list.create_ticket]
path = "/tickets"
id = "/number"
url = "https://office.example/tickets/{{id}}"
known = {{ path = "/tickets", query = {{ mark = "{{mark}}" }}, items = "/tickets", id = "/number" }}
body = {{ title = "{{title}}", text = "{{text}}", caller = "{{number}}", weight = "{{priority}}", mark = "{{mark}}" }}

[backends.list.add_note]
path = "/entries"
id = "/key"
known = {{ path = "/entries", query = {{ mark = "{{mark}}" }}, items = "/entries", id = "/key" }}
body = {{ of = "{{id}}", text = "{{text}}", mark = "{{mark}}", hidden = "{{internal}}" }}

[backends.list.attach]
path = "/entries"
id = "/key"
known = {{ path = "/entries", query = {{ mark = "{{mark}}" }}, items = "/entries", id = "/key" }}
body = {{ of = "{{id}}", text = "{{title}}: {{url}} ({{expires_at|date}})", mark = "{{mark}}" }}

[backends.list.set_open]
method = "PUT"
path = "/tickets/{{id}}"
body = {{ phase = "{{state}}" }}
opened = "OPEN"
closed = "DONE"
"""
