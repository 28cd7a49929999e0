"""The other nodes of a server, where there are any."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from api.nodes.nodes import Nodes
from api.routes import PartHealth
from api.settings.tree import Settings
from api.shared_limits import SharedLimits
from api.wiring.ground import Ground
from signaling.bus import Bus, BusState, MemoryBus
from signaling.redis_bus import RedisBus

ALONE = "Redis does not answer: this node goes on alone with its own people, calls and limits until it does."
DEAF = "Redis answers, but this node hears nothing by it: it takes itself out. See what its user may do there (channels, PUBSUB)."
NAME_TAKEN = "Another node has this one's name: give each its own cluster.node."
MEMORY_FULL = (
    "Redis is at its memory limit: what is said goes on, but who reconnects gets a snapshot in place of what was missed, "
    "and each node counts its callers' requests by itself."
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The other nodes, where there are any. ``shared``: what is counted at all of them together."""

    bus: Bus
    nodes: Nodes
    shared: SharedLimits | None


@asynccontextmanager
async def open_cluster(settings: Settings, ground: Ground) -> AsyncIterator[Cluster]:
    if not settings.cluster.redis_url.get_secret_value():
        hub = settings.hub()
        bus = MemoryBus(topics=hub.topics, kept=hub.replay_kept)
        yield Cluster(bus, Nodes(bus), None)
        return
    async with RedisBus(settings.bus()) as redis:
        nodes, quotas = Nodes(redis), SharedLimits(redis)
        ground.metrics.watch_cluster(
            lambda: redis.counts | {"limits_alone": quotas.alone},
            lambda: {"together": redis.state is BusState.TOGETHER, "nodes": len(nodes.others) + 1},
        )
        yield Cluster(redis, nodes, quotas)


def cluster_health(bus: RedisBus) -> PartHealth:
    """Without Redis every node goes on with its own calls, so that is no reason to take one out; to be deaf beside it is."""
    if bus.state is BusState.TOGETHER:
        return PartHealth(True, MEMORY_FULL if bus.memory_full else "")
    return PartHealth(bus.is_fit, NAME_TAKEN if bus.name_taken else ALONE if bus.is_fit else DEAF)
