"""How long call control waits for what, how much it takes on, and which calls are recorded."""

from dataclasses import dataclass, field
from enum import StrEnum

from rooms.monitor import SupervisionPolicy


class RecordingMode(StrEnum):
    NEVER = "never"
    ON_DEMAND = "on_demand"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class RecordingPolicy:
    """``announcement``: the sound that tells the other side, said whole before anything is kept; empty where none is needed. ``consent``
    is what the manifest says: ``announced``, ``given`` or ``not needed``. ``asks``: the announcement is a question, answered by a key:
    nothing is kept without ``agree_key``, and ``refuse_key``, or ``answer_s`` of silence behind it, is a no.

    ``beep``: a tone when it begins and goes on; ``beep_every_s``: and so often in between, 0: not. ``announce_s``: longer than any
    announcement takes; one that did not end by then is made again. ``retry_s``: so long after it broke a recording is tried again,
    doubled each time up to ``longest_retry_s``. ``most_parts`` of one call.
    """

    incoming: RecordingMode = RecordingMode.NEVER
    outgoing: RecordingMode = RecordingMode.NEVER
    announcement: str = ""
    consent: str = "not needed"
    asks: bool = False
    agree_key: str = "1"
    refuse_key: str = "2"
    answer_s: float = 10.0
    beep: bool = True
    beep_every_s: float = 0.0
    announce_s: float = 120.0
    retry_s: float = 5.0
    longest_retry_s: float = 60.0
    most_parts: int = 100

    def mode(self, direction: str) -> RecordingMode:
        """``direction``: ``in`` or ``out``."""
        return self.outgoing if direction == "out" else self.incoming


@dataclass(frozen=True, slots=True)
class ConsultationRecordingPolicy:
    """``possible``: may hosts record at all? ``asks``: each person agrees on their page before anything of them is kept; else they are told

    there. ``picture_height_px``: of cameras.
    """

    possible: bool = False
    asks: bool = True
    picture_height_px: int = 480


class RingOrder(StrEnum):
    """At whose phones a call rings that is for nobody in particular."""

    ALL = "all"
    ONE_BY_ONE = "one_by_one"
    """Who has been free longest first."""


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """Times in seconds.

    ``agent_media_s``: from accept (or the phone's answer) until the agent's audio must be up. ``agent_media_patience_s``: after that long
    the other side hears that something goes on, instead of silence. ``reload_s``: how long a lost agent's leg stays anchored for a page
    that reloads. ``ring_reload_s``: the same for an agent who is only being rung. ``ring_step_s``: how long it rings at one after the
    other. ``transfer_ring_s``: how long the target of a transfer may take to answer, and whom a call comes back to. ``refer_s``: how long
    the PBX may take to carry out a transfer. ``park_s``: how long a call stays parked. ``most_hops``: how often a call may be led on.
    ``most_entries``: of one call's journal.

    ``language``: of callers of whom no flow knows it. ``announce_first_s``: so long after a caller began to wait the first announcement
    comes. ``wrap_up_times``: so many times as long as planned the work after a call may last when the agent needs more time;
    ``wrap_up_due_s``: so long a code that is required is waited for, ``wrap_up_undo_s``: so long an agent who is done may take the work up
    again; 0: never. ``call_back_tries``: so often somebody is called back who does not
    answer, ``call_back_retry_s`` after one another. ``most_call_backs``: so many are remembered.
    """

    no_answer_s: float = 60.0
    ring_s: float = 45.0
    agent_media_s: float = 10.0
    agent_media_patience_s: float = 2.0
    reload_s: float = 60.0
    ring_reload_s: float = 10.0
    ring_order: RingOrder = RingOrder.ALL
    ring_step_s: float = 15.0
    transfer_ring_s: float = 30.0
    refer_s: float = 40.0
    park_s: float = 120.0
    park_slots: int = 20
    most_hops: int = 5
    language: str = "en"
    announce_first_s: float = 4.0
    wrap_up_times: float = 3.0
    wrap_up_due_s: float = 60.0
    wrap_up_undo_s: float = 10.0
    call_back_tries: int = 3
    call_back_retry_s: float = 300.0
    most_call_backs: int = 1000
    max_calls: int = 1000
    max_ringing_agents: int = 32
    max_digits: int = 32
    remembered_ends: int = 256
    most_entries: int = 1000
    recording: RecordingPolicy = field(default_factory=RecordingPolicy)
    supervision: SupervisionPolicy = field(default_factory=SupervisionPolicy)
