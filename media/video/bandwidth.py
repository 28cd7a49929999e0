"""How much one receiver's way can carry, from what it tells of our packets. Pure.

Theory. Packets that wait in a queue arrive later than the quickest ones did: what a packet took less the least that any took in the
last ten seconds is its queueing delay, and the clocks' offset falls out. Beyond 100 ms, or beyond 10 % loss, the estimate becomes 0.85
of what got through; below 40 ms and 2 % it grows by 8 % a second; in between it rests. We send no probes: the estimate may grow beyond
what is sent, and whether a higher layer fits is found out by sending it. Each such trial that fails makes the next one wait twice as
long, up to a minute.

A far end without arrival times tells its loss in receiver reports and perhaps an estimate of its own (REMB,
draft-alvestrand-rmcat-remb-03). That knows nothing of what was not sent, so it counts only where it is below what is sent.
"""

from collections import deque

from media.video.rate import ByteRate
from media.video.transport import Delivery

_LEAST_BITS_PER_S = 50_000.0
_GROWTH_PER_S = 1.08
_DECREASE = 0.85
_QUEUE_S = 0.1
_CALM_QUEUE_S = 0.04
_LOSSY, _CALM_LOSS = 0.10, 0.02
_WINDOW_S = 1.0
_BASE_WINDOW_S = 10.0
_BETWEEN_CUTS_S = 0.5
_TRIAL_S = 5.0
_FIRST_HOLD_S, _LONGEST_HOLD_S = 4.0, 60.0
_BELOW = 0.8


class BandwidthEstimate:
    """``bits_per_s`` starts at ``first`` and never exceeds ``most``."""

    def __init__(self, first: float = 1_000_000.0, most: float = 8_000_000.0) -> None:
        self.queue_s = 0.0
        self.loss = 0.0
        self._estimate = first
        self._most = most
        self._window: deque[Delivery] = deque()
        self._least: deque[tuple[float, float]] = deque()
        self._grown_s: float | None = None
        self._cut_s = -1.0
        self._sent = ByteRate()
        self._trial_s: float | None = None
        self._hold_s, self._hold_until_s = _FIRST_HOLD_S, 0.0

    @property
    def bits_per_s(self) -> float:
        """What may be sent to this receiver, all streams together."""
        return self._estimate

    def sent(self, size: int, now_s: float) -> None:
        """So many bytes are sent now."""
        self._sent.add(size, now_s)

    @property
    def _sending(self) -> float:
        return self._sent.latest_bits_per_s

    def may_try(self, now_s: float) -> bool:
        """May more be sent than before, to see whether it fits?"""
        return now_s >= self._hold_until_s

    def trying(self, now_s: float) -> None:
        """More is sent from now on."""
        self._trial_s = now_s

    def told(self, bitrate: int, now_s: float) -> None:
        """REMB: the far end's own estimate."""
        if bitrate < _BELOW * self._sending:
            self._cut(bitrate, now_s)

    def lost(self, fraction: float, now_s: float) -> None:
        """The loss of a receiver report, for a far end that tells no arrival times."""
        self.loss = fraction
        if fraction > _LOSSY:
            self._cut(min(self._estimate, self._sending) * (1.0 - fraction), now_s)
        elif fraction < _CALM_LOSS:
            self._grow(now_s)

    def delivered(self, deliveries: list[Delivery], now_s: float) -> None:
        """Take in what became of packets."""
        self._window.extend(deliveries)
        while self._window and self._window[0].sent_s < now_s - _WINDOW_S - 1.0:
            self._window.popleft()
        waits = [self._wait(d.arrived_s - d.sent_s, d.sent_s) for d in deliveries if d.arrived_s is not None]
        if waits:
            self.queue_s += 0.5 * (sum(waits) / len(waits) - self.queue_s)
        arrived = [d for d in self._window if d.arrived_s is not None]
        self.loss = 1.0 - len(arrived) / len(self._window) if self._window else 0.0
        if len(self._window) >= 10 and (self.queue_s > _QUEUE_S or self.loss > _LOSSY):
            self._cut(_DECREASE * _rate(arrived), now_s)
        elif self.queue_s < _CALM_QUEUE_S and self.loss < _CALM_LOSS:
            self._grow(now_s)

    def _wait(self, took_s: float, sent_s: float) -> float:
        least = self._least
        while least and least[-1][1] >= took_s:
            least.pop()
        least.append((sent_s, took_s))
        while least[0][0] < sent_s - _BASE_WINDOW_S:
            least.popleft()
        return took_s - least[0][1]

    def _cut(self, rate: float, now_s: float) -> None:
        if now_s - self._cut_s < _BETWEEN_CUTS_S:
            return
        self._cut_s = self._grown_s = now_s
        self._estimate = max(_LEAST_BITS_PER_S, min(self._estimate, rate))
        failed = self._trial_s is not None and now_s - self._trial_s < _TRIAL_S
        self._hold_s = min(_LONGEST_HOLD_S, 2 * self._hold_s) if failed else self._hold_s
        self._hold_until_s, self._trial_s = now_s + self._hold_s, None
        self._window.clear()

    def _grow(self, now_s: float) -> None:
        if self._trial_s is not None and now_s - self._trial_s > _TRIAL_S:
            self._trial_s, self._hold_s = None, _FIRST_HOLD_S
        if self._grown_s is not None:
            self._estimate = min(self._most, self._estimate * _GROWTH_PER_S ** min(1.0, now_s - self._grown_s))
        self._grown_s = now_s


def _rate(arrived: list[Delivery]) -> float:
    """Bit/s of what arrived, by the far end's clock."""
    times = [d.arrived_s for d in arrived if d.arrived_s is not None]
    if len(times) < 2:
        return 0.0
    return 8 * sum(d.size for d in arrived) / max(0.2, max(times) - min(times))
