"""Visitors of other people's sites without a browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from aiohttp import ClientSession

from tests.kit.hub import Client


@asynccontextmanager
async def guest(url: str, link: str, name: str = "Luz") -> AsyncIterator[Client]:
    """Who came into a chat by this link."""
    async with ClientSession() as http:
        async with http.post(f"{url}/api/v1/guests", json={"link": link, "device": uuid4().hex, "name": name}) as response:
            token = (await response.json())["token"]
        client = Client(http)
        await client.connect(url, {"token": token})
        try:
            yield client
        finally:
            await client.socket.disconnect()


@asynccontextmanager
async def writing(url: str, queue: str, said: dict[str, str], words: str) -> AsyncIterator[tuple[Client, str]]:
    """A visitor who wants to chat with whom this queue is of, and has written that; and the room."""
    async with ClientSession() as http, http.post(f"{url}/api/v1/visits/chats", json={"queue": queue, "said": said}) as response:
        made = await response.json()
    async with guest(url, made["link"], said.get("name", "")) as client:
        room = {"room_id": made["room_id"]}
        assert "ok" in await client.ask("room.join", room)
        assert "ok" in await client.ask("chat.message", {**room, "message_id": uuid4().hex, "text": words})
        yield client, made["room_id"]
