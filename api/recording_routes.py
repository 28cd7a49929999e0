"""Recordings over HTTP, for supervisors alone: which a call has, what they sound like, and their erasure.

The token travels in the ``Authorization`` header and nowhere else: an address that plays a recording by itself could be passed on.
"""

from collections.abc import Callable

import msgspec
from aiohttp import hdrs, web

from api.recording_shelf import FORMS, RecordingShelf
from api.store import StoreUnavailable
from signaling.refusal import Refusal
from signaling.tokens import SUPERVISOR, Grant

_PIECE = 65_536


class RecordingRoutes:
    """``verify`` turns a token into what it grants or raises ``Refusal``."""

    def __init__(self, shelf: RecordingShelf, verify: Callable[[str], Grant]) -> None:
        self._shelf = shelf
        self._verify = verify

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/calls/{call_id}/recordings", self._list, allow_head=False)
        app.router.add_get("/api/recordings/{recording_id}", self._listen, allow_head=False)
        app.router.add_delete("/api/recordings/{recording_id}", self._erase)

    async def _list(self, request: web.Request) -> web.Response:
        self._supervisor(request)
        try:
            parts = await self._shelf.parts_of(request.match_info["call_id"])
        except StoreUnavailable:
            raise _away() from None
        body = msgspec.json.encode({"recordings": parts})
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        who = self._supervisor(request)
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
        who = self._supervisor(request)
        try:
            await self._shelf.erase(request.match_info["recording_id"], who, "it was asked for")
        except StoreUnavailable:
            raise _away() from None
        return web.Response(status=204)

    def _supervisor(self, request: web.Request) -> str:
        """Who asks, as the token says. Raises ``Refusal``."""
        kind, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Refusal("token_invalid", "Sign in, and send the token as Authorization: Bearer.")
        grant = self._verify(token)
        if grant.role != SUPERVISOR:
            raise Refusal("forbidden", "Recordings are open to supervisors only.")
        return grant.identity


def _away() -> Refusal:
    return Refusal("store_unavailable", "The database does not answer: try again in a moment.", 2.0)
