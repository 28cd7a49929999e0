"""`[webhooks]`: what happens here, posted to other programs."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from api.settings.section import Names, Section
from api.webhook_settings import WebhookSettings
from signaling.tokens import SHORTEST_SECRET_BYTES


class WebhooksSection(Section):
    """What happens in rooms and calls, posted to other programs."""

    urls: Annotated[Names, Field(max_length=8)] = ()
    """Their addresses: ``https://host/path``."""
    key: Annotated[str, Field(min_length=1, max_length=64)] = "centralita"
    """The name of the secret, as receivers know it (``iss``)."""
    secret: SecretStr = SecretStr("")
    """Signs what is posted, 32 bytes or more; receivers have it too."""
    allow_private: bool = False
    """May an address be of this machine or of a private network?"""
    give_up_s: Annotated[float, Field(ge=60, le=30 * 86_400)] = 86_400.0
    """So long an event is tried; a receiver that took nothing for so long is cut off until an administrator resumes it."""
    keep_hours: Annotated[float, Field(ge=0, le=8_760)] = 72.0
    """So long events can be had again (``GET /api/v1/events``, ``POST /api/v1/webhooks/replay``); 0: none is kept."""
    mode: Literal["binary", "structured"] = "binary"
    """Where the attributes of CloudEvents stand: in headers, or in the body."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.urls and len(self.secret.get_secret_value().encode()) < SHORTEST_SECRET_BYTES:
            raise ValueError(f"urls need a secret of at least {SHORTEST_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in (("http", "https") if self.allow_private else ("https",)) or not parts.hostname or parts.username:
                raise ValueError("each of urls is an https address without user name; http only where allow_private is true")
        return self

    def webhook_settings(self, public_url: str) -> WebhookSettings:
        """Where events go, and how they are signed."""
        return WebhookSettings(
            urls=self.urls,
            key=self.key,
            secret=self.secret.get_secret_value(),
            source=public_url or "/centralita",
            allow_private=self.allow_private,
            give_up_s=self.give_up_s,
            keep_s=self.keep_hours * 3_600.0,
            structured=self.mode == "structured",
        )
