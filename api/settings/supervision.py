"""`[supervision]`: supervisors in calls."""

from typing import Annotated

from pydantic import Field

from api.settings.section import Section
from api.settings.values import SoundName
from rooms.monitor import Announce


class SupervisionSection(Section):
    """Supervisors who listen to calls, whisper to agents, barge in and take over."""

    announce: Announce = Announce.AGENT
    """Who is told of a supervisor in the call: ``never`` anybody, ``agent`` (it is on their page), or ``everyone``: each hears it said, and
    is not listened to before."""
    notice: SoundName = "supervision-notice"
    """The text of ``media.prompts`` that is said."""
    most_per_call: Annotated[int, Field(ge=1, le=20)] = 4
    """Supervisors in one call."""
