"""Session tokens: short-lived JWTs (RFC 7519) with the claims LiveKit's grants have where ours mean the same: ``sub``, ``name``, ``role``,
and for guests ``video`` and ``sip``, which narrow what their role gives.

One algorithm (HS256) is accepted whatever a token's header says (RFC 8725, section 3.1). ``kid`` names the secret, so that a secret can
be changed while tokens of the previous one still live.
"""

import base64
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from uuid import uuid4

import jwt
import msgspec

from signaling.grants import Grant, SipGrant, VideoGrant, VisitGrant
from signaling.messages import Session
from signaling.refusal import Refusal

ALGORITHM = "HS256"
ISSUER = "centralita"
AUDIENCE = "centralita.signaling"
LONGEST_LIFE_S = 600.0
SHORTEST_SECRET_BYTES = 32
_CLOCK_SKEW_S = 5.0
_MOST_KNOWN = 16_384
_MOST_REVOKED = 10_000


class TokenIssuer:
    """Makes and checks tokens. ``secret`` has at least 32 bytes of randomness; ``previous`` secrets are still believed, never used.

    A renewed token is refused once ``session_s`` have passed since the password was given.
    """

    def __init__(
        self,
        secret: str,
        *,
        previous: Sequence[str] = (),
        lifetime_s: float = LONGEST_LIFE_S,
        session_s: float = 12 * 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 < lifetime_s <= LONGEST_LIFE_S:
            raise ValueError(
                f"a token lives at most {LONGEST_LIFE_S:.0f} s, not {lifetime_s:g}: it cannot be taken back where it is not checked"
            )
        for candidate in (secret, *previous):
            if len(candidate.encode()) < SHORTEST_SECRET_BYTES:
                raise ValueError(f"a token secret needs at least {SHORTEST_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
        self._kid = key_id(secret)
        self._keys = {key_id(candidate): candidate for candidate in (*previous, secret)}
        self._lifetime_s = lifetime_s
        self._session_s = session_s
        self._clock = clock
        self._revoked: dict[str, float] = {}
        # A signature that held holds for ever, and open connections ask again and again: only the rest is checked each time.
        self._known = lru_cache(_MOST_KNOWN)(self._read)

    def issue(
        self,
        identity: str,
        name: str,
        role: str,
        *,
        signed_in_at: float | None = None,
        session_id: str = "",
        teams: Iterable[str] = (),
        video: VideoGrant | None = None,
        sip: SipGrant | None = None,
        visit: VisitGrant | None = None,
    ) -> Session:
        """A new token. ``signed_in_at`` is given when a session is renewed; raises ``Refusal`` when that is too long ago.

        With ``video``, ``sip`` or ``visit`` the token grants no more of its role than these say.
        """
        now = self._clock()
        since = now if signed_in_at is None else signed_in_at
        expires_at = min(now + self._lifetime_s, since + self._session_s)
        if expires_at <= now:
            raise Refusal("token_expired", "You have been signed in for long: please give your password again.")
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": identity,
            "name": name,
            "role": role,
            "jti": uuid4().hex,
            "iat": now,
            "nbf": math.floor(now),
            "exp": expires_at,
            "auth_time": since,
            "sid": session_id,
            "teams": sorted(teams),
        }
        narrow = (("video", video), ("sip", sip), ("visit", visit))
        claims |= {name: msgspec.to_builtins(claim) for name, claim in narrow if claim is not None}
        token = jwt.encode(claims, self._keys[self._kid], ALGORITHM, headers={"kid": self._kid})
        return Session(token=token, identity=identity, name=name, role=role, expires_at=expires_at, expires_in=expires_at - now)

    def verify(self, token: str) -> Grant:
        """What the token grants. Raises ``Refusal``: ``token_expired`` or ``token_revoked`` for one of ours, else ``token_invalid``.

        Nothing is said about a token before its signature holds, so the answers tell a forger nothing.
        """
        grant = self._known(token)
        now = self._clock()
        if grant.expires_at <= now:
            raise Refusal("token_expired", "Your session is over: please sign in again.")
        if self._revoked.get(grant.identity, -math.inf) >= grant.issued_at:
            raise Refusal("token_revoked", "Your session was ended by the server's administrator: please sign in again.")
        if grant.issued_at > now + _CLOCK_SKEW_S:
            raise _forged()
        return grant

    def revoke(self, identity: str, at: float | None = None) -> None:
        """No token issued to this person until ``at`` (by default now) is believed any more. Raises ``Refusal`` where too many are so."""
        now = self._clock()
        self._revoked = {who: since for who, since in self._revoked.items() if since > now - self._lifetime_s}
        if len(self._revoked) >= _MOST_REVOKED:
            raise Refusal("busy", "Too many sessions were ended within ten minutes: change the token secret to end them all.")
        self._revoked[identity] = now if at is None else at

    def _read(self, token: str) -> Grant:
        try:
            key = self._keys[jwt.get_unverified_header(token).get("kid", "")]
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                # Times are compared above, on our own clock and after everything else.
                options={
                    "require": ["exp", "iat", "nbf", "sub", "jti", "aud", "iss"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            video = msgspec.convert(claims["video"], VideoGrant) if "video" in claims else None
            sip = msgspec.convert(claims["sip"], SipGrant) if "sip" in claims else None
            visit = msgspec.convert(claims["visit"], VisitGrant) if "visit" in claims else None
            claimed = [claim.permissions() for claim in (video, sip, visit) if claim is not None]
            return Grant(
                identity=str(claims["sub"]),
                name=str(claims["name"]),
                role=str(claims["role"]),
                token_id=str(claims["jti"]),
                issued_at=float(claims["iat"]),
                expires_at=float(claims["exp"]),
                signed_in_at=float(claims["auth_time"]),
                session_id=str(claims["sid"]),
                teams=frozenset(msgspec.convert(claims["teams"], list[str])),
                narrowed_to=frozenset().union(*claimed) if claimed else None,
                room=video.room if video is not None else "",
                visit=visit,
            )
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise _forged() from None


def _forged() -> Refusal:
    return Refusal("token_invalid", "This session is not one of this server's: please sign in again.")


def key_id(secret: str) -> str:
    """A name for a secret that tells nothing about it."""
    return hashlib.sha256(b"centralita kid:" + secret.encode()).hexdigest()[:12]


def body_token(key: str, secret: str, body: bytes, now: float, *, lifetime_s: float = 300.0) -> str:
    """A JWT that says who sends a body and what its SHA-256 is (``sha256``, base64), as LiveKit signs webhooks (auth/verifier.go)."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    claims = {"iss": key, "nbf": math.floor(now) - math.ceil(_CLOCK_SKEW_S), "exp": math.floor(now + lifetime_s), "sha256": digest}
    return jwt.encode(claims, secret, ALGORITHM)
