"""Answers that say as what they were seen (``ETag``), and are not sent again to who has them (``If-None-Match``, RFC 9110, 13.1.2)."""

import hashlib

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from api.guarded_routes import line_of

_PATHS = """
    services tours departures calendars articles campaigns alert-thresholds centre/documents centre/versions centre/sounds webhooks keys
    users rules lines backends queues/statistics scorecard-forms pbx/directory ticket-choices appointments absences tasks do-not-call
    voicemails tickets contacts bookings reports scorecards booking/services booking/slots
"""
READ_OFTEN: frozenset[tuple[str, str]] = frozenset(("GET", f"/api/v1/{path}") for path in _PATHS.split())
"""Lists and settings that pages and programs ask for again and again, and that are seldom other than before."""


def seen_before() -> Middleware:
    """Marks these answers by what is in them. To stand next to the handlers: the work of an answer is done, the way back is saved. They are
    still stored by no browser: programs keep by themselves what they have seen."""

    @web.middleware
    async def seen(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        route = request.match_info.route
        if route.resource is None or line_of(route) not in READ_OFTEN or response.status != 200 or not isinstance(response, web.Response):
            return response
        if hdrs.ETAG not in response.headers:
            if not isinstance(response.body, bytes):
                return response
            response.headers[hdrs.ETAG] = f'W/"{hashlib.sha256(response.body).hexdigest()[:32]}"'
        return unless_seen(request, response)

    return seen


def unless_seen(request: web.Request, response: web.Response) -> web.Response:
    """The answer, or 304 for who has this one already."""
    tag, held = response.headers[hdrs.ETAG], request.headers.get(hdrs.IF_NONE_MATCH, "")
    marks = {mark.strip().removeprefix("W/") for mark in held.split(",")}
    if held.strip() != "*" and tag.removeprefix("W/") not in marks:
        return response
    headers = {name: response.headers[name] for name in (hdrs.ETAG, hdrs.CACHE_CONTROL, hdrs.VARY) if name in response.headers}
    return web.Response(status=304, headers=headers)
