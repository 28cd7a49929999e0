"""Refusals over HTTP: RFC 9457 problems."""

from msgspec import Struct

from signaling.messages import Error


class Problem(Struct, frozen=True):
    """``error`` is what the same refusal is on the wire."""

    type: str
    title: str
    status: int
    detail: str
    error: Error
