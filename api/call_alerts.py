"""What is wrong with this node's calls and queues now, and who sees to it: ``api/quality_alerts.py`` fed with what is measured."""

from collections.abc import Callable, Mapping, Sequence

from api.quality_alerts import OF_CALLS, Alert, AlertKind, Alerts, Measures, QueueMeasures, Thresholds
from media.messages import LegSample
from rooms.queues.figures import Figures
from signaling.messages import BoardAlert

_NEGATED = (AlertKind.MOS, AlertKind.SERVICE_LEVEL)
"""Where less is worse, so that the core has them the other way round."""
_WAYS = {"agent": ("browser_to_us", "us_to_browser"), "phone": ("phone_to_us", "us_to_phone")}


class CallAlerts:
    """``now()``: seconds since the epoch. ``open``: complete, as boards show it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._core = Alerts()
        self._queues: set[str] = set()
        self._hops: dict[str, set[str]] = {}
        self.open: list[BoardAlert] = []

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
        gone, self._queues = self._queues - figures.keys(), set(figures)
        changed = self._core.over(gone) if gone else False
        for name, each in figures.items():
            waiting = each.waiting - each.call_backs
            measures = QueueMeasures(each.service_level, each.longest_s if waiting else 0.0, waiting, each.signed_in)
            changed = self._core.queue(name, measures, now) or changed
        if changed:
            self._show()

    def acknowledge(self, alert_id: str, by: str) -> bool:
        """Is it still open?"""
        found = self._core.acknowledge(alert_id, by) is not None
        self._show()
        return found

    def snooze(self, alert_id: str, by: str, for_s: float) -> bool:
        """Is it still open?"""
        found = self._core.snooze(alert_id, by, self._now() + for_s) is not None
        self._show()
        return found

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
    call_id, hop = alert.subject.split(" ")[:2] if of_call else ("", "")
    worst = -alert.worst if alert.kind in _NEGATED else alert.worst
    return BoardAlert(
        alert_id=alert.alert_id,
        kind=alert.kind.value,
        subject=alert.subject,
        call_id=call_id,
        hop=hop,
        since=alert.since,
        worst=worst,
        acknowledged_by=alert.acknowledged_by,
        snoozed_by=alert.snoozed_by,
        snoozed_until=alert.snoozed_until,
    )
