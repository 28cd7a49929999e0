"""Pages that see who is there, everywhere."""

from collections.abc import Callable
from typing import Protocol

from rooms.presence import Attendance, Person
from signaling import messages as wire
from signaling.grants import Grant
from signaling.topics import team

WATCHED_S = 90.0
"""So long after it asked a page is told; pages ask again in time."""


class Topics(Protocol):
    """What is asked of ``signaling.hub.Hub``."""

    def publish(self, topic: str, notice: wire.Notice) -> None: ...

    def subscribe(self, identity: str, topic: str) -> None: ...

    def unsubscribe(self, identity: str, topic: str) -> None: ...


class Watchers:
    """``clock``: monotonic seconds. ``meet`` introduces the hub, without which nobody is told."""

    def __init__(self, attendance: Attendance, clock: Callable[[], float]) -> None:
        self._attendance, self._clock = attendance, clock
        self._pages: Topics | None = None
        self._until: dict[tuple[str, str], float] = {}

    def meet(self, pages: Topics) -> None:
        self._pages = pages

    def watch(self, grant: Grant) -> wire.PresenceNow:
        """Who is there, and from now on what changes; of somebody's own teams where they have any."""
        topics = [team(name) for name in sorted(grant.teams)] or [team("")]
        for topic in topics:
            if self._pages is not None and (grant.identity, topic) not in self._until:
                self._pages.subscribe(grant.identity, topic)
            self._until[grant.identity, topic] = self._clock() + WATCHED_S
        everybody = self._attendance.everybody()
        return wire.PresenceNow(
            people=[presence_state(someone) for someone in everybody if not grant.teams or grant.teams & frozenset(someone.teams)]
        )

    def tell(self) -> None:
        """What changed since the last time, to who watches: once a second at most, encoded once for each team."""
        now, pages = self._clock(), self._pages
        for (identity, topic), until in tuple(self._until.items()):
            if until <= now:
                del self._until[identity, topic]
                if pages is not None:
                    pages.unsubscribe(identity, topic)
        changed = self._attendance.tell(now)
        if pages is None or not self._until or not changed:
            return
        for topic in {topic for _, topic in self._until}:
            seen = [presence_state(someone) for someone in changed if topic == team("") or topic in map(team, someone.teams)]
            if seen:
                pages.publish(topic, wire.PresenceChanged(people=seen))


def presence_state(someone: Person) -> wire.PresenceState:
    """A person as pages see them."""
    return wire.PresenceState(
        identity=someone.identity,
        name=someone.name or someone.identity,
        online=someone.phones > 0,
        available=someone.available,
        presence=someone.presence.value,
        state=someone.state.value,
        reason=someone.reason,
        phones=someone.phones,
        pages=someone.pages,
    )
