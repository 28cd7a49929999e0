"""Recordings over HTTP: which a call has, what they sound and look like, and their erasure, for whom ``api/guarded_routes.py`` says."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from api.guarded_routes import grant_of
from api.recording_shelf import FILMS, FORMS, Heard, RecordingShelf
from signaling.grants import Permission, Resource, allows, demand
from signaling.refusal import Refusal

_PIECE = 65_536


class RecordingRoutes:
    """``teams_of`` says in which teams an agent is: who supervises teams reaches the recordings of these alone."""

    def __init__(self, shelf: RecordingShelf, teams_of: Callable[[str], Awaitable[frozenset[str]]]) -> None:
        self._shelf = shelf
        self._teams_of = teams_of

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/calls/{call_id}/recordings", self._list, allow_head=False)
        app.router.add_get("/api/v1/calls/{call_id}/film", self._watch, allow_head=False)
        app.router.add_get("/api/v1/recordings/{recording_id}", self._listen, allow_head=False)
        app.router.add_delete("/api/v1/recordings/{recording_id}", self._erase)

    async def _list(self, request: web.Request) -> web.Response:
        grant = grant_of(request)
        parts = [
            part
            for part in await self._shelf.parts_of(request.match_info["call_id"])
            if allows(grant, Permission.RECORDING_LISTEN, await self._of(part.agent))
        ]
        body = msgspec.json.encode({"recordings": parts})
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        recording_id = await self._reached(request, Permission.RECORDING_LISTEN)
        heard = await self._shelf.listen(recording_id, _form(request, "wav", (*FORMS, *FILMS)), grant_of(request).identity)
        return await given(request, heard)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """Of all parts, or of none: whoever may not have one of them has to ask for those that he may."""
        call_id, grant = request.match_info["call_id"], grant_of(request)
        for agent in {part.agent for part in await self._shelf.parts_of(call_id)}:
            demand(grant, Permission.RECORDING_LISTEN, await self._of(agent))
        return await given(request, await self._shelf.watch(call_id, _form(request, "webm", tuple(FILMS)), grant.identity))

    async def _erase(self, request: web.Request) -> web.Response:
        recording_id = await self._reached(request, Permission.RECORDING_ERASE)
        await self._shelf.erase(recording_id, grant_of(request).identity, "it was asked for")
        return web.Response(status=204)

    async def _reached(self, request: web.Request, permission: Permission) -> str:
        """The id of a recording that its caller reaches. Raises ``Refusal``; of one that is not there, later on."""
        recording_id = request.match_info["recording_id"]
        agent = await self._shelf.agent_of(recording_id)
        if agent is not None:
            demand(grant_of(request), permission, await self._of(agent))
        return recording_id

    async def _of(self, agent: str) -> Resource:
        return Resource(owner=agent, teams=await self._teams_of(agent))


def _form(request: web.Request, default: str, forms: tuple[str, ...]) -> str:
    form = request.query.get("as", default)
    if form not in forms:
        raise Refusal("bad_message", f"A recording can be had as {' or '.join(forms)}.")
    return form


async def given(request: web.Request, heard: Heard) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Cache-Control": "no-store",
            "Accept-Ranges": "none",
            "Content-Disposition": f'attachment; filename="{heard.file_name}"',
        }
    )
    response.content_type = heard.content_type
    response.content_length = len(heard.body)
    await response.prepare(request)
    for at in range(0, len(heard.body), _PIECE):
        await response.write(heard.body[at : at + _PIECE])
    await response.write_eof()
    return response
