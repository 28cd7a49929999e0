"""REST about what is left of rooms."""

from aiohttp import web

from api.bodies import json_answer
from api.guarded_routes import grant_of
from api.past_rooms import PastRooms
from api.store import StoreUnavailable
from signaling.refusal import Refusal


class PastRoomRoutes:
    def __init__(self, past: PastRooms) -> None:
        self._past = past

    def add_to(self, app: web.Application) -> None:
        app.router.add_delete("/api/v1/people/{identity}/chat", self._erase)

    async def _erase(self, request: web.Request) -> web.Response:
        try:
            messages = await self._past.erase_person(request.match_info["identity"], grant_of(request).identity)
        except StoreUnavailable:
            raise Refusal("store_unavailable", "The database does not answer, so nothing was erased: try again soon.", 5.0) from None
        return json_answer({"messages": messages})
