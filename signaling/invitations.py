"""Links that let guests into a room.

A link carries a signed invitation (JWT, as ``signaling/tokens.py``) in its fragment, which browsers send to nobody. It opens one room and
nothing else: its audience is another than that of sessions. It names nobody; of an appointment it says when that is (``starts``, ``ends``),
so that its page can tell also who comes when the room is no more. Whether it still holds is for the room to say (``rooms/house.py``).
"""

import math
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

import jwt
from msgspec import Struct

from signaling.refusal import Refusal
from signaling.tokens import ALGORITHM, ISSUER, key_id

AUDIENCE = "centralita.room"


class Invitation(Struct, frozen=True):
    """What a link grants: to be in this room. ``expires_at``: seconds since the epoch; who is in by then may stay."""

    room: str
    expires_at: float
    link_id: str


class Link(Struct, frozen=True):
    """The fragment of a link to a room. ``expires_at``: seconds since the epoch."""

    token: str
    room: str
    link_id: str
    expires_at: float


class Invitations:
    """Makes and reads invitations. ``secret`` and ``previous`` are those of ``TokenIssuer``."""

    def __init__(self, secret: str, *, previous: Sequence[str] = (), clock: Callable[[], float] = time.time) -> None:
        self._kid = key_id(secret)
        self._keys = {key_id(candidate): candidate for candidate in (*previous, secret)}
        self._clock = clock

    def issue(self, room: str, expires_at: float, *, starts_at: float | None = None, ends_at: float | None = None) -> Link:
        """A link to this room."""
        now, link_id = self._clock(), uuid4().hex
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "room": room,
            "jti": link_id,
            "iat": now,
            "nbf": math.floor(now),
            "exp": expires_at,
        }
        claims |= {name: at for name, at in (("starts", starts_at), ("ends", ends_at)) if at is not None}
        token = jwt.encode(claims, self._keys[self._kid], ALGORITHM, headers={"kid": self._kid})
        return Link(token=token, room=room, link_id=link_id, expires_at=expires_at)

    def read(self, token: str) -> Invitation:
        """What the token grants, if it has not expired: that is for the room to judge. Raises ``Refusal`` (``link_invalid``)."""
        try:
            claims = jwt.decode(
                token,
                self._keys[jwt.get_unverified_header(token).get("kid", "")],
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                # Times are compared by the room, after everything else.
                options={
                    "require": ["exp", "iat", "nbf", "jti", "aud", "iss"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            return Invitation(room=str(claims["room"]), expires_at=float(claims["exp"]), link_id=str(claims["jti"]))
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise Refusal("link_invalid", "This link is not one of this server's: ask for it again, and open it whole.") from None
