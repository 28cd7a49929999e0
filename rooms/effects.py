"""What to do, imperative: the only output of the switchboard. ``api/exchange.py`` performs them in order."""

from collections.abc import Mapping
from dataclasses import dataclass

from rooms.agent import WrapUp
from rooms.call_back import CallBack, CallBackOutcome
from rooms.causes import Cause
from rooms.record import CallRecord, CallState, CallView, ParkedView


@dataclass(frozen=True, slots=True)
class OpenRoom:
    """Open the bridge of a call. ``room_id`` is the call's id."""

    room_id: str


@dataclass(frozen=True, slots=True)
class CloseRoom:
    """Close the bridge and every leg still in it."""

    room_id: str


@dataclass(frozen=True, slots=True)
class PlaceCall:
    """Send the INVITE of a phone leg. ``by``: on whose account. ``asked``: whether that person may was asked already; else it is to be
    asked now. ``diverted_by``: whom the call was for that is led on with it; ``private``: its caller does not want to be known;
    ``referred``: the leg whose REFER it carries out."""

    call_id: str
    leg_id: str
    trunk: str
    number: str
    by: str = ""
    asked: bool = True
    diverted_by: str = ""
    private: bool = False
    referred: str = ""


@dataclass(frozen=True, slots=True)
class ExpectAgent:
    """This agent has a leg in the call from now on: a browser will make an offer for it."""

    call_id: str
    leg_id: str
    agent: str


@dataclass(frozen=True, slots=True)
class ReferPhone:
    """Ask a phone to call this number instead of us (REFER), and to take the place of our leg ``replaces`` there. ``ReferProgressed``
    follows."""

    leg_id: str
    number: str
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class TellReferrer:
    """Tell the phone that asked for a transfer how it goes: a SIP status, final from 200 on."""

    leg_id: str
    status: int


@dataclass(frozen=True, slots=True)
class ShowParked:
    """Show these people which calls wait in this server to be picked up."""

    agents: tuple[str, ...]
    parked: tuple[ParkedView, ...]


@dataclass(frozen=True, slots=True)
class RingBack:
    """Tell the calling phone that somebody's set rings (SIP 180)."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class LetHear:
    """Let a phone that called us, and is not answered yet, hear the phone that rings for it (SIP 183)."""

    call_id: str
    leg_id: str
    other_leg: str


@dataclass(frozen=True, slots=True)
class AnswerCall:
    """Answer a phone leg that called us (SIP 200). ``agent_leg`` is the leg it will talk with: its codec should match."""

    call_id: str
    leg_id: str
    agent_leg: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a phone leg, whatever its state: CANCEL, BYE or a refusal. Never dropped."""

    leg_id: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class HoldPhone:
    """Tell the phone by signalling that it is held, or taken back, where the trunk wants that."""

    leg_id: str
    held: bool


@dataclass(frozen=True, slots=True)
class JoinBridge:
    """From now on this leg speaks and hears in the room."""

    room_id: str
    leg_id: str


@dataclass(frozen=True, slots=True)
class CloseLeg:
    """Close a leg's media."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class SetGains:
    """Entries of the room's gain matrix: (listener leg, speaker leg, gain 0-1). Mute, hold and monitoring are nothing else."""

    room_id: str
    gains: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, slots=True)
class Play:
    """What this leg hears beside the mix: ``ringback``, ``busy``, ``hold`` or ``None`` for nothing."""

    leg_id: str
    sound: str | None


@dataclass(frozen=True, slots=True)
class PlayOnce:
    """Let this leg hear a sound once beside the mix; ``SoundEnded`` follows."""

    leg_id: str
    sound: str


@dataclass(frozen=True, slots=True)
class Hush:
    """End what this leg is played once, if anything; ``SoundEnded`` does not follow. What is played on and on goes on."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class TakeMessage:
    """Let a caller leave a message of at most ``max_s`` in this box; ``MessageTaken`` follows."""

    call_id: str
    leg_id: str
    box: str
    max_s: float
    language: str


@dataclass(frozen=True, slots=True)
class AskWebhook:
    """Ask another system, by its name in the plan; ``WebhookAnswered`` follows."""

    call_id: str
    webhook: str
    facts: Mapping[str, str | float | bool]


@dataclass(frozen=True, slots=True)
class FindTarget:
    """Say where this number or name is reached, on whose account (``by``; empty: the line's on which the call came); ``TargetFound``
    follows."""

    call_id: str
    text: str
    by: str


@dataclass(frozen=True, slots=True)
class KeepCallBack:
    """Store that somebody is to be called back, or how that now stands."""

    call_back: CallBack


@dataclass(frozen=True, slots=True)
class CallBackOver:
    """This call-back has come to its end: it need be known no longer."""

    call_back: CallBack
    outcome: CallBackOutcome


@dataclass(frozen=True, slots=True)
class ShowAgent:
    """This agent's state may be another now, by something that is no call: their wrap-up began, was made longer or is over (None)."""

    agent: str
    wrap_up: WrapUp | None


@dataclass(frozen=True, slots=True)
class KeepWrapUp:
    """Store what an agent said of a call (``code``; empty: nothing) and how long the work on it took."""

    call_id: str
    agent: str
    queue: str
    code: str
    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class PutOnBreak:
    """This agent takes no calls from now on, because of something that they did not say themselves."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Record what the other side says and hears, from now on, as one part of the call's recording. ``agent_leg``: empty where whoever has
    the call is not there yet."""

    call_id: str
    recording_id: str
    phone_leg: str
    agent_leg: str
    agent: str
    consent: str
    answered: bool = False
    """Did the other side say yes in this very call?"""


@dataclass(frozen=True, slots=True)
class KeepConsent:
    """The other side was asked or told that the call is recorded. ``answer``: ``yes``, ``no`` or ``told``. ``by``: who says so; empty: they
    themselves."""

    call_id: str
    answer: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class PauseRecording:
    call_id: str
    recording_id: str


@dataclass(frozen=True, slots=True)
class ResumeRecording:
    call_id: str
    recording_id: str


@dataclass(frozen=True, slots=True)
class StopRecording:
    call_id: str
    recording_id: str


@dataclass(frozen=True, slots=True)
class EraseRecording:
    """Erase this part, as soon as it has ended: nobody agreed to it. ``by``: who says so."""

    call_id: str
    recording_id: str
    by: str


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Send digits to a phone leg (RFC 4733, or SIP INFO where that was not agreed)."""

    leg_id: str
    digits: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Show these people the call as it now stands."""

    agents: tuple[str, ...]
    view: CallView


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """Store the call as it now stands; the last write carries its end."""

    record: CallRecord


Effect = (
    OpenRoom
    | CloseRoom
    | PlaceCall
    | ExpectAgent
    | ReferPhone
    | TellReferrer
    | ShowParked
    | RingBack
    | LetHear
    | AnswerCall
    | HangUp
    | HoldPhone
    | JoinBridge
    | CloseLeg
    | SetGains
    | Play
    | PlayOnce
    | Hush
    | TakeMessage
    | AskWebhook
    | FindTarget
    | KeepCallBack
    | CallBackOver
    | ShowAgent
    | KeepWrapUp
    | PutOnBreak
    | StartRecording
    | PauseRecording
    | ResumeRecording
    | StopRecording
    | EraseRecording
    | KeepConsent
    | SendDigits
    | Notify
    | WriteRecord
)


_LAST_WORDS = (HangUp, WriteRecord, CloseRoom)


def is_last_word(effect: Effect) -> bool:
    """Is this of the end of a call, so that nothing may keep it from being done? A call has few of them."""
    return isinstance(effect, _LAST_WORDS) or (isinstance(effect, Notify) and effect.view.state is CallState.ENDED)
