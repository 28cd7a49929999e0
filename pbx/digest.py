"""Digest authentication of a client (RFC 3261 section 22, RFC 7616, RFC 8760): MD5 and SHA-256, with and without qop.

A challenge is answered once. A second one is answered only where it says ``stale=true`` with a new nonce; anything else means that the PBX
refuses the password, and asking again would get us blacklisted. Challenges of a realm that is not the PBX's are never answered: a
callee behind the PBX could otherwise collect digests. Which realm is the PBX's is learnt from requests that open something, never inside
a call, where the other end of the call may be the one who asks.
"""

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise

from pbx.address import BadValue, parse_params, quote_text, split_outside, unquote_text

MAX_STALE = 2
HASHES = {"MD5": hashlib.md5, "MD5-SESS": hashlib.md5, "SHA-256": hashlib.sha256, "SHA-256-SESS": hashlib.sha256}
_PREFERENCE = ("SHA-256", "SHA-256-SESS", "MD5", "MD5-SESS")
_ANSWER_HEADER = {"WWW-Authenticate": "Authorization", "Proxy-Authenticate": "Proxy-Authorization"}


@dataclass(frozen=True, slots=True)
class Challenge:
    realm: str
    nonce: str
    algorithm: str
    qop: str
    opaque: str | None
    stale: bool


def parse_challenge(text: str) -> Challenge | None:
    """Read one challenge; None for another scheme or an algorithm or qop that we do not speak. Raises ``BadValue``."""
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    params = parse_params(split_outside(rest, ","))
    realm, nonce = params.get("realm"), params.get("nonce")
    if realm is None or not nonce:
        raise BadValue("a challenge without realm or nonce")
    algorithm = (params.get("algorithm") or "MD5").upper()
    offered = re.split(r"[,\s]+", unquote_text(params.get("qop") or "").lower())
    qop = "auth" if "auth" in offered else ""
    if algorithm not in HASHES or (not qop and offered != [""]):
        return None
    return Challenge(realm, nonce, algorithm, qop, params.get("opaque"), (params.get("stale") or "").lower() == "true")


@dataclass(frozen=True, slots=True)
class Credentials:
    """``name``: the Auth ID, which is not always the extension."""

    name: str
    password: str


def response_of(challenge: Challenge, credentials: Credentials, *, method: str, uri: str, cnonce: str, count: str) -> str:
    """The digest itself (RFC 7616, section 3.4.1). ``count``: the nonce count as on the wire; not used without qop."""

    def digest(*parts: str) -> str:
        return HASHES[challenge.algorithm](":".join(parts).encode()).hexdigest()

    ha1 = digest(credentials.name, challenge.realm, credentials.password)
    if challenge.algorithm.endswith("-SESS"):
        ha1 = digest(ha1, challenge.nonce, cnonce)
    ha2 = digest(method, uri)
    middle = (count, cnonce, challenge.qop) if challenge.qop else ()
    return digest(ha1, challenge.nonce, *middle, ha2)


def answer_challenge(
    challenge: Challenge, credentials: Credentials, *, method: str, uri: str, cnonce: str, nonce_count: int = 1, body: bytes = b""
) -> str:
    """The value of an Authorization or Proxy-Authorization header (RFC 7616, section 3.4)."""
    count = f"{nonce_count:08x}"
    response = response_of(challenge, credentials, method=method, uri=uri, cnonce=cnonce, count=count)
    fields = [
        f"username={quote_text(credentials.name)}",
        f"realm={quote_text(challenge.realm)}",
        f"nonce={quote_text(challenge.nonce)}",
        f"uri={quote_text(uri)}",
        f'response="{response}"',
        f"algorithm={_spelled(challenge.algorithm)}",
    ]
    if challenge.qop or challenge.algorithm.endswith("-SESS"):
        fields.append(f'cnonce="{cnonce}"')
    if challenge.qop:
        fields.extend((f"qop={challenge.qop}", f"nc={count}"))
    if challenge.opaque is not None:
        fields.append(f"opaque={quote_text(challenge.opaque)}")
    return "Digest " + ", ".join(fields)


def _spelled(algorithm: str) -> str:
    return algorithm.replace("-SESS", "-sess")


class Refused(Exception):
    """The challenge may not, or cannot, be answered. The message says why."""


class PasswordRefused(Refused):
    """Our answer to a challenge was refused: name or password are wrong."""


class Authentication:
    """The challenges of one request and its repetitions. ``learns``: may the first realm that asks be taken for the PBX's?"""

    def __init__(self, credentials: Credentials, realms: set[str], *, learns: bool = True) -> None:
        self._credentials = credentials
        self._realms = realms
        self._learns = learns
        self._answered: set[str] = set()
        self._nonces: set[str] = set()
        self._stale = 0

    @property
    def answered(self) -> bool:
        """Was any challenge answered?"""
        return bool(self._answered)

    def answers(self, challenges: list[tuple[str, str]], *, method: str, uri: str, cnonce: str) -> list[tuple[str, str]]:
        """Headers that answer the (header name, value) pairs of a 401 or 407. Raises ``Refused``.

        The shared set of realms learns the first realm that asks: from then on it alone is answered.
        """
        if not self._credentials.password:
            raise Refused("the PBX asks for a password, and none is configured")
        best: dict[tuple[str, str], Challenge] = {}
        for header, text in challenges:
            try:
                challenge = parse_challenge(text)
            except BadValue:
                continue
            if challenge is None:
                continue
            key = header, challenge.realm
            if key not in best or _PREFERENCE.index(challenge.algorithm) < _PREFERENCE.index(best[key].algorithm):
                best[key] = challenge
        if not best:
            raise Refused("the PBX asks in a way that we do not speak (Digest with MD5 or SHA-256 and qop auth is)")
        return [self._answer(header, challenge, method, uri, cnonce) for (header, _), challenge in best.items()]

    def _answer(self, header: str, challenge: Challenge, method: str, uri: str, cnonce: str) -> tuple[str, str]:
        if challenge.realm not in self._realms and (self._realms or not self._learns):
            raise Refused("somebody behind the PBX asks for our password under another realm; it was not given")
        if challenge.realm in self._answered:
            self._stale += 1
            if not challenge.stale or challenge.nonce in self._nonces or self._stale > MAX_STALE:
                raise PasswordRefused("the PBX refuses the user name or the password")
        self._realms.add(challenge.realm)
        self._answered.add(challenge.realm)
        self._nonces.add(challenge.nonce)
        return _ANSWER_HEADER[header], answer_challenge(challenge, self._credentials, method=method, uri=uri, cnonce=cnonce)


def split_challenges(header: str, lines: list[str]) -> list[tuple[str, str]]:
    """(header, challenge) pairs. Lists of challenges on one line are split where a new scheme begins."""
    pairs = []
    for line in lines:
        starts = [found.start() for found in re.finditer(r"(?:^|(?<=,))\s*(?:Digest|Basic|Bearer)\s", line, re.IGNORECASE)]
        for begin, end in pairwise([*starts, len(line)]):
            pairs.append((header, line[begin:end].strip().rstrip(",")))
    return pairs
