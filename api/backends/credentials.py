"""How an adapter shows a backend who we are: a header with a key, name and password, a token got from an OAuth server, or a signature."""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from msgspec import Struct

from api.backends.protocols import BackendFault
from api.backends.signature import signed

_BEFORE_ITS_END_S = 30.0
_LIFE_S = 300.0
"""Of a token that does not say how long it lives."""


class Credentials(Protocol):
    async def headers(self, method: str, target: str, body: bytes) -> Mapping[str, str]:
        """What goes with this request. ``target``: path and query, as sent. Raises ``BackendFault``."""
        ...

    def refused(self, headers: Mapping[str, str]) -> bool:
        """These were not taken (401). Are there others to try?"""
        ...


class FixedHeader:
    """The same header with every request: an API key, a bearer token, or ``basic``."""

    def __init__(self, name: str = "", value: str = "") -> None:
        self._headers = {name: value} if name else {}

    @classmethod
    def basic(cls, user: str, password: str) -> "FixedHeader":
        """RFC 7617, in UTF-8."""
        return cls("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())

    async def headers(self, method: str, target: str, body: bytes) -> Mapping[str, str]:
        return self._headers

    def refused(self, headers: Mapping[str, str]) -> bool:
        return False


class SharedSecret:
    """Each request signed with its time (``api/backends/signature.py``)."""

    def __init__(self, secret: bytes, key: str = "", now: Callable[[], float] = time.time) -> None:
        self._secret, self._key, self._now = secret, key, now

    async def headers(self, method: str, target: str, body: bytes) -> Mapping[str, str]:
        return signed(self._secret, method, target, body, self._now(), self._key)

    def refused(self, headers: Mapping[str, str]) -> bool:
        return False


class GrantedToken(Struct, frozen=True):
    """What an OAuth server answers (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = "Bearer"
    expires_in: float | None = None


class TokenSource(Protocol):
    async def __call__(self) -> bytes:
        """Ask for another token; the answer's body. Raises ``BackendFault``."""
        ...


class ClientCredentials:
    """A token of an OAuth server (RFC 6749, section 4.4), kept until shortly before its end; one that is refused is renewed once."""

    def __init__(self, ask: TokenSource, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def headers(self, method: str, target: str, body: bytes) -> Mapping[str, str]:
        async with self._asking:
            if not self._token or self._clock() >= self._until:
                self._take(await self._ask())
        return {"Authorization": f"Bearer {self._token}"}

    def refused(self, headers: Mapping[str, str]) -> bool:
        if headers.get("Authorization") == f"Bearer {self._token}":  # else somebody has renewed it meanwhile
            self._token = ""
        return True

    def _take(self, answer: bytes) -> None:
        try:
            granted = msgspec.json.decode(answer, type=GrantedToken)
        except msgspec.MsgspecError:
            raise BackendFault("refused", "The OAuth server gave no token: are client_id, client_secret and scope right?") from None
        if granted.token_type.lower() != "bearer" or not granted.access_token.isascii() or not granted.access_token.isprintable():
            raise BackendFault("refused", f"The OAuth server gave a token of the kind {granted.token_type[:20]!r}, not a bearer's.")
        self._token = granted.access_token
        life_s = granted.expires_in if granted.expires_in is not None else _LIFE_S
        self._until = self._clock() + max(life_s - _BEFORE_ITS_END_S, 1.0)
