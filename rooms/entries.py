"""What happened to a call, one entry after another, and the sums that its record is made of. How they come about stands in
``rooms/journal.py``."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from rooms.causes import Cause
from rooms.legs import AgentLegState, PhoneState
from rooms.move import Move, MoveState
from rooms.record import CallTally
from rooms.recording import RecordingState


class What(StrEnum):
    """Stable words: they stand in the exports. ``docs/records.md`` explains each."""

    ARRIVED = "arrived"
    DIALED = "dialed"
    CALLED = "called"
    RANG = "rang"
    ANSWERED = "answered"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    CONNECTED = "connected"
    LOST = "lost"
    HELD = "held"
    RESUMED = "resumed"
    HELD_BY_OTHER = "held_by_other"
    RESUMED_BY_OTHER = "resumed_by_other"
    MUTED = "muted"
    UNMUTED = "unmuted"
    LEFT = "left"
    CONSULTATION_CALLED = "consultation_called"
    CONSULTING = "consulting"
    CONSULTATION_ENDED = "consultation_ended"
    MERGED = "merged"
    TRANSFERRED = "transferred"
    TRANSFER_COMPLETED = "transfer_completed"
    TRANSFER_FAILED = "transfer_failed"
    FORWARDED = "forwarded"
    PARKED = "parked"
    PICKED_UP = "picked_up"
    RETURNED = "returned"
    GUIDED = "guided"
    STEP = "step"
    QUEUED = "queued"
    LED_ON = "led_on"
    TURNED_AWAY = "turned_away"
    RECORDING_ANNOUNCED = "recording_announced"
    RECORDING_BEGUN = "recording_begun"
    RECORDING_PAUSED = "recording_paused"
    RECORDING_RESUMED = "recording_resumed"
    RECORDING_STOPPED = "recording_stopped"
    RECORDING_FAILED = "recording_failed"
    MONITORED = "monitored"
    TAKEN_OVER = "taken_over"
    ENDED = "ended"


class Entry(NamedTuple):
    """``seq`` counts from 1 within the call. ``party``: whom it is about, an agent's identity or a phone's number. ``by``: who did it, or
    whose device; empty: the server, or time. ``detail``: a word more, by ``what``."""

    call_id: str
    seq: int
    at_s: float
    what: What
    party: str = ""
    leg_id: str = ""
    by: str = ""
    detail: str = ""


class QueueVisit(NamedTuple):
    """One stay of a caller in a queue that is over, or was refused. ``visit`` counts from 1 within the call. ``since_s``: its place counted
    from here; ``joined_s``, ``left_s``: so long the caller was in the queue. ``outcome``: ``served`` by ``agent`` on ``leg_id``,
    ``abandoned``, or what led the caller on (``rooms.queues.ticket.Left``, ``Entered``). ``offers``: to so many agents it was offered.
    ``in_time``: served within the queue's service level; ``short``: given up sooner than counts.
    ``wraps_up``: the agent has work on it afterwards."""

    call_id: str
    visit: int
    queue: str
    since_s: float
    joined_s: float
    left_s: float
    outcome: str
    agent: str = ""
    leg_id: str = ""
    offers: int = 0
    in_time: bool = False
    short: bool = False
    wraps_up: bool = False


class SeenLeg(NamedTuple):
    """How a leg stood when it was last looked at. ``there``: it takes part, or has answered."""

    state: PhoneState | AgentLegState | None = None
    there: bool = False
    held: bool = False
    other: bool = False
    """A phone: holds us. An agent: is muted."""


@dataclass(slots=True)
class CallLog:
    """What is remembered of a call to see what changes. ``most`` entries are kept, and the last one always; others are counted in
    ``left_out``."""

    seq: int = 0
    left_out: int = 0
    begun: bool = False
    ended: bool = False
    legs: dict[str, SeenLeg] = field(default_factory=dict)
    gone: int = 0
    """So many of the legs that have left were looked at."""
    move: Move | None = None
    moving: MoveState | None = None
    note: Cause | None = None
    recording: RecordingState = RecordingState.OFF
    modes: dict[str, str] = field(default_factory=dict)
    """How supervisors monitor it, by leg."""
    steps: int = 0
    """So many steps of its flow were looked at."""
    offers: int = 0
    """To so many agents it was offered since it came into its queue."""
    visits: int = 0
    waited_s: float = 0.0
    held_since_s: dict[str, float] = field(default_factory=dict)
    talking_since_s: float | None = None
    answered_by: str = ""
    talk_s: float = 0.0
    hold_s: float = 0.0
    transfers: int = 0
    ended_by: str = ""

    @property
    def tally(self) -> CallTally:
        return CallTally(self.answered_by, self.talk_s, self.hold_s, self.transfers, self.ended_by, self.seq, self.left_out)
