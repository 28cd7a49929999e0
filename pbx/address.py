"""The structured values inside SIP headers: URIs, name-addresses, Via, parameters (RFC 3261, sections 19.1, 20 and 25).

Parsers raise ``BadValue``; nothing else leaves them, whatever the input. Writers refuse control characters, so that no header can be
smuggled in through a name or a number.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, unquote

Params = Mapping[str, str | None]
# The same From, To, Via and Contact stand in every message of a call, and are read several times in each.
_remembered = lru_cache(maxsize=1024)

_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
_URI = re.compile(r"(sips?):(?:([^@]*)@)?([^;?]+)((?:;[^?]*)?)(?:\?(.*))?", re.IGNORECASE | re.DOTALL)
_USER_SAFE = "-_.!~*'()&=+$,;?/"
_WANTS_QUOTES = re.compile(r"[\s\"<>,;\\]")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Quoted strings with their escapes, and what stands in angle brackets (RFC 3261, section 25.1); possessive, so that nothing backtracks.
_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_ANGLED = rf'<(?:[^">]++|{_QUOTED})*+>'
_PART = {separator: re.compile(rf'(?:[^"<{separator}]++|{_QUOTED}|{_ANGLED})*+', re.DOTALL) for separator in ",;"}
_BEFORE_BRACKET = re.compile(rf'(?:[^"<]++|{_QUOTED})*+', re.DOTALL)


class BadValue(ValueError):
    """A header value that cannot be read, or a text that may not be written into one."""


def refuse_controls(text: str) -> str:
    """The text itself. Raises ``BadValue`` where it has a control character: that is header injection (CR, LF) or damage."""
    if any((ord(character) < 32 and character != "\t") or ord(character) == 127 for character in text):
        raise BadValue("control character in a header value")
    return text


def refuse_line_breaks(text: str) -> str:
    """The text itself. Raises ``BadValue`` for CR or LF. Other controls may come quoted from a peer and are given back so."""
    if "\r" in text or "\n" in text:
        raise BadValue("a line break in a header value")
    return text


@_remembered
def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def split_outside(text: str, separator: str) -> list[str]:
    """Split at ``,`` or ``;`` where it stands outside quotes and angle brackets. Raises ``BadValue`` where those never close."""
    if '"' not in text and "<" not in text:
        return [part.strip() for part in text.split(separator)] if separator in text else [text.strip()]
    parts: list[str] = []
    start = 0
    while True:
        end = _end_of(_PART[separator], text, start)
        parts.append(text[start:end].strip())
        if end == len(text):
            return parts
        if text[end] != separator:
            raise BadValue("a quote or angle bracket never closes")
        start = end + 1


def _end_of(pattern: re.Pattern[str], text: str, start: int = 0) -> int:
    matched = pattern.match(text, start)
    assert matched is not None  # every one of these patterns matches nothing as well
    return matched.end()


def parse_params(parts: Iterable[str]) -> Params:
    """``name=value`` parts as a dictionary with lower-case names; quotes are taken off the values."""
    params: dict[str, str | None] = {}
    for part in parts:
        if not part:
            continue
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if not is_token(name):
            raise BadValue("a parameter without a proper name")
        params[name] = unquote_text(value.strip()) if equals else None
    return params


def unquote_text(text: str) -> str:
    """Without quotes and escapes, and without control characters: a peer may quote them, and we write none (RFC 4475, section 3.1.1.2)."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _CONTROLS.sub("", re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL))
    return text


def quote_text(text: str) -> str:
    escaped = refuse_controls(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def write_params(params: Params) -> str:
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params.items())


def _write_header_params(params: Params) -> str:
    """Parameters of a header, which may need quotes; those of a URI never have any."""
    return write_params({name: quote_text(value) if value and _WANTS_QUOTES.search(value) else value for name, value in params.items()})


def split_host(text: str) -> tuple[str, int | None]:
    """``host``, ``host:port`` or ``[v6]:port``; the host without brackets."""
    matched = _HOST.match(text)
    if matched is None:
        raise BadValue("no proper host")
    rest = text[matched.end() :].strip()
    if not rest:
        return matched.group().strip("[]"), None
    digits = rest[1:].strip()
    if rest[0] != ":" or not digits.isascii() or not digits.isdigit() or len(digits) > 5 or not 0 < int(digits) < 65536:
        raise BadValue("no proper port")
    return matched.group().strip("[]"), int(digits)


def join_host(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def is_same_host(one: str, other: str) -> bool:
    """Names without case, addresses by value: IPv6 is written in many ways (RFC 5118, section 4)."""
    if one == other:
        return True
    try:
        return ipaddress.ip_address(one.strip("[]")) == ipaddress.ip_address(other.strip("[]"))
    except ValueError:
        return one.lower() == other.lower()


def default_port(transport: str) -> int:
    """The port where none is written (RFC 3261, section 19.1.2)."""
    return 5061 if transport.lower() == "tls" else 5060


@dataclass(frozen=True, slots=True)
class SipUri:
    """``sip:user@host:port;params?headers``. ``user`` is unescaped; ``host`` has no brackets."""

    host: str
    user: str = ""
    port: int | None = None
    params: Params = field(default_factory=dict, hash=False)
    scheme: str = "sip"
    headers: str = ""

    def __str__(self) -> str:
        user = quote(refuse_controls(self.user), safe=_USER_SAFE) + "@" if self.user else ""
        headers = f"?{self.headers}" if self.headers else ""
        return refuse_line_breaks(f"{self.scheme}:{user}{join_host(self.host, self.port)}{write_params(self.params)}{headers}")


@_remembered
def parse_uri(text: str) -> SipUri:
    """Read a SIP or SIPS URI. Raises ``BadValue``."""
    if any(character in text for character in ' \t\r\n<>"'):
        raise BadValue("a URI with blanks, quotes or angle brackets")
    matched = _URI.fullmatch(text)
    if matched is None:
        raise BadValue("no SIP URI")
    scheme, user, hostport, params, headers = matched.groups()
    host, port = split_host(hostport)
    name = (user or "").split(":")[0]
    return SipUri(host, unquote(name, errors="replace"), port, parse_params((params or "").split(";")), scheme.lower(), headers or "")


@dataclass(frozen=True, slots=True)
class NameAddress:
    """``"Display" <uri>;params`` of From, To, Contact, Route. ``uri`` stays text: it may be of a scheme that we do not know."""

    uri: str
    display: str = ""
    params: Params = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        display = quote_text(self.display) + " " if self.display else ""
        return refuse_line_breaks(f"{display}<{self.uri}>{_write_header_params(self.params)}")

    @property
    def tag(self) -> str | None:
        return self.params.get("tag")


@_remembered
def parse_address(text: str) -> NameAddress:
    """Read one name-addr or addr-spec with its parameters. Raises ``BadValue``."""
    parts = split_outside(refuse_line_breaks(text).strip(), ";")
    head = parts[0]
    opening = _end_of(_BEFORE_BRACKET, head)
    if opening == len(head):
        if not head or any(character in head for character in '" \t,?'):
            raise BadValue("no proper address")
        _check_scheme(head)
        return NameAddress(head, "", parse_params(parts[1:]))
    closing = head.find(">", opening)
    if closing < 0 or head[closing + 1 :].strip():
        raise BadValue("text after the address")
    display = head[:opening].strip()
    if display and not display.startswith('"') and not re.fullmatch(r"[^\"<>,;:@\\]*", display):
        raise BadValue("a display name that needs quotes")
    uri = head[opening + 1 : closing]
    if not uri or uri != uri.strip() or " " in uri:
        raise BadValue("an address without a proper URI")
    _check_scheme(uri)
    return NameAddress(uri, unquote_text(display), parse_params(parts[1:]))


def _check_scheme(uri: str) -> None:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:.", uri) is None:
        raise BadValue("an address without a scheme")


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of the way back. ``transport`` in capitals, as on the wire."""

    transport: str
    host: str
    port: int | None
    params: Params = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return refuse_line_breaks(f"SIP/2.0/{self.transport} {join_host(self.host, self.port)}{_write_header_params(self.params)}")

    @property
    def branch(self) -> str:
        return self.params.get("branch") or ""

    @property
    def sent_by(self) -> str:
        return join_host(self.host.lower(), self.port or default_port(self.transport))


@_remembered
def parse_via(text: str) -> Via:
    """Read one Via value. Raises ``BadValue``."""
    parts = split_outside(refuse_line_breaks(text), ";")
    matched = re.fullmatch(r"SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9.!%*_+`'~-]+)\s+(\S.*)", parts[0], re.IGNORECASE)
    if matched is None:
        raise BadValue("no proper Via")
    host, port = split_host(matched.group(2).strip())
    return Via(matched.group(1).upper(), host, port, parse_params(parts[1:]))
