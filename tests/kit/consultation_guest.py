"""Somebody in a consultation who has no browser: our page's words to the hub, and a ``VideoPeer`` for the rest."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession

from tests.kit.hub import Client
from tests.kit.video_peer import VideoPeer

WITHIN_S = 40.0


class ConsultationGuest:
    """``person``: their identity; ``client``: their connection, once they have come by a link."""

    def __init__(self, url: str, http: ClientSession, peer: VideoPeer | None, device: str) -> None:
        self.peer = peer
        self.person = ""
        self.room_id = ""
        self.session: dict[str, Any] = {}
        self.client = Client(http)
        self._url, self._http, self._device = url, http, device

    async def come(self, link: str, name: str) -> dict[str, Any]:
        """By a link: the session, or what is said instead. Connected afterwards, but in no room."""
        body = {"link": link, "name": name, "device": self._device}
        async with self._http.post(f"{self._url}/api/v1/guests", json=body) as answer:
            self.session = told = await answer.json()
        if answer.status == 201:
            self.person, self.room_id = told["identity"], told["room_id"]
            await self.connect()
        return self.session

    async def connect(self, token: str = "") -> None:
        """Anew, by a client of their own."""
        self.client = Client(self._http)
        await self.client.connect(self._url, {"token": token or self.session["token"], "phone": False})
        await self.client.told("session.snapshot")

    async def join(self, link: str, name: str) -> None:
        """Come in; where there is a waiting room, once a host says so."""
        told = await self.come(link, name)
        assert "token" in told, told
        joined = (await self.ask("room.join"))["ok"]
        if joined["waiting"]:
            await self.hear("room.state")
        assert "ok" in await self.ask("room.microphone", on=True)

    async def ask(self, request: str, **fields: object) -> dict[str, Any]:
        """About our room, unless another is named."""
        answer: dict[str, Any] = await self.client.socket.call(request, {"room_id": self.room_id, **fields}, timeout=int(WITHIN_S))
        return answer

    async def hear(self, type_: str, matches: Callable[[dict[str, Any]], bool] = lambda told: True) -> dict[str, Any]:
        """Wait until the newest notice of this type is such a one."""
        heard: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    heard = await self.client.told(type_, len(heard) + 1, within_s=WITHIN_S)
                    if matches(heard[-1]):
                        return heard[-1]
        except TimeoutError:
            last = heard[-1:] or [notice["type"] for notice in self.client.notices]
            raise AssertionError(f"no such {type_!r} came in {WITHIN_S:g} s, but {last}") from None

    async def hears_of(self, matches: Callable[[dict[str, dict[str, Any]]], bool]) -> None:
        """Wait until who is heard and seen, by identity, is such."""
        await self.hear("room.media", lambda told: matches({person["identity"]: person for person in told["people"]}))

    async def offer(self, peer_id: str = "peer") -> None:
        """Connect the peer, or negotiate anew."""
        assert self.peer is not None
        sdp = await self.peer.offer()
        tracks = {self.peer.sending.mid: "camera"} if self.peer.sending is not None else {}
        answer = await self.ask("room.offer", peer_id=peer_id, sdp=sdp, tracks=tracks)
        await self.peer.accept(answer["ok"]["sdp"])
        await asyncio.wait_for(self.peer.connected.wait(), WITHIN_S)


@asynccontextmanager
async def guest(url: str, peer: VideoPeer | None = None, *, device: str = "") -> AsyncIterator[ConsultationGuest]:
    """Somebody who has not come yet; ``peer`` is closed with them. ``device``: what their page drew."""
    async with ClientSession() as http:
        someone = ConsultationGuest(url, http, peer, device or f"device-{id(http):x}".ljust(16, "0"))
        try:
            yield someone
        finally:
            if peer is not None:
                await peer.__aexit__()
            await someone.client.socket.disconnect()
