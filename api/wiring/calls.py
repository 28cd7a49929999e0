"""Lines, media and call control of a server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from api.alert_memory import AlertMemory
from api.appointments.backend import BUILTIN_APPOINTMENTS
from api.backends.lookup import ContextLookup
from api.backends.wiring import open_context
from api.call_handling import CallHandling
from api.call_happenings import CallNews, CallWatch
from api.call_traces import CallTraces
from api.centre.wiring import Centre, open_centre
from api.consultation_checks import ConsultationChecks
from api.consultation_phones import ConsultationPhones
from api.consultation_recordings import ConsultationRecordings
from api.consultations import Consultations
from api.exchange import Exchange
from api.itineraries import Itineraries
from api.line_trial import LineTrial
from api.media_plane import MediaPlane
from api.page_requests import route_of
from api.privacy.retention import Retention
from api.recording_shelf import RecordingShelf
from api.rules.rules import Rules
from api.settings.tree import Settings
from api.sound_checks import SoundChecks
from api.store.retention import RetentionStore
from api.supervision import Supervision
from api.threecx import ThreeCx
from api.tolls import Tolls
from api.travel.wiring import Travel, open_travel
from api.visits.wiring import Visitors, make_visitors
from api.voicemail.boxes import Boxes
from api.webhook_asking import WebhookAsking
from api.webhooks import Webhooks
from api.wiring.cluster import Cluster
from api.wiring.colleagues import Colleagues
from api.wiring.dialling import Dialling, open_tolls
from api.wiring.exchange import make_exchange
from api.wiring.ground import Ground
from api.wiring.lines import Lines, make_lines, phone_legs
from api.wiring.media import open_media
from api.wiring.recordings import open_recordings
from api.wiring.threecx import open_threecx
from api.wiring.told import Told
from media.codec_choice import browser_order
from pbx.ladder import Ladder
from pbx.loopback import LoopbackTrunk
from pbx.routing import Route, Routing
from pbx.trunk import Trunk
from rooms.centre_plan import CentrePlan
from rooms.switchboard import Switchboard
from signaling.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Calls:
    """Lines, media and call control."""

    worker: MediaPlane
    consultations: Consultations
    checks: ConsultationChecks
    phones: ConsultationPhones
    filmed: ConsultationRecordings
    switchboard: Switchboard
    trunks: dict[str, Trunk]
    demo: LoopbackTrunk | None
    exchange: Exchange
    shelf: RecordingShelf | None
    boxes: Boxes | None
    webhooks: Webhooks
    tolls: Tolls
    threecx: ThreeCx | None
    routing: Routing
    handling: CallHandling
    supervision: Supervision
    centre: Centre
    travel: Travel
    context: ContextLookup
    rules: Rules
    ladder: Ladder
    traces: CallTraces
    retention: Retention
    trial: LineTrial
    sound_checks: SoundChecks
    itineraries: Itineraries
    visits: Visitors | None = None


@asynccontextmanager
async def open_calls(settings: Settings, ground: Ground, cluster: Cluster) -> AsyncIterator[Calls]:
    """Nothing arrives before the lines are entered: then all who are told of calls (``Told``) are there."""
    store, nodes = ground.store, cluster.nodes
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        switchboard = Switchboard(settings.call_policy())
        told, colleagues = Told(ground.metrics, ground.happenings), Colleagues(settings, ground, cluster)
        worker = await open_media(stack, settings, ground.metrics, told.media_event)
        told.context = context = await enter(open_context(settings, ground.backends, store, ground.vault, ground.metrics, cluster.bus))
        told.consultations = consultations = await enter(Consultations(worker))
        told.lines = lines = make_lines(settings, ground.metrics, told.trunk_event, told.redirected)
        told.trial = trial = LineTrial(worker, phone_legs(settings, worker, lines), lines.trunks)
        told.sound_checks = sound_checks = await enter(SoundChecks(worker, browser_order(None, settings.media.browser_codecs)))
        checks = ConsultationChecks(sound_checks)
        told.phones = phones = await enter(_phones(settings, ground, worker, lines, consultations, told))
        dialling = Dialling(lines.routing, has_demo=lines.demo is not None)
        recordings = await enter(open_recordings(settings, ground, worker, consultations, told))
        told.boxes, told.filmed = recordings.boxes, recordings.filmed
        asking = _asking(settings, told)
        told.exchange = exchange = make_exchange(
            settings, ground, cluster, switchboard, worker, lines, dialling, colleagues, recordings, asking, told
        )
        told.traces = traces = CallTraces(store.writer, lines.ladder, exchange.clock.at, asyncio.get_running_loop().time)
        await enter(traces)
        told.watch = watch = _watch(settings, ground, switchboard, exchange)
        stack.callback(watch.close)
        told.webhooks = webhooks = Webhooks(store.webhooks, settings.webhook_settings(), now=exchange.now, node=settings.node)
        await enter(webhooks)
        ground.happenings.listen(webhooks.hear)
        told.tolls = dialling.tolls = tolls = await open_tolls(settings, ground, exchange.now, told.suspended)
        told.threecx = dialling.threecx = threecx = await open_threecx(stack, settings, ground, lines.sound)
        handling = _handling(ground, cluster, exchange, dialling, colleagues)
        told.supervision = supervision = _supervision(ground, switchboard, exchange, colleagues)
        centre = open_centre(settings, store, ground.audit, worker, exchange, nodes, context, exists=colleagues.exists)
        told.centre = await enter(centre)
        ground.metrics.watch_callers(lambda: told.centre.callers.counts)
        travel = await enter(
            open_travel(
                settings, store, ground.vault, ground.audit, ground.happenings, ground.backends, leads=ground.leading.of("booking-holds")
            )
        )
        ground.metrics.watch_rounds("booking_holds", lambda: travel.bookings.rounds.counts)
        retention = _retention(settings, ground)
        if settings.retention.enabled:
            await enter(retention)
        await enter(asking)
        visitors = _visitors(settings, ground, cluster, lines, switchboard, exchange, told)
        if visitors is not None:
            told.visits = await enter(visitors.visits)
        rules = await enter(_rules(settings, ground, told.in_force, exchange.now))
        for part in (recordings.boxes, recordings.messages, *lines.trunks.values(), exchange, recordings.filmed):
            if part is not None:
                await enter(part)
        await handling.restore()
        await enter(AlertMemory(exchange.board.alerts, store.open_alerts, store.node))
        yield Calls(
            worker,
            consultations,
            checks,
            phones,
            recordings.filmed,
            switchboard,
            lines.trunks,
            lines.demo,
            exchange,
            recordings.shelf,
            recordings.boxes,
            webhooks,
            tolls,
            threecx,
            lines.routing,
            handling,
            supervision,
            told.centre,
            travel,
            context,
            rules,
            lines.ladder,
            traces,
            retention,
            trial,
            sound_checks,
            Itineraries(context, store.appointments.of_room, apart=frozenset({BUILTIN_APPOINTMENTS})),
            visitors,
        )


def _phones(
    settings: Settings, ground: Ground, worker: MediaPlane, lines: Lines, consultations: Consultations, told: Told
) -> ConsultationPhones:
    """Of consultations. The 3CX is asked for room as for any call."""

    def ask_pbx(route: Route) -> None:
        if told.exchange.draining:
            raise Refusal("stopping", "The server is being stopped and takes no new calls: try again in a minute.", 60.0)
        if told.threecx is not None and (lines.demo is None or route.trunk != lines.demo.name):
            told.threecx.ask(route.number)

    return ConsultationPhones(
        consultations,
        phone_legs(settings, worker, lines),
        lines.trunks,
        lambda number: route_of(lines.routing, number),
        booked=ground.store.appointments.of_room,
        ask_pbx=ask_pbx,
        inside=lines.demo.name if lines.demo is not None else "",
        possible=settings.consultations.rings_people,
    )


def _asking(settings: Settings, told: Told) -> WebhookAsking:
    secrets = {name: secret.get_secret_value() for name, secret in settings.centre.secrets.items()}
    hooks = settings.webhook_settings()
    return WebhookAsking(lambda: told.in_force().webhooks, secrets, hooks, feed=told.answered, now=time.time)


def _watch(settings: Settings, ground: Ground, switchboard: Switchboard, exchange: Exchange) -> CallWatch:
    news = CallNews(settings.happenings.waits_s, switchboard.facts, exchange.clock.at)
    return CallWatch(news, ground.happenings, asyncio.get_running_loop().time)


def _visitors(
    settings: Settings, ground: Ground, cluster: Cluster, lines: Lines, switchboard: Switchboard, exchange: Exchange, told: Told
) -> Visitors | None:
    if lines.visitors is None:
        return None
    return make_visitors(
        settings.visits(),
        lines.visitors,
        switchboard,
        exchange,
        lines.routing,
        told.in_force,
        told.tolls,
        ground.tokens,
        ground.relays.of,
        ground.consents,
        ground.vault,
        node=cluster.bus.node,
        shared=cluster.shared,
    )


def _handling(ground: Ground, cluster: Cluster, exchange: Exchange, dialling: Dialling, colleagues: Colleagues) -> CallHandling:
    handling = CallHandling(
        ground.store.call_handling,
        reached=dialling.reached,
        ask=dialling.ask,
        exists=colleagues.exists,
        feed=exchange.feed,
        tell_nodes=cluster.nodes.tell_handled,
        wish=colleagues.undisturbed,
    )
    cluster.nodes.hear_handled(handling.look)
    return handling


def _supervision(ground: Ground, switchboard: Switchboard, exchange: Exchange, colleagues: Colleagues) -> Supervision:
    return Supervision(
        switchboard,
        exchange.feed,
        teams_of=colleagues.teams_of,
        note=lambda kind, agent, by, detail: ground.audit.note(kind, agent, by=by, detail=detail),
        has_ended=ground.identity.sessions.has_ended,
        clock=asyncio.get_running_loop().time,
    )


def _rules(settings: Settings, ground: Ground, in_force: Callable[[], CentrePlan], now: Callable[[], float]) -> Rules:
    after = ground.after
    rules = Rules(
        in_force,
        ground.store,
        after.outbox,
        after.notifier,
        after.call,
        ground.backends,
        ground.vault,
        ground.happenings,
        secrets={name: secret.get_secret_value() for name, secret in settings.centre.secrets.items()},
        webhooks=settings.webhook_settings(),
        now=now,
    )
    ground.metrics.watch_rules(lambda: rules.counts)
    ground.metrics.watch_after(lambda: after.outbox.counts, lambda: after.notifier.counts, lambda: ground.happenings.counts)
    return rules


def _retention(settings: Settings, ground: Ground) -> Retention:
    def note(kind: str, detail: str) -> None:
        ground.audit.note(kind, "", detail=detail)

    retention = Retention(
        ground.store.part(RetentionStore), settings.retention.policy(), settings.dialing.region, note, leads=ground.leading.of("retention")
    )
    ground.metrics.watch_retention(lambda: {**retention.counts, "forgotten": retention.forgotten})
    ground.metrics.watch_rounds("retention", lambda: retention.rounds.counts)
    return retention
