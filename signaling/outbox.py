"""What waits to be sent to one client: bounded, in place of Engine.IO's unbounded queue.

Has the part of ``asyncio.Queue``'s shape that Engine.IO uses. Packets are anything with ``encode() -> str``; None ends the connection.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Protocol


class Packet(Protocol):
    def encode(self) -> str: ...


class Line:
    """A Socket.IO packet as text, encoded once for all its readers."""

    __slots__ = ("_text",)

    def __init__(self, socketio_text: str) -> None:
        self._text = "4" + socketio_text

    def encode(self) -> str:
        return self._text


class Outbox:
    """At most ``packets`` and ``size`` characters wait. Over that, ``on_overflow`` is called once and nothing more is taken.

    A volatile packet takes the place of the one before it with the same key, if that still waits.
    """

    def __init__(self, *, packets: int, size: int) -> None:
        self._most = packets
        self._largest = size
        self._waiting: OrderedDict[str | int, Packet | None] = OrderedDict()
        self._numbers = count()
        self._size = 0
        self._ready = asyncio.Event()
        self._over = False
        """Nothing more is taken."""
        self._ended = False
        self.superseded = 0
        self.on_overflow: Callable[[], None] = _nobody

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, packet: Packet, volatile_key: str | None = None) -> None:
        """Queue a packet; never blocks."""
        if self._over:
            return
        if volatile_key is not None and (older := self._waiting.pop(volatile_key, None)) is not None:
            self._size -= len(older.encode())
            self.superseded += 1
        self._size += len(packet.encode())
        self._waiting[next(self._numbers) if volatile_key is None else volatile_key] = packet
        self._ready.set()
        if len(self._waiting) > self._most or self._size > self._largest:
            self._waiting.clear()
            self._over = True
            self.on_overflow()

    def end(self, *last: Packet) -> None:
        """Send what waits, and ``last`` after it, then end the connection."""
        if not self._ended:
            self._over = self._ended = True
            for packet in (*last, None):
                self._waiting[next(self._numbers)] = packet
            self._ready.set()

    # What Engine.IO calls.

    async def put(self, packet: Packet | None) -> None:
        if packet is None:
            self.end()
        else:
            self.offer(packet)

    async def get(self) -> Packet | None:
        while not self._waiting:
            self._ready.clear()
            await self._ready.wait()
        _, packet = self._waiting.popitem(last=False)
        if packet is not None:
            self._size -= len(packet.encode())
        return packet

    def get_nowait(self) -> Packet | None:
        """Always empty: Engine.IO would take all that waits into a list of its own, out of our bounds."""
        raise asyncio.QueueEmpty

    def task_done(self) -> None:
        pass

    async def join(self) -> None:
        """Does not wait: a client that does not read must not keep who disconnects it."""


def _nobody() -> None:
    pass
