"""A door in the way to an HTTP server, which breaks requests as a test says: the ``breaks`` and ``asked`` of the backends' contract."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, web
from aiohttp.test_utils import TestServer
from yarl import URL

_PATIENCE_S = 60.0
_AS_IT_STANDS = frozenset({"content-length", "transfer-encoding", "connection"})


class BackendDoor:
    """``async with``. ``base``: the door's address; ``target``: of the server behind it, which is named as if nothing stood in the way.

    ``asked``: requests so far; ``methods``: of those that are over.
    """

    def __init__(self, target: str) -> None:
        self._target = target.rstrip("/")
        self._how = ""
        self._skip = self._times = 0
        self._over = asyncio.Event()
        self._answered_one = asyncio.Condition()
        self.asked = 0
        self.methods: list[str] = []

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._server = TestServer(app)
        await self._server.start_server()
        self.base = f"http://127.0.0.1:{self._server.port}{URL(self._target).path.rstrip('/')}"
        self._http = ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=60), auto_decompress=False)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._over.set()
        await self._http.close()
        await self._server.close()

    def breaks(self, how: str, times: int = 1_000, *, skip: int = 0) -> None:
        """``hang``, ``drop``, ``drop_after`` (of those that write), ``skew`` or a key of ``_ANSWERS``; empty: nothing more. The first
        ``skip`` requests are let through."""
        self._how, self._times, self._skip = how, times, skip

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Returns when this is so; looked at after each request."""
        async with asyncio.timeout(_PATIENCE_S), self._answered_one:
            await self._answered_one.wait_for(is_so)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        writes = request.method not in ("GET", "HEAD")
        try:
            return await self._answered(request, writes)
        finally:
            async with self._answered_one:
                self.methods.append(request.method)
                self._answered_one.notify_all()

    async def _answered(self, request: web.Request, writes: bool) -> web.StreamResponse:
        how = self._now_broken() if writes or self._how != "drop_after" else ""
        if how == "hang":
            await self._over.wait()
            return self._dropped(request)
        if how == "drop":
            return self._dropped(request)
        if how and how not in ("drop_after", "skew"):
            return _broken(how)
        response = await self._passed_on(request)
        if how == "drop_after":
            return self._dropped(request)
        if how == "skew":
            response.headers["Date"] = "Thu, 01 Jan 1998 00:00:00 GMT"
        return response

    def _now_broken(self) -> str:
        if not self._how or self._times <= 0:
            return ""
        if self._skip:
            self._skip -= 1
            return ""
        self._times -= 1
        return self._how

    def _dropped(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def _passed_on(self, request: web.Request) -> web.Response:
        near, far = str(URL(self.base).origin()), str(URL(self._target).origin())
        headers = {
            name: value.replace(near, far) for name, value in request.headers.items() if name.lower() not in ("host", *_AS_IT_STANDS)
        }
        url, body = URL(far + request.raw_path, encoded=True), await request.read()
        async with self._http.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
            told: dict[str, Any] = {name: value for name, value in answer.headers.items() if name.lower() not in _AS_IT_STANDS}
            return web.Response(status=answer.status, headers=told, body=await answer.read())


_DATED = {"Date": "Sun, 22 Nov 1998 10:00:00 GMT", "Retry-After": "Sun, 22 Nov 1998 10:00:07 GMT"}
_ANSWERS: dict[str, tuple[int, str, dict[str, str]]] = {
    "500": (500, "{}", {}),
    "429": (429, "{}", {"Retry-After": "7"}),
    "429_date": (429, "{}", _DATED),
    "503": (503, "{}", {"Retry-After": "7"}),
    "no_json": (200, '{"data": [', {}),
    "wrong": (200, '{"data": 7, "items": {}, "people": "none"}', {}),
    "html": (200, "<h1>Sign in</h1>", {"Content-Type": "text/html"}),
    "huge": (200, "[" + " " * 10_000_000 + "]", {}),
    "deep": (200, "[" * 5_000 + "]" * 5_000, {}),
    "denied": (401, "{}", {}),
    "elsewhere": (302, "{}", {"Location": "http://127.0.0.1:1/"}),
}


def _broken(how: str) -> web.Response:
    status, text, headers = _ANSWERS[how]
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": "application/json"} | headers)
