"""A real Roundup: who calls is found however their number is written, and what is written there stands there once."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest

from api.backends.credentials import FixedHeader
from api.backends.http import BackendHttp
from api.backends.protocols import CallerKey, RemoteRef, TicketDraft
from api.backends.roundup import Roundup, csrf_headers
from api.backends.ticketing_settings import RoundupSection
from tests.kit.backend_door import BackendDoor
from tests.kit.backend_people import FORMS, REGION, number_of, people
from tests.kit.backend_suite import HttpContract, HttpTicketContract, LookupContract
from tests.kit.roundup import PASSWORD, USER, RoundupServer

SECTION = RoundupSection(id="roundup", type="roundup", base_url="https://roundup.test", user=USER)
_MADE = "made"
_NUMBERS = count()


class RoundupWorld(BackendDoor):
    """The way to the tracker, and who is in it. Those of the test before are gone."""

    def __init__(self, http: BackendHttp) -> None:
        super().__init__(http.base)
        self._direct = http

    async def clear(self) -> None:
        gone = [("user", user) for user in await self._all("user") if user["username"].startswith(_MADE)]
        gone += [(kind, each) for kind in ("issue", "msg") for each in await self._all(kind)]
        for kind, each in gone:
            await self._ask("DELETE", f"/rest/data/{kind}/{each['id']}")

    async def person(self, name: str, *numbers: str, email: str = "", company: str = "") -> str:
        told = {"address": email, "organisation": company, "phone": ", ".join(numbers)}
        body = {"username": f"{_MADE}{next(_NUMBERS)}", "realname": name, "roles": "User"}
        answer = await self._ask("POST", "/rest/data/user", body | {field: value for field, value in told.items() if value})
        return str(answer["data"]["id"])

    async def notes(self, ticket: RemoteRef) -> list[str]:
        item = await self._ask("GET", f"/rest/data/issue/{ticket.id}?@fields=messages")
        found = [await self._ask("GET", f"/rest/data/msg/{each['id']}/content") for each in item["data"]["attributes"]["messages"]]
        return [str(each["data"]["data"]) for each in found]

    async def _all(self, name: str) -> list[dict[str, Any]]:
        fields = "?@fields=username" if name == "user" else ""
        return list((await self._ask("GET", f"/rest/data/{name}{fields}"))["data"]["collection"])

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        headers = csrf_headers(self._direct.base)
        if method == "DELETE":
            body, headers["If-Match"] = {}, (await self._direct.ask("GET", path)).demand().headers["etag"]
        return (await self._direct.ask(method, path, json=body, headers=headers)).demand().json()


@pytest.fixture(scope="module")
def server() -> Iterator[RoundupServer]:
    with RoundupServer(people()) as server:
        yield server


@pytest.fixture
async def world(server: RoundupServer) -> AsyncIterator[RoundupWorld]:
    async with BackendHttp(server.base, FixedHeader.basic(USER, PASSWORD), allow_private=True) as direct, RoundupWorld(direct) as world:
        await world.clear()
        yield world


@pytest.fixture
async def backend(world: RoundupWorld) -> AsyncIterator[Roundup]:
    async with BackendHttp(world.base, FixedHeader.basic(USER, PASSWORD), allow_private=True) as http:
        yield Roundup(SECTION, http, REGION)


class TestPeople(LookupContract, HttpContract):
    pass


class TestTickets(HttpTicketContract):
    pass


async def names(backend: Roundup, number: str) -> list[str]:
    return [each.name for each in await backend.find_contacts(CallerKey(number, number))]


async def test_a_number_is_found_however_it_is_written(backend: Roundup) -> None:
    found = {form: await names(backend, number_of(index)) for index, form in enumerate(FORMS)}
    assert found == {form: [f"Person {index}"] for index, form in enumerate(FORMS)}


async def test_a_number_that_only_ends_alike_is_not_taken_for_it(backend: Roundup) -> None:
    assert await names(backend, "+34607555666") == []
    assert await names(backend, "+33607555666") == ["Same digits in France"]
    assert await names(backend, "+34607444555") == ["Twin One", "Twin Two"]


async def test_who_stands_behind_many_with_like_digits_is_found(
    backend: Roundup, world: RoundupWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.backends.roundup._PAGE", 1)
    asked = world.asked
    assert await names(backend, "+34607444555") == ["Twin One", "Twin Two"]
    assert world.asked - asked > 3  # others have these digits too, in another order


async def test_who_withholds_the_number_is_found_by_address(backend: Roundup) -> None:
    (ana,) = await backend.find_contacts(CallerKey(None, "", email="RUIZ@example.com", withheld=True))
    assert (ana.name, ana.company, ana.numbers) == ("Ana Ruiz", "Viajes Sol", ("+34607222333",))


async def test_an_internal_note_opens_no_closed_ticket(backend: Roundup, world: RoundupWorld) -> None:
    ticket = await backend.create_ticket(TicketDraft("call-1", None, "+34600999888", "A matter", ""), idem="call-1:ticket:1")
    await backend.set_open(ticket, False, idem="call-1:close:1")
    await backend.add_note(ticket, "for us", idem="call-1:note:1")
    assert await backend.open_tickets(CallerKey("+34600999888", "")) == []
    await backend.add_note(ticket, "from the customer", internal=False, idem="call-1:note:2")
    assert [card.state for card in await backend.open_tickets(CallerKey("+34600999888", ""))] == ["chatting"]
