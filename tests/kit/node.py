"""A whole node, of which a test may have several: call control, demo line, rooms, hub; between them the bus in Redis and one store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from api.attachments import Attachments
from api.chat import Chat
from api.nodes.nodes import Nodes, call_id_of
from api.nodes.questions import AskTimes
from api.page_requests import PageRequests
from api.past_rooms import PastRooms
from api.room_keys import RoomKeys
from api.room_owners import RoomOwners
from api.room_requests import RoomRequests
from api.rooms import Rooms
from api.snapshots import Snapshots
from api.store import Store
from api.store.acknowledged import AcknowledgedWrites
from api.store.spool import Spool
from api.supervision import Supervision
from pbx.loopback import LoopbackTimes
from pbx.routing import DialPlan, NumberStyle, Routing
from rooms.switchboard import CallPolicy
from signaling.bus import BusState
from signaling.hub import Hub, HubSettings
from signaling.invitations import Invitations
from signaling.redis_bus import RedisBus, RedisBusSettings
from signaling.tokens import TokenIssuer
from tests.kit.bus import PATIENT
from tests.kit.exchange_bench import ExchangeBench, exchange_bench
from tests.kit.hub import SECRET, Client
from tests.kit.vaults import VAULT

WITHIN_S = 30.0
ASKED = AskTimes(do_s=WITHIN_S, tell_s=WITHIN_S, see_s=WITHIN_S, health_s=WITHIN_S)
POLICY = CallPolicy(ring_s=WITHIN_S, agent_media_s=WITHIN_S)


class Node:
    """``url`` for pages; ``bench`` is its call control, ``bus``, ``nodes`` and ``hub`` the rest."""

    name: str
    url: str
    bench: ExchangeBench
    bus: RedisBus
    nodes: Nodes
    hub: Hub
    rooms: Rooms
    owners: RoomOwners
    writes: AcknowledgedWrites
    log: list[tuple[str, str, str, str]]
    """What was noted of supervisors: kind, whose call, by whom, detail."""

    def __init__(self, name: str, clients: AsyncExitStack) -> None:
        self.name = name
        self._clients = clients
        self.tokens = TokenIssuer(SECRET)
        self.log = []

    async def client(self, identity: str, role: str = "agent", **auth: Any) -> Client:
        """A page of this person, connected here."""
        http = await self._clients.enter_async_context(ClientSession())
        client = Client(http)
        self._clients.push_async_callback(client.socket.disconnect)
        token = self.tokens.issue(identity, identity.title(), role).token
        await client.connect(self.url, {"token": token, **auth})
        await client.told("session.snapshot")
        return client

    def ring(self, called: str = "") -> None:
        """A caller of this node's demo line, at everybody who is available or at this one."""
        self.bench.demo.call("601", "Luz", called)

    def state(self, identity: str) -> str:
        return self.nodes.attendance.person(identity).state.value

    async def sees(self, **states: str) -> None:
        """Until it sees these people so."""
        await until(lambda: {identity: self.state(identity) for identity in states} == states)

    async def is_(self, state: BusState) -> None:
        await until(lambda: self.bus.state is state)


class _Watched(Nodes):
    """Nodes that let a test look again whenever something came or changed."""

    def _on_word(self, node: str, data: bytes) -> None:
        super()._on_word(node, data)
        _pulse()

    def _look(self) -> None:
        super()._look()
        _pulse()

    def _on_state(self) -> None:
        super()._on_state()
        _pulse()


_waiting: set[asyncio.Event] = set()


def _pulse() -> None:
    for event in _waiting:
        event.set()


async def until(holds: Callable[[], bool]) -> None:
    """Looked at whenever something came to a node or changed there."""
    event = asyncio.Event()
    _waiting.add(event)
    try:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                event.clear()
                await event.wait()
    finally:
        _waiting.remove(event)


@asynccontextmanager
async def running_node(
    url: str, name: str, folder: Path, *, grace_s: float = 0.0, times: AskTimes = ASKED, **settings: float
) -> AsyncIterator[Node]:
    """``url``: of Redis. Patient but for ``settings`` and ``times``."""
    pace = PATIENT | settings
    async with AsyncExitStack() as stack, AsyncExitStack() as clients:
        node = Node(name, clients)
        (folder / name).mkdir()
        node.bus = await stack.enter_async_context(RedisBus(RedisBusSettings(url=url, node=name, **pace)))  # type: ignore[arg-type]
        node.nodes = _Watched(node.bus, lease_s=pace["lease_s"], beat_s=pace["beat_s"], times=times)
        node.bench = bench = await stack.enter_async_context(
            exchange_bench(
                folder / name,
                policy=POLICY,
                times=LoopbackTimes(),
                new_call_id=lambda: call_id_of(name),
                on_engaged=node.nodes.on_engaged,
                on_shown=lambda agents, view: supervision.hear(view),
            )
        )
        supervision = Supervision(
            bench.switchboard,
            bench.exchange.feed,
            teams_of=lambda identity: frozenset(),
            note=lambda *entry: node.log.append(entry),
            has_ended=lambda session_id: False,
            clock=asyncio.get_running_loop().time,
        )
        database = await stack.enter_async_context(Store.open(f"sqlite:///{folder}/rooms.sqlite3", node=name, vault=VAULT))
        store = database.rooms
        writes = node.writes = await stack.enter_async_context(AcknowledgedWrites(store, Spool(folder / name / "chat.spool", VAULT)))
        rooms = node.rooms = Rooms(
            store,
            writes,
            now=bench.exchange.now,
            on_over=lambda room_id: chat.forget(room_id),
            on_taken=lambda room_id: _pulse(),
            on_lost=lambda room_id: chat.forget(room_id),
        )
        chat = Chat(rooms, store)
        owners = node.owners = RoomOwners(node.bus, node.nodes, rooms, store, grace_s=grace_s, within_s=WITHIN_S)
        past = PastRooms(database.past_rooms, store, writes, folder / "files", keep_s=None, note=_unnoted, forget=chat.forget)
        files = Attachments(store, owners.is_member, past, folder / "files", SECRET, now=bench.exchange.now, largest=1_000, together=1_000)
        links, keys = Invitations(SECRET), RoomKeys(rooms, database.room_keys)
        requests = PageRequests(
            bench.exchange,
            bench.switchboard,
            Routing(DialPlan("ES", NumberStyle("plus"), ""), demo_trunk="demo", pbx_trunk=None),
            bench.metrics,
            node.nodes,
            RoomRequests(rooms, chat, files, links, past, keys, owners, _nobody, _never, _never, _never).perform,
            demo=bench.demo,
            supervision=supervision,
        )
        node.hub = Hub(
            HubSettings(),
            verify=node.tokens.verify,
            renew=_never,
            perform=node.nodes.perform,
            on_presence=node.nodes.on_phone,
            on_pages=node.nodes.on_pages,
            on_there=node.nodes.on_there,
            snapshot=Snapshots(
                bench.switchboard, bench.exchange, bench.store, {"demo": bench.demo}, rooms, node.nodes, owners, demo=True
            ).of,
            bus=node.bus,
        )
        bench.exchange.meet(node.hub)
        node.nodes.meet(bench.exchange, node.hub, requests.perform, owners)
        owners.meet(node.hub, requests.perform)
        node.nodes.meet_board(bench.exchange.board)
        rooms.meet(node.hub, owners)
        await stack.enter_async_context(rooms)
        await stack.enter_async_context(chat)
        app = web.Application()
        node.hub.attach(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        node.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await stack.enter_async_context(node.nodes)
        await stack.enter_async_context(owners)
        await stack.enter_async_context(node.hub)
        yield node


async def _never(*_: Any) -> Any:
    raise AssertionError("no test lasts as long as a token")


async def _nobody() -> list[Any]:
    return []


def _unnoted(kind: str, who: str, *, by: str = "", detail: str = "") -> None:
    """Nothing is erased here."""
