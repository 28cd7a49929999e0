"""All of HTTP of a server."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from api.after.outbox_routes import OutboxRoutes
from api.after.recording_links import SharedRecordingRoutes
from api.alert_routes import AlertRoutes, kept_thresholds
from api.audit.looks import Looks
from api.audit.routes import AuditRoutes
from api.backends.builtin_crm import renewing
from api.backends.event_routes import BackendEventRoutes
from api.backends.routes import BackendRoutes
from api.call_history_routes import CallHistoryRoutes
from api.consultation_routes import ConsultationRoutes
from api.contact_routes import ContactRoutes
from api.contacts import Contacts
from api.first_start.first_start import FirstStart
from api.first_start.routes import FirstStartRoutes
from api.identity.oidc import OidcClient
from api.identity.oidc_routes import OidcRoutes
from api.identity.routes import IdentityRoutes
from api.once import Once
from api.openapi_routes import OpenApiRoutes
from api.outbound.campaigns import Campaigns
from api.outbound.routes import OutboundRoutes
from api.page_files import PageFiles
from api.past_room_routes import PastRoomRoutes
from api.pbx_context_routes import PbxContextRoutes
from api.privacy.forgetting import Forgetting
from api.privacy.routes import PrivacyRoutes
from api.record_routes import RecordRoutes
from api.recording_routes import RecordingRoutes
from api.reports.wiring import add_reports
from api.rest_limits import RestLimits
from api.routes import Neighbours, PartHealth, make_app, make_runner
from api.rules.routes import RuleRoutes
from api.settings.tree import Settings
from api.threecx_routes import ThreeCxRoutes
from api.tickets.wiring import open_service_desk
from api.toll_routes import TollRoutes
from api.visits.routes import VisitRoutes
from api.voicemail.routes import VoicemailRoutes
from api.webhook_routes import WebhookRoutes
from api.wiring.administration import add_administration
from api.wiring.calls import Calls
from api.wiring.cluster import Cluster, cluster_health
from api.wiring.ground import Ground
from api.wiring.lines import line_words
from api.wiring.media import media_health
from api.wiring.start_failure import StartFailure
from api.wiring.talk import Talk
from signaling.hub import Hub
from signaling.redis_bus import RedisBus

STORE_AWAY = "The database does not take records: calls go on, the log says why."


@asynccontextmanager
async def open_site(
    settings: Settings, ground: Ground, cluster: Cluster, calls: Calls, talk: Talk, hub: Hub, start: FirstStart
) -> AsyncIterator[tuple[str, int]]:
    """All of HTTP, listening at the address that it yields, and at this port."""
    identity, network, issuer = ground.identity, ground.network, settings.oidc.oidc_settings()

    async def health() -> Mapping[str, PartHealth]:
        stored = await ground.store.healthy()
        return {
            "store": PartHealth(stored, "" if stored else STORE_AWAY),
            "media": media_health(calls.worker.gauges),
            "calls": PartHealth(not calls.exchange.draining, "The server is being stopped." if calls.exchange.draining else ""),
            **({"cluster": cluster_health(cluster.bus)} if isinstance(cluster.bus, RedisBus) else {}),
            "centre": PartHealth(True, calls.centre.trouble),
            **({"3cx": PartHealth(True, calls.threecx.trouble)} if calls.threecx is not None else {}),
            **{f"line {line.name}": PartHealth(True, line_words(line)) for trunk in calls.trunks.values() for line in trunk.lines()},
        }

    account_routes = IdentityRoutes(
        identity.accounts,
        identity.users,
        ground.tokens,
        address_of=network.address_of,
        https=network.https,
        issuer=issuer is not None,
    )
    pages = PageFiles(issuer=issuer is not None, demo=settings.demo.enabled, hosts=settings.security.embedded_in)
    app = make_app(
        identity.accounts.identify,
        ground.metrics,
        health,
        network=network,
        pages=pages,
        limits=RestLimits(settings.limits.rest_limits(), time.monotonic, cluster.shared),
        on_forbidden=account_routes.note_forbidden,
        on_looked=Looks(ground.audit, ground.vault).note,
        once=Once(ground.store.sent_keys, settings.token_secret(), time.time),
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
        drop=lambda handles: _dropped(calls, ground, handles),
        forget_said=cluster.bus.forget_said,
        settle=lambda: _settled(calls),
        note=lambda kind, by, handle, detail: ground.audit.note(kind, by, subject_handle=handle, detail=detail),
        region=settings.dialing.region,
        now=calls.exchange.now,
    )
    PrivacyRoutes(ground.store, ground.vault, forgetting, ground.audit, settings.dialing.region).add_to(app)
    RecordRoutes(ground.store, ground.audit).add_to(app)
    calls.exchange.board.alerts.change((await kept_thresholds(ground.store))[1])
    OpenApiRoutes().add_to(app)
    AlertRoutes(calls.exchange.board, cluster.nodes, ground.store, ground.audit).add_to(app)
    delivery = add_reports(
        app,
        settings.reports,
        ground.store,
        ground.audit,
        plan=lambda: calls.centre.plans.plan,
        figures=lambda: calls.switchboard.queue_figures(asyncio.get_running_loop().time()),
        after=ground.after,
        leads=ground.leading.of("reports"),
        site=settings.server.public_url.rstrip("/"),
    )
    ground.metrics.watch_rounds("reports", lambda: delivery.rounds.counts)
    CallHistoryRoutes(ground.store, calls.ladder, region, calls.exchange.clock.at).add_to(app)
    changed = renewing(calls.context, ground.vault, cluster.nodes.tell_renewed)
    contacts = Contacts(ground.store.contacts, talk.writes, settings.dialing.region, on_changed=changed)
    ContactRoutes(contacts).add_to(app)
    PbxContextRoutes(contacts, settings.server.public_url.rstrip("/")).add_to(app)
    campaigns = Campaigns(
        ground.store.outbound, ground.unwanted, ground.consents, settings.dialing.dial_plan().rules, settings.dialing.region
    )
    OutboundRoutes(campaigns, ground.unwanted).add_to(app)
    ThreeCxRoutes(calls.threecx).add_to(app)
    add_administration(app, settings, ground, cluster, calls, hub, health, pages.hash)
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
    _visit_routes(settings, calls, network).add_to(app)
    FirstStartRoutes(start, network.address_of).add_to(app)
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
            ground.consents,
            calendars=lambda: calls.centre.plans.plan.calendars if calls.centre.plans.plan is not None else {},
            leading=ground.leading,
            link_of=talk.links.read,
        )
        (await stack.enter_async_context(desk)).add_to(app)
        await stack.enter_async_context(delivery)
        yield await _serve(stack, app, settings)


def _visit_routes(settings: Settings, calls: Calls, network: Neighbours) -> VisitRoutes:
    visitors, now = calls.visits, calls.exchange.now
    if visitors is None:
        return VisitRoutes(settings.visits(), network.address_of, now)
    return VisitRoutes(
        visitors.settings,
        network.address_of,
        now,
        desk=visitors.desk,
        visits=visitors.visits,
        call_backs=visitors.call_backs,
        chats=visitors.chats,
        shared=visitors.shared,
    )


async def _serve(stack: AsyncExitStack, app: web.Application, settings: Settings) -> tuple[str, int]:
    """Listen for HTTP. Returns the address to tell people, and the port."""
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
        return server.public_url, runner.addresses[0][1]
    host = "127.0.0.1" if server.host in ("0.0.0.0", "") else server.host
    port = runner.addresses[0][1]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}", port


async def _settled(calls: Calls) -> None:
    """What was told of calls until now is in the store, or on its way there."""
    calls.traces.write(all_of_it=True)
    await calls.webhooks.settle()


async def _dropped(calls: Calls, ground: Ground, handles: Collection[str]) -> None:
    """What programs and answers that are kept remember of somebody."""
    await calls.context.forget(handles)
    await ground.store.sent_keys.forget_answers()
