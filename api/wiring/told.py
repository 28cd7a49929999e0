"""What parts of calls tell one another."""

from collections.abc import Callable, Sequence

from api.backends.lookup import ContextLookup
from api.backends.protocols import CallerKey
from api.call_happenings import CallWatch
from api.call_traces import CallTraces
from api.centre.wiring import Centre
from api.consultation_phones import ConsultationPhones
from api.consultation_recordings import ConsultationRecordings
from api.consultations import Consultations
from api.exchange import Exchange
from api.happenings import Happening, Happenings, Kind
from api.line_trial import LineTrial
from api.line_watch import LineWatch
from api.metrics import Metrics
from api.sound_checks import SoundChecks
from api.store import StoredVoicemail
from api.supervision import Supervision
from api.threecx import ThreeCx
from api.tolls import Tolls
from api.visits.visitor_line import NAME as VISITORS
from api.visits.visits import Visits
from api.voicemail.boxes import Boxes
from api.webhooks import Webhooks
from api.wiring.lines import Lines
from media.messages import AnyMediaEvent
from pbx.trunk import Arrived, StatusChanged, TrunkEvent
from rooms.causes import EndReason
from rooms.centre_plan import Arrival, CentrePlan
from rooms.entries import Entry
from rooms.events import MessageTaken, WebhookAnswered
from rooms.flows.conditions import Facts
from rooms.record import CallRecord, CallState, CallView
from signaling.messages import PeerPath

_NOT_THEIRS = frozenset({EndReason.ANSWERED_ELSEWHERE, EndReason.DECLINED, EndReason.NO_ANSWER})
"""Why a call that goes on is over for whom it rang."""


class Told:
    """What happens in calls, and who hears of it. The parts tell one another in a circle, so each is set here as soon as it is there;
    none says anything before all are: nothing arrives before the lines are entered, and these come last.
    """

    exchange: Exchange
    lines: Lines
    consultations: Consultations
    phones: ConsultationPhones
    filmed: ConsultationRecordings
    context: ContextLookup
    webhooks: Webhooks
    tolls: Tolls
    threecx: ThreeCx | None
    supervision: Supervision
    watch: CallWatch
    boxes: Boxes | None
    centre: Centre
    trial: LineTrial
    traces: CallTraces
    sound_checks: SoundChecks
    visits: Visits | None = None

    def __init__(self, metrics: Metrics, happenings: Happenings) -> None:
        self._metrics, self._happenings = metrics, happenings
        self._line_watch = LineWatch()

    def media_event(self, event: AnyMediaEvent) -> None:
        self.filmed.on_media_event(event)
        self.phones.hear_media(event)
        others = (self.trial.hear_media, self.sound_checks.hear_media, self.consultations.on_media_event)
        visited = self.visits is not None and self.visits.hear_media(event)
        if not visited and not any(hear(event) for hear in others):
            self.exchange.on_media_event(event)

    def trunk_event(self, event: TrunkEvent) -> None:
        if not self.trial.hear_trunk(event) and not self.phones.hear_trunk(event):
            self.exchange.on_trunk_event(event)
        if isinstance(event, StatusChanged) and not self.exchange.draining and self._line_watch.is_news(event):
            self.webhooks.tell_line(event)

    def redirected(self, leg_id: str, number: str) -> str:
        return self.exchange.redirected(leg_id, number)

    def record(self, record: CallRecord, to_epoch: Callable[[float], float]) -> None:
        if record.state is CallState.ENDED:
            self.context.ended(record.call_id)
        self.tolls.heard(record, to_epoch)
        self.webhooks.tell_call(record, to_epoch)
        self.watch.hear_record(record)
        self.traces.hear_record(record)
        if self.threecx is not None and any(leg.trunk in self.lines.of_pbx for leg in record.legs):
            self.threecx.heard(record, to_epoch)

    def entries(self, entries: Sequence[Entry]) -> None:
        self.watch.hear_entries(entries)

    def path(self, call_id: str, leg_id: str, said: PeerPath) -> None:
        self.traces.hear_path(call_id, leg_id, said)

    def bad_second(self, call_id: str, hop: str, cause: str) -> None:
        self.watch.hear_bad_second(call_id, hop, cause)

    def shown(self, agents: tuple[str, ...], view: CallView) -> None:
        self.supervision.hear(view)
        if self.visits is not None:
            self.visits.shown()
        # Who calls was asked for as the call arrived; whom we call, also back, is known from here on.
        if view.state is not CallState.ENDED and self.context.key(view.call_id) is None:
            number = self.tolls.number(view.number)
            self.context.begin(view.call_id, CallerKey(number.e164 if number is not None else None, view.number))
        if view.state is CallState.ENDED and (view.answered_s is None or (view.cause is not None and view.cause.reason in _NOT_THEIRS)):
            self.context.unseen(view.call_id, agents)
        else:
            self.context.seen(view.call_id, agents)

    def answered(self, event: MessageTaken | WebhookAnswered) -> None:
        self.exchange.hear(event)

    def voicemail(self, left: StoredVoicemail) -> None:
        self.webhooks.tell_voicemail(left)
        facts: Facts = {"box": left.box, "caller": left.caller, "language": left.language, "duration_s": left.duration_s}
        told_as = f"{left.voicemail_id}-{Kind.VOICEMAIL_LEFT}"
        self._happenings.tell(
            Happening(Kind.VOICEMAIL_LEFT, left.voicemail_id, left.left_at, facts, call_id=left.call_id, happening_id=told_as)
        )
        if self.boxes is not None:
            self.boxes.taken(left)

    def suspended(self, who: str, why: str) -> None:
        self._metrics.suspensions.inc()
        self.webhooks.tell_suspended(who, why)

    def in_force(self) -> CentrePlan:
        """The plan of the contact centre."""
        return self.centre.plans.plan or CentrePlan()

    def receive(self, call_id: str, event: Arrived) -> Arrival:
        """Where the plan leads a call that arrives."""
        if event.trunk == VISITORS and self.visits is not None:
            self.context.begin(call_id, CallerKey(None, "", withheld=True))
            return self.visits.receive(call_id, event)
        return self.centre.arrivals.receive(call_id, event.called, event.caller, private=event.private)
