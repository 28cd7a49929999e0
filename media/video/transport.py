"""Transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01): what arrived when, told to who sends; what was
sent when, set beside what who receives tells. Pure."""

from collections import OrderedDict
from typing import NamedTuple

from media.rtp import Unwrapper
from media.video.feedback import TransportFeedback

_MOST_STATUSES = 500
_KEPT_SENT = 4_096
_CLOCK_S = 0.064 * 0x1000000
"""The feedback's clock wraps after so long."""


class Arrivals:
    """What one far end sent us. ``feedback`` is due about ten times a second."""

    def __init__(self) -> None:
        self._unwrapper = Unwrapper()
        self._arrived: dict[int, float] = {}
        self._next: int | None = None
        self._count = 0

    def arrived(self, sequence: int, now_s: float) -> None:
        """``sequence``: 16 bits; what was told already is not told again."""
        number = self._unwrapper.unwrap(sequence)
        if self._next is None:
            self._next = number
        if number >= self._next and len(self._arrived) < 4 * _MOST_STATUSES:
            self._arrived.setdefault(number, now_s)

    def feedback(self, sender_ssrc: int, media_ssrc: int) -> TransportFeedback | None:
        """What arrived since the last call, as far as one message reaches."""
        if not self._arrived or self._next is None:
            return None
        last = max(self._arrived)
        if last - self._next >= 4 * _MOST_STATUSES:  # a jump: what lies between was never sent
            self._next = min(self._arrived)
        base, end = self._next, min(last + 1, self._next + _MOST_STATUSES)
        arrivals = tuple(self._arrived.pop(number, None) for number in range(base, end))
        self._next, self._count = end, self._count + 1
        if not any(arrival is not None for arrival in arrivals):
            return None
        return TransportFeedback(sender_ssrc, media_ssrc, base & 0xFFFF, arrivals, (self._count - 1) & 0xFF)


class Delivery(NamedTuple):
    """One packet of ours: when it left (our clock), when it arrived (the far end's, s) or None, its bytes."""

    sent_s: float
    arrived_s: float | None
    size: int


class SentPackets:
    """Numbers our packets to one far end and remembers the latest."""

    def __init__(self) -> None:
        self._next = 1
        self._sent: OrderedDict[int, tuple[float, int]] = OrderedDict()
        self._turns_s = 0.0
        self._latest_s: float | None = None

    def number(self, size: int, now_s: float) -> int:
        """The transport-wide number (16 bits) of a packet that is sent now."""
        number = self._next & 0xFFFF
        self._next += 1
        self._sent[number] = (now_s, size)
        self._sent.move_to_end(number)
        if len(self._sent) > _KEPT_SENT:
            self._sent.popitem(last=False)
        return number

    def heard(self, feedback: TransportFeedback) -> list[Delivery]:
        """What became of packets that the far end tells about; numbers we did not send, or told of before, are left out."""
        found: list[Delivery] = []
        for offset, arrived_s in enumerate(feedback.arrivals_s):
            sent = self._sent.pop((feedback.base + offset) & 0xFFFF, None)
            if sent is not None:
                found.append(Delivery(sent[0], self._unwrapped(arrived_s), sent[1]))
        return found

    def _unwrapped(self, arrived_s: float | None) -> float | None:
        if arrived_s is None:
            return None
        at_s = arrived_s + self._turns_s
        if self._latest_s is not None and at_s < self._latest_s - _CLOCK_S / 2:
            self._turns_s += _CLOCK_S
            at_s += _CLOCK_S
        self._latest_s = at_s if self._latest_s is None else max(self._latest_s, at_s)
        return at_s
