"""The emulator's SIP socket: UDP, names of hosts resolved beside the road."""

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Self

from pbx.message import AnyMessage, build
from pbx.transactions import Hop

MAX_RESOLVING = 100


class SipWire(asyncio.DatagramProtocol):
    """``await SipWire.open(...)``; ``on_bytes`` hears of every datagram and where it came from."""

    def __init__(self, on_bytes: Callable[[bytes, Hop], None]) -> None:
        self.port = 0
        self._on_bytes = on_bytes
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.get_running_loop().create_future()
        self._resolving: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, host: str, port: int, on_bytes: Callable[[bytes, Hop], None]) -> Self:
        """Bind. Raises ``OSError``."""
        wire = cls(on_bytes)
        wire._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: wire, local_addr=(host, port))
        wire.port = int(wire._transport.get_extra_info("sockname")[1])
        return wire

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.strip(b"\r\n\x00"):
            self._on_bytes(data, Hop("udp", addr[0], addr[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)

    def send(self, message: AnyMessage, hop: Hop) -> None:
        """What cannot be sent is lost, as a datagram is: the transaction's timers tell."""
        data = build(message)
        try:
            ipaddress.ip_address(hop.host)
        except ValueError:
            if len(self._resolving) < MAX_RESOLVING:
                task = asyncio.create_task(self._resolve_and_send(data, hop), name="double-sip-name")
                self._resolving.add(task)
                task.add_done_callback(self._resolving.discard)
        else:
            self._put(data, hop.host, hop.port)

    async def _resolve_and_send(self, data: bytes, hop: Hop) -> None:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(hop.host, hop.port)
        except OSError:
            return
        self._put(data, str(found[0][4][0]), hop.port)

    def _put(self, data: bytes, host: str, port: int) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, (host, port))

    async def close(self) -> None:
        for task in self._resolving:
            task.cancel()
        if self._resolving:
            await asyncio.wait(self._resolving)
        if self._transport is not None:
            self._transport.close()
            await self._closed
