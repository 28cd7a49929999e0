"""Signed addresses at which one recording can be heard until they expire, by whoever has them: for tickets and other systems."""

import time
from collections.abc import Callable, Sequence

import jwt
from aiohttp import web

from api.audit.audit import Audit
from api.recording_routes import given
from api.recording_shelf import RecordingShelf
from signaling.refusal import Refusal
from signaling.tokens import ALGORITHM, ISSUER, key_id

AUDIENCE = "centralita.recording"
HEARD_BY = "link"
_PATH = "/api/v1/shared/recordings/"


class RecordingLinks:
    """``secret`` and ``previous`` are those of ``TokenIssuer``; ``public_url``: where this server is reached, empty: nowhere."""

    def __init__(self, secret: str, public_url: str, *, previous: Sequence[str] = (), clock: Callable[[], float] = time.time) -> None:
        self._kid = key_id(secret)
        self._keys = {key_id(candidate): candidate for candidate in (*previous, secret)}
        self._public_url = public_url.rstrip("/")
        self._clock = clock

    @property
    def usable(self) -> bool:
        return bool(self._public_url)

    def link(self, recording_id: str, expires_at: float) -> str:
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": recording_id, "exp": int(expires_at)}
        return f"{self._public_url}{_PATH}{jwt.encode(claims, self._keys[self._kid], ALGORITHM, headers={'kid': self._kid})}"

    def read(self, token: str) -> str:
        """Which recording it opens. Raises ``Refusal``."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                [ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": ["exp", "sub"], "verify_exp": False},
            )
        except (jwt.InvalidTokenError, KeyError):
            raise Refusal("unknown_recording", "This address opens no recording.") from None
        if claims["exp"] <= self._clock():
            raise Refusal("link_expired", "This address opened a recording until some time ago: look it up in Centralita.")
        return str(claims["sub"])


class SharedRecordingRoutes:
    """What the links open."""

    def __init__(self, links: RecordingLinks, shelf: RecordingShelf, audit: Audit) -> None:
        self._links, self._shelf, self._audit = links, shelf, audit

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/shared/recordings/{token}", self._listen, allow_head=False)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        recording_id = self._links.read(request.match_info["token"])
        heard = await self._shelf.listen(recording_id, "mix", HEARD_BY)
        self._audit.note("recording_heard", HEARD_BY, recording_id)
        return await given(request, heard)
