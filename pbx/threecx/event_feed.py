"""What goes on in a 3CX, as it goes on: the event socket, read anew entity by entity, and everything at once now and then.

Events only name what changed, come twice, and the answer to one may already show the next. So each entity has one reader at a time; what
is told of it meanwhile makes it read once more. After every connect the socket is read into a buffer first, then everything is asked for,
then the buffer is worked off: nothing is missed in between. Every ``snapshot_s`` everything is asked for again, for what was lost in spite
of that.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Self

import structlog

from pbx.threecx.call_book import BookEvent, CallBook
from pbx.threecx.call_control import CallControl
from pbx.threecx.faults import Away, Denied, Forbidden, Gone, ThreeCxFault
from pbx.threecx.frames import Frame, FrameKind, read_frame
from pbx.threecx.objects import Dn
from pbx.threecx.session import PbxSession

log = structlog.get_logger()
_MOST_WAITING = 10_000
_READERS = 16
_DENIED_RETRY_S = 60.0


class EventFeed:
    """``async with``: connected, or connecting, all the while. ``on_event`` hears of legs and calls, ``on_digits`` of (DN, participant,
    digits), ``on_state`` of whether the socket is up and why not."""

    def __init__(
        self,
        session: PbxSession,
        control: CallControl,
        *,
        on_event: Callable[[BookEvent], None],
        on_digits: Callable[[str, int, str], None] = lambda dn, participant, digits: None,
        on_state: Callable[[bool, str], None] = lambda up, detail: None,
        random: Random | None = None,
    ) -> None:
        self._session, self._control = session, control
        self._on_event, self._on_digits, self._on_state = on_event, on_digits, on_state
        self._random = random or Random()
        self._loop = asyncio.get_running_loop()
        self.book = CallBook()
        self.dns: dict[str, Dn] = {}
        self.up = False
        self.detail = "3CX was not asked yet."
        self.counts: Counter[str] = Counter()
        self._waiting: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._reading: set[tuple[str, int]] = set()
        self._sequences: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._work = asyncio.Event()
        self._lost = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._failures = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._stay(), name="threecx-events")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()

    # ------------------------------------------------------------------ the connection

    async def _stay(self) -> None:
        reconnected = False
        while True:
            wait_s = 0.0
            try:
                await self._connected(reconnected)
                self._set(False, "3CX closed the event socket; it is opened again.")
            except ThreeCxFault as fault:
                self._set(False, str(fault))
                wait_s = fault.retry_after_s or (_DENIED_RETRY_S if isinstance(fault, Denied | Forbidden) else 0.0)
            except Exception:  # whatever a PBX says must not end this for good
                log.exception("threecx.events_failed")
                self._set(False, "What 3CX said could not be worked on: the log says why.")
            self._failures += 1
            self.counts["disconnects"] += 1
            await asyncio.sleep(max(wait_s, self._pause_s()))
            reconnected = True

    def _pause_s(self) -> float:
        settings = self._session.settings
        longest = min(settings.longest_retry_s, settings.first_retry_s * 2.0 ** min(self._failures - 1, 16))
        return longest * self._random.uniform(0.5, 1.0)

    async def _connected(self, reconnected: bool) -> None:
        """Returns when the PBX has closed the socket. Raises ``ThreeCxFault``."""
        self._waiting.clear()
        self._reading.clear()
        self._sequences.clear()
        self._lost.clear()
        async with self._session.socket("/callcontrol/ws") as texts:
            reader = asyncio.create_task(self._buffer(texts), name="threecx-socket")
            others: list[asyncio.Task[None]] = []
            try:
                await self._snapshot(reconnected=reconnected)
                self._failures = 0
                self._set(True, "3CX tells what goes on.")
                others = [asyncio.create_task(self._drain(), name="threecx-reader") for _ in range(_READERS)]
                others.append(asyncio.create_task(self._look_again(), name="threecx-snapshots"))
                done, _ = await asyncio.wait({reader, *others}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (reader, *others):
                    task.cancel()
                await asyncio.gather(reader, *others, return_exceptions=True)

    async def _look_again(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._session.settings.snapshot_s):
                    await self._lost.wait()
            except TimeoutError:
                pass
            self._lost.clear()
            try:
                await self._snapshot()
            except Away:  # the socket lives: the next one will do
                self.counts["snapshots_failed"] += 1

    async def _snapshot(self, *, reconnected: bool = False) -> None:
        mark = self.book.mark()
        dns = await self._control.dns()
        self.dns = {dn.dn: dn for dn in dns}
        self.counts["snapshots"] += 1
        legs = [leg for dn in dns for leg in dn.participants]
        self._tell(self.book.snapshot(legs, mark, self._loop.time(), reconnected=reconnected))

    # ------------------------------------------------------------------ frames

    async def _buffer(self, texts: AsyncIterator[str]) -> None:
        """Never waits for anything but the socket."""
        async for text in texts:
            frame = read_frame(text)
            if frame is None:
                self.counts["frames_unread"] += 1
                continue
            self.counts[f"frames_{frame.kind}"] += 1
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.sequence and frame.sequence < self._sequences.get(frame.entity, 0):
            self.counts["frames_stale"] += 1
            return
        self._sequences[frame.entity] = frame.sequence
        if len(self._sequences) > _MOST_WAITING:
            self._sequences.popitem(last=False)
        match frame.kind:
            case FrameKind.DIGITS:
                if frame.digits:
                    self._on_digits(frame.dn, frame.participant, frame.digits)
            case FrameKind.REMOVED if frame.participant:
                self._waiting.pop(frame.entity, None)
                self._tell(self.book.remove(frame.dn, frame.participant, self._loop.time()))
            case FrameKind.CHANGED | FrameKind.REMOVED:
                if len(self._waiting) >= _MOST_WAITING:
                    self.counts["frames_dropped"] += 1
                    self._lost.set()
                    return
                self._waiting[frame.entity] = None
                self._work.set()

    async def _drain(self) -> None:
        """One of the readers: an entity that another one reads just now has to wait for it."""
        while True:
            entity = next((each for each in self._waiting if each not in self._reading), None)
            if entity is None:
                self._work.clear()
                await self._work.wait()
                continue
            del self._waiting[entity]
            self._reading.add(entity)
            try:
                await self._read(*entity)
            except Away:
                self._lost.set()
            finally:
                self._reading.discard(entity)
                self._work.set()

    async def _read(self, dn: str, participant: int) -> None:
        self.counts["reads"] += 1
        mark = self.book.mark()
        try:
            if participant:
                leg = await self._control.leg(dn, participant)
                self._tell(self.book.read(leg, mark, self._loop.time()))
                return
            self.dns[dn] = await self._control.dn(dn)
            for leg in self.dns[dn].participants:
                self._tell(self.book.read(leg, mark, self._loop.time()))
        except Gone:
            self.counts["reads_gone"] += 1
            if participant:
                self._tell(self.book.remove(dn, participant, self._loop.time()))
        except Forbidden:  # a far leg shows in lists and is not told by itself
            self.counts["reads_forbidden"] += 1

    # ------------------------------------------------------------------ telling

    def _tell(self, events: list[BookEvent]) -> None:
        for event in events:
            try:
                self._on_event(event)
            except Exception:  # who listens must not end the listening
                log.exception("threecx.listener_failed")
        due = self.book.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._expire) if due is not None else None

    def _expire(self) -> None:
        self._tell(self.book.expire(self._loop.time()))

    def _set(self, up: bool, detail: str) -> None:
        if (up, detail) != (self.up, self.detail):
            self.up, self.detail = up, detail
            self._on_state(up, detail)
