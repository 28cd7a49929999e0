"""Digest authentication of a server: challenges and what their answers are worth (RFC 3261 section 22, RFC 7616, RFC 8760).

A nonce carries its own time and a seal over it and the asker's address, so that nothing is kept for strangers; only nonces that a right
answer used are remembered, with the highest count that came with them. An answer to an old or foreign nonce is not looked at, one to a
spent nonce does not count: both are asked again with ``stale=true``, which a peer whose nonce ran out obeys without a word to anybody, and
which stops those who repeat what they overheard. So a wrong answer comes from where our challenge went, and nobody can have another's
address blamed. A wrong name and a wrong password take the same steps and get the same words.
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from pbx.address import BadValue, Params, parse_params, parse_uri, quote_text, split_outside
from pbx.digest import HASHES, Challenge, Credentials, response_of
from pbx.message import Request

MAX_NONCES = 1000
_SEAL_OCTETS = 16


class Verdict(Enum):
    """What the credentials of a request are worth. ``NONE``: it has none for us; ``STALE``: for a nonce that does not count."""

    NONE = auto()
    WRONG = auto()
    STALE = auto()
    RIGHT = auto()


@dataclass(frozen=True, slots=True)
class _Answer:
    """The parameters of an Authorization header."""

    params: Params

    def __getitem__(self, name: str) -> str:
        return self.params.get(name) or ""


class Challenger:
    """Asks for one name and password. ``token(octets)`` draws random octets in hexadecimal; ``algorithms``: the preferred one first."""

    def __init__(
        self, realm: str, credentials: Credentials, *, algorithms: Sequence[str], lifetime_s: float, token: Callable[[int], str]
    ) -> None:
        self._realm = realm
        self._credentials = credentials
        self._algorithms = tuple(algorithms)
        self._lifetime_s = lifetime_s
        self._token = token
        self._secret = token(32).encode()
        # Stands in where the name is wrong, so that this takes as long.
        self._no_password = token(16)
        self._spent: OrderedDict[str, int] = OrderedDict()

    def challenges(self, host: str, now: float, *, stale: bool = False) -> list[tuple[str, str]]:
        """The headers of a 401, one for each algorithm (RFC 8760, section 2.4)."""
        nonce = self._nonce(host, now)
        end = ", stale=true" if stale else ""
        return [
            ("WWW-Authenticate", f'Digest realm={quote_text(self._realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{end}')
            for algorithm in self._algorithms
        ]

    def verdict(self, request: Request, host: str, now: float) -> Verdict:
        """Raises ``BadValue`` where the credentials cannot be read."""
        answer = self._answer(request)
        if answer is None:
            return Verdict.NONE
        if not self._is_ours(answer["nonce"], host, now):
            return Verdict.STALE
        if not self._is_right(answer, request):
            return Verdict.WRONG
        return Verdict.RIGHT if self._spend(answer["nonce"], answer) else Verdict.STALE

    def _answer(self, request: Request) -> _Answer | None:
        for line in request.lines("Authorization"):
            scheme, _, rest = line.strip().partition(" ")
            if scheme.lower() == "digest":
                answer = _Answer(parse_params(split_outside(rest, ",")))
                if answer["realm"] == self._realm:
                    return answer
        return None

    def _is_right(self, answer: _Answer, request: Request) -> bool:
        algorithm = (answer["algorithm"] or "MD5").upper()
        qop = answer["qop"].lower()
        if algorithm not in self._algorithms or algorithm not in HASHES or qop not in ("", "auth"):
            return False
        if not _same_uri(answer["uri"], request.uri):
            return False
        named = hmac.compare_digest(answer["username"].encode(), self._credentials.name.encode())
        credentials = Credentials(answer["username"], self._credentials.password if named else self._no_password)
        challenge = Challenge(self._realm, answer["nonce"], algorithm, qop, None, False)
        expected = response_of(
            challenge, credentials, method=request.method, uri=answer["uri"], cnonce=answer["cnonce"], count=answer["nc"]
        )
        return hmac.compare_digest(answer["response"].lower().encode(), expected.encode()) and named

    # -- nonces --

    def _nonce(self, host: str, now: float) -> str:
        told = f"{int(now * 1000):012x}{self._token(8)}"
        return told + self._seal(told, host)

    def _seal(self, told: str, host: str) -> str:
        return hmac.new(self._secret, f"{told} {host}".encode(), hashlib.sha256).hexdigest()[: 2 * _SEAL_OCTETS]

    def _is_ours(self, nonce: str, host: str, now: float) -> bool:
        told, seal = nonce[: -2 * _SEAL_OCTETS], nonce[-2 * _SEAL_OCTETS :]
        if re.fullmatch(r"[0-9a-f]{28}", told) is None or not hmac.compare_digest(seal.encode(), self._seal(told, host).encode()):
            return False
        return now - int(told[:12], 16) / 1000 <= self._lifetime_s

    def _spend(self, nonce: str, answer: _Answer) -> bool:
        """Is this use of the nonce its first? With a count it has to grow, without one there is a single use."""
        count = int(answer["nc"], 16) if answer["qop"] and re.fullmatch(r"[0-9a-fA-F]{8}", answer["nc"]) else 1
        if count <= self._spent.get(nonce, 0):
            return False
        self._spent[nonce] = count if answer["qop"] else 0xFFFFFFFF
        self._spent.move_to_end(nonce)
        if len(self._spent) > MAX_NONCES:
            self._spent.popitem(last=False)
        return True


def _same_uri(one: str, other: str) -> bool:
    """Is the digest about this Request-URI? Proxies may have changed its parameters on the way."""
    if one == other:
        return True
    try:
        first, second = parse_uri(one), parse_uri(other)
    except BadValue:
        return False
    return (first.user, first.host.lower()) == (second.user, second.host.lower())
