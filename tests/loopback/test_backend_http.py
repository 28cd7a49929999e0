"""HTTP towards backends: what comes back is bounded, and nothing leads where it should not."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.backends.credentials import SharedSecret
from api.backends.http import BackendHttp, client_credentials
from api.backends.protocols import BackendFault
from api.backends.signature import ReplayWindow

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Somebody:
    """A server whose one answer a test sets."""

    def __init__(self) -> None:
        self.answer: Answer = says({})
        self.asked: list[web.Request] = []

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)


def says(body: object, status: int = 200, **headers: str) -> Answer:
    text, sent = body if isinstance(body, bytes) else json.dumps(body).encode(), {"Content_Type": "application/json"} | headers

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=text, status=status, headers={name.replace("_", "-"): value for name, value in sent.items()})

    return answer


@pytest.fixture
async def somebody() -> Somebody:
    return Somebody()


@pytest.fixture
async def http(somebody: Somebody) -> AsyncIterator[BackendHttp]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", somebody.take)
    async with TestServer(app) as server, BackendHttp(f"http://127.0.0.1:{server.port}/api", allow_private=True) as http:
        yield http


async def cause_of(asking: Awaitable[object]) -> str:
    with pytest.raises(BackendFault) as caught:
        await asking
    return caught.value.cause


async def test_what_is_asked_arrives_as_it_was_meant(http: BackendHttp, somebody: Somebody) -> None:
    somebody.answer = says({"items": []})
    answer = await http.ask("GET", "/people", params={"phone": "+34 600&admin=1"}, headers={"X-Key": "k"})
    assert answer.demand().json() == {"items": []}
    (request,) = somebody.asked
    assert (request.path, dict(request.query), request.headers["X-Key"]) == ("/api/people", {"phone": "+34 600&admin=1"}, "k")


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (says({}, 500), "unreachable"),
        (says({}, 401), "refused"),
        (says({}, 429), "rate_limited"),
        (says({}, 503, Retry_After="7"), "rate_limited"),
        (says(b" " * 300_000), "too_large"),
        (says(gzip.compress(b"{}"), Content_Encoding="gzip"), "invalid"),
        (says({}, 302, Location="https://elsewhere.example/"), "refused"),
        (says({}, 302, Location="http://[::1"), "invalid"),
        (says({}, 302, Location="/api/again"), "refused"),
    ],
)
async def test_what_is_wrong_is_named(http: BackendHttp, somebody: Somebody, answer: Answer, cause: str) -> None:
    somebody.answer = answer
    assert await cause_of(http.ask("GET", "/x")) == cause


async def test_an_endless_answer_ends_at_its_bound(http: BackendHttp, somebody: Somebody) -> None:
    async def on_and_on(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except ConnectionResetError:
            return response

    somebody.answer = on_and_on
    assert await cause_of(http.ask("GET", "/x")) == "too_large"


async def test_a_connection_that_is_dropped_is_told(http: BackendHttp, somebody: Somebody) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    somebody.answer = drop
    assert await cause_of(http.ask("GET", "/x")) == "unreachable"


@pytest.mark.parametrize("body", [b"<html>", b"[" * 5_000, b"[" * 40 + b"]" * 40, b"\xff"])
async def test_what_is_no_json_or_too_deep_is_invalid(http: BackendHttp, somebody: Somebody, body: bytes) -> None:
    somebody.answer = says(body)
    answer = await http.ask("GET", "/x")
    with pytest.raises(BackendFault, match="invalid"):
        answer.json()


async def test_a_wait_is_read_as_seconds_or_as_a_date_of_their_own_clock(http: BackendHttp, somebody: Somebody) -> None:
    said = {"Retry_After": "Mon, 01 Jan 2001 00:01:30 GMT", "Date": "Mon, 01 Jan 2001 00:00:00 GMT"}
    somebody.answer = says({}, 429, **said)
    with pytest.raises(BackendFault) as caught:
        await http.ask("GET", "/x")
    assert caught.value.retry_after_s == 90.0


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "http://localhost:1", "http://[::ffff:10.0.0.1]", "http://169.254.169.254/"])
async def test_addresses_inside_are_for_those_alone_who_may(base: str) -> None:
    async with BackendHttp(base) as http:
        assert await cause_of(http.ask("GET", "/x")) == "refused"


async def test_metadata_of_a_cloud_is_for_nobody() -> None:
    async with BackendHttp("http://169.254.169.254/", allow_private=True) as http:
        assert await cause_of(http.ask("GET", "/latest/meta-data")) == "refused"


async def test_who_is_not_there_is_unreachable() -> None:
    async with BackendHttp("http://127.0.0.1:1", allow_private=True) as http:
        assert await cause_of(asyncio.wait_for(http.ask("GET", "/x"), 30)) == "unreachable"


@pytest.mark.parametrize("kind", ["text/html", "", "application/javascript"])
async def test_what_is_not_sent_as_json_is_none(http: BackendHttp, somebody: Somebody, kind: str) -> None:
    somebody.answer = says({}, Content_Type=kind)
    with pytest.raises(BackendFault, match="JSON was asked for"):
        (await http.ask("GET", "/people")).json()


async def test_what_is_written_is_not_sent_elsewhere(http: BackendHttp, somebody: Somebody) -> None:
    somebody.answer = says({}, 307, Location="/api/elsewhere")
    assert (await http.ask("POST", "/people", json={"name": "x"})).status == 307
    assert len(somebody.asked) == 1


async def test_a_redirect_on_the_same_host_is_followed(http: BackendHttp, somebody: Somebody) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await (says({"here": True}) if request.path == "/api/new" else says({}, 301, Location="/api/new"))(request)

    somebody.answer = answer
    assert (await http.ask("GET", "/old")).json() == {"here": True}


async def test_a_token_is_got_once_and_renewed_where_it_is_not_taken_any_more(http: BackendHttp, somebody: Somebody) -> None:
    granted: list[str] = []
    good = {"Bearer t1"}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/token":
            granted.append(f"{request.headers['Authorization']} {dict(await request.post())}")
            return await says({"access_token": f"t{len(granted)}", "token_type": "bearer", "expires_in": 3600})(request)
        return await says({}, 200 if request.headers.get("Authorization") in good else 401)(request)

    somebody.answer = answer
    async with (
        BackendHttp(f"{http.base}/token", allow_private=True) as tokens,
        BackendHttp(http.base, client_credentials(tokens, "us & co", "s/3", "read"), allow_private=True) as asked,
    ):
        await asyncio.gather(asked.ask("GET", "/a"), asked.ask("GET", "/b"))
        assert len(granted) == 1
        good = {"Bearer t2"}
        await asyncio.gather(asked.ask("GET", "/a"), asked.ask("GET", "/b"))
        assert len(granted) == 2
        good = set()
        assert await cause_of(asked.ask("GET", "/a")) == "refused"
        assert len(granted) == 3
    basic = base64.b64encode(b"us%20%26%20co:s%2F3").decode()
    assert granted[0] == f"Basic {basic} " + str({"grant_type": "client_credentials", "scope": "read"})


@pytest.mark.parametrize("token", [{"token": "x"}, {"access_token": "x", "token_type": "mac"}, {"access_token": "x\r\nX-Evil: 1"}])
async def test_what_is_no_bearers_token_is_not_used(http: BackendHttp, somebody: Somebody, token: dict[str, str]) -> None:
    somebody.answer = says(token)
    async with BackendHttp(http.base, client_credentials(http, "us", "s"), allow_private=True) as asked:
        assert await cause_of(asked.ask("GET", "/a")) == "refused"


async def test_requests_are_signed_as_they_are_sent(http: BackendHttp, somebody: Somebody) -> None:
    somebody.answer = says({})
    async with BackendHttp(http.base, SharedSecret(b"s" * 32, "us", now=lambda: 1_800_000_000.0), allow_private=True) as asked:
        await asked.ask("POST", "/people/a%2Fb", params={"phone": "+34 600"}, json={"name": "José"})
    (request,) = somebody.asked
    window, target = ReplayWindow(), "/api/people/a%2Fb?phone=%2B34%20600"
    assert (request.raw_path, request.headers["X-Centralita-Key"]) == (target, "us")
    window.check(
        request.headers,
        "POST",
        target,
        json.dumps({"name": "José"}, ensure_ascii=False, separators=(",", ":")).encode(),
        [b"s" * 32],
        1_800_000_000.0,
    )
