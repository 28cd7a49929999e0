"""A place in a queue, the offer of it to agents, and how either ends."""

from dataclasses import dataclass
from enum import StrEnum

from rooms.queues.queue_plan import SkillNeed


class Medium(StrEnum):
    """How the one who waits is going to be spoken with. Any of them takes all of an agent."""

    VOICE = "voice"
    CONSULTATION = "consultation"
    CALL_BACK = "call_back"
    """Nobody is on the line: the agent who takes it calls."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """``since_s``: its place counts from here; who comes back, or is called back, keeps it. ``needs``: beside those of the queue.

    ``last_agent``: whom the caller spoke with last, waited for during the queue's ``sticky_s``.
    """

    ticket_id: str
    queue: str
    since_s: float
    priority: int = 0
    needs: tuple[SkillNeed, ...] = ()
    last_agent: str = ""
    medium: Medium = Medium.VOICE

    @property
    def has_a_caller(self) -> bool:
        """Is somebody there who waits?"""
        return self.medium is not Medium.CALL_BACK


class Entered(StrEnum):
    """What became of a ticket that was to enter."""

    WAITING = "waiting"
    FULL = "full"
    NOBODY = "nobody"
    """Nobody is signed in who could ever take it."""
    UNKNOWN_QUEUE = "unknown_queue"


class Left(StrEnum):
    """How a ticket ended that was not answered by whom it was offered to."""

    ABANDONED = "abandoned"
    SERVED = "served"
    """By somebody who took it without an offer."""
    TIMEOUT = "timeout"
    OVERFLOWED = "overflowed"
    CALL_BACK = "call_back"
    """The caller hung up to be called back."""
    CLOSED = "closed"


class Refused(StrEnum):
    """Why an agent did not take what was offered."""

    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    GONE = "gone"
    """Is not there any more: gets nothing until said to be free again."""


@dataclass(frozen=True, slots=True)
class Offer:
    """``agents`` are reserved until the ticket is answered, refused by them, or leaves. In the order in which they are chosen."""

    ticket_id: str
    queue: str
    agents: tuple[str, ...]
