"""A door in a path of datagrams that loses the first copy of everything but provisional responses, which nobody would repeat."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

_PROVISIONAL = re.compile(rb"SIP/2\.0 1[0-9][0-9] ")
Address = tuple[str, int]


class _Side(asyncio.DatagramProtocol):
    def __init__(self, target: Address) -> None:
        self.target = target
        self.other: _Side
        self.transport: Any = None
        self.closed = asyncio.Event()
        self._seen: set[bytes] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if data in self._seen or _PROVISIONAL.match(data):
            self.other.transport.sendto(data, self.other.target)
        self._seen.add(data)


@asynccontextmanager
async def lossy_door(near: Address, program: Address, far: Address, agent: Address) -> AsyncIterator[None]:
    """What ``program`` sends to ``near`` goes on from ``far`` to ``agent``, and back the same way."""
    loop = asyncio.get_running_loop()
    sides = _Side(program), _Side(agent)
    sides[0].other, sides[1].other = sides[1], sides[0]
    for side, here in zip(sides, (near, far), strict=True):
        await loop.create_datagram_endpoint(lambda side=side: side, local_addr=here)  # type: ignore[misc]
    try:
        yield
    finally:
        for side in sides:
            side.transport.close()
            await side.closed.wait()
