"""Somebody who asked to be called back, and how that stands. The place in the queue is kept: it counts from when they began to wait."""

from dataclasses import dataclass
from enum import StrEnum


class CallBackOutcome(StrEnum):
    """How a call-back came to its end."""

    REACHED = "reached"
    GIVEN_UP = "given_up"
    """Nobody answered as often as was tried."""
    CANCELLED = "cancelled"


class CallBackState(StrEnum):
    WAITING = "waiting"
    OFFERED = "offered"
    CALLING = "calling"


@dataclass(frozen=True, slots=True)
class CallBack:
    """``call_back_id``: the id of the call in which it was asked for. ``number``: as it is dialled. Times are seconds on the core's clock.

    ``tries``: how often the number was dialled in vain; ``next_s``: before then it is not offered again.
    """

    call_back_id: str
    queue: str
    number: str
    name: str
    language: str
    since_s: float
    priority: int = 0
    tries: int = 0
    next_s: float | None = None
    seq: int = 0
    """Counts up with every word that is stored of it."""


@dataclass(frozen=True, slots=True)
class CallBackView:
    """As people see it. ``agent``: at whose it rings, or who calls."""

    call_back: CallBack
    state: CallBackState
    agent: str = ""
