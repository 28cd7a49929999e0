"""What may become of an appointment, as a table.

Theory. An appointment stands (``booked``; ``moved``: it stands at another time; ``confirmed``: the customer said they will come) until
its day comes. Then people make it true: the customer is there (``arrive``), somebody of the house is with them (``begin``), it is over
(``end``). Or they do not: who never came is a no-show when the grace is over, but may still come while the room is open; a customer whom
nobody of the house met was let down (``lapse``), which is no no-show of theirs. Nothing leaves ``cancelled`` and ``done``. What the table
does not have is refused where a person asks for it, and means nothing where a room or a clock tells it: both may tell late, and twice.
"""

from enum import StrEnum


class State(StrEnum):
    BOOKED = "booked"
    CONFIRMED = "confirmed"
    MOVED = "moved"
    CANCELLED = "cancelled"
    ARRIVED = "arrived"
    UNDER_WAY = "under_way"
    DONE = "done"
    NO_SHOW = "no_show"


class Step(StrEnum):
    CONFIRM = "confirm"
    MOVE = "move"
    CANCEL = "cancel"
    ARRIVE = "arrive"
    BEGIN = "begin"
    END = "end"
    MISS = "miss"
    LAPSE = "lapse"


STANDING = frozenset({State.BOOKED, State.CONFIRMED, State.MOVED})
"""In which an appointment is still to come."""
OPEN = STANDING | {State.ARRIVED, State.UNDER_WAY}
OVER = frozenset({State.CANCELLED, State.DONE, State.NO_SHOW})

TABLE: dict[tuple[State, Step], State] = {
    **{(state, Step.CONFIRM): State.CONFIRMED for state in (State.BOOKED, State.MOVED)},
    **{(state, Step.MOVE): State.MOVED for state in STANDING},
    **{(state, Step.CANCEL): State.CANCELLED for state in STANDING},
    **{(state, Step.ARRIVE): State.ARRIVED for state in STANDING | {State.NO_SHOW}},
    **{(state, Step.MISS): State.NO_SHOW for state in STANDING},
    (State.ARRIVED, Step.BEGIN): State.UNDER_WAY,
    (State.UNDER_WAY, Step.END): State.DONE,
    (State.ARRIVED, Step.LAPSE): State.CANCELLED,
}


def after(state: State, step: Step) -> State | None:
    """None where the table has no such step."""
    return TABLE.get((state, step))


def befores(step: Step) -> frozenset[State]:
    """From which states this step leads somewhere."""
    return frozenset(state for state, each in TABLE if each is step)
