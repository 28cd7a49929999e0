"""From link to conversation: how many consultations came how far, counted by the day on which their link was made.

The first moment of each step is kept, of a room and of nobody (``api/store/report_tables.py``). A later step implies those before it, so
that one that was not noted (a node that died) makes no hole.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Protocol

from msgspec import Struct

from api.rooms import RoomEvent
from api.store.rows import Line, Row
from rooms.membership import MemberState, Role, Room, RoomKind

STEPS: Mapping[str, str] = {
    "link_made": "A link to a consultation was made.",
    "opened": "Somebody opened the page by it.",
    "checked_in": "They gave a name and asked to come in.",
    "waited": "They were in the waiting room, or were let in at once.",
    "joined": "They were let in: the conversation began.",
    "finished": "The consultation in which they had been was ended.",
}
"""In their order, and what each is."""
_REMEMBERED = 4_096


class FunnelStep(Struct, frozen=True):
    """``reached``: so many came so far. ``of_links``, ``of_before``: as a fraction of all, and of the step before; None: of none."""

    step: str
    reached: int
    of_links: float | None
    of_before: float | None


class Funnel(Struct, frozen=True):
    """``wait_s``: the median time in the waiting room of those who were let in; None where nobody was."""

    steps: list[FunnelStep]
    wait_s: float | None


def funnel(rows: Iterable[Row]) -> Funnel:
    """``rows``: steps of each room and when they were taken first (``ReportStore.funnel``)."""
    taken: dict[str, dict[str, float]] = {}
    for row in rows:
        taken.setdefault(row["room_id"], {})[row["step"]] = row["at"]
    names = list(STEPS)
    far = [_far(steps, names) for steps in taken.values()]
    reached = [sum(1 for each in far if each >= place) for place in range(len(names))]
    waits = [steps["joined"] - steps["waited"] for steps in taken.values() if "joined" in steps and "waited" in steps]
    made = [
        FunnelStep(name, reached[at], _share(reached[at], reached[0]), _share(reached[at], reached[max(0, at - 1)]))
        for at, name in enumerate(names)
    ]
    return Funnel(made, max(0.0, median(waits)) if waits else None)


def _far(steps: Mapping[str, float], names: Sequence[str]) -> int:
    """The furthest step. A consultation that ended before anybody was in it was not finished."""
    return max(names.index(step) for step in steps if step in STEPS and (step != "finished" or "joined" in steps))


def _share(part: int, of: int) -> float | None:
    return part / of if of else None


class Keeps(Protocol):
    """Satisfied by ``api.store.writer.Writer``."""

    def put_lines(self, lines: Iterable[Line]) -> None: ...


class FunnelSteps:
    """Hears what happens in rooms and keeps the steps. Returns at once, whatever the database does. ``now``: seconds since the epoch."""

    def __init__(self, keeps: Keeps, now: Callable[[], float]) -> None:
        self._keeps, self._now = keeps, now
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()

    def link_made(self, room: Room) -> None:
        if room.kind is RoomKind.CONSULTATION:
            self._take(room.room_id, "link_made")

    def opened(self, room_id: str) -> None:
        self._take(room_id, "opened")

    def waiting(self, room: Room) -> None:
        """Others wait than before."""
        if room.kind is RoomKind.CONSULTATION and any(
            member.role is Role.GUEST and member.state is MemberState.WAITING for member in room.members.values()
        ):
            self._take(room.room_id, "checked_in", "waited")

    def hear(self, event: RoomEvent) -> None:
        if event.room.kind is not RoomKind.CONSULTATION:
            return
        member = event.room.members.get(event.identity)
        if event.event == "participant_joined" and member is not None and member.role is Role.GUEST:
            self._take(event.room.room_id, "checked_in", "waited", "joined")
        elif event.event == "room_finished":
            self._take(event.room.room_id, "finished")

    def _take(self, room_id: str, *steps: str) -> None:
        """Each once; what is forgotten here is known by the database."""
        new = [step for step in steps if (room_id, step) not in self._told]
        for step in new:
            self._told[room_id, step] = None
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        if new:
            self._keeps.put_lines([Line("consultation_steps", {"room_id": room_id, "step": step, "at": self._now()}) for step in new])
