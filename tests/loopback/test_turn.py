"""A browser that reaches us only through a TURN server: Debian's coturn, with the credentials that our pages are given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partialmethod
from pathlib import Path

import aioice.ice
import pytest
from aioice import stun
from aioice.turn import TurnClientUdpProtocol
from aioice.utils import random_transaction_id
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack

from api.turn import TurnAccess
from media import messages as msg
from signaling.messages import IceServer
from tests.kit.browser_peer import BrowserPeer
from tests.kit.coturn import Coturn
from tests.kit.media_desk import media_desk


@pytest.fixture
def relay_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser's side has no address of its own that it could tell. It waits for a relay that is late on a busy machine."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])
    gather = aioice.ice.Connection.get_component_candidates
    monkeypatch.setattr(aioice.ice.Connection, "get_component_candidates", partialmethod(gather, timeout=30))


class RelayedPeer(BrowserPeer):
    def __init__(self, server: IceServer) -> None:
        super().__init__()
        relay = RTCIceServer(urls=server.urls, username=server.username, credential=server.credential)
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[relay]))
        self.connection.addTrack(AudioStreamTrack())
        self.connection.on("track", self._track)
        self.connection.on("connectionstatechange", self._state)


@pytest.mark.usefixtures("relay_only")
async def test_a_browser_behind_a_relay_talks_with_the_credentials_of_its_page(tmp_path: Path) -> None:
    async with Coturn(tmp_path, "shared secret") as coturn, media_desk() as desk:
        (server,) = TurnAccess((coturn.url,), coturn.secret, 3_600.0).of("ana")
        async with RelayedPeer(server) as peer:
            offer = await peer.offer()
            assert " typ relay " in offer and " typ host" not in offer
            await desk.browser("agent", peer, "pcma")
            await desk.demo("far", "echo")
            await peer.hear(20)
            numbers = await desk.numbers()
            assert numbers["packets_in"] > 20 and numbers["ice_strangers"] == 0
            await desk.worker.perform(msg.CloseLeg(leg_id="agent"))


@pytest.mark.usefixtures("relay_only")
@pytest.mark.parametrize("fault", ["expired", "another secret"])
async def test_credentials_that_are_over_or_forged_open_no_relay(tmp_path: Path, fault: str) -> None:
    async with Coturn(tmp_path, "shared secret") as coturn:
        secret, ttl_s = (coturn.secret, -10.0) if fault == "expired" else ("another secret", 3_600.0)
        (server,) = TurnAccess((coturn.url,), secret, ttl_s).of("ana")
        async with RelayedPeer(server) as peer:
            assert " typ relay " not in await peer.offer()


# --- the configuration that we propose (ASVS 5.0, 17.1) ---------------------------------------------------------------------------------


class Client(TurnClientUdpProtocol):
    """A page's side of one relay."""

    async def request_with_retry(self, request: stun.Message) -> tuple[stun.Message, tuple[str, int]]:
        """aioice goes on from the first challenge; a request that was repeated may be challenged once more (RFC 8489, 9.2.5)."""
        try:
            return await super().request_with_retry(request)
        except stun.TransactionFailed as failed:
            if failed.response.error_code != 438:
                raise
            request.transaction_id = random_transaction_id()
            return await super().request_with_retry(request)

    async def permission(self, peer: str) -> int:
        """To send there: 0, or the code of the server's refusal."""
        request = stun.Message(message_method=stun.Method.CREATE_PERMISSION, message_class=stun.Class.REQUEST)
        request.attributes["XOR-PEER-ADDRESS"] = (peer, 9)
        try:
            await self.request_with_retry(request)
        except stun.TransactionFailed as failed:
            return int(failed.response.error_code)
        return 0


@asynccontextmanager
async def relay(server: IceServer, coturn: Coturn) -> AsyncIterator[Client]:
    loop = asyncio.get_running_loop()
    assert server.username is not None and server.credential is not None
    transport, client = await loop.create_datagram_endpoint(
        lambda: Client(
            ("127.0.0.1", coturn.port),
            username=server.username,
            password=server.credential,
            lifetime=600,
            channel_refresh_time=500,
        ),
        remote_addr=("127.0.0.1", coturn.port),
    )
    try:
        await client.connect()
        yield client
    finally:
        if client.refresh_task is not None:
            client.refresh_task.cancel()
        transport.close()


async def test_a_relay_leads_to_nothing_inside(tmp_path: Path) -> None:
    inside = [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "172.16.9.9",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
    ]
    async with Coturn(tmp_path, "shared secret", as_proposed=True) as coturn:
        (server,) = TurnAccess((coturn.url,), coturn.secret, 3_600.0).of("ana")
        async with relay(server, coturn) as client:
            assert {peer: await client.permission(peer) for peer in inside} == dict.fromkeys(inside, 403)
            assert await client.permission("8.8.8.8") == 0


async def test_no_page_takes_all_ports_of_a_relay(tmp_path: Path) -> None:
    async with Coturn(tmp_path, "shared secret", as_proposed=True) as coturn, AsyncExitStack() as stack:
        access = TurnAccess((coturn.url,), coturn.secret, 3_600.0)
        for _ in range(8):
            await stack.enter_async_context(relay(access.of("ana")[0], coturn))
        with pytest.raises(stun.TransactionFailed, match="486"):
            await stack.enter_async_context(relay(access.of("ana")[0], coturn))
        await stack.enter_async_context(relay(access.of("eva")[0], coturn))
