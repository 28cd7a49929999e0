"""Requests that other programs sign (``api/backends/signature.py``): their bodies, once it is known whose they are."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from api.backends.signature import BadSignature, ReplayWindow
from api.bodies import BODY_WITHIN_S
from signaling.refusal import Refusal


async def signed_body(request: web.Request, window: ReplayWindow, secrets: Sequence[bytes], now: float, most_bytes: int) -> bytes:
    """The body, whole. Raises ``BadSignature``, and ``Refusal`` where it is larger than ``most_bytes``."""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            body = await request.clone(client_max_size=most_bytes).read()
    except web.HTTPRequestEntityTooLarge:
        raise Refusal("too_large", f"The body has more than {most_bytes} bytes.") from None
    except (TimeoutError, ConnectionError):
        raise web.HTTPRequestTimeout from None
    window.check(request.headers, request.method, request.raw_path, body, secrets, now)
    return body


def refusal_of(bad: BadSignature) -> Refusal:
    """Told to who sent it."""
    return Refusal("token_invalid", str(bad))
