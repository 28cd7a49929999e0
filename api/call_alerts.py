"""What is wrong with this node's calls and queues now, and who sees to it: ``api/quality_alerts.py`` fed with what is measured."""

from collections.abc import Callable, Mapping, Sequence

from api.quality_alerts import OF_AGENTS, OF_CALLS, Alert, AlertKind, Alerts, Measures, QueueMeasures, Thresholds
from media.messages import LegSample
from rooms.queues.figures import Figures
from signaling.messages import BoardAlert

_NEGATED = (AlertKind.MOS, AlertKind.SERVICE_LEVEL)
"""Where less is worse, so that the core has them the other way round."""
_SAID_FOR_S = 3_600.0
"""So long an agent's word is shown at most."""
_WAYS = {"agent": ("browser_to_us", "us_to_browser"), "phone": ("phone_to_us", "us_to_phone")}


class CallAlerts:
    """``now()``: seconds since the epoch. ``open``: complete, as boards show it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._core = Alerts()
        self._queues: set[str] = set()
        self._hops: dict[str, set[str]] = {}
        self.open: list[BoardAlert] = []
        self.on_help: Callable[[str], None] = lambda agent: None
        """An agent's wish for help stands otherwise."""

    @property
    def thresholds(self) -> Thresholds:
        return self._core.thresholds

    def change(self, thresholds: Thresholds) -> None:
        """Other bounds from now on."""
        if thresholds != self._core.thresholds:
            self._core.change(thresholds)

    def heard(self, call_id: str, sides: Sequence[tuple[str, LegSample]]) -> None:
        """A call's last second. ``sides``: (``agent`` or ``phone``, sample)."""
        now, changed = self._now(), False
        hops = self._hops.setdefault(call_id, set())
        for number, (side, sample) in enumerate(sides):
            for hop, measures in measures_of(side, sample):
                subject = f"{call_id} {hop} {number}"
                hops.add(subject)
                changed = self._core.hop(subject, measures, now) or changed
        if changed:
            self._show()

    def over(self, call_id: str) -> None:
        """A call has ended."""
        if self._core.over(self._hops.pop(call_id, ())):
            self._show()

    def look_at(self, figures: Mapping[str, Figures]) -> None:
        """Queues as they stand; asked for once a second."""
        now, changed = self._now(), False
        stale = [alert for alert in self._core.open.values() if alert.kind in OF_AGENTS and now - alert.since > _SAID_FOR_S]
        for alert in stale:
            self._unsay(alert)
        gone, self._queues = self._queues - figures.keys(), set(figures)
        changed = self._core.over(gone) if gone else False
        for name, each in figures.items():
            waiting = each.waiting - each.call_backs
            measures = QueueMeasures(each.service_level, each.longest_s if waiting else 0.0, waiting, each.signed_in)
            changed = self._core.queue(name, measures, now) or changed
        if changed or stale:
            self._show()

    # ------------------------------------------------------------------ what agents say

    def ask_help(self, agent: str, on: bool, teams: frozenset[str] = frozenset()) -> None:
        """This agent wants a supervisor's help, or no longer."""
        known = self._core.said(AlertKind.HELP, agent)
        if on and known is None:
            self._core.say(AlertKind.HELP, agent, self._now(), teams=teams)
            self._show()
        elif not on and known is not None:
            self._unsay(known)
            self._show()

    def help_of(self, agent: str) -> tuple[float | None, str]:
        """Since when, and who sees to it."""
        known = self._core.said(AlertKind.HELP, agent)
        return (None, "") if known is None else (known.since, known.acknowledged_by)

    def report(self, agent: str, call_id: str, what: str, teams: frozenset[str] = frozenset()) -> None:
        """What this agent says of a call's sound: the first word of each call counts."""
        if self._core.say(AlertKind.REPORT, agent, self._now(), call_id=call_id, what=what, teams=teams):
            self._show()

    def _unsay(self, alert: Alert) -> None:
        self._core.unsay(alert)
        if alert.kind is AlertKind.HELP:
            self.on_help(_agent_of(alert))

    # ------------------------------------------------------------------ who sees to it

    def see(self, alert_id: str, by: str, until: float | None) -> bool:
        """Somebody sees to it, or puts it off ``until`` then. Is it still open?"""
        found = self._core.acknowledge(alert_id, by) if until is None else self._core.snooze(alert_id, by, until)
        if until is None and found is not None and found.kind is AlertKind.REPORT:
            self._core.unsay(found)
        self._show()
        if until is None and found is not None and found.kind is AlertKind.HELP:
            self.on_help(_agent_of(found))
        return found is not None

    def of_queues(self) -> list[Alert]:
        """Those that outlive this process."""
        return [alert for alert in self._core.open.values() if alert.kind not in (*OF_CALLS, *OF_AGENTS)]

    def restore(self, alerts: Sequence[Alert]) -> None:
        """Of queues, as they were when this node stopped."""
        self._core.restore(alerts)
        self._queues |= {alert.subject for alert in alerts}
        self._show()

    def _show(self) -> None:
        self.open = [_board_alert(alert) for alert in self._core.open.values()]


def measures_of(side: str, sample: LegSample) -> list[tuple[str, Measures]]:
    """The two hops of a leg. What came so from the other leg is no fault of this one's."""
    came, went = _WAYS[side]
    far_mos = None if sample.far_cause == "upstream" else sample.far_mos
    far_silent = sample.far_cause == "silent"
    return [
        (came, Measures(None, sample.jitter_ms, sample.mos, sample.loss, sample.cause == "silent")),
        (went, Measures(sample.round_trip_ms, sample.far_jitter_ms, far_mos, sample.hop_loss, far_silent)),
    ]


def _board_alert(alert: Alert) -> BoardAlert:
    of_call = alert.kind in OF_CALLS
    call_id, hop = alert.subject.split(" ")[:2] if of_call else (alert.call_id, "")
    worst = -alert.worst if alert.kind in _NEGATED else alert.worst
    return BoardAlert(
        alert_id=alert.alert_id,
        kind=alert.kind.value,
        subject=_agent_of(alert) if alert.kind in OF_AGENTS else alert.subject,
        call_id=call_id,
        hop=hop,
        since=alert.since,
        worst=worst,
        acknowledged_by=alert.acknowledged_by,
        snoozed_by=alert.snoozed_by,
        snoozed_until=alert.snoozed_until,
        what=alert.what,
        teams=sorted(alert.teams),
    )


def _agent_of(alert: Alert) -> str:
    return alert.subject.partition(" ")[2]
