"""`[appointments]`: consultations that customers book."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from api.settings.section import Section, split_text

_Minutes = Annotated[int, Field(ge=5, le=43_200)]


class AppointmentsSection(Section):
    """Consultations that customers book, at ``/book`` or with somebody of the house."""

    enabled: bool = True
    """Where not, nothing can be booked: nothing of their API is there."""
    company: Annotated[str, Field(min_length=1, max_length=80)] = "Centralita"
    """Who writes to customers."""
    reminders_min: Annotated[tuple[_Minutes, ...], BeforeValidator(split_text), Field(max_length=5)] = (1_440, 60)
    """So many minutes before an appointment its customer is reminded of it."""
    no_show_min: Annotated[int, Field(ge=1, le=240)] = 15
    """Who has not come so many minutes after the beginning has missed it."""
    most_per_customer: Annotated[int, Field(ge=1, le=100)] = 3
    """Appointments to come that one customer may book by the page."""
