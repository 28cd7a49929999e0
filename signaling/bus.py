"""Where what is said on a topic gets its number, is kept for replay, and comes back to be told.

A hub publishes to its bus and tells people what the bus delivers, never what it published itself: so several nodes can share one bus. This
one is of a single node and in its memory; it delivers before ``publish`` returns.
"""

import time
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from signaling.messages import Notice
from signaling.outbox import Line
from signaling.replay import ReplayLogs
from signaling.topics import is_volatile, superseding_key


class Said(Struct, frozen=True, gc=False):
    """A notice with its number, encoded once for everybody who hears its topic.

    ``key``: of two with the same key only the later one counts. ``volatile``: not kept for replay.
    """

    topic: str
    seq: int
    line: Line
    key: str | None = None
    volatile: bool = False


def notice_line(topic: str, seq: int, notice: bytes, **more: object) -> Line:
    """The packet that every reader gets; ``notice`` is its JSON."""
    head = msgspec.json.encode({"topic": topic, "seq": seq, **more})[:-1]
    return Line.message('2["notice",' + (head + b"," + notice[1:]).decode() + "]")


class MemoryBus:
    """``deliver`` is called with everything that is published, in the order of each topic's numbers.

    ``topics``: that are remembered at once; ``kept``: notices of each.
    """

    def __init__(self, deliver: Callable[[Said], None], *, topics: int, kept: int) -> None:
        self._deliver = deliver
        self._logs: ReplayLogs[Said] = ReplayLogs(topics=topics, kept=kept)

    def publish(self, topic: str, notice: Notice) -> None:
        """Say it on the topic. Never blocks."""
        log = self._logs.log(topic, time.time())
        seq = log.next_seq()
        key, volatile = superseding_key(notice), is_volatile(notice)
        said = Said(topic, seq, notice_line(topic, seq, msgspec.json.encode(notice)), key, volatile)
        if not volatile:
            log.keep(seq, said, key)
        self._deliver(said)

    async def last_seqs(self, topics: Iterable[str]) -> dict[str, int]:
        """The number of the last notice of each topic."""
        now = time.time()
        return {topic: self._logs.log(topic, now).last_seq for topic in topics}

    async def since(self, topic: str, seen: int) -> list[Said] | None:
        """What was said after ``seen``, in order, but for the superseded; None when some of it is forgotten or ``seen`` is none of ours."""
        return self._logs.log(topic, time.time()).since(seen)
