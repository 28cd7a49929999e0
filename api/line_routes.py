"""The lines to the outside over HTTP: how each stands, and a test call through one; for whom ``api/guarded_routes.py`` says."""

from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.audit.audit import Audit
from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.line_trial import LineTrial
from pbx.trunk import LineStatus, Trunk

TRIAL_CONTENT = "application/jsonl"
Dialled = Callable[[str, str, str], str]
"""How a number is dialled on a trunk, for this person: trunk, number, who. Raises ``Refusal`` where it may not be."""


class LineNow(Struct, frozen=True):
    """``trunk``: what is dialled; of several PBXs behind one, each is a line. ``detail``: what to do where it is not ready; ``stuck``:
    nothing is tried any more before somebody has done that. ``share``: of its new calls it takes so much, 0-1."""

    name: str
    trunk: str
    ready: bool
    stuck: bool
    detail: str
    calls: int
    most_calls: int
    share: float


class LinesNow(Struct, frozen=True):
    """``node``: whose lines these are, where there are several. ``threecx``: is one attached?"""

    lines: list[LineNow]
    node: str
    threecx: bool


class TryLine(Struct, frozen=True, forbid_unknown_fields=True):
    number: Annotated[str, Meta(min_length=1, max_length=64)]


class LineRoutes:
    """``trunks`` by name. ``dialled``: see ``Dialled``."""

    def __init__(self, trunks: Mapping[str, Trunk], trial: LineTrial, dialled: Dialled, audit: Audit, node: str, *, threecx: bool) -> None:
        self._trunks, self._trial, self._dialled, self._audit, self._node = trunks, trial, dialled, audit, node
        self._threecx = threecx

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/lines", self._list, allow_head=False)
        app.router.add_post("/api/v1/lines/{trunk}/try", self._try)

    async def _list(self, _request: web.Request) -> web.Response:
        lines = [_line(line, name) for name, trunk in self._trunks.items() for line in trunk.lines()]
        return json_answer(LinesNow(lines, self._node, self._threecx))

    async def _try(self, request: web.Request) -> web.StreamResponse:
        """One line of JSON whenever the test call stands differently. Whoever goes away hangs up."""
        wanted, who, trunk = await body_of(request, TryLine), grant_of(request).identity, request.match_info["trunk"]
        number = self._dialled(trunk, wanted.number, who)
        async with aclosing(self._trial.call(trunk, number)) as steps:
            first = await anext(steps)
            self._audit.note("line_tried", who, detail=trunk)
            response = web.StreamResponse(headers={"Cache-Control": "no-store"})
            response.content_type, response.charset = TRIAL_CONTENT, "utf-8"
            await response.prepare(request)
            with suppress(ConnectionError):
                await response.write(msgspec.json.encode(first) + b"\n")
                async for step in steps:
                    await response.write(msgspec.json.encode(step) + b"\n")
                await response.write_eof()
        return response


def _line(line: LineStatus, trunk: str) -> LineNow:
    status = line.status
    return LineNow(line.name, trunk, status.ready, status.stuck, status.detail, line.calls, line.most_calls, line.share)
