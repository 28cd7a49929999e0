"""A few routes that answer like a 3CX, served for real: for what the client does when things go wrong. Everything is told by attributes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

from aiohttp import WSMsgType, web

from pbx.threecx.settings import ThreeCxSettings


class SmallPbx:
    """``legs``: by (DN, participant id), as they are shown. ``answers``: a handler in place of what would answer, by (method, path)."""

    def __init__(self) -> None:
        self.url = ""
        self.legs: dict[tuple[str, int], dict[str, Any]] = {}
        self.tables: dict[str, list[dict[str, Any]]] = {}
        """Of XAPI, by path; ``PATCH /Users(ID)`` changes a row of ``/Users``."""
        self.changes: list[tuple[str, dict[str, Any]]] = []
        self._moved = asyncio.Event()
        self.answers: dict[tuple[str, str], Callable[[web.Request], Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.tokens = 0
        self.stolen = False
        self.expires_in: object = 3_600
        self.token_status = 200
        self.sockets: list[web.WebSocketResponse] = []
        self.connected = asyncio.Event()
        self._sequence = 0

    def settings(self, *more: str, **changed: Any) -> ThreeCxSettings:
        quick = {"first_retry_s": 0.01, "longest_retry_s": 0.05, "connect_s": 5.0}
        return ThreeCxSettings((*more, self.url), "870", "secret", **(quick | changed))

    def count(self, method: str, path: str) -> int:
        return self.asked.count((method, path))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Looks again with every request: for a client that asks on and on."""
        async with asyncio.timeout(30):
            while not holds():
                self._moved.clear()
                await self._moved.wait()

    async def tell(self, event_type: int, entity: str, data: object = None, sequence: int | None = None) -> None:
        """An event to every socket that is open."""
        self._sequence += 1
        frame = {"sequence": sequence or self._sequence, "event": {"event_type": event_type, "entity": entity, "attached_data": data}}
        for socket in self.sockets:
            await socket.send_str(json.dumps(frame))

    async def drop_sockets(self) -> None:
        self.connected.clear()
        for socket in tuple(self.sockets):
            await socket.close()

    # ------------------------------------------------------------------

    async def _any(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        self.asked.append((request.method, path))
        self._moved.set()
        special = self.answers.get((request.method, path))
        if path == "/connect/token":
            return await self._token(request) if special is None else await _given(special, request)
        if self.stolen or request.headers.get("Authorization") != f"Bearer token-{self.tokens}":
            return web.Response(status=401)
        if special is not None:
            return await _given(special, request)
        if path == "/callcontrol/ws":
            return await self._socket(request)
        if path.startswith("/xapi/v1/"):
            return await self._xapi(request, unquote(path.removeprefix("/xapi/v1")))
        parts = path.strip("/").split("/")
        if path == "/callcontrol":
            dns = sorted({dn for dn, _ in self.legs} | {"870"})
            return web.json_response([{"dn": dn, "type": "Wroutepoint", "participants": self._of(dn)} for dn in dns])
        if len(parts) == 3 and parts[2] == "participants":
            return web.json_response(self._of(parts[1]))
        if len(parts) == 4 and parts[2] == "participants" and (parts[1], int(parts[3])) in self.legs:
            return web.json_response(self.legs[parts[1], int(parts[3])])
        return web.json_response({"reasontext": "not here"}, status=404)

    async def _xapi(self, request: web.Request, path: str) -> web.Response:
        if request.method == "PATCH":
            values = await request.json()
            self.changes.append((path, values))
            name, _, key = path.rstrip(")").partition("(")
            next(row for row in self.tables[name] if str(row["Id"]) == key).update(values)
            return web.Response(status=204)
        rows = self.tables.get(path.partition("GetCallLogData(")[0].partition("(cdrId=")[0])
        if rows is None:
            return web.json_response({"error": {"code": "", "message": "no such entity"}}, status=404)
        if path in ("/SystemStatus", "/LicenseStatus") or "(cdrId='" in path:
            return web.json_response(rows[0])
        begin, count = int(request.query.get("$skip", 0)), int(request.query.get("$top", 1_000))
        return web.json_response({"value": rows[begin : begin + count]})

    def _of(self, dn: str) -> list[dict[str, Any]]:
        return [leg for (whose, _), leg in self.legs.items() if whose == dn]

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.token_status != 200 or form["client_secret"] != "secret":
            return web.json_response({"error": "invalid_client"}, status=401 if self.token_status == 200 else self.token_status)
        self.tokens += 1
        return web.json_response({"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": self.expires_in})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        self.connected.set()
        try:
            async for message in socket:
                assert message.type is not WSMsgType.TEXT
        finally:
            self.sockets.remove(socket)
        return socket


async def _given(handler: Callable[[web.Request], Any], request: web.Request) -> web.StreamResponse:
    answer = handler(request)
    return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def small_pbx() -> AsyncIterator[SmallPbx]:
    pbx = SmallPbx()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pbx._any)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pbx.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield pbx
    finally:
        await runner.cleanup()
