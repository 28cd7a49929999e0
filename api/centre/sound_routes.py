"""The sounds that callers hear over HTTP: which there are and where they are used, to be heard, recorded, spoken and removed."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from api.audit.audit import Audit
from api.bodies import body_of, json_answer
from api.centre.sound_shelf import MUSIC, SoundShelf
from api.guarded_routes import grant_of
from media.prompt_texts import LANGUAGES

LARGEST_SOUND = 8 * 1024 * 1024
"""Of the request: base64 makes four bytes of three."""
WAV = "audio/wav"
_NAME = re.compile(r"[a-z0-9-]{1,64}")


class NewSound(Struct, frozen=True, forbid_unknown_fields=True):
    """``sound``: a WAV or Ogg/Opus file, in base64."""

    sound: bytes


class SpokenText(Struct, frozen=True, forbid_unknown_fields=True):
    language: str
    text: Annotated[str, Meta(min_length=1, max_length=2_000)]


class SoundRoutes:
    """``renew(sound)``: the file of this sound (``prompt/LANGUAGE/NAME``, ``music/NAME``) is another one now."""

    def __init__(self, shelf: SoundShelf, audit: Audit, renew: Callable[[str], Awaitable[None]]) -> None:
        self._shelf, self._audit, self._renew = shelf, audit, renew

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/centre/sounds", self._all, allow_head=False)
        app.router.add_post("/api/v1/centre/sounds/speech", self._speak)
        app.router.add_get("/api/v1/centre/sounds/{language}/{name}", self._play, allow_head=False)
        app.router.add_put("/api/v1/centre/sounds/{language}/{name}", self._put)
        app.router.add_delete("/api/v1/centre/sounds/{language}/{name}", self._remove)

    async def _all(self, _request: web.Request) -> web.Response:
        return json_answer({"sounds": await asyncio.to_thread(self._shelf.rows), "languages": [*LANGUAGES]})

    async def _play(self, request: web.Request) -> web.Response:
        return _sound(await asyncio.to_thread(self._shelf.play, *_named(request)))

    async def _speak(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, SpokenText)
        return _sound(await asyncio.to_thread(self._shelf.speak, wanted.language, wanted.text))

    async def _put(self, request: web.Request) -> web.Response:
        language, name = _named(request)
        wanted = await body_of(request, NewSound, LARGEST_SOUND)
        kept = await asyncio.to_thread(self._shelf.put, language, name, wanted.sound)
        await self._changed(request, "sound_recorded", language, name)
        return json_answer(kept)

    async def _remove(self, request: web.Request) -> web.Response:
        language, name = _named(request)
        await asyncio.to_thread(self._shelf.remove, language, name)
        await self._changed(request, "sound_removed", language, name)
        return web.Response(status=204)

    async def _changed(self, request: web.Request, kind: str, language: str, name: str) -> None:
        self._audit.note(kind, grant_of(request).identity, f"{language}/{name}")
        await self._renew(f"music/{name}" if language == MUSIC else f"prompt/{language}/{name}")


def _named(request: web.Request) -> tuple[str, str]:
    """Language and name, of which a path is made: nothing else may be in them."""
    language, name = request.match_info["language"], request.match_info["name"]
    if language not in (*LANGUAGES, MUSIC) or _NAME.fullmatch(name) is None:
        raise web.HTTPNotFound
    return language, name


def _sound(data: bytes) -> web.Response:
    return web.Response(body=data, content_type=WAV, headers={"Cache-Control": "no-store"})
