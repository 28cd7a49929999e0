"""`[turn]`: the relay for browsers whose network lets nothing else through."""

import re
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from api.settings.section import Names, Section

_URL = re.compile(r"turns?:[^?\s]+(\?transport=(udp|tcp))?")


class TurnSection(Section):
    """A TURN server (coturn with ``use-auth-secret``) for browsers whose network lets no UDP through."""

    urls: Annotated[Names, Field(max_length=4)] = ()
    """What browsers are told: ``turn:turn.example:3478?transport=udp``, ``turns:turn.example:5349?transport=tcp``."""
    secret: SecretStr = SecretStr("")
    """Its ``static-auth-secret``."""
    ttl_s: Annotated[float, Field(ge=60, le=7 * 86_400)] = 12 * 3600.0
    """How long what a page is given is good for: at least as long as a call lasts, for it may need the relay anew."""

    @model_validator(mode="after")
    def _whole_relay(self) -> Self:
        wrong = [url for url in self.urls if not _URL.fullmatch(url)]
        if wrong:
            raise ValueError(f"{wrong[0][:64]} is no TURN address: write turn:host:port?transport=udp, or turns: for TLS (RFC 7065)")
        if self.urls and not self.secret.get_secret_value():
            raise ValueError("urls need the secret that the TURN server has as static-auth-secret")
        return self
