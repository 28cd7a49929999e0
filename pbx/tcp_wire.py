"""SIP over TCP: connections that are opened when needed, reused for everything towards the same peer, and re-opened when they went."""

import asyncio
from collections import Counter
from collections.abc import Callable

from pbx.framing import StreamBroken, StreamFramer

MAX_CONNECTIONS = 64
MAX_UNSENT_BYTES = 262_144
HALF_MESSAGE_S = 30.0
CONNECT_S = 10.0
Address = tuple[str, int]


class TcpConnection(asyncio.Protocol):
    """One connection, whoever opened it. A message that does not become whole in 30 s ends it."""

    def __init__(self, wire: "TcpWire", *, accepted: bool) -> None:
        self._wire = wire
        self._accepted = accepted
        self._framer = StreamFramer()
        self._patience: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None
        self.peer: Address = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.peer = transport.get_extra_info("peername")[:2]
        if not self._wire.welcome(self, accepted=self._accepted):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        if self.transport.is_closing():
            return
        try:
            messages = self._framer.feed(data)
        except StreamBroken:
            self._wire.counts["tcp_broken_streams"] += 1
            self.transport.abort()
            return
        if self._framer.pings:
            self._framer.pings = 0
            self.transport.write(b"\r\n")
        self._watch_half_messages()
        for message in messages:
            self._wire.on_bytes(message, self.peer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._wire.gone(self)

    def _watch_half_messages(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._framer.partial:
            self._patience = asyncio.get_running_loop().call_later(HALF_MESSAGE_S, self._impatient)

    def _impatient(self) -> None:
        self._wire.counts["tcp_half_messages"] += 1
        if self.transport is not None:
            self.transport.abort()


class TcpWire:
    """``on_bytes(message, peer)`` gets whole messages; ``trusts(host)`` decides who may connect."""

    def __init__(self, on_bytes: Callable[[bytes, Address], None], trusts: Callable[[str], bool], counts: Counter[str]) -> None:
        self.on_bytes = on_bytes
        self.counts = counts
        self._trusts = trusts
        self._connections: dict[Address, TcpConnection] = {}
        self._opening: dict[Address, asyncio.Task[TcpConnection]] = {}
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; the port that we listen on. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: TcpConnection(self, accepted=True), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def send(self, data: bytes, peer: Address) -> None:
        """Send on the connection to this peer, opening one where there is none. Raises ``OSError`` and ``TimeoutError``."""
        connection = self._connections.get(peer) or await self._connect(peer)
        transport = connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionError("the connection has just closed")
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            transport.abort()
            raise ConnectionError("the PBX does not read what we send")
        transport.write(data)

    async def _connect(self, peer: Address) -> TcpConnection:
        task = self._opening.get(peer)
        if task is None:
            task = asyncio.create_task(self._open_to(peer), name="sip-tcp-connect")
            self._opening[peer] = task
            task.add_done_callback(lambda _: self._opening.pop(peer, None))
        return await asyncio.shield(task)

    async def _open_to(self, peer: Address) -> TcpConnection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_S):
            _, connection = await loop.create_connection(lambda: TcpConnection(self, accepted=False), *peer)
        self._connections[peer] = connection
        return connection

    def welcome(self, connection: TcpConnection, *, accepted: bool) -> bool:
        """Take a connection in; False for strangers and beyond the bound."""
        if accepted and not self._trusts(connection.peer[0]):
            self.counts["dropped_untrusted"] += 1
            return False
        if len(self._connections) >= MAX_CONNECTIONS:
            self.counts["tcp_refused_full"] += 1
            return False
        self._connections[connection.peer] = connection
        return True

    def gone(self, connection: TcpConnection) -> None:
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]

    async def close(self) -> None:
        opening = list(self._opening.values())
        for task in opening:
            task.cancel()
        if opening:
            await asyncio.wait(opening)
        for connection in list(self._connections.values()):
            if connection.transport is not None:
                connection.transport.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
