"""`[after_call]`: what is written where once a call is over."""

from typing import Annotated, Literal

from pydantic import Field

from api.settings.section import Names, Section


class AfterCallSection(Section):
    """Once a call is over. ``centralita outbox list`` shows what could not be written."""

    log: Literal["all", "answered", "none"] = "all"
    """Which calls are told to the CRMs."""
    log_to: Names = ("*",)
    """Their ids in ``backends.list``; ``*``: all that keep calls."""
    wait_s: Annotated[float, Field(ge=0, le=3_600)] = 5.0
    """So long after the end, and at most so much longer as the agent still works on the call ..."""
    work_s: Annotated[float, Field(ge=0, le=14_400)] = 900.0
    """... but no longer than this."""
    note_s: Annotated[float, Field(ge=0, le=600)] = 20.0
    """A note that is changed after the call is told once nobody has typed for so long."""
    note_to_ticket: bool = True
    """The note of a call goes to the tickets that were made in it."""
    link_recording: bool = True
    """To those tickets, and to the CRM, as a signed link; needs ``server.public_url``."""
    link_days: Annotated[float, Field(gt=0, le=365)] = 14.0
