"""Session tokens: what verifies, what does not, and what is said about it."""

import base64
import json
from typing import Any

import jwt
import pytest

from signaling.refusal import Refusal
from signaling.tokens import AUDIENCE, ISSUER, TokenIssuer

SECRET = "a secret for tests, long enough: 0123456789"
OTHER = "another secret for tests, long enough: 0123"


class Clock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def code(issuer: TokenIssuer, token: str) -> str:
    with pytest.raises(Refusal) as caught:
        issuer.verify(token)
    return caught.value.code


def forged(**changes: Any) -> str:
    """A token signed with the right secret but with other claims (None: left out) or another header."""
    header = {"kid": jwt.get_unverified_header(TokenIssuer(SECRET).issue("a", "A", "agent").token)["kid"]} | changes.pop("header", {})
    now = 1_800_000_000.0
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "name": "Ana", "role": "agent",
        "jti": "1", "iat": now, "nbf": int(now), "exp": now + 60, "auth_time": now,
        "sid": "", "teams": [],
    } | changes  # fmt: skip
    return jwt.encode({key: value for key, value in claims.items() if value is not None}, SECRET, "HS256", headers=header)


def test_what_is_issued_verifies_until_it_expires() -> None:
    clock = Clock()
    issuer = TokenIssuer(SECRET, lifetime_s=60, clock=clock)
    session = issuer.issue("ana", "Ana García", "supervisor")
    grant = issuer.verify(session.token)
    assert (grant.identity, grant.name, grant.role) == ("ana", "Ana García", "supervisor")
    assert session.expires_at == grant.expires_at == clock.now + 60
    assert session.expires_in == 60
    clock.now += 59.9
    issuer.verify(session.token)
    clock.now += 0.1
    assert code(issuer, session.token) == "token_expired"


def test_the_test_forgery_itself_verifies() -> None:
    assert TokenIssuer(SECRET, clock=Clock()).verify(forged()).identity == "ana"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "somebody"},
        {"aud": None},
        {"sub": None},
        {"role": None},
        {"exp": None},
        {"nbf": None},
        {"iat": None},
        {"jti": None},
        {"auth_time": None},
        {"sid": None},
        {"teams": None},
        {"teams": "all"},
        {"exp": "soon"},
        {"iat": 1_800_000_100.0},
        {"header": {"kid": "unknown"}},
        {"header": {"kid": ""}},
    ],
)
def test_a_token_that_is_not_quite_ours_is_invalid(changes: dict[str, Any]) -> None:
    assert code(TokenIssuer(SECRET, clock=Clock()), forged(**changes)) == "token_invalid"


def b64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_forgeries_are_invalid_and_nothing_is_said_of_their_age() -> None:
    clock = Clock()
    issuer = TokenIssuer(SECRET, clock=clock)
    token = issuer.issue("ana", "Ana", "agent").token
    header, claims, signature = token.split(".")
    kid = jwt.get_unverified_header(token)["kid"]
    attacks = [
        "",
        "x",
        "a.b.c",
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[:-4]}AAAA",
        f"{b64({'alg': 'none', 'kid': kid})}.{claims}.",
        f"{b64({'alg': 'HS512', 'kid': kid})}.{claims}.{signature}",
        f"{b64({'alg': 'HS256'})}.{claims}.{signature}",
        f"{b64({'alg': 'HS256', 'kid': [1]})}.{claims}.{signature}",
        jwt.encode({"sub": "ana", "exp": 1}, OTHER, "HS256", headers={"kid": kid}),
        TokenIssuer(OTHER, clock=clock).issue("ana", "Ana", "agent").token,
    ]
    assert {code(issuer, attack) for attack in attacks} == {"token_invalid"}


def test_a_previous_secret_is_believed_but_not_used() -> None:
    clock = Clock()
    old = TokenIssuer(OTHER, clock=clock).issue("ana", "Ana", "agent").token
    rotated = TokenIssuer(SECRET, previous=[OTHER], clock=clock)
    assert rotated.verify(old).identity == "ana"
    new = rotated.issue("ana", "Ana", "agent").token
    assert TokenIssuer(SECRET, clock=clock).verify(new).identity == "ana"
    assert code(TokenIssuer(OTHER, clock=clock), new) == "token_invalid"


def test_a_session_is_renewed_until_the_password_is_too_long_ago() -> None:
    clock = Clock()
    issuer = TokenIssuer(SECRET, lifetime_s=600, session_s=1_000, clock=clock)
    grant = issuer.verify(issuer.issue("ana", "Ana", "agent").token)
    clock.now += 500
    renewed = issuer.issue("ana", "Ana", "agent", signed_in_at=grant.signed_in_at)
    assert renewed.expires_at == grant.signed_in_at + 1_000
    clock.now += 500
    with pytest.raises(Refusal) as caught:
        issuer.issue("ana", "Ana", "agent", signed_in_at=grant.signed_in_at)
    assert caught.value.code == "token_expired"


def test_revoking_ends_earlier_tokens_of_that_person_only() -> None:
    clock = Clock()
    issuer = TokenIssuer(SECRET, clock=clock)
    ana, ben = issuer.issue("ana", "Ana", "agent").token, issuer.issue("ben", "Ben", "agent").token
    clock.now += 1
    issuer.revoke("ana")
    assert code(issuer, ana) == "token_revoked"
    assert issuer.verify(ben).identity == "ben"
    clock.now += 1
    assert issuer.verify(issuer.issue("ana", "Ana", "agent").token).identity == "ana"


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_short_secrets_are_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        TokenIssuer(secret)
    with pytest.raises(ValueError, match="32 bytes"):
        TokenIssuer(SECRET, previous=[secret])


def test_long_lives_are_refused() -> None:
    with pytest.raises(ValueError, match="600"):
        TokenIssuer(SECRET, lifetime_s=601)
