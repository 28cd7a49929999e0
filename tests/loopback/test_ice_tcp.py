"""Browsers by TCP: framing, what strangers may, what is bounded, and a call of a browser that has no UDP."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import aioice.ice
import pytest
from aioice import stun

from media import messages as msg
from media.icelite import IcePort, IceSettings
from media.peer import Peer
from rooms.audio import PCMA
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ToneTrack, hears, hears_here, media_desk, patient
from tests.kit.rtp_phone import RtpPhone
from tests.kit.stun_probe import check
from tests.kit.tcp_tunnel import TcpTunnel

pytestmark = pytest.mark.usefixtures("loopback_ice")
WITHIN_S = 60.0


@pytest.fixture
async def port() -> AsyncIterator[IcePort]:
    async with IcePort(IceSettings(tcp=True)) as port:
        yield port


def open_peer(port: IcePort) -> Peer:
    return port.open_peer(lambda packet, now_s: None, lambda packet, now_s: None, lambda state, detail: None)


def framed(datagram: bytes) -> bytes:
    return len(datagram).to_bytes(2, "big") + datagram


class Client:
    """``async with``: one TCP connection to the port."""

    def __init__(self, port: IcePort) -> None:
        self._port = port

    async def __aenter__(self) -> "Client":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port.port)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    async def answer(self) -> stun.Message:
        async with asyncio.timeout(30):
            length = int.from_bytes(await self.reader.readexactly(2), "big")
            return stun.parse_message(await self.reader.readexactly(length))

    async def ended(self) -> bool:
        async with asyncio.timeout(30):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


@pytest.mark.parametrize("workers", [0, 1], ids=["embedded", "process"])
async def test_a_browser_without_udp_talks_and_comes_back_after_its_connection_broke(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.5)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 120)  # a minute of them, not three seconds
    async with (
        RtpPhone(PCMA, frequency_hz=600) as far,
        BrowserPeer(ToneTrack(1_000)) as peer,
        TcpTunnel() as tunnel,
        media_desk(workers=workers) as desk,
    ):
        await desk.worker.perform(msg.OpenPeerLeg(leg_id="agent", room_id="room"))
        await desk.worker.perform(msg.JoinBridge(room_id="room", leg_id="agent"))
        offer = msg.OfferPeer(leg_id="agent", peer_id="tab1", sdp=await peer.offer(), codecs=("pcma",))
        answered = await desk.worker.perform(offer)
        assert isinstance(answered, msg.PeerAnswered)
        await peer.accept(tunnel.through(answered.sdp))
        await desk.hear_of(msg.PeerConnected, within_s=WITHIN_S)
        await desk.phone("phone", far)
        await far.hear(40, within_s=WITHIN_S)
        await hears(far, 1_000, rel=0.1, last=20)
        await hears_here(peer, 600, rel=0.12)
        numbers = await desk.numbers()
        assert (numbers["ice_tcp"], numbers["ice_tcp_accepted"], numbers["ice_tcp_unsent"]) == (1, 1, 0)

        await tunnel.cut()
        async with asyncio.timeout(WITHIN_S):  # the browser's next check opens another connection, and the call goes on there
            await tunnel.answered.wait()
            await far.hear(10, within_s=WITHIN_S)
            while level_at(far.heard(last=10), 1_000) < 0.2:
                await far.hear(10, within_s=WITHIN_S)
        assert (await desk.numbers())["ice_tcp_accepted"] == 2


async def test_the_answer_offers_tcp_after_udp_on_the_same_number_and_only_where_it_is_taken(port: IcePort) -> None:
    async with BrowserPeer() as browser, IcePort(IceSettings()) as without:
        offer = await browser.offer()
        told = [line for line in open_peer(port).answer(offer, ("opus",)).sdp.splitlines() if line.startswith("a=candidate:")]
        assert re.fullmatch(rf"a=candidate:1 1 udp \d+ 127\.0\.0\.1 {port.port} typ host", told[0])
        assert re.fullmatch(rf"a=candidate:2 1 tcp \d+ 127\.0\.0\.1 {port.port} typ host tcptype passive", told[1])
        assert int(told[1].split()[3]) < int(told[0].split()[3])
        assert " tcp " not in open_peer(without).answer(offer, ("opus",)).sdp


async def test_a_check_is_answered_with_the_address_of_the_connection_however_it_is_cut(port: IcePort) -> None:
    credentials = open_peer(port).link.credentials
    async with Client(port) as client:
        for byte in framed(check(credentials.fragment, credentials.password)):
            client.writer.write(bytes((byte,)))
            await client.writer.drain()
        assert (await client.answer()).attributes["XOR-MAPPED-ADDRESS"] == client.writer.get_extra_info("sockname")
        client.writer.write(framed(check(credentials.fragment, credentials.password)) * 20)
        for _ in range(20):
            assert (await client.answer()).message_class == stun.Class.RESPONSE


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        framed(b"\x16\xfe\xfd" + bytes(50)),  # DTLS before any check
        framed(bytes(600)),  # longer than a check
        b"\x00\x00",
        framed(bytes(20)) * 30,  # many that prove nothing
    ],
)
async def test_a_stranger_is_cut_off(port: IcePort, said: bytes) -> None:
    async with Client(port) as client:
        client.writer.write(said)
        assert await client.ended()
    assert port.counters.tcp_malformed == 1 and port.tcp_count == 0


async def test_who_passed_a_check_must_still_keep_to_the_frames(port: IcePort) -> None:
    credentials = open_peer(port).link.credentials
    async with Client(port) as client:
        client.writer.write(framed(check(credentials.fragment, credentials.password)))
        await client.answer()
        client.writer.write(b"\xff\xff" + bytes(100))
        assert await client.ended()
    assert port.counters.tcp_malformed == 1


async def test_one_address_has_only_so_many_connections_and_all_together_too(port: IcePort) -> None:
    async with IcePort(IceSettings(tcp=True, max_peers=2)) as small:
        for there, most in ((port, 32), (small, 2)):
            clients = [Client(there) for _ in range(most + 1)]
            for client in clients:
                await client.__aenter__()
            assert await clients[-1].ended()
            assert (there.tcp_count, there.counters.tcp_refused) == (most, 1)
            for client in clients:
                await client.__aexit__()


async def test_what_a_browser_does_not_read_is_dropped_and_bounded(port: IcePort) -> None:
    peer = open_peer(port)
    credentials = peer.link.credentials
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", port.port))
        await loop.sock_sendall(sock, framed(check(credentials.fragment, credentials.password)))
        assert await loop.sock_recv(sock, 2)
        async with asyncio.timeout(30):
            while not port.counters.tcp_unsent:
                for _ in range(16):
                    peer.link.send(bytes(1_200))
                await asyncio.sleep(0)
        assert port.tcp_count == 1
        assert peer.link.selected is not None
    async with asyncio.timeout(30):
        while peer.link.selected is not None:  # noqa: ASYNC110 - until the connection's end is seen
            await asyncio.sleep(0)
    assert port.tcp_count == 0


async def test_a_closed_peer_ends_its_connection(port: IcePort) -> None:
    peer = open_peer(port)
    async with Client(port) as client:
        client.writer.write(framed(check(peer.link.credentials.fragment, peer.link.credentials.password)))
        await client.answer()
        peer.close()
        assert await client.ended()


async def test_a_worker_may_take_nobody_by_tcp() -> None:
    async with media_desk(patient(tcp=False)) as desk, BrowserPeer() as peer:
        await desk.browser("agent", peer, "pcma")
        numbers = await desk.numbers()
        assert (numbers["ice_tcp"], numbers["ice_tcp_accepted"]) == (0, 0)
