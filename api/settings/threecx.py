"""`[threecx]`: the 3CX behind the line."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from api.settings.section import Names, Section
from api.threecx_settings import ThreeCxWork
from pbx.threecx.agent_step import Words
from pbx.threecx.settings import ThreeCxSettings


class ThreeCxSection(Section):
    """The 3CX behind the line to the PBX: its Call Control and Configuration APIs (3CX: Admin, Integrations, API)."""

    enabled: bool = False
    bases: Annotated[Names, Field(max_length=4)] = ()
    """Its addresses, the preferred one first: ``https://pbx.example:5001``."""
    client_id: Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9_-]*$")] = ""
    """Of the API client; also the number of its route point. No other program and no other node may use it."""
    secret: SecretStr = SecretStr("")
    verify: bool = True
    """Check its certificate. Leave it so, except for an address inside that its certificate does not name."""
    ca_file: Path | None = None
    """Certificates to believe beside the system's own."""
    extensions: dict[str, Annotated[str, Field(pattern=r"^[0-9*#]{2,16}$")]] = Field(default_factory=dict)
    """The 3CX extension of a user here, where it follows from neither e-mail nor number: ``extensions.ana = "205"``."""
    sound: bool = False
    """The client's route point as a line of its own, without SIP: calls to it ring here, and what is dialled goes this way while the SIP
    line is down, or where there is none. G.711's quality."""
    import_people: bool = False
    """Whoever has an extension and is no user here becomes an agent, without a password."""
    import_every_s: Annotated[float, Field(ge=60, le=86_400)] = 3_600.0
    in_step: bool = True
    """Whether agents take calls is kept the same here and in 3CX, both ways."""
    queues: bool = True
    """Their queue log-in too."""
    look_every_s: Annotated[float, Field(ge=2, le=60)] = 15.0
    available_profile: Annotated[str, Field(min_length=1, max_length=64)] = "Available"
    away_profile: Annotated[str, Field(min_length=1, max_length=64)] = "Away"
    """What is chosen in 3CX for who takes a break here."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.enabled and not (self.bases and self.client_id and self.secret.get_secret_value()):
            raise ValueError("it is enabled but bases, client_id or secret is not set: `centralita threecx attach` finds them")
        for base in self.bases:
            parts = urlsplit(base)
            local = parts.hostname in ("localhost", "127.0.0.1", "::1")
            safe = parts.scheme == "https" or (local and parts.scheme == "http")
            if not safe or not parts.hostname or parts.path not in ("", "/") or parts.username:
                raise ValueError("each of bases is https://HOST[:PORT] and nothing more; http only to this machine itself")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError(f"{self.ca_file} does not exist or is no file: give the path of a PEM file")
        return self

    def work(self, extension: str) -> ThreeCxWork | None:
        """How to work with a 3CX; None where none is attached."""
        if not self.enabled:
            return None
        pbx = ThreeCxSettings(self.bases, self.client_id, self.secret.get_secret_value(), verify=self.verify, ca_file=self.ca_file)
        return ThreeCxWork(
            pbx,
            own_numbers=frozenset(filter(None, (self.client_id, extension))),
            extensions=dict(self.extensions),
            import_people=self.import_people,
            import_every_s=self.import_every_s,
            look_every_s=self.look_every_s,
            in_step=self.in_step,
            words=Words(self.available_profile, self.away_profile, self.queues),
        )
