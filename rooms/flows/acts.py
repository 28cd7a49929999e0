"""What a run wants done for its caller: the only output of ``rooms/flows/run.py``. Performed in order.

An act that waits is ended by ``FlowRun.done(outcome, now)``; the outcomes stand with it. Music goes on until the next act that is heard.
"""

from dataclasses import dataclass

from rooms.causes import Cause
from rooms.queues.queue_plan import SkillNeed


@dataclass(frozen=True, slots=True)
class Ring:
    """Let the caller, who is not answered yet, hear ringing: something is being found out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the call: from here on the caller hears us. Comes once, before the first act that is heard."""


@dataclass(frozen=True, slots=True)
class Say:
    """Play these sounds once, one after the other, in place of what plays. Ends by ``said``, also where a sound could not be played."""

    sounds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopSaying:
    """The caller has heard enough: nothing of the last ``Say`` is played any more, and no ``said`` follows."""


@dataclass(frozen=True, slots=True)
class Music:
    """Play this round and round while the caller waits, or while we wait for them."""

    sound: str


@dataclass(frozen=True, slots=True)
class JoinQueue:
    """Let the caller wait in a queue. ``priority`` beside the queue's own, ``needs`` and ``music`` in place of them where not empty.

    Ends by ``full``, ``nobody``, ``timeout``, ``call_back``, or ``answered``, which ends the run.
    """

    queue: str
    priority: int = 0
    needs: tuple[SkillNeed, ...] = ()
    music: str = ""


@dataclass(frozen=True, slots=True)
class TakeMessage:
    """Record what the caller says, at most so long. Ends by ``taken``, ``empty`` or ``failed``."""

    box: str
    max_s: float


@dataclass(frozen=True, slots=True)
class AskWebhook:
    """Ask another program, telling it these facts. Ends by ``ok`` or ``failed``, with the facts that it answered."""

    webhook: str
    facts: tuple[tuple[str, str | float | bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Connect:
    """Ring somebody, and let the caller hear it ring: a number, an extension, or an agent by identity. Ends by ``busy``, ``no_answer``,
    ``failed``, or ``answered``, which ends the run."""

    target: str
    ring_s: float
    is_agent: bool = False


@dataclass(frozen=True, slots=True)
class OfferCallBack:
    """Keep the caller's wish to be called back at ``number`` in the order of a queue. Ends by ``kept`` or ``refused``."""

    queue: str
    number: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The call is over for us: hang up, or refuse it where it was never answered. The last act of a run."""

    cause: Cause


Act = Ring | Answer | Say | StopSaying | Music | JoinQueue | TakeMessage | AskWebhook | Connect | OfferCallBack | Finish
