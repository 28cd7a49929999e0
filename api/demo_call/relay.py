"""The impairment relay: stands on one hop of the call and loses, delays and doubles its RTP as a seeded network would.

Only RTP suffers (RFC 7983: first byte 128-191, and a payload type outside 64-95, which is RTCP under RFC 5761): ICE, DTLS and RTCP pass
at once, so that a run measures what loss does to speech, not to set-up. Each direction has its own emulator or none.

Two ways to stand in the path, because the two hops learn addresses differently:

- :class:`FlowRelay` in front of one port (the browser's hop): every stranger who sends gets a socket of his own towards the target, so
  that the target tells strangers apart.
- :class:`DoorRelay` between two ranges of ports (the phone's hop): each side is reached by a range of doors, one for each of its ports.
  A packet from A's port p to B's port q arrives at B's door for q and leaves by A's door for p. Nothing is learned, so nothing can be
  learned wrong.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

Address = tuple[str, int]
_MOST_FLOWS = 64
_MOST_IN_FLIGHT = 2_000


class Emulator(Protocol):
    """``dsp.netem.NetworkEmulator``, by shape."""

    def fates(self, now_s: float, size: int) -> list[float]:
        """When each copy of a packet sent now arrives; empty: lost."""
        ...


def is_rtp(packet: bytes) -> bool:
    return len(packet) >= 12 and 128 <= packet[0] <= 191 and not 64 <= packet[1] & 0x7F <= 95


@dataclass(slots=True)
class Tally:
    """What happened to the RTP of one direction."""

    packets: int = 0
    lost: int = 0
    refused: int = 0
    """Dropped because too many were in flight, or from too many strangers: a fault of the set-up, not of the emulated network."""


class Direction:
    """One direction of the hop: RTP goes through the emulator, all else passes at once."""

    def __init__(self, emulator: Emulator | None) -> None:
        self._emulator = emulator
        self.tally = Tally()
        self._in_flight: set[asyncio.TimerHandle] = set()

    def carry(self, packet: bytes, deliver: Callable[[bytes], None]) -> None:
        """Delivers the packet now, later, twice or never."""
        if not is_rtp(packet):
            deliver(packet)
            return
        self.tally.packets += 1
        if self._emulator is None:
            deliver(packet)
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        times = self._emulator.fates(now, len(packet))
        if not times:
            self.tally.lost += 1
        for at in times:
            if at <= now:
                deliver(packet)
            elif len(self._in_flight) < _MOST_IN_FLIGHT:
                self._later(loop, at, packet, deliver)
            else:
                self.tally.refused += 1

    def _later(self, loop: asyncio.AbstractEventLoop, at: float, packet: bytes, deliver: Callable[[bytes], None]) -> None:
        def arrive() -> None:
            self._in_flight.discard(handle)
            deliver(packet)

        handle = loop.call_at(at, arrive)
        self._in_flight.add(handle)

    def close(self) -> None:
        for handle in self._in_flight:
            handle.cancel()
        self._in_flight.clear()


class _Socket(asyncio.DatagramProtocol):
    """A bound UDP socket that hands on what it gets."""

    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def bound(cls, address: Address, received: Callable[[bytes, Address], None]) -> "_Socket":
        _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(lambda: cls(received), local_addr=address)
        return protocol

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._received(data, addr)

    def error_received(self, exc: Exception) -> None:
        """The other side's port is closed (ICMP): it is going down, or not up yet. The packet is lost as on any network."""

    @property
    def address(self) -> Address:
        name: Address = self._open.get_extra_info("sockname")
        return name

    @property
    def _open(self) -> asyncio.DatagramTransport:
        if self._transport is None:
            raise RuntimeError("the socket is not bound")
        return self._transport

    def send(self, packet: bytes, to: Address) -> None:
        if not self._open.is_closing():
            self._open.sendto(packet, to)

    def close(self) -> None:
        self._open.close()


class FlowRelay:
    """``async with FlowRelay(target, inwards=..., outwards=...) as relay``: listens at ``relay.address`` for ``target``.

    ``inwards``: the emulator towards the target; ``outwards``: back to whoever sent.
    """

    def __init__(self, target: Address, *, inwards: Emulator | None = None, outwards: Emulator | None = None) -> None:
        self._target = target
        self.inwards, self.outwards = Direction(inwards), Direction(outwards)
        self._flows: dict[Address, asyncio.Future[_Socket]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._front: _Socket | None = None

    @property
    def address(self) -> Address:
        if self._front is None:
            raise RuntimeError("the relay is not open")
        return self._front.address

    async def __aenter__(self) -> Self:
        self._front = await _Socket.bound((self._target[0], 0), self._from_outside)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.inwards.close()
        self.outwards.close()
        for flow in self._flows.values():
            if flow.done() and not flow.cancelled():
                flow.result().close()
        if self._front is not None:
            self._front.close()
        await asyncio.sleep(0)  # the transports close on the next turn of the loop

    def _from_outside(self, packet: bytes, sender: Address) -> None:
        flow = self._flows.get(sender)
        if flow is None:
            if len(self._flows) >= _MOST_FLOWS:
                self.inwards.tally.refused += 1
                return
            flow = self._flows[sender] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._open_flow(sender, flow), name="relay flow")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if flow.done():
            opened = flow.result()
            self.inwards.carry(packet, lambda data: opened.send(data, self._target))
        else:
            flow.add_done_callback(lambda done: None if done.cancelled() else done.result().send(packet, self._target))

    async def _open_flow(self, sender: Address, flow: asyncio.Future[_Socket]) -> None:
        def back(packet: bytes, _target: Address) -> None:
            self.outwards.carry(packet, lambda data: self._front.send(data, sender) if self._front is not None else None)

        try:
            flow.set_result(await _Socket.bound((self._target[0], 0), back))
        finally:
            if not flow.done():
                flow.cancel()


@dataclass(frozen=True, slots=True)
class Doors:
    """One side's ``count`` ports from ``home`` on, and the doors that stand for them, from ``door`` on."""

    home: int
    door: int
    count: int
    host: str = "127.0.0.1"

    @property
    def shift(self) -> int:
        return self.door - self.home


class DoorRelay:
    """``async with DoorRelay(server, phone, inwards=..., outwards=...)``: ``inwards`` is towards the server."""

    def __init__(self, server: Doors, phone: Doors, *, inwards: Emulator | None = None, outwards: Emulator | None = None) -> None:
        self._server, self._phone = server, phone
        self.inwards, self.outwards = Direction(inwards), Direction(outwards)
        self._sockets: dict[int, _Socket] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with self._stack:
            for near, far, direction in ((self._server, self._phone, self.inwards), (self._phone, self._server, self.outwards)):
                for number in range(near.count):
                    home = (near.host, near.home + number)
                    opened = await _Socket.bound((near.host, near.door + number), self._through(home, far.shift, direction))
                    self._stack.callback(opened.close)
                    self._sockets[near.door + number] = opened
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.inwards.close()
        self.outwards.close()
        await self._stack.aclose()
        await asyncio.sleep(0)  # the transports close on the next turn of the loop

    def _through(self, home: Address, far_shift: int, direction: Direction) -> Callable[[bytes, Address], None]:
        def received(packet: bytes, sender: Address) -> None:
            way_out = self._sockets.get(sender[1] + far_shift)
            if way_out is None:
                direction.tally.refused += 1
                return
            direction.carry(packet, lambda data: way_out.send(data, home))

        return received
