"""Where what is said on a topic gets its number, is kept for replay, and comes back to be told.

A hub publishes to its bus and tells people what the bus delivers, never what it published itself: so several nodes can share one bus, the
one in Redis (``signaling/redis_bus.py``). The one here is of a single node and in its memory; it delivers before ``publish`` returns.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from signaling.messages import Notice
from signaling.outbox import Line
from signaling.replay import ReplayLogs
from signaling.topics import is_volatile, superseding_key

_KEPT_S = 120.0
"""Longer than a reload, a lift and most tunnels."""


class Said(Struct, frozen=True, gc=False):
    """A notice with its number, encoded once for everybody who hears its topic.

    ``key``: of two with the same key only the later one counts. ``volatile``: not kept for replay. ``hearers``: from here on these people
    hear the topic and nobody else; None: who did before.
    """

    topic: str
    seq: int
    line: Line
    key: str | None = None
    volatile: bool = False
    hearers: tuple[str, ...] | None = None


class Holder(NamedTuple):
    """Who holds a claim, and with which fence: every later holder's is higher. ``node`` is empty where nobody does, of one node too."""

    node: str
    fence: int


class BusAlone(Exception):
    """There is no register to ask: this node is alone."""


class BusState(StrEnum):
    TOGETHER = "together"
    """With every other node that shares the bus."""
    PARTED = "parted"
    """For a moment: what is published waits."""
    ALONE = "alone"
    """Until the bus is back: what is published reaches this node's people only."""


class Bus(Protocol):
    """What the hub and the nodes ask of either twin. Everything here is for one event loop."""

    @property
    def node(self) -> str:
        """The name of this node."""

    @property
    def token(self) -> int:
        """The fencing token of this node's life on the bus: every later one is higher."""

    @property
    def state(self) -> BusState: ...

    def listen(self, deliver: Callable[[Said], None], on_gap: Callable[[Mapping[str, int]], None]) -> None:
        """``deliver`` is called with everything that is said, in the order of each topic's numbers.

        ``on_gap``: something may have been missed, of some topics the last number that came is this; every reader is to be brought up to
        date from there, or by a snapshot.
        """

    def join(self, on_word: Callable[[str, bytes], None], on_state: Callable[[], None]) -> None:
        """``on_word(node, word)`` is called with what other nodes send, in the order of each; ``on_state`` when ``state`` changed."""

    def publish(self, topic: str, notice: Notice, hearers: Sequence[str] | None = None) -> None:
        """Say it on the topic; ``hearers`` as in ``Said``. Never blocks. On a room's topic only who holds the room's claim is heard."""

    @property
    def lease_holds(self) -> bool:
        """By our own clock: can nobody have taken over yet what this node holds?"""

    async def claim(self, names: Sequence[str], *, take: bool, above: int = 0) -> list[Holder]:
        """Who holds each of these. ``take``: this node, from now on, where nobody living does; with a fence above ``above``.

        Raises ``BusAlone``.
        """

    async def disclaim(self, names: Sequence[str]) -> None:
        """What of these is ours is nobody's. Without the register they run out by themselves."""

    def send(self, word: bytes, to: str = "") -> None:
        """To the node ``to``, or to every other one. Never blocks; a word may get lost, and never waits for the bus to come back."""

    async def last_seqs(self, topics: Iterable[str]) -> dict[str, int]:
        """The number of the last notice of each topic."""

    async def since(self, topic: str, seen: int) -> list[Said] | None:
        """What was said after ``seen``, in order, but for the superseded; None when some of it is forgotten or ``seen`` is none of ours."""

    async def forget_said(self) -> bool:
        """Keep nothing of what was said, on all nodes: whoever comes back gets a snapshot. False where that cannot be done now."""


def said(topic: str, seq: int, notice: bytes, key: str | None, volatile: bool, hearers: Sequence[str] | None = None) -> Said:
    """``notice`` is its JSON."""
    return Said(topic, seq, notice_line(topic, seq, notice), key, volatile, None if hearers is None else tuple(hearers))


def notice_line(topic: str, seq: int, notice: bytes, **more: object) -> Line:
    """The packet that every reader gets; ``notice`` is its JSON."""
    head = msgspec.json.encode({"topic": topic, "seq": seq, **more})[:-1]
    return Line.message('2["notice",' + (head + b"," + notice[1:]).decode() + "]")


class MemoryBus:
    """``topics``: that are remembered at once; ``kept``: notices of each."""

    node = ""
    token = 0
    state = BusState.TOGETHER
    lease_holds = True

    def __init__(self, *, topics: int, kept: int) -> None:
        self._deliver: Callable[[Said], None] = lambda said: None
        self._logs: ReplayLogs[Said] = ReplayLogs(topics=topics, kept=kept, kept_s=_KEPT_S)

    def __len__(self) -> int:
        """Topics that are remembered."""
        return len(self._logs)

    def listen(self, deliver: Callable[[Said], None], on_gap: Callable[[Mapping[str, int]], None] = lambda seen: None) -> None:
        """Nothing is ever missed here."""
        self._deliver = deliver

    def join(self, on_word: Callable[[str, bytes], None], on_state: Callable[[], None]) -> None:
        """There is no other node, and the state stays."""

    def send(self, word: bytes, to: str = "") -> None:
        """There is nobody to hear it."""

    async def claim(self, names: Sequence[str], *, take: bool, above: int = 0) -> list[Holder]:
        """There is nobody else to hold anything, and no need of a fence."""
        return [Holder(self.node, 0) for _ in names]

    async def disclaim(self, names: Sequence[str]) -> None:
        """Nobody else waits for it."""

    def publish(self, topic: str, notice: Notice, hearers: Sequence[str] | None = None) -> None:
        now = time.time()
        log = self._logs.log(topic, now)
        key, volatile = superseding_key(notice), is_volatile(notice)
        told = said(topic, log.next_seq(), msgspec.json.encode(notice), key, volatile, hearers)
        if not volatile:
            log.keep(told.seq, told, key, epoch_s=now)
        self._deliver(told)

    async def last_seqs(self, topics: Iterable[str]) -> dict[str, int]:
        now = time.time()
        return {topic: self._logs.log(topic, now).last_seq for topic in topics}

    async def since(self, topic: str, seen: int) -> list[Said] | None:
        return self._logs.log(topic, time.time()).since(seen)

    async def forget_said(self) -> bool:
        self._logs.forget()
        return True
