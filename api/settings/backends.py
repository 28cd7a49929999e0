"""`[backends]`: which there are, how long each may take, and where their links may lead."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from api.backends.backend_section import BackendName
from api.backends.context import BUILT_IN
from api.backends.rest_settings import RestSection
from api.backends.ticketing_settings import RequestTrackerSection, RoundupSection
from api.settings.section import Section, split_text
from signaling.tokens import SHORTEST_SECRET_BYTES

AnyBackend = Annotated[RestSection | RoundupSection | RequestTrackerSection, Field(discriminator="type")]
_HostName = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9.-]{1,253}$")]
_HostNames = Annotated[tuple[_HostName, ...], BeforeValidator(split_text)]


class BackendsSection(Section):
    """Booking, CRM and ticketing: asked beside every call."""

    builtin: bool = True
    """The ones of this server itself: contacts, bookings, tickets."""
    list: Annotated[tuple[AnyBackend, ...], Field(max_length=64)] = ()
    """Others, as ``[[backends.list]]``; see ``docs/backends.md``."""
    secrets: dict[BackendName, SecretStr] = Field(default_factory=dict)
    """Passwords and keys by the id of the backend."""
    event_secrets: dict[BackendName, SecretStr] = Field(default_factory=dict)
    """What signs the events that a backend posts to ``/api/v1/backends/ID/events``, by its id: 32 bytes or more, another for each."""
    link_hosts: Annotated[_HostNames, Field(max_length=256)] = ()
    """Where links of backends may lead (``crm.example``, ``*.crm.example``), by https only; others are not shown."""
    fresh_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """So long an answer is taken as it stands ..."""
    stale_s: Annotated[float, Field(ge=0, le=30 * 86_400)] = 86_400.0
    """... and for so long it is shown while it is asked for anew."""
    nobody_s: Annotated[float, Field(ge=0, le=3_600)] = 30.0
    """So long nobody is known who was not known."""
    remembered: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Answers in this server's memory; of more the longest unused go."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        ids = [each.id for each in self.list]
        if twice := sorted({id for id in ids if ids.count(id) > 1}):
            raise ValueError(f"list has {', '.join(twice)} twice: give each backend an id of its own")
        if ours := [id for id in ids if id.startswith(BUILT_IN)]:
            raise ValueError(f"list has {', '.join(ours)}: ids that begin with {BUILT_IN} are this server's own")
        if missing := [each.id for each in self.list if each.secret_needed and not self.secret(each.id)]:
            raise ValueError(f"secrets needs {', '.join(missing)}: the password, key or token of each, best in a secret file")
        known = {each.id for each in self.list}
        for id, secret in self.event_secrets.items():
            if id not in known:
                raise ValueError(f"event_secrets.{id} is of a backend that list has not")
            if len(secret.get_secret_value().encode()) < SHORTEST_SECRET_BYTES:
                raise ValueError(f"event_secrets.{id} has at least {SHORTEST_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
        return self

    def secret(self, backend: str) -> str:
        """Empty: none is set."""
        given = self.secrets.get(backend)
        return given.get_secret_value() if given is not None else ""
