"""When a report is due: every day or every week at a time of the local day. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def next_due(every: str, weekday: int, minute: int, zone: str, after: float) -> float:
    """The first moment behind ``after``. A time of day that is left out when summer time begins is the moment at which it does; of one that
    comes twice the first counts."""
    clock = ZoneInfo(zone)
    day = datetime.fromtimestamp(after, clock).date()
    while every == "week" and day.weekday() != weekday:
        day += timedelta(days=1)
    while (at := _moment(day, minute, clock)) <= after:
        day += timedelta(days=7 if every == "week" else 1)
    return at


def last_due(every: str, weekday: int, minute: int, zone: str, until: float) -> float:
    """The last moment up to ``until``."""
    before = until - (15 if every == "week" else 3) * 86_400
    at = next_due(every, weekday, minute, zone, before)
    while (later := next_due(every, weekday, minute, zone, at)) <= until:
        at = later
    return at


def _moment(day: date, minute: int, clock: ZoneInfo) -> float:
    local = datetime.combine(day, time(minute // 60, minute % 60), clock)
    return local.astimezone(UTC).timestamp()
