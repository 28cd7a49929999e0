"""A participant of a consultation who has no browser: our page's words over its WebSocket, and a ``VideoPeer`` for the rest."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from tests.kit.video_peer import VideoPeer


class ConsultationGuest:
    """``told``: everything the server said, by type; the newest of each."""

    def __init__(self, socket: ClientWebSocketResponse, peer: VideoPeer | None) -> None:
        self.peer = peer
        self.told: dict[str, dict[str, Any]] = {}
        self.person = ""
        self.socket = socket
        self._came = asyncio.Event()
        self._reading = asyncio.get_running_loop().create_task(self._read(), name="guest")

    async def say(self, type_: str, **fields: object) -> None:
        await self.socket.send_str(json.dumps({"type": type_, **fields}))

    async def hear(self, type_: str, matches: Callable[[dict[str, Any]], bool] = lambda told: True) -> dict[str, Any]:
        """Wait until the newest word of this type is such a one."""
        try:
            async with asyncio.timeout(40):
                while type_ not in self.told or not matches(self.told[type_]):
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            told = {name: self.told.get(name) for name in (type_, "closing", "refused", "gone")}
            raise AssertionError(f"the server did not say such a {type_!r} in 40 s, but {told}") from None
        return self.told[type_]

    async def join(self, token: str, name: str) -> None:
        await self.say("join", token=token, name=name)
        self.person = (await self.hear("welcome"))["person"]

    async def offer(self) -> None:
        """Connect the peer, or negotiate anew."""
        assert self.peer is not None
        self.told.pop("answer", None)
        sdp = await self.peer.offer()
        tracks = {self.peer.sending.mid: "camera"} if self.peer.sending is not None else {}
        await self.say("offer", peer_id="peer", sdp=sdp, tracks=tracks)
        await self.peer.accept((await self.hear("answer"))["sdp"])
        await asyncio.wait_for(self.peer.connected.wait(), 40)

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is WSMsgType.TEXT:
                told = json.loads(message.data)
                self.told[told["type"]] = told
                self._came.set()
        self.told["gone"] = {"code": self.socket.close_code}
        self._came.set()

    async def close(self) -> None:
        await self.socket.close()
        await asyncio.wait([self._reading])


@asynccontextmanager
async def guest(url: str, peer: VideoPeer | None = None) -> AsyncIterator[ConsultationGuest]:
    """A page's connection that has said nothing yet; ``peer`` is closed with it."""
    async with ClientSession() as http, http.ws_connect(f"{url}/api/consultations/socket", max_msg_size=0) as socket:
        someone = ConsultationGuest(socket, peer)
        try:
            yield someone
        finally:
            if peer is not None:
                await peer.__aexit__()
            await someone.close()
