"""`[security]`: sessions, sign-ins, sockets and the secrets behind them."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from api.settings.section import Names, Section
from api.settings.values import Origins, check_keys
from signaling.tokens import LONGEST_LIFE_S, SHORTEST_SECRET_BYTES


class SecuritySection(Section):
    secret: SecretStr = SecretStr("")
    """Signs session tokens, 32 bytes or more; empty: drawn at the first start and kept in the data folder."""
    previous_secrets: tuple[SecretStr, ...] = ()
    """Still believed while their last tokens live, never used."""
    token_lifetime_s: Annotated[float, Field(ge=30, le=LONGEST_LIFE_S)] = LONGEST_LIFE_S
    session_s: Annotated[float, Field(ge=60, le=30 * 86_400)] = 12 * 3600.0
    """After that the password is asked for again."""
    idle_s: Annotated[float, Field(ge=60, le=30 * 86_400)] = 1_800.0
    """So long without doing anything, and without a call, a session lasts."""
    second_factor: Literal["new device", "always"] = "new device"
    """When who has a second factor is asked for it: on a new device or from a new place, or at each sign-in."""
    second_factor_key: SecretStr = SecretStr("")
    """Seals the secrets of second factors: 64 hexadecimal digits. Empty: drawn at the first start and kept in the data folder."""
    allowed_origins: Names = ()
    """Other sites whose pages may connect: ``https://host[:port]``."""
    embedded_in: Origins = ()
    """Other sites whose pages may hold the softphone in a frame and talk with it (``docs/embedding.md``): ``https://host[:port]``."""
    requests_per_s: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    requests_at_once: Annotated[float, Field(ge=1, le=10_000)] = 60.0
    sockets: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    sockets_per_person: Annotated[int, Field(ge=1, le=100)] = 8
    sockets_per_address: Annotated[int, Field(ge=1, le=100_000)] = 100
    connections_per_s: Annotated[float, Field(gt=0, le=10_000)] = 5.0
    connections_at_once: Annotated[float, Field(ge=1, le=10_000)] = 50.0
    sign_ins_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """Passwords checked at the same time; each takes a core and 64 MB for some 50 ms."""
    refused_words: Names = ()
    """Names of the house (company, brands) that no new password may contain, beside the product's and the person's own."""

    @model_validator(mode="after")
    def _long_secrets(self) -> Self:
        for secret in (self.secret, *self.previous_secrets):
            text = secret.get_secret_value()
            if text and len(text.encode()) < SHORTEST_SECRET_BYTES:
                raise ValueError(f"a secret needs at least {SHORTEST_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
        return self

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        check_keys("second_factor_key", self.second_factor_key)
        return self
