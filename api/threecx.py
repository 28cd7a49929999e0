"""A 3CX at work with this server: its calls are followed, its people known, agents in step, its log joined to our record."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Protocol, Self

import structlog
from msgspec import Struct

from api.audit.audit import Audit
from api.store import Store, StoreUnavailable
from api.store.pbx import PbxCall, PbxDidRow, PbxExtension, PbxQueueRow
from api.threecx_agents import ThreeCxAgents
from api.threecx_import import ThreeCxImport
from api.threecx_journal import ThreeCxJournal
from api.threecx_settings import ThreeCxWork
from pbx.numbers import Number, NumberKind
from pbx.threecx.call_book import BookEvent, LegAppeared
from pbx.threecx.call_control import CallControl
from pbx.threecx.directory import ActiveCall, Licence, PbxUser, Segment
from pbx.threecx.event_feed import EventFeed
from pbx.threecx.faults import Forbidden, Gone, Rejected, ThreeCxFault
from pbx.threecx.session import PbxSession
from pbx.threecx.sound_line import SoundLine
from pbx.threecx.xapi import Xapi
from rooms.record import CallRecord
from signaling.refusal import Refusal

log = structlog.get_logger()
_HISTORY_S = 30 * 86_400.0
_LICENCE_OLD_S = 60.0
"""What was said of simultaneous calls counts so long; then nobody is refused by it."""


class People(Protocol):
    """What is asked of ``api.nodes.nodes.Nodes``."""

    def takes_calls(self, identity: str) -> bool: ...

    def wish(self, identity: str, *, available: bool, reason: str, away: bool) -> None: ...

    @property
    def leads(self) -> bool:
        """Is this the one of several nodes that does what one is enough for?"""
        ...


class ThreeCxStatus(Struct, frozen=True):
    """``events``: does its event socket tell us what goes on? ``trouble``: what an administrator has to know; empty where all is well."""

    events: bool
    detail: str
    trouble: str
    version: str
    product: str
    most_calls: int
    calls: int
    calls_seen: int
    numbers_watched: int
    extensions: int
    people: int
    imported_at: float | None


class PbxDirectory(Struct, frozen=True):
    extensions: list[PbxExtension]
    queues: list[PbxQueueRow]
    dids: list[PbxDidRow]


class ThreeCx:
    """``async with``. ``people`` are introduced by ``meet``; until then nobody is kept in step. ``line``: our
    route point's, if it is used."""

    def __init__(
        self,
        work: ThreeCxWork,
        store: Store,
        audit: Audit,
        clock: Callable[[], float] = time.time,
        *,
        line: SoundLine | None = None,
    ) -> None:
        self._work, self._store, self._clock = work, store, clock
        self._loop = asyncio.get_running_loop()
        self._session = PbxSession(work.pbx)
        self._control = CallControl(self._session)
        self._xapi = Xapi(self._session, self._loop.time)
        self._line = line
        self._feed = EventFeed(
            self._session,
            self._control,
            on_event=self._on_event,
            on_digits=line.on_digits if line is not None else lambda dn, participant, digits: None,
            on_state=self._on_state,
        )
        if line is not None:
            line.meet(self._session, self._control)
        self._import = ThreeCxImport(
            self._xapi,
            store.pbx,
            store.people,
            given=work.extensions,
            own_numbers=work.own_numbers,
            make_people=work.import_people,
            note=audit.note,
            clock=clock,
        )
        self._agents = ThreeCxAgents(self._xapi, work.words, takes_calls=self._takes_calls, take=self._take, now=self._loop.time)
        self._journal = ThreeCxJournal(self._xapi, store.pbx, numbers_of=self._numbers_of, after_s=work.join_after_s, clock=clock)
        self._people: People | None = None
        self._licence = Licence()
        self._licence_at_s = float("-inf")
        self._begun: list[float] = []
        self._trunks: frozenset[str] = frozenset()
        self._extensions: list[PbxExtension] = []
        self._imported_at: float | None = None
        self._neglected = ""
        self._changed = asyncio.Event()
        self._met = asyncio.Event()
        self._importing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()

    def meet(self, people: People) -> None:
        self._people = people
        self._met.set()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._session)
        await self._stack.enter_async_context(self._feed)
        self._stack.push_async_callback(self._journal.close)
        try:
            self._extensions = await self._store.pbx.extensions()
        except StoreUnavailable as fault:
            log.error("threecx.extensions_unread", detail=str(fault))
        self._agents.know(self._extensions)
        self._start("import", self._keep_importing())
        self._start("look", self._keep_looking())
        self._start("changes", self._keep_writing())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    def _start(self, name: str, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=f"threecx-{name}"))

    # ------------------------------------------------------------------ calls

    def ask(self, number: Number | None) -> None:
        """May another call go over the PBX's line? Raises ``Refusal`` where the licence has no more; emergency calls always may."""
        now = self._loop.time()
        self._begun = [at for at in self._begun if at > self._licence_at_s and now - at < _LICENCE_OLD_S]
        known = now - self._licence_at_s < _LICENCE_OLD_S and self._licence.most_calls > 0
        calls = self._licence.calls + len(self._begun)
        if known and calls >= self._licence.most_calls and (number is None or number.kind is not NumberKind.EMERGENCY):
            raise Refusal(
                "pbx_full",
                f"The PBX's licence allows {self._licence.most_calls} calls at once, and so many are on: try again in a moment.",
                10.0,
            )
        self._begun.append(now)

    def heard(self, record: CallRecord, to_epoch: Callable[[float], float]) -> None:
        """A call over the PBX's line as it was just recorded."""
        self._journal.heard(record, to_epoch)

    def _on_event(self, event: BookEvent) -> None:
        if isinstance(event, LegAppeared):
            log.debug("threecx.leg", status=event.leg.status, adopted=event.adopted)
        if self._line is not None:
            self._line.on_book_event(event)

    def _on_state(self, up: bool, detail: str) -> None:
        log.info("threecx.events", up=up, detail=detail)
        if self._line is not None:
            self._line.on_state(up, detail)

    # ------------------------------------------------------------------ people

    def changed(self, identity: str) -> None:
        """Somebody said whether they take calls."""
        if self._work.in_step and self._agents.changed(identity):
            self._changed.set()

    def _takes_calls(self, identity: str) -> bool:
        return self._people is None or self._people.takes_calls(identity)

    def _take(self, identity: str, available: bool, reason: str) -> None:
        if self._people is not None:
            self._people.wish(identity, available=available, reason=reason, away=False)

    def _numbers_of(self, identity: str) -> frozenset[str]:
        return self._agents.numbers_of(identity) | self._work.own_numbers | self._trunks

    @property
    def _leads(self) -> bool:
        return self._people is not None and self._people.leads

    # ------------------------------------------------------------------ what is asked now and then

    async def _keep_importing(self) -> None:
        await self._met.wait()
        while True:
            wait_s = self._work.import_every_s
            try:
                if self._leads:
                    await self.import_now()
                else:
                    self._extensions = await self._store.pbx.extensions()
                    self._agents.know(self._extensions)
                    wait_s = min(wait_s, self._work.retry_s)
            except (ThreeCxFault, StoreUnavailable) as fault:
                self._neglected = str(fault)
                log.warning("threecx.not_imported", detail=str(fault))
                wait_s = min(wait_s, self._work.retry_s)
            await asyncio.sleep(wait_s)

    async def import_now(self) -> int:
        """Take over people, extensions, queues and numbers; how many extensions. Raises ``ThreeCxFault``, ``StoreUnavailable``."""
        async with self._importing:
            self._extensions = await self._import.run()
            self._agents.know(self._extensions)
            with suppress(Forbidden, Gone, Rejected):
                self._trunks = frozenset(await self._xapi.trunks_of(self._work.own_numbers))
            self._imported_at = self._clock()
            self._neglected = ""
            return len(self._extensions)

    async def _keep_looking(self) -> None:
        """The licence, and what 3CX shows of agents."""
        while True:
            try:
                self._licence = await self._ask_licence()
                self._licence_at_s = self._loop.time()
                if self._work.in_step and self._leads:
                    users = await self._agents.look()
                    states = {number: (user.profile, user.queue_status, user.registered) for number, user in users.items()}
                    await self._store.pbx.set_state(states, self._clock())
            except (ThreeCxFault, StoreUnavailable) as fault:
                log.warning("threecx.not_looked", detail=str(fault))
            await asyncio.sleep(self._work.look_every_s)

    async def _ask_licence(self) -> Licence:
        if not self._licence.product and not self._licence.most_calls:
            return await self._xapi.licence()
        now = await self._xapi.calls_active()
        return Licence(
            now.product or self._licence.product,
            now.most_calls or self._licence.most_calls,
            now.calls,
            now.version or self._licence.version,
            self._licence.call_flows,
            self._licence.enterprise,
        )

    async def _keep_writing(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._leads:
                await self._agents.settle_changed()

    # ------------------------------------------------------------------ how it stands

    @property
    def trouble(self) -> str:
        return self._session.trouble or ("" if self._feed.up else self._feed.detail) or self._neglected

    def status(self) -> ThreeCxStatus:
        return ThreeCxStatus(
            events=self._feed.up,
            detail=self._feed.detail,
            trouble=self.trouble,
            version=self._licence.version or self._session.version,
            product=self._licence.product,
            most_calls=self._licence.most_calls,
            calls=self._licence.calls,
            calls_seen=self._feed.book.calls,
            numbers_watched=len(self._feed.dns),
            extensions=len(self._extensions),
            people=sum(each.identity is not None for each in self._extensions),
            imported_at=self._imported_at,
        )

    async def directory(self) -> PbxDirectory:
        """Raises ``StoreUnavailable``."""
        store = self._store.pbx
        return PbxDirectory(await store.extensions(), await store.queues(), await store.dids())

    async def extension(self, number: str) -> PbxUser | None:
        """Whose extension this is, as the PBX said within the hour. Raises ``ThreeCxFault``."""
        return await self._xapi.user(number)

    async def calls_with(self, number: str) -> list[Segment]:
        """The last calls of the PBX with this number, of thirty days. Raises ``ThreeCxFault``."""
        return await self._xapi.calls_with(number, self._clock() - _HISTORY_S)

    async def active_calls(self) -> list[ActiveCall]:
        """The calls that are on in the PBX. Raises ``ThreeCxFault``."""
        return await self._xapi.active_calls()

    async def call(self, call_id: str) -> PbxCall | None:
        """What the PBX says of a call of ours. Raises ``StoreUnavailable``."""
        return await self._store.pbx.call(call_id)

    @property
    def counts(self) -> Mapping[str, float]:
        of_feed = {f"events_{name}": number for name, number in self._feed.counts.items()}
        of_agents = {f"agents_{name}": number for name, number in self._agents.counts.items()}
        of_journal = {"joined": self._journal.joined, "join_missed": self._journal.missed, "join_dropped": self._journal.dropped}
        return {**self._session.counts, **of_feed, **of_agents, **of_journal}

    @property
    def gauges(self) -> Mapping[str, float]:
        return {
            "up": float(self._feed.up),
            "calls": self._licence.calls,
            "most_calls": self._licence.most_calls,
            "calls_seen": self._feed.book.calls,
            "extensions": len(self._extensions),
        }
