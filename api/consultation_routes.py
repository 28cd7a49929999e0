"""HTTP of consultations: the page, new links for who is signed in, and each participant's WebSocket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from api.consultations import Consultations, Participant
from media.messages import MediaRefusal
from signaling import consultations as wire
from signaling.limits import AddressGate, AddressLimits, TokenBucket
from signaling.refusal import Refusal

log = structlog.get_logger()

_LARGEST_MESSAGE = 49_152
_JOIN_WITHIN_S = 10.0
_HEARTBEAT_S = 30.0
"""A page that does not answer for half of this is gone, which is how long its media may be away too."""
_OUTBOX = 128
_SAID_PER_S, _SAID_AT_ONCE = 10.0, 60.0


class ConsultationRoutes:
    """``address_of`` tells where a request comes from; ``limits``: of one address; ``most_pages``: of all together."""

    def __init__(
        self,
        consultations: Consultations,
        invitations: wire.Invitations,
        *,
        address_of: Callable[[web.Request], str],
        limits: AddressLimits,
        most_pages: int = 1_000,
    ) -> None:
        self._consultations = consultations
        self._invitations = invitations
        self._address_of = address_of
        self._addresses = AddressGate(limits)
        self._pages: set[_Page] = set()
        self._most_pages = most_pages

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/consultations", self._invite)
        app.router.add_get("/api/consultations/socket", self._socket)
        app.on_shutdown.append(self._shut_down)

    async def _invite(self, _request: web.Request) -> web.Response:
        body = msgspec.json.encode(self._invitations.issue())
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        loop = asyncio.get_running_loop()
        address = self._address_of(request)
        wait_s = self._addresses.admit(address, loop.time())
        if not wait_s and len(self._pages) >= self._most_pages:
            self._addresses.release(address)
            raise Refusal("busy", "This server has as many participants as it can hold: try again later.", 60.0)
        if wait_s:
            raise Refusal("too_many_requests", "Too many connections come from your network: wait a moment.", wait_s)
        try:
            socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_LARGEST_MESSAGE, compress=False)
            await socket.prepare(request)
            async with self._page(socket) as page:
                await page.serve()
            return socket
        finally:
            self._addresses.release(address)

    @asynccontextmanager
    async def _page(self, socket: web.WebSocketResponse) -> "AsyncIterator[_Page]":
        page = _Page(socket, self._consultations, self._invitations)
        self._pages.add(page)
        try:
            yield page
        finally:
            self._pages.discard(page)
            await page.close()

    async def _shut_down(self, _app: web.Application) -> None:
        for page in self._pages:
            page.tell(wire.Closing("stopping", "The server is being stopped: open the link again in a minute."))


class _Page:
    """One participant's WebSocket: what is said is done in order, what is told waits in a bounded outbox."""

    def __init__(self, socket: web.WebSocketResponse, consultations: Consultations, invitations: wire.Invitations) -> None:
        self._socket = socket
        self._consultations, self._invitations = consultations, invitations
        self._someone: Participant | None = None
        self._outbox: asyncio.Queue[wire.AnyTold] = asyncio.Queue(_OUTBOX)
        self._bucket = TokenBucket(_SAID_PER_S, _SAID_AT_ONCE, asyncio.get_running_loop().time())
        self._writing = asyncio.get_running_loop().create_task(self._write(), name="consultation-page")

    def tell(self, told: wire.AnyTold) -> None:
        """A page that does not read what it is told is let go."""
        try:
            self._outbox.put_nowait(told)
        except asyncio.QueueFull:
            self._writing.cancel()

    async def _write(self) -> None:
        try:
            while True:
                told = await self._outbox.get()
                await self._socket.send_str(msgspec.json.encode(told).decode())
                if isinstance(told, wire.Closing):
                    return
        except (ConnectionError, RuntimeError):
            return
        finally:
            await self._socket.close(code=WSCloseCode.OK)

    async def serve(self) -> None:
        """Until the page goes, or is let go."""
        try:
            async with asyncio.timeout(_JOIN_WITHIN_S):
                first = await self._socket.receive()
        except TimeoutError:
            return
        if not await self._do(first.data if first.type is WSMsgType.TEXT else ""):
            return
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT or not await self._do(message.data):
                return

    async def _do(self, text: str) -> bool:
        """False when the connection is over."""
        try:
            wait_s = self._bucket.take(asyncio.get_running_loop().time())
            if wait_s:
                raise Refusal("too_many_requests", "This page asks too much at once.", wait_s)
            said = _read(text)
            if self._someone is None:
                self._someone = await self._join(said)
                return True
            return await self._done(self._someone, said)
        except (Refusal, MediaRefusal) as refusal:
            if self._someone is None or refusal.code == "too_many_requests":
                self.tell(wire.Closing(refusal.code, str(refusal)))
                await asyncio.wait([self._writing])
                return False
            self.tell(wire.Refused(refusal.code, str(refusal)))
            return True

    async def _join(self, said: wire.AnySaid) -> Participant:
        if not isinstance(said, wire.Join):
            raise Refusal("bad_message", "The first message must say who joins.")
        return await self._consultations.join(self._invitations.verify(said.token), said.name, self.tell)

    async def _done(self, someone: Participant, said: wire.AnySaid) -> bool:
        match said:
            case wire.Offer():
                self.tell(await self._consultations.offer(someone, said))
            case wire.Watch():
                await self._consultations.watch(someone, said)
            case wire.Microphone(on=on):
                self._consultations.microphone(someone, on)
            case wire.Leave():
                return False
            case wire.Join():
                raise Refusal("bad_message", "This page has joined already.")
        return True

    async def close(self) -> None:
        if self._someone is not None:
            await self._consultations.leave(self._someone)
        self._writing.cancel()
        await asyncio.wait([self._writing])


def _read(text: str) -> wire.AnySaid:
    try:
        said: wire.AnySaid = wire.read_said(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal("bad_message", f"The server cannot read this message: {error}") from None
    return said
