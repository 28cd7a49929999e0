"""SIP messages on the wire: read strictly enough, written safely (RFC 3261, sections 7 and 25).

``parse_message`` takes one whole message and raises ``BadMessage`` alone, whatever the bytes. Bounds: 64 kB, 256 header lines, 8 kB a line.
Headers keep their order; names are written out in full and compared without case.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from pbx.address import BadValue, NameAddress, Via, is_token, parse_address, parse_uri, parse_via, split_outside

MAX_BYTES = 65_535
MAX_HEADERS = 256
MAX_LINE = 8192

_COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
_SPELLING = {
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "min-se": "Min-SE",
    "remote-party-id": "Remote-Party-ID",
    "rseq": "RSeq",
    "rack": "RAck",
    "www-authenticate": "WWW-Authenticate",
}
_SINGLE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type")
_REQUEST_LINE = re.compile(r"([!-~]+) (\S+) SIP/2\.0", re.IGNORECASE)
_PROPER_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"]*")
_DECIMAL = re.compile(r"[0-9]{1,10}")
_BETWEEN_TOKENS = re.compile(r"[,\s]+")
_STATUS_LINE = re.compile(r"SIP/2\.0 ([0-9]{3})(?: ([^\r\n]*))?", re.IGNORECASE)

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 183: "Session Progress", 200: "OK", 202: "Accepted",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
    408: "Request Timeout", 410: "Gone",
    413: "Request Entity Too Large", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    422: "Session Interval Too Small", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
    483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
    489: "Bad Event", 491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere",
    603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip


@dataclass(slots=True)
class Message:
    """What requests and responses share: headers in order, and a body, which may hold keys and is not printed.

    Header names stand in their one spelling (``spelled``), so that they compare as they are.
    """

    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = field(default=b"", repr=False)

    def get(self, name: str) -> str | None:
        """The first value of a header, whole."""
        wanted = spelled(name)
        for key, value in self.headers:
            if key == wanted:
                return value
        return None

    def lines(self, name: str) -> list[str]:
        wanted = spelled(name)
        return [value for key, value in self.headers if key == wanted]

    def values(self, name: str) -> list[str]:
        """Every value of a header that may repeat or carry a list. Raises ``BadValue``."""
        wanted, found = spelled(name), []
        for key, line in self.headers:
            if key == wanted:
                found += [value for value in split_outside(line, ",") if value]
        return found

    def tokens(self, name: str) -> set[str]:
        """The option tags or methods of a list header, in lower case."""
        return {value.lower() for line in self.lines(name) for value in _BETWEEN_TOKENS.split(line) if value}

    def add(self, name: str, value: str) -> None:
        self.headers.append((spelled(name), value))

    def set(self, name: str, value: str) -> None:
        """Replace a header, at its place; add it where it was not."""
        wanted = spelled(name)
        for position, (key, _) in enumerate(self.headers):
            if key == wanted:
                self.headers[position] = (wanted, value)
                return
        self.headers.append((wanted, value))

    def remove(self, name: str) -> None:
        wanted = spelled(name)
        self.headers = [(key, value) for key, value in self.headers if key != wanted]

    @property
    def call_id(self) -> str:
        return self.get("Call-ID") or ""

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method. Raises ``BadValue``."""
        return parse_cseq(self.get("CSeq") or "")

    @property
    def from_address(self) -> NameAddress:
        return parse_address(self.get("From") or "")

    @property
    def to_address(self) -> NameAddress:
        return parse_address(self.get("To") or "")

    @property
    def top_via(self) -> Via:
        for key, line in self.headers:
            if key == "Via" and (values := [value for value in split_outside(line, ",") if value]):
                return parse_via(values[0])
        raise BadValue("no Via")

    def contact(self) -> NameAddress | None:
        values = self.values("Contact")
        return parse_address(values[0]) if values and values[0] != "*" else None

    def contacts(self) -> list[NameAddress]:
        return [parse_address(value) for value in self.values("Contact") if value != "*"]

    @property
    def content_type(self) -> str:
        """Media type without parameters, lower case; empty where there is no body."""
        return (self.get("Content-Type") or "").split(";")[0].strip().lower()


@dataclass(slots=True)
class Request(Message):
    method: str = ""
    uri: str = ""


@dataclass(slots=True)
class Response(Message):
    """``local``: not received but made here, because nobody answered (408) or nobody could be reached (503)."""

    status: int = 0
    reason: str = ""
    local: bool = False


AnyMessage = Request | Response
M = TypeVar("M", Request, Response)


class BadMessage(Exception):
    """Bytes that are no SIP message. ``request`` is what could be read, where that is enough to answer it with ``status``."""

    def __init__(self, detail: str, status: int = 400, request: Request | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.request = request


@lru_cache(maxsize=512)
def parse_cseq(text: str) -> tuple[int, str]:
    parts = text.split()
    if len(parts) != 2 or not _DECIMAL.fullmatch(parts[0]) or int(parts[0]) >= 2**31 or not is_token(parts[1]):
        raise BadValue("no proper CSeq")
    return int(parts[0]), parts[1]


def parse_message(data: bytes, *, stream: bool = False) -> AnyMessage:
    """Read one message. A datagram without Content-Length has its body up to the end; a longer body is cut (section 18.3).

    Raises ``BadMessage``.
    """
    if len(data) > MAX_BYTES:
        raise BadMessage("larger than 64 kB", 513)
    head, separator, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    lines = _unfold(head.decode("utf-8", "replace"))
    message = _start(lines[0])
    bad_header = _read_headers(message, lines[1:])
    message.body = body
    answerable = message if isinstance(message, Request) else None
    fault = (400, "the headers never end") if not separator else bad_header or _fault(message, len(body), stream)
    if fault is not None:
        raise BadMessage(fault[1], fault[0], answerable if answerable and can_be_answered(answerable) else None)
    length = message.get("Content-Length")
    if length is not None:
        message.body = body[: int(length)]
    return message


def _unfold(head: str) -> list[str]:
    """Lines, with folded ones joined (section 7.3.1)."""
    if "\n " not in head and "\n\t" not in head:
        return head.split("\r\n")
    lines: list[str] = []
    for line in head.split("\r\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    return lines


def _start(line: str) -> AnyMessage:
    status = _STATUS_LINE.fullmatch(line)
    if status is not None:
        code = int(status.group(1))
        if not 100 <= code <= 699:
            raise BadMessage("a status code outside 100-699")
        return Response(status=code, reason=status.group(2) or "")
    matched = _REQUEST_LINE.fullmatch(line)
    if matched is not None and is_token(matched.group(1)):
        return Request(method=matched.group(1), uri=matched.group(2))
    version = re.fullmatch(r"([A-Za-z]+) (.+) (SIP/[0-9]+\.[0-9]+)\s*", line)
    if version is None:
        raise BadMessage("no SIP start line")
    # Answerable all the same: 505 for another version, 400 for blanks in the Request-URI; the fault is found by _fault.
    return Request(method=version.group(1), uri=version.group(2) + " " if version.group(3).upper() == "SIP/2.0" else "\x00version")


def _read_headers(message: AnyMessage, lines: list[str]) -> tuple[int, str] | None:
    if len(lines) > MAX_HEADERS:
        return 400, "too many headers"
    fault: tuple[int, str] | None = None
    for line in lines:
        name, colon, value = line.partition(":")
        name = spelled(name) if len(line) <= MAX_LINE else ""
        if not colon or not name or "\r" in line or "\n" in line:
            fault = 400, "a line that is no header"
            continue
        message.headers.append((name, value.strip()))
    return fault


@lru_cache(maxsize=512)
def spelled(name: str) -> str:
    """The one spelling of a header's name, whole where it came in compact form; empty for what cannot be one."""
    lower = name.strip().lower()
    if not is_token(lower):
        return ""
    lower = _COMPACT.get(lower, lower)
    return _SPELLING.get(lower) or "-".join(part.capitalize() for part in lower.split("-"))


def _fault(message: AnyMessage, body_length: int, stream: bool) -> tuple[int, str] | None:
    """What makes the message unusable, as status and words."""
    if isinstance(message, Request) and message.uri == "\x00version":
        return 505, "another version of SIP"
    found: dict[str, list[str]] = {}
    for name, value in message.headers:
        found.setdefault(name, []).append(value)
    for name in _SINGLE:
        if len(found.get(name, ())) > 1:
            return 400, f"{name} more than once"
    single = {name: values[0] for name, values in found.items()}
    try:
        _read_mandatory(message, found, single)
    except BadValue as error:
        return 400, str(error)
    length = single.get("Content-Length")
    if length is None:
        return (400, "a stream needs Content-Length") if stream else None
    if not _DECIMAL.fullmatch(length) or int(length) > body_length:
        return 400, "Content-Length does not fit the body"
    return None


def _read_mandatory(message: AnyMessage, found: Mapping[str, list[str]], single: Mapping[str, str]) -> None:
    """Raises ``BadValue`` where a header that everything else relies on cannot be read. ``found``: all headers by name; ``single``: the
    first of each name."""
    call_id = single.get("Call-ID")
    if not call_id or " " in call_id:
        raise BadValue("no Call-ID")
    for value in _listed(found, "Via") or [""]:
        parse_via(value)
    parse_address(single.get("From") or "")
    parse_address(single.get("To") or "")
    _, method = parse_cseq(single.get("CSeq") or "")
    if isinstance(message, Request):
        if method != message.method:
            raise BadValue("CSeq names another method")
        if _PROPER_URI.fullmatch(message.uri) is None:
            raise BadValue("no proper Request-URI")
        if message.uri[:4].lower() in ("sip:", "sips") and parse_uri(message.uri).headers:
            raise BadValue("headers in the Request-URI")
        hops = single.get("Max-Forwards")
        if hops is not None and (not _DECIMAL.fullmatch(hops) or int(hops) > 255):
            raise BadValue("no proper Max-Forwards")
    for name in ("Contact", "Route", "Record-Route"):
        for value in _listed(found, name):
            if value != "*":
                parse_address(value)


def _listed(found: Mapping[str, list[str]], name: str) -> list[str]:
    return [value for line in found.get(name, ()) for value in split_outside(line, ",") if value]


def can_be_answered(request: Request) -> bool:
    """Could its sender find out which request a response means? The branch in Via is enough for that, whatever else is missing."""
    return bool(request.lines("Via")) and request.method != "ACK"


def _start_line(message: AnyMessage) -> str:
    if isinstance(message, Request):
        return f"{message.method} {message.uri} SIP/2.0"
    return f"SIP/2.0 {message.status} {message.reason}"


def build(message: AnyMessage) -> bytes:
    """The wire form, with a Content-Length of our own counting. Raises ``BadValue`` for a line break in any value."""
    lines = [_start_line(message)]
    for name, value in message.headers:
        if name == "Content-Length":
            continue
        if not spelled(name):
            raise BadValue("a header name that is no token")
        lines.append(f"{name}: {value}")
    lines.append(f"Content-Length: {len(message.body)}")
    head = "\r\n".join(lines)
    if not head.count("\r") == head.count("\n") == len(lines) - 1:
        raise BadValue("a line break in a header value")
    return (head + "\r\n\r\n").encode() + message.body


_COPIED = frozenset({"Via", "From", "To", "Call-ID", "CSeq"})
_COPIED_INTO_DIALOG = _COPIED | {"Record-Route"}


def respond(request: Request, status: int, *, to_tag: str = "", reason: str = "", headers: Iterable[tuple[str, str]] = ()) -> Response:
    """A response to a request (section 8.2.6): Via, From, To, Call-ID and CSeq copied, Record-Route where a dialog may come of it."""
    response = Response(status=status, reason=reason or REASONS.get(status, "Unknown"))
    if status == 100 and (timestamp := request.get("Timestamp")) is not None:
        response.add("Timestamp", timestamp)
    copied = _COPIED_INTO_DIALOG if 100 < status < 300 else _COPIED
    for name, value in request.headers:
        if name in copied:
            if name == "To" and to_tag and status > 100 and not _has_tag(value):
                value = f"{value};tag={to_tag}"
            response.headers.append((name, value))
    response.headers.extend(headers)
    return response


def _has_tag(value: str) -> bool:
    try:
        return parse_address(value).tag is not None
    except BadValue:
        # The To of a request that is refused for it: copied as it came.
        return True


def retry_after_s(message: Message) -> float | None:
    """Seconds that the sender asks us to wait (section 20.33), from 1 to an hour; None where it does not."""
    found = re.match(r"\s*([0-9]{1,6})(?![0-9])", message.get("Retry-After") or "")
    return float(min(max(int(found.group(1)), 1), 3600)) if found else None


def copy_message(message: M) -> M:
    """A copy whose headers can be changed without changing the original's."""
    if isinstance(message, Request):
        return Request(list(message.headers), message.body, message.method, message.uri)
    return Response(list(message.headers), message.body, message.status, message.reason)
