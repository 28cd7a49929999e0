"""What agents can and of which queues they are: kept in the database, told to call control of every node."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from api.store import StoreUnavailable
from api.store.centre import AgentSkills, CentreStore
from rooms.events import AgentSkilled, Event
from signaling.refusal import Refusal

log = structlog.get_logger()


class Skills:
    """``feed`` tells call control here, ``tell_nodes(identity)`` the other nodes, ``exists``: is there somebody of this identity?
    ``note(kind, who, by=, detail=)`` is of the audit. Everything raises ``StoreUnavailable`` but what looks."""

    def __init__(
        self,
        store: CentreStore,
        *,
        feed: Callable[[Event], None],
        tell_nodes: Callable[[str], None],
        exists: Callable[[str], Awaitable[bool]],
        note: Callable[..., None],
    ) -> None:
        self._store = store
        self._feed = feed
        self._tell_nodes = tell_nodes
        self._exists = exists
        self._note = note
        self._skilled: set[str] = set()

    async def restore(self) -> None:
        """What everybody can."""
        found = {known.identity: known for known in await self._store.everybodys_skills()}
        for identity in self._skilled - set(found):
            self._apply(AgentSkills(identity, {}, []))
        for known in found.values():
            self._apply(known)

    async def look_again(self) -> None:
        """What another node was told may not have been heard here."""
        try:
            await self.restore()
        except StoreUnavailable:
            log.warning("skills.unread", detail="What others can is as it was before; the database does not answer.")

    async def look(self, identity: str) -> None:
        """Another node was told something new."""
        try:
            self._apply(await self._store.skills_of(identity))
        except StoreUnavailable:
            log.warning("skills.unread", detail="Another node changed what somebody can; the database does not answer.")

    async def of(self, identity: str) -> AgentSkills:
        """Raises ``Refusal`` for nobody."""
        if not await self._exists(identity):
            raise Refusal("unknown_user", "There is nobody of this name, or they may not sign in.")
        return await self._store.skills_of(identity)

    async def give(self, identity: str, skills: Mapping[str, int], queues: Sequence[str], *, by: str) -> AgentSkills:
        """In place of what this person had. Raises ``Refusal`` for nobody."""
        await self.of(identity)
        wanted = AgentSkills(identity, dict(skills), sorted(set(queues)))
        await self._store.keep_skills(wanted)
        levels = " ".join(f"{skill}:{level}" for skill, level in sorted(skills.items()))
        self._note("skills_changed", identity, by=by, detail=f"{levels}; queues {' '.join(wanted.queues) or 'all'}"[:500])
        self._apply(wanted)
        self._tell_nodes(identity)
        return wanted

    def _apply(self, known: AgentSkills) -> None:
        (self._skilled.add if known.skills or known.queues else self._skilled.discard)(known.identity)
        self._feed(AgentSkilled(known.identity, known.skills, frozenset(known.queues)))
