"""`[oidc]`: another issuer that says who somebody is."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, model_validator

from api.identity.settings import OidcSettings
from api.settings.section import Section


class OidcSection(Section):
    """Signing in by another issuer (OpenID Connect). Who comes from it must be a user here: ``centralita user add``."""

    issuer: str = ""
    """Its address as it writes it in its tokens: ``https://login.example``; empty: nobody comes from elsewhere."""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    identity_claim: Literal["preferred_username", "email", "sub"] = "preferred_username"
    """The claim that is a user's name here. The issuer must never give one's value to another person."""
    second_factor: bool = False
    """Let in only whom the issuer asked for a second factor, as it says in ``amr``."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.issuer:
            return self
        if not (self.client_id and self.client_secret.get_secret_value()):
            raise ValueError("issuer needs client_id and client_secret, as the issuer gave them for this server")
        address = urlsplit(self.issuer)
        if not address.hostname or (address.scheme != "https" and address.hostname not in ("localhost", "127.0.0.1", "::1")):
            raise ValueError("issuer is an https address: what it says is believed")
        return self

    def oidc_settings(self) -> OidcSettings | None:
        """Who else says who somebody is; None where nobody does."""
        if not self.issuer:
            return None
        return OidcSettings(
            self.issuer, self.client_id, self.client_secret.get_secret_value(), self.identity_claim, second_factor=self.second_factor
        )
