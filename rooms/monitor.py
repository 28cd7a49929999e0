"""A supervisor in a call that is somebody else's: what they hear, and who hears them.

Theory. A supervisor's leg is in the call's room and takes no part in the call: the call does not go on for their sake, ends without asking
them, and is held, transferred, parked and recorded as if they were not there. What the modes differ in is who hears them, and nothing else,
so that changing from one to another is a change of gains:

    LISTEN: nobody
    WHISPER: the agent whose call it is; nobody, while it is nobody's
    BARGE: everybody who does not wait with music or ringing

They hear everybody who is not held and does not wait, and who has heard whole that they are there, where everybody is to be told.
"""

from dataclasses import dataclass
from enum import StrEnum

from rooms.legs import AgentLeg


class MonitorMode(StrEnum):
    LISTEN = "listen"
    WHISPER = "whisper"
    BARGE = "barge"


class Announce(StrEnum):
    """Who is told that a supervisor is in the call."""

    NEVER = "never"
    AGENT = "agent"
    """Agents who take part see it."""
    EVERYONE = "everyone"
    """And all hear it said, and are not heard by supervisors before it was said whole."""


@dataclass(frozen=True, slots=True)
class SupervisionPolicy:
    """``notice``: the sound that tells everybody, where they are to be told. ``most_per_call``: supervisors in one call. ``notice_s``:
    longer than the notice takes; whoever has not heard it whole by then, because something else was said to them, hears it again."""

    announce: Announce = Announce.AGENT
    notice: str = ""
    most_per_call: int = 4
    notice_s: float = 12.0


@dataclass(slots=True)
class Monitor:
    """``by``: who brought them there: themselves, or the supervisor who took their call over. ``announce``: who is told of them."""

    leg: AgentLeg
    mode: MonitorMode
    by: str
    announce: Announce

    @property
    def shown(self) -> bool:
        """May agents see it?"""
        return self.announce is not Announce.NEVER
