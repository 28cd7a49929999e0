"""Agents in step with their 3CX extensions: what ``pbx/threecx/agent_step.py`` decides is asked for and done here."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import structlog

from api.store.pbx import PbxExtension
from pbx.threecx.agent_step import AgentStep, Shown, Take, Words
from pbx.threecx.directory import PbxUser
from pbx.threecx.faults import Forbidden, ThreeCxFault
from pbx.threecx.xapi import Xapi

log = structlog.get_logger()


class ThreeCxAgents:
    """``takes_calls`` says whether somebody takes calls here, ``take`` lets it be so (identity, available, reason). ``now``: monotonic
    seconds."""

    def __init__(
        self,
        xapi: Xapi,
        words: Words,
        *,
        takes_calls: Callable[[str], bool],
        take: Callable[[str, bool, str], None],
        now: Callable[[], float],
    ) -> None:
        self._xapi, self._words = xapi, words
        self._takes_calls, self._take, self._now = takes_calls, take, now
        self._steps: dict[str, AgentStep] = {}
        self._users: dict[str, PbxUser] = {}
        self._identities: dict[str, str] = {}
        self._dirty: dict[str, None] = {}
        self.counts: Counter[str] = Counter()

    def know(self, extensions: Iterable[PbxExtension]) -> None:
        """Who has which extension now."""
        self._identities = {each.number: each.identity for each in extensions if each.identity is not None}
        people = set(self._identities.values())
        self._steps = {identity: step for identity, step in self._steps.items() if identity in people}

    def numbers_of(self, identity: str) -> frozenset[str]:
        """The extensions of a person."""
        return frozenset(number for number, whose in self._identities.items() if whose == identity)

    def changed(self, identity: str) -> bool:
        """Somebody said here whether they take calls. True where it concerns 3CX."""
        if identity in self._steps:
            self._dirty[identity] = None
            return True
        return False

    async def settle_changed(self) -> None:
        """Tell 3CX of those who said something, by what it showed last."""
        identities, self._dirty = tuple(self._dirty), {}
        numbers = {identity: number for number, identity in self._identities.items()}
        for identity in identities:
            user = self._users.get(numbers.get(identity, ""))
            if user is not None:
                await self._step(identity, user)

    async def look(self) -> Mapping[str, PbxUser]:
        """See what 3CX shows of everybody, and put in step who is not. Raises ``ThreeCxFault``."""
        users = {user.number: user for user in await self._xapi.users()}
        self._users = users
        for number, identity in tuple(self._identities.items()):
            if (user := users.get(number)) is not None:
                await self._step(identity, user)
        return users

    async def _step(self, identity: str, user: PbxUser) -> None:
        step = self._steps.get(identity) or self._steps.setdefault(identity, AgentStep(self._words))
        for deed in step.look(self._takes_calls(identity), Shown(user.profile, user.queue_status), self._now()):
            if isinstance(deed, Take):
                self.counts["taken"] += 1
                self._take(identity, deed.available, deed.reason)
                continue
            try:
                await self._xapi.set_user(user, profile=deed.profile, queue_status=deed.queue_status)
                self.counts["written"] += 1
            except Forbidden as fault:
                self.counts["forbidden"] += 1
                log.error("threecx.agent_not_written", detail=str(fault), hint="give the API client the role of a system administrator")
            except ThreeCxFault as fault:
                self.counts["failed"] += 1
                log.warning("threecx.agent_not_written", detail=str(fault))
