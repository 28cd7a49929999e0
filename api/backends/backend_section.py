"""What the settings of every backend have in common."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from api.backends.breaker import BreakerLimits
from api.backends.guard import BackendLimits
from api.settings.section import Section

BackendName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class BackendSection(Section):
    """What every backend of ``backends.list`` has; each type adds its own. Its secret may stand in ``backends.secrets`` by its id."""

    id: BackendName
    title: Annotated[str, Field(max_length=64)] = ""
    """What people call it; empty: the id."""
    allow_private: bool = False
    """May its address be of this machine or of a private network? Link-local ones never are."""
    soft_s: Annotated[float, Field(gt=0, le=10)] = 0.8
    """From then on it is shown as slow."""
    hard_s: Annotated[float, Field(gt=0, le=30)] = 3.0
    """Then a lookup is given up."""
    write_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Then what is written there is given up, to be tried again later."""
    at_once: Annotated[int, Field(ge=1, le=256)] = 8
    per_s: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    """Requests each second on and on ..."""
    burst: Annotated[int, Field(ge=1, le=10_000)] = 40
    """... and at once."""
    failures: Annotated[int, Field(ge=1, le=1_000)] = 5
    """So many in a row, and it is let alone ..."""
    open_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """... for so long, and is asked as usual ..."""
    probes: Annotated[int, Field(ge=1, le=100)] = 2
    """... after so many successes."""

    def limits(self) -> BackendLimits:
        breaker = BreakerLimits(failures=self.failures, open_s=self.open_s, probes=self.probes)
        return BackendLimits(
            soft_s=self.soft_s,
            hard_s=self.hard_s,
            write_s=self.write_s,
            at_once=self.at_once,
            per_s=self.per_s,
            burst=self.burst,
            breaker=breaker,
        )


class HttpBackendSection(BackendSection):
    """Of one that is asked by HTTP."""

    base_url: Annotated[str, Field(max_length=2_000)]
    """What paths are put behind: ``https://crm.example/api``; http only where ``allow_private`` is true."""
    region: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    """ISO country whose national forms of numbers it has; empty: that of ``dialing.region``."""

    @model_validator(mode="after")
    def _address(self) -> Self:
        self._fits_address(self.base_url)
        return self

    def _fits_address(self, url: str) -> None:
        parts = urlsplit(url)
        schemes = ("https", "http") if self.allow_private else ("https",)
        if url and (parts.scheme not in schemes or not parts.hostname or parts.username or parts.query or parts.fragment):
            raise ValueError("each address is https://host/path, without user name and query; http only where allow_private is true")

    @property
    def secret_needed(self) -> bool:
        """Does it have to stand in ``backends.secrets``?"""
        return True
