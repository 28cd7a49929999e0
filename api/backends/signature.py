"""How two programs that share a secret sign what they send: requests of adapters, and events that backends post to us. Pure.

``X-Centralita-Timestamp``: seconds since the epoch. ``X-Centralita-Signature``: ``v1=`` and in hex the HMAC-SHA256, under the secret, of
these lines joined by a line feed: ``v1``, the timestamp, the method, path and query as they are sent, the SHA-256 of the body in hex.
``X-Centralita-Key`` names the secret where somebody has several.

What was signed long ago, or comes a second time, is refused (``ReplayWindow``): who overhears one cannot use it.
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence

TIMESTAMP, SIGNATURE, KEY = "X-Centralita-Timestamp", "X-Centralita-Signature", "X-Centralita-Key"
WINDOW_S = 300.0
MOST_REMEMBERED = 20_000
_VERSION = "v1"
_SECONDS = re.compile(r"[0-9]{1,12}")


class BadSignature(Exception):
    """``reason``: ``unsigned``, ``forged``, ``stale`` (signed too long ago, or by a clock that is wrong), ``replayed`` (it came before),
    ``busy`` (too many came within the window to tell whether this one did). The message says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def signed(secret: bytes, method: str, target: str, body: bytes, now: float, key: str = "") -> dict[str, str]:
    """The headers that go with it. ``target``: path and query, as they are sent."""
    at = str(int(now))
    headers = {TIMESTAMP: at, SIGNATURE: f"{_VERSION}={_mac(secret, at, method, target, body)}"}
    return headers | ({KEY: key} if key else {})


def _mac(secret: bytes, at: str, method: str, target: str, body: bytes) -> str:
    text = "\n".join((_VERSION, at, method.upper(), target, hashlib.sha256(body).hexdigest()))
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


class ReplayWindow:
    """Which signatures came within the window. ``check`` remembers those that are good."""

    def __init__(self, *, window_s: float = WINDOW_S, most: int = MOST_REMEMBERED) -> None:
        self._window_s = window_s
        self._most = most
        self._seen: OrderedDict[str, float] = OrderedDict()

    def check(self, headers: Mapping[str, str], method: str, target: str, body: bytes, secrets: Sequence[bytes], now: float) -> None:
        """``secrets``: any of these may have signed it, so that one can be changed for another. Raises ``BadSignature``."""
        at, given = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
        if not _SECONDS.fullmatch(at) or not given.startswith(f"{_VERSION}="):
            raise BadSignature("unsigned", f"It needs the headers {TIMESTAMP} and {SIGNATURE} ({_VERSION}=...).")
        mac = given.removeprefix(f"{_VERSION}=").lower()
        if not any(hmac.compare_digest(_mac(secret, at, method, target, body).encode(), mac.encode()) for secret in secrets):
            raise BadSignature("forged", "Its signature is not that of this secret, path and body.")
        if abs(now - int(at)) > self._window_s:
            raise BadSignature("stale", f"It was signed more than {self._window_s:g} s from now: sign it anew, and set the clock.")
        self._forget(now)
        if mac in self._seen:
            raise BadSignature("replayed", "It came before.")
        if len(self._seen) >= self._most:
            raise BadSignature("busy", "Too many came within a few minutes: send it later.")
        self._seen[mac] = now

    def _forget(self, now: float) -> None:
        """A signature of the future is good until its own time has passed, so that each is kept for two windows."""
        while self._seen and next(iter(self._seen.values())) < now - 2 * self._window_s:
            self._seen.popitem(last=False)
