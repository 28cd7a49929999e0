"""What was said on each topic lately, so that a client that was away for a moment gets exactly what it missed.

The log of a topic is compacted: a notice that is complete in itself (a call's state) takes the place of the one before it. So what is
replayed is the present, not the history, and a phone that stopped ringing meanwhile does not ring again.

Sequence numbers count up by one per topic. The first one of a topic is the time of its beginning in ms, so the numbers of a restarted
server, or of a topic that had been forgotten, are above all earlier ones (unless a topic exceeds 1,000 notices per second for its whole
life), and a client's old number is recognised as too old instead of being mistaken for a place in the new log.
"""

import math
from collections import OrderedDict
from typing import Generic, TypeVar

Packet = TypeVar("Packet")


class ReplayLog(Generic[Packet]):
    """The last ``kept`` notices of one topic that are at most ``kept_s`` old, as encoded packets.

    Whoever was away for longer gets a snapshot, which is smaller than what came meanwhile.
    """

    def __init__(self, first_seq: int, kept: int, kept_s: float = math.inf) -> None:
        self.last_seq = first_seq - 1
        self._floor = first_seq - 1
        """Everything above this number is still in the log, or superseded by what is, or was volatile."""
        self._kept = kept
        self._kept_s = kept_s
        self._entries: OrderedDict[str | int, tuple[int, Packet, float]] = OrderedDict()

    def next_seq(self) -> int:
        self.last_seq += 1
        return self.last_seq

    def keep(self, seq: int, packet: Packet, key: str | None = None, *, epoch_s: float = 0.0) -> None:
        """Keep a notice of now for replay, instead of the one before it with the same ``key``."""
        entries = self._entries
        if key is not None:
            entries.pop(key, None)
        while entries and (len(entries) >= self._kept or next(iter(entries.values()))[2] < epoch_s - self._kept_s):
            self._floor = entries.popitem(last=False)[1][0]
        entries[seq if key is None else key] = (seq, packet, epoch_s)

    def since(self, seen: int) -> list[Packet] | None:
        """The notices after ``seen`` in order, or None when some of them are forgotten, or ``seen`` is none of ours."""
        if not self._floor <= seen <= self.last_seq:
            return None
        return [packet for seq, packet, _ in self._entries.values() if seq > seen]

    def forget(self) -> None:
        """Keep nothing of what was said; the numbers go on."""
        self._entries.clear()
        self._floor = self.last_seq


class ReplayLogs(Generic[Packet]):
    """The logs of all topics; of ``topics`` at most: the longest unused is forgotten, its readers then get a snapshot."""

    def __init__(self, *, topics: int, kept: int, kept_s: float = math.inf) -> None:
        self._most = topics
        self._kept = kept
        self._kept_s = kept_s
        self._logs: OrderedDict[str, ReplayLog[Packet]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._logs)

    def forget(self) -> None:
        for log in self._logs.values():
            log.forget()

    def log(self, topic: str, epoch_s: float) -> ReplayLog[Packet]:
        """The log of a topic, begun now if it has none."""
        log = self._logs.get(topic)
        if log is None:
            log = self._logs[topic] = ReplayLog(int(epoch_s * 1000), self._kept, self._kept_s)
            if len(self._logs) > self._most:
                self._logs.popitem(last=False)
        self._logs.move_to_end(topic)
        return log
