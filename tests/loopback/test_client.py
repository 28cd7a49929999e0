"""The client against a running server and against one that is away or slow; the examples of docs/rest.md as they stand there."""

import asyncio
import re
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.client import Client, Refused
from tests.kit.server import running_server
from tests.loopback.test_customer_forgotten import administrator

EXAMPLES = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs/rest.md").read_text(), re.DOTALL)
PROBLEM = {"title": "no", "detail": "Wait a little.", "error": {"code": "too_many_requests", "retry_after": 0.01}}


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.part")]


async def test_the_examples_run_as_they_stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(EXAMPLES) == 5
    async with running_server(tmp_path) as server, administrator(server, tmp_path) as http:
        body = {"identity": "adm", "name": "reports"}
        async with http.post("/api/v1/keys", json=body) as answer:
            assert answer.status == 201, await answer.text()
            key = (await answer.json())["key"]
        capsys.readouterr()
        known: dict[str, Any] = {"url": server.url, "key": key, "folder": tmp_path, "Client": Client, "Refused": Refused, "Path": Path}
        for example in EXAMPLES:
            source = "async def run():\n    global found\n" + textwrap.indent(example, "    ")
            exec(compile(source, "docs/rest.md", "exec"), known)
            await known["run"]()
        said = capsys.readouterr().out.splitlines()
        assert said[:3] == ["Arroyo", "True 1", "412"] and said[-1] == "400 bad_message", said
        assert (tmp_path / "calls.csv").read_text().startswith("cursor,") and left(tmp_path) == []


class Moody:
    """A server that answers with these statuses in turn, and then well; 0: the line breaks."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked: list[tuple[str, str, str]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.headers.get("Idempotency-Key", ""), request.rel_url.raw_query_string))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
            raise web.HTTPServiceUnavailable
        if status == 200:
            return web.json_response({"done": True}, headers={"ETag": '"7"'})
        if status == 502:
            return web.Response(status=502, text="<html>no server</html>")
        return web.json_response(PROBLEM, status=status, content_type="application/problem+json")

    @asynccontextmanager
    async def asking(self, patience_s: float = 30.0) -> AsyncIterator[Client]:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self.answer)
        async with TestServer(app) as server, Client(str(server.make_url("/")), "k", patience_s=patience_s) as client:
            yield client


async def test_what_does_no_harm_is_asked_again() -> None:
    server = Moody(503, 429, 502, 0)
    async with server.asking() as client:
        answer = await client.ask("GET", "/contacts", query={"q": "a b", "bad": True, "from_": None})
    assert (answer.status, answer.body, answer.seen) == (200, {"done": True}, '"7"')
    assert server.asked == [("GET", "", "q=a+b&bad=true")] * 5


async def test_what_may_be_done_twice_is_asked_once_unless_it_has_a_key() -> None:
    for status, code in ((503, "too_many_requests"), (502, "")):
        server = Moody(status)
        async with server.asking() as client:
            with pytest.raises(Refused) as refused:
                await client.patch("/contacts", {})
        assert (refused.value.status, refused.value.code, len(server.asked)) == (status, code, 1)
    broken = Moody(0)
    async with broken.asking() as client:
        with pytest.raises(ConnectionError, match="does not answer"):
            await client.patch("/contacts", {})
    keyed = Moody(503, 0)
    async with keyed.asking() as client:
        assert await client.post("/bookings", {}, once="wish 1") == {"done": True}
    assert keyed.asked == [("POST", "wish 1", "")] * 3
    drawn = Moody(503)
    async with drawn.asking() as client:
        await client.post("/bookings", {})
        await client.post("/bookings", {})
    keys = [key for _, key, _ in drawn.asked]
    assert keys[0] == keys[1] != keys[2] and all(keys), "a key for each wish"


async def test_a_refusal_is_told_at_once_and_patience_ends() -> None:
    server = Moody(404)
    async with server.asking() as client:
        with pytest.raises(Refused, match="Wait a little"):
            await client.get("/contacts/none")
    assert len(server.asked) == 1
    away = Moody(*[503] * 100)
    async with away.asking(patience_s=0.5) as client:
        with pytest.raises((Refused, ConnectionError)):
            await client.get("/contacts")
    assert 1 <= len(away.asked) < 5


async def test_pages_are_read_to_their_end_and_events_from_a_cursor() -> None:
    pages = {"": (["a", "b"], "2"), "2": (["c"], None)}

    async def entries(request: web.Request) -> web.Response:
        found, following = pages[request.query.get("cursor", "")]
        return web.json_response({"calls": found, "next": following})

    async def events(request: web.Request) -> web.Response:
        at = int(request.query["cursor"])
        found = [{"cursor": at + number} for number in (1, 2)]
        return web.json_response({"events": found, "next": str(at + 2), "more": True})

    app = web.Application()
    app.router.add_get("/api/v1/calls", entries)
    app.router.add_get("/api/v1/events", events)
    async with TestServer(app) as server, Client(str(server.make_url("/")), "k") as client:
        assert [call async for call in client.each("/calls", "calls")] == ["a", "b", "c"]
        heard: list[str] = []
        async with asyncio.timeout(30):
            async for cursor, _ in client.follow("4"):
                heard.append(cursor)
                if len(heard) == 5:
                    break
    assert heard == ["5", "6", "7", "8", "9"]
