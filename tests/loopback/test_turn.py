"""A browser that reaches us only through a TURN server: Debian's coturn, with the credentials that our pages are given."""

from pathlib import Path

import aioice.ice
import pytest
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
    """The browser's side has no address of its own that it could tell."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])


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
