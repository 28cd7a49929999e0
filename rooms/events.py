"""What happened, in the past tense: the only input of the switchboard.

Every event is frozen and carries identifiers, never objects. ``call_id`` names the conversation, ``leg_id`` one endpoint of it,
``agent`` a signed-in person's identity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rooms.agent import AgentState
from rooms.call_back import CallBack
from rooms.causes import Cause
from rooms.centre_plan import CentrePlan, NumberEntry
from rooms.flows.flow import Flow
from rooms.handling import Handling
from rooms.monitor import MonitorMode
from rooms.move import Target
from rooms.recording import RecordingAction


@dataclass(frozen=True, slots=True)
class CallDialed:
    """An agent asked for a number. The identifiers were drawn by the caller of the switchboard: randomness is an argument."""

    call_id: str
    agent: str
    agent_leg: str
    phone_leg: str
    number: str
    trunk: str


@dataclass(frozen=True, slots=True)
class CallArrived:
    """Somebody calls us. ``agents`` are the people to ring, already chosen by routing; empty when nobody may take it.

    ``called_agent``: it is for this one person, who is the only one of ``agents``, free or not. ``hops``: how often it was diverted on its
    way to us. ``private``: the number is not to be known. ``verified``: somebody whom we trust vouches for it.

    ``entry``: through which door of the plan it comes; None: it rings at ``agents``. ``facts``: what is known of the caller by now;
    ``epoch_s``: the time of day. ``flow``: goes through this one, which is none of the plan.
    """

    call_id: str
    phone_leg: str
    trunk: str
    caller: str
    caller_name: str
    called: str
    agents: tuple[tuple[str, str], ...]
    """(identity, leg id to use for that agent) pairs."""
    called_agent: str = ""
    hops: int = 0
    private: bool = False
    verified: bool = True
    entry: NumberEntry | None = None
    facts: Mapping[str, str | float | bool] = field(default_factory=dict)
    epoch_s: float = 0.0
    flow: Flow | None = None


@dataclass(frozen=True, slots=True)
class DigitHeard:
    """A phone pressed a key: ``0-9 * # A-D``."""

    leg_id: str
    digit: str


@dataclass(frozen=True, slots=True)
class FactsLearned:
    """Something more is known of who calls; it counts from here on."""

    call_id: str
    facts: Mapping[str, str | float | bool]


@dataclass(frozen=True, slots=True)
class MessageTaken:
    """The caller has left a message, or not. ``outcome``: ``taken``, ``empty`` or ``failed``."""

    call_id: str
    outcome: str
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WebhookAnswered:
    """Another system has answered, or not: ``ok`` or ``failed``."""

    call_id: str
    outcome: str
    facts: Mapping[str, str | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetFound:
    """Where a number or a name that a flow or a call-back gave is reached; None: nowhere, or it must not be called, for this cause."""

    call_id: str
    target: Target | None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class LegRang:
    """The far phone rings (SIP 180 or 183). ``early_media``: it sends its own ringing tone, so that we play none."""

    leg_id: str
    early_media: bool = False


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """The far phone answered and its audio is agreed."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class LegRefused:
    """The far phone, or its PBX, refused (busy, no such number, no answer, forbidden, ...)."""

    leg_id: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class LegHungUp:
    """The far phone ended the call: BYE in a call, CANCEL before the answer."""

    leg_id: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class LegHeld:
    """The far phone put us on hold, or took us back (direction of its re-INVITE)."""

    leg_id: str
    held: bool


@dataclass(frozen=True, slots=True)
class LegConnected:
    """A browser's media path to this leg is up (ICE and DTLS done): the first time, or again after a reload."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class LegLost:
    """A leg's media or its owner went away without a word: tab gone, network dead, worker died."""

    leg_id: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class CallAccepted:
    call_id: str
    agent: str


@dataclass(frozen=True, slots=True)
class CallDeclined:
    call_id: str
    agent: str


@dataclass(frozen=True, slots=True)
class HangUpRequested:
    call_id: str
    agent: str


@dataclass(frozen=True, slots=True)
class MuteRequested:
    call_id: str
    agent: str
    muted: bool


@dataclass(frozen=True, slots=True)
class HoldRequested:
    call_id: str
    agent: str
    held: bool


@dataclass(frozen=True, slots=True)
class DigitsPressed:
    """The agent pressed keys of the pad: ``0-9 * # A-D``."""

    call_id: str
    agent: str
    digits: str


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """The agent wants somebody else to have the call. ``ask``: to talk with the target first. ``refer``: the PBX is to carry it out, if it
    will. Whether this person may call the target was asked already."""

    call_id: str
    agent: str
    target: Target
    ask: bool
    refer: bool = False


class TransferAction(StrEnum):
    """What an agent may do who has called the target first."""

    SWAP = "swap"
    MERGE = "merge"
    COMPLETE = "complete"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class TransferActed:
    """``refer``: the PBX is to join both sides without us, if it will."""

    call_id: str
    agent: str
    action: TransferAction
    refer: bool = False


@dataclass(frozen=True, slots=True)
class ParkRequested:
    """``slot``: where; 0: in the lowest that is free."""

    call_id: str
    agent: str
    slot: int = 0


@dataclass(frozen=True, slots=True)
class PickUpRequested:
    call_id: str
    agent: str


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The phone asks that its other side be given to ``target`` (REFER). ``by``: on whose account that goes."""

    leg_id: str
    target: Target
    by: str


@dataclass(frozen=True, slots=True)
class JoinAsked:
    """The phone asks that its other side be joined with the one of ``replaces``, which is a leg of its own with us too (REFER with
    Replaces)."""

    leg_id: str
    replaces: str
    by: str


@dataclass(frozen=True, slots=True)
class LegReplaced:
    """Another phone takes the place of one of ours (INVITE with Replaces, RFC 3891)."""

    leg_id: str
    replaces: str
    trunk: str
    caller: str


@dataclass(frozen=True, slots=True)
class ReferProgressed:
    """How our own REFER goes: below 200 it goes on, 2xx it is done, else refused."""

    leg_id: str
    status: int


@dataclass(frozen=True, slots=True)
class HandlingChanged:
    """How a person wants calls to them handled from now on."""

    agent: str
    handling: Handling


@dataclass(frozen=True, slots=True)
class MonitorRequested:
    """A supervisor wants to listen to a call, or to be heard in it; again for another mode."""

    call_id: str
    by: str
    mode: MonitorMode


@dataclass(frozen=True, slots=True)
class MonitorEnded:
    """A supervisor is to be in this call no longer. Who wants to leave it hangs up."""

    call_id: str
    supervisor: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class TakeOverRequested:
    """A supervisor wants to have a call. ``agent_stays``: whose it was goes on listening."""

    call_id: str
    by: str
    agent_stays: bool = False


@dataclass(frozen=True, slots=True)
class RecordingRequested:
    """Somebody wants the recording of a call to start, pause, resume or stop: whose call it is, or a ``supervisor``."""

    call_id: str
    by: str
    action: RecordingAction
    supervisor: bool = False


@dataclass(frozen=True, slots=True)
class RecordingBegan:
    """A part of a call's recording is on the disk."""

    call_id: str
    recording_id: str


@dataclass(frozen=True, slots=True)
class RecordingObjected:
    """Whoever is on the line took back, some time before, that their calls may be recorded."""

    call_id: str
    recording_id: str


@dataclass(frozen=True, slots=True)
class RecordingBroke:
    """A part ended that was not to end. ``again``: its worker died and has a successor, so that another one can be begun at once."""

    call_id: str
    recording_id: str
    again: bool


@dataclass(frozen=True, slots=True)
class SoundEnded:
    """A leg has heard a sound that was to be played once, to its end."""

    leg_id: str
    sound: str


@dataclass(frozen=True, slots=True)
class AgentConnected:
    """A person's first signalling connection came up."""

    agent: str


@dataclass(frozen=True, slots=True)
class AgentDisconnected:
    """A person's last signalling connection went down. Media may well live on."""

    agent: str


@dataclass(frozen=True, slots=True)
class AvailabilityChanged:
    """A person said whether calls may be offered to them. ``reason``: of a break."""

    agent: str
    available: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AgentConsulting:
    """A person is in a consultation now, at whatever node, or in none any more."""

    agent: str
    consulting: bool


@dataclass(frozen=True, slots=True)
class AgentEngaged:
    """A call of another node rings at this person, is theirs, or (None) neither any more."""

    agent: str
    state: AgentState | None


@dataclass(frozen=True, slots=True)
class PlanChanged:
    """The contact centre is run so from now on. Who is in a flow goes on in the one they began."""

    plan: CentrePlan


@dataclass(frozen=True, slots=True)
class AgentSkilled:
    """What this agent can do, by levels, and of which queues they are; none: of all whose needs they meet."""

    agent: str
    skills: Mapping[str, int]
    queues: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WrapUpFinished:
    """The agent is done with this call, which was of that kind."""

    agent: str
    call_id: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class WrapUpTakenBack:
    """The agent was not done with this call after all."""

    agent: str
    call_id: str


@dataclass(frozen=True, slots=True)
class WrapUpExtended:
    """The agent needs more time."""

    agent: str
    call_id: str


@dataclass(frozen=True, slots=True)
class CallBackRestored:
    """Before the server's start somebody had asked to be called back."""

    call_back: CallBack


@dataclass(frozen=True, slots=True)
class CallBackWanted:
    """Somebody who is in no call asks to be called back."""

    call_back: CallBack


@dataclass(frozen=True, slots=True)
class CallBackCancelled:
    """Nobody need call this one back any more."""

    call_back_id: str


@dataclass(frozen=True, slots=True)
class EffectFailed:
    """An effect of this call could not be performed; ``cause`` says whose fault it is.

    ``leg_id`` is empty where it concerned the call as a whole. ``effect`` is the class name of the effect: a tone or digits that fail do
    not end a call; an effect that is not named does.
    """

    call_id: str
    leg_id: str
    cause: Cause
    effect: str = ""


@dataclass(frozen=True, slots=True)
class DrainRequested:
    """The server goes down: every live call ends now, with BYE and a record."""


Event = (
    CallDialed
    | CallArrived
    | DigitHeard
    | FactsLearned
    | MessageTaken
    | WebhookAnswered
    | TargetFound
    | LegRang
    | LegAnswered
    | LegRefused
    | LegHungUp
    | LegHeld
    | LegConnected
    | LegLost
    | CallAccepted
    | CallDeclined
    | HangUpRequested
    | MuteRequested
    | HoldRequested
    | DigitsPressed
    | TransferRequested
    | TransferActed
    | ParkRequested
    | PickUpRequested
    | TransferAsked
    | JoinAsked
    | LegReplaced
    | ReferProgressed
    | HandlingChanged
    | MonitorRequested
    | MonitorEnded
    | TakeOverRequested
    | RecordingRequested
    | RecordingBegan
    | RecordingBroke
    | RecordingObjected
    | SoundEnded
    | AgentConnected
    | AgentDisconnected
    | AvailabilityChanged
    | AgentEngaged
    | AgentConsulting
    | PlanChanged
    | AgentSkilled
    | WrapUpFinished
    | WrapUpTakenBack
    | WrapUpExtended
    | CallBackRestored
    | CallBackWanted
    | CallBackCancelled
    | EffectFailed
    | DrainRequested
)
