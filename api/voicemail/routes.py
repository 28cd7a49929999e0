"""Voicemail over HTTP: what was left, how it sounds, that it was heard, its end. Whose box it is says ``api/voicemail/boxes.py``."""

from aiohttp import web
from msgspec import Struct

from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.query_words import whole_number
from api.recording_routes import given
from api.voicemail.boxes import MOST_SHOWN, Boxes
from signaling.refusal import Refusal

FORMS = ("mono", "mix")
"""How a message can be had: as it sounds (WAV), or in a small file (Ogg/Opus)."""


class HeardMark(Struct, frozen=True, forbid_unknown_fields=True):
    heard: bool


class VoicemailRoutes:
    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/voicemails", self._list, allow_head=False)
        app.router.add_get("/api/v1/voicemails/{voicemail_id}/sound", self._listen, allow_head=False)
        app.router.add_put("/api/v1/voicemails/{voicemail_id}", self._mark)
        app.router.add_delete("/api/v1/voicemails/{voicemail_id}", self._erase)

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        page = await self._boxes.page(
            grant_of(request),
            box=query.get("box", ""),
            unheard=query.get("unheard", "") == "true",
            before=query.get("cursor", ""),
            limit=whole_number(query, "limit", MOST_SHOWN, MOST_SHOWN),
        )
        return json_answer(page)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        form = request.query.get("as", FORMS[0])
        if form not in FORMS:
            raise Refusal("bad_message", f"A message can be had as {' or '.join(FORMS)}.")
        return await given(request, await self._boxes.listen(grant_of(request), request.match_info["voicemail_id"], form))

    async def _mark(self, request: web.Request) -> web.Response:
        mark = await body_of(request, HeardMark)
        return json_answer(await self._boxes.mark(grant_of(request), request.match_info["voicemail_id"], heard=mark.heard))

    async def _erase(self, request: web.Request) -> web.Response:
        await self._boxes.erase(grant_of(request), request.match_info["voicemail_id"])
        return web.Response(status=204)
