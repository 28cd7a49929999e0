"""Access to a TURN server for who is signed in: credentials that expire by themselves, by coturn's ``use-auth-secret``.

The user name is the time of expiry and who it was made for, the password its HMAC under the secret that only we and the TURN server know
(draft-uberti-behave-turn-rest-00). Nothing is stored anywhere, and what a page has is worth nothing after ``ttl_s``.
"""

import base64
import hmac
import time
from collections.abc import Callable

from signaling.messages import IceServer


class TurnAccess:
    """``urls`` as in RFC 7065: ``turn:turn.example:3478?transport=udp``; none: there is no TURN server."""

    def __init__(self, urls: tuple[str, ...], secret: str, ttl_s: float, clock: Callable[[], float] = time.time) -> None:
        self._urls = urls
        self._secret = secret.encode()
        self._ttl_s = ttl_s
        self._clock = clock

    def of(self, identity: str) -> list[IceServer]:
        """For ``RTCConfiguration.iceServers`` of this person's pages."""
        if not self._urls:
            return []
        username = f"{int(self._clock() + self._ttl_s)}:{identity}"
        digest = hmac.digest(self._secret, username.encode(), "sha1")
        return [IceServer(urls=list(self._urls), username=username, credential=base64.b64encode(digest).decode())]
