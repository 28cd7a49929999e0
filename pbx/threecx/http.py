"""HTTP towards a 3CX: the one file of this package that knows aiohttp's client. Connections are pooled; each kind of request has its time.

Sound has connections of its own (one per direction and leg, no reading time-out), so that streams never take the place of commands.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Self

import aiohttp
from yarl import URL

from pbx.threecx.faults import Away
from pbx.threecx.settings import ThreeCxSettings

_LARGEST_ANSWER = 33_554_432
_LARGEST_FRAME = 4_194_304
_STREAMS = 1_000
_NONE: Mapping[str, str] = MappingProxyType({})


class Kind(Enum):
    """How long an answer may take."""

    ASK = "ask"
    ROUTE = "route"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


class PbxHttp:
    """``async with``: owns the connections. Everything raises ``Away`` when nobody answers."""

    def __init__(self, settings: ThreeCxSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession
        self._streams: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        tls = await asyncio.to_thread(_trust, self._settings)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._settings.connections, ssl=tls), trust_env=False, auto_decompress=True
        )
        self._streams = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_STREAMS, ssl=tls, force_close=True), trust_env=False)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._streams.close()
        await self._session.close()

    async def ask(
        self,
        base: str,
        method: str,
        path: str,
        *,
        token: str = "",
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = _NONE,
        kind: Kind = Kind.ASK,
    ) -> Answer:
        """One request. ``path`` is percent-encoded already."""
        total_s = {Kind.ASK: self._settings.ask_s, Kind.ROUTE: self._settings.route_s, Kind.REPORT: self._settings.report_s}[kind]
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=self._settings.connect_s)
        said = {"Accept": "application/json", **_bearer(token), **headers}
        with _in_words(base):
            async with self._session.request(
                method, _url(base, path), json=json, data=form, headers=said, timeout=timeout, allow_redirects=False
            ) as response:
                return Answer(response.status, await _whole(response), dict(response.headers))

    @asynccontextmanager
    async def socket(self, base: str, path: str, token: str) -> AsyncIterator[AsyncIterator[str]]:
        """A WebSocket's texts as they come, pinged all the while. A refused upgrade raises ``UpgradeRefused``."""
        with _in_words(base):
            try:
                socket = await self._session.ws_connect(
                    _url(base, path),
                    headers=_bearer(token),
                    heartbeat=self._settings.ping_s,
                    max_msg_size=_LARGEST_FRAME,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                )
            except aiohttp.WSServerHandshakeError as refused:
                raise UpgradeRefused(refused.status) from None
        try:
            yield _texts(socket)
        finally:
            await socket.close()

    @asynccontextmanager
    async def hear(self, base: str, path: str, token: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """An endless GET: its status, and its bytes in whatever pieces they come."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_s)
        with _in_words(base):
            async with self._streams.get(_url(base, path), headers=_bearer(token), timeout=timeout, allow_redirects=False) as response:
                yield response.status, response.content.iter_any()

    async def speak(self, base: str, path: str, token: str, pieces: AsyncIterator[bytes]) -> int:
        """An endless chunked POST: gives the status when ``pieces`` has ended or the PBX has."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_s)
        headers = {"Content-Type": "application/octet-stream", **_bearer(token)}
        with _in_words(base):
            speaking = self._streams.post(_url(base, path), headers=headers, data=pieces, timeout=timeout, allow_redirects=False)
            async with speaking as response:
                return response.status


class UpgradeRefused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _LARGEST_ANSWER:
            raise Away("3CX's answer has no end.", sent=True, why="broken")
    return bytes(body)


async def _texts(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[str]:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            yield message.data


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _url(base: str, path: str) -> URL:
    return URL(base.rstrip("/") + path, encoded=True)


def _trust(settings: ThreeCxSettings) -> ssl.SSLContext | bool:
    if not settings.verify:
        return False
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        context.load_verify_locations(settings.ca_file)
    return context


@contextmanager
def _in_words(base: str) -> Iterator[None]:
    """What goes wrong on the way, as ``Away``: whether the request may have been carried out, and why."""
    host = URL(base).host
    try:
        yield
    except aiohttp.ClientConnectorCertificateError:
        raise Away(
            f"The TLS certificate of {host} is not trusted, or names another host: use its full name (FQDN), or give threecx.ca_file.",
            why="certificate",
        ) from None
    except aiohttp.ClientConnectorDNSError:
        raise Away(f"The name {host} is not known: check the address.", why="name") from None
    except aiohttp.ClientConnectorSSLError:
        raise Away(f"{host} does not speak TLS at this port, or not ours: check the address.", why="certificate") from None
    except aiohttp.ConnectionTimeoutError:
        raise Away(
            f"{host} does not answer: a firewall may be in between, or the PBX's console restrictions or block list name us.",
            why="silence",
        ) from None
    except aiohttp.ClientConnectorError:
        raise Away(f"{host} refuses the connection at this port: check the port (443 or 5001).", why="refused") from None
    except TimeoutError:
        raise Away(f"{host} took too long to answer.", sent=True, why="silence") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Away(f"The connection to {host} broke: {type(error).__name__}.", sent=True, why="broken") from None
