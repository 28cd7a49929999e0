"""When an office is open: weekly hours in a time zone, holidays by rule, and days of their own hours.

A span belongs to the day on which it begins and may end after midnight: Friday's lasts into a Saturday that is a holiday. A day of its own
hours (``exceptions``) has these and no others, holiday or not.

Where clocks change, a wall time that comes twice begins a span at its first and ends one at its second coming; one that never comes means
the moment of the change. A span that lies wholly in what is left out does not take place.

Source of the date of Easter: the anonymous Gregorian algorithm (Nature 13, 1876, page 487; Meeus, Astronomical Algorithms, chapter 8).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

Openness = Literal["open", "closed", "holiday"]
DAY_MINUTES = 1440
LOOK_AHEAD_DAYS = 400
_DAY = timedelta(days=1)


class Span(NamedTuple):
    """Minutes from midnight; ``end`` is above ``DAY_MINUTES`` where it lies on the next day."""

    begin: int
    end: int


class YearDay(NamedTuple):
    """The same day of every year; 29 February in leap years alone."""

    month: int
    day: int


class FromEaster(NamedTuple):
    """So many days after Easter Sunday, before it where negative: -2 is Good Friday."""

    days: int


Holiday = date | YearDay | FromEaster


@dataclass(frozen=True, slots=True)
class Calendar:
    """``zone``: an IANA name. ``weekly``: by weekday, Monday is 0. ``exceptions``: empty where that day is closed."""

    zone: str
    weekly: Mapping[int, tuple[Span, ...]]
    holidays: frozenset[Holiday] = frozenset()
    exceptions: Mapping[date, tuple[Span, ...]] = field(default_factory=dict)

    def is_open(self, epoch_s: float) -> Openness:
        """``holiday``: closed, on a day that is one."""
        day = datetime.fromtimestamp(epoch_s, self._zone).date()
        if any(begin <= epoch_s < end for each in (day - _DAY, day) for begin, end in self._times(each)):
            return "open"
        return "holiday" if self.is_holiday(day) else "closed"

    def next_change(self, epoch_s: float) -> float | None:
        """When ``is_open`` next says something else; None: not within ``LOOK_AHEAD_DAYS``."""
        at_first = self.is_open(epoch_s)
        today = datetime.fromtimestamp(epoch_s, self._zone).date()
        for day in (today + days * _DAY for days in range(LOOK_AHEAD_DAYS)):
            midnight, next_midnight = (self._moment(each, 0, is_end=False) for each in (day, day + _DAY))
            moments = {midnight, *(moment for each in (day - _DAY, day) for times in self._times(each) for moment in times)}
            for moment in sorted(moments):
                if epoch_s < moment < next_midnight and self.is_open(moment) != at_first:
                    return moment
        return None

    def openings(self, begin_s: float, end_s: float = math.inf) -> Iterator[tuple[float, float]]:
        """When it is open between these two, in order and apart from one another; no further ahead than ``LOOK_AHEAD_DAYS``."""
        first = datetime.fromtimestamp(begin_s, self._zone).date() - _DAY
        last = first + LOOK_AHEAD_DAYS * _DAY
        if end_s < math.inf:
            last = max(datetime.fromtimestamp(end_s, self._zone).date(), first)
        waiting: tuple[float, float] | None = None
        for day in (first + days * _DAY for days in range((last - first).days + 1)):
            for begin, end in sorted(self._times(day)):
                begin, end = max(begin, begin_s), min(end, end_s)
                if begin >= end:
                    continue
                if waiting is not None and begin <= waiting[1]:
                    waiting = (waiting[0], max(waiting[1], end))
                    continue
                if waiting is not None:
                    yield waiting
                waiting = (begin, end)
        if waiting is not None:
            yield waiting

    def open_s(self, begin_s: float, end_s: float) -> float:
        """For how many seconds it is open between these two."""
        return math.fsum(end - begin for begin, end in self.openings(begin_s, end_s))

    def after_open_s(self, begin_s: float, open_s: float) -> float | None:
        """When it has been open for so many seconds since ``begin_s``; None: not within ``LOOK_AHEAD_DAYS``."""
        left_s = open_s
        for begin, end in self.openings(begin_s):
            if left_s <= end - begin:
                return begin + left_s
            left_s -= end - begin
        return None

    def spans(self, begin_s: float, end_s: float) -> list[tuple[float, float]]:
        """The spans that reach into this time, each whole and by itself, in order of their beginnings."""
        first, last = (datetime.fromtimestamp(moment, self._zone).date() for moment in (begin_s, end_s))
        days = (first + days * _DAY for days in range(-2, (last - first).days + 1))
        return sorted({(begin, end) for day in days for begin, end in self._times(day) if begin < end and begin < end_s and end > begin_s})

    def is_holiday(self, day: date) -> bool:
        return not self.holidays.isdisjoint((day, YearDay(day.month, day.day), FromEaster((day - easter(day.year)).days)))

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def _spans(self, day: date) -> tuple[Span, ...]:
        found = self.exceptions.get(day)
        if found is not None:
            return found
        return () if self.is_holiday(day) else self.weekly.get(day.weekday(), ())

    def _times(self, day: date) -> Iterator[tuple[float, float]]:
        """From when to when it is open, in epoch seconds, for the spans that begin on this day."""
        for span in self._spans(day):
            yield self._moment(day, span.begin, is_end=False), self._moment(day, span.end, is_end=True)

    def _moment(self, day: date, minutes: int, *, is_end: bool) -> float:
        """The wall time so many minutes after a day's midnight, in epoch seconds."""
        days, rest = divmod(minutes, DAY_MINUTES)
        wall = datetime.combine(day + days * _DAY, time(rest // 60, rest % 60), self._zone)
        first, second = wall.timestamp(), wall.replace(fold=1).timestamp()
        if first <= second:
            return second if is_end else first
        return self._change_between(second, first)

    def _change_between(self, before_s: float, after_s: float) -> float:
        """The moment between these two at which clocks were put forward."""
        low, high = int(before_s), int(after_s)
        offset = datetime.fromtimestamp(low, self._zone).utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, self._zone).utcoffset() == offset:
                low = middle
            else:
                high = middle
        return float(high)


def easter(year: int) -> date:
    """Easter Sunday of the western churches."""
    golden, century = year % 19, year // 100
    skipped, of_four = century // 4, century % 4
    moon = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - skipped - moon + 15) % 30
    weekday = (32 + 2 * of_four + 2 * (year % 100 // 4) - epact - year % 100 % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)
