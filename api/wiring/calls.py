"""Lines, media and call control of a server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from api.backends.lookup import ContextLookup
from api.backends.protocols import CallerKey
from api.backends.wiring import open_context
from api.browser_legs import BrowserLegs
from api.call_handling import CallHandling
from api.call_happenings import CallNews, CallWatch
from api.centre.wiring import Centre, open_centre
from api.config import Settings
from api.consultation_recordings import ConsultationRecordings
from api.consultations import Consultations
from api.exchange import Exchange
from api.happenings import Happening, Kind
from api.line_watch import LineWatch
from api.media_plane import MediaPlane
from api.nodes import call_id_of
from api.page_requests import route_of
from api.phone_legs import PhoneLegs
from api.privacy.retention import Retention
from api.recording_book import RecordingBook
from api.recording_shelf import RecordingShelf
from api.rtp_ports import RtpPorts
from api.rules.rules import Rules
from api.store import Store, StoredVoicemail
from api.store.retention import RetentionStore
from api.supervision import Supervision
from api.threecx import ThreeCx
from api.tolls import Tolls
from api.travel.wiring import Travel, open_travel
from api.voicemail.boxes import Boxes
from api.voicemail.notices import VoicemailNotices
from api.voicemail.taking import MessageTaking
from api.webhook_asking import WebhookAsking
from api.webhooks import Webhooks
from api.wiring.cluster import Cluster
from api.wiring.ground import Ground
from api.wiring.lines import line_numbers, pbx_line
from api.wiring.media import open_media
from api.wiring.start_failure import StartFailure
from media.messages import AnyMediaEvent
from pbx.ladder import Ladder
from pbx.loopback import DEMO_NUMBERS, LoopbackTrunk
from pbx.rates import BadRates, RateTable
from pbx.routing import Routing
from pbx.threecx.sound_line import SoundLine
from pbx.toll import TollWatch
from pbx.trunk import StatusChanged, Trunk, TrunkEvent
from rooms.causes import EndReason
from rooms.centre_plan import CentrePlan
from rooms.events import MessageTaken, WebhookAnswered
from rooms.flows.conditions import Facts
from rooms.move import Target
from rooms.record import CallRecord, CallState, CallView
from rooms.switchboard import Switchboard
from rooms.voicemail import MessageLimits

_NOT_THEIRS = frozenset({EndReason.ANSWERED_ELSEWHERE, EndReason.DECLINED, EndReason.NO_ANSWER})


@dataclass(frozen=True, slots=True)
class Calls:
    """Lines, media and call control."""

    worker: MediaPlane
    consultations: Consultations
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


@asynccontextmanager
async def open_calls(settings: Settings, ground: Ground, cluster: Cluster) -> AsyncIterator[Calls]:
    async with AsyncExitStack() as stack:
        switchboard = Switchboard(settings.call_policy())
        trunks: dict[str, Trunk] = {}
        line_watch, ladder = LineWatch(), Ladder()

        # The parts below tell the exchange what happens, and it commands them: they are introduced by these two late names.
        def on_media_event(event: AnyMediaEvent) -> None:
            filmed.on_media_event(event)
            if not consultations.on_media_event(event):
                exchange.on_media_event(event)

        def on_trunk_event(event: TrunkEvent) -> None:
            exchange.on_trunk_event(event)
            if isinstance(event, StatusChanged) and not exchange.draining and line_watch.is_news(event):
                webhooks.tell_line(event)

        def redirected(leg_id: str, number: str) -> str:
            return exchange.redirected(leg_id, number)

        def on_record(record: CallRecord, to_epoch: Callable[[float], float]) -> None:
            if record.state is CallState.ENDED:
                context.ended(record.call_id)
            tolls.heard(record, to_epoch)
            webhooks.tell_call(record, to_epoch)
            watch.hear_record(record)
            if threecx is not None and any(
                leg.trunk in (settings.sip.name, sound.name if sound is not None else "") for leg in record.legs
            ):
                threecx.heard(record, to_epoch)

        def on_shown(agents: tuple[str, ...], view: CallView) -> None:
            supervision.hear(view)
            # Who calls was asked for as the call arrived; whom we call, also back, is known from here on.
            if view.state is not CallState.ENDED and context.key(view.call_id) is None:
                number = tolls.number(view.number)
                context.begin(view.call_id, CallerKey(number.e164 if number is not None else None, view.number))
            if view.state is CallState.ENDED and (view.answered_s is None or (view.cause is not None and view.cause.reason in _NOT_THEIRS)):
                context.unseen(view.call_id, agents)
            else:
                context.seen(view.call_id, agents)

        def on_answered(event: MessageTaken | WebhookAnswered) -> None:
            exchange.hear(event)

        def on_voicemail(left: StoredVoicemail) -> None:
            webhooks.tell_voicemail(left)
            facts: Facts = {"box": left.box, "caller": left.caller, "language": left.language, "duration_s": left.duration_s}
            told_as = f"{left.voicemail_id}-{Kind.VOICEMAIL_LEFT}"
            left_at = left.left_at
            ground.happenings.tell(
                Happening(Kind.VOICEMAIL_LEFT, left.voicemail_id, left_at, facts, call_id=left.call_id, happening_id=told_as)
            )
            if boxes is not None:
                boxes.taken(left)

        def in_force() -> CentrePlan:
            return centre.plans.plan or CentrePlan()

        def on_suspended(who: str, why: str) -> None:
            ground.metrics.suspensions.inc()
            webhooks.tell_suspended(who, why)

        def resolve(text: str, who: str) -> Target:
            route = route_of(routing, text)
            tolls.ask(who, route.number)
            return Target(number=route.dialled, trunk=route.trunk)

        def reached(text: str) -> Target:
            route = route_of(routing, text)
            return Target(number=route.dialled, trunk=route.trunk)

        async def exists(identity: str) -> bool:
            return await ground.store.people.user(identity) is not None

        def teams_of(identity: str) -> frozenset[str]:
            """Also of who is at another node."""
            return ground.identity.sessions.teams_of(identity) or frozenset(cluster.nodes.attendance.person(identity).teams)

        def leads() -> bool:
            return cluster.nodes.leads

        def sees(who: str, other: str) -> bool:
            teams, others = (ground.identity.sessions.teams_of(identity) for identity in (who, other))
            return not teams or not others or bool(teams & others)

        def caller_number(who: str) -> str:
            numbers = settings.dialing.caller_numbers
            team = next((team for team in sorted(ground.identity.sessions.teams_of(who)) if team in numbers), "*")
            return numbers.get(team, "")

        worker = await open_media(stack, settings, ground.metrics, on_media_event)
        asked = open_context(settings, ground.backends, ground.store, ground.vault, ground.metrics, cluster.bus)
        context = await stack.enter_async_context(asked)
        consultations = await stack.enter_async_context(Consultations(worker))
        demo = LoopbackTrunk(on_trunk_event, name="demo") if settings.demo.enabled else None
        if demo is not None:
            trunks[demo.name] = demo
        if settings.sip.enabled:
            pbx = trunks[settings.sip.name] = pbx_line(settings, on_trunk_event, redirected, ladder)
            ground.metrics.watch_lines(lambda: line_numbers(trunks.values(), pbx.counts))
        sound = SoundLine(on_trunk_event, host=settings.media.own_host) if settings.threecx.enabled and settings.threecx.sound else None
        if sound is not None:
            trunks[sound.name] = sound

        def may_dial(who: str, dialled: str) -> None:
            tolls.ask_forward(who, dialled)
            if threecx is not None and (demo is None or dialled not in DEMO_NUMBERS):
                threecx.ask(tolls.number(dialled))

        def stand_in() -> str | None:
            usable = sound is not None and sound.status.ready and not (settings.sip.enabled and trunks[settings.sip.name].status.ready)
            return sound.name if usable and sound is not None else None

        routing = Routing(
            settings.dial_plan(),
            demo_trunk=demo.name if demo is not None else None,
            pbx_trunk=settings.sip.name if settings.sip.enabled else sound.name if sound is not None else None,
            stand_in=stand_in,
        )
        phones = PhoneLegs(
            worker,
            trunks,
            RtpPorts(settings.media.hosts[0], settings.media.rtp_port_min, settings.media.rtp_port_max),
            public_host=settings.media.phone_host,
            phone_policy=settings.media.phone_codecs,
            browser_policy=settings.media.browser_codecs,
        )
        shelf = await stack.enter_async_context(_shelf(settings, ground.store)) if settings.keeps_recordings else None
        book = RecordingBook(ground.store, shelf.look_soon, shelf.erase_soon) if shelf is not None else RecordingBook(ground.store)
        boxes = messages = None
        if shelf is not None and settings.voicemail.enabled:
            boxes = Boxes(ground.store.voicemails, ground.store.people, shelf, lambda: in_force().boxes)
            limits = MessageLimits(least_s=settings.voicemail.least_s, quiet_s=settings.voicemail.quiet_s)
            messages = MessageTaking(worker, book, ground.store, feed=on_answered, now=time.time, on_taken=on_voicemail, limits=limits)
        asking = WebhookAsking(
            lambda: in_force().webhooks,
            {name: secret.get_secret_value() for name, secret in settings.centre.secrets.items()},
            settings.webhook_settings(),
            feed=on_answered,
            now=time.time,
        )
        filmed = ConsultationRecordings(
            settings.consultation_recording_policy(),
            worker,
            book,
            legs_of=consultations.legs,
            show=consultations.show_recording,
        )
        exchange = Exchange(
            switchboard=switchboard,
            worker=worker,
            phones=phones,
            browsers=BrowserLegs(worker, phones),
            store=ground.store,
            book=book,
            metrics=ground.metrics,
            trunks=trunks,
            on_record=on_record,
            on_entries=lambda entries: watch.hear_entries(entries),
            on_bad_second=lambda call_id, hop, cause: watch.hear_bad_second(call_id, hop, cause),
            cost_of=lambda leg: tolls.cost(leg),
            new_call_id=lambda: call_id_of(cluster.bus.node),
            on_engaged=cluster.nodes.on_engaged,
            may_dial=may_dial,
            on_dialled=lambda leg_id, who, dialled: tolls.began(leg_id, who, dialled),
            resolve=resolve,
            sees=sees,
            on_shown=on_shown,
            caller_number=caller_number,
            keeps_agents=lambda: cluster.nodes.leads,
            messages=messages,
            webhooks=asking,
            receive=lambda call_id, event: centre.arrivals.receive(call_id, event.called, event.caller, private=event.private),
            take_break=lambda who, reason: cluster.nodes.wish(who, available=False, reason=reason, away=False),
            node=cluster.bus.node,
        )
        heard_at = f"{settings.server.public_url.rstrip('/')}/voicemail"
        notices = VoicemailNotices(ground.after.notifier, ground.after.templates, lambda: in_force().boxes, heard_at)
        ground.happenings.listen(notices.hear)
        news = CallNews(settings.happenings.waits_s, switchboard.facts, exchange.clock.at)
        watch = CallWatch(news, ground.happenings, asyncio.get_running_loop().time)
        stack.callback(watch.close)
        webhooks = Webhooks(ground.store.webhooks, settings.webhook_settings(), now=exchange.now, node=settings.node)
        await stack.enter_async_context(webhooks)
        ground.happenings.listen(webhooks.hear)
        plan, price = settings.dial_plan(), _rates(settings).cost
        tolls = Tolls(
            TollWatch(plan.rules, settings.toll_bounds(), price),
            plan,
            price,
            now=exchange.now,
            hours=settings.working_hours,
            audit=ground.audit,
            on_suspended=on_suspended,
        )
        await tolls.restore(ground.store.dialled)
        threecx = await _threecx(stack, settings, ground, sound)
        handling = CallHandling(
            ground.store.call_handling,
            reached=reached,
            ask=lambda who, text: tolls.ask(who, route_of(routing, text).number),
            exists=exists,
            feed=exchange.feed,
            tell_nodes=cluster.nodes.tell_handled,
            wish=lambda who, takes: cluster.nodes.wish(who, available=takes, reason="" if takes else "do not disturb", away=False),
        )
        cluster.nodes.hear_handled(handling.look)
        supervision = Supervision(
            switchboard,
            exchange.feed,
            teams_of=teams_of,
            note=lambda kind, agent, by, detail: ground.audit.note(kind, agent, by=by, detail=detail),
            has_ended=ground.identity.sessions.has_ended,
            clock=asyncio.get_running_loop().time,
        )
        centre = await stack.enter_async_context(
            open_centre(settings, ground.store, ground.audit, worker, exchange, cluster.nodes, context, exists=exists)
        )
        ground.metrics.watch_callers(lambda: centre.callers.counts)
        travel = await stack.enter_async_context(
            open_travel(settings, ground.store, ground.vault, ground.audit, ground.happenings, ground.backends, leads=leads)
        )
        if settings.retention.enabled:
            await stack.enter_async_context(_retention(settings, ground, leads))
        await stack.enter_async_context(asking)
        rules = Rules(
            in_force,
            ground.store,
            ground.after.outbox,
            ground.after.notifier,
            ground.after.call,
            ground.backends,
            ground.vault,
            ground.happenings,
            secrets={name: secret.get_secret_value() for name, secret in settings.centre.secrets.items()},
            webhooks=settings.webhook_settings(),
            now=exchange.now,
        )
        await stack.enter_async_context(rules)
        after = ground.after
        ground.metrics.watch_rules(lambda: rules.counts)
        ground.metrics.watch_after(lambda: after.outbox.counts, lambda: after.notifier.counts, lambda: ground.happenings.counts)
        for part in (boxes, messages):
            if part is not None:
                await stack.enter_async_context(part)
        for trunk in trunks.values():
            await stack.enter_async_context(trunk)
        await stack.enter_async_context(exchange)
        await stack.enter_async_context(filmed)
        await handling.restore()
        yield Calls(
            worker,
            consultations,
            filmed,
            switchboard,
            trunks,
            demo,
            exchange,
            shelf,
            boxes,
            webhooks,
            tolls,
            threecx,
            routing,
            handling,
            supervision,
            centre,
            travel,
            context,
            rules,
            ladder,
        )


def _retention(settings: Settings, ground: Ground, leads: Callable[[], bool]) -> Retention:
    def note(kind: str, detail: str) -> None:
        ground.audit.note(kind, "", detail=detail)

    retention = Retention(ground.store.part(RetentionStore), settings.retention.policy(), settings.dialing.region, note, leads=leads)
    ground.metrics.watch_retention(lambda: retention.counts)
    return retention


async def _threecx(stack: AsyncExitStack, settings: Settings, ground: Ground, sound: SoundLine | None) -> ThreeCx | None:
    work = settings.threecx_work()
    if work is None:
        return None
    try:
        threecx = await stack.enter_async_context(ThreeCx(work, ground.store, ground.audit, line=sound))
    except OSError as error:
        raise StartFailure(f"The certificates of threecx.ca_file cannot be read: {error}.") from None
    ground.metrics.watch_threecx(lambda: threecx.counts, lambda: threecx.gauges)
    return threecx


def _rates(settings: Settings) -> RateTable:
    file = settings.dialing.rates_file
    if file is None:
        return RateTable()
    try:
        return RateTable.read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadRates) as error:
        raise StartFailure(f"The rate table {file} (dialing.rates_file) cannot be used: {error}.") from None


def _shelf(settings: Settings, store: Store) -> RecordingShelf:
    days = settings.media.recording.retention_days
    keep_s = days * 86_400.0 if days is not None else None
    return RecordingShelf(store, settings.recordings_folder, settings.recording_keys(), keep_s=keep_s)
