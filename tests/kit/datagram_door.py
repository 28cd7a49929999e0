"""A door in a path of datagrams between a program (SIPp) and an agent, which loses some of them.

SIPp knows a repetition only of the message that it heard last: an earlier one that comes again, because SIPp or the agent had to wait for
the processor, ends its call. Nothing is lost between two sockets of one machine, so a copy tells SIPp nothing: ``once_door`` keeps it back.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

_PROVISIONAL = re.compile(rb"SIP/2\.0 1[0-9][0-9] ")
_MOST_COPIES = 3
"""The second copy is the first to arrive; what answers it is lost once too, so a third is needed."""
Address = tuple[str, int]
Passes = Callable[[bytes, int], bool]
"""Does this datagram go on, which comes for the so manieth time?"""


def once_door(near: Address, program: Address, far: Address, agent: Address | None) -> AbstractAsyncContextManager[None]:
    """The program hears every datagram once; what it says itself goes on as it comes. ``agent``: None for whoever speaks first."""
    return _door(near, program, far, agent, to_program=lambda data, copy: copy == 1, to_agent=lambda data, copy: True)


def lossy_door(near: Address, program: Address, far: Address, agent: Address) -> AbstractAsyncContextManager[None]:
    """The first copy of everything is lost, but for provisional responses, which nobody would repeat."""

    def to_program(data: bytes, copy: int) -> bool:
        return copy == 1 if _PROVISIONAL.match(data) else 1 < copy <= _MOST_COPIES

    return _door(near, program, far, agent, to_program, to_agent=lambda data, copy: copy > 1 or bool(_PROVISIONAL.match(data)))


class _Side(asyncio.DatagramProtocol):
    """One of the door's two sockets: what ``target`` says to it goes to the other one's target where ``passes`` lets it."""

    def __init__(self, target: Address | None, passes: Passes) -> None:
        self.target = target
        self.other: _Side
        self.transport: Any = None
        self.closed = asyncio.Event()
        self._passes = passes
        self._seen: Counter[bytes] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.target = self.target or addr
        self._seen[data] += 1
        if self._passes(data, self._seen[data]):
            self.other.transport.sendto(data, self.other.target)


@asynccontextmanager
async def _door(
    near: Address, program: Address, far: Address, agent: Address | None, to_program: Passes, to_agent: Passes
) -> AsyncIterator[None]:
    """What ``program`` sends to ``near`` goes on from ``far`` to ``agent``, and back the same way."""
    loop = asyncio.get_running_loop()
    sides = _Side(program, to_agent), _Side(agent, to_program)
    sides[0].other, sides[1].other = sides[1], sides[0]
    for side, here in zip(sides, (near, far), strict=True):
        await loop.create_datagram_endpoint(lambda side=side: side, local_addr=here)  # type: ignore[misc]
    try:
        yield
    finally:
        for side in sides:
            side.transport.close()
            await side.closed.wait()
