"""The first start over HTTP: open to who has the code, and to nobody once it is done."""

import time
from collections.abc import Callable

from aiohttp import web

from api.allowance import Allowance
from api.bodies import body_of, json_answer
from api.first_start.first_start import FirstStart
from api.first_start.wire import Coded, StartAnswer
from signaling.refusal import Refusal

_WRONG_PER_HOUR = 20


class FirstStartRoutes:
    """``address_of``: where a request comes from; of one address so many wrong codes an hour are looked at."""

    def __init__(self, start: FirstStart, address_of: Callable[[web.Request], str]) -> None:
        self._start = start
        self._address_of = address_of
        self._wrong = Allowance(_WRONG_PER_HOUR, time.monotonic)

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/first-start", self._look)
        app.router.add_post("/api/v1/first-start/answers", self._answer)
        app.router.add_post("/api/v1/first-start/end", self._end)

    async def _look(self, request: web.Request) -> web.Response:
        code = (await body_of(request, Coded)).code
        return json_answer(await self._start.look(self._tried(request, code)))

    async def _answer(self, request: web.Request) -> web.Response:
        said = await body_of(request, StartAnswer)
        return json_answer(await self._start.answer(self._tried(request, said.code), said.answer))

    async def _end(self, request: web.Request) -> web.Response:
        code = (await body_of(request, Coded)).code
        await self._start.finish(self._tried(request, code))
        return web.Response(status=204)

    def _tried(self, request: web.Request, code: str) -> str:
        address = self._address_of(request)
        wait_s = self._wrong.wait_s(address)
        if wait_s:
            raise Refusal("too_many_requests", "Too many wrong codes came from this address: try again later.", wait_s)
        if code != self._start.code():
            self._wrong.take(address)
        return code
