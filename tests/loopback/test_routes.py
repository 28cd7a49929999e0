"""The HTTP side, served for real: sign-in, pages, health, metrics, and clients that misbehave."""

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web

from api.identity.routes import IdentityRoutes
from api.metrics import Metrics
from api.page_files import PageFiles
from api.routes import KEEP_ALIVE_S, Health, Neighbours, PartHealth, make_app, make_runner
from signaling.addresses import networks
from signaling.tokens import TokenIssuer
from tests.kit.people import ana, known_by, signing

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")


def _health(parts: dict[str, PartHealth]) -> Health:
    async def health() -> dict[str, PartHealth]:
        return parts

    return health


class Site:
    def __init__(self, url: str, http: ClientSession, metrics: Metrics, parts: dict[str, PartHealth]) -> None:
        self.url, self.http, self.metrics, self.parts = url, http, metrics, parts

    async def get(self, path: str, **headers: str) -> ClientResponse:
        answer = await self.http.get(self.url + path, headers=headers)
        await answer.read()
        return answer

    async def sign_in(self, body: Any = None, **headers: str) -> tuple[ClientResponse, Any]:
        kind = {"data": body} if isinstance(body, bytes) else {"json": body}
        headers = {"Content-Type": "application/json", **headers}
        async with self.http.post(self.url + "/api/v1/sign-in", headers=headers, **kind) as answer:
            return answer, await answer.json(content_type=None)


@pytest.fixture
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """Its parameter is how long it waits for a client. Whoever waits for less than a test takes closes connections under its requests."""
    async with AsyncExitStack() as stack:
        metrics = await stack.enter_async_context(Metrics())
        people = await stack.enter_async_context(
            # Who guessed waits by a clock that stands still: a second is soon over on a busy machine.
            signing(tmp_path, TOKENS, ana(), on_sign_in=metrics.signed_in, clock=lambda: 1_000.0)
        )
        identity = people.identity
        parts = {"media": PartHealth(True)}
        neighbours = Neighbours(trusted_proxies=networks(["127.0.0.1/32"]), metrics_from=networks(["127.0.0.0/8"]))
        app = make_app(identity.accounts.identify, metrics, _health(parts), network=neighbours)
        IdentityRoutes(identity.accounts, identity.users, TOKENS, address_of=neighbours.address_of, https=False).add_to(app)
        runner = make_runner(app, patience_s=getattr(request, "param", KEEP_ALIVE_S))
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = await stack.enter_async_context(ClientSession())
        yield Site(f"http://127.0.0.1:{runner.addresses[0][1]}", http, metrics, parts)


async def test_sign_in_gives_a_session(site: Site) -> None:
    answer, session = await site.sign_in({"user": "ana", "password": "correct horse"})
    assert answer.status == 200
    assert TOKENS.verify(session["token"]).identity == "ana"
    assert (session["name"], session["role"]) == ("Ana García", "agent")
    assert 0 < session["expires_at"] - time.time() <= 600
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"user": "ana", "password": "wrong"}, 401, "wrong_password"),
        ({"user": "nobody", "password": "wrong"}, 401, "wrong_password"),
        ({"user": "ana"}, 400, "bad_message"),
        ({"user": "ana", "password": "x", "role": "supervisor"}, 400, "bad_message"),
        ({"user": "ana; drop table", "password": "x"}, 400, "bad_message"),
        ([], 400, "bad_message"),
        (b"{", 400, "bad_message"),
        (b"[" * 10_000, 400, "bad_message"),
        (b'{"user":"ana","password":"' + b"x" * 20_000 + b'"}', 413, "too_large"),
    ],
)
async def test_a_sign_in_that_fails_says_why(site: Site, body: Any, status: int, code: str) -> None:
    answer, problem = await site.sign_in(body)
    assert (answer.status, problem["error"]["code"], problem["status"]) == (status, code, status)
    assert answer.content_type == "application/problem+json"
    assert problem["detail"] == problem["error"]["message"] != ""
    assert f'centralita_refused_requests_total{{code="{code}"}} 1.0' in site.metrics.render().decode()


async def test_a_small_body_that_grows_when_unpacked_is_cut_off(site: Site) -> None:
    bomb = gzip.compress(b'{"user":"' + b"x" * 50_000_000 + b'"}')
    assert len(bomb) < 60_000
    answer, problem = await site.sign_in(bomb[:16_000], **{"Content-Encoding": "gzip"})
    assert (answer.status, problem["error"]["code"]) == (413, "too_large")


async def test_guessing_is_told_how_long_to_wait_by_the_address_behind_our_proxy(site: Site) -> None:
    for _ in range(5):
        await site.sign_in({"user": "ana", "password": "wrong"}, **{"X-Forwarded-For": "6.6.6.6, 192.0.2.1"})
    answer, problem = await site.sign_in({"user": "ana", "password": "wrong"}, **{"X-Forwarded-For": "7.7.7.7, 192.0.2.1"})
    assert (answer.status, problem["error"]["code"]) == (429, "too_many_requests")
    assert problem["error"]["retry_after"] == 1.0
    assert int(answer.headers["Retry-After"]) in (1, 2)
    other, _ = await site.sign_in({"user": "ana", "password": "correct horse"}, **{"X-Forwarded-For": "192.0.2.2"})
    assert other.status == 200


async def test_a_form_of_another_site_cannot_sign_in(site: Site) -> None:
    answer, problem = await site.sign_in(b'{"user":"ana","password":"correct horse"}', **{"Content-Type": "text/plain"})
    assert (answer.status, problem["error"]["code"]) == (400, "bad_message")


async def test_the_page_allows_its_import_map_and_nothing_else_inline(site: Site) -> None:
    first, second = await site.get("/"), await site.get("/")
    nonces = []
    for answer in (first, second):
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
        (nonce,) = set(re.findall(r"nonce-([\w-]+)'", policy))
        assert f'<script type="importmap" nonce="{nonce}">' in page
        assert "unsafe" not in policy
        assert "{{" not in page
        assert f"connect-src 'self' ws://{site.url.removeprefix('http://')};" in policy
        nonces.append(nonce)
    assert nonces[0] != nonces[1]
    assert first.headers["Cache-Control"] == "no-store"
    for name in ("X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Permissions-Policy"):
        assert name in first.headers
    assert "microphone=(self)" in first.headers["Permissions-Policy"]
    assert "Server" not in first.headers


async def test_every_file_that_the_page_names_is_there_for_ever(site: Site) -> None:
    page = await (await site.get("/")).text()
    named = sorted(set(re.findall(r'"(/static/[^"]+)"', page)))
    assert len(named) > 5
    for path in named:
        answer = await site.get(path)
        assert answer.status == 200, path
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        kind = {"mjs": "text/javascript", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[path.rpartition(".")[2]]
        assert answer.content_type == kind
        assert answer.headers["Content-Encoding"] == "gzip"
    stale = await site.get(named[0].replace(PageFiles().hash, "0" * 16))
    assert (stale.status, stale.headers["Cache-Control"]) == (200, "no-store")


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/static/x/none.js", "/static/x/index.html", "/static/x/../../config.py", "/static/x/%2e%2e/config.py", "/static/x/js/"],
)
async def test_what_is_not_there_is_a_problem_without_details(site: Site, path: str) -> None:
    answer = await site.get(path)
    assert answer.status == 404
    problem = await answer.json(content_type="application/problem+json")
    assert problem["error"]["code"] == "not_found"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_wrong_method_is_told_which_is_right(site: Site) -> None:
    answer = await site.get("/api/v1/sign-out")
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"


async def test_health_says_which_part_is_ill_and_why(site: Site) -> None:
    assert (await site.get("/api/v1/health/live")).status == 200
    well = await site.get("/api/v1/health/ready")
    assert (well.status, await well.json()) == (200, {"ready": True, "parts": {"media": {"ready": True, "detail": ""}}})
    site.parts["pbx"] = PartHealth(False, "The PBX refused our password.")
    ill = await site.get("/api/v1/health/ready")
    assert ill.status == 503
    assert (await ill.json())["parts"]["pbx"] == {"ready": False, "detail": "The PBX refused our password."}
    assert (await site.get("/api/v1/health/live")).status == 200


async def test_metrics_are_for_those_who_may(site: Site) -> None:
    answer = await site.get("/metrics")
    assert answer.status == 200
    assert "centralita_calls_live" in await answer.text()
    assert (await site.get("/metrics", **{"X-Forwarded-For": "192.0.2.1"})).status == 403


@pytest.mark.parametrize("site", [0.2], indirect=True)
async def test_a_client_that_dawdles_over_its_request_is_dropped(site: Site) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_never_ends_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.bodies.BODY_WITHIN_S", 0.1)
    host, port = site.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/v1/sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
    assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 408")
    await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()


async def test_a_route_that_names_no_permission_keeps_the_server_from_starting() -> None:
    async def nothing(_request: web.Request) -> web.Response:
        return web.Response()

    async with Metrics() as metrics:
        app = make_app(known_by(TOKENS), metrics, _health({}))
        app.router.add_get("/api/forgotten", nothing)
        runner = make_runner(app)
        with pytest.raises(LookupError, match="/api/forgotten"):
            await runner.setup()
        await runner.cleanup()
