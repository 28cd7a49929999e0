"""The exchange of a server, between call control, media, lines and pages."""

from api.browser_legs import BrowserLegs
from api.exchange import Exchange
from api.media_plane import MediaPlane
from api.nodes.nodes import call_id_of
from api.settings.tree import Settings
from api.webhook_asking import WebhookAsking
from api.wiring.cluster import Cluster
from api.wiring.colleagues import Colleagues
from api.wiring.dialling import Dialling
from api.wiring.ground import Ground
from api.wiring.lines import Lines, phone_legs
from api.wiring.recordings import Recordings
from api.wiring.told import Told
from rooms.switchboard import Switchboard


def make_exchange(
    settings: Settings,
    ground: Ground,
    cluster: Cluster,
    switchboard: Switchboard,
    worker: MediaPlane,
    lines: Lines,
    dialling: Dialling,
    colleagues: Colleagues,
    recordings: Recordings,
    asking: WebhookAsking,
    told: Told,
) -> Exchange:
    """To be entered after the lines."""
    phones = phone_legs(settings, worker, lines)
    return Exchange(
        switchboard=switchboard,
        worker=worker,
        phones=phones,
        browsers=BrowserLegs(worker, phones),
        store=ground.store,
        book=recordings.book,
        metrics=ground.metrics,
        trunks=lines.trunks,
        on_record=told.record,
        on_entries=told.entries,
        on_bad_second=told.bad_second,
        on_path=told.path,
        cost_of=dialling.cost,
        new_call_id=lambda: call_id_of(cluster.bus.node),
        on_engaged=cluster.nodes.on_engaged,
        may_dial=dialling.may_dial,
        on_dialled=dialling.began,
        resolve=dialling.resolve,
        sees=colleagues.sees,
        on_shown=told.shown,
        caller_number=colleagues.caller_number,
        keeps_agents=lambda: cluster.nodes.leads,
        messages=recordings.messages,
        webhooks=asking,
        receive=told.receive,
        take_break=colleagues.on_break,
        node=cluster.bus.node,
        consents=recordings.consents if settings.media.recording.enabled else None,
    )
