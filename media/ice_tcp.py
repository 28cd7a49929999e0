"""Browsers whose network lets no UDP through: passive ICE candidates on one TCP port (RFC 6544), datagrams framed by RFC 4571.

Each connection has a UDP socket of its own on the loopback address, connected to an inner address of the port ("side"). To everything
behind it such a browser is one more UDP address: checks, DTLS and media go the one way that they always go (``media/icelite.py``,
``media/wire``), and come back here. That costs a second passage through the kernel, for those who can have no other.

Until the side answers, which it does to an authenticated check only, a connection is believed nothing: it may send a few STUN messages
within a few seconds. What a browser does not read in time is dropped, as UDP would.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LONGEST_FRAME = 1_500
_LONGEST_CHECK = 548
_CHECKS_BEFORE_PROOF = 16
_PROVEN_WITHIN_S = 10.0
_MOST_OF_ONE_SOURCE = 32
_MOST_UNREAD_BYTES = 64_000
_AT_ONCE = 32
_BACKLOG = 128
INNER_HOST = "127.0.0.1"


@dataclass(slots=True)
class TcpCounters:
    """Connections ``accepted``, ``refused`` (too many) and ``malformed`` (ended for it); datagrams ``unsent``, not read in time."""

    accepted: int = 0
    refused: int = 0
    malformed: int = 0
    unsent: int = 0


class TcpPort:
    """All connections of one worker. ``on_gone(address)`` tells the inner address of a connection that ended."""

    def __init__(self, inner: tuple[str, int], on_gone: Callable[[tuple[str, int]], None], *, most: int) -> None:
        self.counters = TcpCounters()
        self.inner = inner
        self.on_gone = on_gone
        self._most = most
        self._connections: dict[tuple[str, int], _Connection] = {}
        self._sources: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self._empty = asyncio.Event()
        self._empty.set()

    async def listen(self, sock: socket.socket) -> None:
        """Take over a bound socket."""
        server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), sock=sock, backlog=_BACKLOG)
        self._servers.append(server)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._connections.values()):
            connection.abort()
        await self._empty.wait()

    def __len__(self) -> int:
        return len(self._connections)

    def origin(self, address: tuple[Any, ...]) -> tuple[str, int]:
        """Where the connection of an inner address really comes from."""
        connection = self._connections.get((address[0], address[1]))
        return connection.source if connection is not None else (address[0], address[1])

    def drop(self, address: tuple[Any, ...]) -> None:
        """End a connection that nobody needs any more; what was sent to it still leaves."""
        connection = self._connections.get((address[0], address[1]))
        if connection is not None:
            connection.end()

    # -- what connections ask

    def enter(self, connection: "_Connection") -> bool:
        """False when there is no place for it."""
        if len(self._connections) >= self._most or self._sources[connection.source[0]] >= _MOST_OF_ONE_SOURCE:
            self.counters.refused += 1
            return False
        self.counters.accepted += 1
        self._sources[connection.source[0]] += 1
        self._connections[connection.address] = connection
        self._empty.clear()
        return True

    def leave(self, connection: "_Connection") -> None:
        del self._connections[connection.address]
        self._sources -= Counter((connection.source[0],))
        self.on_gone(connection.address)
        if not self._connections:
            self._empty.set()


class _Connection(asyncio.Protocol):
    """One browser's TCP connection and its inner socket."""

    address: tuple[str, int]
    source: tuple[str, int]

    def __init__(self, port: TcpPort) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._inner: socket.socket | None = None
        self._unread = bytearray()
        self._proven = False
        self._checks = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.source = (peer[0].partition("%")[0], peer[1])
        inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        inner.setblocking(False)
        inner.bind((INNER_HOST, 0))
        inner.connect(self._port.inner)
        self.address = inner.getsockname()
        if not self._port.enter(self):
            inner.close()
            transport.abort()
            return
        self._inner = inner
        self._loop.add_reader(inner, self._answered)
        self._deadline = self._loop.call_later(_PROVEN_WITHIN_S, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._inner is None:
            return
        unread = self._unread
        unread += data
        start, size = 0, len(unread)
        while start + 2 <= size:
            length = unread[start] << 8 | unread[start + 1]
            if not self._is_allowed(length, unread[start + 2] if start + 2 < size else 0):
                self._port.counters.malformed += 1
                self.abort()
                return
            if start + 2 + length > size:
                break
            self._pass_on(self._inner, bytes(unread[start + 2 : start + 2 + length]))
            start += 2 + length
        del unread[:start]

    def _is_allowed(self, length: int, first: int) -> bool:
        """``first`` byte of the datagram, 0 while it has still to come."""
        if self._proven:
            return 0 < length <= LONGEST_FRAME
        return 0 < length <= _LONGEST_CHECK and first < 4 and self._checks < _CHECKS_BEFORE_PROOF

    def _pass_on(self, inner: socket.socket, datagram: bytes) -> None:
        self._checks += 1
        try:
            inner.send(datagram)
        except OSError:
            self._port.counters.unsent += 1

    def _answered(self) -> None:
        """The side has something for the browser."""
        inner = self._inner
        for _ in range(_AT_ONCE):
            if inner is None:
                return
            try:
                datagram = inner.recv(LONGEST_FRAME + 1)
            except OSError:
                return
            self._prove()
            unread = self._transport.get_write_buffer_size()
            if self._transport.is_closing() or unread > _MOST_UNREAD_BYTES or len(datagram) > LONGEST_FRAME:
                self._port.counters.unsent += 1
            else:
                self._transport.write(len(datagram).to_bytes(2, "big") + datagram)

    def _prove(self) -> None:
        self._proven = True
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def end(self) -> None:
        """What was sent still leaves, within the time that a stranger has."""
        self._answered()
        if self._inner is not None and self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            self._deadline = self._loop.call_later(_PROVEN_WITHIN_S, self.abort)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        inner, self._inner = self._inner, None
        if inner is not None:
            self._loop.remove_reader(inner)
            inner.close()
            self._port.leave(self)
