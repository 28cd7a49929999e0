"""Who is typing in which room. Pure: ``now`` is monotonic seconds.

A page says so again every few seconds while its person types; who has not for ``lasts_s`` has stopped. Of one room the first ``most`` are
told by name: nobody reads more.
"""

from rooms.deadlines import Deadlines


class TypingMarks:
    """Bounded by the members of rooms, because only they may type."""

    def __init__(self, *, lasts_s: float = 6.0, most: int = 8) -> None:
        self._lasts_s = lasts_s
        self._most = most
        self._typing: dict[str, dict[str, None]] = {}
        self._deadlines: Deadlines[tuple[str, str]] = Deadlines()

    def of(self, room_id: str) -> list[str]:
        """Who types, who began first first."""
        return list(self._typing.get(room_id, ()))[: self._most]

    def mark(self, room_id: str, identity: str, on: bool, now: float) -> bool:
        """This person types, or has stopped; True where that changes what is to be told."""
        before = self.of(room_id)
        if on:
            self._typing.setdefault(room_id, {})[identity] = None
            self._deadlines.set((room_id, identity), now + self._lasts_s)
        else:
            self._stop(room_id, identity)
        return self.of(room_id) != before

    def expire(self, now: float) -> list[str]:
        """The rooms in which somebody has stopped since."""
        changed: dict[str, None] = {}
        while (due := self._deadlines.pop_due(now)) is not None:
            self._stop(*due)
            changed[due[0]] = None
        return list(changed)

    def next_deadline(self) -> float | None:
        return self._deadlines.next()

    def _stop(self, room_id: str, identity: str) -> None:
        self._deadlines.clear((room_id, identity))
        of_room = self._typing.get(room_id, {})
        of_room.pop(identity, None)
        if not of_room:
            self._typing.pop(room_id, None)
