"""What signing in needs to know."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """See ``api.settings.security``."""

    second_factor_key: str
    idle_s: float = 1_800.0
    longest_s: float = 12 * 3_600.0
    ask_code: Literal["new device", "always"] = "new device"
    sign_ins_at_once: int = 2
    refused_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """See ``api.settings.oidc``."""

    issuer: str
    client_id: str
    client_secret: str
    identity_claim: str = "preferred_username"
    scope: str = "openid profile email"
    second_factor: bool = False
