"""`[reports]`: what supervisors are told of a period."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, IPvAnyNetwork, field_validator

from api.settings.section import Section

SiteName = Annotated[str, Field(pattern=r"^[\w .-]{1,64}$")]
Networks = Annotated[dict[SiteName, Annotated[tuple[IPvAnyNetwork, ...], Field(max_length=64)]], Field(max_length=256)]


class ReportsSection(Section):
    """What supervisors are told of a period."""

    zone: Annotated[str, Field(max_length=64)] = ""
    """The time zone of days and hours, as Europe/Madrid; empty: that of most calendars of the plan, or UTC."""
    goal: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Of callers who are to be answered within their queue's time; staffing is reckoned for it."""

    sites: Networks = Field(default_factory=dict)
    """Which networks an office has: ``madrid = ["10.1.0.0/16"]``. What differs is told by these names too."""
    carriers: Networks = Field(default_factory=dict)
    """Which networks a carrier has, as seen from here: ``Fibra = ["83.32.0.0/11"]``. As above; nobody outside is asked."""

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            if zone:
                ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone!r} is no time zone, as Europe/Madrid is one") from None
        return zone
