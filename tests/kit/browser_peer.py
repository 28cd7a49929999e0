"""A browser's side of a media connection without a browser: aiortc's peer connection, which knows nothing of our code."""

import asyncio
from typing import Self

import aioice.ice
import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack


@pytest.fixture
def loopback_ice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser's side gathers the loopback address only, so that tests are the same in any network."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


class BrowserPeer:
    """Sends 50 packets of silence (or of ``speaks``) a second; ``heard`` is what comes back."""

    def __init__(self, speaks: MediaStreamTrack | None = None) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.connection.addTrack(speaks or AudioStreamTrack())
        self.connected = asyncio.Event()
        self.ended = asyncio.Event()
        self.heard: MediaStreamTrack | None = None
        self.connection.on("track", self._track)
        self.connection.on("connectionstatechange", self._state)

    def _track(self, track: MediaStreamTrack) -> None:
        self.heard = track

    def _state(self) -> None:
        if self.connection.connectionState == "connected":
            self.connected.set()
        elif self.connection.connectionState in ("failed", "closed"):
            self.ended.set()

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def hear(self, frames: int) -> None:
        """Wait until so many decoded frames came from the far end."""
        assert self.heard is not None
        for _ in range(frames):
            await asyncio.wait_for(self.heard.recv(), 30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()
        for task in asyncio.all_tasks():  # aiortc leaves these behind when a handshake failed on the other side
            if "RTCPeerConnection.__connect" in repr(task.get_coro()):
                task.cancel()
                await asyncio.wait([task])
