"""The impairment relay on real sockets: who is reached through it, what suffers and what does not."""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from api.demo_call.process import free_port_range
from api.demo_call.relay import Address, Direction, DoorRelay, Doors, FlowRelay, is_rtp
from dsp.netem import NetworkEmulator

WAIT_S = 30.0


class End(asyncio.DatagramProtocol):
    """A party with one socket that keeps what it gets."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue(10_000)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport
        self.address: Address = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: Address) -> None:  # type: ignore[override]
        self.arrived.put_nowait((data, addr))

    async def next(self) -> tuple[bytes, Address]:
        return await asyncio.wait_for(self.arrived.get(), WAIT_S)


@asynccontextmanager
async def end(port: int = 0) -> AsyncIterator[End]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(End, local_addr=("127.0.0.1", port))
    try:
        yield protocol
    finally:
        transport.close()
        await asyncio.sleep(0)


async def refusal(direction: Direction) -> None:
    """Waits, a turn of the loop at a time, until the relay has dropped something by its own limits."""
    async with asyncio.timeout(WAIT_S):
        while not direction.tally.refused:  # noqa: ASYNC110 - the relay has no event for it and needs none
            await asyncio.sleep(0)


def rtp(sequence: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 9, sequence, sequence * 160, 1) + bytes(160)


def test_what_counts_as_rtp() -> None:
    assert is_rtp(rtp(1))
    assert not is_rtp(b"\x80\xc8" + bytes(30)), "RTCP sender report"
    assert not is_rtp(b"\x00\x01" + bytes(30)), "STUN"
    assert not is_rtp(b"\x16\xfe" + bytes(30)), "DTLS"
    assert not is_rtp(rtp(1)[:11]), "cut short"


async def test_strangers_are_told_apart_and_answered() -> None:
    async with end() as target, FlowRelay(target.address) as relay, end() as one, end() as other:
        one.transport.sendto(b"one", relay.address)
        other.transport.sendto(b"other", relay.address)
        came = dict([await target.next(), await target.next()])
        assert came[b"one"] != came[b"other"]
        target.transport.sendto(b"to one", came[b"one"])
        target.transport.sendto(b"to other", came[b"other"])
        assert await one.next() == (b"to one", relay.address)
        assert await other.next() == (b"to other", relay.address)


async def test_rtp_is_lost_as_the_emulator_says_and_nothing_else_is() -> None:
    emulator = NetworkEmulator(5, loss=0.3, burst=2)
    twin = NetworkEmulator(5, loss=0.3, burst=2)
    fates = [bool(twin.fates(0, 172)) for _ in range(200)]
    async with end() as target, FlowRelay(target.address, inwards=emulator) as relay, end() as sender:
        sender.transport.sendto(b"\x00\x01 stun", relay.address)  # opens the flow
        await target.next()
        media = []
        for sequence in range(200):
            sender.transport.sendto(rtp(sequence), relay.address)
            sender.transport.sendto(b"\x80\xc9 rtcp that follows", relay.address)
            while is_rtp(data := (await target.next())[0]):
                media.append(struct.unpack_from("!H", data, 2)[0])
        assert media == [sequence for sequence, arrives in enumerate(fates) if arrives]
        assert (relay.inwards.tally.packets, relay.inwards.tally.lost) == (200, fates.count(False))
        assert 0 < fates.count(False) < 200


async def test_delay_keeps_the_order_and_lets_all_else_pass_by(monkeypatch: pytest.MonkeyPatch) -> None:
    async with end() as target, FlowRelay(target.address, inwards=NetworkEmulator(1, delay_ms=50)) as relay, end() as sender:
        sender.transport.sendto(b"\x00\x01 opens", relay.address)
        await target.next()
        loop = asyncio.get_running_loop()
        now_s = loop.time()

        def hardly_later() -> float:
            nonlocal now_s
            now_s += 1e-7
            return now_s

        monkeypatch.setattr(loop, "time", hardly_later)  # 50 ms are 50 ms, however long the machine stops in between
        for sequence in range(5):
            sender.transport.sendto(rtp(sequence), relay.address)
        sender.transport.sendto(b"\x00\x01 at once", relay.address)
        assert (await target.next())[0] == b"\x00\x01 at once"
        now_s += 0.049
        sender.transport.sendto(b"\x00\x01 and still", relay.address)
        assert (await target.next())[0] == b"\x00\x01 and still"
        now_s += 0.002
        assert [(await target.next())[0] for _ in range(5)] == [rtp(sequence) for sequence in range(5)]


async def test_more_strangers_than_it_has_room_for_are_counted() -> None:
    async with end() as target, FlowRelay(target.address) as relay, end() as first:
        relay._flows.update({("127.0.0.1", port): asyncio.get_running_loop().create_future() for port in range(64)})
        first.transport.sendto(b"\x00\x01 one too many", relay.address)
        await refusal(relay.inwards)
        assert relay.inwards.tally.refused == 1
        assert target.arrived.empty()


async def test_doors_stand_for_both_sides() -> None:
    homes = free_port_range(4, start=29_000)
    doors = free_port_range(4, start=homes + 4)
    server, phone = Doors(homes, doors, 2), Doors(homes + 2, doors + 2, 2)
    lossy = NetworkEmulator(2, loss=0.5, burst=2)
    async with end(homes) as a, end(homes + 2) as b, DoorRelay(server, phone, inwards=lossy) as relay:
        for sequence in range(50):
            a.transport.sendto(rtp(sequence), ("127.0.0.1", phone.door))
        came = [await b.next() for _ in range(50)]
        assert [data for data, _ in came] == [rtp(sequence) for sequence in range(50)]
        assert {sender for _, sender in came} == {("127.0.0.1", server.door)}, "the phone sees the server's door"
        for sequence in range(50):
            b.transport.sendto(rtp(sequence), ("127.0.0.1", server.door))
        b.transport.sendto(b"\x80\xc9 the last word", ("127.0.0.1", server.door))
        arrived = 0
        for _ in itertools.count():
            data, sender = await a.next()
            assert sender == ("127.0.0.1", phone.door), "the server sees the phone's door"
            if not is_rtp(data):
                break
            arrived += 1
        assert 0 < arrived < 50
        assert arrived == 50 - relay.inwards.tally.lost


async def test_a_port_without_a_door_gets_nothing_through() -> None:
    homes = free_port_range(4, start=30_000)
    doors = free_port_range(4, start=homes + 4)
    async with end(homes) as a, end() as stranger, DoorRelay(Doors(homes, doors, 2), Doors(homes + 2, doors + 2, 2)) as relay:
        stranger.transport.sendto(rtp(1), ("127.0.0.1", doors))
        await refusal(relay.inwards)
        assert relay.inwards.tally.refused == 1
        assert a.arrived.empty()


def test_a_relay_that_was_not_opened_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        _ = FlowRelay(("127.0.0.1", 9)).address
