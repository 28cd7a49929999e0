"""What is sent under an ``Idempotency-Key`` is done once: sent again, by a program that heard no answer, it is answered as it was.

One place for all routes that make something (``ONCE``), over all nodes by the database. The key belongs to who sends it; the same key with
another request is refused, and of two at the same moment the second waits for the first one's answer. An answer lies in the database
encrypted under the key that was sent, of which only a digest is kept, and for a day at most; what is refused was not done, and leaves
the key as it was.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable

import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from api.bodies import BODY_WITHIN_S, READ_BEFORE
from api.guarded_routes import ROUTES, caller_of, line_of
from api.store.errors import StoreUnavailable
from api.store.sent_keys import SentKey, SentKeyStore
from signaling.refusal import Refusal

log = structlog.get_logger()
KEY_HEADER = "Idempotency-Key"
LONGEST_KEY = 128
KEPT_S = 86_400.0
DONE_WITHIN_S = 60.0
"""What was begun longer ago and has no answer ended with its process."""
WAITS_S = 5.0
MOST_KEYS = 10_000
"""Of one person or program; of more the oldest are forgotten."""
LARGEST_ANSWER = 65_536
_PRUNED_EVERY = 100
_LARGEST_COMPARED = 16_384
_EXCEPT = {
    "their answer is all that they make": """
        privacy/copies backends/{backend_id}/try rules/try centre/check centre/picture centre/try alert-thresholds/preview consents/search
    """,
    "done again they change nothing": """
        sign-out account/password account/second-factor account/second-factor/confirm account/second-factor/end privacy/erasures
        webhooks/resume alerts/{alert_id}/acknowledgement alerts/{alert_id}/snooze scorecards/{card_id}/seen
    """,
    "they keep the key with the booking": """
        bookings bookings/{reference}/reserve bookings/{reference}/payments bookings/{reference}/refunds bookings/{reference}/confirm
        bookings/{reference}/cancel bookings/{reference}/fail bookings/{reference}/move bookings/{reference}/seats
    """,
}
NOT_ONCE: frozenset[tuple[str, str]] = frozenset(("POST", f"/api/v1/{path}") for paths in _EXCEPT.values() for path in paths.split())
ONCE: frozenset[tuple[str, str]] = frozenset(
    (method, path) for (method, path), asks in ROUTES.items() if method == "POST" and asks is not None and path.startswith("/api/v1/")
).difference(NOT_ONCE)
"""Every ``POST`` of somebody who is known, but for these. Who is nobody yet has no keys: what is booked there has one in its body."""
_SECRET = frozenset({("POST", "/api/v1/keys"), ("POST", "/api/v1/tokens")})
"""Whose answer is a secret, and not kept."""


class _Kept(Struct, frozen=True):
    """An answer as it was."""

    content_type: str
    headers: dict[str, str]
    body: bytes


_KEPT_HEADERS = (hdrs.ETAG, hdrs.LOCATION, hdrs.CACHE_CONTROL)


class Once:
    """``secret``: of all nodes. ``now()``: seconds since the epoch."""

    def __init__(self, store: SentKeyStore, secret: str, now: Callable[[], float]) -> None:
        self._store, self._secret, self._now = store, secret.encode(), now
        self._begun = 0

    def middleware(self) -> Middleware:
        """To stand after the guard, next to the handlers."""

        @web.middleware
        async def once(request: web.Request, handler: Handler) -> web.StreamResponse:
            route, given = request.match_info.route, request.headers.get(KEY_HEADER, "")
            if not given or route.resource is None or line_of(route) not in ONCE:
                return await handler(request)
            if len(given) > LONGEST_KEY or not given.isprintable():
                raise Refusal("bad_message", f"An {KEY_HEADER} has {LONGEST_KEY} printable characters at most.")
            return await self._do(request, handler, given)

        return once

    async def _do(self, request: web.Request, handler: Handler, given: str) -> web.StreamResponse:
        caller = caller_of(request)
        assert caller is not None, "a route of these asks for somebody"
        who, at = caller.identity, self._now()
        key_id, fingerprint = _digest(who.encode(), given.encode()), await _fingerprint(request)
        before = await self._store.begin(key_id, who, fingerprint, at)
        if before is not None:
            return await self._answered(before, key_id, fingerprint, who, given)
        await self._prune(who)
        try:
            response = await handler(request)
        except (Refusal, StoreUnavailable, web.HTTPException):
            await self._store.release(key_id)
            raise
        if response.status >= 400:
            await self._store.release(key_id)
        else:
            secret = line_of(request.match_info.route) in _SECRET
            await self._keep(key_id, response.status, "" if secret else self._sealed(response, who, given))
        return response

    async def _keep(self, key_id: str, status: int, answer: str) -> None:
        """It is done: who hears so now has no use for the key, whatever becomes of the database."""
        try:
            await self._store.done(key_id, status, answer)
        except StoreUnavailable as error:
            log.warning("once.not_kept", detail=str(error))

    async def _answered(self, before: SentKey, key_id: str, fingerprint: str, who: str, given: str) -> web.Response:
        """What the first request came to. Raises ``Refusal``."""
        if before.fingerprint != fingerprint:
            raise Refusal("key_reused", f"Something else was asked for under this {KEY_HEADER}: draw another for another wish.")
        known: SentKey | None = before
        wait_s, until = 0.05, asyncio.get_running_loop().time() + WAITS_S
        while known is not None and not known.status and self._now() - known.at < DONE_WITHIN_S:
            if asyncio.get_running_loop().time() >= until:
                raise Refusal("key_in_use", "What was asked for under this key is still being done: ask again.", 2.0)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, 0.5)
            known = await self._store.found(key_id)
        if known is None:
            raise Refusal("key_in_use", "What was asked for under this key failed just now: ask again.", 1.0)
        if not known.status:
            raise Refusal("outcome_unknown", "The server broke off while it did this: see whether it is done, and draw another key.")
        return self._opened(known, who, given)

    def _sealed(self, response: web.StreamResponse, who: str, given: str) -> str:
        body = response.body if isinstance(response, web.Response) else None
        if (body is not None and not isinstance(body, bytes | bytearray)) or len(body or b"") > LARGEST_ANSWER:
            return ""
        headers = {str(name): response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        kept = msgspec.msgpack.encode(_Kept(response.headers.get(hdrs.CONTENT_TYPE, ""), headers, bytes(body or b"")))
        nonce = secrets.token_bytes(12)
        return base64.b64encode(nonce + self._cipher(who, given).encrypt(nonce, kept, None)).decode()

    def _opened(self, known: SentKey, who: str, given: str) -> web.Response:
        raw = base64.b64decode(known.answer)
        try:
            if not raw:
                raise InvalidTag
            kept = msgspec.msgpack.decode(self._cipher(who, given).decrypt(raw[:12], raw[12:], None), type=_Kept)
        except InvalidTag:
            raise Refusal("answer_gone", "This was done under this key, and what was answered is not kept: see what is there.") from None
        headers = kept.headers | {"Idempotent-Replayed": "true"}
        if kept.content_type:
            headers[hdrs.CONTENT_TYPE] = kept.content_type
        return web.Response(status=known.status, body=kept.body or None, headers=headers)

    def _cipher(self, who: str, given: str) -> AESGCM:
        return AESGCM(hmac.digest(self._secret, b"answer\0" + who.encode() + b"\0" + given.encode(), "sha256"))

    async def _prune(self, who: str) -> None:
        if self._begun % _PRUNED_EVERY == 0:
            await self._store.prune(self._now() - KEPT_S, who, MOST_KEYS)
        self._begun += 1


async def _fingerprint(request: web.Request) -> str:
    """Of what is asked. Bodies beyond what most routes take are compared by their length."""
    length = request.content_length
    if request.body_exists and (length is None or length > _LARGEST_COMPARED):
        return _digest(request.raw_path.encode(), str(length).encode())
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            body = await request.read()
    except (TimeoutError, ConnectionError):
        raise web.HTTPRequestTimeout from None
    request[READ_BEFORE] = True
    return _digest(request.raw_path.encode(), body)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
