"""One client's WebSocket: Engine.IO protocol 4 in it, and a guard that everything in and out passes.

python-socketio sees one of these in place of each Engine.IO socket. It is the protocol of its TCP connection itself, so an idle client
costs no task, no timer and nothing of the HTTP server that let it in.
"""

import asyncio
import socket
from typing import Any, Protocol, cast

from signaling.frames import Frame, Kind, read_frame
from signaling.guard import ClientLimits, Guard, Verdict
from signaling.messages import Error
from signaling.outbox import Line, Outbox
from signaling.refusal import Refusal
from signaling.websocket import Opcode, Reader, Violation, close_frame, frame

_LINGER_S = 2.0
"""How long a dismissed client has to read why, before its connection is cut."""
UNSENT_SIZE = 65_536
"""Bytes that the transport may hold for a client that does not read; beyond, lines wait in the outbox."""
_KERNEL_SIZE = 131_072
"""Bytes that the kernel may hold for it (it doubles this for its own book-keeping)."""
_PING = Line("2")
_CONTROL = Frame(Kind.PONG)
_NORMAL = 1000


class Owner(Protocol):
    """What a conduit tells the hub."""

    def said(self, conduit: "Conduit", text: str) -> None:
        """A Socket.IO packet of signing in or out came, and may pass."""

    def asked(self, conduit: "Conduit", request: Frame) -> None:
        """A request came, and may pass."""

    def answered(self, conduit: "Conduit") -> None:
        """The client says that it is still there."""

    def waiting(self, conduit: "Conduit") -> None:
        """Something waits to be sent: ``flush`` soon."""

    def refused(self, refusal: Refusal) -> None: ...

    def abused(self, conduit: "Conduit", refusal: Refusal) -> None:
        """The client did so often what it may not that it is dismissed."""

    def closed(self, conduit: "Conduit") -> None: ...

    def farewell(self, refusal: Refusal) -> list[Line]:
        """A refusal as the packets to leave with."""

    def answer(self, ack: int, error: Error) -> Line:
        """A refusal as the acknowledgement of a request."""


class Conduit(asyncio.Protocol):
    """See above. ``sid``: its number with Engine.IO; ``address``: where it comes from."""

    __slots__ = (
        "_broken",
        "_closing",
        "_cut",
        "_guard",
        "_loop",
        "_owner",
        "_paused",
        "_reader",
        "_transport",
        "address",
        "closed",
        "dismissed",
        "identity",
        "largest",
        "opened_at",
        "outbox",
        "sid",
    )

    def __init__(self, sid: str, address: str, owner: Owner, limits: ClientLimits, *, packets: int, size: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._guard = Guard(limits, self._loop.time())
        # A message over the soft limit is read and refused with an answer; one over four times that closes the connection (code 1009).
        self._reader = Reader(4 * limits.largest_message)
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._broken = False
        self._closing = False
        """Our close frame is sent."""
        self._cut: asyncio.TimerHandle | None = None
        self.largest = limits.largest_message
        self.outbox = Outbox(packets=packets, size=size, on_waiting=self._waits, on_overflow=self._overflowed)
        self.opened_at = self._loop.time()
        self.sid = sid
        self.address = address
        self.identity = ""
        """Who signed in here; empty until then."""
        self.dismissed = False
        self.closed = False

    # ------------------------------------------------------------------ what the hub calls

    def dismiss(self, refusal: Refusal) -> None:
        """Disconnect, telling why: politely at first, after two seconds by cutting the connection."""
        if not self.dismissed:
            self.dismissed = True
            self._owner.refused(refusal)
            self.finish(*self._owner.farewell(refusal))

    def finish(self, *last: Line) -> None:
        """Send what waits and ``last``, then end the connection; one that does not end is cut."""
        self.outbox.end(*last)
        self._cut_later()

    def ping(self) -> None:
        self.outbox.offer(_PING)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def flush(self) -> None:
        """Send what waits, as far as the client reads."""
        transport = self._transport
        if transport is None or self._paused or transport.is_closing():
            return
        while not self._paused and (data := self.outbox.take()) is not None:
            transport.write(data)
        if self.outbox.ended and not self.outbox:
            self._close(_NORMAL)

    # ------------------------------------------------------------------ what python-socketio calls

    async def send(self, packet: Any) -> None:
        self.outbox.offer(Line(packet.encode()))

    async def close(self, **_: object) -> None:
        self.finish()

    # ------------------------------------------------------------------ what the connection calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNSENT_SIZE)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_SIZE)

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        try:
            for opcode, payload in self._reader.feed(data):
                self._take(opcode, payload)
        except Violation as violation:
            self._break_off(violation.code)

    def eof_received(self) -> None:
        """Ends the connection."""

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.flush()

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        if self._cut is not None:
            self._cut.cancel()
        if not self.closed:
            self.closed = True
            self._owner.closed(self)

    # ------------------------------------------------------------------ inside

    def _take(self, opcode: Opcode, payload: bytes) -> None:
        if opcode is Opcode.CLOSE:
            self._goodbye()
        elif not self.dismissed:
            self._hear(opcode, payload)

    def _hear(self, opcode: Opcode, payload: bytes) -> None:
        data: str | bytes = payload
        if opcode is Opcode.TEXT:
            try:
                data = payload.decode()
            except UnicodeDecodeError:
                raise Violation(1007, "a text that is not UTF-8") from None
        control = opcode >= Opcode.CLOSE
        heard = _CONTROL if control else read_frame(data, self.largest)
        verdict = self._guard.check(heard, self._loop.time())
        if verdict.refusal is not None:
            self._refuse(verdict, verdict.refusal, heard.ack)
        elif control:
            self._pong(opcode, payload)
        elif heard.kind is Kind.PONG:
            self._owner.answered(self)
        elif heard.kind is Kind.CLOSE:
            self.finish()
        elif heard.kind is Kind.REQUEST:
            self._owner.asked(self, heard)
        else:
            assert isinstance(data, str)
            self._owner.said(self, data[1:])

    def _pong(self, opcode: Opcode, payload: bytes) -> None:
        """Section 5.5.3. Written past the outbox; left out for a client that asks without reading."""
        if opcode is Opcode.PING and self._transport is not None and not self._paused:
            self._transport.write(frame(Opcode.PONG, payload))

    def _goodbye(self) -> None:
        """The client's close frame: ours, unless that one is its answer, and the end (section 5.5.1)."""
        self._close(_NORMAL)
        if self._transport is not None:
            self._transport.close()

    def _break_off(self, code: int) -> None:
        """The client broke the protocol: it is told by the close frame; what it still sends is thrown away, then the connection is cut."""
        self.dismissed = self._broken = True
        self._close(code)

    def _close(self, code: int) -> None:
        if self._transport is not None and not self._closing:
            self._closing = True
            self._transport.write(close_frame(code))
        self._cut_later()

    def _cut_later(self) -> None:
        if self._cut is None and not self.closed:
            self._cut = self._loop.call_later(_LINGER_S, self.abort)

    def _refuse(self, verdict: Verdict, refusal: Refusal, ack: int | None) -> None:
        if verdict.dismiss:
            self._owner.abused(self, refusal)
            self.dismiss(refusal)
            return
        self._owner.refused(refusal)
        if ack is not None:
            self.outbox.offer(self._owner.answer(ack, refusal.as_error()))

    def _waits(self) -> None:
        self._owner.waiting(self)

    def _overflowed(self) -> None:
        self.dismiss(
            Refusal("slow_reader", "This connection does not read what it is sent: it was closed. The page connects again by itself.")
        )
