"""The Socket.IO hub: signed-in people, what they ask, what they are told. The only file that knows python-socketio.

WebSocket is the only transport. Every browser with WebRTC has it; long polling would need the same process for each request of a client
once there are several, and would bring a second, unguarded way in for oversize and malformed input.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import socketio
import structlog
from aiohttp import web
from aiohttp.http import WebSocketReader
from msgspec import Meta, Struct

from signaling.audience import Audience
from signaling.bus import Bus, MemoryBus, Said, notice_line
from signaling.conduit import Conduit
from signaling.frames import Frame, read_request
from signaling.grants import Grant, Permission, allows, authorise
from signaling.guard import ClientLimits
from signaling.heartbeats import Heartbeats
from signaling.limits import AddressGate, AddressLimits
from signaling.messages import AnyRequest, Error, Notice, RefreshSession, Session, SessionClosing, Snapshot
from signaling.outbox import Line
from signaling.problems import problem
from signaling.refusal import Refusal
from signaling.topics import LINES, person
from signaling.websocket import VERSION, accept

__all__ = ["Hub", "HubSettings", "Refusal"]

log = structlog.get_logger()
T = TypeVar("T")
CONDUIT = "centralita.conduit"
"""Where a connection's environment holds its conduit."""
_HEARTBEAT_STEP_S = 0.1
_UP_TO_DATE_AT_ONCE = 64
_MOMENTS = 3
SESSION_OVER = frozenset({"token_expired", "token_invalid", "token_revoked"})


@dataclass(frozen=True, slots=True)
class HubSettings:
    """``allowed_origins``: pages of other origins that may connect, as ``https://host[:port]``; a page of our own host always may."""

    allowed_origins: tuple[str, ...] = ()
    client: ClientLimits = field(default_factory=ClientLimits)
    address: AddressLimits = field(default_factory=AddressLimits)
    sockets: int = 10_000
    sockets_per_person: int = 8
    requests_in_flight: int = 16
    request_s: float = 15.0
    handshake_s: float = 10.0
    sweep_s: float = 0.5
    """How soon a session that is over is noticed."""
    outbox_packets: int = 512
    outbox_size: int = 655_360
    """Bytes. With what the transport and the kernel hold, a client that does not read costs less than 1 MiB."""
    topics: int = 20_000
    replay_kept: int = 128
    common_topics: tuple[str, ...] = (LINES,)
    """What everybody hears who may see presence."""
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
    last connection that is a telephone, ``on_there`` of the first and last of any kind. ``snapshot`` says how things stand for a person.
    ``on_refused`` counts refusals by code. ``address_of`` tells where a request comes from (behind a proxy that is not its peer).
    ``authorise`` raises ``Refusal`` for a request that is not for its sender. ``bus``: shared with other nodes, else its own. ``on_pages``
    hears how many pages of a person are open that are no telephone. ``on_abuse`` hears who, from where, tried to get round the guards: a
    flood, malformed packets, a page of another site; without a name where nobody had signed in.
    """

    def __init__(
        self,
        settings: HubSettings,
        *,
        verify: Callable[[str], Grant],
        renew: Callable[[Grant], Awaitable[Session]],
        perform: Callable[[Grant, AnyRequest], Awaitable[object]],
        on_presence: Callable[[str, bool], None],
        snapshot: Callable[[Grant], Awaitable[Snapshot]],
        on_there: Callable[[str, bool], None] = lambda identity, there: None,
        on_refused: Callable[[str], None] = lambda code: None,
        address_of: Callable[[web.Request], str] = lambda request: request.remote or "",
        authorise: Callable[[Grant, AnyRequest], None] = authorise,
        bus: Bus | None = None,
        on_pages: Callable[[str, int], None] = lambda identity, pages: None,
        on_abuse: Callable[[str, str, str], None] = lambda identity, address, code: None,
    ) -> None:
        self._settings = settings
        self._verify = verify
        self._authorise = authorise
        self._renew = renew
        self._perform = perform
        self._on_presence = on_presence
        self._on_there = on_there
        self._on_pages = on_pages
        self._snapshot = snapshot
        self._on_refused = on_refused
        self._on_abuse = on_abuse
        self._address_of = address_of
        self._addresses = AddressGate(settings.address)
        self._bus = bus if bus is not None else MemoryBus(topics=settings.topics, kept=settings.replay_kept)
        self._bus.listen(self._tell, self.bring_up_to_date)
        self._at_once = asyncio.Semaphore(_UP_TO_DATE_AT_ONCE)
        self._conduits: set[Conduit] = set()
        self._heartbeats: Heartbeats[Conduit] = Heartbeats(settings.ping_interval_s, settings.ping_timeout_s)
        self._unsent: list[Conduit] = []
        self._connections: dict[str, _Connection] = {}
        self._signed_in: dict[Conduit, _Connection] = {}
        """The same by conduit."""
        self._people: dict[str, list[_Connection]] = {}
        self._staff: dict[str, None] = {}
        """Who is there and hears the common topics: guests do not."""
        self._audience = Audience(settings.common_topics)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._stopping = False
        self._server = self._make_server()

    def _make_server(self) -> Any:
        """python-socketio on top of our conduits, which take the place of its Engine.IO sockets, with us as the owner of its tasks.

        It signs people in and out. Requests do not go through it: they were read before, and once is enough.
        """
        quiet = logging.getLogger("signaling.socketio")
        quiet.setLevel(logging.ERROR)
        server = socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"], logger=quiet, engineio_logger=quiet)
        server.eio.start_background_task = lambda target, *args, **kwargs: self._start(target(*args, **kwargs))
        server.on("connect", self._on_connect)
        server.on("disconnect", self._on_disconnect)
        return server

    # ------------------------------------------------------------------ life

    def attach(self, app: web.Application) -> None:
        """Serve Socket.IO at ``/socket.io/``."""
        app.router.add_get("/socket.io/", self._enter)

    async def __aenter__(self) -> "Hub":
        self._start(self._sweep())
        self._start(self._ask_heartbeats())
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

    def publish(self, topic: str, notice: Notice, hearers: Sequence[str] | None = None) -> None:
        """Tell everybody who hears this topic. Never blocks: a reader too slow for it is disconnected.

        ``hearers``: from this notice on these people hear the topic, at whatever node they are, and nobody else.
        """
        self._bus.publish(topic, notice, hearers)

    def _tell(self, said: Said) -> None:
        if said.hearers is not None:
            self._audience.settle(said.topic, said.hearers)
        for identity in self._audience.hearers(said.topic, self._staff):
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

    def retain(self, keeps: Callable[[str], bool]) -> None:
        """Nobody hears the other topics any more."""
        self._audience.retain(keeps)

    def disconnect(self, identity: str, refusal: Refusal) -> None:
        """End every connection of a person, telling why."""
        for connection in tuple(self._people.get(identity, ())):
            connection.conduit.dismiss(refusal)

    def recheck(self, identity: str) -> None:
        """End this person's connections whose token is good no more, at once: a session was ended, a right was taken away."""
        for connection in tuple(self._connections.values()):
            if connection.grant.identity == identity:
                self._check(connection)

    def _check(self, connection: _Connection) -> None:
        try:
            self._verify(connection.token)
        except Refusal as refusal:
            connection.conduit.dismiss(refusal)

    # ------------------------------------------------------------------ coming and going

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        """The way in. Refuses by plain HTTP, before any work is done for the connection."""
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_allowed(origin, request):
            self._on_abuse("", self._address_of(request), "bad_origin")
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
        handshake = accept(request.headers)
        if handshake is None:
            refusal = Refusal("bad_transport", f"This is no handshake of WebSocket version {VERSION}.")
            return self._turn_away(400, refusal, {"Sec-WebSocket-Version": VERSION})
        address = self._address_of(request)
        wait = self._addresses.admit(address, asyncio.get_running_loop().time())
        if wait > 0.0:
            return self._turn_away(429, Refusal("too_many_connections", "Too many connections from this address: wait a moment.", wait))
        return await self._take_over(request, handshake, address)

    async def _take_over(self, request: web.Request, handshake: bytes, address: str) -> web.StreamResponse:
        """From now on the TCP connection is a conduit's, and aiohttp keeps nothing of it."""
        settings, engine, http, transport = self._settings, self._server.eio, request.protocol, request.transport
        sid = engine.generate_id()
        conduit = Conduit(sid, address, self, settings.client, packets=settings.outbox_packets, size=settings.outbox_size)
        if transport is None:
            self._addresses.release(address)
            return _HandedOver()
        self._conduits.add(conduit)
        self._all_gone.clear()
        engine.sockets[sid] = conduit
        await engine.handlers["connect"](sid, {CONDUIT: conduit})
        transport.write(handshake)
        http.transport = None
        transport.set_protocol(conduit)
        conduit.connection_made(transport)
        conduit.outbox.offer(_opening(sid, settings))
        http.set_parser(cast(WebSocketReader, _Rest(conduit)))
        http.connection_lost(None)
        self._heartbeats.begin(conduit, asyncio.get_running_loop().time())
        return _HandedOver()

    def _is_allowed(self, origin: str, request: web.Request) -> bool:
        return origin in self._settings.allowed_origins or urlsplit(origin).netloc == request.host

    def _turn_away(self, status: int, refusal: Refusal, headers: Mapping[str, str] = MappingProxyType({})) -> web.Response:
        self._on_refused(refusal.code)
        return problem(status, refusal, headers)

    # ------------------------------------------------------------------ what conduits tell

    def said(self, conduit: Conduit, text: str) -> None:
        self._start(self._server.eio.handlers["message"](conduit.sid, text))

    def asked(self, conduit: Conduit, request: Frame) -> None:
        self._start(self._answer_request(conduit, request))

    def answered(self, conduit: Conduit) -> None:
        self._heartbeats.answered(conduit, asyncio.get_running_loop().time())

    def waiting(self, conduit: Conduit) -> None:
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(conduit)

    def _flush(self) -> None:
        """Once per turn of the loop, so that of two volatile notices at once only the later is sent."""
        unsent, self._unsent = self._unsent, []
        for conduit in unsent:
            conduit.flush()

    def refused(self, refusal: Refusal) -> None:
        self._on_refused(refusal.code)

    def abused(self, conduit: Conduit, refusal: Refusal) -> None:
        self._on_abuse(conduit.identity, conduit.address, refusal.code)

    def farewell(self, refusal: Refusal) -> list[Line]:
        """Why, then Socket.IO's disconnect, after which a client does not come back by itself; without it where it should."""
        error = refusal.as_error()
        closing = SessionClosing(code=error.code, message=error.message, retry_after=error.retry_after)
        lines = [notice_line("session", 0, msgspec.json.encode(closing))]
        return lines if error.code in ("stopping", "slow_reader") else [*lines, Line.message("1")]

    def answer(self, ack: int, error: Error) -> Line:
        return Line.message(f"3{ack}[" + msgspec.json.encode({"error": error}).decode() + "]")

    def closed(self, conduit: Conduit) -> None:
        self._heartbeats.end(conduit)
        self._addresses.release(conduit.address)
        self._start(self._forget(conduit))

    async def _forget(self, conduit: Conduit) -> None:
        engine = self._server.eio
        try:
            await engine.handlers["disconnect"](conduit.sid, engine.reason.TRANSPORT_CLOSE)
        finally:
            engine.sockets.pop(conduit.sid, None)  # Engine.IO drops a closed one by itself when it is to send to it
            self._conduits.discard(conduit)
            if not self._conduits:
                self._all_gone.set()

    # ------------------------------------------------------------------ signing in and out

    async def _on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        conduit: Conduit = environ[CONDUIT]
        try:
            hello = msgspec.convert(auth, _Hello)
            grant = self._verify(hello.token)
        except msgspec.ValidationError as error:
            raise self._not_let_in(conduit, Refusal("bad_message", f"The sign-in of this connection cannot be read: {error}")) from None
        except Refusal as refusal:
            raise self._not_let_in(conduit, refusal) from None
        conduit.identity = grant.identity
        phone = hello.phone and allows(grant, Permission.CALL_TAKE)
        connection = self._connections[sid] = self._signed_in[conduit] = _Connection(conduit, hello.token, grant, phone)
        self._start(self._welcome(connection, hello.seen)).add_done_callback(partial(self._welcomed, connection))

    def _not_let_in(self, conduit: Conduit, refusal: Refusal) -> Exception:
        """The connect error for the page. The connection ends once it is sent."""
        self._on_refused(refusal.code)
        asyncio.get_running_loop().call_soon(conduit.finish)
        refused: Exception = socketio.exceptions.ConnectionRefusedError(refusal.message, msgspec.to_builtins(refusal.as_error()))
        return refused

    async def _welcome(self, connection: _Connection, seen: dict[str, int]) -> None:
        """Presence, snapshot, what was missed; then notices go straight through. Runs after the connect is acknowledged."""
        if connection.gone:
            return
        identity = connection.grant.identity
        others = self._people.setdefault(identity, [])
        others.append(connection)
        if allows(connection.grant, Permission.PRESENCE_WATCH):
            self._staff[identity] = None
        if len(others) == 1:
            self._on_there(identity, True)
        if len(others) > self._settings.sockets_per_person:
            others[0].conduit.dismiss(Refusal("too_many_tabs", "You have opened this page elsewhere too often: this one was closed."))
        if connection.phone and not self._is_phone_now(connection, others, returns=any(seen.values())):
            return
        if not connection.phone and identity in self._staff:
            self._on_pages(identity, sum(not other.phone for other in others))
        await self._bring_up_to_date(connection, seen)

    def bring_up_to_date(self, seen: Mapping[str, int], identity: str = "") -> None:
        """Give everybody (or this person), on every connection, a snapshot and what was said after ``seen`` (numbers by topic)."""
        people = self._people.values() if not identity else (self._people.get(identity, ()),)
        for connection in [connection for connections in people for connection in connections if connection.live]:
            connection.live = False
            self._start(self._bring_up_to_date(connection, seen)).add_done_callback(partial(self._welcomed, connection))

    async def _bring_up_to_date(self, connection: _Connection, seen: Mapping[str, int]) -> None:
        async with self._at_once:
            await self._catch_up(connection, seen)

    async def _catch_up(self, connection: _Connection, seen: Mapping[str, int]) -> None:
        identity = connection.grant.identity
        try:
            marks, snapshot = await self._moment(connection.grant)
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

    async def _moment(self, grant: Grant) -> tuple[dict[str, int], Snapshot]:
        """How things stand for a person, and the number of the last notice that is in it, by topic.

        Making a snapshot may bring to light that they hear more topics, of other nodes: then it is made again.
        """
        common = grant.identity in self._staff
        for _ in range(_MOMENTS):
            marks = await self._bus.last_seqs(self._audience.topics_of(grant.identity, common=common))
            snapshot = await self._supervised(self._snapshot(grant))
            if marks.keys() >= set(self._audience.topics_of(grant.identity, common=common)):
                break
        return marks, snapshot

    def _is_phone_now(self, connection: _Connection, others: list[_Connection], returns: bool) -> bool:
        """A person has one telephone: the page opened last. An older one offers to take it back, but does not by itself.

        ``returns``: the page had only lost its connection. It makes way for one of another sign-in that came meanwhile.
        """
        former = [other for other in others if other.phone and other is not connection]
        if returns and any(other.grant.signed_in_at > connection.grant.signed_in_at for other in former):
            connection.conduit.dismiss(_taken_over())
            return False
        for other in former:
            other.conduit.dismiss(_taken_over())
        if not former:
            self._on_presence(connection.grant.identity, True)
        return True

    def make_way(self, identity: str) -> None:
        """A person has opened their telephone at another node: the one here is it no longer."""
        for connection in tuple(self._people.get(identity, ())):
            if connection.phone:
                connection.conduit.dismiss(_taken_over())

    def _welcomed(self, connection: _Connection, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            connection.conduit.dismiss(_fault(error))

    async def _on_disconnect(self, sid: str, _reason: str = "") -> None:
        connection = self._connections.pop(sid, None)
        if connection is None:
            return
        self._signed_in.pop(connection.conduit, None)
        connection.live, connection.gone = False, True
        connection.conduit.finish()
        identity = connection.grant.identity
        left = self._people.get(identity, [])
        if connection not in left:
            return
        left.remove(connection)
        if not connection.phone:
            self._on_pages(identity, sum(not other.phone for other in left))
        if not left:
            del self._people[identity]
            self._staff.pop(identity, None)
            asyncio.get_running_loop().call_soon(self._gone, identity)
        if connection.phone and not any(other.phone for other in left):
            # Called from the loop, so that a fault in it is its own and not this connection's.
            asyncio.get_running_loop().call_soon(self._on_presence, identity, False)

    def _gone(self, identity: str) -> None:
        if identity not in self._people:
            self._on_there(identity, False)

    # ------------------------------------------------------------------ requests

    async def _answer_request(self, conduit: Conduit, request: Frame) -> None:
        """Do it, and acknowledge it where the page waits for that."""
        answer = await self._answer_to(conduit, request)
        if request.ack is not None:
            conduit.outbox.offer(Line.message(f"3{request.ack}[" + msgspec.json.encode(answer).decode() + "]"))

    async def _answer_to(self, conduit: Conduit, request: Frame) -> dict[str, object]:
        connection = self._signed_in.get(conduit)
        try:
            if connection is None:
                raise Refusal("token_invalid", "This connection is not signed in.")
            return {"ok": await self._done(connection, request.name, request.arguments)}
        except Refusal as refusal:
            self._on_refused(refusal.code)
            if refusal.code in SESSION_OVER and connection is not None:
                # After this answer, hence not at once.
                asyncio.get_running_loop().call_soon(connection.conduit.dismiss, refusal)
            return {"error": refusal.as_error()}

    async def _done(self, connection: _Connection, event: str, arguments: tuple[object, ...]) -> object:
        connection.grant = self._verify(connection.token)
        try:
            request = read_request(event, arguments)
        except ValueError as error:
            raise Refusal("bad_message", f"The server cannot read this request: {error}") from None
        self._authorise(connection.grant, request)
        if connection.in_flight >= self._settings.requests_in_flight:
            raise Refusal("busy", "Earlier requests of this page are still being done: wait for them.", 1.0)
        connection.in_flight += 1
        try:
            if isinstance(request, RefreshSession):
                session = await self._supervised(self._renew(connection.grant))
                connection.grant, connection.token = self._verify(session.token), session.token
                return session
            with structlog.contextvars.bound_contextvars(call_id=getattr(request, "call_id", None)):
                result = await self._supervised(self._perform(connection.grant, request))
        finally:
            connection.in_flight -= 1
        return {} if result is None else result

    async def _supervised(self, work: Awaitable[T]) -> T:
        """The outcome of work that may fail or hang: its result or a ``Refusal``. A fault of ours is logged once, under a number."""
        task = self._start(_as_coroutine(work))
        try:
            finished, _ = await asyncio.wait({task}, timeout=self._settings.request_s)
        except asyncio.CancelledError:
            if not task.cancelling():  # asked twice, it would leave what it tidies up at the first time
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
                self._check(connection)
            latest = loop.time() - self._settings.handshake_s
            for conduit in tuple(self._conduits):
                if not conduit.identity and conduit.opened_at < latest:
                    conduit.dismiss(Refusal("handshake_timeout", "This connection did not sign in."))

    async def _ask_heartbeats(self) -> None:
        """One task asks every client whether it is still there."""
        loop, settings, beats = asyncio.get_running_loop(), self._settings, self._heartbeats
        step_s = min(_HEARTBEAT_STEP_S, settings.ping_interval_s / 4, settings.ping_timeout_s / 4)
        while True:
            await asyncio.sleep(step_s)
            for conduit in beats.lost(loop.time()):
                conduit.abort()
            for conduit in beats.to_ask(loop.time()):
                conduit.ping()

    def _start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _as_coroutine(work: Awaitable[T]) -> T:
    return await work


def _taken_over() -> Refusal:
    return Refusal("taken_over", "Your telephone is open in another place: take it back here if you like.")


def _fault(error: BaseException) -> Refusal:
    """Our own fault, logged once under a number that the person can quote."""
    incident = uuid4().hex[:12]
    log.error("request.failed", incident=incident, error=type(error).__name__, exc_info=error)
    return Refusal("internal", f"The server failed at this; it is not your fault. Its log has the details under {incident}.")


def _opening(sid: str, settings: HubSettings) -> Line:
    """Engine.IO's first packet."""
    ping_ms, patience_ms = int(settings.ping_interval_s * 1000), int(settings.ping_timeout_s * 1000)
    most = 4 * settings.client.largest_message
    return Line("0" + json.dumps({"sid": sid, "upgrades": [], "pingInterval": ping_ms, "pingTimeout": patience_ms, "maxPayload": most}))


class _HandedOver(web.StreamResponse):
    """What aiohttp is told of a connection that is no longer its own."""

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        pass


class _Rest:
    """What a client sent right after its handshake; aiohttp hands it to the parser that it is given."""

    def __init__(self, conduit: Conduit) -> None:
        self._conduit = conduit

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._conduit.data_received(data)
        return False, b""

    def feed_eof(self) -> None:
        pass
