"""Times by rule, written as cron writes them, in a time zone.

Five fields: minute, hour, day of the month, month, weekday (0-7 or names; 0 and 7 are Sunday). Each is ``*``, a number, a range ``1-5``, a
list ``1,15``, or steps ``*/10``. Where both days are restricted, either suffices (POSIX crontab). Where clocks change, a wall time that
comes twice counts at its first coming, and one that never comes at the moment of the change: each day that has it, once.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(\*|[a-z0-9]+(?:-[a-z0-9]+)?)(?:/([0-9]{1,2}))?")
_DAYS_AHEAD = 366 * 8 + 3
"""29 February may be eight years away."""


class BadSchedule(ValueError):
    """It is no such time. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """``zone``: an IANA name. Weekdays: 0 is Sunday. ``either_day``: the day of the month or of the week suffices."""

    zone: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def next_after(self, epoch_s: float) -> float | None:
        """The first such moment after this one, in seconds since the epoch; None: there never is one."""
        zone = ZoneInfo(self.zone)
        day = datetime.fromtimestamp(epoch_s, zone).date() - timedelta(days=1)
        for _ in range(_DAYS_AHEAD):
            if self._has(day.month, day.day, day.isoweekday() % 7):
                moments = (
                    _epoch_of(datetime(day.year, day.month, day.day, hour, minute), zone)  # noqa: DTZ001 - a wall time
                    for hour in sorted(self.hours)
                    for minute in sorted(self.minutes)
                )
                later = [moment for moment in moments if moment > epoch_s]
                if later:
                    return min(later)
            day += timedelta(days=1)
        return None

    def _has(self, month: int, day: int, weekday: int) -> bool:
        if month not in self.months:
            return False
        if self.either_day:
            return day in self.days or weekday in self.weekdays
        return day in self.days and weekday in self.weekdays


def read_schedule(text: str, zone: str) -> Schedule:
    """Raises ``BadSchedule``."""
    fields = text.lower().split()
    if len(fields) != 5:
        raise BadSchedule("five fields are needed: minute, hour, day of the month, month, weekday, as in '0 9 * * mon-fri'")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise BadSchedule(f"{zone!r} is no time zone: write it like Europe/Madrid") from None
    weekdays = frozenset(number % 7 for number in _field(fields[4], 0, 7, _WEEKDAYS))
    made = Schedule(
        zone,
        _field(fields[0], 0, 59),
        _field(fields[1], 0, 23),
        _field(fields[2], 1, 31),
        _field(fields[3], 1, 12, _MONTHS),
        weekdays,
        either_day=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    if made.next_after(0.0) is None:
        raise BadSchedule("no such day ever comes")
    return made


def _field(text: str, least: int, most: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        matched = _PART.fullmatch(part)
        if matched is None:
            raise BadSchedule(f"{part!r} is no value: write *, 5, 1-5, 1,15 or */10")
        first, _, last = ("*" if matched[1] == "*" else matched[1]).partition("-")
        begin = least if first == "*" else _number(first, least, most, names)
        end = most if first == "*" or (matched[2] and not last) else _number(last, least, most, names) if last else begin
        step = int(matched[2] or 1)
        if end < begin or step == 0:
            raise BadSchedule(f"{part!r} goes backwards or nowhere")
        found |= set(range(begin, end + 1, step))
    return frozenset(found)


def _number(text: str, least: int, most: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + (1 if names is _MONTHS else 0)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise BadSchedule(f"{text!r} is no number from {least} to {most}")
    return int(text)


def _epoch_of(wall: datetime, zone: ZoneInfo) -> float:
    """The first coming of a wall time (PEP 495, fold 0); one that is left out is the moment of the change."""
    moment = wall.replace(tzinfo=zone)
    epoch = moment.astimezone(UTC).timestamp()
    if datetime.fromtimestamp(epoch, zone).replace(tzinfo=None) == wall:
        return epoch
    early, late = epoch - 86_400.0, epoch + 86_400.0
    before = datetime.fromtimestamp(early, zone).utcoffset()
    while late - early > 1.0:
        middle = (early + late) / 2
        early, late = (middle, late) if datetime.fromtimestamp(middle, zone).utcoffset() == before else (early, middle)
    return float(round(late))
