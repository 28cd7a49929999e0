"""Sessions: sign-ins that their person sees and ends. What ends one acts on open connections within a second, on every node.

The database says which sessions were ended. The node that finds out first tells the others at once; each looks by itself twice a second
besides, for a word to another node may get lost, and the command line tells nobody. Between looks a token is believed by its signature
and by what this node knows: nothing waits for the database on the way of a request.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol, Self
from uuid import uuid4

import structlog
from msgspec import Struct

from api.identity.devices import Device
from api.store import StoredSession, StoreUnavailable
from signaling.grants import Grant
from signaling.refusal import Refusal
from signaling.tokens import LONGEST_LIFE_S, TokenIssuer

log = structlog.get_logger()
LOOK_EVERY_S = 0.5
_OVERLAP_S = 10.0
"""Clocks of nodes differ, and a row is seen when its transaction ends: each look goes back so far."""
_LOOK_FOR_CALL_S = 30.0
"""Whoever did nothing for so long may be in a call, which counts as doing something."""
_MOST_SEEN = 100_000
_KEPT_S = 90 * 86_400.0
_TIDY_EVERY_S = 3_600.0
_EVERY_TOKEN = "*"
"""Begins the id of a session that was never open: it stands for all tokens of its person, those of guests too, which have no session."""


class Ended(Struct, frozen=True):
    """Is good no more since ``at`` (seconds since the epoch): this session, or every token issued to this person until then."""

    session_id: str
    identity: str
    at: float


class SessionStore(Protocol):
    async def open_session(self, session: StoredSession) -> None: ...

    async def session(self, session_id: str) -> StoredSession | None: ...

    async def open_sessions(self, identity: str) -> list[StoredSession]: ...

    async def ended_sessions(self, since: float) -> list[StoredSession]: ...

    async def saw_session(self, session_id: str, at: float) -> None: ...

    async def end_session(self, session_id: str, identity: str, at: float, by: str) -> bool: ...

    async def end_sessions(self, identity: str, at: float, by: str, *, but: str = "") -> int: ...

    async def forget_sessions(self, before: float) -> int: ...


class Sessions:
    """``async with``: looks for what was ended elsewhere. ``idle_s``: so long without a request, and without a call, a session lasts;
    ``longest_s``: so long at most. ``clock``: seconds since the epoch."""

    def __init__(
        self,
        store: SessionStore,
        tokens: TokenIssuer,
        *,
        idle_s: float = 1_800.0,
        longest_s: float = 12 * 3_600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._idle_s = idle_s
        self._longest_s = longest_s
        self._in_call: Callable[[str], bool] = lambda identity: False
        self._on_ended: Callable[[str], None] = lambda identity: None
        self._tell: Callable[[Sequence[Ended]], None] = lambda ended: None
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._ended: dict[str, float] = {}
        self._teams: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._looked_to = clock() - LONGEST_LIFE_S
        self._tidy_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.look()
        self._task = asyncio.create_task(self._look_on(), name="sessions")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def meet(
        self,
        *,
        in_call: Callable[[str], bool],
        on_ended: Callable[[str], None],
        tell: Callable[[Sequence[Ended]], None] = lambda ended: None,
    ) -> None:
        """Who knows whether a person is in a call, who hears whose session ended, and who tells the other nodes, for their ``hear``."""
        self._in_call, self._on_ended, self._tell = in_call, on_ended, tell

    # ------------------------------------------------------------------ a session's life

    async def open(self, identity: str, device: Device, *, second_factor: bool) -> str:
        """A new session's id."""
        now, session_id = self._clock(), uuid4().hex
        await self._store.open_session(
            StoredSession(session_id, identity, device.kind, device.digest, device.place, second_factor, now, now)
        )
        return session_id

    def verify(self, token: str) -> Grant:
        """What a token grants, if its session still lasts. Raises ``Refusal``."""
        grant = self._tokens.verify(token)
        if grant.session_id:
            if grant.session_id in self._ended:
                raise _was_ended()
            self._refuse_idle(grant, grant.issued_at)
            if self._teams.get(grant.identity) != grant.teams:
                self._teams[grant.identity] = grant.teams
                while len(self._teams) > _MOST_SEEN:
                    self._teams.popitem(last=False)
        return grant

    def teams_of(self, identity: str) -> frozenset[str]:
        """In which teams somebody is who was here: their token said so."""
        return self._teams.get(identity, frozenset())

    def has_ended(self, session_id: str) -> bool:
        """Was this session ended before its time?"""
        return session_id in self._ended

    def touch(self, grant: Grant) -> None:
        """Its person did something."""
        if grant.session_id:
            self._seen[grant.session_id] = self._clock()
            self._seen.move_to_end(grant.session_id)
            while len(self._seen) > _MOST_SEEN:
                self._seen.popitem(last=False)

    async def check_renewable(self, grant: Grant) -> None:
        """Raises ``Refusal`` where a session may not go on; else the store hears when its person was last seen."""
        if not grant.session_id:
            return
        known = await self._store.session(grant.session_id)
        if known is None or known.ended_at is not None:
            raise _was_ended()
        self._refuse_idle(grant, known.seen_at)
        await self._store.saw_session(grant.session_id, self._seen[grant.session_id])

    def _refuse_idle(self, grant: Grant, seen_before: float) -> None:
        """``seen_before``: where this node has not seen the session yet."""
        now, session_id = self._clock(), grant.session_id
        seen = self._seen.setdefault(session_id, seen_before)
        if now - seen > _LOOK_FOR_CALL_S and self._in_call(grant.identity):
            self.touch(grant)
        elif now - seen > self._idle_s:
            raise Refusal("token_expired", "You did nothing for long, so your session ended: please sign in again.")

    # ------------------------------------------------------------------ seeing and ending

    async def of(self, identity: str) -> list[StoredSession]:
        """A person's sessions that still last, newest first."""
        now, last = self._clock(), []
        for session in await self._store.open_sessions(identity):
            seen = max(session.seen_at, self._seen.get(session.session_id, 0.0))
            if now - seen <= self._idle_s and now - session.created_at <= self._longest_s:
                last.append(session)
        return last

    async def end(self, session_id: str, identity: str, by: str) -> bool:
        """End one of this person's. False where there is no such, or not any more."""
        ended = await self._store.end_session(session_id, identity, self._clock(), by)
        await self.look()
        return ended

    async def end_all(self, identity: str, by: str, *, but: str = "") -> int:
        """End a person's sessions, ``but`` this one; without it also what they hold beside: a guest's tokens. How many they were."""
        now = self._clock()
        if not but:
            await self._store.open_session(StoredSession(_EVERY_TOKEN + uuid4().hex[1:], identity, "", "", "", False, now, now, now, by))
        ended = await self._store.end_sessions(identity, now, by, but=but)
        await self.look()
        return ended

    async def bar(self, session_id: str, by: str) -> None:
        """End what is no sign-in, on every node: all that came by a link. Raises ``StoreUnavailable``; what is open ends all the same."""
        now = self._clock()
        self._tell(self.hear([Ended(session_id, "", now)]))
        await self._store.open_session(StoredSession(session_id, "", "", "", "", False, now, now, now, by))

    # ------------------------------------------------------------------ what ended elsewhere

    async def look(self) -> None:
        """See which sessions were ended since the last look, and tell the other nodes. Raises ``StoreUnavailable``."""
        now = self._clock()
        rows = await self._store.ended_sessions(self._looked_to - _OVERLAP_S)
        self._looked_to = now
        new = self.hear([Ended(row.session_id, row.identity, row.ended_at or now) for row in rows])
        if new:
            self._tell(new)
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_EVERY_S
            # A token of before then has expired by itself.
            self._ended = {session_id: at for session_id, at in self._ended.items() if at > now - 2 * LONGEST_LIFE_S}
            await self._store.forget_sessions(now - max(_KEPT_S, self._longest_s))

    def hear(self, ended: Sequence[Ended]) -> list[Ended]:
        """Act on what ended, here or elsewhere. What of it was new here."""
        new = [one for one in ended if one.session_id not in self._ended]
        for one in new:
            self._ended[one.session_id] = one.at
            self._seen.pop(one.session_id, None)
            if one.session_id.startswith(_EVERY_TOKEN):
                self._revoke(one)
        for identity in {one.identity for one in new}:
            self._on_ended(identity)
        return new

    def _revoke(self, one: Ended) -> None:
        try:
            self._tokens.revoke(one.identity, one.at)
        except Refusal as refusal:
            log.error("sessions.not_revoked", detail=refusal.message)

    async def _look_on(self) -> None:
        there = True
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except StoreUnavailable as error:
                if there:
                    log.error("sessions.store_away", detail=str(error), hint="sessions ended meanwhile end when the database is back")
                there = False
            else:
                there = True


def _was_ended() -> Refusal:
    return Refusal("token_revoked", "This session was ended, by you or an administrator: please sign in again.")
