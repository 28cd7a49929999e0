"""The Socket.IO hub: signed-in people, what they ask, what they are told. The only file that knows python-socketio.

WebSocket is the only transport. Every browser with WebRTC has it; long polling would need the same process for each request of a client
once there are several, and would bring a second, unguarded way in for oversize and malformed input.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import socketio
import structlog
from aiohttp import web
from msgspec import Meta, Struct

from signaling.audience import Audience
from signaling.bus import MemoryBus, Said, notice_line
from signaling.conduit import CONDUIT, Conduit
from signaling.frames import read_request
from signaling.grants import Grant, authorise
from signaling.guard import ClientLimits
from signaling.limits import AddressGate, AddressLimits
from signaling.messages import AnyRequest, Error, Notice, RefreshSession, Session, SessionClosing, Snapshot
from signaling.outbox import Line, Outbox
from signaling.refusal import Refusal
from signaling.topics import LINES, PRESENCE, person

__all__ = ["Hub", "HubSettings", "Refusal"]

log = structlog.get_logger()
T = TypeVar("T")
SESSION_OVER = frozenset({"token_expired", "token_invalid", "token_revoked"})


@dataclass(frozen=True, slots=True)
class HubSettings:
    """``allowed_origins``: pages of other origins that may connect, as ``https://host[:port]``; a page of our own host always may."""

    allowed_origins: tuple[str, ...] = ()
    client: ClientLimits = field(default_factory=ClientLimits)
    address: AddressLimits = field(default_factory=AddressLimits)
    sockets: int = 2_000
    sockets_per_person: int = 8
    requests_in_flight: int = 16
    request_s: float = 15.0
    handshake_s: float = 10.0
    sweep_s: float = 5.0
    outbox_packets: int = 512
    outbox_size: int = 1_048_576
    topics: int = 20_000
    replay_kept: int = 128
    common_topics: tuple[str, ...] = (PRESENCE, LINES)
    """What everybody who is signed in hears."""
    ping_interval_s: float = 10.0
    ping_timeout_s: float = 10.0


class _Hello(Struct, forbid_unknown_fields=True):
    """The ``auth`` of a connect."""

    token: Annotated[str, Meta(min_length=1, max_length=4096)]
    seen: Annotated[dict[Annotated[str, Meta(max_length=128)], int], Meta(max_length=256)] = {}
    phone: bool = True
    """False: a page that only shows things. Its person takes no calls by it."""


@dataclass(eq=False, slots=True)
class _Connection:
    """One signed-in socket. ``live``: its snapshot is sent and notices go straight to it; until then they wait in ``held``."""

    conduit: Conduit
    token: str
    grant: Grant
    phone: bool = True
    in_flight: int = 0
    live: bool = False
    held: list[Said] = field(default_factory=list)
    gone: bool = False


class Hub:
    """``async with`` around the server's life; ``attach`` before it serves.

    ``verify`` turns a token into what it grants or raises ``Refusal``; it is asked at connect and again at each request. ``renew`` gives
    the next token. ``perform`` does what a page asks and raises ``Refusal`` where it cannot. ``on_presence`` hears of a person's first and
    last connection that is a telephone. ``snapshot`` says how things stand for a person. ``on_refused`` counts refusals by code.
    ``address_of`` tells where a request comes from (behind a proxy that is not its peer).
    """

    def __init__(
        self,
        settings: HubSettings,
        *,
        verify: Callable[[str], Grant],
        renew: Callable[[Grant], Awaitable[Session]],
        perform: Callable[[Grant, AnyRequest], Awaitable[Struct | None]],
        on_presence: Callable[[str, bool], None],
        snapshot: Callable[[Grant], Awaitable[Snapshot]],
        on_refused: Callable[[str], None] = lambda code: None,
        address_of: Callable[[web.Request], str] = lambda request: request.remote or "",
    ) -> None:
        self._settings = settings
        self._verify = verify
        self._renew = renew
        self._perform = perform
        self._on_presence = on_presence
        self._snapshot = snapshot
        self._on_refused = on_refused
        self._address_of = address_of
        self._addresses = AddressGate(settings.address)
        self._bus = MemoryBus(self._tell, topics=settings.topics, kept=settings.replay_kept)
        self._conduits: set[Conduit] = set()
        self._connections: dict[str, _Connection] = {}
        self._people: dict[str, list[_Connection]] = {}
        self._audience = Audience(settings.common_topics)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._stopping = False
        self._server = self._make_server()

    def _make_server(self) -> Any:
        """python-socketio, with our queue, our WebSocket driver and our owner of tasks in the three places where it asks for them."""
        quiet = logging.getLogger("signaling.socketio")
        quiet.setLevel(logging.ERROR)
        settings = self._settings
        server = socketio.AsyncServer(
            async_mode="aiohttp",
            transports=["websocket"],
            allow_upgrades=False,
            cors_allowed_origins=[],  # origins are checked in _enter, before anything else
            max_http_buffer_size=4 * settings.client.largest_message,
            ping_interval=settings.ping_interval_s,
            ping_timeout=settings.ping_timeout_s,
            logger=quiet,
            engineio_logger=quiet,
        )
        server.eio.create_queue = lambda: Outbox(packets=settings.outbox_packets, size=settings.outbox_size)
        server.eio.start_background_task = lambda target, *args, **kwargs: self._start(target(*args, **kwargs))
        server.eio._async = {**server.eio._async, "websocket": self._make_conduit}
        server.on("connect", self._on_connect)
        server.on("disconnect", self._on_disconnect)
        server.on("*", self._on_request)
        return server

    def _make_conduit(self, handler: Any, _server: Any) -> Conduit:
        outbox: Outbox = handler.__self__.queue
        return Conduit(handler, outbox, self._settings.client, self, farewell=_farewell, answer=_answer)

    # ------------------------------------------------------------------ life

    def attach(self, app: web.Application) -> None:
        """Serve Socket.IO at ``/socket.io/``."""
        app.router.add_get("/socket.io/", self._enter)

    async def __aenter__(self) -> "Hub":
        self._start(self._sweep())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()
        await self._server.shutdown()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Let nobody in any more; tell everybody to connect again soon and end their connections."""
        self._stopping = True
        for conduit in tuple(self._conduits):
            conduit.dismiss(Refusal("stopping", "The server is being stopped. The page connects again by itself.", 1.0))
        await self._all_gone.wait()

    @property
    def sockets(self) -> int:
        """Open connections, signed in or not yet."""
        return len(self._conduits)

    def is_online(self, identity: str) -> bool:
        return identity in self._people

    # ------------------------------------------------------------------ telling

    def publish(self, topic: str, notice: Notice) -> None:
        """Tell everybody who hears this topic. Never blocks: a reader too slow for it is disconnected."""
        self._bus.publish(topic, notice)

    def _tell(self, said: Said) -> None:
        for identity in self._audience.hearers(said.topic, self._people):
            for connection in self._people.get(identity, ()):
                if connection.live:
                    connection.conduit.outbox.offer(said.line, said.key if said.volatile else None)
                elif not said.volatile:
                    self._hold(connection, said)

    def _hold(self, connection: _Connection, said: Said) -> None:
        connection.held.append(said)
        if len(connection.held) > self._settings.outbox_packets:
            connection.held.clear()
            connection.conduit.dismiss(
                Refusal("slow_reader", "More happened than this connection could begin with: it connects again.", 1.0)
            )

    def subscribe(self, identity: str, topic: str) -> None:
        """From now on this person hears the topic, on every connection, also one that comes later."""
        self._audience.subscribe(identity, topic)

    def unsubscribe(self, identity: str, topic: str) -> None:
        self._audience.unsubscribe(identity, topic)

    def close_topic(self, topic: str) -> None:
        """Nobody hears this topic any more."""
        self._audience.close(topic)

    def disconnect(self, identity: str, refusal: Refusal) -> None:
        """End every connection of a person, telling why."""
        for connection in tuple(self._people.get(identity, ())):
            connection.conduit.dismiss(refusal)

    # ------------------------------------------------------------------ coming and going

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        """The way in. Refuses by plain HTTP, before any work is done for the connection."""
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_allowed(origin, request):
            return self._turn_away(
                403, Refusal("bad_origin", "Pages of other sites may not connect: the server's setting allowed_origins says who may.")
            )
        if (
            request.query.get("transport") != "websocket"
            or "sid" in request.query
            or request.headers.get("Upgrade", "").lower() != "websocket"
        ):
            return self._turn_away(400, Refusal("bad_transport", 'Only WebSocket is spoken here: connect with transports: ["websocket"].'))
        if self._stopping:
            return self._turn_away(503, Refusal("stopping", "The server is being stopped: try again in a moment.", 5.0))
        if len(self._conduits) >= self._settings.sockets:
            return self._turn_away(503, Refusal("full", "The server has as many connections as it is set to take.", 10.0))
        address = self._address_of(request)
        wait = self._addresses.admit(address, asyncio.get_running_loop().time())
        if wait > 0.0:
            return self._turn_away(429, Refusal("too_many_connections", "Too many connections from this address: wait a moment.", wait))
        try:
            response: web.StreamResponse = await self._server.handle_request(request)
        finally:
            self._addresses.release(address)
        return response

    def _is_allowed(self, origin: str, request: web.Request) -> bool:
        return origin in self._settings.allowed_origins or urlsplit(origin).netloc == request.host

    def _turn_away(self, status: int, refusal: Refusal) -> web.Response:
        self._on_refused(refusal.code)
        headers = {} if refusal.retry_after is None else {"Retry-After": str(int(refusal.retry_after) + 1)}
        return web.Response(
            status=status, body=msgspec.json.encode({"error": refusal.as_error()}), content_type="application/json", headers=headers
        )

    def opened(self, conduit: Conduit) -> None:
        """A WebSocket is up; it has to sign in yet."""
        self._conduits.add(conduit)
        self._all_gone.clear()
        if self._stopping:
            conduit.dismiss(Refusal("stopping", "The server is being stopped.", 5.0))

    def refused(self, refusal: Refusal) -> None:
        self._on_refused(refusal.code)

    def closed(self, conduit: Conduit) -> None:
        self._conduits.discard(conduit)
        if not self._conduits:
            self._all_gone.set()

    async def _on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        conduit: Conduit = environ[CONDUIT]
        try:
            hello = msgspec.convert(auth, _Hello)
            grant = self._verify(hello.token)
        except msgspec.ValidationError as error:
            raise self._not_let_in(conduit, Refusal("bad_message", f"The sign-in of this connection cannot be read: {error}")) from None
        except Refusal as refusal:
            raise self._not_let_in(conduit, refusal) from None
        conduit.signed_in = True
        connection = self._connections[sid] = _Connection(conduit, hello.token, grant, hello.phone)
        self._start(self._welcome(connection, hello.seen)).add_done_callback(lambda task: self._welcomed(connection, task))

    def _not_let_in(self, conduit: Conduit, refusal: Refusal) -> Exception:
        """The connect error for the page. The connection ends once it is sent."""
        self._on_refused(refusal.code)
        asyncio.get_running_loop().call_soon(conduit.outbox.end)
        conduit.cut_later()
        refused: Exception = socketio.exceptions.ConnectionRefusedError(refusal.message, msgspec.to_builtins(refusal.as_error()))
        return refused

    async def _welcome(self, connection: _Connection, seen: dict[str, int]) -> None:
        """Presence, snapshot, what was missed; then notices go straight through. Runs after the connect is acknowledged."""
        if connection.gone:
            return
        identity = connection.grant.identity
        others = self._people.setdefault(identity, [])
        others.append(connection)
        if len(others) > self._settings.sockets_per_person:
            others[0].conduit.dismiss(Refusal("too_many_tabs", "You have opened this page elsewhere too often: this one was closed."))
        if connection.phone and sum(other.phone for other in others) == 1:
            self._on_presence(identity, True)
        marks = await self._bus.last_seqs(self._audience.topics_of(identity))
        try:
            snapshot = await self._supervised(self._snapshot(connection.grant))
        except Refusal as refusal:
            connection.conduit.dismiss(refusal)
            return
        topic = person(identity)
        lines = [notice_line(topic, marks.get(topic, 0), msgspec.json.encode(snapshot), seen=marks)]
        for topic in marks:
            missed = await self._bus.since(topic, seen[topic]) if topic in seen else None
            for said in missed or ():
                lines.append(said.line)
                marks[topic] = said.seq
        lines += [said.line for said in connection.held if said.seq > marks.get(said.topic, -1)]
        connection.held.clear()
        for line in lines:
            connection.conduit.outbox.offer(line)
        connection.live = not connection.gone

    def _welcomed(self, connection: _Connection, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            connection.conduit.dismiss(_fault(error))

    async def _on_disconnect(self, sid: str, _reason: str = "") -> None:
        connection = self._connections.pop(sid, None)
        if connection is None:
            return
        connection.live, connection.gone = False, True
        identity = connection.grant.identity
        left = self._people.get(identity, [])
        if connection not in left:
            return
        left.remove(connection)
        if not left:
            del self._people[identity]
        if connection.phone and not any(other.phone for other in left):
            # Called from the loop, so that a fault in it is its own and not this connection's.
            asyncio.get_running_loop().call_soon(self._on_presence, identity, False)

    # ------------------------------------------------------------------ requests

    async def _on_request(self, event: str, sid: str, *arguments: object) -> dict[str, object]:
        """Answer a request. What is returned is the acknowledgement."""
        connection = self._connections.get(sid)
        try:
            if connection is None:
                raise Refusal("token_invalid", "This connection is not signed in.")
            return {"ok": await self._done(connection, event, arguments)}
        except Refusal as refusal:
            self._on_refused(refusal.code)
            if refusal.code in SESSION_OVER and connection is not None:
                # After this answer, hence not at once.
                asyncio.get_running_loop().call_soon(connection.conduit.dismiss, refusal)
            return {"error": msgspec.to_builtins(refusal.as_error())}

    async def _done(self, connection: _Connection, event: str, arguments: tuple[object, ...]) -> object:
        connection.grant = self._verify(connection.token)
        try:
            request = read_request(event, arguments)
        except ValueError as error:
            raise Refusal("bad_message", f"The server cannot read this request: {error}") from None
        authorise(connection.grant, request)
        if connection.in_flight >= self._settings.requests_in_flight:
            raise Refusal("busy", "Earlier requests of this page are still being done: wait for them.", 1.0)
        connection.in_flight += 1
        try:
            if isinstance(request, RefreshSession):
                session = await self._supervised(self._renew(connection.grant))
                connection.grant, connection.token = self._verify(session.token), session.token
                return msgspec.to_builtins(session)
            with structlog.contextvars.bound_contextvars(call_id=getattr(request, "call_id", None)):
                result = await self._supervised(self._perform(connection.grant, request))
        finally:
            connection.in_flight -= 1
        return {} if result is None else msgspec.to_builtins(result)

    async def _supervised(self, work: Awaitable[T]) -> T:
        """The outcome of work that may fail or hang: its result or a ``Refusal``. A fault of ours is logged once, under a number."""
        task = self._start(_as_coroutine(work))
        try:
            finished, _ = await asyncio.wait({task}, timeout=self._settings.request_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not finished:
            task.cancel()
            raise Refusal("timeout", "The server took too long to do this and gave it up: try again.", 1.0)
        if task.cancelled():
            raise Refusal("stopping", "The server is being stopped.", 5.0)
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, Refusal):
            raise error
        raise _fault(error)

    # ------------------------------------------------------------------ tasks

    async def _sweep(self) -> None:
        """Now and then: end connections whose session is over, and those that never sign in."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._settings.sweep_s)
            for connection in tuple(self._connections.values()):
                try:
                    self._verify(connection.token)
                except Refusal as refusal:
                    connection.conduit.dismiss(refusal)
            latest = loop.time() - self._settings.handshake_s
            for conduit in tuple(self._conduits):
                if not conduit.signed_in and conduit.opened_at < latest:
                    conduit.dismiss(Refusal("handshake_timeout", "This connection did not sign in."))

    def _start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _as_coroutine(work: Awaitable[T]) -> T:
    return await work


def _fault(error: BaseException) -> Refusal:
    """Our own fault, logged once under a number that the person can quote."""
    incident = uuid4().hex[:12]
    log.error("request.failed", incident=incident, error=type(error).__name__, exc_info=error)
    return Refusal("internal", f"The server failed at this; it is not your fault. Its log has the details under {incident}.")


def _farewell(refusal: Refusal) -> list[Line]:
    """Why, then Socket.IO's disconnect, after which a client does not come back by itself; without it where it should."""
    error = refusal.as_error()
    closing = SessionClosing(code=error.code, message=error.message, retry_after=error.retry_after)
    lines = [notice_line("session", 0, msgspec.json.encode(closing))]
    return lines if error.code in ("stopping", "slow_reader") else [*lines, Line("1")]


def _answer(ack: int, error: Error) -> Line:
    return Line(f"3{ack}" + json.dumps([{"error": msgspec.to_builtins(error)}], separators=(",", ":")))
