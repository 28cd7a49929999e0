"""Who hears which topic. Kept by person, not by connection, so that a page reload loses nothing."""

from collections.abc import Callable, Iterable

from signaling.topics import owner_of, person


class Audience:
    """Everybody hears their own topic and what they were subscribed to; who belongs to the house also the ``common`` ones."""

    def __init__(self, common: Iterable[str]) -> None:
        self._common = tuple(common)
        self._hearers: dict[str, dict[str, None]] = {}
        self._heard: dict[str, dict[str, None]] = {}

    def subscribe(self, identity: str, topic: str) -> None:
        self._hearers.setdefault(topic, {})[identity] = None
        self._heard.setdefault(identity, {})[topic] = None

    def unsubscribe(self, identity: str, topic: str) -> None:
        for table, key, value in ((self._hearers, topic, identity), (self._heard, identity, topic)):
            row = table.get(key, {})
            row.pop(value, None)
            if not row:
                table.pop(key, None)

    def settle(self, topic: str, identities: Iterable[str]) -> None:
        """These people hear the topic and nobody else."""
        wanted = dict.fromkeys(identities)
        for identity in [identity for identity in self._hearers.get(topic, ()) if identity not in wanted]:
            self.unsubscribe(identity, topic)
        for identity in wanted:
            self.subscribe(identity, topic)

    def retain(self, keeps: Callable[[str], bool]) -> None:
        """Nobody hears the other topics any more."""
        for topic in [topic for topic in self._hearers if not keeps(topic)]:
            self.close(topic)

    def close(self, topic: str) -> None:
        """Nobody hears this topic any more."""
        for identity in tuple(self._hearers.get(topic, ())):
            self.unsubscribe(identity, topic)

    def hearers(self, topic: str, online: Iterable[str]) -> tuple[str, ...]:
        """Whom to tell; ``online`` is everybody who is there and hears common topics."""
        if topic in self._common:
            return tuple(online)
        owner = owner_of(topic)
        hearers = self._hearers.get(topic, {})
        return tuple(hearers) if owner is None else (owner, *(identity for identity in hearers if identity != owner))

    def topics_of(self, identity: str, *, common: bool = True) -> list[str]:
        """``common``: does this person hear common topics?"""
        return list(dict.fromkeys([person(identity), *(self._common if common else ()), *self._heard.get(identity, ())]))
