"""How many agents each queue needs in the next hours, beside those who are there; or why that cannot be told.

* **Calls to come**: the mean of the same hour of the same weekday in up to 8 weeks before, of at least 3 (a seasonal mean; R. Hyndman,
  G. Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 5.2; R. Ibrahim et al., "Modeling and forecasting call center
  arrivals", Int. J. Forecasting 32 (2016) 865, find such means hard to beat by much within a day).
* **Handle time**: talk, hold and wrap-up of the last 28 days, of at least 30 calls. **Patience**: all time spent waiting for each who gave
  up, the estimate of an exponential patience of which the answered are censored (A. Mandelbaum, S. Zeltyn, 2007).
* **Agents**: Erlang A, or C where nobody gives up (``rooms/erlang.py``). Breaks come on top, and who serves several queues is counted in
  each of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from api.reports.figures import share
from api.reports.period import HOUR_S
from api.store.records import RecordStore
from api.store.rows import QUARTER_S, Row
from rooms.erlang import agents_needed, expected
from rooms.queues.figures import Figures
from rooms.queues.queue_plan import QueuePlan

WEEKS, LEAST_WEEKS = 8, 3
LEAST_CALLS = 30
HANDLED_S = 28 * 86_400.0
MOST_HOURS = 12
Why = Literal["", "young", "few_calls"]
"""Why nothing is told: the queue has fewer than 3 weeks behind it, or fewer than 30 calls in 28 days."""


class StaffingHour(Struct, frozen=True):
    """``calls``: that are expected in the hour that begins at ``at``. ``needed``: agents for the goal; None: not to be told. ``level``: the
    service level to expect with those who are there."""

    at: float
    calls: float | None
    needed: int | None
    level: float | None


class QueueStaffing(Struct, frozen=True):
    """``present``: agents who can serve it and are not on a break, ``away`` those who are. ``weeks``: of history. ``patience_s`` None:
    nobody gave up. ``within_s``: what is in time."""

    queue: str
    present: int
    away: int
    weeks: int
    calls: int
    handle_s: float | None
    patience_s: float | None
    within_s: float
    why: Why
    hours: list[StaffingHour]


class StaffingAdvice(Struct, frozen=True):
    """``goal``: of callers who are to be answered in time."""

    zone: str
    goal: float
    queues: list[QueueStaffing]


class Asks(Protocol):
    """The queues of this node: satisfied by ``rooms.switchboard.Switchboard`` with its time given."""

    def __call__(self) -> Mapping[str, Figures]: ...


class Staffing:
    """``plans``: of the queues in force. ``now``: seconds since the epoch."""

    def __init__(
        self,
        records: RecordStore,
        figures: Asks,
        plans: Callable[[], Mapping[str, QueuePlan]],
        zone: Callable[[], str],
        now: Callable[[], float],
        goal: float = 0.8,
    ) -> None:
        self._records, self._figures, self._plans = records, figures, plans
        self._zone, self._now, self._goal = zone, now, goal

    async def advice(self, hours: int) -> StaffingAdvice:
        """Of this hour and those after it."""
        now, zone = self._now(), self._zone()
        first = now // HOUR_S * HOUR_S
        begins = [first + HOUR_S * ahead for ahead in range(hours)]
        history = await self._history(begins, zone)
        oldest = await self._records.first_visits()
        worked = await self._records.queue_statistics(int((now - HANDLED_S) // QUARTER_S), int(now // QUARTER_S) + 1, 0, "")
        sums = {row["queue"]: row for row in worked}
        figures = self._figures()
        return StaffingAdvice(
            zone,
            self._goal,
            [
                self._of(plan, figures.get(name), sums.get(name), oldest.get(name, now), history, begins, zone)
                for name, plan in sorted(self._plans().items())
            ],
        )

    async def _history(self, begins: Sequence[float], zone: str) -> dict[tuple[str, float], int]:
        """Callers by queue and quarter of an hour, in the same hours of the weeks before."""
        found: dict[tuple[str, float], int] = {}
        for week in range(1, WEEKS + 1):
            since, until = weeks_before(begins[0], week, zone), weeks_before(begins[-1], week, zone) + HOUR_S
            rows = await self._records.queue_statistics(int(since // QUARTER_S), math.ceil(until / QUARTER_S), 1, "")
            found |= {(row["queue"], row["slot"] * QUARTER_S): row["offered"] for row in rows}
        return found

    def _of(
        self,
        plan: QueuePlan,
        figures: Figures | None,
        sums: Row | None,
        oldest: float,
        history: Mapping[tuple[str, float], int],
        begins: Sequence[float],
        zone: str,
    ) -> QueueStaffing:
        signed_in, away = (figures.signed_in, figures.away) if figures is not None else (0, 0)
        weeks = min(WEEKS, int((begins[0] - oldest) // (7 * 86_400)))
        calls = sums["answered"] if sums is not None else 0
        handle_s = share(sums["talk_s"] + sums["wrap_up_s"], calls) if sums is not None else None
        patience_s = share(sums["wait_s"], sums["abandoned"]) if sums is not None else None
        why: Why = "young" if weeks < LEAST_WEEKS else "few_calls" if calls < LEAST_CALLS or not handle_s else ""
        present = signed_in - away
        told = []
        for at in begins:
            counts = [_hour(history, plan.name, weeks_before(at, week, zone)) for week in range(1, weeks + 1)]
            mean = sum(counts) / len(counts) if not why and counts else None
            needed, level = (None, None) if mean is None else self._agents(mean, handle_s or 0.0, patience_s, plan.service_level_s, present)
            told.append(StaffingHour(at, mean, needed, level))
        return QueueStaffing(plan.name, present, away, max(0, weeks), calls, handle_s, patience_s, plan.service_level_s, why, told)

    def _agents(
        self, calls: float, handle_s: float, patience_s: float | None, within_s: float, present: int
    ) -> tuple[int | None, float | None]:
        if calls == 0:
            return 0, None
        rate, patience = calls / HOUR_S, patience_s or math.inf
        try:
            needed = agents_needed(rate, handle_s, self._goal, patience, within_s=within_s)
            level = expected(rate, handle_s, present, patience, within_s=within_s).service_level if present > 0 else 0.0
        except ValueError:  # figures beyond what can be reckoned
            return None, None
        return needed, level


def weeks_before(at: float, weeks: int, zone: str) -> float:
    """The same time of day so many weeks ago, whatever summer time did in between."""
    local = datetime.fromtimestamp(at, ZoneInfo(zone)) - timedelta(weeks=weeks)
    return local.astimezone(UTC).timestamp()


def _hour(history: Mapping[tuple[str, float], int], queue: str, at: float) -> int:
    return sum(history.get((queue, at + quarter * QUARTER_S), 0) for quarter in range(4))
