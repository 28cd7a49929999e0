"""`[centre]`: the contact centre's plan and its secrets."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from api.settings.section import Section
from api.settings.values import SoundName
from signaling.tokens import SHORTEST_SECRET_BYTES


class CentreSection(Section):
    """The contact centre. Its plan stands in the database; see ``docs/contact_centre.md``."""

    folder: Path | None = None
    """Files of the plan that are watched: what changes there is put in force."""
    secrets: dict[SoundName, SecretStr] = Field(default_factory=dict)
    """What signs the questions of flows to other programs, by the name that the document ``webhooks`` uses: 32 bytes or more."""
    lookup_s: Annotated[float, Field(ge=0.05, le=3)] = 0.8
    """So long who calls is looked up beside the call, which never waits for it."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.folder is not None and not self.folder.is_dir():
            raise ValueError(f"{self.folder} is no folder: make it, or write one with `centralita plan export`")
        for name, secret in self.secrets.items():
            if len(secret.get_secret_value().encode()) < SHORTEST_SECRET_BYTES:
                raise ValueError(f"secrets.{name} has at least {SHORTEST_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
        return self
