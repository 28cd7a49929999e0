"""The trunk's sockets: strangers, rubbish, ports in use, names unknown, a PBX that is down and comes up."""

import asyncio
import socket
from collections import Counter

import pytest

from api.demo_call.process import free_port
from pbx import backoff, tcp_wire
from pbx.sip_settings import SipTransport, SipTrunkSettings
from pbx.sip_trunk import SipPortTaken, SipTrunk
from pbx.transport import _UdpWire
from pbx.trunk import Refused, StatusChanged
from rooms.causes import EndReason
from tests.kit.trunk_bench import TrunkBench, sip_bench

OPTIONS = (
    b"OPTIONS sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%d;branch=z9hG4bK%d;rport\r\nMax-Forwards: 70\r\n"
    b"From: <sip:x@127.0.0.1>;tag=1\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: c%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def quiet(transport: SipTransport = SipTransport.UDP) -> dict[str, object]:
    return {"register": False, "keepalive_s": 0.0, "transport": transport}


class Sender(asyncio.DatagramProtocol):
    """A UDP socket; what comes back is in ``got``."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.put_nowait(data)


async def sender(host: str, port: int) -> Sender:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Sender, local_addr=(host, 0), remote_addr=(host, port))
    protocol.transport = transport
    return protocol


def port_of(bench: TrunkBench) -> int:
    assert isinstance(bench.trunk, SipTrunk)
    return bench.trunk.local_address[1]


async def test_strangers_get_no_answer_and_are_counted() -> None:
    async with sip_bench("127.0.0.1", free_port(), **{**quiet(), "bind_host": "0.0.0.0"}) as bench:
        await bench.ready()
        port = port_of(bench)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            stranger.sendto(OPTIONS % (b"UDP", 5060, 1, 1), ("127.0.0.1", port))
        friend = await sender("127.0.0.1", port)
        friend.transport.sendto(OPTIONS % (b"UDP", 5060, 2, 2))
        answer = await asyncio.wait_for(friend.got.get(), 30)
        assert answer.startswith(b"SIP/2.0 200") and b"Call-ID: c2" in answer
        assert isinstance(bench.trunk, SipTrunk) and bench.trunk.counts["pbx"]["dropped_untrusted"] == 1
        friend.transport.close()


async def test_a_trusted_network_is_answered() -> None:
    async with sip_bench("127.0.0.1", free_port(), trusted=("127.0.0.0/24",), **{**quiet(), "bind_host": "0.0.0.0"}) as bench:
        await bench.ready()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            other.bind(("127.0.0.2", 0))
            other.sendto(OPTIONS % (b"UDP", 5060, 1, 1), ("127.0.0.1", port_of(bench)))
            assert (await asyncio.wait_for(loop.sock_recv(other, 4096), 30)).startswith(b"SIP/2.0 200")


async def test_rubbish_is_counted_and_the_next_request_answered() -> None:
    async with sip_bench("127.0.0.1", free_port(), **quiet()) as bench:
        await bench.ready()
        friend = await sender("127.0.0.1", port_of(bench))
        for rubbish in (
            b"\r\n\r\n",
            b"\x00" * 20,
            b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"x" * 12,
            b"\xff" * 1500,
            b"GET / HTTP/1.1\r\n\r\n",
            b"INVITE \r\n\r\n",
            b"SIP/2.0 200 OK\r\n\r\n",
        ):
            friend.transport.sendto(rubbish)
        friend.transport.sendto(OPTIONS % (b"UDP", 5060, 2, 2))
        assert (await asyncio.wait_for(friend.got.get(), 30)).startswith(b"SIP/2.0 200")
        assert isinstance(bench.trunk, SipTrunk)
        assert bench.trunk.counts["pbx"]["keepalives"] == 3 and bench.trunk.counts["pbx"]["bad_messages"] == 4
        friend.transport.close()


async def test_tcp_pieces_pings_and_broken_streams() -> None:
    async with sip_bench("127.0.0.1", free_port(), **quiet(SipTransport.TCP)) as bench:
        await bench.ready()
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(bench))
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), 30) == b"\r\n"
        request = OPTIONS % (b"TCP", 5060, 3, 3)
        writer.write(request[:50])
        await writer.drain()
        writer.write(request[50:] + OPTIONS % (b"TCP", 5060, 4, 4))
        for _ in range(2):
            assert b"SIP/2.0 200" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        writer.write(b"no length\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        assert isinstance(bench.trunk, SipTrunk) and bench.trunk.counts["pbx"]["tcp_broken_streams"] == 1


async def test_a_message_that_never_becomes_whole_ends_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_wire, "HALF_MESSAGE_S", 0.05)
    async with sip_bench("127.0.0.1", free_port(), **quiet(SipTransport.TCP)) as bench:
        await bench.ready()
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(bench))
        writer.write(b"OPTIONS sip:x SIP/2.0\r\nVia:")
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        assert isinstance(bench.trunk, SipTrunk) and bench.trunk.counts["pbx"]["tcp_half_messages"] == 1


@pytest.mark.parametrize("transport", list(SipTransport))
async def test_a_port_in_use_is_said_clearly(transport: SipTransport) -> None:
    async with sip_bench("127.0.0.1", free_port(), **quiet(transport)) as bench:
        settings = SipTrunkSettings("127.0.0.1", "100", bind_host="127.0.0.1", bind_port=port_of(bench), transport=transport)
        with pytest.raises(SipPortTaken, match="another program has it"):
            async with SipTrunk(settings, lambda event: None):
                pass


async def test_an_unknown_name_is_a_status_and_calls_are_refused() -> None:
    # A name that no resolver is asked about: tests speak to this machine only.
    async with sip_bench("no-such-pbx..invalid", 5060) as bench:
        status = (await bench.event(StatusChanged)).status
        assert not status.ready and "the name no-such-pbx..invalid is unknown" in status.detail
        bench.trunk.dial("a", "200", "", bench.endpoint())
        assert (await bench.event(Refused)).cause.reason is EndReason.UNREACHABLE


async def test_a_pbx_that_is_down_at_first_is_found_when_it_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "SHORTEST_S", 0.05)
    port = free_port()
    async with sip_bench("127.0.0.1", port, register=False, keepalive_s=30.0, retry_first_s=0.05, transport=SipTransport.TCP) as bench:
        status = (await bench.event(StatusChanged)).status
        while "cannot be reached" not in status.detail:
            status = (await bench.event(StatusChanged)).status
        assert "check address, port and transport" in status.detail
        bench.trunk.dial("a", "200", "", bench.endpoint())
        assert (await bench.event(Refused)).cause.reason is EndReason.UNREACHABLE
        async with sip_bench("127.0.0.1", free_port(), bind_port=port, **quiet(SipTransport.TCP)):
            await bench.ready()


async def test_a_line_that_is_full_says_so() -> None:
    async with sip_bench("127.0.0.1", free_port(), max_calls=1, **quiet()) as bench:
        await bench.ready()
        bench.trunk.dial("a", "600", "Ana", bench.endpoint())
        status = (await bench.event(StatusChanged)).status
        while "as many as it may" not in status.detail:
            status = (await bench.event(StatusChanged)).status
        assert status.ready and bench.trunk.lines()[0].full
        bench.trunk.dial("b", "600", "Ana", bench.endpoint())
        cause = (await bench.event(Refused)).cause
        assert cause.sip == 503 and "carries 1 calls already, as many as it may" in cause.detail


async def test_messages_that_nobody_had_time_to_read_make_a_socket_crowded_until_they_are_read() -> None:
    read = asyncio.Event()
    came: list[bytes] = []

    def heard(data: bytes, peer: tuple[str, int]) -> None:
        came.append(data)
        if data == b"last":
            read.set()

    wire = _UdpWire(heard, Counter())
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    await wire.open(sock)
    port = sock.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(bytes(600), ("127.0.0.1", port))
        assert not wire.crowded
        for _ in range(5_000):
            peer.sendto(bytes(600), ("127.0.0.1", port))
            if wire.crowded:
                break
        assert wire.crowded
        peer.sendto(b"last", ("127.0.0.1", port))
    await asyncio.wait_for(read.wait(), 30)
    assert not wire.crowded and len(came) > 50
    await wire.close()
    assert not wire.crowded
