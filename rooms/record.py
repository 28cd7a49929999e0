"""A call as people see it while it lives (``CallView``) and as it is kept (``CallRecord``). Times are seconds on the core's clock."""

from dataclasses import dataclass
from enum import StrEnum

from rooms.causes import Cause
from rooms.recording import RecordingState


class CallState(StrEnum):
    """State of a call; the transitions stand in ``rooms/call.py``."""

    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERING = "answering"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class LegRecord:
    leg_id: str
    kind: str
    """``agent`` or ``phone``."""
    party: str
    """Identity of the agent, or number of the phone."""
    trunk: str
    opened_s: float
    answered_s: float | None
    ended_s: float | None
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class CallRecord:
    call_id: str
    direction: str
    """``in`` or ``out``."""
    caller: str
    caller_name: str
    called: str
    agent: str
    """Who took or placed it; empty until somebody did."""
    state: CallState
    started_s: float
    answered_s: float | None
    ended_s: float | None
    cause: Cause | None
    legs: tuple[LegRecord, ...]


@dataclass(frozen=True, slots=True)
class CallView:
    """What a softphone shows. Complete each time, so that a lost update costs nothing."""

    call_id: str
    direction: str
    state: CallState
    number: str
    """The other side: caller of an incoming call, number dialled of an outgoing one."""
    name: str
    agent: str
    agent_leg: str
    muted: bool
    held: bool
    held_by_other: bool
    started_s: float
    answered_s: float | None
    ended_s: float | None
    cause: Cause | None
    agent_connected: bool = False
    """Is the agent's own media path up?"""
    recording: RecordingState = RecordingState.OFF
