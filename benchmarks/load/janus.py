"""Janus (Debian: ``janus``), told of browsers over its HTTP interface: its echo test (forwarding) or its audio bridge (mixing).

It gathers no loopback address, so browsers meet it at the machine's first other one; what they say to one another stays inside all the
same. ICE-lite, as ours.
"""

import asyncio
import itertools
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aioice.ice import get_host_addresses

from api.demo_call.process import ChildProcess, free_port
from api.load.browser import Browser
from api.load.streams import Endpoint
from benchmarks.load import process
from benchmarks.load.servers import SERVER_CORE, Side
from benchmarks.report import CannotRun
from media.dtls import Certificate

_FOLDER = Path("/usr/lib/x86_64-linux-gnu/janus")
_ANSWERS_WITHIN_S = 10.0
_TOLD_AT_ONCE = 10
_ATTEMPTS = 100


def outer_address() -> str:
    """The machine's first address that is not loopback. Raises CannotRun where it has none."""
    found = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not found:
        raise CannotRun("this peer uses no loopback address, and the machine has no other")
    return str(found[0])


class Janus:
    """``plugin``: ``echotest``, whose rooms are of one who hears himself, or ``audiobridge`` at 48 kHz."""

    name = "janus"

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin
        self._stack = AsyncExitStack()
        self._certificate = Certificate.create()
        self._child: ChildProcess
        self._session: _Session
        self._rooms = itertools.count(5_000)

    async def __aenter__(self) -> Self:
        program = shutil.which("janus")
        if program is None:
            raise CannotRun("--peer janus: apt install janus")
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = free_port()
            _configure(folder, port)
            command = [program, "-F", str(folder)]
            child = ChildProcess(self.name, command, log=folder / "log", directory=folder)
            self._child = await stack.enter_async_context(child)
            client = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
            self._session = _Session(client, f"http://127.0.0.1:{port}/janus")
            await self._session.begin()
            stack.push_async_callback(self._session.end)
            process.pin(self._child.pid, SERVER_CORE)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    @property
    def pids(self) -> Sequence[int]:
        return [self._child.pid]

    async def room(self, sides: Sequence[Side]) -> list[Endpoint]:
        if self._plugin == "echotest":
            return [await self._connect(side, {"audio": True, "video": False}) for side in sides]
        room = next(self._rooms)
        handle = await self._session.attach(self._plugin)
        await self._session.ask(handle, {"request": "create", "room": room, "sampling_rate": 48_000, "record": False})
        return [await self._connect(side, {"request": "join", "room": room, "muted": False}) for side in sides]

    async def _connect(self, side: Side, body: dict[str, Any]) -> Endpoint:
        handle = await self._session.attach(self._plugin)
        if side.kind != "browser":
            raise CannotRun("Janus is given browsers")

        async def negotiate(offer: str) -> str:
            told = await self._session.ask(handle, body, offer)
            return str(told["jsep"]["sdp"])

        return await Browser(side.codec, self._certificate, outer_address()).connect(negotiate)


class _Session:
    """One session of its interface: requests, and the events that a long poll brings."""

    def __init__(self, client: aiohttp.ClientSession, address: str) -> None:
        self._client, self._address = client, address
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._polling: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Raises CannotRun when nobody listens, soon after the start."""
        for _ in range(_ATTEMPTS):
            try:
                self._address += f"/{(await self._post('', {'janus': 'create'}))['data']['id']}"
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
        else:
            raise CannotRun("Janus does not answer on its HTTP interface")
        self._polling = asyncio.get_running_loop().create_task(self._poll())

    async def end(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])

    async def attach(self, plugin: str) -> int:
        return int((await self._post("", {"janus": "attach", "plugin": f"janus.plugin.{plugin}"}))["data"]["id"])

    async def ask(self, handle: int, body: dict[str, Any], offer: str = "") -> dict[str, Any]:
        """Its answer, or where something is offered the event that brings the answering SDP. Raises CannotRun with its own words."""
        message: dict[str, Any] = {"janus": "message", "body": body, "transaction": secrets.token_hex(8)}
        if offer:
            message["jsep"] = {"type": "offer", "sdp": offer}
        event = self._waiting[message["transaction"]] = asyncio.get_running_loop().create_future()
        told = await self._post(f"/{handle}", message)
        if offer:
            told = await asyncio.wait_for(event, _ANSWERS_WITHIN_S)
            if "jsep" not in told:
                raise CannotRun(f"Janus answered without SDP: {told}")
        del self._waiting[message["transaction"]]
        return told

    async def _post(self, path: str, message: dict[str, Any]) -> dict[str, Any]:
        async with self._client.post(self._address + path, json={"transaction": secrets.token_hex(8), **message}) as response:
            told: dict[str, Any] = await response.json(content_type=None)
        if told.get("janus") == "error":
            raise CannotRun(f"Janus refused: {told['error']}")
        return told

    async def _poll(self) -> None:
        while True:
            async with self._client.get(self._address, params={"maxev": _TOLD_AT_ONCE}) as response:
                told = await response.json(content_type=None)
            for event in told if isinstance(told, list) else [told]:
                waiting = self._waiting.get(event.get("transaction", ""))
                if event.get("janus") == "event" and waiting is not None and not waiting.done():
                    waiting.set_result(event)


def _configure(folder: Path, port: int) -> None:
    (folder / "janus.jcfg").write_text(
        f"""general: {{
            configs_folder = "{folder}"
            plugins_folder = "{_FOLDER / "plugins"}"
            transports_folder = "{_FOLDER / "transports"}"
            events_folder = "{_FOLDER / "events"}"
            loggers_folder = "{_FOLDER / "loggers"}"
            debug_level = 3
        }}
        nat: {{ ice_lite = true
                ice_enforce_list = "{outer_address()}" }}
        plugins: {{ disable = "libjanus_sip.so,libjanus_lua.so,libjanus_duktape.so,libjanus_streaming.so,libjanus_nosip.so" }}
        transports: {{ disable = "libjanus_mqtt.so,libjanus_rabbitmq.so,libjanus_websockets.so,libjanus_pfunix.so" }}
        """
    )
    (folder / "janus.transport.http.jcfg").write_text(
        f"""general: {{ json = "compact", base_path = "/janus", http = true, port = {port}, ip = "127.0.0.1", https = false }}
        admin: {{ admin_http = false, admin_https = false }}
        """
    )
