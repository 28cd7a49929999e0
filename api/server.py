"""The wiring: one function, and its parts in the order in which it enters them. What is entered first is left last."""

import asyncio
import secrets
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import structlog
from aiohttp import web

from api.after.outbox_routes import OutboxRoutes
from api.after.recording_links import SharedRecordingRoutes
from api.after.wiring import After, open_after
from api.appointments.backend import BuiltinAppointments
from api.appointments.settings import AppointmentSettings
from api.appointments.wiring import Appointments, make_appointments
from api.attachments import Attachments
from api.audit.audit import Audit
from api.audit.looks import Looks
from api.audit.routes import AuditRoutes
from api.audit.wiring import open_audit
from api.backends.context import CallContext
from api.backends.event_routes import BackendEventRoutes
from api.backends.lookup import ContextLookup
from api.backends.protocols import CallerKey
from api.backends.registry import Backends
from api.backends.routes import BackendRoutes
from api.backends.views import context_partial
from api.backends.wiring import open_backends, open_context
from api.browser_legs import BrowserLegs
from api.call_handling import CallHandling
from api.call_happenings import CallNews, CallWatch
from api.centre.wiring import Centre, open_centre
from api.chat import Chat
from api.config import LineSection, OpusSection, Settings
from api.consultation_news import ConsultationNews
from api.consultation_recordings import ConsultationRecordings
from api.consultation_routes import ConsultationRoutes
from api.consultations import Consultations
from api.contact_routes import ContactRoutes
from api.contacts import Contacts
from api.exchange import Exchange
from api.guest_routes import GuestRoutes
from api.happenings import Happening, Happenings, Kind
from api.identity.oidc import OidcClient
from api.identity.oidc_routes import OidcRoutes
from api.identity.passwords import Passwords
from api.identity.routes import IdentityRoutes
from api.identity.wiring import Identity, open_identity
from api.line_watch import LineWatch
from api.media_plane import MediaPlane, suppressor_maker
from api.metrics import Metrics
from api.nodes import Nodes, call_id_of
from api.notify.templates import BadTemplate, Templates
from api.outbound.campaigns import Campaigns
from api.outbound.do_not_call import DoNotCall
from api.outbound.routes import OutboundRoutes
from api.page_files import PageFiles
from api.page_requests import PageRequests, route_of
from api.past_room_routes import PastRoomRoutes
from api.past_rooms import PastRooms
from api.pbx_context_routes import PbxContextRoutes
from api.phone_legs import PhoneLegs
from api.privacy.forgetting import Forgetting
from api.privacy.retention import Retention
from api.privacy.routes import PrivacyRoutes
from api.privacy.vault import Vault
from api.privacy.wiring import open_vault
from api.queue_statistics_routes import QueueStatisticsRoutes
from api.record_routes import RecordRoutes
from api.recording_book import RecordingBook
from api.recording_routes import RecordingRoutes
from api.recording_shelf import RecordingShelf
from api.rest_limits import RestLimits
from api.room_keys import RoomKeys
from api.room_owners import RoomOwners
from api.room_requests import RoomRequests
from api.rooms import RoomEvent, Rooms
from api.routes import Neighbours, PartHealth, make_app, make_runner
from api.rtp_ports import RtpPorts
from api.rules.routes import RuleRoutes
from api.rules.rules import Rules
from api.self_signed import kept_certificate
from api.shared_limits import SharedLimits
from api.snapshots import Snapshots
from api.store import Store, StoredVoicemail
from api.store.acknowledged import AcknowledgedWrites
from api.store.retention import RetentionStore
from api.store.sealing import open_sealing
from api.store.spool import RecordSpool, Spool
from api.supervision import Supervision
from api.threecx import ThreeCx
from api.threecx_routes import ThreeCxRoutes
from api.tickets.wiring import open_service_desk
from api.toll_routes import TollRoutes
from api.tolls import Tolls
from api.travel.wiring import Travel, open_travel
from api.turn import TurnAccess
from api.voicemail.boxes import Boxes
from api.voicemail.notices import VoicemailNotices
from api.voicemail.routes import VoicemailRoutes
from api.voicemail.taking import MessageTaking
from api.webhook_asking import WebhookAsking
from api.webhook_routes import WebhookRoutes
from api.webhooks import Webhooks
from media.answer import OpusPreferences
from media.messages import AnyMediaEvent
from media.opus_choice import OpusPolicy
from media.pool import WorkerPool
from media.prompt_settings import PromptSettings
from media.recording.recordings import RecordingSettings
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from media.worker import MediaWorker
from pbx.identity import IdentityHeader, TrustedCaller
from pbx.loopback import DEMO_NUMBERS, LoopbackTrunk
from pbx.pjsua2_trunk import Pjsua2Trunk
from pbx.rates import BadRates, RateTable
from pbx.redirect import Follow
from pbx.routing import Routing
from pbx.sdes import SrtpMode
from pbx.sip_settings import RegistrarSettings, SipTlsSettings, SipTransport, SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.threecx.sound_line import SoundLine
from pbx.toll import TollWatch
from pbx.trunk import LineStatus, OnTrunkEvent, StatusChanged, Trunk, TrunkEvent
from pbx.trunk_group import Place, TrunkGroup
from rooms.causes import EndReason
from rooms.centre_plan import CentrePlan
from rooms.events import MessageTaken, WebhookAnswered
from rooms.flows.conditions import Facts
from rooms.house import HousePolicy
from rooms.membership import RoomKind
from rooms.membership_events import LeaveWanted
from rooms.move import Target
from rooms.record import CallRecord, CallState, CallView
from rooms.switchboard import Switchboard
from rooms.voicemail import MessageLimits
from signaling.bus import Bus, BusState, MemoryBus
from signaling.grants import Grant, Role
from signaling.hub import Hub
from signaling.invitations import Invitations
from signaling.messages import Session
from signaling.redis_bus import RedisBus
from signaling.tokens import TokenIssuer
from signaling.topics import person

log = structlog.get_logger()

DEMO_AGENT = "demo"
_NOT_THEIRS = frozenset({EndReason.ANSWERED_ELSEWHERE, EndReason.DECLINED, EndReason.NO_ANSWER})
"""Why a call that goes on is over for whom it rang."""
STORE_AWAY = "The database does not take records: calls go on, the log says why."
WORKER_AWAY = "A media worker died and its successor is not there yet: the log says why, the calls of the others go on."


ALONE = "Redis does not answer: this node goes on alone with its own people, calls and limits until it does."
DEAF = "Redis answers, but this node hears nothing by it: it takes itself out. See what its user may do there (channels, PUBSUB)."
NAME_TAKEN = "Another node has this one's name: give each its own cluster.node."
MEMORY_FULL = (
    "Redis is at its memory limit: what is said goes on, but who reconnects gets a snapshot in place of what was missed, "
    "and each node counts its callers' requests by itself."
)


class StartFailure(Exception):
    """The server cannot start. The message says whose fault it is and what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves. ``demo_password`` is set where there is a demo agent."""

    url: str
    exchange: Exchange
    demo_password: str | None


@asynccontextmanager
async def running(settings: Settings, hurry: asyncio.Event | None = None) -> AsyncIterator[Running]:
    """Start everything. Leaving stops it in the opposite order: calls end with BYE, records are written. Raises ``StartFailure``.

    ``hurry``: set while live calls are let end by themselves, it ends them now. The parts follow below in this order.
    """
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(_ground(settings))
        cluster = await stack.enter_async_context(_cluster(settings, ground))
        calls = await stack.enter_async_context(_calls(settings, ground, cluster))
        talk = await stack.enter_async_context(_talk(settings, ground, cluster, calls))
        hub = await stack.enter_async_context(_pages(settings, ground, cluster, calls, talk))
        url = await stack.enter_async_context(_site(settings, ground, cluster, calls, talk, hub))
        await stack.enter_async_context(cluster.nodes)
        await stack.enter_async_context(talk.owners)
        await stack.enter_async_context(hub)
        if talk.appointments is not None:
            appointments = talk.appointments
            ground.metrics.watch_appointments(lambda: appointments.counts)
            if settings.demo.enabled:
                await talk.appointments.seed([DEMO_AGENT])
            await stack.enter_async_context(talk.appointments.work)
        try:
            yield Running(url, calls.exchange, ground.demo_password)
            await _drain(calls.exchange, settings.server.drain_s, hurry or asyncio.Event())
        finally:
            await calls.filmed.stop()
            # Pages hear how their calls end before their connections do.
            await calls.exchange.stop()


@dataclass(frozen=True, slots=True)
class _Ground:
    """What everything else stands on: what is counted, what is kept, who somebody is, and how the network sees us."""

    metrics: Metrics
    store: Store
    audit: Audit
    tokens: TokenIssuer
    identity: Identity
    relays: TurnAccess
    network: Neighbours
    unwanted: DoNotCall
    happenings: Happenings
    vault: Vault
    backends: Backends
    after: After
    demo_password: str | None


@asynccontextmanager
async def _ground(settings: Settings) -> AsyncIterator[_Ground]:
    settings.server.data_dir.mkdir(parents=True, exist_ok=True)
    tokens = TokenIssuer(
        settings.token_secret(),
        previous=[secret.get_secret_value() for secret in settings.security.previous_secrets],
        lifetime_s=settings.security.token_lifetime_s,
        session_s=settings.security.session_s,
    )
    relays = TurnAccess(settings.turn.urls, settings.turn.secret.get_secret_value(), settings.turn.ttl_s)
    network = Neighbours(
        trusted_proxies=tuple(ip_network(name) for name in settings.server.trusted_proxies),
        metrics_from=tuple(ip_network(name) for name in settings.server.metrics_from),
        https=settings.server.tls_certificate is not None or settings.server.public_url.startswith("https:"),
    )
    vault = open_vault(settings)
    spool = RecordSpool(settings.server.data_dir / "calls.spool", vault)
    templates, happenings = _templates(settings), Happenings()
    async with (
        Metrics() as metrics,
        Store.open(settings.store_url, vault=vault, node=settings.node, spool=spool) as store,
        open_sealing(store.sealing),
        open_audit(settings, store, vault) as audit,
        open_identity(store.people, tokens, settings.identity(), audit, on_sign_in=metrics.signed_in, relays=relays.of) as identity,
        DoNotCall(store.outbound, audit, settings.dialing.region, time.time) as unwanted,
        open_backends(settings, metrics) as backends,
        open_after(settings, store, vault, backends, happenings, templates) as after,
    ):
        metrics.watch_store(lambda: store.writer.counts, lambda: store.writer.gauges)
        metrics.watch_vault(lambda: vault.counts, lambda: vault.gauges)
        await _tell_interrupted(store)
        demo_password = await _demo_agent(store, identity.passwords) if settings.demo.enabled else None
        yield _Ground(metrics, store, audit, tokens, identity, relays, network, unwanted, happenings, vault, backends, after, demo_password)


@dataclass(frozen=True, slots=True)
class _Cluster:
    """The other nodes, where there are any. ``shared``: what is counted at all of them together."""

    bus: Bus
    nodes: Nodes
    shared: SharedLimits | None


@asynccontextmanager
async def _cluster(settings: Settings, ground: _Ground) -> AsyncIterator[_Cluster]:
    if not settings.cluster.redis_url.get_secret_value():
        hub = settings.hub()
        bus = MemoryBus(topics=hub.topics, kept=hub.replay_kept)
        yield _Cluster(bus, Nodes(bus), None)
        return
    async with RedisBus(settings.bus()) as redis:
        nodes, quotas = Nodes(redis), SharedLimits(redis)
        ground.metrics.watch_cluster(
            lambda: redis.counts | {"limits_alone": quotas.alone},
            lambda: {"together": redis.state is BusState.TOGETHER, "nodes": len(nodes.others) + 1},
        )
        yield _Cluster(redis, nodes, quotas)


@dataclass(frozen=True, slots=True)
class _Calls:
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


@asynccontextmanager
async def _calls(settings: Settings, ground: _Ground, cluster: _Cluster) -> AsyncIterator[_Calls]:
    async with AsyncExitStack() as stack:
        switchboard = Switchboard(settings.call_policy())
        trunks: dict[str, Trunk] = {}
        line_watch = LineWatch()

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

        worker = await _media_plane(stack, settings, ground.metrics, on_media_event)
        asked = open_context(settings, ground.backends, ground.store, ground.vault, ground.metrics, cluster.bus)
        context = await stack.enter_async_context(asked)
        consultations = await stack.enter_async_context(Consultations(worker))
        demo = LoopbackTrunk(on_trunk_event, name="demo") if settings.demo.enabled else None
        if demo is not None:
            trunks[demo.name] = demo
        if settings.sip.enabled:
            pbx = trunks[settings.sip.name] = _pbx(settings, on_trunk_event, redirected)
            ground.metrics.watch_lines(lambda: _line_numbers(trunks.values(), pbx.counts))
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
        yield _Calls(
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
        )


@dataclass(frozen=True, slots=True)
class _Talk:
    """Rooms and what is written in them. ``rooms`` and ``chat`` are entered when the hub is there, which tells people of them."""

    writes: AcknowledgedWrites
    rooms: Rooms
    owners: RoomOwners
    chat: Chat
    past: PastRooms
    attachments: Attachments
    links: Invitations
    guests: GuestRoutes
    appointments: Appointments | None


@asynccontextmanager
async def _talk(settings: Settings, ground: _Ground, cluster: _Cluster, calls: _Calls) -> AsyncIterator[_Talk]:
    store, now = ground.store.rooms, calls.exchange.now
    files = settings.server.data_dir / "attachments"
    days = settings.chat.retention_days
    async with AcknowledgedWrites(store, Spool(settings.server.data_dir / "chat.spool", ground.vault)) as writes:

        def on_room_event(event: RoomEvent) -> None:
            calls.consultations.on_room_event(event)
            calls.webhooks.tell_room(event)
            if appointments is not None:
                appointments.work.hear(event)
            news.hear(event)

        appointments = _appointments(settings, ground, cluster, now)
        news = ConsultationNews(ground.happenings, ground.store.appointments.of_room)
        policy = HousePolicy(consultation_capacity=settings.consultations.most_people)

        def on_taken(room_id: str) -> None:
            room = rooms.house.room(room_id)
            if room is not None and room.kind is RoomKind.CONSULTATION:
                calls.consultations.take(room_id)

        def on_lost(room_id: str) -> None:
            calls.consultations.lose(room_id)
            chat.forget(room_id)

        rooms = Rooms(
            store,
            writes,
            now=now,
            policy=policy,
            on_event=on_room_event,
            on_over=lambda room_id: chat.forget(room_id),
            on_taken=on_taken,
            on_lost=on_lost,
            on_waiting=appointments.work.hear_people if appointments is not None else lambda room: None,
        )
        chat = Chat(rooms, store)
        owners = RoomOwners(cluster.bus, cluster.nodes, rooms, store)
        keep_s = None if days is None else days * 86_400.0
        past = PastRooms(ground.store.past_rooms, store, writes, files, keep_s=keep_s, note=ground.audit.note, forget=chat.forget)
        attachments = Attachments(
            store,
            owners.is_member,
            past,
            files,
            settings.token_secret(),
            now=now,
            largest=settings.chat.largest_file,
            together=settings.chat.all_files,
        )
        secrets_before = [secret.get_secret_value() for secret in settings.security.previous_secrets]
        links = Invitations(settings.token_secret(), previous=secrets_before)
        guests = GuestRoutes(owners.check_link, links, ground.tokens, relays=ground.relays.of, touch=ground.identity.sessions.touch)
        async with news, past:
            yield _Talk(writes, rooms, owners, chat, past, attachments, links, guests, appointments)


@asynccontextmanager
async def _pages(settings: Settings, ground: _Ground, cluster: _Cluster, calls: _Calls, talk: _Talk) -> AsyncIterator[Hub]:
    """What pages ask and are told. The hub is introduced to everybody here, and entered last of all."""
    identity, nodes, exchange, rooms = ground.identity, cluster.nodes, calls.exchange, talk.rooms
    keys = RoomKeys(rooms, ground.store.room_keys)
    in_rooms = RoomRequests(
        rooms,
        talk.chat,
        talk.attachments,
        talk.links,
        talk.past,
        keys,
        talk.owners,
        identity.users.colleagues,
        calls.consultations.perform,
        calls.filmed.request,
        identity.accounts.bar_link,
        link_lifetime_s=settings.consultations.link_lifetime_s,
    )
    requests = PageRequests(
        exchange,
        calls.switchboard,
        calls.routing,
        ground.metrics,
        nodes,
        in_rooms.perform,
        demo=calls.demo,
        tolls=calls.tolls,
        ask_pbx=calls.threecx.ask if calls.threecx is not None else lambda number: None,
        teams_of=identity.sessions.teams_of,
        handling=calls.handling,
        supervision=calls.supervision,
        unwanted=ground.unwanted,
        context=calls.context,
        after=ground.after.call,
        refer_blind=settings.calls.refer_blind,
    )
    snapshots = Snapshots(calls.switchboard, exchange, ground.store, calls.trunks, rooms, nodes, talk.owners, demo=settings.demo.enabled)

    async def renew(grant: Grant) -> Session:
        return talk.guests.renew(grant) if grant.role == Role.CUSTOMER else await identity.accounts.renew(grant)

    hub = Hub(
        settings.hub(),
        verify=identity.sessions.verify,
        renew=renew,
        perform=identity.accounts.watched(nodes.perform),
        on_presence=nodes.on_phone,
        on_pages=nodes.on_pages,
        on_there=nodes.on_there,
        bus=cluster.bus,
        snapshot=snapshots.of,
        on_refused=ground.metrics.refused,
        address_of=ground.network.address_of,
        authorise=identity.accounts.authorise,
        on_abuse=identity.accounts.note_abuse,
    )
    exchange.meet(hub)

    def show_context(identities: Iterable[str], context: CallContext) -> None:
        notice = context_partial(context)
        for identity in identities:
            hub.publish(person(identity), notice)

    calls.context.meet(
        show_context,
        lambda identity, call_id, handle: ground.audit.note("caller_shown", identity, call_id, handle),
    )
    calls.rules.meet(lambda identity, notice: hub.publish(person(identity), notice))
    ground.after.call.meet(
        lambda identity, notice: hub.publish(person(identity), notice),
        lambda call_id, who: any(view.call_id == call_id for view in calls.switchboard.calls_of(who)),
        calls.context.contact,
    )
    nodes.meet(exchange, hub, requests.perform, talk.owners)
    talk.owners.meet(hub, requests.perform)
    exchange.board.know_teams(identity.sessions.teams_of)
    nodes.meet_board(exchange.board)
    if calls.threecx is not None:
        calls.threecx.meet(nodes)
        nodes.hear_wishes(calls.threecx.changed)

    def in_call(who: str) -> bool:
        return bool(calls.switchboard.calls_of(who) or nodes.attendance.nodes_engaging(who) or calls.consultations.has(who))

    def on_ended(who: str) -> None:
        hub.recheck(who)
        calls.supervision.look_again(who)

    identity.sessions.meet(in_call=in_call, on_ended=on_ended, tell=nodes.tell_revoked)
    nodes.hear_revoked(identity.sessions.hear)
    rooms.meet(hub, talk.owners)
    if calls.boxes is not None:
        calls.boxes.meet(hub.publish)
    if talk.appointments is not None:
        talk.appointments.desk.meet_pages(hub.publish)
    calls.consultations.meet(
        hub.publish, lambda room_id, who: rooms.feed(LeaveWanted(room_id, who)), calls.filmed.seated, cluster.nodes.on_consulting
    )
    calls.filmed.meet(rooms.name_of)
    ground.metrics.watch_sockets(lambda: hub.sockets)
    ground.metrics.watch_rooms(
        lambda: {"open": len(rooms.house), "conversations": talk.chat.open, "writes_spooled": talk.writes.spooled},
        lambda: talk.owners.counts,
        lambda: calls.webhooks.counts,
    )
    async with rooms, talk.chat:
        yield hub


@asynccontextmanager
async def _site(settings: Settings, ground: _Ground, cluster: _Cluster, calls: _Calls, talk: _Talk, hub: Hub) -> AsyncIterator[str]:
    """All of HTTP, listening at the address that it yields."""
    identity, network, issuer = ground.identity, ground.network, settings.issuer()

    async def health() -> Mapping[str, PartHealth]:
        stored = await ground.store.healthy()
        return {
            "store": PartHealth(stored, "" if stored else STORE_AWAY),
            "media": _media_health(calls.worker.gauges),
            "calls": PartHealth(not calls.exchange.draining, "The server is being stopped." if calls.exchange.draining else ""),
            **({"cluster": _cluster_health(cluster.bus)} if isinstance(cluster.bus, RedisBus) else {}),
            "centre": PartHealth(True, calls.centre.trouble),
            **({"3cx": PartHealth(True, calls.threecx.trouble)} if calls.threecx is not None else {}),
            **{f"line {line.name}": PartHealth(True, _line_words(line)) for trunk in calls.trunks.values() for line in trunk.lines()},
        }

    account_routes = IdentityRoutes(
        identity.accounts,
        identity.users,
        ground.tokens,
        address_of=network.address_of,
        https=network.https,
        issuer=issuer is not None,
    )
    app = make_app(
        identity.accounts.identify,
        ground.metrics,
        health,
        network=network,
        pages=PageFiles(issuer=issuer is not None),
        limits=RestLimits(settings.rest_limits(), time.monotonic, cluster.shared),
        on_forbidden=account_routes.note_forbidden,
        on_looked=Looks(ground.audit, ground.vault).note,
    )
    account_routes.add_to(app)
    hub.attach(app)
    talk.attachments.add_to(app)
    PastRoomRoutes(talk.past).add_to(app)
    WebhookRoutes(calls.webhooks, ground.audit).add_to(app)
    OutboxRoutes(ground.after.outbox, ground.audit).add_to(app)
    BackendRoutes(ground.backends, lambda: calls.context.cache_gauges, ground.vault, settings.dialing.region).add_to(app)
    event_secrets = {id: secret.get_secret_value() for id, secret in settings.backends.event_secrets.items()}
    tell_nodes, region = cluster.nodes.tell_renewed, settings.dialing.region
    events = BackendEventRoutes(calls.context, event_secrets, ground.audit, region, tell_nodes=tell_nodes, now=time.time)
    cluster.nodes.hear_renewed(calls.context.renew)
    ground.metrics.watch_backend_events(lambda: events.counts)
    events.add_to(app)
    RuleRoutes(calls.rules, ground.store, ground.vault, settings.dialing.region).add_to(app)
    talk.guests.add_to(app)
    ConsultationRoutes(identity.accounts.watched(cluster.nodes.perform)).add_to(app)
    TollRoutes(calls.tolls, ground.store.people.teams_of).add_to(app)
    AuditRoutes(ground.audit).add_to(app)
    forgetting = Forgetting(
        ground.store,
        ground.vault,
        recordings=calls.shelf,
        written=talk.past,
        drop=calls.context.forget,
        note=lambda kind, by, handle, detail: ground.audit.note(kind, by, subject_handle=handle, detail=detail),
        region=settings.dialing.region,
        now=calls.exchange.now,
    )
    PrivacyRoutes(ground.store, ground.vault, forgetting, ground.audit, settings.dialing.region).add_to(app)
    RecordRoutes(ground.store, ground.audit).add_to(app)
    QueueStatisticsRoutes(ground.store.records).add_to(app)
    contacts = Contacts(ground.store.contacts, talk.writes, settings.dialing.region)
    ContactRoutes(contacts).add_to(app)
    PbxContextRoutes(contacts, settings.server.public_url.rstrip("/")).add_to(app)
    campaigns = Campaigns(ground.store.outbound, ground.unwanted, settings.dial_plan().rules, settings.dialing.region)
    OutboundRoutes(campaigns, ground.unwanted).add_to(app)
    ThreeCxRoutes(calls.threecx).add_to(app)
    calls.travel.routes.add_to(app)
    if talk.appointments is not None:
        talk.appointments.add_to(app, ground.store.people.teams_of)
    for routes in calls.centre.routes(ground.store.people.teams_of):
        routes.add_to(app)
    if calls.shelf is not None:
        RecordingRoutes(calls.shelf, ground.store.people.teams_of).add_to(app)
        SharedRecordingRoutes(ground.after.links, calls.shelf, ground.audit).add_to(app)
    if calls.boxes is not None:
        VoicemailRoutes(calls.boxes).add_to(app)
    async with AsyncExitStack() as stack:
        if issuer is not None:
            way_back = f"{settings.server.public_url.rstrip('/')}/api/v1/oidc/callback"
            client = await stack.enter_async_context(OidcClient(issuer, way_back, settings.identity().second_factor_key))
            OidcRoutes(client, identity.accounts, account_routes, https=network.https).add_to(app)
        desk = open_service_desk(
            settings,
            ground.store,
            ground.vault,
            ground.audit,
            ground.happenings,
            ground.backends,
            ground.after,
            ground.metrics,
            calendars=lambda: calls.centre.plans.plan.calendars if calls.centre.plans.plan is not None else {},
            leads=lambda: cluster.nodes.leads,
        )
        (await stack.enter_async_context(desk)).add_to(app)
        yield await _serve(stack, app, settings)


def _retention(settings: Settings, ground: _Ground, leads: Callable[[], bool]) -> Retention:
    def note(kind: str, detail: str) -> None:
        ground.audit.note(kind, "", detail=detail)

    retention = Retention(ground.store.part(RetentionStore), settings.retention.policy(), settings.dialing.region, note, leads=leads)
    ground.metrics.watch_retention(lambda: retention.counts)
    return retention


def _appointments(settings: Settings, ground: _Ground, cluster: _Cluster, now: Callable[[], float]) -> Appointments | None:
    section = settings.appointments
    if not section.enabled:
        return None
    handled = AppointmentSettings(
        region=settings.dialing.region,
        site=settings.server.public_url.rstrip("/") or f"http://localhost:{settings.server.port}",
        company=section.company,
        reminders_s=tuple(60.0 * lead for lead in section.reminders_min),
        grace_s=60.0 * section.no_show_min,
        most_per_customer=section.most_per_customer,
    )
    if settings.backends.builtin:
        store = ground.store
        ground.backends.add(BuiltinAppointments(store.appointments, store.contacts, ground.vault, now))
    return make_appointments(
        handled,
        ground.store,
        ground.vault,
        cluster.nodes.perform,
        ground.happenings,
        ground.after,
        ground.audit.note,
        sender=settings.email.sender,
        now=now,
        leads=lambda: cluster.nodes.leads,
    )


async def _threecx(stack: AsyncExitStack, settings: Settings, ground: _Ground, sound: SoundLine | None) -> ThreeCx | None:
    work = settings.threecx_work()
    if work is None:
        return None
    try:
        threecx = await stack.enter_async_context(ThreeCx(work, ground.store, ground.audit, line=sound))
    except OSError as error:
        raise StartFailure(f"The certificates of threecx.ca_file cannot be read: {error}.") from None
    ground.metrics.watch_threecx(lambda: threecx.counts, lambda: threecx.gauges)
    return threecx


def _templates(settings: Settings) -> Templates:
    try:
        return Templates(settings.email.templates)
    except BadTemplate as error:
        raise StartFailure(f"A text of email.templates cannot be used: {error}") from None


def _rates(settings: Settings) -> RateTable:
    file = settings.dialing.rates_file
    if file is None:
        return RateTable()
    try:
        return RateTable.read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadRates) as error:
        raise StartFailure(f"The rate table {file} (dialing.rates_file) cannot be used: {error}.") from None


def _cluster_health(bus: RedisBus) -> PartHealth:
    """Without Redis every node goes on with its own calls, so that is no reason to take one out; to be deaf beside it is."""
    if bus.state is BusState.TOGETHER:
        return PartHealth(True, MEMORY_FULL if bus.memory_full else "")
    return PartHealth(bus.is_fit, NAME_TAKEN if bus.name_taken else ALONE if bus.is_fit else DEAF)


async def _demo_agent(store: Store, passwords: Passwords) -> str:
    """A person to try things with, whose password is drawn anew at each start and kept nowhere in clear."""
    password = secrets.token_urlsafe(6)
    await store.people.save_user(DEMO_AGENT, name="Demo Agent", role="agent", password_hash=await passwords.hash(password))
    return password


async def _tell_interrupted(store: Store) -> None:
    """Calls of an earlier run that died without a word get their end in the record."""
    for call_id in await store.mark_interrupted(time.time()):
        log.warning("call.interrupted", call_id=call_id)


async def _drain(exchange: Exchange, drain_s: float, hurry: asyncio.Event) -> None:
    """Take no new calls and let live ones end by themselves, at most so long."""
    exchange.draining = True
    if drain_s > 0 and exchange.calls:
        log.info("server.draining", calls=exchange.calls, at_most_s=drain_s)
        ways = {asyncio.ensure_future(exchange.no_calls()), asyncio.ensure_future(hurry.wait())}
        try:
            await asyncio.wait(ways, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
        if exchange.calls:
            log.warning("server.drain_over", calls=exchange.calls)


async def _serve(stack: AsyncExitStack, app: web.Application, settings: Settings) -> str:
    """Listen for HTTP. Returns the address to tell people."""
    runner = make_runner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    server = settings.server
    tls = None
    if server.tls_certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            tls.load_cert_chain(server.tls_certificate, server.tls_key)
        except (ssl.SSLError, OSError) as error:
            raise StartFailure(f"The TLS certificate {server.tls_certificate} cannot be used with its key: {error}.") from None
    try:
        await web.TCPSite(runner, server.host, server.port, ssl_context=tls).start()
    except OSError as error:
        raise StartFailure(
            f"Port {server.port} of {server.host} cannot be opened ({error.strerror}): "
            "another program uses it, or it is not this machine's address. Set server.port or --port to another one."
        ) from None
    if server.public_url:
        return server.public_url
    host = "127.0.0.1" if server.host in ("0.0.0.0", "") else server.host
    port = runner.addresses[0][1]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


async def _media_plane(
    stack: AsyncExitStack, settings: Settings, metrics: Metrics, on_event: Callable[[AnyMediaEvent], None]
) -> MediaPlane:
    """One worker in this process, or a pool of processes."""
    workers, suppressor = settings.media.worker_count, settings.media.voice.suppressor
    if not workers:
        made = MediaWorker(_media(settings), on_event, make_suppressor=suppressor_maker(suppressor))
        worker = await stack.enter_async_context(made)
        metrics.watch_media(lambda: worker.counters, lambda: worker.gauges)
        return worker
    command = (sys.executable, "-m", "api.media_process", settings.log.level, settings.log.format, suppressor)
    pool = await stack.enter_async_context(WorkerPool(_media(settings), on_event, workers=workers, command=command))
    metrics.watch_media(lambda: pool.counters, lambda: pool.gauges)
    metrics.watch_workers(lambda: pool.by_worker)
    return pool


def _media_health(gauges: Mapping[str, float]) -> PartHealth:
    """Ready while any worker is there: the calls of the others go on. A worker in this process is always there."""
    there, wanted = gauges.get("workers_up", 1), gauges.get("workers", 1)
    return PartHealth(there > 0, WORKER_AWAY if there < wanted else "")


def _media(settings: Settings) -> MediaSettings:
    media = settings.media
    return MediaSettings(
        hosts=media.hosts,
        port=media.port,
        wire=media.wire,
        public_hosts=media.public_hosts,
        tcp=media.tcp,
        codec_policy=media.browser_codecs,
        concealment=media.concealment,
        fullest_tick=media.fullest_tick,
        opus_over_g711=media.opus_over_g711,
        mend_from_loss=media.mend_from_loss,
        opus=_opus(media.opus),
        browser_opus=OpusPreferences(dtx=media.opus.browser_dtx, max_average_bitrate=media.opus.browser_bitrate),
        voice=VoiceSettings(media.voice.echo, media.voice.noise, media.voice.gain, media.voice.sample_every_s),
        learn_phone_addresses=media.learn_phone_addresses,
        capture=media.capture_dir,
        recording=_recording(settings),
        prompts=_prompts(settings),
    )


def _opus(opus: OpusSection) -> OpusPolicy:
    return OpusPolicy(
        bitrate=opus.bitrate,
        narrow_bitrate=opus.narrow_bitrate,
        sparing_bitrate=opus.sparing_bitrate,
        sparing_narrow_bitrate=opus.sparing_narrow_bitrate,
        sparing_from=opus.sparing_from,
        complexity=opus.complexity,
        dtx=opus.dtx,
        fec_from_loss=opus.fec_from_loss,
    )


def _prompts(settings: Settings) -> PromptSettings:
    prompts = settings.media.prompts
    return PromptSettings(
        folder=prompts.folder,
        speech=prompts.speech,
        spoken=settings.server.data_dir / "speech",
        voices=dict(prompts.voices),
        hold_music=prompts.hold_music,
        texts=prompts.texts,
        ready=tuple(filter(None, (settings.announcement, settings.supervision_notice))),
    )


def _recording(settings: Settings) -> RecordingSettings | None:
    recording = settings.media.recording
    if not settings.keeps_recordings:
        return None
    return RecordingSettings(settings.recordings_folder, settings.recording_keys(), key_frame_every_s=recording.key_frame_every_s)


def _shelf(settings: Settings, store: Store) -> RecordingShelf:
    days = settings.media.recording.retention_days
    keep_s = days * 86_400.0 if days is not None else None
    return RecordingShelf(store, settings.recordings_folder, settings.recording_keys(), keep_s=keep_s)


def _pbx(settings: Settings, on_event: OnTrunkEvent, follow: Follow) -> SipTrunk | Pjsua2Trunk | TrunkGroup:
    """The line to the PBX, or to several."""
    sip = settings.sip
    if not sip.trunks:
        line = _line(sip.name, sip, settings)
        return Pjsua2Trunk(line, on_event) if sip.agent == "pjsua2" else SipTrunk(line, on_event, follow=follow)
    places = [Place(_line(name, trunk, settings), trunk.priority, trunk.weight) for name, trunk in sip.trunks.items()]
    return TrunkGroup(sip.name, places, sip.failover_settings(), on_event, follow=follow)


def _line(name: str, line: LineSection, settings: Settings) -> SipTrunkSettings:
    return SipTrunkSettings(
        server=line.server,
        extension=line.extension,
        password=line.password.get_secret_value(),
        auth_id=line.auth_id,
        name=name,
        port=line.port,
        domain=line.domain,
        srtp=SrtpMode(line.srtp),
        comfort_noise=line.comfort_noise,
        codecs=() if isinstance(line.codecs, str) else tuple(dict.fromkeys(line.codecs)),
        transport=SipTransport("udp" if line.transport == "auto" else line.transport),
        find_transport=line.transport == "auto",
        large_by_tcp=line.large_by_tcp,
        name_servers=line.name_servers,
        tls=_line_tls(line, settings.server.data_dir),
        display_name=line.display_name,
        bind_host=line.listen_host,
        bind_port=line.listen_port,
        public_host=line.public_host,
        trusted=line.trusted,
        refer=line.refer,
        max_redirects=line.follow_redirects,
        identity_header=IdentityHeader(line.identity_header),
        trusted_caller=TrustedCaller(line.trusted_caller),
        register=line.mode == "register",
        registrar=_registrar(line) if line.mode == "registrar" else None,
        registration_s=line.expires_s,
        keepalive_s=line.keepalive_s,
        max_calls=line.max_calls,
        invites_per_s=line.calls_per_s,
        region=settings.dialing.region,
    )


def _registrar(line: LineSection) -> RegistrarSettings:
    return RegistrarSettings(tuple(name.upper() for name in line.digests), line.challenge_calls)


def _line_tls(line: LineSection, data_dir: Path) -> SipTlsSettings:
    shown = (line.tls_certificate, line.tls_key)
    if line.transport in ("tls", "auto") and line.tls_certificate is None:
        shown = kept_certificate(data_dir)
    return SipTlsSettings(
        line.tls_ca_file,
        *shown,
        demand_certificate=line.tls_demand_certificate,
        accept_any_certificate=line.tls_accept_any_certificate,
    )


def _line_words(line: LineStatus) -> str:
    return f"{line.status.detail} Calls: {line.calls} of {line.most_calls}."


def _line_numbers(
    trunks: Iterable[Trunk], counts: Mapping[str, Mapping[str, int]]
) -> dict[str, tuple[Mapping[str, float], Mapping[str, float]]]:
    """Of each line what it counts, how many calls it has and may have, and what share of its new ones it takes."""
    gauges = {
        line.name: {"calls": line.calls, "most_calls": line.most_calls, "share": line.share} for trunk in trunks for line in trunk.lines()
    }
    return {name: (counts.get(name, {}), gauges.get(name, {})) for name in [*gauges, *(counts.keys() - gauges.keys())]}


@contextmanager
def orders(loop: asyncio.AbstractEventLoop, hurry: asyncio.Event) -> Iterator[asyncio.Event]:
    """An event that the first SIGTERM or SIGINT (Ctrl+C) sets; the second one sets ``hurry``."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: (hurry if stop.is_set() else stop).set())
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
