"""Refusals over HTTP: RFC 9457 problems."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from signaling.messages import Error
from signaling.refusal import Refusal, TextFault


class Problem(Struct, frozen=True):
    """``error`` is what the same refusal is on the wire. ``errors``: each fault, where there may be several."""

    type: str
    title: str
    status: int
    detail: str
    error: Error
    errors: tuple[TextFault, ...] | UnsetType = UNSET


def problem(
    status: int,
    refusal: Refusal,
    headers: Mapping[str, str] = MappingProxyType({}),
    more: Mapping[str, object] = MappingProxyType({}),
) -> web.Response:
    """The refusal as a response, with how long to wait where waiting helps. ``more``: members of the body (RFC 9457, 3.2)."""
    error = refusal.as_error()
    body = Problem(
        f"urn:centralita:problem:{error.code}", error.code.replace("_", " "), status, error.message, error, refusal.faults or UNSET
    )
    told = {"Cache-Control": "no-store", **headers}
    if refusal.retry_after is not None:
        told["Retry-After"] = str(int(refusal.retry_after) + 1)
    return web.Response(
        status=status,
        body=msgspec.json.encode({**msgspec.to_builtins(body), **more} if more else body),
        content_type="application/problem+json",
        headers=told,
    )
