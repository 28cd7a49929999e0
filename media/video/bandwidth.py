"""How much one receiver's way can carry, from what it tells of our packets. Pure.

Theory. Packets that wait in a queue arrive later than the quickest ones did: what a packet took less the least that any took in the
last ten seconds is its queueing delay, and the clocks' offset falls out. Beyond 100 ms, or beyond 10 % loss, the estimate becomes 0.85
of what got through; below 40 ms and 2 % it grows by 8 % a second; in between it rests.
What was never sent proves nothing, so it grows to one and a half times what goes at most.

That growth alone would leave a good line with a small picture for half a minute after a moment's trouble. So when a higher layer would
fit but for the estimate, a probe asks: a short burst of padding (packets that went before, sent again as repairs) at the rate that the
layer needs, three times the estimate at most. What arrives as fast as it was sent raises the estimate, and the layer may follow. Each probe
or layer that failed makes the next one wait twice as long, up to a minute.

A far end without arrival times tells its loss in receiver reports and perhaps an estimate of its own (REMB,
draft-alvestrand-rmcat-remb-03). That knows nothing of what was not sent, so it counts only where it is below what is sent: below what
was sent half a second ago, because it tells of the second before it was told, and a layer that has just begun is not in it. As no probe of
ours could be judged by it, the higher layer itself is the probe.
"""

from collections import deque

from media.video.rate import ByteRate
from media.video.transport import Delivery

_LEAST_BITS_PER_S = 50_000.0
_GROWTH_PER_S = 1.08
_BEYOND_SENT = 1.5
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
_TOLD_LATE_S = 0.5
_PROBE_STEP = 3.0
_PROBE_S, _PROBE_BYTES = 0.1, 8_000
"""At least so long, and at least so much: a rate is told by some ten packets."""
_PROBE_PACKETS = 5
_PROBE_ANSWER_S = 1.0
_PROBE_KEPT = 0.85
_PROBE_LOSS = 0.05


class _Probe:
    """``rate`` in bit/s of everything together, from ``began_s`` to ``ended_s``."""

    def __init__(self, rate: float, now_s: float) -> None:
        self.rate, self.began_s = rate, now_s
        self.ended_s = now_s + max(_PROBE_S, 8 * _PROBE_BYTES / rate)
        self.sent_bytes = 0
        self.deliveries: list[Delivery] = []

    def padding_due(self, now_s: float) -> int:
        """Bytes that are missing from the rate until now."""
        return max(0, int(self.rate * (min(now_s, self.ended_s) - self.began_s) / 8) - self.sent_bytes)

    def heard(self, deliveries: list[Delivery]) -> bool:
        """Take in what belongs to it. Has everything been told?"""
        self.deliveries += [each for each in deliveries if self.began_s <= each.sent_s <= self.ended_s]
        return any(each.sent_s > self.ended_s for each in deliveries)

    def fits(self) -> bool:
        """Did it arrive about as fast as it was sent, and whole?"""
        arrived = [each for each in self.deliveries if each.arrived_s is not None]
        if len(arrived) < _PROBE_PACKETS or len(arrived) < (1.0 - _PROBE_LOSS) * len(self.deliveries):
            return False
        took_s = max(each.arrived_s or 0.0 for each in arrived) - min(each.arrived_s or 0.0 for each in arrived)
        lasted_s = max(each.sent_s for each in arrived) - min(each.sent_s for each in arrived)
        return lasted_s > 0.0 and lasted_s >= _PROBE_KEPT * took_s


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
        self._sent_before = ByteRate(_TOLD_LATE_S)
        self._trial_s: float | None = None
        self._hold_s, self._hold_until_s = _FIRST_HOLD_S, 0.0
        self._probe: _Probe | None = None

    @property
    def bits_per_s(self) -> float:
        """What may be sent to this receiver, all streams together."""
        return self._estimate

    def sent(self, size: int, now_s: float) -> None:
        """So many bytes are sent now."""
        self._sent.add(size, now_s)
        self._sent_before.add(size, now_s)
        if self._probe is not None and now_s <= self._probe.ended_s:
            self._probe.sent_bytes += size

    @property
    def _sending(self) -> float:
        return self._sent.latest_bits_per_s

    def may_try(self, now_s: float) -> bool:
        """May more be sent than before, to see whether it fits?"""
        return now_s >= self._hold_until_s

    def trying(self, now_s: float) -> None:
        """More is sent from now on."""
        self._trial_s = now_s

    def reach_for(self, bits_per_s: float, now_s: float, *, probing: bool) -> None:
        """A picture would be better with so much. ``probing``: padding can be sent, and its arrival is told; else the picture itself is
        the probe."""
        if bits_per_s <= self._estimate or not self.may_try(now_s) or not self._calm:
            return
        if not probing:
            self._estimate = min(bits_per_s, self._most)
        elif self._probe is None:
            self._probe = _Probe(min(bits_per_s, _PROBE_STEP * self._estimate, self._most), now_s)

    def padding_due(self, now_s: float) -> int:
        """Bytes of padding to send now, for a probe."""
        probe = self._probe
        if probe is not None and now_s > probe.ended_s + _PROBE_ANSWER_S:
            self._judge(probe, now_s)
            return 0
        return probe.padding_due(now_s) if probe is not None and now_s <= probe.ended_s else 0

    @property
    def _calm(self) -> bool:
        return self.queue_s < _CALM_QUEUE_S and self.loss < _CALM_LOSS

    def _judge(self, probe: _Probe, now_s: float) -> None:
        self._probe = None
        if probe.fits():
            self._estimate, self._grown_s = max(self._estimate, probe.rate), now_s
        else:
            self._fail(now_s)

    def _fail(self, now_s: float) -> None:
        self._hold_s = min(_LONGEST_HOLD_S, 2 * self._hold_s)
        self._hold_until_s, self._trial_s = now_s + self._hold_s, None

    def told(self, bitrate: int, now_s: float) -> None:
        """REMB: the far end's own estimate."""
        if bitrate < _BELOW * min(self._sending, self._sent_before.bits_per_s(now_s)):
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
        elif self._calm:
            self._grow(now_s)
        if self._probe is not None and self._probe.heard(deliveries):
            self._judge(self._probe, now_s)

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
        if self._probe is not None or (self._trial_s is not None and now_s - self._trial_s < _TRIAL_S):
            self._probe = None
            self._fail(now_s)
        else:
            self._hold_until_s, self._trial_s = now_s + self._hold_s, None
        self._window.clear()

    def _grow(self, now_s: float) -> None:
        if self._trial_s is not None and now_s - self._trial_s > _TRIAL_S:
            self._trial_s, self._hold_s = None, _FIRST_HOLD_S
        if self._grown_s is not None:
            grown = self._estimate * _GROWTH_PER_S ** min(1.0, now_s - self._grown_s)
            self._estimate = max(self._estimate, min(grown, self._most, _BEYOND_SENT * self._sending))
        self._grown_s = now_s


def _rate(arrived: list[Delivery]) -> float:
    """Bit/s of what arrived, by the far end's clock."""
    times = [d.arrived_s for d in arrived if d.arrived_s is not None]
    if len(times) < 2:
        return 0.0
    return 8 * sum(d.size for d in arrived) / max(0.2, max(times) - min(times))
