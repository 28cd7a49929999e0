"""What a visitor can do in a queue just now: whether it is open, whether somebody is there, when they can be called back."""

from collections.abc import Callable

import structlog
from msgspec import Struct

from api.visits.settings import VisitSettings
from rooms.calendar import Calendar
from rooms.centre_plan import CentrePlan
from rooms.queues.queue_plan import QueuePlan
from rooms.switchboard import Switchboard
from signaling.refusal import Refusal

log = structlog.get_logger()

_AHEAD_S = 3 * 86_400.0
_WINDOW_S = 7_200.0
_SOON_S = 900.0
_MOST_WINDOWS = 16


class Window(Struct, frozen=True):
    """Between these two somebody can be called back; seconds since the epoch."""

    begins_at: float
    ends_at: float


class DeskNow(Struct, frozen=True):
    """A queue as its visitors are told of it. ``title``: in their language. ``open``: is it within the hours? ``there``: is somebody
    signed in who could take them, ``free``: at once? ``waiting``: who is before them. ``opens_at``: when it opens again, where that is
    known. ``windows``: when they can be called back."""

    queue: str
    title: str
    open: bool
    there: bool
    free: bool
    waiting: int
    opens_at: float | None
    windows: list[Window]


class FrontDesk:
    """``plan``: the one in force; ``now``: seconds since the epoch; ``core_now``: the core's clock."""

    def __init__(
        self,
        settings: VisitSettings,
        switchboard: Switchboard,
        plan: Callable[[], CentrePlan],
        *,
        now: Callable[[], float],
        core_now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._switchboard = switchboard
        self._plan = plan
        self._now = now
        self._core_now = core_now

    def queue(self, name: str) -> QueuePlan:
        """A queue that visitors may reach. Raises ``Refusal``: ``widget_off``, ``unknown_queue``."""
        if not self._settings.enabled:
            raise Refusal("widget_off", "No site may show this button: the server's setting widget.sites names those that may.")
        queue = self._plan().queues.get(name)
        if queue is None or (self._settings.queues and name not in self._settings.queues):
            raise Refusal("unknown_queue", "Visitors reach no queue of this name: data-queue names one of the plan, and of widget.queues.")
        return queue

    def look(self, name: str, language: str) -> DeskNow:
        """Raises ``Refusal``."""
        queue, calendar = self.queue(name), self._calendar()
        figures = self._switchboard.queue_figures(self._core_now()).get(name)
        is_open, opens_at = self._hours(calendar)
        able = self._switchboard.able(name)
        return DeskNow(
            queue=name,
            title=queue.titles.get(language) or queue.titles.get("en") or next(iter(queue.titles.values()), name),
            open=is_open,
            there=bool(able) or queue.wait_without_agents,
            free=figures is not None and figures.available > 0,
            waiting=figures.waiting - figures.call_backs if figures is not None else 0,
            opens_at=opens_at,
            windows=self._windows(calendar),
        )

    def is_open(self) -> bool:
        return self._hours(self._calendar())[0]

    def earliest(self, wanted_at: float | None) -> float | None:
        """When somebody may be called back who wants it then (None: soon), None: at once. Raises ``Refusal`` (``bad_time``)."""
        now, calendar = self._now(), self._calendar()
        if wanted_at is not None and not now - _WINDOW_S <= wanted_at <= now + _AHEAD_S:
            raise Refusal("bad_time", "Choose a time within the next three days.")
        if calendar is None:
            return wanted_at if wanted_at is not None and wanted_at > now else None
        from_s = max(now, wanted_at or now)
        opening = next(calendar.openings(from_s), None)
        if opening is None:
            raise Refusal("closed", "It is closed for long: nobody can call you back soon.")
        begins = max(opening[0], from_s)
        return begins if begins > now else None

    def _calendar(self) -> Calendar | None:
        """None: always open. One that the plan does not have is never open."""
        name = self._settings.hours
        if not name:
            return None
        calendar = self._plan().calendars.get(name)
        if calendar is None:
            log.warning("widget.no_calendar", calendar=name, hint="widget.hours names none of the plan: it is closed")
            return _NEVER
        return calendar

    def _hours(self, calendar: Calendar | None) -> tuple[bool, float | None]:
        if calendar is None:
            return True, None
        now = self._now()
        if calendar.is_open(now) == "open":
            return True, None
        opening = next(calendar.openings(now), None)
        return False, opening[0] if opening is not None else None

    def _windows(self, calendar: Calendar | None) -> list[Window]:
        begin, end = self._now() + _SOON_S, self._now() + _AHEAD_S
        spans = [(begin, end)] if calendar is None else list(calendar.openings(begin, end))
        windows: list[Window] = []
        for opens, closes in spans:
            at = opens
            while at < closes and len(windows) < _MOST_WINDOWS:
                until = min(closes, (at // _WINDOW_S + 1) * _WINDOW_S)
                windows.append(Window(at, until))
                at = until
        return windows


_NEVER = Calendar("UTC", {})
