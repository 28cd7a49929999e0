"""What one leg's incoming audio was like in the last second, and why (E-model: ITU-T G.107; causes are ours).

What is not measured is None, never a guess. Delay into the rating is what we know of it: half the round trip where RTCP gave one, the
packet, the jitter buffer where we have one (else twice the jitter, which the receiver's will have to hold), and the codec.

Opus is rated as Opus with in-band FEC when a packet of the last ten seconds was seen to hold some: encoders leave it out in silence. In
what is only forwarded we do not look.
"""

import math
from collections import deque
from dataclasses import dataclass

from dsp import mos
from dsp.levels import FLOOR_DBFS
from media.leg import Leg
from media.messages import LegSample
from media.playout import PlayoutCounters
from media.settings import RATE_HZ
from media.voices import Voices

_PACKET_MS = 20.0
_CODEC_MS = {"opus": 6.5, "g722": 1.5, "pcma": 0.0, "pcmu": 0.0}
"""Look-ahead of the codecs (RFC 6716: 6.5 ms in its speech mode; G.722: its 24-tap filters)."""
_LOOKED_BACK = 10
_LOSSY, _CLEAN, _FEW = 0.005, 0.001, 3
_GOOD_LOST_R = 5.0
"""Up to so many points of R below the codec's own best the second counts as good."""


@dataclass(slots=True)
class _Mark:
    """Counters at the last look."""

    discarded: int = 0
    concealed: int = 0
    with_fec: int = 0


class LegQuality:
    """Looks at one leg every second; ``sample`` gives what changed since the last look."""

    def __init__(self, leg: Leg, voices: Voices) -> None:
        self._leg = leg
        self._voices = voices
        self._mark = _Mark()
        self._counters: PlayoutCounters | None = None
        self._lost: deque[tuple[int, int]] = deque(maxlen=_LOOKED_BACK)
        self._fec: deque[bool] = deque(maxlen=_LOOKED_BACK)

    def sample(self) -> LegSample:
        leg = self._leg
        received = leg.received
        interval = received.interval() if received is not None else None
        discarded, concealed_ms = self._concealment()
        loss = jitter_ms = None
        if received is not None and interval is not None and interval.expected > 0:
            loss, jitter_ms = interval.loss, received.jitter_s * 1000
            self._judge_loss(interval.lost, interval.expected)
        round_trip_ms = leg.reports.round_trip_s * 1000 if leg.reports.round_trip_s is not None else None
        codec = leg.codec_in.name if leg.codec_in is not None else ""
        delay_ms = self._delay_ms(codec, jitter_ms, round_trip_ms)
        late = discarded / interval.expected if interval is not None and interval.expected > 0 else 0.0
        heard_loss = min(1.0, loss + late) if loss is not None else None
        burst_ratio = received.burst_ratio if received is not None else 1.0
        rated_as = "opus-fec" if codec == "opus" and any(self._fec) else codec
        rating = mos.rate(rated_as, loss=heard_loss, delay_ms=delay_ms, burst_ratio=burst_ratio)
        measures = self._voices.measures(leg.voice) if leg.voice is not None else None
        packets = interval.packets if interval is not None else 0
        return LegSample(
            leg_id=leg.leg_id,
            packets=packets,
            loss=loss,
            jitter_ms=jitter_ms,
            round_trip_ms=round_trip_ms,
            discarded=discarded,
            concealed_ms=concealed_ms,
            level_dbfs=self._level_dbfs(),
            r=rating.r if rating is not None else None,
            mos=rating.mos if rating is not None else None,
            scale=rating.scale if rating is not None else "",
            cause=_cause(rated_as, packets, loss, late, delay_ms, burst_ratio, rating, self._expects_audio()),
            codec=codec,
            speech=measures.speech if measures is not None else None,
            noise_dbfs=measures.noise_dbfs if measures is not None else None,
            echo_return_loss_db=measures.echo_return_loss_db if measures is not None else None,
            echo_return_loss_enhancement_db=measures.echo_return_loss_enhancement_db if measures is not None else None,
        )

    def _judge_loss(self, lost: int, expected: int) -> None:
        """Lossy from 0.5 % (and three packets) of the last ten seconds on, until ten seconds have passed with less than 0.1 %."""
        self._lost.append((lost, expected))
        lost, expected = (sum(column) for column in zip(*self._lost, strict=True))
        full = len(self._lost) == _LOOKED_BACK
        if self._leg.lossy:
            self._leg.lossy = not full or lost >= _CLEAN * expected
        else:
            self._leg.lossy = lost >= _FEW and lost > _LOSSY * expected

    def _expects_audio(self) -> bool:
        leg = self._leg
        return leg.connected and leg.agreement is not None and leg.agreement.far_sends

    def _concealment(self) -> tuple[int, float]:
        """Packets discarded and milliseconds concealed since the last look; a new playout counts from zero."""
        playout = self._leg.playout
        if playout is None:
            self._counters, self._mark = None, _Mark()
            self._fec.clear()
            return 0, 0.0
        counters = playout.counters
        if counters is not self._counters:
            self._counters, self._mark = counters, _Mark()
            self._fec.clear()
        mark, self._mark = self._mark, _Mark(counters.packets_discarded, counters.concealed_samples, counters.fec_packets_carried)
        self._fec.append(counters.fec_packets_carried > mark.with_fec)
        return counters.packets_discarded - mark.discarded, (counters.concealed_samples - mark.concealed) * 1000 / RATE_HZ

    def _level_dbfs(self) -> float | None:
        leg = self._leg
        if not leg.power_ticks:
            return None
        power = leg.power_sum / leg.power_ticks
        leg.power_sum, leg.power_ticks = 0.0, 0
        return max(FLOOR_DBFS, 10 * math.log10(power)) if power > 0 else FLOOR_DBFS

    def _delay_ms(self, codec: str, jitter_ms: float | None, round_trip_ms: float | None) -> float | None:
        if jitter_ms is None:
            return None
        playout = self._leg.playout
        buffer_ms = playout.delay_ms + playout.resampler_delay_ms if playout is not None else 2 * jitter_ms
        return (round_trip_ms or 0.0) / 2 + _PACKET_MS + buffer_ms + _CODEC_MS.get(codec, 0.0)


def _cause(
    codec: str,
    packets: int,
    loss: float | None,
    late: float,
    delay_ms: float | None,
    burst_ratio: float,
    rating: mos.Rating | None,
    expects_audio: bool,
) -> str:
    """``good``, ``loss``, ``jitter`` (lost in the jitter buffer), ``delay``, ``silent`` (nothing came), or ``unclassified``.

    The cause is the one impairment without which the second would be best.
    """
    if packets == 0:
        return "silent" if expects_audio else "unclassified"
    best = mos.rate(codec, loss=0.0, delay_ms=0.0)
    if rating is None or best is None or loss is None or delay_ms is None:
        return "unclassified"
    if best.r - rating.r <= _GOOD_LOST_R:
        return "good"
    without = {
        "loss": mos.rate(codec, loss=late, delay_ms=delay_ms, burst_ratio=1.0),
        "jitter": mos.rate(codec, loss=loss, delay_ms=delay_ms, burst_ratio=burst_ratio),
        "delay": mos.rate(codec, loss=min(1.0, loss + late), delay_ms=0.0, burst_ratio=burst_ratio),
    }
    gains = {cause: other.r - rating.r for cause, other in without.items() if other is not None}
    return max(gains, key=lambda cause: gains[cause])
