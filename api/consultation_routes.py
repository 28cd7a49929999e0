"""Consultations for programs and for who is signed in: one request makes the room and a link to it."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from signaling import messages as wire
from signaling.grants import Grant

Perform = Callable[[Grant, wire.AnyRequest], Awaitable[object]]


class ConsultationRoutes:
    """``perform`` does what pages ask, here or on the node that has the room. Raises ``Refusal``."""

    def __init__(self, perform: Perform) -> None:
        self._perform = perform

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/consultations", self._make)

    async def _make(self, request: web.Request) -> web.Response:
        grant, wanted = grant_of(request), await body_of(request, wire.NewConsultation)
        create = wire.CreateRoom(
            kind="consultation",
            name=wanted.name,
            waiting_room=wanted.waiting_room,
            invited=wanted.invited,
            starts_at=wanted.starts_at,
            ends_at=wanted.ends_at,
            early_s=wanted.early_s,
            late_s=wanted.late_s,
        )
        room = await self._perform(grant, create)
        assert isinstance(room, wire.RoomState)
        return json_answer(await self._perform(grant, wire.LinkToRoom(room_id=room.room_id)), 201)
