"""What pages ask, and who does it."""

from api.agent_day import day_of
from api.page_requests import PageRequests
from api.room_keys import RoomKeys
from api.room_requests import RoomRequests
from api.settings.tree import Settings
from api.wiring.calls import Calls
from api.wiring.cluster import Cluster
from api.wiring.ground import Ground
from api.wiring.talk import Talk


def make_requests(settings: Settings, ground: Ground, cluster: Cluster, calls: Calls, talk: Talk) -> PageRequests:
    return PageRequests(
        calls.exchange,
        calls.switchboard,
        calls.routing,
        ground.metrics,
        cluster.nodes,
        _in_rooms(settings, ground, calls, talk).perform,
        demo=calls.demo,
        tolls=calls.tolls,
        ask_pbx=calls.threecx.ask if calls.threecx is not None else lambda number: None,
        teams_of=ground.identity.sessions.teams_of,
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


def _in_rooms(settings: Settings, ground: Ground, calls: Calls, talk: Talk) -> RoomRequests:
    identity = ground.identity
    return RoomRequests(
        talk.rooms,
        talk.chat,
        talk.attachments,
        talk.links,
        talk.past,
        RoomKeys(talk.rooms, ground.store.room_keys),
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
