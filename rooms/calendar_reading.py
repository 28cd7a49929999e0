"""Calendars as text: a document in which each table is one.

    [office]
    zone = "Europe/Madrid"
    holidays = ["01-01", "easter-2", "2026-09-11"]

    [office.weekly]
    monday-thursday = ["09:00-14:00", "16:00-20:00"]
    friday = ["09:00-15:00", "22:00-02:00+1"]

    [office.exceptions]
    2026-12-24 = ["09:00-13:00"]
    2026-12-31 = []

A span that ends on the next day says so by ``+1``. Holidays are days of one year, of every year (month-day) or ``easter`` with an offset.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from rooms.calendar import DAY_MINUTES, Calendar, FromEaster, Holiday, Span, YearDay
from rooms.document import Document, Table

NAME = r"[a-z0-9][a-z0-9-]{0,63}"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)(\+1)?")
_EASTER = re.compile(r"easter([+-]\d{1,2})?")
_HOLIDAY_SUCH_AS = '"2026-12-08", "12-25" (every year) or "easter-2" (Good Friday)'


def read_calendars(text: str, name: str = "calendars") -> dict[str, Calendar]:
    """All calendars of a document, by name. Raises ``DocumentError``."""
    document = Document(text, name)
    found = {each: read_calendar(table) for each, table in document.root.named(NAME, "office")}
    document.root.close()
    document.finish()
    return found


def read_calendar(table: Table) -> Calendar:
    """One of them; what is wrong is told to its document."""
    zone = table.text("zone", such_as="Europe/Madrid")
    if zone and not _is_zone(zone):
        table.complain("zone", f"{zone!r} is no time zone: write one like Europe/Madrid.")
    holidays = _holidays(table)
    weekly = _weekly(table.table("weekly", required=True))
    exceptions = _exceptions(table.table("exceptions"))
    table.close()
    return Calendar(zone, weekly, holidays, exceptions)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, a folder of zones, or no name at all
        return False
    return True


def _weekly(table: Table) -> dict[int, tuple[Span, ...]]:
    found: dict[int, tuple[Span, ...]] = {}
    for key in table.values:
        days = _weekdays(key)
        spans = _spans(table, key)
        if not days:
            table.complain(key, f"{key!r} is no weekday: write one like monday, or some like monday-friday.")
        for day in days:
            if day in found:
                table.complain(key, f"{_WEEKDAYS[day]} has its hours already: give them once.")
            found[day] = spans
    return found


def _weekdays(key: str) -> list[int]:
    first, _, last = key.partition("-")
    if first not in _WEEKDAYS or (last or first) not in _WEEKDAYS:
        return []
    return list(range(_WEEKDAYS.index(first), _WEEKDAYS.index(last or first) + 1))


def _exceptions(table: Table) -> Mapping[date, tuple[Span, ...]]:
    found: dict[date, tuple[Span, ...]] = {}
    for key in table.values:
        day = _date(key)
        spans = _spans(table, key)
        if day is None:
            table.complain(key, f"{key!r} is no date: write one like 2026-12-24.")
        else:
            found[day] = spans
    return found


def _spans(table: Table, key: str) -> tuple[Span, ...]:
    found = []
    for index, written in enumerate(table.texts(key)):
        span = _span(written)
        if isinstance(span, Span):
            found.append(span)
        else:
            table.document.complain((*table.path, key, index), span)
    found.sort()
    for former, latter in pairwise(found):
        if latter.begin < former.end:
            table.complain(key, f"The spans of {key!r} overlap: {_written(former)} and {_written(latter)}.")
    return tuple(found)


def _span(written: str) -> Span | str:
    """The span, or what is wrong with it."""
    matched = _SPAN.fullmatch(written)
    if matched is None:
        return f"{written!r} is no span of time: write it like 09:00-14:00, and 22:00-02:00+1 where it ends on the next day."
    hours = [int(each) for each in matched.groups()[:4]]
    begin, end = 60 * hours[0] + hours[1], 60 * hours[2] + hours[3]
    if max(hours[1], hours[3]) > 59 or begin >= DAY_MINUTES or end > DAY_MINUTES:
        return f"{written!r} has a time that does not exist: a day goes from 00:00 to 24:00."
    if matched.group(5):
        span = Span(begin, end + DAY_MINUTES)
        return span if end <= begin else f"{written!r} is longer than a day: leave +1 out, or divide it."
    return Span(begin, end) if end > begin else f"{written!r} ends before it begins: write +1 behind it if it ends on the next day."


def _written(span: Span) -> str:
    begin, end = (f"{minutes // 60:02}:{minutes % 60:02}" for minutes in span)
    return f"{begin}-{end}"


def _holidays(table: Table) -> frozenset[Holiday]:
    value = table.take("holidays")
    if value is not None and not isinstance(value, list):
        table.complain("holidays", f"'holidays' is no list: write days like {_HOLIDAY_SUCH_AS}.")
    found: set[Holiday] = set()
    for index, each in enumerate(value if isinstance(value, list) else ()):
        holiday = _holiday(str(each)) if isinstance(each, str | date) and not isinstance(each, datetime) else None
        path = (*table.path, "holidays", index)
        if holiday is None:
            table.document.complain(path, f"{each!r} is no holiday: write a day like {_HOLIDAY_SUCH_AS}.")
        elif holiday in found or holiday in _covered(found, holiday):
            table.document.complain(path, f"{each!s} is a holiday already: name it once.")
        else:
            found.add(holiday)
    return frozenset(found)


def _covered(found: Iterable[Holiday], holiday: Holiday) -> list[Holiday]:
    """The day itself where the same day of every year is there already."""
    is_covered = isinstance(holiday, date) and YearDay(holiday.month, holiday.day) in found
    return [holiday] if is_covered else []


def _holiday(written: str) -> Holiday | None:
    matched = _EASTER.fullmatch(written)
    if matched is not None:
        return FromEaster(int(matched.group(1) or 0))
    if re.fullmatch(r"\d\d-\d\d", written):
        day = _date(f"2000-{written}")  # a leap year
        return None if day is None else YearDay(day.month, day.day)
    return _date(written)


def _date(written: str) -> date | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", written):
        return None
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None
