"""Lost packets: asked for while they can still be of use, and given again from a short memory (RFC 4585 NACK, RFC 4588). Pure."""

from collections import OrderedDict
from itertools import islice
from typing import NamedTuple

from media.rtp import sequence_difference

_MOST_MISSING = 250
_LONGEST_JUMP = 1_000
_TRIES = 10
_USEFUL_S = 1.0
_REORDER_S = 0.01
_SHORTEST_WAIT_S = 0.02
_KEPT_PACKETS, _KEPT_S = 512, 1.5
_REPEAT_S = 0.02


class MissingPackets:
    """What one source still owes us. ``gave_up``: packets after which only a key frame helps."""

    def __init__(self) -> None:
        self.gave_up = 0
        self.recovered = 0
        self._highest: int | None = None
        self._missing: OrderedDict[int, tuple[float, float, int]] = OrderedDict()  # sequence: since, ask at, times asked

    def arrived(self, sequence: int, now_s: float) -> bool:
        """Note a packet; False when it is one that came before, or too late to tell."""
        highest = self._highest
        if highest is None:
            self._highest = sequence
            return True
        ahead = sequence_difference(sequence, highest)
        if ahead <= 0:
            asked = self._missing.pop(sequence, None)
            self.recovered += asked is not None and asked[2] > 0
            return asked is not None
        self._highest = sequence
        if ahead > _LONGEST_JUMP:
            self._give_up(len(self._missing) or 1)
            return True
        for behind in range(ahead - 1, 0, -1):
            self._missing[(sequence - behind) & 0xFFFF] = (now_s, now_s + _REORDER_S, 0)
        if len(self._missing) > _MOST_MISSING:
            self._give_up(len(self._missing))
        return True

    def due(self, now_s: float, round_trip_s: float) -> tuple[int, ...]:
        """Numbers to ask for now; each is asked for again after a round trip, ten times and one second at most."""
        asked: list[int] = []
        lost = 0
        for sequence, (since_s, at_s, tries) in list(self._missing.items()):
            if tries >= _TRIES or now_s - since_s > _USEFUL_S:
                del self._missing[sequence]
                lost += 1
            elif now_s >= at_s:
                self._missing[sequence] = (since_s, now_s + max(round_trip_s, _SHORTEST_WAIT_S), tries + 1)
                asked.append(sequence)
        self.gave_up += lost
        return tuple(asked)

    def _give_up(self, count: int) -> None:
        self.gave_up += count
        self._missing.clear()


class Sent(NamedTuple):
    """A packet of one of our streams, as it can be made again."""

    sequence: int
    timestamp: int
    marker: bool
    payload_type: int
    payload: bytes


class PacketHistory:
    """The last packets of one of our streams: of a second and a half, and 512 at most."""

    def __init__(self) -> None:
        self._packets: OrderedDict[int, tuple[Sent, float]] = OrderedDict()  # and when it was sent
        self._repeated: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._packets)

    def put(self, sent: Sent, now_s: float) -> None:
        packets = self._packets
        packets[sent.sequence] = (sent, now_s)
        packets.move_to_end(sent.sequence)
        while len(packets) > _KEPT_PACKETS or next(iter(packets.values()))[1] < now_s - _KEPT_S:
            gone, _ = packets.popitem(last=False)
            self._repeated.pop(gone, None)

    def newest(self, count: int) -> list[Sent]:
        """The last packets, the newest first."""
        return [sent for sent, _ in islice(reversed(self._packets.values()), count)]

    def again(self, sequence: int, now_s: float) -> Sent | None:
        """The packet to repeat; None when it is gone, or was repeated a moment ago."""
        found = self._packets.get(sequence)
        if found is None or now_s - self._repeated.get(sequence, -_REPEAT_S) < _REPEAT_S:
            return None
        self._repeated[sequence] = now_s
        return found[0]
