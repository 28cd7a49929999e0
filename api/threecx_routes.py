"""The attached 3CX over HTTP: how it stands, what was imported of it, importing now, and its word on a call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from aiohttp import web
from msgspec import Struct

from api.bodies import json_answer
from api.store import StoreUnavailable
from api.threecx import ThreeCx
from pbx.threecx.faults import ThreeCxFault
from signaling.refusal import Refusal


class Imported(Struct, frozen=True):
    extensions: int


class Extension(Struct, frozen=True):
    number: str
    name: str
    profile: str
    queue_status: str
    registered: bool


class PastCall(Struct, frozen=True):
    """``at``: ISO 8601."""

    at: str
    talked_s: float
    answered: bool
    source: str
    source_number: str
    source_name: str
    destination: str
    destination_number: str
    destination_name: str


class CallNow(Struct, frozen=True):
    """``since``: its last change, ISO 8601."""

    id: int
    caller: str
    callee: str
    status: str
    since: str


class ThreeCxRoutes:
    """``threecx`` None: none is attached."""

    def __init__(self, threecx: ThreeCx | None) -> None:
        self._threecx = threecx

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/pbx", self._status, allow_head=False)
        app.router.add_get("/api/v1/pbx/directory", self._directory, allow_head=False)
        app.router.add_post("/api/v1/pbx/import", self._import)
        app.router.add_get("/api/v1/pbx/extensions/{number}", self._extension, allow_head=False)
        app.router.add_get("/api/v1/pbx/calls", self._calls, allow_head=False)
        app.router.add_get("/api/v1/pbx/active-calls", self._active, allow_head=False)
        app.router.add_get("/api/v1/calls/{call_id}/pbx", self._call, allow_head=False)

    async def _status(self, _request: web.Request) -> web.Response:
        return json_answer(self._there().status())

    async def _directory(self, _request: web.Request) -> web.Response:
        try:
            return json_answer(await self._there().directory())
        except StoreUnavailable:
            raise _away() from None

    async def _import(self, _request: web.Request) -> web.Response:
        with _asking():
            return json_answer(Imported(await self._there().import_now()))

    async def _extension(self, request: web.Request) -> web.Response:
        with _asking():
            found = await self._there().extension(request.match_info["number"])
        if found is None:
            raise Refusal("unknown_extension", "The PBX has no such extension.")
        return json_answer(Extension(found.number, found.name, found.profile, found.queue_status, found.registered))

    async def _calls(self, request: web.Request) -> web.Response:
        number = request.query.get("number", "")
        if sum(each.isdecimal() for each in number) < 2:
            raise Refusal("bad_message", "Say whose calls: ?number=...")
        with _asking():
            found = await self._there().calls_with(number)
        return json_answer({"calls": [PastCall(**asdict(each)) for each in found]})

    async def _active(self, _request: web.Request) -> web.Response:
        with _asking():
            found = await self._there().active_calls()
        return json_answer({"calls": [CallNow(**asdict(each)) for each in found]})

    async def _call(self, request: web.Request) -> web.Response:
        try:
            found = await self._there().call(request.match_info["call_id"])
        except StoreUnavailable:
            raise _away() from None
        if found is None:
            raise Refusal(
                "unknown_pbx_call", "The PBX has said nothing of this call, or not yet: it is asked up to a quarter of an hour after."
            )
        return json_answer(found)

    def _there(self) -> ThreeCx:
        if self._threecx is None:
            raise Refusal("no_pbx", "No 3CX is attached to this server: run `centralita threecx attach`.")
        return self._threecx


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except ThreeCxFault as fault:
        raise Refusal("pbx_away", str(fault), fault.retry_after_s or 5.0) from None
    except StoreUnavailable:
        raise _away() from None


def _away() -> Refusal:
    return Refusal("store_unavailable", "The database does not answer: try again soon.", 5.0)
