"""A real Request Tracker: who calls is found however their number is written, and what is written there stands there once."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest

from api.backends.credentials import FixedHeader
from api.backends.http import BackendHttp
from api.backends.protocols import BackendFault, CallerKey, RemoteRef, TicketDraft
from api.backends.request_tracker import RequestTracker
from api.backends.ticketing_settings import RequestTrackerSection
from tests.kit.backend_door import BackendDoor
from tests.kit.backend_people import FORMS, REGION, number_of, people
from tests.kit.backend_suite import HttpContract, HttpTicketContract, LookupContract
from tests.kit.request_tracker import RequestTrackerServer

SECTION = RequestTrackerSection(id="rt", type="request_tracker", base_url="https://rt.test")
_API = "/REST/2.0"
_PHONES = ("WorkPhone", "MobilePhone", "HomePhone", "PagerPhone")
_NUMBERS = count()


class RequestTrackerWorld(BackendDoor):
    """The way to RT, and who is in it: people come to be there by a ticket that is done. Those of the test before are gone."""

    def __init__(self, http: BackendHttp, who: FixedHeader) -> None:
        super().__init__(http.base)
        self._direct = http
        self.who = who
        self._made: list[str] = []

    async def clear(self) -> None:
        for name in self._made:
            await self._ask("PUT", f"/user/{name}", dict.fromkeys(_PHONES, "") | {"EmailAddress": ""})
        if set(self.methods) <= {"GET"} and not self._made:
            return
        for each in (await self._ask("GET", "/tickets?query=Status%3D'__Active__'&per_page=100"))["items"]:
            await self._ask("DELETE", f"/ticket/{each['id']}")

    async def person(self, name: str, *numbers: str, email: str = "", company: str = "") -> str:
        self._made.append(f"made{next(_NUMBERS)}")
        body = {"Name": self._made[-1], "RealName": name, "EmailAddress": email, "Organization": company}
        await self._ask("POST", "/user", body | dict(zip(_PHONES, numbers, strict=False)))
        await self._ask("POST", "/ticket", {"Queue": "General", "Subject": "Before", "Requestor": self._made[-1], "Status": "resolved"})
        return self._made[-1]

    async def notes(self, ticket: RemoteRef) -> list[str]:
        found = await self._ask("GET", f"/ticket/{ticket.id}/attachments?fields=Content&per_page=100")
        return [each["Content"] for each in found["items"]]

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = (await self._direct.ask(method, f"{_API}{path}", json=body)).demand()
        return answer.json() if answer.body else None


@pytest.fixture(scope="module")
def server() -> Iterator[RequestTrackerServer]:
    with RequestTrackerServer(people()) as server:
        yield server


@pytest.fixture
async def world(server: RequestTrackerServer) -> AsyncIterator[RequestTrackerWorld]:
    who = FixedHeader("Authorization", f"token {server.token}")
    async with BackendHttp(server.base, who, allow_private=True) as direct, RequestTrackerWorld(direct, who) as world:
        yield world
        await world.clear()


@pytest.fixture
async def backend(server: RequestTrackerServer, world: RequestTrackerWorld) -> AsyncIterator[RequestTracker]:
    async with BackendHttp(world.base, FixedHeader("Authorization", f"token {server.token}"), allow_private=True) as http:
        yield RequestTracker(SECTION, http, REGION)


class TestPeople(LookupContract, HttpContract):
    pass


class TestTickets(HttpTicketContract):
    pass


async def test_a_number_is_found_however_it_is_written(backend: RequestTracker) -> None:
    async def names(number: str) -> list[str]:
        return sorted(each.name for each in await backend.find_contacts(CallerKey(number, number)))

    assert {form: await names(number_of(index)) for index, form in enumerate(FORMS)} == {
        form: [f"Person {index}"] for index, form in enumerate(FORMS)
    }
    assert await names("+34607555666") == []
    assert await names("+33607555666") == ["Same digits in France"]
    assert await names("+34607444555") == ["Twin One", "Twin Two"]
    (ana,) = await backend.find_contacts(CallerKey(None, "", email="RUIZ@example.com", withheld=True))
    assert (ana.name, ana.company, ana.numbers) == ("Ana Ruiz", "Viajes Sol", ("+34607222333",))


async def test_a_ticket_has_its_customer_its_priority_and_its_text(backend: RequestTracker, world: RequestTrackerWorld) -> None:
    name = await world.person("Ana García", "+34600111222")
    draft = TicketDraft("call-1", name, "+34600111222", "عنوان <b>", "Line one\n<script>alert(1)</script>", priority="urgent")
    ticket = await backend.create_ticket(draft, idem="call-1:ticket:1")
    (card,) = await backend.open_tickets(CallerKey("+34600111222", ""))
    assert (card.id, card.title, card.priority, card.number) == (ticket.id, draft.title, "urgent", draft.number)
    assert await world.notes(ticket) == [draft.text]


async def test_a_state_that_the_queue_does_not_have_is_no_success(backend: RequestTracker, world: RequestTrackerWorld) -> None:
    ticket = await backend.create_ticket(TicketDraft("call-1", None, "", "A matter", ""), idem="call-1:ticket:1")
    async with BackendHttp(world.base, world.who, allow_private=True) as http:
        strange = RequestTracker(SECTION.model_copy(update={"closed_state": "finished"}), http, REGION)
        with pytest.raises(BackendFault, match="does the queue have that state"):
            await strange.set_open(ticket, False, idem="call-1:close:1")


async def test_what_would_change_the_question_is_not_asked(backend: RequestTracker, world: RequestTrackerWorld) -> None:
    asked = world.asked
    assert await backend.open_tickets(CallerKey(None, "", email="x' OR Status = 'new")) == []
    for id in ("1 OR id > 0", "../1", ""):
        with pytest.raises(BackendFault, match="numbers"):
            await backend.add_note(RemoteRef("rt", id), "x", idem="n")
    assert world.asked == asked
