"""Signing in by another issuer: OpenID Connect 1.0, code flow with PKCE (RFC 7636), discovery and JWKS, RS256 and ES256 alone.

What has to be remembered while somebody is at the issuer travels sealed in a cookie of their own browser, so any node may answer them.
The issuer says who somebody is; whether they may sign in and as what is said by our own users.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt
import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout
from cryptography.fernet import Fernet, InvalidToken
from msgspec import Struct

from api.identity.settings import OidcSettings
from signaling.messages import Identity
from signaling.refusal import Refusal

log = structlog.get_logger()
_WITHIN_S = 5.0
_LARGEST_ANSWER = 262_144
_KEPT_S = 3_600.0
"""So long what the issuer publishes is believed without asking again."""
_ASK_AGAIN_S = 30.0
"""A key that is not known makes us ask anew, no more often than this: strangers can name any key."""
_SKEW_S = 30.0
_FLOW_S = 600
_ARRIVED_S = 60
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
"""By the key's own type: what a token's header says decides nothing (RFC 8725, section 3.1)."""
_MFA = frozenset({"mfa", "otp", "hwk"})


class _Metadata(Struct, frozen=True):
    """Of the discovery document, what is used (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class _Tokens(Struct, frozen=True):
    id_token: str


class _Flow(Struct, frozen=True):
    """What somebody takes along to the issuer."""

    state: str
    nonce: str
    verifier: str


class Arrived(Struct, frozen=True):
    """Who came back from the issuer. ``second_factor``: the issuer says that it asked for one (``amr``, RFC 8176)."""

    identity: str
    second_factor: bool


class _Named(Struct, frozen=True):
    identity: Identity


class OidcClient:
    """``async with``: owns the connections to the issuer. ``redirect_uri``: our callback; ``key``: 64 hexadecimal digits that seal what
    travels in cookies. ``clock``: seconds since the epoch."""

    def __init__(self, settings: OidcSettings, redirect_uri: str, key: str, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._redirect_uri = redirect_uri
        self._seal = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"centralita oidc:" + bytes.fromhex(key)).digest()))
        self._clock = clock
        self._metadata: _Metadata | None = None
        self._keys: dict[str, jwt.PyJWK] = {}
        self._metadata_at = self._keys_at = -_KEPT_S
        self._asking = asyncio.Lock()
        self._http: ClientSession

    async def __aenter__(self) -> Self:
        self._http = ClientSession(timeout=ClientTimeout(total=_WITHIN_S))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.close()

    # ------------------------------------------------------------------ there and back

    async def begin(self) -> tuple[str, str]:
        """Where to send somebody, and what their cookie is to say. Raises ``Refusal`` (``issuer_away``)."""
        metadata = await self._discover()
        flow = _Flow(*(secrets.token_urlsafe(32) for _ in range(3)))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._settings.scope,
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{metadata.authorization_endpoint}?{urlencode(asked)}", self._sealed(flow)

    async def arrive(self, query: Mapping[str, str], cookie: str) -> tuple[Arrived, str]:
        """Who came back, and what their cookie is to say until the page asks for the session. Raises ``Refusal``."""
        try:
            flow = msgspec.json.decode(self._opened(cookie, _FLOW_S), type=_Flow)
        except (InvalidToken, msgspec.DecodeError):
            raise _failed("the cookie of the sign-in is missing, old or foreign") from None
        if not hmac.compare_digest(flow.state.encode(), query.get("state", "").encode()):
            raise _failed("the answer is to another question (state)")
        if "iss" in query and query["iss"] != self._settings.issuer:
            raise _failed("another issuer answered (RFC 9207)")
        if "code" not in query:
            raise _failed("the issuer refused")
        claims = await self._claims(await self._exchange(query["code"], flow.verifier), flow.nonce)
        arrived = Arrived(self._identity_in(claims), not _MFA.isdisjoint(_texts(claims.get("amr"))))
        if self._settings.second_factor and not arrived.second_factor:
            raise Refusal("issuer_factor_missing", "Your organisation did not ask you for a second factor, which is needed here.")
        return arrived, self._sealed(arrived)

    def arrived(self, cookie: str) -> Arrived:
        """Who came back a moment ago. Raises ``Refusal``."""
        try:
            return msgspec.json.decode(self._opened(cookie, _ARRIVED_S), type=Arrived)
        except (InvalidToken, msgspec.DecodeError):
            raise _failed("nobody came back from the issuer in this browser a moment ago") from None

    def _sealed(self, content: Struct) -> str:
        return self._seal.encrypt_at_time(msgspec.json.encode(content), int(self._clock())).decode()

    def _opened(self, cookie: str, longest_s: int) -> bytes:
        return self._seal.decrypt_at_time(cookie.encode(), longest_s, int(self._clock()))

    # ------------------------------------------------------------------ the token

    async def _exchange(self, code: str, verifier: str) -> str:
        metadata = await self._discover()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri, "code_verifier": verifier}
        # RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
        pair = f"{quote_plus(self._settings.client_id)}:{quote_plus(self._settings.client_secret)}"
        basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        answer = await self._ask("POST", metadata.token_endpoint, basic, data=form)
        try:
            return msgspec.json.decode(answer, type=_Tokens).id_token
        except msgspec.DecodeError:
            raise _failed("the issuer gave no ID token for the code") from None

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """What an ID token says, if it is for us and of now (OpenID Connect Core 1.0, section 3.1.3.7). Raises ``Refusal``."""
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHMS[str(key.key_type)]],
                audience=self._settings.client_id,
                issuer=self._settings.issuer,
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            issued_at, expires_at = float(claims["iat"]), float(claims["exp"])
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
            raise _failed(f"the ID token does not hold: {type(error).__name__}") from None
        now = self._clock()
        if expires_at <= now - _SKEW_S or issued_at > now + _SKEW_S:
            raise _failed("the ID token is not of now: see that both clocks are right")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise _failed("the ID token is not for this sign-in (nonce)")
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != self._settings.client_id:
            raise _failed("the ID token was made for another client (azp)")
        return claims

    def _identity_in(self, claims: Mapping[str, Any]) -> str:
        name = self._settings.identity_claim
        if name == "email" and claims.get("email_verified") is not True:
            raise _failed("the issuer has not verified this address")
        try:
            return msgspec.convert({"identity": claims.get(name)}, _Named).identity
        except msgspec.ValidationError:
            raise _failed(f"the claim {name} is missing or no name of a user") from None

    # ------------------------------------------------------------------ what the issuer publishes

    async def _discover(self) -> _Metadata:
        async with self._asking:
            if self._metadata is None or self._clock() - self._metadata_at > _KEPT_S:
                issuer = self._settings.issuer
                answer = await self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                try:
                    found = msgspec.json.decode(answer, type=_Metadata)
                except msgspec.DecodeError:
                    raise _away("its discovery document cannot be read") from None
                if found.issuer != issuer:
                    raise _away("its discovery document names another issuer than the settings do")
                endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
                if any(urlsplit(endpoint).scheme != urlsplit(issuer).scheme for endpoint in endpoints):
                    raise _away("its endpoints are not reached as it is itself")
                self._metadata, self._metadata_at = found, self._clock()
            return self._metadata

    async def _key(self, key_id: str) -> jwt.PyJWK:
        """One of the issuer's keys of now. Raises ``KeyError``."""
        metadata = await self._discover()
        async with self._asking:
            age_s = self._clock() - self._keys_at
            if age_s > _KEPT_S or (key_id not in self._keys and age_s > _ASK_AGAIN_S):
                self._keys = _keys_in(await self._ask("GET", metadata.jwks_uri))
                self._keys_at = self._clock()
            return self._keys[key_id]

    async def _ask(self, method: str, url: str, headers: Mapping[str, str] = MappingProxyType({}), **more: Any) -> bytes:
        said = {"Accept": "application/json", **headers}
        try:
            async with self._http.request(method, url, allow_redirects=False, headers=said, **more) as answer:
                body = await answer.content.read(_LARGEST_ANSWER)
                if answer.status == 200:
                    return body
        except (ClientError, TimeoutError, OSError) as error:
            raise _away(f"it does not answer: {type(error).__name__}") from None
        if method == "POST":
            raise _failed(f"the issuer refused the code with status {answer.status}")
        raise _away(f"it answers with status {answer.status}")


def _keys_in(answer: bytes) -> dict[str, jwt.PyJWK]:
    """Signing keys by id, of the kinds that we believe (RFC 7517); others are left out. Raises ``Refusal``."""
    found = {}
    try:
        for key in json.loads(answer)["keys"]:
            kind, use = key.get("kty"), key.get("use", "sig")
            if kind in _ALGORITHMS and use == "sig" and "kid" in key and (kind == "RSA" or key.get("crv") == "P-256"):
                found[str(key["kid"])] = jwt.PyJWK(key, _ALGORITHMS[kind])
    except (ValueError, TypeError, KeyError, AttributeError, jwt.PyJWTError):
        raise _away("its keys cannot be read") from None
    return found


def _texts(value: object) -> set[str]:
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def _away(detail: str) -> Refusal:
    log.error("oidc.issuer_away", detail=detail)
    return Refusal("issuer_away", "The service that signs you in cannot be used now: try again, or use a password here.", 5.0)


def _failed(detail: str) -> Refusal:
    log.warning("oidc.failed", detail=detail)
    return Refusal("sign_in_failed", f"This sign-in did not succeed: {detail}. Begin it anew.")
