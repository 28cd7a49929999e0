"""Who is introduced to the hub, and so to the pages, once there is one."""

from collections.abc import Iterable

from api.backends.context import CallContext
from api.backends.views import context_partial
from api.page_requests import PageRequests
from api.wiring.calls import Calls
from api.wiring.cluster import Cluster
from api.wiring.ground import Ground
from api.wiring.talk import Talk
from rooms.membership_events import LeaveWanted
from signaling.hub import Hub
from signaling.topics import person


def introduce(hub: Hub, requests: PageRequests, ground: Ground, cluster: Cluster, calls: Calls, talk: Talk) -> None:
    """``requests``: what pages of other nodes ask of this one is done by it too."""
    calls.exchange.meet(hub)
    _call_context(hub, ground, calls, talk)
    _nodes(hub, requests, ground, cluster, calls, talk)
    _sessions(hub, ground, cluster, calls)
    _rooms(hub, ground, cluster, calls, talk)
    _metrics(hub, ground, calls, talk)


def _call_context(hub: Hub, ground: Ground, calls: Calls, talk: Talk) -> None:
    def show_context(identities: Iterable[str], context: CallContext) -> None:
        if calls.itineraries.hear(identities, context):
            return
        notice = context_partial(context)
        for identity in identities:
            hub.publish(person(identity), notice)

    def note_shown(identity: str, call_id: str, handle: str) -> None:
        ground.audit.note("caller_shown", identity, calls.itineraries.room_of(call_id) or call_id, handle)

    calls.context.meet(show_context, note_shown)
    calls.itineraries.meet(hub.publish, ground.audit.note, talk.rooms.house.member)
    calls.rules.meet(lambda identity, notice: hub.publish(person(identity), notice))
    ground.after.call.meet(
        lambda identity, notice: hub.publish(person(identity), notice),
        lambda call_id, who: any(view.call_id == call_id for view in calls.switchboard.calls_of(who)),
        calls.context.contact,
    )


def _nodes(hub: Hub, requests: PageRequests, ground: Ground, cluster: Cluster, calls: Calls, talk: Talk) -> None:
    nodes, exchange = cluster.nodes, calls.exchange
    nodes.meet(exchange, hub, requests.perform, talk.owners)
    talk.owners.meet(hub, requests.perform)
    exchange.board.know_teams(ground.identity.sessions.teams_of)
    nodes.meet_board(exchange.board)
    if calls.threecx is not None:
        calls.threecx.meet(nodes)
        nodes.hear_wishes(calls.threecx.changed)


def _sessions(hub: Hub, ground: Ground, cluster: Cluster, calls: Calls) -> None:
    sessions, nodes = ground.identity.sessions, cluster.nodes

    def in_call(who: str) -> bool:
        return bool(calls.switchboard.calls_of(who) or nodes.attendance.nodes_engaging(who) or calls.consultations.has(who))

    def on_ended(who: str) -> None:
        hub.recheck(who)
        calls.supervision.look_again(who)

    sessions.meet(in_call=in_call, on_ended=on_ended, tell=nodes.tell_revoked)
    nodes.hear_revoked(sessions.hear)


def _rooms(hub: Hub, ground: Ground, cluster: Cluster, calls: Calls, talk: Talk) -> None:
    rooms = talk.rooms
    rooms.meet(hub, talk.owners)
    if calls.boxes is not None:
        calls.boxes.meet(hub.publish)
    if talk.appointments is not None:
        talk.appointments.desk.meet_pages(hub.publish)
    calls.consultations.meet(
        hub.publish, lambda room_id, who: rooms.feed(LeaveWanted(room_id, who)), calls.filmed.seated, cluster.nodes.on_consulting
    )
    calls.filmed.meet(rooms.name_of)
    calls.phones.meet(rooms, hub.publish, calls.tolls, ground.audit.note)


def _metrics(hub: Hub, ground: Ground, calls: Calls, talk: Talk) -> None:
    ground.metrics.watch_sockets(lambda: hub.sockets)
    ground.metrics.watch_rooms(
        lambda: {"open": len(talk.rooms.house), "conversations": talk.chat.open, "writes_spooled": talk.writes.spooled},
        lambda: talk.owners.counts,
        lambda: calls.webhooks.counts,
    )
