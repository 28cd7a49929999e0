"""Surveys over HTTP: what a link shows and takes, open to whoever has it; and what came of it, for supervisors."""

import time
from collections.abc import Callable
from typing import cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiohttp import web

from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.query_words import known_word
from api.record_routes import instant
from api.surveys.surveys import By, ConsultationRating, GuestLink, SurveyAnswers, Surveys, SurveyToken
from signaling.refusal import Refusal

_DAYS_30_S = 30 * 86_400.0


class SurveyRoutes:
    """``note`` is the audit's. ``link_of`` reads the link to a consultation, or raises ``Refusal``. ``now``: seconds since the epoch."""

    def __init__(
        self,
        surveys: Surveys,
        note: Callable[[str, str, str], None],
        link_of: Callable[[str], GuestLink],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._surveys, self._note, self._link_of = surveys, note, link_of
        self._now = now

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/surveys/open", self._show)
        app.router.add_put("/api/v1/surveys/answers", self._answer)
        app.router.add_post("/api/v1/surveys/refusal", self._refuse)
        app.router.add_post("/api/v1/surveys/ratings", self._rate)
        app.router.add_get("/api/v1/surveys/statistics", self._statistics, allow_head=False)
        app.router.add_get("/api/v1/surveys/of/{subject}", self._of_subject, allow_head=False)

    async def _show(self, request: web.Request) -> web.Response:
        return json_answer(await self._surveys.shown((await body_of(request, SurveyToken)).token))

    async def _answer(self, request: web.Request) -> web.Response:
        return json_answer(await self._surveys.answer(await body_of(request, SurveyAnswers)))

    async def _refuse(self, request: web.Request) -> web.Response:
        await self._surveys.refuse((await body_of(request, SurveyToken)).token)
        return web.Response(status=204)

    async def _rate(self, request: web.Request) -> web.Response:
        given = await body_of(request, ConsultationRating)
        await self._surveys.rate(self._link_of(given.link), given)
        return web.Response(status=204)

    async def _statistics(self, request: web.Request) -> web.Response:
        query = request.query
        until = instant("to", query.get("to", ""))
        until = until if until is not None else self._now()
        since = instant("from", query.get("from", ""))
        since = since if since is not None else until - _DAYS_30_S
        by = cast(By, known_word(query, "by", get_args(By), "day"))
        zone, queue, agent = _zone(query.get("zone", "UTC")), query.get("queue", ""), query.get("agent", "")
        return json_answer(await self._surveys.statistics(since, until, by, zone, queue=queue, agent=agent))

    async def _of_subject(self, request: web.Request) -> web.Response:
        subject = request.match_info["subject"]
        self._note("survey_seen", grant_of(request).identity, subject)
        return json_answer({"surveys": await self._surveys.of_subject(subject)})


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refusal("bad_message", "zone is the name of a time zone, as in Europe/Madrid.") from None
    return name
