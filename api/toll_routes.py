"""Whose calls to public numbers are stopped, over HTTP, and letting them call again; for whom ``api/guarded_routes.py`` says."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from api.guarded_routes import grant_of
from api.tolls import Tolls
from signaling.grants import Permission, Resource, allows, demand
from signaling.refusal import Refusal


class TollRoutes:
    """``teams_of`` says in which teams an agent is: who supervises teams reaches these alone."""

    def __init__(self, tolls: Tolls, teams_of: Callable[[str], Awaitable[frozenset[str]]]) -> None:
        self._tolls = tolls
        self._teams_of = teams_of

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/suspended-callers", self._list, allow_head=False)
        app.router.add_delete("/api/v1/suspended-callers/{identity}", self._lift)

    async def _list(self, request: web.Request) -> web.Response:
        grant = grant_of(request)
        shown = [each for each in self._tolls.suspended() if allows(grant, Permission.CALL_LIFT, await self._of(each.identity))]
        body = msgspec.json.encode({"suspended": shown})
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def _lift(self, request: web.Request) -> web.Response:
        grant, who = grant_of(request), request.match_info["identity"]
        demand(grant, Permission.CALL_LIFT, await self._of(who))
        if not self._tolls.lift(who, grant.identity):
            raise Refusal("not_suspended", "Nobody stopped this person's calls, or they may call again already.")
        return web.Response(status=204)

    async def _of(self, identity: str) -> Resource:
        return Resource(owner=identity, teams=await self._teams_of(identity))
