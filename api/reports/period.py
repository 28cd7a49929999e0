"""Periods as people name them, in the time zone of the house, and the hours and days they consist of. Pure.

Days begin at local midnight: that of a change to or from summer time has 23 or 25 hours, and an hour that comes twice is two hours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

PeriodName = Literal["today", "yesterday", "7d", "28d", "dates"]
"""``today``: so far. ``7d``, ``28d``: so many whole days before today."""
Step = Literal["hour", "day"]
LONGEST_DAYS = 366
_DAYS = {"7d": 7, "28d": 28}
HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Period:
    """``since`` to before ``until``, seconds since the epoch; ``until`` is never later than now. ``whole``: it does not run any more."""

    since: float
    until: float
    zone: str
    whole: bool = True


def period(name: PeriodName, zone: str, now: float, first: date | None = None, last: date | None = None) -> Period:
    """``first`` and ``last`` (included): of ``dates``. Raises ``ValueError`` in words."""
    clock = ZoneInfo(zone)
    today = datetime.fromtimestamp(now, clock).date()
    if name == "dates":
        if first is None or last is None or not first <= last or (last - first).days >= LONGEST_DAYS:
            raise ValueError(f"from is a day, to is no day before it, and there are no more than {LONGEST_DAYS} of them.")
        if first > today:
            raise ValueError("from is no day to come.")
    elif name == "today":
        first = last = today
    else:
        first, last = today - timedelta(days=_DAYS.get(name, 1)), today - timedelta(days=1)
    until = midnight(last + timedelta(days=1), clock)
    return Period(midnight(first, clock), min(until, now), zone, until <= now)


def midnight(day: date, clock: ZoneInfo) -> float:
    """When a day begins there; where midnight is left out, the first moment after it. (The earlier one where it comes twice.)"""
    at = datetime.combine(day, time(), clock)
    return at.astimezone(UTC).timestamp()


def buckets(of: Period, step: Step) -> list[float]:
    """When each of its days or hours begins, in order; the first is ``since``."""
    clock, found = ZoneInfo(of.zone), list[float]()
    if step == "hour":
        return [of.since + HOUR_S * count for count in range(max(0, int(-(-(of.until - of.since) // HOUR_S))))]
    day = datetime.fromtimestamp(of.since, clock).date()
    while (at := midnight(day, clock)) < of.until:
        found.append(at)
        day += timedelta(days=1)
    return found


def bucket_name(at: float, zone: str, step: Step) -> str:
    """A day as 2026-11-22, an hour as 2026-11-22T09:00+01:00: with its offset, for one hour of the year comes twice."""
    local = datetime.fromtimestamp(at, ZoneInfo(zone))
    return local.date().isoformat() if step == "day" else local.isoformat(timespec="minutes")


def house_zone(wanted: str, zones: Iterable[str]) -> str:
    """The time zone of the house: what the settings say; else that of most of its calendars, the first by name of several; else UTC."""
    counted: dict[str, int] = {}
    for zone in zones:
        counted[zone] = counted.get(zone, 0) + 1
    return wanted or min(counted, key=lambda zone: (-counted[zone], zone), default="UTC")
