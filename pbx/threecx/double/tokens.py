"""``/connect/token`` of the emulated PBX: one live token per API client, as JWTs that look like 3CX's and that nobody can verify."""

import base64
import json
from collections.abc import Callable, Mapping
from random import Random

from pbx.threecx.double.directory import Directory, Principal
from pbx.threecx.double.manners import Manners
from pbx.threecx.double.reply import Reply

LIFE_S = 3600


class Tokens:
    """``on_revoked`` hears of a client whose token was replaced. ``now`` is wall-clock seconds, because tokens carry it."""

    def __init__(self, directory: Directory, manners: Manners, on_revoked: Callable[[str], None], *, issuer: str, random: Random) -> None:
        self.life_s = LIFE_S
        self.issuer = issuer
        self._directory = directory
        self._manners = manners
        self._on_revoked = on_revoked
        self._random = random
        self._live: dict[str, tuple[str, float]] = {}

    def issue(self, form: Mapping[str, str], now: float) -> Reply:
        """Answer a token request; a good one revokes the client's former token."""
        if form.get("grant_type") != "client_credentials":
            return _failure(400, "unsupported_grant_type", "grant_type has to be client_credentials")
        client_id = form.get("client_id", "")
        principal = self._directory.principals.get(client_id)
        if principal is None or form.get("client_secret") != principal.secret:
            return _failure(int(self._manners.wrong_secret_code), "invalid_client", "unknown client or wrong secret")
        if client_id in self._live:
            self._on_revoked(client_id)
        token = self._jwt(principal, now)
        self._live[client_id] = (token, now + self.life_s)
        expires_in = self.life_s if self._manners.expires_unit == "seconds" else self.life_s // 60
        return Reply(200, {"token_type": "Bearer", "expires_in": expires_in, "access_token": token, "refresh_token": None})

    def bearer(self, authorization: str, now: float) -> Principal | None:
        """Whose live token an Authorization header carries; None where nobody's."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        for client_id, (live, expires) in self._live.items():
            if live == token and now < expires:
                return self._directory.principals.get(client_id)
        return None

    def steal(self, client_id: str, now: float) -> None:
        """Somebody else takes a token for this client, so that the one in use is worth nothing any more."""
        principal = self._directory.principals[client_id]
        self.issue({"grant_type": "client_credentials", "client_id": client_id, "client_secret": principal.secret}, now)

    def forget(self) -> None:
        """After a restart no token is known."""
        self._live.clear()

    def _jwt(self, principal: Principal, now: float) -> str:
        claims = {
            "unique_name": principal.client_id,
            "jti": f"{self._random.getrandbits(128):032x}",
            "role": ["App", "CallFlowApp", "Enterprise"],
            "nbf": int(now),
            "exp": int(now) + self.life_s,
            "iat": int(now),
            "iss": self.issuer,
            "aud": "/api",
        }
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "ES256", "typ": "JWT"}, claims)]
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in [*parts, self._random.randbytes(64)])


def _failure(status: int, error: str, description: str) -> Reply:
    return Reply(status, {"error": error, "error_description": description})
