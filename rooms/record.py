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
    """``agent``, ``phone`` or ``monitor``, a supervisor who took no part."""
    party: str
    """Identity of the person, or number of the phone."""
    trunk: str
    opened_s: float
    answered_s: float | None
    ended_s: float | None
    cause: Cause | None
    came: str = ""
    """How it came into the call (``rooms.legs.Came``)."""
    by: str = ""
    """Who had it dialled, or brought it in; of a phone that was dialled: whose account it is on."""
    hold_s: float = 0.0
    """So long it was held by us."""
    ended_by: str = ""
    """Who brought about that it left: an agent's identity or a phone's number; empty: the server, or time."""


@dataclass(frozen=True, slots=True)
class CallTally:
    """Sums of a call. ``answered_by``: the first agent who took it. ``talk_s``: so long an agent and somebody else took part in it,
    ``hold_s`` included, for which its phones were held. ``ended_by``: as of a leg. ``entries``: of its journal; ``left_out``: so many more
    there would have been."""

    answered_by: str = ""
    talk_s: float = 0.0
    hold_s: float = 0.0
    transfers: int = 0
    ended_by: str = ""
    entries: int = 0
    left_out: int = 0
    entry: str = ""
    """Label of the number that was called; like all below of a call that came through a flow or a queue, or calls somebody back."""
    language: str = ""
    queue: str = ""
    """The last one."""
    waited_s: float = 0.0
    """In all queues together, and as long as a call-back had to wait."""
    call_back: str = ""
    """Which one it is."""
    vip: bool = False


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
    tally: CallTally = CallTally()


@dataclass(frozen=True, slots=True)
class PartyView:
    """Somebody else in the call. ``party``: number of a phone, identity of an agent. Who is not ``there`` yet is being called."""

    leg_id: str
    kind: str
    party: str
    there: bool
    held: bool


@dataclass(frozen=True, slots=True)
class MonitorView:
    """A supervisor in the call (``rooms/monitor.py``)."""

    identity: str
    mode: str


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
class CentreView:
    """What is known of a call that came through a flow or a queue. ``entry``: label of the number that was called. ``queue``: in which it
    waits, or last waited. ``queued_s``: since when, None where it does not wait; ``waited_s``: how long, once somebody has it.
    ``call_back``: which one it is."""

    entry: str = ""
    queue: str = ""
    language: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    queued_s: float | None = None
    waited_s: float | None = None
    call_back: str = ""


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
    centre: CentreView | None = None
    mode: str = ""
    """How this person monitors it (``rooms.monitor.MonitorMode``); empty for who takes part."""
    monitors: tuple[MonitorView, ...] = ()
    """Who else monitors it, as far as this person is told."""
