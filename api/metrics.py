"""What Prometheus reads at ``/metrics``. A registry of its own; labels are few and bounded, never a call or a person."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from media.messages import Fault, LegSample
from rooms.record import CallRecord, CallState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MOS = (1, 2, 2.5, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5)
_SET_UP_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30)
_OFFER_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
_BACKEND_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 10)
_LAG_EVERY_S = 0.25
_ENDED_REMEMBERED = 1_000
_CODES = 64
"""Refusal codes that get a label of their own; any further ones are counted as ``other``."""


class Metrics:
    """``async with``: measures the event loop's lag meanwhile. ``sources`` are read at each scrape: {metric: number}."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._live: dict[str, str] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._codes: set[str] = set()
        self._lag_task: asyncio.Task[None] | None = None
        self.calls_live = Gauge("centralita_calls_live", "Calls that have begun and not ended", ["direction"], registry=registry)
        self.calls = Counter("centralita_calls", "Calls that have ended, by our end reason", ["direction", "reason"], registry=registry)
        self.call_seconds = Histogram(
            "centralita_call_seconds",
            "Length of answered calls",
            ["direction"],
            buckets=(5, 15, 30, 60, 120, 300, 600, 1200, 3600),
            registry=registry,
        )
        self.to_ringing = Histogram("centralita_call_ringing_seconds", "From dialling to ringing", buckets=_SET_UP_S, registry=registry)
        self.to_answer = Histogram(
            "centralita_call_answer_seconds",
            "From first ring or dialling to the answer",
            ["direction"],
            buckets=(1, 2, 5, 10, 20, 30, 60, 120),
            registry=registry,
        )
        self.offers = Histogram(
            "centralita_peer_offer_answer_seconds", "From a browser's offer to our answer", buckets=_OFFER_S, registry=registry
        )
        self.mos = Histogram(
            "centralita_leg_mos",
            "E-model MOS of each second of each leg, by the side that sent it; never compare across scales",
            ["side", "scale"],
            buckets=_MOS,
            registry=registry,
        )
        self.loss = Histogram(
            "centralita_leg_loss_ratio",
            "Share of packets lost in each second of each leg",
            ["side"],
            buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
            registry=registry,
        )
        self.far_mos = Histogram(
            "centralita_leg_far_mos",
            "E-model MOS of what each side hears of us in each second, as its RTCP tells; never compare across scales",
            ["side", "scale"],
            buckets=_MOS,
            registry=registry,
        )
        self.hop_loss = Histogram(
            "centralita_leg_far_loss_ratio",
            "Share of packets lost from us to each side in each second, as its RTCP tells",
            ["side"],
            buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
            registry=registry,
        )
        self.round_trip = Histogram(
            "centralita_leg_round_trip_seconds",
            "Round trip to each side, by RTCP, once a second",
            ["side"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1),
            registry=registry,
        )
        self.bad_seconds = Counter(
            "centralita_bad_seconds",
            "Seconds of calls that a hop made bad, by the worst hop and its cause",
            ["hop", "cause"],
            registry=registry,
        )
        self.sign_ins = Counter("centralita_sign_ins", "Attempts to sign in", ["outcome"], registry=registry)
        self.refusals = Counter("centralita_refused_requests", "Requests and connections refused, by code", ["code"], registry=registry)
        self.suspensions = Counter("centralita_suspended_callers", "People whose calls to public numbers were stopped", registry=registry)
        self.failures = Counter("centralita_effect_failures", "Effects of call control that failed", ["effect"], registry=registry)
        self.recordings = Counter("centralita_recordings", "Recordings that are over, by outcome", ["outcome"], registry=registry)
        self.lines = Gauge("centralita_line_ready", "1 while the telephone line is up", ["line"], registry=registry)
        self.backends = Histogram(
            "centralita_backend_seconds",
            "How long requests to backends took, by how they ended",
            ["backend", "how"],
            buckets=_BACKEND_S,
            registry=registry,
        )
        self.lag = Histogram("centralita_event_loop_lag_seconds", "How late the event loop runs a timer", buckets=_LAG_S, registry=registry)

    async def __aenter__(self) -> "Metrics":
        self._lag_task = asyncio.create_task(self._measure_lag(), name="event-loop-lag")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._lag_task is not None:
            self._lag_task.cancel()
            await asyncio.gather(self._lag_task, return_exceptions=True)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)

    # ------------------------------------------------------------------ read at each scrape

    def watch_sockets(self, count: Callable[[], int]) -> None:
        """``centralita_sockets``: open signalling connections."""
        Gauge("centralita_sockets", "Open signalling connections", registry=self._registry).set_function(count)

    def watch_media(self, counters: Callable[[], Mapping[str, float]], gauges: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_media_NAME_total`` for each of the media plane's counters, ``centralita_media_NAME`` for what it says is so now."""
        self._registry.register(_FromMapping("centralita_media_", counters, CounterMetricFamily))
        self._registry.register(_FromMapping("centralita_media_", gauges, GaugeMetricFamily))

    def watch_workers(self, workers: Callable[[], Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]]]) -> None:
        """The same by worker: ``centralita_media_worker_NAME_total{worker="0"}`` and ``centralita_media_worker_NAME{worker="0"}``."""
        self._registry.register(_Labelled("centralita_media_worker_", "worker", workers))

    def watch_cluster(self, counters: Callable[[], Mapping[str, float]], gauges: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_cluster_NAME_total`` for each of the bus's counters, and ``centralita_cluster_together`` and ``_nodes``."""
        self._registry.register(_FromMapping("centralita_cluster_", counters, CounterMetricFamily))
        self._registry.register(_FromMapping("centralita_cluster_", gauges, GaugeMetricFamily))

    def watch_lines(self, lines: Callable[[], Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]]]) -> None:
        """``centralita_line_NAME_total{line="pbx"}`` for what each line counts; ``centralita_line_calls``, ``_most_calls``, ``_share``."""
        self._registry.register(_Labelled("centralita_line_", "line", lines))

    def watch_threecx(self, counts: Callable[[], Mapping[str, float]], gauges: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_threecx_NAME_total``: what was asked of a 3CX and told by it; ``centralita_threecx_now_NAME``: what is so now."""
        self._registry.register(_FromMapping("centralita_threecx_", counts, CounterMetricFamily))
        self._registry.register(_FromMapping("centralita_threecx_now_", gauges, GaugeMetricFamily))

    def watch_callers(self, counts: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_caller_lookups_NAME_total``: what came of asking who calls, by who was asked."""
        self._registry.register(_FromMapping("centralita_caller_lookups_", counts, CounterMetricFamily))

    def watch_backends(self, backends: Callable[[], Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]]]) -> None:
        """``centralita_backend_NAME_total{backend="crm"}``: how requests to each ended; ``centralita_backend_open``: let alone."""
        self._registry.register(_Labelled("centralita_backend_", "backend", backends))

    def watch_after(
        self,
        outbox: Callable[[], Mapping[str, float]],
        notified: Callable[[], Mapping[str, float]],
        told: Callable[[], Mapping[str, float]],
    ) -> None:
        """``centralita_outbox_NAME_total``: tries by how they ended, ``dead`` those that a person has to look at;
        ``centralita_messages_NAME_total`` by channel; ``centralita_happenings_NAME_total`` by kind."""
        self._registry.register(_FromMapping("centralita_outbox_", outbox, CounterMetricFamily))
        self._registry.register(_FromMapping("centralita_messages_", notified, CounterMetricFamily))
        self._registry.register(
            _FromMapping("centralita_happenings_", lambda: {kind.replace(".", "_"): n for kind, n in told().items()}, CounterMetricFamily)
        )

    def watch_rules(self, counts: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_rules_NAME_total``: decisions by outcome."""
        self._registry.register(_FromMapping("centralita_rules_", counts, CounterMetricFamily))

    def watch_appointments(self, counts: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_appointments_NAME_total``: booked, moved, and by what became of them; messages by kind (``booked_sent``)."""
        self._registry.register(_FromMapping("centralita_appointments_", counts, CounterMetricFamily))

    def watch_surveys(self, counts: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_surveys_NAME_total``: asked, or why not; ``dropped``: too much ended at once to consider all."""
        self._registry.register(_FromMapping("centralita_surveys_", counts, CounterMetricFamily))

    def watch_backend_events(self, counts: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_backend_events_NAME_total``: what backends posted: taken, or why it was refused."""
        self._registry.register(_FromMapping("centralita_backend_events_", counts, CounterMetricFamily))

    def watch_retention(self, counts: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_retention_NAME_total``: rows deleted because their time was over, by kind; ``neglected``: looks that failed;
        ``forgotten``: people of whom nothing was left, whose keys were destroyed."""
        self._registry.register(_FromMapping("centralita_retention_", counts, CounterMetricFamily))

    def watch_rounds(self, name: str, counts: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_rounds_NAME_neglected_total``: rounds of a periodic work that the database prevented; ``..._failed_total``: those
        that failed for a fault of ours."""
        self._registry.register(_FromMapping(f"centralita_rounds_{name}_", counts, CounterMetricFamily))

    def watch_context(self, counts: Callable[[], Mapping[str, float]], gauges: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_context_NAME_total``: calls looked up, answers that were kept or missed; ``centralita_context_hit_ratio``."""
        self._registry.register(_FromMapping("centralita_context_", counts, CounterMetricFamily))
        self._registry.register(_FromMapping("centralita_context_", gauges, GaugeMetricFamily))

    def watch_store(self, counts: Callable[[], Mapping[str, float]], gauges: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_store_NAME_total``: what the writer of records gave up or put on the disk; ``centralita_store_NAME``: what waits."""
        self._registry.register(_FromMapping("centralita_store_", counts, CounterMetricFamily))
        self._registry.register(_FromMapping("centralita_store_", gauges, GaugeMetricFamily))

    def watch_vault(self, counts: Callable[[], Mapping[str, float]], gauges: Callable[[], Mapping[str, float]]) -> None:
        """``centralita_privacy_NAME_total``: keys of people that were not found or not whole; ``centralita_privacy_keys``: how many."""
        self._registry.register(_FromMapping("centralita_privacy_", counts, CounterMetricFamily))
        self._registry.register(_FromMapping("centralita_privacy_", gauges, GaugeMetricFamily))

    def watch_rooms(
        self,
        gauges: Callable[[], Mapping[str, float]],
        counters: Callable[[], Mapping[str, float]],
        webhooks: Callable[[], Mapping[str, float]],
    ) -> None:
        """``centralita_rooms_NAME`` for each of the gauges, ``centralita_rooms_NAME_total`` for what became of rooms over several nodes,
        ``centralita_webhooks_NAME_total`` by what became of events."""
        self._registry.register(_FromMapping("centralita_rooms_", gauges, GaugeMetricFamily))
        self._registry.register(_FromMapping("centralita_rooms_", counters, CounterMetricFamily))
        self._registry.register(_FromMapping("centralita_webhooks_", webhooks, CounterMetricFamily))

    # ------------------------------------------------------------------ what happened

    def call(self, record: CallRecord) -> None:
        """A call as it now stands; told again and again, counted once."""
        if record.state is not CallState.ENDED:
            if record.call_id not in self._live:
                self._live[record.call_id] = record.direction
                self.calls_live.labels(record.direction).inc()
            return
        if record.call_id in self._ended:
            return
        self._ended[record.call_id] = None
        if len(self._ended) > _ENDED_REMEMBERED:
            self._ended.popitem(last=False)
        if self._live.pop(record.call_id, None) is not None:
            self.calls_live.labels(record.direction).dec()
        reason = record.cause.reason.value if record.cause is not None else "completed"
        self.calls.labels(record.direction, reason).inc()
        if record.answered_s is not None:
            self.to_answer.labels(record.direction).observe(record.answered_s - record.started_s)
            if record.ended_s is not None:
                self.call_seconds.labels(record.direction).observe(record.ended_s - record.answered_s)

    def rang(self, seconds: float) -> None:
        """From dialling to ringing."""
        self.to_ringing.observe(seconds)

    def offer_answered(self, seconds: float) -> None:
        self.offers.observe(seconds)

    def quality(self, side: str, sample: LegSample) -> None:
        """One second of one leg; what was not measured is not counted."""
        if sample.mos is not None:
            self.mos.labels(side, sample.scale).observe(sample.mos)
        if sample.loss is not None:
            self.loss.labels(side).observe(sample.loss)
        if sample.far_mos is not None:
            self.far_mos.labels(side, sample.far_scale).observe(sample.far_mos)
        if sample.hop_loss is not None:
            self.hop_loss.labels(side).observe(sample.hop_loss)
        if sample.round_trip_ms is not None:
            self.round_trip.labels(side).observe(sample.round_trip_ms / 1000)

    def bad_second(self, fault: Fault) -> None:
        """A second of a call in which this was its worst fault. Hops and causes are words of ours: few."""
        self.bad_seconds.labels(fault.hop, fault.cause).inc()

    def signed_in(self, succeeded: bool) -> None:
        self.sign_ins.labels("succeeded" if succeeded else "failed").inc()

    def refused(self, code: str) -> None:
        if code not in self._codes and len(self._codes) >= _CODES:
            code = "other"
        self._codes.add(code)
        self.refusals.labels(code).inc()

    def backend_asked(self, backend: str, how: str, took_s: float) -> None:
        """``how``: ``ok``, or the cause of the fault."""
        self.backends.labels(backend, how).observe(took_s)

    def effect_failed(self, effect: str) -> None:
        self.failures.labels(effect).inc()

    def recorded(self, outcome: str) -> None:
        """``kept``, ``broken`` (the disk refused) or ``worker_died``."""
        self.recordings.labels(outcome).inc()

    def line_ready(self, name: str, ready: bool) -> None:
        self.lines.labels(name).set(ready)

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            self.lag.observe(max(0.0, loop.time() - due))


class _FromMapping(Collector):
    """Numbers that are kept elsewhere."""

    def __init__(
        self, prefix: str, numbers: Callable[[], Mapping[str, float]], family: type[CounterMetricFamily] | type[GaugeMetricFamily]
    ) -> None:
        self._prefix = prefix
        self._numbers = numbers
        self._family = family

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for name, value in sorted(self._numbers().items()):
            yield self._family(self._prefix + name, f"Media plane: {name}", value=value)

    def describe(self) -> Iterator[CounterMetricFamily]:
        return iter(())


class _Labelled(Collector):
    """Counters and gauges that are kept elsewhere, by the one of several that each is about."""

    def __init__(
        self, prefix: str, label: str, numbers: Callable[[], Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]]]
    ) -> None:
        self._prefix = prefix
        self._label = label
        self._numbers = numbers

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        each = self._numbers()
        for which, kind in enumerate((CounterMetricFamily, GaugeMetricFamily)):
            for name in sorted({name for numbers in each.values() for name in numbers[which]}):
                family = kind(self._prefix + name, f"By {self._label}: {name}", labels=[self._label])
                for one, numbers in each.items():
                    if name in numbers[which]:
                        family.add_metric([one], numbers[which][name])
                yield family

    def describe(self) -> Iterator[CounterMetricFamily]:
        return iter(())
