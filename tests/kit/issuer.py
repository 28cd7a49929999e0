"""A small OpenID Connect issuer, served for real: discovery, keys, code flow with PKCE. It signs in ``who``, without asking."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote_plus
from uuid import uuid4

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT_ID, CLIENT_SECRET = "centralita-test", "the client's: secret/+"


class Issuer:
    """``claims`` are laid over what ID tokens say (None: left out); ``forge`` may replace a token. ``asked``: paths, in order."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.url = ""
        self.who = "ana"
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.forge: Callable[[dict[str, Any]], str] | None = None
        self.asked: list[str] = []
        self._now = now
        self._codes: dict[str, dict[str, str]] = {}
        self.rotate("EC")

    def settings(self) -> dict[str, str]:
        """The section of our settings that believes it."""
        return {"issuer": self.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    def rotate(self, kind: str) -> None:
        """A new signing key in place of the one before."""
        self.kind, self.key_id = kind, uuid4().hex[:8]
        self.key: Any = ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else rsa.generate_private_key(65_537, 2_048)

    @property
    def public(self) -> dict[str, Any]:
        algorithm = jwt.algorithms.ECAlgorithm if self.kind == "EC" else jwt.algorithms.RSAAlgorithm
        return json.loads(algorithm.to_jwk(self.key.public_key())) | {"kid": self.key_id, "use": "sig"}

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, "ES256" if self.kind == "EC" else "RS256", headers={"kid": self.key_id})

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)

    async def _discovery(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        described = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        return web.json_response(described | self.metadata)

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.json_response({"keys": [{"kty": "oct", "k": "AAAA", "kid": "odd"}, self.public]})

    async def _authorize(self, request: web.Request) -> web.Response:
        assert request.query["response_type"] == "code" and request.query["code_challenge_method"] == "S256"
        code = uuid4().hex
        self._codes[code] = dict(request.query)
        back = f"{request.query['redirect_uri']}?code={code}&state={request.query['state']}&iss={self.url}"
        return web.Response(status=303, headers={"Location": back})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self._codes.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).rstrip(b"=").decode()
        pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        known = [unquote_plus(part) for part in pair.split(":")] == [CLIENT_ID, CLIENT_SECRET]
        if asked is None or not known or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = self._now()
        claims = {
            "iss": self.url, "aud": CLIENT_ID, "sub": "1", "preferred_username": self.who, "nonce": asked["nonce"],
            "iat": int(now), "exp": int(now) + 300, "amr": ["pwd", "mfa"],
        } | self.claims  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        return web.json_response({"id_token": self.forge(claims) if self.forge else self.sign(claims), "token_type": "Bearer"})


@asynccontextmanager
async def running_issuer(now: Callable[[], float]) -> AsyncIterator[Issuer]:
    """On a free port of the loopback interface."""
    issuer, app = Issuer(now), web.Application()
    issuer.add_to(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield issuer
    finally:
        await runner.cleanup()
