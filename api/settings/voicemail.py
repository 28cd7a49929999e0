"""`[voicemail]`: messages that callers leave."""

from typing import Annotated

from pydantic import Field

from api.settings.section import Section


class VoicemailSection(Section):
    """Messages that callers leave in the boxes of the contact centre's plan. They are kept as recordings are, and no longer than these."""

    enabled: bool = True
    """Where not, a flow's step ``voicemail`` fails, and nothing is recorded."""
    least_s: Annotated[float, Field(ge=0, le=30)] = 1.0
    """Who speaks for less has left no message."""
    quiet_s: Annotated[float, Field(ge=1, le=60)] = 5.0
    """So long a silence ends a message."""
