"""Video consultations: the link that lets somebody in, and every message between its page and server.

A link carries a signed invitation (JWT, as ``signaling/tokens.py``) in its fragment, which browsers send to nobody. It opens one room and
nothing else: its audience is another than that of sessions. Messages are JSON over one WebSocket per participant; unknown fields and values
out of range are refused on the way in.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal
from uuid import uuid4

import jwt
import msgspec
from msgspec import Meta, Struct

from signaling.messages import IceServer, Id, Sdp
from signaling.refusal import Refusal
from signaling.tokens import ALGORITHM, ISSUER, key_id

AUDIENCE = "centralita.consultation"
ROOM_AUDIENCE = "centralita.room"
"""Of links to rooms of the hub."""

Mid = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$")]
Track = Literal["camera", "screen"]


class Invitation(Struct, frozen=True):
    """What a link grants: to be in this room. ``expires_at``: seconds since the epoch; who is in by then may stay."""

    room: str
    expires_at: float
    link_id: str


class Link(Struct, frozen=True):
    """The fragment of a link, and for how many seconds it lets people in."""

    token: str
    room: str
    link_id: str
    expires_in: float


class Invitations:
    """Makes and checks invitations. ``secret`` and ``previous`` are those of ``TokenIssuer``; a link of another ``audience`` is none."""

    def __init__(
        self,
        secret: str,
        *,
        previous: Sequence[str] = (),
        audience: str = AUDIENCE,
        lifetime_s: float = 7_200.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._audience = audience
        self._kid = key_id(secret)
        self._keys = {key_id(candidate): candidate for candidate in (*previous, secret)}
        self._lifetime_s, self._clock = lifetime_s, clock

    def issue(self, room: str = "", lifetime_s: float | None = None) -> Link:
        """A link to this room, or to a new one."""
        now, room, link_id = self._clock(), room or uuid4().hex, uuid4().hex
        lives_s = self._lifetime_s if lifetime_s is None else lifetime_s
        claims = {
            "iss": ISSUER,
            "aud": self._audience,
            "room": room,
            "jti": link_id,
            "iat": now,
            "nbf": math.floor(now),
            "exp": now + lives_s,
        }
        token = jwt.encode(claims, self._keys[self._kid], ALGORITHM, headers={"kid": self._kid})
        return Link(token=token, room=room, link_id=link_id, expires_in=lives_s)

    def verify(self, token: str) -> Invitation:
        """What the token grants. Raises ``Refusal``: ``link_expired`` for one of ours, else ``link_invalid``."""
        invitation = self.read(token)
        if invitation.expires_at <= self._clock():
            raise Refusal("link_expired", "This link has expired: ask who invited you for a new one.")
        return invitation

    def read(self, token: str) -> Invitation:
        """The same of one that may have expired."""
        try:
            claims = jwt.decode(
                token,
                self._keys[jwt.get_unverified_header(token).get("kid", "")],
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=ISSUER,
                # Times are compared below, on our own clock and after everything else.
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


# --- what a page says ----------------------------------------------------------------------------------------------------------------


class Said(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of what a page says."""


class Join(Said, frozen=True, tag="join"):
    """The first word."""

    token: Annotated[str, Meta(min_length=1, max_length=4_096)]
    name: Annotated[str, Meta(min_length=1, max_length=64)]


class Offer(Said, frozen=True, tag="offer"):
    """An SDP offer; answered by ``Answer`` or ``Refused``. ``tracks``: what each sending video line shows, by mid."""

    peer_id: Id
    sdp: Sdp
    tracks: Annotated[dict[Mid, Track], Meta(max_length=2)] = {}


class Tile(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture that the page shows, and how high it is there in device pixels; 0 where it cannot be seen now."""

    person: Id
    track: Track
    height: Annotated[int, Meta(ge=0, le=8_192)]


class Watch(Said, frozen=True, tag="watch"):
    """All the pictures that the page shows from now on, the most important first."""

    tiles: Annotated[tuple[Tile, ...], Meta(max_length=16)]


class Microphone(Said, frozen=True, tag="microphone"):
    """Is mine on? The others see it."""

    on: bool


class Leave(Said, frozen=True, tag="leave"):
    pass


AnySaid = Join | Offer | Watch | Microphone | Leave
read_said = msgspec.json.Decoder(AnySaid).decode

# --- what a page is told -------------------------------------------------------------------------------------------------------------


class Told(Struct, frozen=True, tag_field="type"):
    """Base of what a page is told."""


class Person(Struct, frozen=True):
    """``tracks``: the pictures that this participant sends."""

    id: str
    name: str
    microphone: bool
    tracks: list[str]


class Welcome(Told, frozen=True, tag="welcome"):
    """You are in, as ``person``. ``ice_servers``: relays for pages whose network lets no UDP through."""

    person: str
    ice_servers: list[IceServer] = []


class People(Told, frozen=True, tag="people"):
    """Everybody in the room, complete each time, who came first first."""

    people: list[Person]


class Answer(Told, frozen=True, tag="answer"):
    peer_id: str
    sdp: str


class Refused(Told, frozen=True, tag="refused"):
    """The last word was refused: ``code`` for the program, ``message`` (whose fault, what to do) for the person."""

    code: str
    message: str


class Place(Struct, frozen=True):
    mid: str
    person: str
    track: str


class Shown(Told, frozen=True, tag="shown"):
    """Which pictures the receiving lines show, complete each time."""

    places: list[Place]


class OfferWanted(Told, frozen=True, tag="offer_wanted"):
    """Please offer again, with ``lines`` receiving video lines; 0: as many as now, by a new connection."""

    lines: int


class Watched(Told, frozen=True, tag="watched"):
    """How high this picture of yours is shown where it is largest: layers beyond that need not be sent. 0: nobody looks at it."""

    track: str
    height: int


class Speaker(Told, frozen=True, tag="speaker"):
    """Who speaks now; "" while nobody does."""

    person: str


class Closing(Told, frozen=True, tag="closing"):
    """The last word before the server ends the connection."""

    code: str
    message: str


AnyTold = Welcome | People | Answer | Refused | Shown | OfferWanted | Watched | Speaker | Closing
