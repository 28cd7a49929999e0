"""How this node is and how the others are: what an administrator looks at first. Each node is asked by itself, so a silent one is seen."""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import msgspec
from aiohttp import web
from msgspec import Struct

from api.bodies import json_answer
from api.nodes.nodes import Nodes
from api.routes import PartHealth
from signaling.bus import Bus, BusState

_PROBED = "probe"
_UNIT_KB = 1 if sys.platform != "darwin" else 1_024


class Answering(Struct, frozen=True):
    """What something beside this node is, whether it answers, and how long that took."""

    kind: str
    ready: bool
    took_ms: float | None = None


class NodeHealth(Struct, frozen=True):
    """``build``: the same where the same program runs. ``since``, ``at``: seconds since the epoch by its own clock. ``load``: processes
    that want a core, of all its ``cores``. ``tick_share``: of the media plane's time that its work
    takes, 0-1. ``redis``: None with one node."""

    node: str
    version: str
    build: str
    since: float
    at: float
    load: float
    cores: int
    memory_mb: float
    calls: int
    pages: int
    workers: int
    workers_up: int
    tick_share: float
    tick_late_ms: float
    stopping: bool
    database: Answering
    redis: Answering | None
    parts: dict[str, PartHealth]


class NodeSeen(Struct, frozen=True):
    """``health`` None: it did not answer in time. ``clock_off_s``: how far its clock is ahead of that of the node that was asked."""

    node: str
    health: NodeHealth | None
    clock_off_s: float = 0.0
    took_ms: float = 0.0


class NodesSeen(Struct, frozen=True):
    """``asked``: the node that answers."""

    nodes: list[NodeSeen]
    asked: str


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """Where this node's figures come from."""

    calls: Callable[[], int]
    pages: Callable[[], int]
    media: Callable[[], Mapping[str, float]]
    stopping: Callable[[], bool]
    database: str
    stored: Callable[[], Awaitable[bool]]
    parts: Callable[[], Awaitable[Mapping[str, PartHealth]]]


class NodesHealth:
    """``build``: of the pages. ``bus``: asked where there is one with others."""

    def __init__(self, nodes: Nodes, bus: Bus, figures: NodeFigures, build: str, now: Callable[[], float] = time.time) -> None:
        self._nodes, self._bus, self._figures, self._build, self._now = nodes, bus, figures, build, now
        self._since = now()
        nodes.hear_health(self._told)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/nodes", self._list, allow_head=False)

    async def _list(self, _request: web.Request) -> web.Response:
        own, others = await asyncio.gather(self.own(), self.others())
        return json_answer(NodesSeen([NodeSeen(self._bus.node, own), *others], self._bus.node))

    async def own(self) -> NodeHealth:
        figures, media = self._figures, self._figures.media()
        database, parts = await asyncio.gather(_timed(figures.database, figures.stored()), figures.parts())
        return NodeHealth(
            node=self._bus.node,
            version=_version(),
            build=self._build,
            since=self._since,
            at=self._now(),
            load=os.getloadavg()[0],
            cores=os.cpu_count() or 1,
            memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNIT_KB / 1_024, 1),
            calls=figures.calls(),
            pages=figures.pages(),
            workers=int(media.get("workers", 1)),
            workers_up=int(media.get("workers_up", 1)),
            tick_share=round(media.get("tick_share_p95", 0.0), 3),
            tick_late_ms=round(media.get("tick_late_ms_p99", 0.0), 2),
            stopping=figures.stopping(),
            database=database,
            redis=await _timed("Redis", self._together()) if self._bus.node else None,
            parts=dict(parts),
        )

    async def _together(self) -> bool:
        if self._bus.state is not BusState.TOGETHER:
            return False
        await self._bus.last_seqs([_PROBED])
        return True

    async def _told(self) -> bytes:
        return msgspec.json.encode(await self.own())

    async def others(self) -> list[NodeSeen]:
        nodes = self._nodes.others
        return list(await asyncio.gather(*map(self._ask, nodes)))

    async def _ask(self, node: str) -> NodeSeen:
        asked = self._now()
        answer = await self._nodes.health_of(node)
        told = self._now()
        if answer is None:
            return NodeSeen(node, None)
        health = msgspec.json.decode(answer, type=NodeHealth)
        return NodeSeen(node, health, round(health.at - (asked + told) / 2, 3), round(1_000 * (told - asked), 1))


async def _timed(kind: str, answers: Awaitable[bool]) -> Answering:
    began = time.perf_counter()
    ready = await answers
    return Answering(kind, ready, round(1_000 * (time.perf_counter() - began), 1) if ready else None)


def _version() -> str:
    try:
        return version("centralita")
    except PackageNotFoundError:
        return ""
