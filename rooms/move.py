"""What is being done with a call that is answered: a transfer, a parking, a forwarding; and the table that says how that goes on.

Theory. A transfer needs no second call: its target is one more leg in the same room, and who hears whom meanwhile follows from which legs
are held. So a consultation is three legs of which one is held, to swap is to hold the other one, to complete is to leave, and a conference
is nothing going on any more with three legs there. What remains to be remembered is what follows when the target answers or does not:

    CALLING --ANSWERED--> CONSULTING: the agent asked first; the other side is held and hears music
    CALLING --FAILED, CANCELLED--> over: the agent is back with the other side
    CALLING --LEFT--> SENT: the agent does not wait for the answer
    CONSULTING --SWAPPED--> CONSULTING, and --LEFT, MERGED, CANCELLED, FAILED--> over
    SENT --ANSWERED--> over; --FAILED--> RETURNING: blind; nobody of ours is there, and the other side hears ringing
    REFERRED --ANSWERED--> over; --FAILED--> SENT: the PBX was asked to do it (REFER). It refuses: we do it ourselves
    OBEYED --ANSWERED, FAILED--> over: the other side asked us for it (its REFER), and waits
    FORWARDED --ANSWERED--> over: a call that nobody has answered yet is led on to another number
    PARKED --ANSWERED--> over; --FAILED--> RETURNING: nobody picked it up in time
    RETURNING --ANSWERED--> over: it rings at whose call it was. FAILED ends the call, and so it does when it is FORWARDED: nobody is left
    GUIDED --QUEUED--> WAITING: a flow leads the caller (``rooms/guidance.py``), to a queue: in it WAITING --ANSWERED--> over, by an agent
    who was offered it; WAITING --FAILED--> GUIDED: nobody took it, the flow goes on. GUIDED --ANSWERED--> over: whom the flow had called

``over`` is no state: the call then has no move.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from rooms.causes import Cause


class MoveState(StrEnum):
    CALLING = "calling"
    CONSULTING = "consulting"
    SENT = "sent"
    REFERRED = "referred"
    OBEYED = "obeyed"
    FORWARDED = "forwarded"
    PARKED = "parked"
    RETURNING = "returning"
    GUIDED = "guided"
    WAITING = "waiting"


class MoveStep(Enum):
    ANSWERED = auto()
    FAILED = auto()
    CANCELLED = auto()
    LEFT = auto()
    SWAPPED = auto()
    MERGED = auto()
    QUEUED = auto()


_S, _T = MoveState, MoveStep
MOVE_TABLE: dict[tuple[MoveState, MoveStep], MoveState | None] = {
    (_S.CALLING, _T.ANSWERED): _S.CONSULTING,
    (_S.CALLING, _T.FAILED): None,
    (_S.CALLING, _T.CANCELLED): None,
    (_S.CALLING, _T.LEFT): _S.SENT,
    (_S.CONSULTING, _T.SWAPPED): _S.CONSULTING,
    (_S.CONSULTING, _T.LEFT): None,
    (_S.CONSULTING, _T.MERGED): None,
    (_S.CONSULTING, _T.CANCELLED): None,
    (_S.CONSULTING, _T.FAILED): None,
    (_S.SENT, _T.ANSWERED): None,
    (_S.SENT, _T.FAILED): _S.RETURNING,
    (_S.REFERRED, _T.ANSWERED): None,
    (_S.REFERRED, _T.FAILED): _S.SENT,
    (_S.OBEYED, _T.ANSWERED): None,
    (_S.OBEYED, _T.FAILED): None,
    (_S.FORWARDED, _T.ANSWERED): None,
    (_S.PARKED, _T.ANSWERED): None,
    (_S.PARKED, _T.FAILED): _S.RETURNING,
    (_S.RETURNING, _T.ANSWERED): None,
    (_S.GUIDED, _T.QUEUED): _S.WAITING,
    (_S.GUIDED, _T.ANSWERED): None,
    (_S.WAITING, _T.ANSWERED): None,
    (_S.WAITING, _T.FAILED): _S.GUIDED,
}
"""None: the move is over."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a call is to reach: an agent by identity, ``number`` as it is dialled on ``trunk``, or whoever is free of a ``queue``."""

    agent: str = ""
    number: str = ""
    trunk: str = ""
    queue: str = ""

    @property
    def name(self) -> str:
        return self.agent or self.number or self.queue


@dataclass(slots=True)
class Move:
    """``by``: whose doing it is. ``leg_id``: the target's leg, empty where it has none. ``referrer``: the leg whose REFER it is.

    ``slot``: where it is parked, 0: nowhere. ``why``: for what cause it came back. ``hops``: how often the call was led on already.
    """

    state: MoveState
    by: str
    since_s: float
    target: Target = Target()
    leg_id: str = ""
    referrer: str = ""
    slot: int = 0
    why: Cause | None = None
