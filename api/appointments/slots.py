"""When a professional is free for a service, and what is near where they are not. Pure: ``now`` and what is taken are arguments.

Theory. Time is cut into *cells* of ``CELL_S``, numbered from the epoch, the same for everybody: an appointment takes the cells of its
length and of the pause after it. A slot is free while none of its cells is taken, and the store lets a cell be taken once
(``api/store/appointments.py``), so what is shown here and what can be booked there follow one rule. No zone counts here: cells and slots
are moments, and a wall time that comes twice or never, where clocks change, is a matter of ``rooms/calendar.py`` alone. So no slot is
doubled, and none is lost.

Slots begin on a grid of the service, anchored where a stretch of work begins: the day's opening, or the end of a break. What is booked or
absent takes slots off that grid and never moves it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rooms.calendar import Calendar

CELL_S = 300
MOST_NEAR = 3
_DAY_S = 86_400.0


class Slot(NamedTuple):
    """Seconds since the epoch."""

    start_s: float
    end_s: float
    professional: str


@dataclass(frozen=True, slots=True)
class Service:
    """``professionals``: who may give it, empty: whoever has the skills. ``languages``: in which it is given, empty: in theirs.
    ``step_s`` between two beginnings. ``early_s`` and ``late_s``: see ``rooms.membership.Schedule``."""

    service_id: str
    length_s: float
    step_s: float
    professionals: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """Of one professional. ``breaks``: hours of each week that are none. ``absences``: (from, until) in seconds since the epoch.

    ``buffer_s`` is kept free after each appointment; ``notice_s`` before one, at least; ``horizon_s``: so far ahead one may book.
    """

    professional: str
    hours: Calendar
    breaks: Calendar | None = None
    absences: tuple[tuple[float, float], ...] = ()
    buffer_s: float = 0.0
    notice_s: float = 0.0
    horizon_s: float = 60 * _DAY_S
    languages: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()

    def gives(self, service: Service, language: str = "") -> bool:
        """``language``: empty is any."""
        if service.professionals and self.professional not in service.professionals:
            return False
        spoken = self.languages & service.languages if service.languages else self.languages
        return service.skills <= self.skills and (not language or language in spoken)

    def takes(self, start_s: float, length_s: float) -> range:
        """The cells of an appointment with its pause."""
        return cells(start_s, start_s + length_s + self.buffer_s)


Taken = Mapping[str, AbstractSet[int]]
"""The cells that are not free any more, by professional."""


def cells(begin_s: float, end_s: float) -> range:
    """Which this time touches."""
    return range(math.floor(begin_s / CELL_S), math.ceil(end_s / CELL_S))


def free_slots(
    service: Service,
    calendars: Iterable[WorkCalendar],
    taken: Taken,
    begin_s: float,
    end_s: float,
    now: float,
    *,
    language: str = "",
) -> list[Slot]:
    """Every slot that begins in this time and can be booked now, in order of time, then of professional."""
    found = {
        slot
        for calendar in calendars
        if calendar.gives(service, language)
        for slot in _slots_of(service, calendar, begin_s, end_s)
        if may_book(service, calendar, slot.start_s, now) and taken.get(slot.professional, frozenset()).isdisjoint(_needed(calendar, slot))
    }
    return sorted(found)


def is_offered(service: Service, calendar: WorkCalendar, start_s: float, now: float) -> bool:
    """Is there such a slot, taken or not?"""
    if not may_book(service, calendar, start_s, now):
        return False
    return any(slot.start_s == start_s for slot in _slots_of(service, calendar, start_s, start_s + 1))


def may_book(service: Service, calendar: WorkCalendar, start_s: float, now: float) -> bool:
    """Is it neither too soon nor too far ahead?"""
    return now + calendar.notice_s <= start_s <= now + calendar.horizon_s


def _needed(calendar: WorkCalendar, slot: Slot) -> range:
    return calendar.takes(slot.start_s, slot.end_s - slot.start_s)


def _slots_of(service: Service, calendar: WorkCalendar, begin_s: float, end_s: float) -> Iterator[Slot]:
    """All slots that begin in this time, free or taken."""
    for opens_s, closes_s in _stretches(calendar, begin_s, end_s):
        for step in range(max(0, math.ceil((begin_s - opens_s) / service.step_s)), math.ceil((end_s - opens_s) / service.step_s)):
            slot = Slot(opens_s + step * service.step_s, opens_s + step * service.step_s + service.length_s, calendar.professional)
            if slot.end_s > closes_s:
                break
            if not any(since_s < slot.end_s and until_s > slot.start_s for since_s, until_s in calendar.absences):
                yield slot


def _stretches(calendar: WorkCalendar, begin_s: float, end_s: float) -> Iterator[tuple[float, float]]:
    """Hours of work less the breaks."""
    for opens_s, closes_s in calendar.hours.spans(begin_s, end_s):
        from_s = opens_s
        for since_s, until_s in calendar.breaks.openings(opens_s, closes_s) if calendar.breaks is not None else ():
            if since_s > from_s:
                yield from_s, since_s
            from_s = max(from_s, until_s)
        if from_s < closes_s:
            yield from_s, closes_s


# ---------------------------------------------------------------------- when a slot is gone


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Near a slot that is gone, the nearest first: with the same professional, on the same day with others, and others at all."""

    same_professional: list[Slot] = field(default_factory=list)
    same_day: list[Slot] = field(default_factory=list)
    others: list[Slot] = field(default_factory=list)


def alternatives(gone: Slot, free: Sequence[Slot], zone: str) -> Alternatives:
    """``free`` in its surroundings; ``zone``: whose day it is. No slot is in two of the lists."""
    day = _day(gone.start_s, zone)
    near = sorted((slot for slot in free if slot != gone), key=lambda slot: (abs(slot.start_s - gone.start_s), slot))
    same = [slot for slot in near if slot.professional == gone.professional]
    strangers = [slot for slot in near if slot.professional != gone.professional]
    today = [slot for slot in strangers if _day(slot.start_s, zone) == day]
    later = [slot for slot in strangers if _day(slot.start_s, zone) != day]
    return Alternatives(same[:MOST_NEAR], today[:MOST_NEAR], later[:MOST_NEAR])


def _day(epoch_s: float, zone: str) -> date:
    return datetime.fromtimestamp(epoch_s, ZoneInfo(zone)).date()


def least_busy(slots: Sequence[Slot], taken: Taken) -> list[Slot]:
    """Of slots at one time, whose professional has the least to do comes first."""
    return sorted(slots, key=lambda slot: (len(taken.get(slot.professional, frozenset())), slot.professional))
