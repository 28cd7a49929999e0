"""Several real nodes, their Redis, and the pages of their people, for the benchmarks that kill some of them."""

import asyncio
import json
import logging
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import socketio

from api.demo_call.process import ChildProcess
from api.demo_call.server import write_settings
from benchmarks.report import CannotRun

_READY_S = 180.0
_ASKED_S = 20.0
_AGAIN_S = 0.1
_QUIET = logging.getLogger("benchmarks.pages")
_QUIET.setLevel(logging.CRITICAL)


class Redis:
    """A Redis that keeps nothing on disk. ``with``: running."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise CannotRun("redis-server is missing: apt-get install redis-server")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        while b"Ready to accept" not in self._process.stdout.readline():
            if self._process.poll() is not None:
                raise CannotRun("redis-server did not start")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def do(self, command: str) -> str:
        """One command, answered by one line."""
        with socket.create_connection(("127.0.0.1", self.port)) as link:
            link.sendall(command.encode() + b"\r\n")
            return link.recv(4_096).decode()

    def limit_memory(self, most: int = 100_000) -> None:
        """Bytes; 0: no limit."""
        self.do(f"CONFIG SET maxmemory {most}")


@dataclass(frozen=True, slots=True)
class Installation:
    """What all nodes have in common: a folder with their one database, and their secrets."""

    folder: Path
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    factor_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    privacy_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @asynccontextmanager
    async def node(self, name: str, redis_url: str, more: Mapping[str, Mapping[str, Any]] | None = None) -> "AsyncIterator[ServingNode]":
        """``centralita serve`` with the demo line, ready. Leaving stops it, where nobody killed it before."""
        folder = self.folder / name
        settings: dict[str, dict[str, Any]] = {
            "server": {"host": "127.0.0.1", "port": 0, "data_dir": str(folder)},
            "media": {"workers": 0},
            "demo": {"plan": False},
            "store": {"url": f"sqlite:///{self.folder}/all.sqlite3"},
            "cluster": {"redis_url": redis_url, "node": name},
            "privacy": {"key": self.privacy_key, "folder": str(self.folder / "keys")},
            "security": {
                "secret": self.secret,
                "second_factor_key": self.factor_key,
                "connections_per_s": 1_000,
                "connections_at_once": 1_000,
                "requests_per_s": 100,
                "requests_at_once": 100,
            },
            "log": {"format": "json"},
        }
        for section, values in (more or {}).items():
            settings.setdefault(section, {}).update(values)
        configuration = write_settings(folder / "centralita.toml", settings)
        command = [sys.executable, "-m", "api", "serve", "--config", str(configuration), "--demo", "--drain", "0"]
        environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONUNBUFFERED": "1"}
        async with ChildProcess(name, command, log=folder / "server.log", directory=folder, environment=environment) as process:
            url = (await process.said(r"Centralita serves (\S+)", _READY_S)).group(1)
            node = ServingNode(name, url, configuration, process)
            await took_s(node.is_ready, _READY_S)
            yield node


@dataclass(frozen=True, slots=True)
class ServingNode:
    name: str
    url: str
    configuration: Path
    process: ChildProcess

    async def is_ready(self) -> bool:
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/api/v1/health/ready") as answer:
            return answer.status == 200

    async def cluster(self) -> Mapping[str, Any]:
        """What its health says of its neighbours: ``ready`` and ``detail``."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/api/v1/health/ready") as answer:
            found: Mapping[str, Any] = (await answer.json())["parts"]["cluster"]
            return found

    async def kill(self) -> None:
        """With -9."""
        await self.process.stop(signal.SIGKILL)

    @property
    def faults(self) -> int:
        """Tracebacks and errors that its log has, but for those that say what was done to it on purpose."""
        lines = (self.configuration.parent / "server.log").read_text().splitlines()
        return sum("Traceback" in line or '"level": "error"' in line for line in lines)


async def took_s(holds: Any, give_up_s: float) -> float:
    """Seconds until it holds (a function, of either kind), or until it is given up."""
    begun_s = time.monotonic()
    while time.monotonic() < begun_s + give_up_s:
        found = holds()
        if found if isinstance(found, bool) else await found:
            break
        await asyncio.sleep(0.02)
    return time.monotonic() - begun_s


class Waits:
    """How long requests waited for an answer, and how many had none."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.answered = self.unanswered = 0

    def note(self, seconds: float, answered: bool) -> None:
        self.longest_s = max(self.longest_s, seconds)
        self.answered += answered
        self.unanswered += not answered


class Page:
    """A page that is no telephone. ``async with``: connected, to the first of ``urls`` that takes it, and again whenever it is not.

    ``people``: who is there, as it was told, once it watches. ``messages``: ids of the chat messages it was told, each time it was.
    """

    def __init__(self, http: aiohttp.ClientSession, token: str, urls: list[str], waits: Waits) -> None:
        self._token, self._urls, self._waits = token, urls, waits
        self._seen: dict[str, int] = {}
        self._socket = socketio.AsyncClient(reconnection=False, http_session=http, logger=False, engineio_logger=_QUIET)
        self._socket.on("notice", self._told)
        self._socket.on("disconnect", self._lost)
        self._gone = asyncio.Event()
        self._ready = asyncio.Event()
        self._watches = self._leaving = False
        self._people: dict[str, dict[str, Any]] = {}
        self._work: set[asyncio.Task[Any]] = set()
        self.messages: list[str] = []
        self.closings: list[tuple[float, str]] = []
        """When (monotonic) and why the server ended a connection."""

    async def __aenter__(self) -> Self:
        self._start(self._stay())
        await self._ready.wait()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._leaving = True
        self._gone.set()
        with suppress(socketio.exceptions.SocketIOError):
            await self._socket.disconnect()
        for task in tuple(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    @property
    def people(self) -> set[str]:
        return {identity for identity, state in self._people.items() if state["presence"] != "offline"}

    async def watch(self) -> None:
        """From now on it knows who is there."""
        self._watches = True
        await self._look()

    async def ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The acknowledgement, or an error ``gone`` where the connection ended before, ``unanswered`` where none came."""
        await self._ready.wait()
        begun_s, gone = time.monotonic(), asyncio.ensure_future(self._gone.wait())
        asked = asyncio.ensure_future(self._socket.call(event, payload, timeout=_ASKED_S))
        try:
            await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                return _error("gone")
            try:
                answer: dict[str, Any] = asked.result()
            except socketio.exceptions.TimeoutError:
                self._waits.note(time.monotonic() - begun_s, False)
                return _error("unanswered")
            except socketio.exceptions.SocketIOError:
                return _error("gone")
            self._waits.note(time.monotonic() - begun_s, True)
            return answer
        finally:
            for task in (asked, gone):
                task.cancel()

    async def _stay(self) -> None:
        number = 0
        while not self._leaving:  # its library takes a cancellation for a failed connection now and then
            self._gone.clear()
            auth = {"token": self._token, "phone": False, "seen": self._seen}
            try:
                await self._socket.connect(self._urls[number % len(self._urls)], auth=auth, transports=["websocket"], wait_timeout=5)
            except socketio.exceptions.ConnectionError:
                number += 1
                await asyncio.sleep(_AGAIN_S)
                continue
            self._ready.set()
            await self._gone.wait()
            self._ready.clear()
            with suppress(socketio.exceptions.SocketIOError):
                await self._socket.disconnect()

    async def _lost(self, *_: object) -> None:
        self._gone.set()

    async def _told(self, notice: dict[str, Any]) -> None:
        if notice["topic"] != "session":
            self._seen[notice["topic"]] = notice["seq"]
        match notice["type"]:
            case "session.snapshot":
                self._seen |= notice["seen"]
                if self._watches:
                    self._start(self._look())
            case "session.closing":
                self.closings.append((time.monotonic(), notice["code"]))
            case "presence.changed":
                self._people |= {person["identity"]: person for person in notice["people"]}
            case "chat.message":
                self.messages.append(notice["message_id"])

    async def _look(self) -> None:
        answer = await self.ask("presence.watch", {})
        if "ok" in answer:
            self._people = {person["identity"]: person for person in answer["ok"]["people"]}

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "", "retry_after": None}}


class Writer:
    """Says numbered messages in a room, one after another, each again until it is acknowledged."""

    def __init__(self, page: Page, name: str, room_id: str, every_s: float = 0.25) -> None:
        self._page, self._name, self.room_id, self._every_s = page, name, room_id, every_s
        self.acknowledged: list[str] = []
        self.refusals: list[str] = []
        self.longest_s = 0.0
        """From first saying a message to its acknowledgement, attempts and waits between them included."""

    async def write(self) -> None:
        for number in range(1_000_000):
            begun_s, message_id = time.monotonic(), f"{self._name}-{number}"
            while True:
                payload = {"room_id": self.room_id, "message_id": message_id, "text": str(number)}
                answer = await self._page.ask("chat.message", payload)
                if "ok" in answer:
                    break
                code = answer["error"]["code"]
                self.refusals.append(code)
                if code in ("not_member", "unknown_room"):
                    await self._page.ask("room.join", {"room_id": self.room_id})
                await asyncio.sleep(self._every_s)
            self.longest_s = max(self.longest_s, time.monotonic() - begun_s)
            self.acknowledged.append(message_id)
            await asyncio.sleep(self._every_s)


async def history(page: Page, room_id: str) -> list[str]:
    """Ids of all messages of a room, as the store has them."""
    found: list[str] = []
    after = 0
    while True:
        answer = await page.ask("chat.history", {"room_id": room_id, "after": after, "limit": 100})
        if "ok" not in answer:
            raise CannotRun(f"the room's history cannot be read: {json.dumps(answer)}")
        messages = answer["ok"]["messages"]
        found += [message["message_id"] for message in messages]
        if not answer["ok"]["more"]:
            return found
        after = messages[-1]["position"]
