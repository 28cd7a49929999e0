"""`[calls]`: what becomes of calls that ring, are transferred or parked."""

from typing import Annotated, Literal

from pydantic import Field

from api.settings.section import Section


class CallsSection(Section):
    """What becomes of calls that ring, are transferred or parked."""

    ring_order: Literal["all", "one_by_one"] = "all"
    """A call for nobody in particular rings at everybody's who is free, or at one after the other's, who has been free longest first."""
    ring_s: Annotated[float, Field(ge=5, le=600)] = 45.0
    """For so long altogether."""
    ring_step_s: Annotated[float, Field(ge=3, le=120)] = 15.0
    """One by one: for so long at each."""
    refer_blind: bool = False
    """Ask the telephone system for blind transfers too (REFER), where it says that it can; where it refuses, we do it, after that pause.
    The other ones are joined here first and handed over then, where ``sip.refer`` lets that; recorded calls never are."""
    agent_media_s: Annotated[float, Field(ge=5, le=120)] = 10.0
    """For so long after the answer an agent's sound may take to connect; then the call ends."""
    transfer_ring_s: Annotated[float, Field(ge=5, le=180)] = 30.0
    """Where the target does not answer for so long, the call comes back."""
    park_s: Annotated[float, Field(ge=10, le=3_600)] = 120.0
    """A parked call that nobody picked up goes back to who parked it."""
    park_places: Annotated[int, Field(ge=1, le=999)] = 20
    undo_s: Annotated[float, Field(ge=0, le=60)] = 10.0
    """So long agents may take back that they are done with a call, which is written down then, and are offered to call again whom they
    hung up on; 0: never."""
