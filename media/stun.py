"""STUN Binding checks as an ICE-lite agent sees them: RFC 8489 and RFC 8445 sections 7.3 and 6.1.1, bytes in and bytes out.

aioice's ``stun`` module reads and builds the messages. An unauthenticated request gets no answer at all, not even an error, so a
stranger neither learns anything nor can use us to send packets to a third party.
"""

import struct
from dataclasses import dataclass
from typing import Any

from aioice import stun

_COOKIE = b"\x21\x12\xa4\x42"
_BINDING_REQUEST = b"\x00\x01"
_USERNAME = 0x0006
_MAX_CHECK_BYTES = 548  # RFC 8489, section 6.1: what passes any IPv4 path; real checks have about 100


@dataclass(frozen=True, slots=True)
class Check:
    """An authenticated connectivity check. ``role_conflict``: its sender takes us for the controlling side, which a lite agent never is."""

    nominates: bool
    role_conflict: bool
    message: stun.Message


def local_fragment(datagram: bytes) -> str | None:
    """The local half of a Binding request's USERNAME (``local:remote``), read cheaply and without trust; None when there is none."""
    size = len(datagram)
    if size < 28 or size > _MAX_CHECK_BYTES or datagram[:2] != _BINDING_REQUEST or datagram[4:8] != _COOKIE:
        return None
    position = stun.HEADER_LENGTH
    while position + 4 <= size:
        kind = datagram[position] << 8 | datagram[position + 1]
        length = datagram[position + 2] << 8 | datagram[position + 3]
        if kind == _USERNAME:
            local, colon, _ = datagram[position + 4 : position + 4 + length].partition(b":")
            return local.decode("latin-1") if colon else None
        position += 4 + (length + 3 & ~3)
    return None


def read_check(datagram: bytes, password: bytes) -> Check | None:
    """The check, when its MESSAGE-INTEGRITY and FINGERPRINT are right; None otherwise."""
    try:
        message = stun.parse_message(datagram)
        if "FINGERPRINT" not in message.attributes or not message.check_message_integrity(password):
            return None
    except (ValueError, LookupError, struct.error):
        return None  # UnicodeDecodeError and AddressValueError are ValueErrors
    attributes: dict[str, Any] = message.attributes
    return Check("USE-CANDIDATE" in attributes, "ICE-CONTROLLED" in attributes, message)


def accept(check: Check, source: tuple[str, int], password: bytes) -> bytes:
    """The success response: XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT."""
    return _answer(check, stun.Class.RESPONSE, {"XOR-MAPPED-ADDRESS": source}, password)


def refuse_role(check: Check, password: bytes) -> bytes:
    """487: the sender shall take the controlling role (RFC 8445, section 7.3.1.1)."""
    return _answer(check, stun.Class.ERROR, {"ERROR-CODE": (487, "Role Conflict")}, password)


def _answer(check: Check, message_class: stun.Class, attributes: dict[str, Any], password: bytes) -> bytes:
    answer = stun.Message(stun.Method.BINDING, message_class, check.message.transaction_id, attributes)
    answer.add_message_integrity(password)
    return bytes(answer)
