"""One person of a load: signed in over Socket.IO, in one call, heard and sending through a connection of their own."""

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp
import socketio

from api.load.browser import Browser, NotConnected
from api.load.streams import Endpoint
from media.dtls import Certificate, DtlsFailure
from rooms.audio import AudioCodec

_ASKED_WITHIN_S = 15.0
_TOLD_WITHIN_S = 2.0
"""The answer to a request may overtake what is told."""
_ATTEMPTS = 10


class CallFailed(Exception):
    """This call could not be made; the message has the server's words."""


class Caller:
    """``call`` once, then ``end``. ``token``: of a session, as ``POST /api/v1/sign-in`` gives it."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str, codec: AudioCodec, certificate: Certificate) -> None:
        self._url, self._token = url, token
        self._browser = Browser(codec, certificate, "0.0.0.0")
        self._socket = socketio.AsyncClient(reconnection=False, http_session=http, logger=False)
        self._socket.on("notice", self._told)
        self._call_id = ""
        self._state: dict[str, Any] = {}
        self._changed = asyncio.Condition()

    async def call(self, number: str) -> Endpoint:
        """Dial, connect and wait for the answer. Raises CallFailed."""
        await self._sign_in()
        self._call_id = (await self._ask("call.dial", {"number": number}))["call_id"]
        try:
            endpoint = await self._browser.connect(self._negotiate)
        except (NotConnected, DtlsFailure, CallFailed) as error:
            if await self._becomes("ended", within_s=_TOLD_WITHIN_S):  # before it was connected, which is why it was not
                raise self._ended() from None
            raise error if isinstance(error, CallFailed) else CallFailed(f"its sound could not be connected: {error}") from None
        if not await self._becomes("live", "ended", within_s=_ASKED_WITHIN_S):
            raise CallFailed(f"{number} did not answer within {_ASKED_WITHIN_S:g} s")
        if self._state["state"] == "ended":
            raise self._ended()
        return endpoint

    async def _becomes(self, *states: str, within_s: float) -> bool:
        """Waits until the server says that the call stands so."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: self._state.get("state") in states)
        except TimeoutError:
            return False
        return True

    def _ended(self) -> CallFailed:
        return CallFailed(f"it ended at once ({self._state.get('reason')}): {self._state.get('detail')}")

    async def end(self) -> None:
        """Hang up and sign out, as far as it had come."""
        if self._socket.connected:
            if self._call_id and self._state.get("state") != "ended":
                with suppress(socketio.exceptions.SocketIOError):  # who is gone has hung up too
                    await self._socket.call("call.hang_up", {"call_id": self._call_id}, timeout=_ASKED_WITHIN_S)
            await self._socket.disconnect()

    async def _sign_in(self) -> None:
        """The server lets one address make so many connections a second: who is told to wait does."""
        for attempt in range(_ATTEMPTS):
            try:
                await self._socket.connect(self._url, auth={"token": self._token}, transports=["websocket"], wait_timeout=_ASKED_WITHIN_S)
                return
            except socketio.exceptions.ConnectionError as error:
                if attempt == _ATTEMPTS - 1:
                    raise CallFailed(f"the server at {self._url} lets nobody in: {error}") from None
                await asyncio.sleep(1.0)

    async def _ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        try:
            told = await self._socket.call(event, payload, timeout=_ASKED_WITHIN_S)
        except socketio.exceptions.SocketIOError as error:
            raise CallFailed(f"the server did not answer {event}: {error}") from None
        if "error" in told:
            raise CallFailed(f"the server refused {event}: {told['error'].get('message', '')}")
        result: dict[str, Any] = told["ok"]
        return result

    async def _negotiate(self, offer: str) -> str:
        return str((await self._ask("peer.offer", {"call_id": self._call_id, "peer_id": "load", "sdp": offer}))["sdp"])

    async def _told(self, notice: dict[str, Any]) -> None:
        if notice.get("type") == "call.state" and notice.get("call_id") == self._call_id:
            async with self._changed:
                self._state = notice
                self._changed.notify_all()
