"""What is asked and answered by REST about accounts. Unknown fields and values out of range are refused. Times: seconds since the epoch."""

from typing import Annotated

from msgspec import Meta, Struct

from signaling.grants import Permission, Role, SipGrant, VideoGrant
from signaling.messages import Identity

Password = Annotated[str, Meta(min_length=1, max_length=256)]
Code = Annotated[str, Meta(min_length=1, max_length=32)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Team = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Teams = Annotated[list[Team], Meta(max_length=32)]


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of bodies."""


class NewPassword(Asked, frozen=True):
    password: Password
    new_password: Password


class Confirmed(Asked, frozen=True):
    """What is done only for who gives the password again."""

    password: Password


class GivenCode(Asked, frozen=True):
    code: Code


class ConfirmedTwice(Asked, frozen=True):
    password: Password
    code: Code


class SavedUser(Asked, frozen=True):
    """A new user, or what is to be changed of one: what is left out stays. Without a password only a key or an issuer lets them in."""

    name: Name | None = None
    role: Role | None = None
    teams: Teams | None = None
    password: Password | None = None
    disabled: bool | None = None


class NewKey(Asked, frozen=True):
    """A key for an account, mostly one of role ``service``. Without scopes it may do all that the role may."""

    identity: Identity
    name: Name
    scopes: Annotated[list[Permission], Meta(max_length=64)] = []
    expires_in: Annotated[float, Meta(gt=0, le=10 * 366 * 86_400)] | None = None


class NewToken(Asked, frozen=True):
    """A guest's token, with claims as LiveKit's access tokens have them. The guest is known as ``guest.IDENTITY``."""

    identity: Annotated[str, Meta(min_length=1, max_length=58, pattern=r"^[A-Za-z0-9._@-]+$")]
    name: Name
    video: VideoGrant
    sip: SipGrant = SipGrant()


class AccountNow(Struct, frozen=True):
    identity: str
    name: str
    role: str
    teams: list[str]
    permissions: list[str]
    second_factor: bool
    recovery_codes_left: int


class SessionRow(Struct, frozen=True):
    session_id: str
    device: str
    place: str
    created_at: float
    seen_at: float
    second_factor: bool
    this_one: bool


class AccountEvent(Struct, frozen=True):
    """What happened to my account. ``by``: who did it, where that was somebody else."""

    at: float
    kind: str
    by: str
    address: str
    device: str


class Enrolment(Struct, frozen=True):
    """For an authenticator app: ``secret`` in base32, ``uri`` for a QR code."""

    secret: str
    uri: str


class UserRow(Struct, frozen=True):
    """``second_factor``: have they one?"""

    identity: str
    name: str
    role: str
    teams: list[str]
    disabled: bool
    created_at: float
    last_sign_in_at: float | None
    second_factor: bool


class KeyRow(Struct, frozen=True):
    """``prefix``: how the key begins, to know it by."""

    key_id: str
    prefix: str
    identity: str
    name: str
    scopes: list[str]
    created_at: float
    created_by: str
    expires_at: float | None
    used_at: float | None


class MadeKey(Struct, frozen=True):
    """``key`` is shown this once."""

    key: str
    row: KeyRow
