"""`[retention]`: for how long what is kept for what."""

from collections.abc import Mapping
from typing import Annotated

from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, Field

from api.privacy.data_class import DataClass
from api.privacy.retention_policy import RetentionPolicy
from api.settings.section import Section

Days = Annotated[int, Field(ge=0, le=36_500)]
"""0: for good."""


def _country(code: str) -> str:
    if code not in SUPPORTED_REGIONS:
        raise ValueError("is no country: give its two capital letters, as in ES")
    return code


Country = Annotated[str, AfterValidator(_country)]


class Periods(Section):
    """In days after its end; null: as elsewhere, 0: for good."""

    calls: Days | None = None
    call_backs: Days | None = None
    quality: Days | None = None
    queues: Days | None = None
    reported_calls: Days | None = None
    reported_chats: Days | None = None
    tickets: Days | None = None
    surveys: Days | None = None
    tasks: Days | None = None
    campaigns: Days | None = None
    appointments: Days | None = None
    bookings: Days | None = None

    @property
    def given(self) -> Mapping[str, int]:
        return {name: days for name in type(self).model_fields if (days := getattr(self, name)) is not None}


class RetentionSection(Periods):
    """What is over is deleted so many days later, row by row. Recordings, voicemail and chat have periods of their own
    (``media.recording.retention_days``, ``chat.retention_days``), as has what is told to others."""

    enabled: bool = True
    """Where not, nothing of this is deleted by itself."""
    calls: Days = 2_557
    """Calls with their legs, journal and note; no sooner than their recordings and voicemail are gone."""
    call_backs: Days = 365
    quality: Days = 730
    """Samples of how calls sounded."""
    queues: Days = 730
    """Visits of queues, wrap-ups, and what agents were doing."""
    reported_calls: Days = 2_557
    reported_chats: Days = 365
    tickets: Days = 1_095
    surveys: Days = 730
    tasks: Days = 365
    campaigns: Days = 730
    """Whom a campaign called."""
    appointments: Days = 1_095
    bookings: Days = 2_557
    """Seven years after the journey's end, and after the last payment."""
    classes: dict[DataClass, Annotated[int, Field(ge=1, le=36_500)]] = Field(default_factory=dict)
    """At most so many days for all of one class."""
    countries: dict[Country, Periods] = Field(default_factory=dict)
    """For customers whose number is of this country, in place of everything above: ``countries.DE.calls = 180``."""

    def policy(self) -> RetentionPolicy:
        kept = {name: days for name, days in self.given.items() if name in Periods.model_fields}
        return RetentionPolicy(kept, self.classes, {country: periods.given for country, periods in self.countries.items()})
