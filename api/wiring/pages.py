"""What the pages of a server ask and are told."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from api.settings.tree import Settings
from api.visits.chats import VisitorChats
from api.wiring.calls import Calls
from api.wiring.cluster import Cluster
from api.wiring.ground import Ground
from api.wiring.hub import make_hub
from api.wiring.introductions import introduce
from api.wiring.page_requests import make_requests
from api.wiring.talk import Talk
from signaling.hub import Hub


@asynccontextmanager
async def open_pages(settings: Settings, ground: Ground, cluster: Cluster, calls: Calls, talk: Talk) -> AsyncIterator[Hub]:
    """What pages ask and are told. The hub is introduced to everybody here, and entered last of all."""
    hub = make_hub(settings, ground, cluster, calls, talk)
    introduce(hub, make_requests(settings, ground, cluster, calls, talk), ground, cluster, calls, talk)
    visitors = calls.visits
    async with talk.rooms, talk.chat, AsyncExitStack() as stack:
        if visitors is not None:
            chats = VisitorChats(
                visitors.settings,
                visitors.desk,
                calls.switchboard,
                talk.rooms,
                ground.store.people,
                talk.links,
                cluster.nodes.perform,
                hub.publish,
            )
            visitors.chats = await stack.enter_async_context(chats)
            visitors.visits.meet(hub.publish, chats.agent_of, chats.invite)
        yield hub
