"""Visitors of other people's sites at a whole server: they call, write and ask to be called back, and reach nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession
from argon2 import PasswordHasher

from tests.kit.browser_peer import BrowserPeer, loopback_ice
from tests.kit.hub import Client
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ToneTrack, listen
from tests.kit.page import page
from tests.kit.server import Server, running_server
from tests.kit.vaults import store_of
from tests.kit.visitors import guest

__all__ = ["loopback_ice"]

AGENT_HZ, VISITOR_HZ = 440, 1_000
SITE = "https://shop.example"
PASSWORD = "a password for tests"
PLAN = {
    "queues.toml": '[sales]\ntitles = { es = "Ventas", en = "Sales" }\nannounce_every_s = 0\nring_s = 120\n',
    "flows/main.toml": 'languages = ["en"]\n[steps.sales]\nkind = "queue"\nqueue = "sales"\n',
    "numbers.toml": '[[entries]]\nnumber = "610"\nflow = "main"\n',
}
SETTINGS: dict[str, dict[str, Any]] = {
    "widget": {"sites": [SITE], "call_backs_per_hour": 2},
    "sip": {"enabled": True, "server": "127.0.0.1", "port": 9, "extension": "100", "password": "nobody listens there"},
}


def plan_in(folder: Path) -> str:
    for name, text in PLAN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return str(folder)


class Desk(SimpleNamespace):
    """``server`` with the demo agent's ``agent`` page signed in, and REST for who is not."""

    server: Server
    agent: Client
    http: ClientSession

    async def post(self, path: str, body: object) -> tuple[int, Any]:
        async with self.http.post(f"{self.server.url}/api/v1/visits{path}", json=body) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(f"{self.server.url}/api/v1/visits{path}") as response:
            return response.status, await response.json()

    async def visitor(self, stack: AsyncExitStack) -> Client:
        status, session = await self.post("", {"queue": "sales", "language": "es"})
        assert status == 201 and session["role"] == "customer"
        client = Client(await stack.enter_async_context(ClientSession()))
        await client.connect(self.server.url, {"token": session["token"]})
        stack.push_async_callback(client.socket.disconnect)
        await client.told("session.snapshot")
        return client


@pytest.fixture(scope="module")
def desk_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return {**SETTINGS, "centre": {"folder": plan_in(tmp_path_factory.mktemp("plan"))}}


@pytest.fixture
async def desk(tmp_path: Path, desk_settings: dict[str, dict[str, Any]]) -> AsyncIterator[Desk]:
    async with running_server(tmp_path, desk_settings) as server, ClientSession() as http:
        await server.process.said("plan.taken", 120)
        async with page(server.url, server.user, server.password) as agent:
            yield Desk(server=server, agent=agent, http=http)


async def state_of(client: Client, kind: str, **wanted: object) -> dict[str, Any]:
    """The first notice of this kind that says so."""
    count = 1
    while True:
        told = await client.told(kind, count)
        found = next((notice for notice in told if all(notice.get(name) == value for name, value in wanted.items())), None)
        if found is not None:
            return found
        count = len(told) + 1


async def hears(peer: BrowserPeer, hz: float) -> None:
    """Waits until this tone is there for 200 ms."""
    async with asyncio.timeout(30):
        while True:
            samples, rate_hz = await listen(peer, 10)
            if level_at(samples, hz, rate_hz) > 0.05:
                return


async def talks(client: Client, event: str, call_id: str, peer: BrowserPeer) -> None:
    """Bring up this peer's sound for a call."""
    answer = await client.ask(event, {"call_id": call_id, "peer_id": uuid4().hex, "sdp": await peer.offer()})
    assert "ok" in answer, answer
    await peer.accept(answer["ok"]["sdp"])
    await asyncio.wait_for(peer.connected.wait(), 30)


@pytest.mark.usefixtures("loopback_ice")
async def test_a_visitor_calls_a_queue_and_reaches_nothing_else(desk: Desk) -> None:
    async with AsyncExitStack() as stack:
        visitor, other = await desk.visitor(stack), await desk.visitor(stack)
        status, now = await desk.get("/desk?queue=sales&language=es")
        assert (status, now["title"], now["open"], now["there"], now["waiting"]) == (200, "Ventas", True, True, 0)
        said = {"name": "Luz <b>x</b>", "reason": "card 4111 1111 1111 1111", "page": SITE + "/tours"}
        call_id = (await visitor.ask("visit.call", {"said": said}))["ok"]["call_id"]
        speaks = await stack.enter_async_context(BrowserPeer(ToneTrack(VISITOR_HZ)))
        await talks(visitor, "visit.offer", call_id, speaks)
        ringing = await state_of(desk.agent, "call.state", call_id=call_id, state="ringing", came="queue")
        facts = ringing["centre"]["facts"]
        assert (ringing["name"], ringing["private"], ringing["centre"]["entry"]) == ("", True, "web")
        assert facts["visitor_name"] == "Luz <b>x</b>" and "4111" not in facts["visitor_reason"] and facts["visitor_page"] == said["page"]
        await state_of(visitor, "visit.state", state="waiting", position=1)

        answers = await stack.enter_async_context(BrowserPeer(ToneTrack(AGENT_HZ)))
        await talks(desk.agent, "peer.offer", call_id, answers)
        assert "ok" in await desk.agent.ask("call.accept", {"call_id": call_id})
        await state_of(visitor, "visit.state", state="talking")
        await asyncio.gather(hears(speaks, AGENT_HZ), hears(answers, VISITOR_HZ))
        assert "ok" in await visitor.ask("visit.digits", {"call_id": call_id, "digits": "5"})
        assert (await state_of(desk.agent, "call.digit", call_id=call_id))["digit"] == "5"

        refused = {name: await visitor.ask(name, body) for name, body in BEYOND.items()}
        assert {name: answer["error"]["code"] for name, answer in refused.items()} == dict.fromkeys(BEYOND, "forbidden")
        foreign = await other.ask("visit.offer", {"call_id": call_id, "peer_id": "x", "sdp": "v=0"})
        assert foreign["error"]["code"] == "unknown_call"
        await other.ask("visit.hang_up", {"call_id": call_id})

        again = await stack.enter_async_context(BrowserPeer(ToneTrack(VISITOR_HZ)))
        await talks(visitor, "visit.offer", call_id, again)
        await asyncio.gather(hears(again, AGENT_HZ), hears(answers, VISITOR_HZ))
        assert "ok" in await desk.agent.ask("call.hang_up", {"call_id": call_id})
        assert (await state_of(visitor, "visit.state", state="ended"))["reason"] == "completed"


BEYOND: dict[str, dict[str, Any]] = {
    "call.dial": {"number": "600"},
    "call.accept": {"call_id": "x"},
    "room.list": {},
    "presence.watch": {},
    "queues.watch": {},
    "chat.overview": {},
}


async def test_a_visitor_writes_with_whom_the_queue_is_of(desk: Desk) -> None:
    async with AsyncExitStack() as stack:
        said = {"name": "Luz", "reason": "a tour", "page": SITE}
        status, made = await desk.post("/chats", {"queue": "sales", "said": said, "language": "en"})
        assert status == 201
        visitor = await stack.enter_async_context(guest(desk.server.url, made["link"]))
        room = {"room_id": made["room_id"]}
        assert "ok" in await visitor.ask("room.join", room)
        assert "ok" in await visitor.ask("chat.message", {**room, "message_id": uuid4().hex, "text": "Hello?"})

        invited = await desk.agent.told("room.invited")
        assert [notice["room"]["name"] for notice in invited] == ["Web · sales · «Luz»"]
        assert '"reason":"a tour"' in invited[0]["room"]["metadata"]
        assert "ok" in await desk.agent.ask("room.join", room)
        assert [each["text"] for each in (await desk.agent.ask("chat.history", room))["ok"]["messages"]] == ["Hello?"]
        assert "ok" in await desk.agent.ask("chat.message", {**room, "message_id": uuid4().hex, "text": "Good morning"})
        assert (await state_of(visitor, "chat.message", text="Good morning"))["sender"] == desk.server.user
        assert "ok" in await desk.agent.ask("visit.invite", room)
        assert (await state_of(visitor, "visit.invited"))["room_id"] == made["room_id"]
        elsewhere = await visitor.ask("visit.call", {"chat": made["link"]})
        assert elsewhere["error"]["code"] == "forbidden", "a chat's token calls nobody: a call has its own"

        caller = await desk.visitor(stack)
        call_id = (await caller.ask("visit.call", {"chat": made["link"]}))["ok"]["call_id"]
        await state_of(desk.agent, "call.state", call_id=call_id, state="ringing")
        await state_of(caller, "visit.state", state="ringing")
        assert "ok" in await caller.ask("visit.hang_up", {"call_id": call_id})
        await state_of(desk.agent, "call.state", call_id=call_id, state="ended")


async def test_who_was_asked_is_told_that_somebody_took_the_chat_or_that_the_visitor_went(
    tmp_path: Path, desk_settings: dict[str, dict[str, Any]]
) -> None:
    settings = {**desk_settings, "widget": {"sites": [SITE], "chat_answer_s": 1}}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(tmp_path, settings))
        await server.process.said("plan.taken", 120)
        async with store_of(server.data_dir) as store:
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            await store.people.save_user("bea", name="Bea", role="agent", password_hash=hashed)
        ana = await stack.enter_async_context(page(server.url, server.user, server.password))
        http = await stack.enter_async_context(ClientSession())
        desk = Desk(server=server, agent=ana, http=http)
        made = (await desk.post("/chats", {"queue": "sales", "said": {"name": "Luz"}, "language": "en"}))[1]
        room = {"room_id": made["room_id"]}
        assert (await ana.told("room.invited"))[0]["room"]["room_id"] == made["room_id"], "nobody else is there"
        visitor = await stack.enter_async_context(guest(desk.server.url, made["link"]))
        assert "ok" in await visitor.ask("room.join", room)
        # That somebody came is looked at once a second: their going is told of whom the server has seen.
        bea = await stack.enter_async_context(page(server.url, "bea", PASSWORD))
        assert (await bea.told("room.invited"))[0]["room"]["room_id"] == made["room_id"], "Ana did not come in time"
        assert "ok" in await visitor.ask("room.leave", room)
        for agent in (ana, bea):
            assert (await state_of(agent, "visit.waits", waits=False)).items() >= {**room, "by": ""}.items()
        assert "ok" in await visitor.ask("room.join", room)
        for agent in (ana, bea):
            await state_of(agent, "visit.waits", waits=True)
        assert "ok" in await bea.ask("room.join", room)
        assert (await state_of(ana, "visit.waits", by="Bea")).items() >= {**room, "waits": False}.items()
        assert [notice["by"] for notice in await bea.told("visit.waits", 2)] == ["", ""], "who took it is told nothing"


async def test_a_call_back_is_judged_kept_once_and_bounded(desk: Desk) -> None:
    await only_named_sites_hold_the_frame(desk)

    def wish(number: str, idem: str) -> dict[str, Any]:
        return {"queue": "sales", "number": number, "consent": "Call me.", "idem": idem, "said": {"name": "Luz"}, "language": "es"}

    seen = (await desk.get("/number?number=600 111 222"))[1]
    assert seen == {"display": "600 11 12 22", "e164": "+34600111222", "code": "", "message": ""}
    for number, code, told in (("100", "not_a_number", 422), ("806 111 222", "number_not_allowed", 403), ("hello", "not_a_number", 422)):
        assert (await desk.get(f"/number?number={number}"))[1]["code"] == code
        status, refused = await desk.post("/call-backs", wish(number, uuid4().hex))
        assert (status, refused["error"]["code"]) == (told, code)
    idem = uuid4().hex
    status, made = await desk.post("/call-backs", wish("600 111 222", idem))
    assert (status, made) == (201, {"number": "600 11 12 22", "at": None})
    offered = await state_of(desk.agent, "call.state", came="call_back", state="ringing")
    assert (offered["number"], offered["name"]) == ("+34600111222", "«Luz»")
    assert (await desk.post("/call-backs", wish("600 111 222", idem)))[0] == 201
    backs = (await desk.agent.ask("queues.watch", {}))["ok"]["call_backs"]
    assert [back["number"] for back in backs] == ["+34600111222"], "asked for twice it is one wish"
    status, refused = await desk.post("/call-backs", wish("600 111 333", uuid4().hex))
    assert (status, refused["error"]["code"]) == (429, "too_many_requests")


async def only_named_sites_hold_the_frame(desk: Desk) -> None:
    async with desk.http.get(desk.server.url + "/widget") as response:
        policy = response.headers["Content-Security-Policy"]
        assert f"frame-ancestors {SITE}" in policy and "'unsafe" not in policy
        assert "Set-Cookie" not in response.headers
    async with desk.http.get(desk.server.url + "/widget.js") as response:
        script = await response.text()
        assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin" and f'["{SITE}"]' in script
        assert len(script.encode()) <= 5_000
    async with desk.http.get(desk.server.url + "/") as response:
        assert SITE not in response.headers["Content-Security-Policy"]
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
