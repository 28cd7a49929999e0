"""The emulated PBX on real sockets: the only file of the emulator that knows aiohttp and has a clock."""

import asyncio
import json
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import ClientError, ClientSession, ClientTimeout, WSCloseCode, WSMsgType, web

from pbx.message import AnyMessage, BadMessage, parse_message
from pbx.threecx.double.audio import FRAME_MS, LegAudio, odd_chunks
from pbx.threecx.double.calls import Calls, Change, Removed
from pbx.threecx.double.control import Control
from pbx.threecx.double.crm import HttpRequest, HttpResponse
from pbx.threecx.double.crm_desk import CrmDesk
from pbx.threecx.double.directory import Directory, Principal, demo_directory
from pbx.threecx.double.events import Sequences, event, hears
from pbx.threecx.double.faults import Faults
from pbx.threecx.double.ledger import Ledger
from pbx.threecx.double.legs import Leg, Status
from pbx.threecx.double.manners import Manners
from pbx.threecx.double.records import Records
from pbx.threecx.double.reply import Reply
from pbx.threecx.double.sip import Sip
from pbx.threecx.double.sip_wire import SipWire
from pbx.threecx.double.sounds import Sounds
from pbx.threecx.double.stage import Stage
from pbx.threecx.double.talk import Guard, RtpTalk
from pbx.threecx.double.tokens import Tokens
from pbx.threecx.double.xapi import Xapi
from pbx.transactions import Hop
from rooms.audio import SrtpKeys

MEDIA_DELAY_S = 0.1
"""A leg has sound so long after it appeared."""
MAX_WAITING_EVENTS = 4096
MAX_JOBS = 100
CRM_TIMEOUT_S = 10.0
"""How long a service that the CRM template names may take; what a real PBX grants is unknown."""


@dataclass(slots=True, eq=False)
class _Socket:
    principal: Principal
    ws: web.WebSocketResponse
    sequence: Iterator[int]
    queue: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING_EVENTS))
    untold: int = 0
    mute: bool = False
    transport: asyncio.BaseTransport | None = None


@dataclass(slots=True, eq=False)
class _Stream:
    client_id: str
    leg: Leg
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Double:
    """``async with``. ``url`` is what a client is given. ``clock`` is monotonic and ``wall`` the time of day, both in seconds: a test
    that moves them itself calls ``expire`` afterwards.

    ``sip_port``: SIP over UDP there, 0 for a free one, None for none. ``guard`` makes SRTP of keys; without it nothing is encrypted.
    Whoever asks something of ``calls``, ``sip`` or ``records`` directly does it ``with acting()``.
    """

    def __init__(
        self,
        directory: Directory | None = None,
        manners: Manners | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        sip_port: int | None = None,
        guard: Callable[[SrtpKeys], Guard] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        self.directory = directory or demo_directory()
        self.manners = manners or Manners()
        self.faults = Faults()
        self.sounds = Sounds(self.directory)
        self.requests: deque[tuple[str, str]] = deque(maxlen=10_000)
        """Method and path of what was asked."""
        self._random = random or Random()
        self._host, self._port, self._tls = host, port, tls
        self._clock, self._wall = clock, wall
        self.calls = Calls(self.directory, self.manners, self._changed, random=self._random)
        self.tokens = Tokens(self.directory, self.manners, self._revoked, issuer=f"{host}:{port}", random=self._random)
        self.records = Records(self.directory, random=self._random)
        self.ledger = Ledger(self._random)
        self.xapi = Xapi(self.calls, self.records, self.ledger, self._refresh_trunk, now=wall)
        self.sip = Sip(self.calls, self.records, self._send_sip, self._open_talk, random=self._random, can_encrypt=guard is not None)
        self.stage = Stage(self.calls, self.faults, self.sounds.audio, self.sip.press, key=f"{self._random.getrandbits(128):032x}")
        self.crm = CrmDesk(self.calls, self.records, self._fetch, wall=wall)
        self._control = Control(self.calls)
        self._sip_port, self._guard = sip_port, guard
        self._sip_wire: SipWire | None = None
        self._http: ClientSession | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._sequences = Sequences(self.manners)
        self._sockets: set[_Socket] = set()
        self._happened = asyncio.Event()
        self._streams: set[_Stream] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._runner: web.AppRunner | None = None

    @property
    def audio(self) -> dict[int, LegAudio]:
        """By participant id: what was posted to legs of route points, and when."""
        return self.sounds.audio

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/connect/token", self._token)
        app.router.add_get("/callcontrol/ws", self._socket)
        app.router.add_get("/callcontrol/{dn}/participants/{leg}/stream", self._listen)
        app.router.add_post("/callcontrol/{dn}/participants/{leg}/stream", self._speak)
        app.router.add_route("*", "/callcontrol{path:(/.*)?}", self._call_control)
        app.router.add_route("*", "/xapi/v1/{path:.*}", self._configuration)
        app.router.add_route("*", "/double/{path:.*}", self._stage_door)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.tokens.issuer = f"{self._host}:{self._port}"
        self.xapi.url = self.url
        self.calls.timers.advance(self._clock())
        self._http = ClientSession(timeout=ClientTimeout(total=CRM_TIMEOUT_S))
        if self._sip_port is not None:
            self._sip_wire = await SipWire.open(self._host, self._sip_port, self._sip_arrived)
            self.sip.host, self.sip.port = self._host, self._sip_wire.port
            self.records.sip_port = self.sip.port
            self.configured()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._disarm()
        for job in self._jobs:
            job.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs)
        if self._http is not None:
            await self._http.close()
        self._end_streams(lambda stream: True)
        for socket in list(self._sockets):
            await socket.ws.close(code=WSCloseCode.GOING_AWAY)
        assert self._runner is not None
        await self._runner.cleanup()
        self.sip.close()
        self._disarm()
        if self._sip_wire is not None:
            await self._sip_wire.close()

    # -- time

    def expire(self) -> None:
        """Let happen what is due on the clock."""
        self.calls.timers.expire(self._clock())
        self._arm()

    def _arm(self) -> None:
        self._disarm()
        deadline = self.calls.timers.next_deadline()
        if deadline is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, deadline - self._clock()), self.expire)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    @contextmanager
    def acting(self) -> Iterator[Calls]:
        """Around whatever is asked of the calls: they know the time before, and the alarm is set after."""
        self.calls.timers.expire(self._clock())
        try:
            yield self.calls
        finally:
            self._arm()

    # -- what the calls tell

    def _changed(self, change: Change) -> None:
        self.ledger.note(change, self._wall())
        self.tell(event(change), lambda principal: hears(principal, change))
        if isinstance(change, Removed):
            self._end_streams(lambda stream: stream.leg is change.leg)
            self.sounds.ended(change.leg)
        self.sip.changed(change)
        for job in self.crm.noted(change):
            self._begin(job)

    def tell(self, inner: dict[str, object], who: Callable[[Principal], bool] = lambda principal: True) -> None:
        """Send an event, also one that no real PBX would send, to the sockets of these clients."""
        for socket in [socket for socket in self._sockets if who(socket.principal)]:
            text = json.dumps({"sequence": next(socket.sequence), "event": inner})
            if socket.queue.full():
                self._cut(socket)
            else:
                socket.queue.put_nowait(text)
                socket.untold += 1

    def _revoked(self, client_id: str) -> None:
        if self.manners.revoke_kills_streams == "yes":
            self._end_streams(lambda stream: stream.client_id == client_id)
        if self.manners.revoke_kills_ws == "yes":
            for socket in [socket for socket in self._sockets if socket.principal.client_id == client_id]:
                self._cut(socket)

    def _end_streams(self, which: Callable[[_Stream], bool]) -> None:
        for stream in self._streams:
            if which(stream):
                stream.ended.set()

    def _cut(self, socket: _Socket) -> None:
        self._sockets.discard(socket)
        if socket.transport is not None:
            socket.transport.close()

    @property
    def listeners(self) -> int:
        """Event sockets that are open."""
        return len(self._sockets)

    @property
    def untold(self) -> int:
        """Events that wait to be sent."""
        return sum(socket.untold for socket in self._sockets)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that follows from requests, event sockets or what was told to them."""
        while not holds():
            self._happened.clear()
            await self._happened.wait()

    # -- what may befall it

    def cut_sockets(self) -> None:
        """Every event socket ends without a close frame."""
        for socket in list(self._sockets):
            self._cut(socket)

    def mute_sockets(self) -> None:
        """Every event socket stays open and is dead: no events, no pongs."""
        for socket in self._sockets:
            socket.mute = True

    def restart(self) -> None:
        """The PBX's services restart: calls, tokens and sockets are gone, counting begins anew."""
        self.calls.restart()
        self.ledger.restart()
        self.crm.restart()
        if self._sip_wire is not None:
            self.sip.restart()
        self.sounds.restart()
        self.tokens.forget()
        self._sequences.restart()
        self._end_streams(lambda stream: True)
        self.cut_sockets()

    def steal_token(self, client_id: str) -> None:
        """A second client with the same credentials takes a token."""
        self.tokens.steal(client_id, self._wall())

    def steal_tokens(self) -> None:
        """Somebody takes a token of every client."""
        for client_id in self.directory.principals:
            self.steal_token(client_id)

    # -- requests

    async def _token(self, request: web.Request) -> web.StreamResponse:
        if self.faults.slow_token_s:
            await asyncio.sleep(self.faults.slow_token_s)
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        return self._sent(request, self.tokens.issue(form, self._wall()))

    def _bearer(self, request: web.Request) -> Principal | None:
        return self.tokens.bearer(request.headers.get("Authorization", ""), self._wall())

    async def _call_control(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            await asyncio.sleep(self.faults.late_s())
        principal = self._bearer(request)
        if principal is None:
            return self._sent(request, Reply(401))
        if (instead := self.faults.instead()) is not None:
            return self._sent(request, instead)
        body = await request.read()
        if request.method == "POST" and body and request.content_type != "application/json":
            return self._sent(request, Reply(415))
        replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        with self.acting():
            self._control.handle(principal, request.method, _segments(request)[1:], body, lambda reply: _settle(replied, reply))
        reply = await replied
        if request.method == "GET":
            await asyncio.sleep(self.faults.held_s())
        return self._sent(request, reply)

    async def _configuration(self, request: web.Request) -> web.StreamResponse:
        principal = self._bearer(request)
        if principal is None:
            return self._sent(request, Reply(401))
        if (instead := self.faults.instead()) is not None:
            return self._sent(request, instead)
        body = await request.read()
        if request.method in ("POST", "PATCH") and body and request.content_type != "application/json":
            return self._sent(request, Reply(415))
        path = unquote(request.rel_url.raw_path).removeprefix("/xapi/v1/")
        if (request.method, path) == ("POST", "CrmIntegration/Pbx.Test"):
            return self._sent(request, await self.crm.tested(principal, body))
        with self.acting():
            reply = self.xapi.handle(principal, request.method, path, dict(request.query), body)
            if request.method != "GET":
                self.configured()
        return self._sent(request, reply)

    async def _stage_door(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.headers.get("X-Double-Key") != self.stage.key:
            return self._sent(request, Reply(401))
        befall: dict[str, Callable[[], None]] = {
            "restart": self.restart,
            "cut-sockets": self.cut_sockets,
            "mute-sockets": self.mute_sockets,
            "steal-tokens": self.steal_tokens,
        }
        path = _segments(request)[1:]
        with self.acting():
            if request.method == "POST" and len(path) == 1 and path[0] in befall:
                befall[path[0]]()
                return self._sent(request, Reply(204))
            if (request.method, path) == ("POST", ["crm-template"]):
                return self._sent(request, self.crm.uploaded(body))
            if (request.method, path) == ("POST", ["event"]):
                return self._sent(request, self._told(body))
            return self._sent(request, self.stage.handle(request.method, path, body))

    def _told(self, body: bytes) -> Reply:
        """Send every event socket what stands there, which may be what no real PBX would say."""
        try:
            inner = json.loads(body)
        except ValueError:
            inner = None
        if not isinstance(inner, dict):
            return Reply(400, {"error": "the body is no JSON object"})
        self.tell(inner)
        return Reply(204)

    def _sent(self, request: web.Request, reply: Reply) -> web.Response:
        self.requests.append((request.method, request.path))
        self._happened.set()
        if reply.body is None:
            return web.Response(status=reply.status, headers=dict(reply.headers))
        text = json.dumps(self.faults.spoil(reply.body))
        if reply.status == 200:
            text = self.faults.cut(text)
        return web.Response(status=reply.status, text=text, headers=dict(reply.headers), content_type="application/json")

    # -- the CRM template's requests

    def _begin(self, job: Coroutine[Any, Any, None]) -> None:
        """Let a lookup or a report go on beside the calls. Bounded: what is too much is not done."""
        if len(self._jobs) >= MAX_JOBS or self._http is None:
            job.close()
            return
        task = asyncio.create_task(job, name="double-crm")
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _fetch(self, request: HttpRequest) -> HttpResponse:
        """Raises ``OSError`` where nobody answers."""
        if self._http is None:
            raise ConnectionError("the emulator is not running")
        sent = self._http.request(request.method, request.url, headers=dict(request.headers), data=request.body or None)
        try:
            async with sent as response:
                return HttpResponse(response.status, await response.read())
        except (ClientError, TimeoutError) as error:
            raise ConnectionError(str(error) or type(error).__name__) from None

    async def idle(self) -> None:
        """Until every lookup and report that is under way is done."""
        while self._jobs:
            await asyncio.wait(set(self._jobs))

    # -- events

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        principal = self._bearer(request)
        if principal is None or not principal.call_control:
            return self._sent(request, Reply(401 if principal is None else 403))
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        socket = _Socket(principal, ws, self._sequences.for_socket(), transport=request.transport)
        self._sockets.add(socket)
        self._happened.set()
        sender = asyncio.create_task(self._send_events(socket), name="double-events")
        try:
            async for message in ws:
                if message.type is WSMsgType.PING and not socket.mute:
                    await ws.pong(message.data)
        finally:
            self._sockets.discard(socket)
            sender.cancel()
            await asyncio.wait([sender])
        return ws

    async def _send_events(self, socket: _Socket) -> None:
        while True:
            text = await socket.queue.get()
            if not socket.mute:
                try:
                    await socket.ws.send_str(text)
                except ConnectionError:
                    return
            socket.untold -= 1
            self._happened.set()

    # -- audio

    def _open_talk(self, leg: Leg) -> RtpTalk:
        def pressed(digit: str) -> None:
            with self.acting() as calls:
                calls.press(leg, digit)

        def ended() -> None:
            self.sounds.phone_is_silent(leg)

        talk = RtpTalk(self._host, lambda: self.sounds.said_by(leg.other), pressed, ended, random=self._random, guard=self._guard)
        self.sounds.phone_speaks(leg, talk.voice)
        return talk

    # -- SIP

    def configured(self) -> None:
        """Trunks may have changed: those with a host register, where SIP is on."""
        if self._sip_wire is not None:
            self.sip.follow_trunks()

    def _refresh_trunk(self, number: str) -> None:
        if self._sip_wire is not None:
            self.sip.refresh(number)

    def _send_sip(self, message: AnyMessage, hop: Hop) -> None:
        if self._sip_wire is not None:
            self._sip_wire.send(message, hop)

    def _sip_arrived(self, data: bytes, source: Hop) -> None:
        with self.acting():
            try:
                message = parse_message(data)
            except BadMessage as error:
                self.sip.receive_bad(error, source, self._clock())
            else:
                self.sip.receive(message, source, self._clock())

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, self._send_audio)

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, self._take_audio)

    async def _stream(
        self, request: web.Request, perform: Callable[[web.Request, _Stream], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        principal = self._bearer(request)
        if principal is None:
            return self._sent(request, Reply(401))
        if (instead := self.faults.instead()) is not None:
            return self._sent(request, instead)
        leg = self._control.stream_leg(principal, _segments(request)[1:])
        if isinstance(leg, Reply):
            return self._sent(request, leg)
        stream = _Stream(principal.client_id, leg)
        self._streams.add(stream)
        try:
            return await perform(request, stream)
        finally:
            self._streams.discard(stream)

    async def _send_audio(self, request: web.Request, stream: _Stream) -> web.StreamResponse:
        if stream.leg.other is None or self._clock() < stream.leg.born + MEDIA_DELAY_S:
            return self._sent(request, Reply(int(self.manners.media_not_ready_code), {"reasontext": "no media yet"}))
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        chunks = odd_chunks(lambda: self.sounds.of(stream.leg).voice(), self._random)
        start, sent = time.monotonic(), 0
        while not stream.ended.is_set():
            try:
                await response.write(next(chunks))
            except ConnectionError:
                return response
            sent += 1
            await _until(stream.ended, start + sent * FRAME_MS / 1000)
        await response.write_eof()
        return response

    async def _take_audio(self, request: web.Request, stream: _Stream) -> web.StreamResponse:
        if stream.leg.status is not Status.CONNECTED and self.manners.early_post == "refused":
            return self._sent(request, Reply(int(self.manners.wrong_state_code), {"reasontext": "not connected"}))
        audio = self.sounds.of(stream.leg)
        reading = asyncio.create_task(self._read_audio(request, stream, audio), name="double-stream")
        ended = asyncio.create_task(stream.ended.wait(), name="double-stream-end")
        audio.ended_cleanly = False
        try:
            await asyncio.wait([reading, ended], return_when=asyncio.FIRST_COMPLETED)
            audio.ended_cleanly = reading.done() and reading.exception() is None
        finally:
            for task in (reading, ended):
                task.cancel()
            await asyncio.wait([reading, ended])
        if audio.ended_cleanly and self.calls.is_routing(stream.leg) and self.manners.stream_end_in_routeto == "hangs_up":
            with self.acting():
                if stream.leg.other is not None:
                    self.calls.drop(stream.leg.other)
        return self._sent(request, Reply(200))

    async def _read_audio(self, request: web.Request, stream: _Stream, audio: LegAudio) -> None:
        async for piece in request.content.iter_any():
            if stream.leg.status is Status.CONNECTED:
                audio.post(piece, self._clock())


def _segments(request: web.Request) -> list[str]:
    """The path's parts, decoded one by one: a device id may hold an encoded slash."""
    return [unquote(part) for part in request.rel_url.raw_path.split("/") if part]


def _settle(future: asyncio.Future[Reply], reply: Reply) -> None:
    if not future.done():
        future.set_result(reply)


async def _until(event: asyncio.Event, moment: float) -> None:
    """Wait for an event, at most until a moment of the monotonic clock."""
    try:
        async with asyncio.timeout(max(0.0, moment - time.monotonic())):
            await event.wait()
    except TimeoutError:
        return
