"""HTTP towards a backend: the one way on which adapters ask, bounded in all that comes back.

A backend's address is an administrator's word. Where it leads is looked at at each connection (``api/outward.py``): nowhere inside unless
that is allowed, and never where clouds keep their keys. Redirects are followed on the same host only, and only where something is read;
nothing is taken that is compressed without having been asked for, larger than 256 kB or deeper than 32 levels. How long it may take is the
guard's business.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import ClientConnectorCertificateError, ClientError, ClientResponse
from msgspec import Struct
from yarl import URL

from api.backends.credentials import ClientCredentials, Credentials, FixedHeader
from api.backends.protocols import BackendFault
from api.outward import InsideError, outward_session, refuse_inside

T = TypeVar("T")
LARGEST = 262_144
DEEPEST = 32
_REDIRECTS = 3
_AT_ONCE = 32
_TOTAL_S = 30.0
"""Behind the guard's own deadlines."""
_LONGEST_REST_S = 3_600.0
_NOT_OURS = frozenset({401, 403, 407})
_ELSEWHERE = frozenset({301, 302, 303, 307, 308})
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_NONE: Mapping[str, str] = MappingProxyType({})
Pairs = Mapping[str, str] | Iterable[tuple[str, str]]


class HttpAnswer(Struct, frozen=True):
    """``headers`` by their names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def demand(self) -> Self:
        """Raises ``BackendFault`` where it was not done."""
        if not self.good:
            raise BackendFault("refused", f"It does not take what was asked ({self.status}).")
        return self

    def json(self, shape: Any = Any) -> Any:
        """Of this shape. Raises ``BackendFault`` where it is no JSON, none of this shape, or too deep."""
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise BackendFault("invalid", f"It answered {kind[:60] or 'something without a type'} where JSON was asked for.")
        if _depth(self.body) > DEEPEST:
            raise BackendFault("invalid", f"Its answer is deeper than {DEEPEST} levels.")
        try:
            return msgspec.json.decode(self.body, type=shape)
        except msgspec.ValidationError as error:
            raise BackendFault("invalid", f"Its answer is not what it should be: {error}"[:300]) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BackendFault("invalid", "Its answer is no JSON.") from None


class BackendHttp:
    """``async with``: owns the connections to one ``base`` (``https://host/path``). Everything raises ``BackendFault``.

    ``credentials`` show it who we are; those that it does not take (401) are renewed once, where they can be.
    """

    def __init__(
        self, base: str, credentials: Credentials | None = None, *, allow_private: bool = False, headers: Mapping[str, str] = _NONE
    ) -> None:
        self.base = base.rstrip("/")
        self._credentials = credentials or FixedHeader()
        self._allow_private = allow_private
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "centralita", **headers}

    async def __aenter__(self) -> Self:
        self._http = outward_session(allow_private=self._allow_private, at_once=_AT_ONCE, within_s=_TOTAL_S)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.close()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Pairs = _NONE,
        headers: Mapping[str, str] = _NONE,
        json: object = None,
        form: Pairs | None = None,
        body: bytes = b"",
    ) -> HttpAnswer:
        """``path`` (percent-encoded: ``api/backends/paths.py``) is put behind the base; ``params`` are encoded here. Of ``json``, ``form``,
        ``body`` at most one.

        401, 403, 407, 429 and what says that the server is broken (5xx) raise; other statuses are the adapter's to judge.
        """
        said = {**self._headers, **headers}
        if json is not None:
            body, said["Content-Type"] = msgspec.json.encode(json), said.get("Content-Type", "application/json")
        elif form is not None:
            body, said["Content-Type"] = urlencode(_pairs(form)).encode(), "application/x-www-form-urlencoded"
        url, follows, renewed = self._url(path, params), 0, False
        while follows <= _REDIRECTS:
            shown = await self._credentials.headers(method, url.raw_path_qs, body)
            answer = await self._once(method, url, {**said, **shown}, body)
            if answer.status == 401 and not renewed and self._credentials.refused(shown):
                renewed = True
            elif answer.status in _ELSEWHERE and method in ("GET", "HEAD"):
                url, follows = self._elsewhere(url, answer), follows + 1
            else:
                return _judged(answer)
        raise BackendFault("refused", "It sends us round in circles.")

    async def _once(self, method: str, url: URL, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        try:
            refuse_inside(str(url), allow_private=self._allow_private)
            async with self._http.request(method, url, data=body or None, headers=headers, allow_redirects=False) as response:
                return HttpAnswer(
                    response.status, await _whole(response), {name.lower(): value for name, value in response.headers.items()}
                )
        except ClientConnectorCertificateError:
            raise BackendFault("refused", "Its certificate is not valid for its address.") from None
        except TimeoutError:
            raise BackendFault("slow", "It took too long to answer.") from None
        except (ClientError, OSError) as error:
            if isinstance(error, InsideError) or isinstance(getattr(error, "os_error", None), InsideError):
                raise BackendFault("refused", "Its address is of a network that is not allowed for it: see allow_private.") from None
            raise BackendFault("unreachable", f"The connection failed: {type(error).__name__}.") from None
        except ValueError:
            raise BackendFault("invalid", "It names an address that is none.") from None

    def _url(self, path: str, params: Pairs) -> URL:
        text = f"{self.base}/{path.lstrip('/')}" if path else self.base
        query = urlencode(_pairs(params), quote_via=quote)
        return URL(text + (f"{'&' if '?' in text else '?'}{query}" if query else ""), encoded=True)

    def _elsewhere(self, url: URL, answer: HttpAnswer) -> URL:
        try:
            target = url.join(URL(answer.headers.get("location", ""), encoded=True))
            same = target.origin() == url.origin()
        except ValueError:
            raise BackendFault("invalid", "It names an address that is none.") from None
        if not same:
            raise BackendFault("refused", "It sends us to another host, which is not followed: correct its address.")
        return target


def client_credentials(http: BackendHttp, client_id: str, secret: str, scope: str = "") -> ClientCredentials:
    """Tokens of the OAuth server at which ``http`` points; it is shown who we are as RFC 6749, section 2.3.1 has it."""
    basic = FixedHeader.basic(quote(client_id, safe=""), quote(secret, safe=""))

    async def ask() -> bytes:
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        answer = await http.ask("POST", "", form=form, headers=await basic.headers("POST", "", b""))
        return answer.demand().body

    return ClientCredentials(ask)


async def _whole(response: ClientResponse) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BackendFault("invalid", "Its answer is compressed, which was not asked for.")
    if (response.content_length or 0) > LARGEST:
        raise BackendFault("too_large", f"Its answer is larger than {LARGEST // 1024} kB.")
    body = bytearray()
    async for piece in response.content.iter_chunked(65_536):
        body += piece
        if len(body) > LARGEST:
            raise BackendFault("too_large", f"Its answer is larger than {LARGEST // 1024} kB.")
    return bytes(body)


def _judged(answer: HttpAnswer) -> HttpAnswer:
    if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
        raise BackendFault("rate_limited", f"It has too much to do ({answer.status}).", retry_after_s=retry_after_s(answer.headers))
    if answer.status in _NOT_OURS:
        raise BackendFault("refused", f"It does not take our credentials, or they may not do this ({answer.status}).")
    if answer.status >= 500:
        raise BackendFault("unreachable", f"It failed by a fault of its own ({answer.status}).")
    return answer


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds, or a date (RFC 9110, section 10.2.3), which counts from the backend's own clock; a second where it says neither."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return min(float(said), _LONGEST_REST_S)
    until, theirs = _date(said), _date(headers.get("date", ""))
    if until is None or theirs is None:
        return 1.0
    return min(max(until - theirs, 0.0), _LONGEST_REST_S)


def _date(text: str) -> float | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _pairs(pairs: Pairs) -> list[tuple[str, str]]:
    return list(pairs.items() if isinstance(pairs, Mapping) else pairs)


def _depth(body: bytes) -> int:
    """Of nested lists and objects, before any of it is read."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
