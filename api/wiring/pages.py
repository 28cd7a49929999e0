"""What the pages of a server ask and are told."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from api.agent_day import day_of
from api.audit.asked import Asked
from api.backends.context import CallContext
from api.backends.views import context_partial
from api.page_requests import PageRequests
from api.room_keys import RoomKeys
from api.room_requests import RoomRequests
from api.settings.tree import Settings
from api.snapshots import Snapshots
from api.visits.chats import VisitorChats
from api.wiring.calls import Calls
from api.wiring.cluster import Cluster
from api.wiring.ground import Ground
from api.wiring.talk import Talk
from rooms.membership_events import LeaveWanted
from signaling.grants import Grant, Role
from signaling.hub import Hub
from signaling.messages import Session
from signaling.topics import person


@asynccontextmanager
async def open_pages(settings: Settings, ground: Ground, cluster: Cluster, calls: Calls, talk: Talk) -> AsyncIterator[Hub]:
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
        checks=calls.checks,
        phones=calls.phones,
        itineraries=calls.itineraries,
        mute=calls.consultations.mute,
        link_lifetime_s=settings.consultations.link_lifetime_s,
        linked=talk.funnel.link_made,
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
        checks=calls.sound_checks,
        day=lambda who, since: day_of(ground.store, who, since),
        refer_blind=settings.calls.refer_blind,
        visits=calls.visits.visits if calls.visits is not None else None,
    )
    snapshots = Snapshots(
        calls.switchboard,
        exchange,
        ground.store,
        calls.trunks,
        rooms,
        nodes,
        talk.owners,
        demo=settings.demo.enabled,
        records=settings.media.recording.enabled,
        voicemail=calls.boxes is not None,
        undo_s=settings.calls.undo_s,
    )

    async def renew(grant: Grant) -> Session:
        if grant.visit is not None and calls.visits is not None:
            return calls.visits.visits.renew(grant)
        return talk.guests.renew(grant) if grant.role == Role.CUSTOMER else await identity.accounts.renew(grant)

    hub = Hub(
        settings.hub(),
        verify=identity.sessions.verify,
        renew=renew,
        perform=Asked(ground.audit, calls.context.handle).told(identity.accounts.watched(nodes.perform)),
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
        if calls.itineraries.hear(identities, context):
            return
        notice = context_partial(context)
        for identity in identities:
            hub.publish(person(identity), notice)

    def note_shown(identity: str, call_id: str, handle: str) -> None:
        ground.audit.note("caller_shown", identity, calls.itineraries.room_of(call_id) or call_id, handle)

    calls.context.meet(show_context, note_shown)
    calls.itineraries.meet(hub.publish, ground.audit.note, rooms.house.member)
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
    calls.phones.meet(rooms, hub.publish, calls.tolls, ground.audit.note)
    ground.metrics.watch_sockets(lambda: hub.sockets)
    ground.metrics.watch_rooms(
        lambda: {"open": len(rooms.house), "conversations": talk.chat.open, "writes_spooled": talk.writes.spooled},
        lambda: talk.owners.counts,
        lambda: calls.webhooks.counts,
    )
    visitors = calls.visits
    async with rooms, talk.chat, AsyncExitStack() as stack:
        if visitors is not None:
            chats = VisitorChats(
                visitors.settings, visitors.desk, calls.switchboard, rooms, ground.store.people, talk.links, nodes.perform, hub.publish
            )
            visitors.chats = await stack.enter_async_context(chats)
            visitors.visits.meet(hub.publish, chats.agent_of, chats.invite)
        yield hub
