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
    came: str = ""
    """How it came into the call (``rooms.legs.Came``)."""
    by: str = ""
    """Who had it dialled, or brought it in; of a phone that was dialled: whose account it is on."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    call_id: str
    direction: str
    """``in`` or ``out``."""
    caller: str
    caller_name: str
    called: str
    agent: str
    """Who took or placed it, and after a transfer to a colleague that one; empty until somebody did."""
    state: CallState
    started_s: float
    answered_s: float | None
    ended_s: float | None
    cause: Cause | None
    legs: tuple[LegRecord, ...]


@dataclass(frozen=True, slots=True)
class PartyView:
    """Somebody else in the call. ``party``: number of a phone, identity of an agent. Who is not ``there`` yet is being called."""

    leg_id: str
    kind: str
    party: str
    there: bool
    held: bool


@dataclass(frozen=True, slots=True)
class MoveView:
    """What is being done with the call (``rooms/move.py``). ``why``: for what cause it came back."""

    state: str
    by: str
    target: str
    slot: int
    why: Cause | None
    since_s: float


@dataclass(frozen=True, slots=True)
class ParkedView:
    """A call that waits to be picked up. ``by``: who parked it."""

    slot: int
    call_id: str
    number: str
    name: str
    by: str
    since_s: float


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
    came: str = ""
    """How it came to this agent where somebody else brought it: ``transfer``, ``consultation``, ``return``; ``by`` whom."""
    by: str = ""
    owned: bool = False
    """Is it this agent's to lead, and not only to take part in?"""
    parties: tuple[PartyView, ...] = ()
    move: MoveView | None = None
    note: Cause | None = None
    """Why the last transfer of it came to nothing."""
    private: bool = False
    """The caller does not want the number to be known."""
    verified: bool = True
    """Somebody whom we trust vouches for the caller's number."""
