"""The hub that the pages of a server are connected to."""

from api.audit.asked import Asked
from api.settings.tree import Settings
from api.snapshots import Snapshots
from api.wiring.calls import Calls
from api.wiring.cluster import Cluster
from api.wiring.ground import Ground
from api.wiring.talk import Talk
from signaling.grants import Grant, Role
from signaling.hub import Hub
from signaling.messages import Session


def make_hub(settings: Settings, ground: Ground, cluster: Cluster, calls: Calls, talk: Talk) -> Hub:
    identity, nodes = ground.identity, cluster.nodes

    async def renew(grant: Grant) -> Session:
        if grant.visit is not None and calls.visits is not None:
            return calls.visits.visits.renew(grant)
        return talk.guests.renew(grant) if grant.role == Role.CUSTOMER else await identity.accounts.renew(grant)

    return Hub(
        settings.hub(),
        verify=identity.sessions.verify,
        renew=renew,
        perform=Asked(ground.audit, calls.context.handle).told(identity.accounts.watched(nodes.perform)),
        on_presence=nodes.on_phone,
        on_pages=nodes.on_pages,
        on_there=nodes.on_there,
        bus=cluster.bus,
        snapshot=_snapshots(settings, ground, cluster, calls, talk).of,
        on_refused=ground.metrics.refused,
        address_of=ground.network.address_of,
        authorise=identity.accounts.authorise,
        on_abuse=identity.accounts.note_abuse,
    )


def _snapshots(settings: Settings, ground: Ground, cluster: Cluster, calls: Calls, talk: Talk) -> Snapshots:
    return Snapshots(
        calls.switchboard,
        calls.exchange,
        ground.store,
        calls.trunks,
        talk.rooms,
        cluster.nodes,
        talk.owners,
        demo=settings.demo.enabled,
        records=settings.media.recording.enabled,
        voicemail=calls.boxes is not None,
        undo_s=settings.calls.undo_s,
    )
