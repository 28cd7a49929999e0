"""One client's WebSocket, between aiohttp and Engine.IO: where everything in and out passes a guard.

Engine.IO makes one of these for each connection in place of its own WebSocket driver, and calls ``__call__``, ``wait``, ``send`` and
``close``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from signaling.frames import read_frame
from signaling.guard import ClientLimits, Guard, Verdict
from signaling.messages import Error
from signaling.outbox import Line, Outbox
from signaling.refusal import Refusal

_LINGER_S = 2.0
"""How long a dismissed client has to read why, before its connection is cut."""


class Owner(Protocol):
    """What a conduit tells the hub."""

    def opened(self, conduit: "Conduit") -> None: ...

    def refused(self, refusal: Refusal) -> None: ...

    def closed(self, conduit: "Conduit") -> None: ...


class Conduit:
    """See above. ``farewell`` words a refusal as the packets to leave with; ``answer`` as the acknowledgement of a request."""

    def __init__(
        self,
        run: Callable[["Conduit"], Awaitable[None]],
        outbox: Outbox,
        limits: ClientLimits,
        owner: Owner,
        *,
        farewell: Callable[[Refusal], list[Line]],
        answer: Callable[[int, Error], Line],
    ) -> None:
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._guard = Guard(limits, self._loop.time())
        self._owner = owner
        self._farewell = farewell
        self._answer = answer
        self._request: web.Request | None = None
        # A frame over the soft limit is read and refused with an answer; one over four times that closes the connection (code 1009).
        self._socket = web.WebSocketResponse(max_msg_size=4 * limits.largest_message, compress=False, timeout=_LINGER_S)
        self._cut: asyncio.TimerHandle | None = None
        self.outbox = outbox
        self.opened_at = self._loop.time()
        self.signed_in = False
        self.dismissed = False
        outbox.on_overflow = self._overflowed

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        self._request = environ["aiohttp.request"]
        environ[CONDUIT] = self
        await self._socket.prepare(self._request)
        self._owner.opened(self)
        try:
            await self._run(self)
        finally:
            if self._cut is not None:
                self._cut.cancel()
            self._owner.closed(self)
        return self._socket

    async def wait(self) -> str:
        """The next frame that may pass. Raises OSError when the connection is over, which is how Engine.IO wants it."""
        while True:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                raise OSError("the client closed the connection")
            if self.dismissed:
                continue
            frame = read_frame(message.data, self._limits.largest_message)
            verdict = self._guard.check(frame, self._loop.time())
            if verdict.refusal is None:
                data: str = message.data
                return data
            self._refuse(verdict, verdict.refusal, frame.ack)

    async def send(self, text: str) -> None:
        await self._socket.send_str(text)

    async def close(self) -> None:
        await self._socket.close()

    def dismiss(self, refusal: Refusal) -> None:
        """Disconnect, telling why: politely at first, after two seconds by cutting the connection."""
        if not self.dismissed:
            self.dismissed = True
            self._owner.refused(refusal)
            self.outbox.end(*self._farewell(refusal))
            self.cut_later()

    def cut_later(self) -> None:
        """The connection is to end now; one that does not is cut."""
        if self._cut is None:
            self._cut = self._loop.call_later(_LINGER_S, self._abort)

    def _refuse(self, verdict: Verdict, refusal: Refusal, ack: int | None) -> None:
        if verdict.dismiss:
            self.dismiss(refusal)
            return
        self._owner.refused(refusal)
        if ack is not None:
            self.outbox.offer(self._answer(ack, refusal.as_error()))

    def _overflowed(self) -> None:
        self.dismiss(
            Refusal("slow_reader", "This connection does not read what it is sent: it was closed. The page connects again by itself.")
        )

    def _abort(self) -> None:
        if self._request is not None and self._request.transport is not None:
            self._request.transport.abort()


CONDUIT = "centralita.conduit"
"""Where the connection's environment holds its conduit."""
