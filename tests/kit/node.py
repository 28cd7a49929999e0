"""A whole node, of which a test may have several: call control, demo line, hub, and the bus in Redis between them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from api.nodes import Nodes, call_id_of
from api.page_requests import PageRequests
from api.rooms import Rooms
from api.snapshots import Snapshots
from api.store.acknowledged import AcknowledgedWrites
from api.store.spool import Spool
from pbx.loopback import LoopbackTimes
from pbx.routing import DialPlan, NumberStyle, Routing
from rooms.switchboard import CallPolicy
from signaling.bus import BusState
from signaling.hub import Hub, HubSettings
from signaling.redis_bus import RedisBus, RedisBusSettings
from signaling.tokens import TokenIssuer
from tests.kit.bus import PATIENT
from tests.kit.exchange_bench import ExchangeBench, exchange_bench
from tests.kit.hub import SECRET, Client

WITHIN_S = 20.0
POLICY = CallPolicy(ring_s=WITHIN_S, agent_media_s=WITHIN_S)


class Node:
    """``url`` for pages; ``bench`` is its call control, ``bus``, ``nodes`` and ``hub`` the rest."""

    name: str
    url: str
    bench: ExchangeBench
    bus: RedisBus
    nodes: Nodes
    hub: Hub

    def __init__(self, name: str, clients: AsyncExitStack) -> None:
        self.name = name
        self._clients = clients
        self.tokens = TokenIssuer(SECRET)

    async def client(self, identity: str, **auth: Any) -> Client:
        """A page of this person, connected here."""
        http = await self._clients.enter_async_context(ClientSession())
        client = Client(http)
        self._clients.push_async_callback(client.socket.disconnect)
        token = self.tokens.issue(identity, identity.title(), "agent").token
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
async def running_node(url: str, name: str, folder: Path, **settings: float) -> AsyncIterator[Node]:
    """``url``: of Redis. Patient but for ``settings``."""
    pace = PATIENT | settings
    async with AsyncExitStack() as stack, AsyncExitStack() as clients:
        node = Node(name, clients)
        (folder / name).mkdir()
        node.bus = await stack.enter_async_context(RedisBus(RedisBusSettings(url=url, node=name, **pace)))  # type: ignore[arg-type]
        node.nodes = _Watched(node.bus, lease_s=pace["lease_s"], beat_s=pace["beat_s"])
        node.bench = bench = await stack.enter_async_context(
            exchange_bench(
                folder / name, policy=POLICY, times=LoopbackTimes(), new_call_id=lambda: call_id_of(name), on_engaged=node.nodes.on_engaged
            )
        )
        requests = PageRequests(
            bench.exchange,
            bench.switchboard,
            Routing(DialPlan("ES", NumberStyle("plus"), ""), demo_trunk="demo", pbx_trunk=None),
            bench.metrics,
            node.nodes,
            _never,
            demo=bench.demo,
        )
        writes = await stack.enter_async_context(AcknowledgedWrites(bench.store.rooms, Spool(folder / name / "chat.spool")))
        rooms = Rooms(bench.store.rooms, writes, now=bench.exchange.now)
        node.hub = Hub(
            HubSettings(),
            verify=node.tokens.verify,
            renew=_never,
            perform=node.nodes.perform,
            on_presence=node.nodes.on_phone,
            on_pages=node.nodes.on_pages,
            snapshot=Snapshots(bench.switchboard, bench.exchange, bench.store, {"demo": bench.demo}, rooms, node.nodes, demo=True).of,
            bus=node.bus,
        )
        bench.exchange.meet(node.hub)
        node.nodes.meet(bench.exchange, node.hub, requests.perform)
        app = web.Application()
        node.hub.attach(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        node.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await stack.enter_async_context(node.nodes)
        await stack.enter_async_context(node.hub)
        yield node


async def _never(*_: Any) -> Any:
    raise AssertionError("no test lasts as long as a token")
