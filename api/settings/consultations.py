"""`[consultations]`: video consultations."""

from typing import Annotated

from pydantic import Field

from api.settings.section import Section


class ConsultationsSection(Section):
    """Video consultations, joined by a link."""

    link_lifetime_s: Annotated[float, Field(ge=60, le=7 * 86_400)] = 7_200.0
    """How long a link lets people in that is to no appointment; who is in may stay."""
    most_people: Annotated[int, Field(ge=2, le=50)] = 8
    """In one consultation."""
    rings_people: bool = True
    """Who cannot be heard by their page may have their telephone rung, within the bounds of dialling."""
