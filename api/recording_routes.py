"""Recordings over HTTP: which a call has, what they sound like, and their erasure, for whom ``api/guarded_routes.py`` says."""

import msgspec
from aiohttp import web

from api.guarded_routes import grant_of
from api.recording_shelf import FORMS, RecordingShelf
from api.store import StoreUnavailable
from signaling.refusal import Refusal

_PIECE = 65_536


class RecordingRoutes:
    """See above."""

    def __init__(self, shelf: RecordingShelf) -> None:
        self._shelf = shelf

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/calls/{call_id}/recordings", self._list, allow_head=False)
        app.router.add_get("/api/recordings/{recording_id}", self._listen, allow_head=False)
        app.router.add_delete("/api/recordings/{recording_id}", self._erase)

    async def _list(self, request: web.Request) -> web.Response:
        try:
            parts = await self._shelf.parts_of(request.match_info["call_id"])
        except StoreUnavailable:
            raise _away() from None
        body = msgspec.json.encode({"recordings": parts})
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        who = grant_of(request).identity
        form = request.query.get("as", "wav")
        if form not in FORMS:
            raise Refusal("bad_message", f"A recording can be had as {' or '.join(FORMS)}.")
        try:
            heard = await self._shelf.listen(request.match_info["recording_id"], form, who)
        except StoreUnavailable:
            raise _away() from None
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

    async def _erase(self, request: web.Request) -> web.Response:
        who = grant_of(request).identity
        try:
            await self._shelf.erase(request.match_info["recording_id"], who, "it was asked for")
        except StoreUnavailable:
            raise _away() from None
        return web.Response(status=204)


def _away() -> Refusal:
    return Refusal("store_unavailable", "The database does not answer: try again in a moment.", 2.0)
