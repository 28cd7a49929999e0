"""When supervisors are told that something is wrong: with a call's sound, or in a queue. Pure: time is an argument.

**Hysteresis.** A measure alerts when so many of its last seconds were bad (``of`` in ``Rule``), or their mean was, and is over when as many
in a row were good; so one bad second tells nobody, and what hovers at the bound is told once. Bounds and counts are those of Twilio's
Voice Insights warnings. An alert that is snoozed is open and silent; one that was acknowledged stays until it is over. All supervisors
see the same ones.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

MOST_ALERTS = 200
"""Open ones. Of more none is told: by then it is not a call that is bad."""
LONGEST_SNOOZE_S = 8 * 3_600.0


class AlertKind(StrEnum):
    ROUND_TRIP = "round_trip"
    JITTER = "jitter"
    MOS = "mos"
    LOSS = "loss"
    SILENT = "silent"
    SERVICE_LEVEL = "service_level"
    WAIT = "wait"
    NOBODY = "nobody"
    HELP = "help"
    REPORT = "report"


OF_AGENTS = (AlertKind.HELP, AlertKind.REPORT)
"""What agents say themselves: nothing is measured."""
OF_CALLS = (AlertKind.ROUND_TRIP, AlertKind.JITTER, AlertKind.MOS, AlertKind.LOSS, AlertKind.SILENT)

Milliseconds = Annotated[float, Meta(ge=1, le=10_000)]
Fraction = Annotated[float, Meta(ge=0, le=1)]


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True):
    """From where on a second is bad; of queues, from where on they are. Fractions 0-1."""

    round_trip_ms: Milliseconds = 400.0
    jitter_ms: Milliseconds = 30.0
    mos: Annotated[float, Meta(ge=1, le=5)] = 3.5
    loss: Fraction = 0.03
    service_level: Fraction = 0.8
    wait_s: Annotated[float, Meta(ge=1, le=86_400)] = 120.0


class Rule(Struct, frozen=True):
    """``bad`` of the last ``of`` seconds; ``mean``: their mean in place of a count."""

    bad: int
    of: int
    mean: bool = False


RULES: Mapping[AlertKind, Rule] = {
    AlertKind.ROUND_TRIP: Rule(3, 5),
    AlertKind.JITTER: Rule(3, 5),
    AlertKind.MOS: Rule(3, 5),
    AlertKind.LOSS: Rule(0, 7, mean=True),
    AlertKind.SILENT: Rule(3, 5),
    AlertKind.SERVICE_LEVEL: Rule(3, 5),
    AlertKind.WAIT: Rule(1, 5),
    AlertKind.NOBODY: Rule(5, 5),
}


_AGENT = "agent "
"""Begins the subject of an agent's word, and is in no queue's name."""


class Measures(Struct, frozen=True):
    """A hop's last second; None: not measured. ``silent``: nothing came that was to come."""

    round_trip_ms: float | None = None
    jitter_ms: float | None = None
    mos: float | None = None
    loss: float | None = None
    silent: bool = False


class QueueMeasures(Struct, frozen=True):
    """A queue as it stands. ``service_level`` None: nobody was served yet; ``waiting`` of the callers."""

    service_level: float | None
    longest_wait_s: float
    waiting: int
    agents: int


@dataclass(slots=True)
class Alert:
    """``subject``: a call's id and hop, a queue, or (``OF_AGENTS``) whose word it is. ``worst``: the value furthest beyond its bound.
    ``call_id``, ``what``, ``teams``: of an agent's word. Times are the caller's."""

    alert_id: str
    kind: AlertKind
    subject: str
    since: float
    worst: float
    acknowledged_by: str = ""
    snoozed_until: float = 0.0
    snoozed_by: str = ""
    call_id: str = ""
    what: str = ""
    teams: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Window:
    seconds: deque[float] = field(default_factory=deque)
    bad: deque[bool] = field(default_factory=deque)


class Alerts:
    """What is open, by what is measured. ``told``: how many were ever raised, by kind."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = thresholds or Thresholds()
        self.open: dict[str, Alert] = {}
        self.told: dict[AlertKind, int] = dict.fromkeys(AlertKind, 0)
        self._windows: dict[tuple[AlertKind, str], _Window] = {}

    def change(self, thresholds: Thresholds) -> None:
        """Other bounds from now on. What is open stays until it is over by these."""
        self.thresholds = thresholds
        self._windows.clear()

    def hop(self, subject: str, measures: Measures, now: float) -> bool:
        """A hop's last second. Is anything open now that was not, or over?"""
        bounds = self.thresholds
        changed = [
            self._second(AlertKind.ROUND_TRIP, subject, measures.round_trip_ms, bounds.round_trip_ms, now),
            self._second(AlertKind.JITTER, subject, measures.jitter_ms, bounds.jitter_ms, now),
            self._second(AlertKind.MOS, subject, None if measures.mos is None else -measures.mos, -bounds.mos, now),
            self._second(AlertKind.LOSS, subject, measures.loss, bounds.loss, now),
            self._second(AlertKind.SILENT, subject, float(measures.silent), 0.5, now),
        ]
        return any(changed)

    def queue(self, name: str, measures: QueueMeasures, now: float) -> bool:
        """A queue's last second; as ``hop``."""
        bounds, level = self.thresholds, measures.service_level
        changed = [
            self._second(AlertKind.SERVICE_LEVEL, name, None if level is None else -level, -bounds.service_level, now),
            self._second(AlertKind.WAIT, name, measures.longest_wait_s, bounds.wait_s, now),
            self._second(AlertKind.NOBODY, name, float(measures.waiting > 0 and not measures.agents), 0.5, now),
        ]
        return any(changed)

    def say(
        self, kind: AlertKind, agent: str, now: float, *, call_id: str = "", what: str = "", teams: frozenset[str] = frozenset()
    ) -> bool:
        """An agent's own word. Is it open now, and was not?"""
        alert_id = f"{kind}:{agent} {call_id}"
        if alert_id in self.open or len(self.open) >= MOST_ALERTS:
            return False
        self.open[alert_id] = Alert(alert_id, kind, f"{_AGENT}{agent}", now, 0.0, call_id=call_id, what=what, teams=teams)
        self.told[kind] += 1
        return True

    def said(self, kind: AlertKind, agent: str) -> Alert | None:
        """The last such word of this agent's that is open."""
        own = [alert for alert in self.open.values() if alert.kind is kind and alert.subject == f"{_AGENT}{agent}"]
        return own[-1] if own else None

    def unsay(self, alert: Alert) -> None:
        """It is over."""
        self.open.pop(alert.alert_id, None)

    def over(self, subjects: Iterable[str]) -> bool:
        """These are measured no more: a call has ended, a queue is no longer planned."""
        gone = set(subjects)
        for key in [key for key in self._windows if key[1] in gone]:
            del self._windows[key]
        ended = [alert_id for alert_id, alert in self.open.items() if alert.subject in gone]
        for alert_id in ended:
            del self.open[alert_id]
        return bool(ended)

    def restore(self, alerts: Iterable[Alert]) -> None:
        """These were open before, and stay so until what they are about is well: who was told is not told again."""
        for alert in alerts:
            known = self.open.get(alert.alert_id)
            if known is not None:
                alert.worst = max(alert.worst, known.worst)
            if known is not None or len(self.open) < MOST_ALERTS:
                self.open[alert.alert_id] = alert

    def acknowledge(self, alert_id: str, by: str) -> Alert | None:
        """Somebody sees to it. None: it is over."""
        alert = self.open.get(alert_id)
        if alert is not None:
            alert.acknowledged_by = by
        return alert

    def snooze(self, alert_id: str, by: str, until: float) -> Alert | None:
        """Nobody is to be told of it before. None: it is over."""
        alert = self.open.get(alert_id)
        if alert is not None:
            alert.snoozed_until, alert.snoozed_by = until, by
        return alert

    def loud(self, now: float) -> Iterator[Alert]:
        """Those that nobody saw to or put off."""
        return (alert for alert in self.open.values() if not alert.acknowledged_by and alert.snoozed_until <= now)

    def _second(self, kind: AlertKind, subject: str, value: float | None, bound: float, now: float) -> bool:
        key, alert_id = (kind, subject), f"{kind}:{subject}"
        if value is None:
            return False
        bad, rule = value > bound, RULES[kind]
        window = self._windows.get(key)
        if window is None:
            if not bad and alert_id not in self.open:
                return False  # what is well needs no memory
            window = self._windows[key] = _Window(deque(maxlen=rule.of), deque(maxlen=rule.of))
        window.seconds.append(value)
        window.bad.append(bad)
        known = self.open.get(alert_id)
        if known is not None:
            known.worst = max(known.worst, value)
            return self._maybe_over(alert_id, key, window, rule)
        if self._holds(window, rule, bound) and len(self.open) < MOST_ALERTS:
            self.open[alert_id] = Alert(alert_id, kind, subject, now, max(window.seconds))
            self.told[kind] += 1
            return True
        if not any(window.bad) and len(window.bad) == rule.of:
            del self._windows[key]
        return False

    def _holds(self, window: _Window, rule: Rule, bound: float) -> bool:
        if rule.mean:
            return len(window.seconds) == rule.of and sum(window.seconds) / rule.of > bound
        return sum(window.bad) >= rule.bad

    def _maybe_over(self, alert_id: str, key: tuple[AlertKind, str], window: _Window, rule: Rule) -> bool:
        if any(window.bad) or len(window.bad) < rule.of:
            return False
        del self.open[alert_id], self._windows[key]
        return True


def thresholds_words(before: Thresholds, now: Thresholds) -> str:
    """What was changed, for the audit."""
    former, present = asdict(before), asdict(now)
    return ", ".join(f"{name} {former[name]:g} to {value:g}" for name, value in present.items() if former[name] != value)
