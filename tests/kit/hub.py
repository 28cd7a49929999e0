"""A real hub on a real aiohttp server, and real Socket.IO clients of it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import socketio
from aiohttp import ClientSession, TCPConnector, web
from msgspec import Struct

from signaling import messages as wire
from signaling.grants import Grant
from signaling.hub import Hub, HubSettings
from signaling.tokens import TokenIssuer

SECRET = "a secret for tests, long enough: 0123456789"
WITHIN_S = 30.0


class TestLine:
    """What stands behind the hub in these tests: remembers what it was asked; ``perform`` may be replaced."""

    __test__ = False

    def __init__(self) -> None:
        self.asked: list[tuple[str, wire.AnyRequest]] = []
        self.presence: list[tuple[str, bool]] = []
        self._changed = asyncio.Event()
        self.refused: list[str] = []
        self.abuse: list[tuple[str, str, str]] = []
        self.perform: Callable[[Grant, wire.AnyRequest], Any] = self._perform
        self.snapshot: Callable[[Grant], Any] = self._snapshot
        self.there: Callable[[str, bool], None] = lambda identity, there: None

    def on_presence(self, identity: str, online: bool) -> None:
        self.presence.append((identity, online))
        self._changed.set()

    async def presences(self, count: int) -> list[tuple[str, bool]]:
        """Waits until so many changes of presence were heard."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.presence) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.presence

    async def _perform(self, grant: Grant, request: wire.AnyRequest) -> Struct | None:
        self.asked.append((grant.identity, request))
        return wire.CallRef(call_id="c1") if isinstance(request, wire.Dial) else None

    async def _snapshot(self, grant: Grant) -> wire.Snapshot:
        return wire.Snapshot(
            version=wire.PROTOCOL_VERSION,
            server_version="test",
            now=0.0,
            identity=grant.identity,
            name=grant.name,
            role=grant.role,
            available=True,
            demo=False,
            calls=[],
            lines=[],
            recent=[],
        )


class RunningHub:
    """``url`` to connect to, ``hub`` to publish with, ``line`` to see what arrived, ``clock`` (epoch seconds, settable) of the tokens."""

    def __init__(
        self, settings: HubSettings, stack: AsyncExitStack, verify: Callable[[str], Grant] | None, trust: ssl.SSLContext | None
    ) -> None:
        self.trust = trust
        self.line = TestLine()
        self.now = 1_800_000_000.0
        self.tokens = TokenIssuer(SECRET, clock=lambda: self.now)
        self.hub = Hub(
            settings,
            verify=verify or self.tokens.verify,
            renew=self._renew,
            perform=lambda grant, request: self.line.perform(grant, request),
            on_presence=self.line.on_presence,
            on_there=lambda identity, there: self.line.there(identity, there),
            snapshot=lambda grant: self.line.snapshot(grant),
            on_refused=self.line.refused.append,
            on_abuse=lambda *told: self.line.abuse.append(told),
        )
        self.url = ""
        self._stack = stack

    async def _renew(self, grant: Grant) -> wire.Session:
        return self.tokens.issue(grant.identity, grant.name, grant.role, signed_in_at=grant.signed_in_at)

    def token(self, identity: str = "ana") -> str:
        return self.tokens.issue(identity, identity.title(), "agent").token

    async def client(self, identity: str = "ana", **auth: Any) -> "Client":
        """A connected client; ``auth`` overrides what it sends at connect. It is disconnected when the hub's block ends."""
        client = await self._stack.enter_async_context(_client(self.trust))
        await client.connect(self.url, {"token": self.token(identity), **auth})
        return client

    def at_end(self, close: Callable[[], Awaitable[object]]) -> None:
        """Called when the hub's block has ended."""
        self._stack.push_async_callback(close)

    async def unconnected(self) -> "Client":
        return await self._stack.enter_async_context(_client(self.trust))


class Client:
    """A python-socketio client that keeps what it is told."""

    def __init__(self, http: ClientSession) -> None:
        self.socket = socketio.AsyncClient(reconnection=False, http_session=http, logger=False)
        self.notices: list[dict[str, Any]] = []
        self.connect_error: Any = None
        self.gone = asyncio.Event()
        self._told = asyncio.Condition()
        self.socket.on("notice", self._notice)
        self.socket.on("connect_error", self._connect_error)
        self.socket.on("disconnect", lambda *_: self.gone.set())

    async def connect(self, url: str, auth: Any, headers: dict[str, str] | None = None) -> None:
        await self.socket.connect(url, auth=auth, transports=["websocket"], headers=headers or {}, wait_timeout=WITHIN_S)

    async def _notice(self, notice: dict[str, Any]) -> None:
        async with self._told:
            self.notices.append(notice)
            self._told.notify_all()

    async def _connect_error(self, error: Any) -> None:
        self.connect_error = error

    async def ask(self, event: str, payload: Any = None) -> Any:
        """The acknowledgement of a request."""
        return await self.socket.call(event, payload, timeout=WITHIN_S)

    async def told(self, type_: str, count: int = 1, *, within_s: float = WITHIN_S) -> list[dict[str, Any]]:
        """Waits until so many notices of this type have come."""

        def found() -> list[dict[str, Any]]:
            return [notice for notice in self.notices if notice["type"] == type_]

        async with asyncio.timeout(within_s), self._told:
            await self._told.wait_for(lambda: len(found()) >= count)
        return found()

    async def seen(
        self, type_: str, matches: Callable[[dict[str, Any]], bool] = lambda notice: True, *, after: int = 0, **values: Any
    ) -> dict[str, Any]:
        """Waits until a notice of this type has come that matches and has these values; the latest. ``after``: so many do not count."""

        def found() -> list[dict[str, Any]]:
            named = (notice for notice in self.notices[after:] if notice["type"] == type_ and matches(notice))
            return [notice for notice in named if all(notice.get(name) == value for name, value in values.items())]

        async with asyncio.timeout(WITHIN_S), self._told:
            await self._told.wait_for(lambda: bool(found()))
        return found()[-1]

    async def ended(self) -> None:
        await asyncio.wait_for(self.gone.wait(), WITHIN_S)


@asynccontextmanager
async def _client(trust: ssl.SSLContext | None) -> AsyncIterator[Client]:
    async with ClientSession(connector=TCPConnector(ssl=trust or True)) as http:
        client = Client(http)
        try:
            yield client
        finally:
            await client.socket.disconnect()


@asynccontextmanager
async def running_hub(
    settings: HubSettings | None = None, *, verify: Callable[[str], Grant] | None = None, certificate: tuple[Path, Path] | None = None
) -> AsyncIterator[RunningHub]:
    """Serves on a free port of the loopback interface. ``verify``: in place of its own tokens'. ``certificate``: with its key, for TLS."""
    tls = trust = None
    if certificate is not None:
        tls, trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context(cafile=str(certificate[0]))
        tls.load_cert_chain(*certificate)
    async with AsyncExitStack() as stack:
        app = web.Application()
        runner = web.AppRunner(app, access_log=None)
        async with AsyncExitStack() as clients:
            running = RunningHub(settings or HubSettings(), clients, verify, trust)
            running.hub.attach(app)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
            await site.start()
            running.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
            async with running.hub:
                yield running
