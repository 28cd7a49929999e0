"""What follows from appointments by itself: their rooms, what rooms tell of them, no-shows, and messages to customers.

Everything here follows from how appointments stand, and is done by guarded statements: it may be done late, twice, or by two nodes at once.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import structlog

from api.appointments.desk import CLOCK, ROOM, AppointmentDesk
from api.appointments.notices import WITHIN_S, Notice, due, kind_of_reminder, notice_of
from api.appointments.states import STANDING, State, Step
from api.leading import Leads, alone
from api.rooms import RoomEvent
from api.store import StoreUnavailable
from api.store.appointments import Appointment, AppointmentStore
from rooms.membership import Role, Room, RoomEnd, RoomKind
from signaling.refusal import Refusal

log = structlog.get_logger()

EVERY_S = 15.0
_AGAIN_S = 3.0
_MOST_WAITING = 2_000
_AT_A_TIME = 200
_LEFT_OPEN_S = 6 * 3_600.0
"""So long after its end an appointment is over, also where the room could not tell."""
_CELLS_S = 2 * 86_400.0

Send = Callable[[Appointment, str], Awaitable[None]]
"""Puts the message of this kind to this customer where it is not lost; what is put there twice goes once. Raises ``StoreUnavailable``."""


@contextmanager
def _not_now() -> Iterator[None]:
    """What cannot be done for one of them keeps nobody from the others."""
    try:
        yield
    except Refusal as refusal:
        log.warning("appointment.refused", code=refusal.code)


@dataclass(frozen=True, slots=True)
class _Heard:
    """Of a room: who is in it (``guest`` also: waits to be let in), or that it is over."""

    room_id: str
    guest: bool = False
    host: bool = False
    ended: str = ""


class AppointmentWork:
    """``async with``: owns the task. ``leads``: is it for this node to look what time brings? ``now``: seconds since the epoch."""

    def __init__(
        self,
        desk: AppointmentDesk,
        store: AppointmentStore,
        send: Send,
        *,
        now: Callable[[], float],
        leads: Leads = alone,
        every_s: float = EVERY_S,
    ) -> None:
        self._desk = desk
        self._store = store
        self._send = send
        self._now = now
        self._leads = leads
        self._every_s = every_s
        self._heard: deque[_Heard] = deque()
        self._wanted = asyncio.Event()
        self._changed = False
        self._task: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="appointments")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def look(self) -> None:
        """There may be something to do now."""
        self._changed = True
        self._wanted.set()

    # ------------------------------------------------------------------ what rooms tell

    def hear(self, event: RoomEvent) -> None:
        """``RoomEvent``s of every room here."""
        if event.room.kind is not RoomKind.CONSULTATION:
            return
        if event.event == "room_finished":
            self._note(_Heard(event.room.room_id, ended=event.reason))
        elif event.event == "participant_joined":
            self.hear_people(event.room)

    def hear_people(self, room: Room) -> None:
        """Who is in a room, or waits there, has changed."""
        if room.kind is not RoomKind.CONSULTATION or room.schedule is None:
            return
        present = list(room.present())
        guest = any(member.role is Role.GUEST for member in [*present, *room.waiting()])
        met = any(member.role is Role.GUEST for member in present) and any(member.role is not Role.GUEST for member in present)
        if guest:
            self._note(_Heard(room.room_id, guest=True, host=met))

    def _note(self, heard: _Heard) -> None:
        if len(self._heard) >= _MOST_WAITING:
            self.counts["dropped"] += 1
            return
        self._heard.append(heard)
        self._wanted.set()

    async def _take(self, heard: _Heard) -> None:
        found = await self._store.of_room(heard.room_id)
        if found is None:
            return
        if heard.guest:
            await self._desk.happened(found.appointment_id, Step.ARRIVE, ROOM)
        if heard.host:
            await self._desk.happened(found.appointment_id, Step.BEGIN, ROOM)
        if heard.ended:
            await self._end(found, heard.ended)

    async def _end(self, found: Appointment, why: str) -> None:
        """Its room is over: that is the end of it, in one way or another."""
        step = {State.UNDER_WAY: Step.END, State.ARRIVED: Step.LAPSE}.get(State(found.state))
        if step is None and found.state in STANDING:
            step = Step.CANCEL if why == RoomEnd.CANCELLED else Step.MISS
        if step is not None:
            await self._desk.happened(found.appointment_id, step, ROOM)

    # ------------------------------------------------------------------ what time brings

    async def _run(self) -> None:
        while True:
            wait_s = self._every_s
            try:
                await self.do_due()
            except StoreUnavailable:
                wait_s = _AGAIN_S
                log.warning("appointments.waiting", detail="The database does not answer: what is due is done when it does.")
            if self._heard and wait_s == self._every_s:
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await self._wanted.wait()
            except TimeoutError:
                self._changed = True
            self._wanted.clear()

    async def do_due(self) -> None:
        """What was heard, and where there may be something, what is due. Raises ``StoreUnavailable``, and nothing is lost."""
        while self._heard:
            with _not_now():
                await self._take(self._heard[0])
            self._heard.popleft()
        changed, self._changed = self._changed, False
        if not changed:
            return
        try:
            now = self._now()
            await self._make_rooms(now)
            if await self._leads():
                await self._close(now)
            await self._tell_customers(now)
        except BaseException:
            self._changed = True
            raise

    async def _make_rooms(self, now: float) -> None:
        for each in await self._store.without_room(now, _AT_A_TIME):
            with _not_now():
                self.counts["rooms"] += await self._desk.make_room(each)

    async def _close(self, now: float) -> None:
        """Who never came, and what nobody ended."""
        since = now - WITHIN_S
        for each in await self._store.between(since, now - self._desk.settings.grace_s, states=STANDING, limit=_AT_A_TIME):
            await self._desk.happened(each.appointment_id, Step.MISS, CLOCK)
        for each in await self._store.between(since, now, states={State.ARRIVED, State.UNDER_WAY}, limit=_AT_A_TIME):
            if each.end_at + _LEFT_OPEN_S < now:
                await self._end(each, RoomEnd.FINISHED)
        await self._store.forget_cells(now - _CELLS_S)

    async def _tell_customers(self, now: float) -> None:
        reminders = self._desk.settings.reminders_s
        found = {each.appointment_id: each for each in await self._store.untold(now - WITHIN_S, now, _AT_A_TIME)}
        for lead in reminders:
            soon = await self._store.unreminded(lead, kind_of_reminder(lead), now, _AT_A_TIME)
            found |= {each.appointment_id: each for each in soon}
        sent = await self._store.sent(list(found)) if found else set()
        for each in found.values():
            for kind in due(each, sent, now, reminders):
                with _not_now():
                    await self._tell(each, kind, now)

    async def _tell(self, of: Appointment, kind: str, now: float) -> None:
        await self._send(of, kind)
        if kind.startswith(Notice.REMINDER):
            await self._pass_over(of, kind, now)
        if await self._store.mark_sent(of, kind, now):
            self.counts[f"{notice_of(kind)}_sent"] += 1
            if kind.startswith(Notice.REMINDER):
                self._desk.due(of)

    async def _pass_over(self, of: Appointment, kind: str, now: float) -> None:
        """Reminders that should have gone before this one are not sent any more."""
        kinds = [kind_of_reminder(lead) for lead in sorted(self._desk.settings.reminders_s)]
        for earlier in kinds[kinds.index(kind) + 1 :]:
            await self._store.mark_sent(of, earlier, now)
