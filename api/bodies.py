"""JSON bodies of REST: read within limits into typed structs, written without being cached."""

import asyncio
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from signaling.refusal import Refusal

T = TypeVar("T")
READ_BEFORE = web.RequestKey("READ_BEFORE", bool)
"""Says of a request that its body is at hand already."""
BODY_WITHIN_S = 10.0
"""A client that takes longer to send a body of an allowed size is not a browser."""


async def body_of(request: web.Request, kind: type[T], largest: int | None = None) -> T:
    """The body as this struct. Raises ``Refusal`` (``bad_message``) saying where it is wrong. ``largest``: in bytes, in place of the
    application's.

    Only ``application/json`` is read: a form of another site cannot send that type without asking first (CORS).
    """
    if request.content_type != "application/json":
        raise Refusal("bad_message", "Send the body as application/json.")
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            sized = request if largest is None or READ_BEFORE in request else request.clone(client_max_size=largest)
            return msgspec.json.decode(await sized.read(), type=kind)
    except (TimeoutError, ConnectionError):  # too slow, or gone meanwhile
        raise web.HTTPRequestTimeout from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal("bad_message", f"The request cannot be read: {error}") from None


def json_answer(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/json",
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )
