"""Keys of SRTP in session descriptions: ``a=crypto`` lines (SDES, RFC 4568; suites of RFC 6188 and RFC 7714).

Each side names the key of what it sends; the one who answers takes the first line of the offer that it can do, and repeats its tag. A key
with a master key identifier, or with a session parameter that would weaken it or that we cannot obey, is as good as none: another line is
taken (section 5.1.2).
"""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rooms.audio import REPLAY_WINDOW_PACKETS, SrtpKey, SrtpSuite

OFFERED = (
    SrtpSuite.AEAD_AES_256_GCM,
    SrtpSuite.AEAD_AES_128_GCM,
    SrtpSuite.AES_256_CM_HMAC_SHA1_80,
    SrtpSuite.AES_CM_128_HMAC_SHA1_80,
)
"""What we offer. A tag of 32 bits is taken where it is asked for, and never asked for."""

MAX_LINES = 32
_LONGEST_LIFETIME = 2**48  # packets of SRTP under one master key (RFC 3711, section 9.2)
_WIDEST_WINDOW_PACKETS = 32_767  # libsrtp's
_TAG = re.compile(r"[0-9]{1,9}")
_LIFETIME = re.compile(r"(2\^)?([0-9]{1,15})")
_WINDOW = re.compile(r"WSH=([0-9]{2,5})")


class SrtpMode(StrEnum):
    """``offered``: encrypted where the other side can, else in clear. ``required``: encrypted or not at all."""

    OFF = "off"
    OFFERED = "offered"
    REQUIRED = "required"


class Unusable(Exception):
    """A ``crypto`` line that we cannot take; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Crypto:
    """One ``a=crypto`` line: its tag, by which an answer names it, and the key of whoever wrote it."""

    tag: int
    key: SrtpKey


def parse_crypto(text: str) -> Crypto:
    """What stands behind ``a=crypto:``. Raises ``Unusable``, never with the key in its words."""
    fields = text.split()
    if len(fields) < 3 or not _TAG.fullmatch(fields[0]):
        raise Unusable("a line that is not written as RFC 4568 has it")
    try:
        suite = SrtpSuite(fields[1].upper())
    except ValueError:
        raise Unusable("none of our cipher suites") from None
    return Crypto(int(fields[0]), SrtpKey(suite, _key(fields[2], suite), _window(fields[3:])))


def _key(text: str, suite: SrtpSuite) -> bytes:
    """``inline:KEY|lifetime|MKI:length``; the key alone is base64, with or without its padding."""
    method, _, inline = text.partition(":")
    if method.lower() != "inline" or ";" in inline:
        raise Unusable("several keys, or one that is not given inline")
    encoded, *rest = inline.split("|")
    if any(":" in part for part in rest):
        raise Unusable("a master key identifier (MKI)")
    if len(rest) > 1 or (rest and not _lifetime(rest[0])):
        raise Unusable("an impossible lifetime")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise Unusable("a key that is not base64") from None
    if len(key) != suite.key_bytes:
        raise Unusable("a key of another length than its suite's")
    return key


def _lifetime(text: str) -> bool:
    """Packets after which whoever sends under this key gives another one; more than a key is ever good for is impossible."""
    matched = _LIFETIME.fullmatch(text)
    if matched is None or (matched.group(1) and int(matched.group(2)) > 48):
        return False
    packets = 2 ** int(matched.group(2)) if matched.group(1) else int(matched.group(2))
    return 0 < packets <= _LONGEST_LIFETIME


def _window(parameters: Iterable[str]) -> int:
    """The session parameters (section 6.3): the replay window is obeyed, those that may be ignored are, any other is refused."""
    window = REPLAY_WINDOW_PACKETS
    for parameter in parameters:
        if parameter.startswith("-"):
            continue
        matched = _WINDOW.fullmatch(parameter)
        if matched is None or int(matched.group(1)) < 64:
            raise Unusable(f"the session parameter {parameter.partition('=')[0][:24]}")
        window = max(window, min(int(matched.group(1)), _WIDEST_WINDOW_PACKETS))
    return window


def first_usable(lines: Sequence[str]) -> Crypto:
    """The first line of an offer that we can take, for they stand in the order of preference. Raises ``Unusable``."""
    why = Unusable("none is there")
    for text in lines[:MAX_LINES]:
        try:
            return parse_crypto(text)
        except Unusable as unusable:
            why = unusable
    raise why


def write_crypto(crypto: Crypto) -> str:
    """The line as it stands in a session description."""
    return f"a=crypto:{crypto.tag} {crypto.key.suite} inline:{base64.b64encode(crypto.key.key).decode()}"


class OwnKeys:
    """The keys that we send under in one session, one for each suite, drawn when first needed.

    One stays as long as the far end stays at its address. A far end at another one begins to count packets anew, and the same key with
    the same count would give away what both carried: then ``renewed`` ones are needed (RFC 4568, section 7.1.4; RFC 3711, section 9.1).
    """

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self._draw = draw
        self._keys: dict[SrtpSuite, SrtpKey] = {}

    def of(self, suite: SrtpSuite) -> SrtpKey:
        if suite not in self._keys:
            self._keys[suite] = SrtpKey(suite, self._draw(suite.key_bytes))
        return self._keys[suite]

    def renewed(self) -> "OwnKeys":
        return OwnKeys(self._draw)

    def offer(self) -> tuple[Crypto, ...]:
        """A line for each suite that we offer."""
        return tuple(Crypto(tag, self.of(suite)) for tag, suite in enumerate(OFFERED, start=1))
