"""`[sms]`: who sends SMS."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from api.settings.section import Section

_Text = Annotated[str, Field(max_length=1_000)]


class SmsSection(Section):
    """Who sends SMS: a provider reached by HTTP. Without ``url`` nothing is sent, and counted. ``{to}``, ``{text}``, ``{from}`` and
    ``{idem}`` stand for themselves in ``body``, ``{secret}`` in ``headers``."""

    url: Annotated[str, Field(max_length=2_000)] = ""
    form: Literal["json", "form"] = "json"
    headers: dict[str, _Text] = Field(default_factory=lambda: {"Authorization": "Bearer {secret}", "Idempotency-Key": "{idem}"})
    body: dict[str, _Text] = Field(default_factory=lambda: {"to": "{to}", "from": "{from}", "text": "{text}"})
    secret: SecretStr = SecretStr("")
    sender: Annotated[str, Field(max_length=32)] = ""
    id_at: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_.-]*$")] = "id"
    """Where in its answer the message's id stands: ``messages.0.id``."""
    allow_private: bool = False
    """May it be of a private network?"""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.url:
            return self
        parts = urlsplit(self.url)
        if parts.scheme not in (("http", "https") if self.allow_private else ("https",)) or not parts.hostname or parts.username:
            raise ValueError("sms.url is an https address without user name; http only where allow_private is true")
        for name, value in self.headers.items():
            if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name) or not value.isprintable():
                raise ValueError(f"sms.headers: {name!r} is no header")
        return self
