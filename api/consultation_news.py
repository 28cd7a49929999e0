"""The end of a consultation, told with what its appointment says of the customer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, Self

import structlog

from api.happenings import Happening, Happenings, Kind
from api.rooms import RoomEvent
from api.store import StoreUnavailable
from rooms.flows.conditions import FactValue
from rooms.membership import RoomKind

log = structlog.get_logger()
_MOST_AT_ONCE = 200


class OfAppointment(Protocol):
    """What is told of one; ``api.store.appointments.Appointment`` has it."""

    @property
    def appointment_id(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def e164(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def person(self) -> str: ...


class ConsultationNews:
    """``async with``: owns the look-ups. ``of_room(room_id)``: the appointment that the room was for; it may raise ``StoreUnavailable``."""

    def __init__(self, happenings: Happenings, of_room: Callable[[str], Awaitable[OfAppointment | None]]) -> None:
        self._happenings, self._of_room = happenings, of_room
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hear(self, event: RoomEvent) -> None:
        """Returns at once. Where too many end together, customers are not looked up."""
        if event.event != "room_finished" or event.room.kind is not RoomKind.CONSULTATION:
            return
        if len(self._tasks) >= _MOST_AT_ONCE:
            self._tell(event, None)
            return
        task = asyncio.create_task(self._look_up(event), name="consultation-news")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_up(self, event: RoomEvent) -> None:
        try:
            self._tell(event, await self._of_room(event.room.room_id))
        except StoreUnavailable as error:
            log.warning("consultation_news.store_away", detail=str(error))
            self._tell(event, None)

    def _tell(self, event: RoomEvent, of: OfAppointment | None) -> None:
        facts: dict[str, FactValue] = {"name": event.room.name, "reason": event.reason, "host": event.room.created_by}
        if of is not None:
            known = {"email": of.email, "caller": of.e164, "language": of.language, "appointment": of.appointment_id}
            facts |= {name: value for name, value in known.items() if value}
        person = of.person if of is not None else ""
        self._happenings.tell(
            Happening(Kind.CONSULTATION_ENDED, event.room.room_id, event.at, facts, person=person, happening_id=event.event_id)
        )
