"""The button of other people's sites over HTTP: its script, and what its page asks before anybody is let in."""

import importlib.resources
from collections.abc import Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from api.allowance import SharedAllowance
from api.bodies import body_of, json_answer
from api.query_words import known_word
from api.rest_limits import SharedQuotas
from api.visits.call_backs import VisitorCallBacks
from api.visits.chats import VisitorChats
from api.visits.front_desk import FrontDesk
from api.visits.settings import VisitSettings
from api.visits.visits import LANGUAGES, Visits
from api.visits.wire import CallBackWanted, ChatWanted, VisitWanted
from signaling.refusal import Refusal

LOADER = "loader.js"
T = TypeVar("T")


class VisitRoutes:
    """Open to everybody, within limits. Where no site is named all of it is refused as ``widget_off``: ``visits`` is None then.

    ``address_of``: where a request comes from. ``now``: seconds since the epoch. ``shared``: counts over all nodes,
    where there are others.
    """

    def __init__(
        self,
        settings: VisitSettings,
        address_of: Callable[[web.Request], str],
        now: Callable[[], float],
        *,
        desk: FrontDesk | None = None,
        visits: Visits | None = None,
        call_backs: VisitorCallBacks | None = None,
        chats: VisitorChats | None = None,
        shared: SharedQuotas | None = None,
    ) -> None:
        self._settings = settings
        self._address_of = address_of
        self._desk, self._visits, self._call_backs, self._chats = desk, visits, call_backs, chats
        self._begun = SharedAllowance("visits", settings.begun_per_hour, now, shared)
        source = (importlib.resources.files("api") / "pages" / "widget" / LOADER).read_text()
        self._loader = source.replace('["{{sites}}"]', msgspec.json.encode(settings.sites).decode())

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/widget.js", self._script, allow_head=False)
        app.router.add_get("/api/v1/visits/desk", self._look, allow_head=False)
        app.router.add_get("/api/v1/visits/number", self._number, allow_head=False)
        app.router.add_post("/api/v1/visits", self._enter)
        app.router.add_post("/api/v1/visits/chats", self._chat)
        app.router.add_post("/api/v1/visits/call-backs", self._call_back)

    async def _script(self, _request: web.Request) -> web.Response:
        """For any site to load: on one that is not named it says so in the console, and does nothing."""
        headers = {"Cache-Control": "public, max-age=300", "Cross-Origin-Resource-Policy": "cross-origin"}
        return web.Response(text=self._loader, content_type="text/javascript", charset="utf-8", headers=headers)

    async def _look(self, request: web.Request) -> web.Response:
        language = known_word(request.query, "language", LANGUAGES, LANGUAGES[0])
        return json_answer(_on(self._desk).look(request.query.get("queue", ""), language))

    async def _number(self, request: web.Request) -> web.Response:
        return json_answer(_on(self._call_backs).read(request.query.get("number", "")[:40]))

    async def _enter(self, request: web.Request) -> web.Response:
        visits, wanted = _on(self._visits), await body_of(request, VisitWanted)
        await self._allow(request)
        return json_answer(visits.enter(wanted.queue, wanted.language), 201)

    async def _chat(self, request: web.Request) -> web.Response:
        chats, wanted = _on(self._chats), await body_of(request, ChatWanted)
        await self._allow(request)
        return json_answer(await chats.begin(wanted), 201)

    async def _call_back(self, request: web.Request) -> web.Response:
        call_backs = _on(self._call_backs)
        return json_answer(await call_backs.ask(await body_of(request, CallBackWanted), self._address_of(request)), 201)

    async def _allow(self, request: web.Request) -> None:
        wait_s = await self._begun.take(self._address_of(request))
        if wait_s:
            raise Refusal("too_many_requests", "As many visits began from this address as may in an hour: try again later.", wait_s)


def _on(part: T | None) -> T:
    if part is None:
        raise Refusal("widget_off", "No site may show this button: the server's setting widget.sites names those that may.")
    return part
