"""The room of an appointment and its customer's link: made as their professional would make them, and ended likewise."""

import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from api.store.appointments import Appointment, AppointmentStore, ServiceRow
from api.store.people import PeopleStore
from rooms.refusals import NotPossible
from signaling import messages as wire
from signaling.grants import Grant
from signaling.refusal import Refusal

log = structlog.get_logger()

Perform = Callable[[Grant, wire.AnyRequest], Awaitable[object]]
_AS_LONG_S = 60.0


class AppointmentRooms:
    """``perform`` does what pages ask, here or on the node that has the room. ``now``: seconds since the epoch."""

    def __init__(self, store: AppointmentStore, people: PeopleStore, perform: Perform, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._people = people
        self._perform = perform
        self._now = now

    async def make(self, appointment: Appointment, service: ServiceRow) -> bool:
        """Its room and link, kept with it. False: not now, and the log says why; or somebody else did. Raises ``StoreUnavailable``."""
        grant = await self._grant(appointment.professional)
        if grant is None:
            log.warning("appointment.no_host", appointment=appointment.appointment_id)
            return False
        create = wire.CreateRoom(
            kind="consultation",
            name=f"{service.name(appointment.language)[:100]} · {appointment.number}",
            waiting_room=True,
            starts_at=appointment.start_at,
            ends_at=appointment.end_at,
            early_s=60.0 * service.early_min,
            late_s=60.0 * service.late_min,
        )
        try:
            room = await self._perform(grant, create)
            assert isinstance(room, wire.RoomState)
            made = await self._perform(grant, wire.LinkToRoom(room_id=room.room_id))
            # Of a room that another node has taken over already, the answer is its words alone.
            link = made if isinstance(made, wire.RoomLink) else msgspec.convert(made, wire.RoomLink)
        except (Refusal, NotPossible) as refusal:
            log.warning("appointment.room_refused", appointment=appointment.appointment_id, code=refusal.code)
            return False
        if await self._store.keep_room(appointment, room.room_id, link.token):
            return True
        await self.end(room.room_id, appointment.professional)
        return False

    async def end(self, room_id: str, professional: str) -> None:
        """Nobody comes by its link any more, and the page says so. A room that is over already is what was wanted."""
        grant = await self._grant(professional)
        if not room_id or grant is None:
            return
        try:
            await self._perform(grant, wire.EndRoom(room_id=room_id))
        except (Refusal, NotPossible) as refusal:
            log.info("appointment.room_not_ended", code=refusal.code)

    async def _grant(self, professional: str) -> Grant | None:
        user = await self._people.user(professional)
        if user is None:
            return None
        now = self._now()
        return Grant(user.identity, user.name, user.role, "appointments", now, now + _AS_LONG_S, now, teams=frozenset(user.teams))
