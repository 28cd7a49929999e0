"""How the emulated PBX asks extensions for their password in SIP, and whom it no longer listens to (RFC 3261 section 22, RFC 7616)."""

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from random import Random

from pbx.address import BadValue, Params, parse_params, split_outside
from pbx.digest import Challenge, Credentials, response_of
from pbx.message import Request

REALM = "3CXPhoneSystem"
NONCE_S = 300.0
MAX_NONCES = 10_000
MAX_FAILURES = 3
BLOCKED_S = 1800.0
MAX_SOURCES = 10_000


class Verdict(Enum):
    PASSED = auto()
    ASK = auto()
    WRONG = auto()


class Refuse(Exception):
    """Leaves the handling of a request with its status."""

    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers


class Checkpoint:
    """``now``: monotonic seconds. Bounded: the oldest nonces and sources are forgotten first."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._nonces: OrderedDict[str, float] = OrderedDict()
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._blocked: OrderedDict[str, float] = OrderedDict()

    def challenge(self, now: float, *, stale: bool = False) -> str:
        """A Proxy-Authenticate value with a new nonce."""
        nonce = self._random.randbytes(16).hex()
        self._nonces[nonce] = now
        _bound(self._nonces, MAX_NONCES)
        return f'Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5' + (", stale=true" if stale else "")

    def verdict(self, request: Request, source: str, password_of: Callable[[str], str | None], now: float) -> Verdict:
        """Does the request carry credentials that hold? ``password_of(auth id)``: None where that Auth ID may not ask for this."""
        given = _credentials(request)
        if given is None or now - self._nonces.get(given.get("nonce") or "", -NONCE_S) >= NONCE_S:
            return Verdict.ASK
        password = password_of(given.get("username") or "")
        if password and _holds(given, request.method, password):
            self._failures.pop(source, None)
            return Verdict.PASSED
        self._failures[source] = self._failures.get(source, 0) + 1
        _bound(self._failures, MAX_SOURCES)
        if self._failures[source] >= MAX_FAILURES:
            self._blocked[source] = now + BLOCKED_S
            _bound(self._blocked, MAX_SOURCES)
            del self._failures[source]
        return Verdict.WRONG

    def blocks(self, source: str, now: float) -> bool:
        """Did somebody at this address guess too often?"""
        if self._blocked.get(source, 0.0) > now:
            return True
        self._blocked.pop(source, None)
        return False

    def blocked(self) -> list[str]:
        return list(self._blocked)


def _bound(kept: "OrderedDict[str, float] | OrderedDict[str, int]", most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def _credentials(request: Request) -> Params | None:
    text = request.get("Proxy-Authorization") or request.get("Authorization") or ""
    scheme, _, rest = text.partition(" ")
    try:
        return parse_params(split_outside(rest, ",")) if scheme.lower() == "digest" else None
    except BadValue:
        return None


def _holds(given: Params, method: str, password: str) -> bool:
    count = given.get("nc") or "1"
    if given.get("realm") != REALM or not all(character in "0123456789abcdefABCDEF" for character in count):
        return False
    challenge = Challenge(REALM, given.get("nonce") or "", "MD5", given.get("qop") or "", None, False)
    credentials = Credentials(given.get("username") or "", password)
    expected = response_of(
        challenge, credentials, method=method, uri=given.get("uri") or "", cnonce=given.get("cnonce") or "", count=f"{int(count, 16):08x}"
    )
    return expected == given.get("response")
