"""What queues did, by intervals, over HTTP: computed from the records of those who waited, a day at a time."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web

from api.record_lines import Form, body, head, statistics_line
from api.record_routes import form_of, instant, streamed
from api.reports.period import period
from api.store.records import RecordStore
from api.store.rows import QUARTER_S
from signaling.refusal import Refusal

SIZES = {"15": 1, "30": 2, "60": 4, "1440": 96}
"""Minutes of an interval, and how many quarters of an hour that is."""
TODAY: Final = "today"
_DAY = 96
_MOST_DAYS = 3_700


class QueueStatisticsRoutes:
    """``zone``: that of the house, by which it is today. ``now``: seconds since the epoch."""

    def __init__(self, records: RecordStore, zone: Callable[[], str], now: Callable[[], float] = time.time) -> None:
        self._records = records
        self._zone = zone
        self._now = now

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/queues/statistics", self._statistics, allow_head=False)

    async def _statistics(self, request: web.Request) -> web.StreamResponse:
        query, form = request.query, form_of(request.query)
        minutes = query.get("interval", "30")
        if minutes not in SIZES:
            raise Refusal("bad_message", f"interval is one of {', '.join(SIZES)} (minutes).")
        size, now = SIZES[minutes], self._now()
        begun_from, begun_before = self._begin(query.get("from", "")), instant("to", query.get("to", ""))
        until = begun_before if begun_before is not None else now
        since = begun_from if begun_from is not None else until - 86_400
        first, last = (int(at // QUARTER_S // size) * size for at in (since, until + size * QUARTER_S - 1))
        if not 0 <= last - first <= _MOST_DAYS * _DAY:
            raise Refusal("bad_message", f"from is before to, and not more than {_MOST_DAYS} days.")
        return await streamed(request, "statistics", form, self._pages(first, last, size, query.get("queue", ""), form))

    def _begin(self, text: str) -> float | None:
        return period(TODAY, self._zone(), self._now()).since if text == TODAY else instant("from", text)

    async def _pages(self, first: int, last: int, size: int, queue: str, form: Form) -> AsyncIterator[bytes]:
        before = head("statistics", form)
        for begin in range(first, last, _DAY):
            rows = await self._records.queue_statistics(begin, min(begin + _DAY, last), size, queue)
            yield before + body("statistics", form, [statistics_line(row, size) for row in rows])
            before = b""
        yield before
