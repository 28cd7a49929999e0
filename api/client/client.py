"""One server's REST, asked with patience.

What may be asked again without harm is asked again where the server was away, restarted or had too much to do: everything but a ``PATCH``
(RFC 9110, section 9.2.2), and a ``POST`` because it carries a key: such a request is done at most once, however often it is sent.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
from msgspec import Struct

from api.client.refused import Problem, Refused

_ROOT = "/api/v1"
_AGAIN = frozenset({408, 425, 429, 502, 503, 504})
_IN_USE = "key_in_use"
"""What was asked for under this key is still being done."""
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 15.0
_PIECE_BYTES = 65_536
_LARGEST_PROBLEM = 65_536


class Answer(Struct, frozen=True):
    """``body``: what was answered, of JSON; None where nothing was. ``seen``: the mark of the thing as it was answered, for a change of it
    (``ETag``); empty where it has none."""

    status: int
    body: Any
    seen: str


class Client:
    """``async with Client("https://calls.example", key) as calls``. ``token``: an API key or a session's token.

    ``patience_s``: so long one request may take, with all that it is asked again. Every way to ask raises ``Refused``, and
    ``ConnectionError`` where nobody answers.
    """

    def __init__(self, url: str, token: str, *, patience_s: float = 60.0) -> None:
        self._url = url.rstrip("/") + _ROOT
        self._token = token
        self._patience_s = patience_s
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"})
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def get(self, path: str, **query: object) -> Any:
        """``await calls.get("/contacts", q="Ana")``: what is there."""
        return (await self.ask("GET", path, query=query)).body

    async def post(self, path: str, body: object = None, *, once: str = "") -> Any:
        """Done once, however often it has to be sent until an answer comes. ``once``: your own key for this wish, where it is to be done
        once even though your program starts again; else one is drawn."""
        return (await self.ask("POST", path, body, once=once or secrets.token_hex(16))).body

    async def put(self, path: str, body: object, *, seen: str = "") -> Any:
        """``seen``: of the answer that this changes, where the route has ``If-Match``: what others changed meanwhile is not undone."""
        return (await self.ask("PUT", path, body, seen=seen)).body

    async def patch(self, path: str, body: object) -> Any:
        return (await self.ask("PATCH", path, body)).body

    async def delete(self, path: str) -> Any:
        return (await self.ask("DELETE", path)).body

    async def each(self, path: str, of: str, **query: object) -> AsyncIterator[Any]:
        """All entries of a list that comes in pages: ``of`` is its name in the answer."""
        while True:
            page = await self.get(path, **query)
            for entry in page[of]:
                yield entry
            if not page.get("more", page["next"] is not None):
                return
            query["cursor"] = page["next"]

    async def follow(self, cursor: str = "0", *, every_s: float = 2.0) -> AsyncIterator[tuple[str, Any]]:
        """What happens, as CloudEvents, for good: with each the cursor at which to go on after it. Raises ``Refused`` (``cursor_gone``)
        where some of it is not kept any more."""
        while True:
            page = await self.get("/events", cursor=cursor)
            for event in page["events"]:
                cursor = str(event["cursor"])
                yield cursor, event
            if not page["more"]:
                await asyncio.sleep(every_s)

    async def save(self, path: str, to: Path, **query: object) -> int:
        """Write what is no JSON (a recording, a list as CSV) into a file; how many bytes. The file is there whole, or not at all."""
        part = to.with_name(to.name + ".part")
        written = 0
        try:
            async with asyncio.timeout(self._patience_s), self._session.get(self._url + path, params=_words(query)) as response:
                if response.status >= 300:
                    raise await _refused(response)
                with part.open("wb") as file:
                    async for piece in response.content.iter_chunked(_PIECE_BYTES):
                        written += file.write(piece)
            part.replace(to)
        except aiohttp.ClientError as error:
            raise ConnectionError(f"{self._url} broke off: {error}") from error
        finally:
            part.unlink(missing_ok=True)
        return written

    async def ask(
        self, method: str, path: str, body: object = None, *, query: Mapping[str, object] | None = None, once: str = "", seen: str = ""
    ) -> Answer:
        headers = {name: value for name, value in (("Idempotency-Key", once), ("If-Match", seen)) if value}
        data = None if body is None else msgspec.json.encode(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        again = method not in ("POST", "PATCH") or bool(once)
        wait_s, until = _FIRST_WAIT_S, asyncio.get_running_loop().time() + self._patience_s
        while True:
            failed: Refused | ConnectionError
            try:
                async with asyncio.timeout_at(until):
                    return await self._ask(method, path, data, _words(query or {}), headers)
            except Refused as refused:
                again_later = refused.status in _AGAIN or refused.code == _IN_USE
                failed, may = refused, again_later and (again or refused.status == 429)
                wait_s = max(wait_s, refused.wait_s or 0.0)
            except (aiohttp.ClientError, TimeoutError) as error:
                failed, may = ConnectionError(f"{self._url} does not answer: {type(error).__name__}"), again
                failed.__cause__ = error
            if not may or asyncio.get_running_loop().time() + wait_s >= until:
                raise failed
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _ask(self, method: str, path: str, data: bytes | None, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        url = self._url + path
        async with self._session.request(method, url, data=data, params=query, headers=headers, allow_redirects=False) as response:
            if response.status >= 300:
                raise await _refused(response)
            body = await response.read()
            return Answer(response.status, msgspec.json.decode(body) if body else None, response.headers.get("ETag", ""))

    @property
    def _session(self) -> aiohttp.ClientSession:
        assert self._http is not None, "async with Client(...) as client"
        return self._http


def _words(query: Mapping[str, object]) -> dict[str, str]:
    """As they stand in an address: ``until_`` for names that Python keeps for itself, yes and no as JSON has them; None is not said."""
    said = {name.rstrip("_"): value for name, value in query.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in said.items()}


async def _refused(response: aiohttp.ClientResponse) -> Refused:
    wait = response.headers.get("Retry-After", "")
    try:
        problem = msgspec.json.decode(await response.content.read(_LARGEST_PROBLEM), type=Problem)
    except msgspec.DecodeError:  # whoever stands before the server
        problem = Problem(title=response.reason or "")
    return Refused(response.status, problem, float(wait) if wait.isdecimal() else None)
