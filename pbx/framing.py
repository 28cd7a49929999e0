"""Where one SIP message ends and the next begins in a byte stream (RFC 3261, section 18.3; keep-alives of RFC 5626, section 3.5.1)."""

import re

from pbx.message import MAX_BYTES

_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,8})[ \t]*(?=\r\n)", re.IGNORECASE)


class StreamBroken(Exception):
    """The stream can no longer be cut into messages: the connection must go."""


class StreamFramer:
    """Feed bytes, get whole messages. ``pings`` counts double CRLFs, each of which wants a CRLF back."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.pings = 0

    @property
    def partial(self) -> bool:
        """Is a message begun and not yet whole?"""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Complete messages so far. Raises ``StreamBroken``; holds at most one message of 64 kB."""
        self._buffer += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> bytes | None:
        while self._buffer.startswith(b"\r\n"):
            if self._buffer.startswith(b"\r\n\r\n"):
                self.pings += 1
                del self._buffer[:4]
            elif len(self._buffer) == 2 or self._buffer[2:3] == b"\r":
                return None
            else:
                del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_BYTES:
                raise StreamBroken("headers larger than 64 kB")
            return None
        lengths = _LENGTH.findall(bytes(self._buffer[: end + 2]))
        if len(set(lengths)) != 1:
            raise StreamBroken("no Content-Length, or several")
        total = end + 4 + int(lengths[0])
        if total > MAX_BYTES:
            raise StreamBroken("a message larger than 64 kB")
        if len(self._buffer) < total:
            return None
        message = bytes(self._buffer[:total])
        del self._buffer[:total]
        return message
