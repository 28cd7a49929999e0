"""The server's side of a WebSocket (RFC 6455), without IO, extensions or subprotocols.

A server's frames are not masked, so the bytes of one frame serve all its readers: that is why this is here and not a library's.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from enum import IntEnum

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION = "13"


class Opcode(IntEnum):
    """Section 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Violation(Exception):
    """The client broke the protocol: close with ``code`` (section 7.4.1)."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


_OPCODES = {int(opcode): opcode for opcode in Opcode}
_LONGEST_CONTROL = 125
_MOST_FRAGMENTS = 64


def accept(headers: Mapping[str, str]) -> bytes | None:
    """The answer to a client's handshake (section 4.2), None where that is none of version 13."""
    key = headers.get("Sec-WebSocket-Key", "").strip()
    try:
        nonce = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return None
    upgrades = "upgrade" in (word.strip() for word in headers.get("Connection", "").lower().split(","))
    if len(nonce) != 16 or not upgrades or headers.get("Upgrade", "").lower() != "websocket":
        return None
    if headers.get("Sec-WebSocket-Version", "").strip() != VERSION:
        return None
    proof = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + proof + b"\r\n\r\n"


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """One whole message as the bytes on the wire."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int) -> bytes:
    return frame(Opcode.CLOSE, code.to_bytes(2, "big"))


class Reader:
    """Messages out of the bytes of one client. ``largest``: bytes of one message."""

    __slots__ = ("_fragments", "_held", "_kind", "_largest")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held = b""
        """The beginning of a frame whose rest is still to come."""
        self._fragments: list[bytes] = []
        self._kind: Opcode | None = None
        """Of the message whose fragments are being gathered."""

    def feed(self, data: bytes) -> Iterator[tuple[Opcode, bytes]]:
        """Each message and control frame that is complete now. Raises ``Violation``; nothing may be fed after that."""
        if self._held:
            data = self._held + data
        at = 0
        while (found := self._frame(data, at)) is not None:
            at, final, opcode, payload = found
            message = self._gather(final, opcode, payload)
            if message is not None:
                yield message
        self._held = data[at:]

    def _frame(self, data: bytes, at: int) -> tuple[int, bool, Opcode, bytes] | None:
        """Where the next frame begins and this one; None while it is not all there."""
        if len(data) < at + 2:
            return None
        first, second = data[at], data[at + 1]
        opcode = _OPCODES.get(first & 0x0F)
        if opcode is None or first & 0x70:
            raise Violation(1002, "a reserved bit or opcode")
        if not second & 0x80:
            raise Violation(1002, "a frame without mask")
        size, start = second & 0x7F, at + 2
        if opcode >= Opcode.CLOSE and (size > _LONGEST_CONTROL or not first & 0x80):
            raise Violation(1002, "a control frame that is long or in fragments")
        if size >= 126:
            wide = 2 if size == 126 else 8
            start += wide
            if len(data) < start:
                return None
            size = int.from_bytes(data[at + 2 : start], "big")
        if size > self._largest:
            raise Violation(1009, f"a message of {size} bytes: {self._largest} are allowed")
        end = start + 4 + size
        if len(data) < end:
            return None
        return end, bool(first & 0x80), opcode, _unmasked(data[start : start + 4], data[start + 4 : end])

    def _gather(self, final: bool, opcode: Opcode, payload: bytes) -> tuple[Opcode, bytes] | None:
        if opcode >= Opcode.CLOSE:
            return opcode, payload
        if (opcode is Opcode.CONTINUATION) is (self._kind is None):
            raise Violation(1002, "a fragment out of turn")
        if final and self._kind is None:
            return opcode, payload
        self._kind = self._kind or opcode
        self._fragments.append(payload)
        if sum(map(len, self._fragments)) > self._largest or len(self._fragments) > _MOST_FRAGMENTS:
            raise Violation(1009, f"a message in {len(self._fragments)} fragments, or of more than {self._largest} bytes")
        if not final:
            return None
        whole, kind = b"".join(self._fragments), self._kind
        self._fragments, self._kind = [], None
        return kind, whole


def _unmasked(mask: bytes, payload: bytes) -> bytes:
    """Section 5.3, as one exclusive or of two long numbers."""
    size = len(payload)
    long_mask = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(long_mask, "little")).to_bytes(size, "little")
