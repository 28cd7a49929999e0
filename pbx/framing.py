"""Where one SIP message ends and the next begins in a byte stream (RFC 3261, section 18.3; keep-alives of RFC 5626, section 3.5.1)."""

import re

from pbx.message import MAX_BYTES

_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,8})[ \t]*(?=\r\n)", re.IGNORECASE)


class StreamBroken(Exception):
    """The stream can no longer be cut into messages: the connection must go. ``before``: those that were whole until then."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.before: list[bytes] = []


class StreamFramer:
    """Feed bytes, get whole messages. ``pings`` counts double CRLFs, each of which wants a CRLF back."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._total = 0
        self.pings = 0

    @property
    def partial(self) -> bool:
        """Is a message begun and not yet whole?"""
        return len(self._buffer) > 3 or bool(self._buffer.strip(b"\r\n"))

    def take_pong(self) -> bool:
        """Take a CRLF that stands alone, the answer to a ping of ours; False where there is none."""
        if self._buffer != b"\r\n":
            return False
        self._buffer.clear()
        return True

    def feed(self, data: bytes) -> list[bytes]:
        """Complete messages so far. Raises ``StreamBroken``; holds at most one message of 64 kB."""
        self._buffer += data
        messages: list[bytes] = []
        try:
            while (message := self._next()) is not None:
                messages.append(message)
        except StreamBroken as broken:
            broken.before = messages
            raise
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
        # What was searched once is not searched again: a message may come byte by byte.
        if not self._total and not self._find_end():
            return None
        if len(self._buffer) < self._total:
            return None
        message = bytes(self._buffer[: self._total])
        del self._buffer[: self._total]
        self._searched = self._total = 0
        return message

    def _find_end(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        self._searched = len(self._buffer)
        if end < 0:
            if len(self._buffer) > MAX_BYTES:
                raise StreamBroken("headers larger than 64 kB")
            return False
        lengths = _LENGTH.findall(bytes(self._buffer[: end + 2]))
        if len(set(lengths)) != 1:
            raise StreamBroken("no Content-Length, or several")
        self._total = end + 4 + int(lengths[0])
        if self._total > MAX_BYTES:
            raise StreamBroken("a message larger than 64 kB")
        return True
