"""The description of our REST as this server has it, for the page that shows it and for programs that are written by it."""

import gzip
import hashlib

import msgspec
from aiohttp import hdrs, web

from api.documents import openapi
from api.seen import unless_seen


class OpenApiRoutes:
    """Made when it is asked for first: it takes a moment, and changes with the program alone."""

    def __init__(self) -> None:
        self._made: tuple[bytes, bytes, str] | None = None

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/openapi.json", self._read, allow_head=False)

    async def _read(self, request: web.Request) -> web.Response:
        if self._made is None:
            body = msgspec.json.encode(openapi())
            self._made = body, gzip.compress(body, mtime=0), f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        body, packed, tag = self._made
        response = web.Response(body=body, content_type="application/json", charset="utf-8")
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            response.body = packed
            response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        response.headers.update({hdrs.ETAG: tag, hdrs.VARY: "Accept-Encoding, Authorization", hdrs.CACHE_CONTROL: "private, no-cache"})
        return unless_seen(request, response)
