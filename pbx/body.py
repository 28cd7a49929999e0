"""What a message carries: the session description in its body, whole or as a part (RFC 3261, sections 7.4, 8.2.3, 20.11; RFC 5621)."""

import re

from pbx.message import Message

SDP = "application/sdp"
ACCEPT = f"{SDP}, multipart/mixed"
MAX_PARTS = 16
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^;\s"]{1,70}))', re.IGNORECASE)


class UnsupportedBody(Exception):
    """A body that cannot be used: 415, with the headers that say what could be."""

    def __init__(self, *headers: tuple[str, str]) -> None:
        super().__init__("a body of a kind that is not known here")
        self.headers = list(headers)


def sdp_of(message: Message) -> bytes:
    """The session description; empty where there is none. Raises ``UnsupportedBody``, unless the sender said ``handling=optional``."""
    if not message.body:
        return b""
    if (message.get("Content-Encoding") or "identity").strip().lower() != "identity":
        raise UnsupportedBody(("Accept-Encoding", "identity"))
    if message.content_type == SDP:
        return message.body
    if message.content_type.startswith("multipart/"):
        found = _sdp_part(message.get("Content-Type") or "", message.body)
        if found:
            return found
    if _optional(message.get("Content-Disposition") or ""):
        return b""
    raise UnsupportedBody(("Accept", ACCEPT))


def give_body(message: Message, body: bytes) -> None:
    if body:
        message.set("Content-Type", SDP)
        message.body = body


def _optional(disposition: str) -> bool:
    return re.search(r";\s*handling\s*=\s*optional\b", disposition, re.IGNORECASE) is not None


def _sdp_part(content_type: str, body: bytes) -> bytes:
    """The first part that is SDP and not encoded (RFC 2046, section 5.1.1); empty where there is none."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        return b""
    delimiter = b"\r\n--" + (found.group(1) or found.group(2)).encode()
    for part in (b"\r\n" + body).split(delimiter, MAX_PARTS + 1)[1 : MAX_PARTS + 1]:
        if part.startswith(b"--"):
            return b""
        head, separator, content = part.partition(b"\r\n\r\n")
        headers = {
            name.strip().lower(): value.strip().lower()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
            if value
        }
        kind = headers.get(b"content-type", headers.get(b"c", b"")).split(b";")[0].strip()
        if separator and kind == SDP.encode() and headers.get(b"content-transfer-encoding", b"binary") in (b"binary", b"8bit", b"7bit"):
            return content
    return b""
