"""What both hops of one leg were like in the last second, and why (E-model: ITU-T G.107; causes are ours).

What is not measured is None, never a guess. Delay into the rating is what we know of it: half the round trip where RTCP gave one, the
packet, the jitter buffer where we have one or are told of it (else twice the jitter, which the receiver's will have to hold), and the
codec. To the rating delay counts in whole milliseconds: so the second that is like one before it costs next to nothing.

What the far end told in its last report holds until it tells more, ten seconds at most.

Opus is rated as Opus with in-band FEC when a packet of the last ten seconds was seen to hold some: encoders leave it out in silence. In
what is only forwarded we do not look.
"""

import math
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from dsp import mos
from dsp.levels import FLOOR_DBFS
from media.leg import Leg
from media.messages import LegSample
from media.playout import PlayoutCounters
from media.receive_stats import Interval
from media.reports import VOIP_METRICS
from media.rtcp import VoipMetrics
from media.settings import RATE_HZ
from media.voices import Voices

_PACKET_MS = 20.0
_CODEC_MS = {"opus": 6.5, "g722": 1.5, "pcma": 0.0, "pcmu": 0.0}
"""Look-ahead of the codecs (RFC 6716: 6.5 ms in its speech mode; G.722: its 24-tap filters)."""
_LOOKED_BACK = 10
_CLEANER, _FEW = 0.2, 3
GOOD_LOST_R = 5.0
"""Up to so many points of R below the codec's own best the second counts as good."""
_ADAPTIVE_BUFFER = 3 << 4
_STANDARD_CONCEALMENT = 3 << 6


class Impairments(NamedTuple):
    """What a hop does to the voice. ``loss`` on the way and ``late`` in the receiver's jitter buffer: fractions 0-1."""

    codec: str
    loss: float
    late: float
    delay_ms: int
    burst_ratio: float


class Verdict(NamedTuple):
    """``rating`` of what is heard, and the one impairment without which it would be best: ``cause``, with the R that is lost in all."""

    rating: mos.Rating | None
    cause: str
    r_lost: float | None


@lru_cache(maxsize=4_096)
def judge(hop: Impairments) -> Verdict:
    """Rate a hop and name its worst impairment."""
    codec, loss, late, delay_ms, burst_ratio = hop
    rating = mos.rate(codec, loss=min(1.0, loss + late), delay_ms=delay_ms, burst_ratio=burst_ratio)
    best = mos.rate(codec, loss=0.0, delay_ms=0.0)
    if rating is None or best is None:
        return Verdict(None, "unclassified", None)
    lost = best.r - rating.r
    if lost <= GOOD_LOST_R:
        return Verdict(rating, "good", lost)
    without = {
        "loss": mos.rate(codec, loss=late, delay_ms=delay_ms),
        "jitter": mos.rate(codec, loss=loss, delay_ms=delay_ms, burst_ratio=burst_ratio),
        "delay": mos.rate(codec, loss=min(1.0, loss + late), delay_ms=0.0, burst_ratio=burst_ratio),
    }
    gains = {cause: other.r - rating.r for cause, other in without.items() if other is not None}
    return Verdict(rating, max(gains, key=lambda cause: gains[cause]), lost)


_UNMEASURED = Verdict(None, "unclassified", None)
_NO_INTERVAL = Interval(0, 0, 0, 0.0)


@dataclass(slots=True)
class _Mark:
    """Counters at the last look."""

    discarded: int = 0
    concealed: int = 0
    with_fec: int = 0


class LegQuality:
    """Looks at one leg every second; ``sample`` gives what changed since the last look."""

    def __init__(self, leg: Leg, voices: Voices, *, mend_from_loss: float = 0.005) -> None:
        self._leg = leg
        self._voices = voices
        self._mend_from_loss = mend_from_loss
        self._mark = _Mark()
        self._counters: PlayoutCounters | None = None
        self._lost: deque[tuple[int, int]] = deque(maxlen=_LOOKED_BACK)
        self._fec: deque[bool] = deque(maxlen=_LOOKED_BACK)
        self._sent = 0
        self._told = 0
        self._told_ago = _LOOKED_BACK

    def sample(self) -> LegSample:
        leg = self._leg
        received, reports = leg.received, leg.reports
        interval = received.interval() if received is not None else _NO_INTERVAL
        discarded, concealed_ms = self._concealment()
        loss = jitter_ms = None
        if received is not None and interval.expected > 0:
            loss, jitter_ms = interval.loss, received.jitter_s * 1000
            self._judge_loss(interval.lost, interval.expected)
        round_trip_ms = reports.round_trip_s * 1000 if reports.round_trip_s is not None else None
        codec = leg.codec_in.name if leg.codec_in is not None else ""
        came = self._judge_in(codec, loss, jitter_ms, discarded / interval.expected if interval.expected > 0 else 0.0)
        if interval.packets == 0 and self._expects_audio():
            came = Verdict(None, "silent", _best_r(codec))
        sent, self._sent = leg.sender.packets - self._sent, leg.sender.packets
        fresh = self._told_lately()
        heard, heard_of_hop = self._judge_out(sent) if fresh else (_UNMEASURED, _UNMEASURED)
        voip = reports.far_voip if fresh else None
        measures = self._voices.measures(leg.voice) if leg.voice is not None else None
        if VOIP_METRICS in reports.wanted and received is not None:
            reports.voip = self._told_about(received.ssrc, came, round_trip_ms)
        return LegSample(
            leg_id=leg.leg_id,
            packets=interval.packets,
            loss=loss,
            jitter_ms=jitter_ms,
            round_trip_ms=round_trip_ms,
            discarded=discarded,
            concealed_ms=concealed_ms,
            level_dbfs=self._level_dbfs(),
            r=came.rating.r if came.rating is not None else None,
            mos=came.rating.mos if came.rating is not None else None,
            scale=came.rating.scale if came.rating is not None else "",
            cause=came.cause,
            codec=codec,
            speech=measures.speech if measures is not None else None,
            noise_dbfs=measures.noise_dbfs if measures is not None else None,
            echo_return_loss_db=measures.echo_return_loss_db if measures is not None else None,
            echo_return_loss_enhancement_db=measures.echo_return_loss_enhancement_db if measures is not None else None,
            kind=leg.kind,
            r_lost=came.r_lost,
            packets_sent=sent,
            far_loss=reports.far_loss if fresh else None,
            hop_loss=reports.hop_loss if fresh else None,
            far_jitter_ms=reports.far_jitter_s * 1000 if fresh and reports.far_jitter_s is not None else None,
            far_discarded=voip.discard if voip is not None else None,
            far_buffer_ms=float(voip.buffer_ms) if voip is not None else None,
            far_r=heard.rating.r if heard.rating is not None else None,
            far_mos=heard.rating.mos if heard.rating is not None else None,
            far_scale=heard.rating.scale if heard.rating is not None else "",
            far_cause=heard_of_hop.cause,
            far_r_lost=heard_of_hop.r_lost,
        )

    # -- from the far end to us

    def _judge_in(self, codec: str, loss: float | None, jitter_ms: float | None, late: float) -> Verdict:
        leg = self._leg
        if loss is None or jitter_ms is None or leg.received is None:
            return _UNMEASURED
        playout = leg.playout
        buffer_ms = playout.delay_ms + playout.resampler_delay_ms if playout is not None else 2 * jitter_ms
        rated_as = "opus-fec" if codec == "opus" and any(self._fec) else codec
        burst_ratio = round(leg.received.burst_ratio, 1) if loss or late else 1.0
        return judge(Impairments(rated_as, loss, late, self._delay_ms(codec, buffer_ms), burst_ratio))

    def _judge_loss(self, lost: int, expected: int) -> None:
        """Lossy from ``mend_from_loss`` (and three packets) of the last ten seconds on, until ten have passed with a fifth of it."""
        self._lost.append((lost, expected))
        lost = expected = 0
        for lost_then, expected_then in self._lost:
            lost += lost_then
            expected += expected_then
        full = len(self._lost) == _LOOKED_BACK
        if self._leg.lossy:
            self._leg.lossy = not full or lost >= _CLEANER * self._mend_from_loss * expected
        else:
            self._leg.lossy = lost >= _FEW and lost > self._mend_from_loss * expected
        self._leg.loss = lost / expected if full and lost >= _FEW else 0.0

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

    def _delay_ms(self, codec: str, buffer_ms: float) -> int:
        trip_s = self._leg.reports.round_trip_s or 0.0
        return round(trip_s * 500 + _PACKET_MS + buffer_ms + _CODEC_MS.get(codec, 0.0))

    # -- from us to the far end

    def _told_lately(self) -> bool:
        told = self._leg.reports.told
        self._told_ago = 0 if told != self._told else self._told_ago + 1
        self._told = told
        return self._told_ago < _LOOKED_BACK

    def _judge_out(self, sent: int) -> tuple[Verdict, Verdict]:
        """What the far end hears of us, and what of that is the hop's."""
        leg, reports = self._leg, self._leg.reports
        if leg.agreement is None or reports.far_loss is None:
            return _UNMEASURED, _UNMEASURED
        codec = leg.agreement.spoken.name
        if reports.far_loss >= 1.0:
            silent = Verdict(None, "silent", _best_r(codec)) if sent and leg.hears else _UNMEASURED
            return silent, silent
        voip = reports.far_voip
        buffer_ms = voip.buffer_ms if voip is not None and voip.buffer_ms else 2000 * (reports.far_jitter_s or 0.0)
        late = voip.discard if voip is not None else 0.0
        heard = judge(Impairments(codec, round(reports.far_loss, 3), late, self._delay_ms(codec, buffer_ms), 1.0))
        if reports.hop_loss is None:
            return heard, _UNMEASURED
        if reports.hop_loss == reports.far_loss:
            return heard, heard
        of_hop = judge(Impairments(codec, round(reports.hop_loss, 3), late, self._delay_ms(codec, buffer_ms), 1.0))
        # Both ends count by seconds of their own, so that a packet or two of the loss before it may seem to be this hop's.
        slight = of_hop.cause == "good" or (of_hop.cause == "loss" and reports.hop_loss < reports.far_loss / 5)
        if slight and heard.cause != "good":
            of_hop = of_hop._replace(cause="upstream")
        return heard, of_hop

    def _told_about(self, ssrc: int, came: Verdict, round_trip_ms: float | None) -> VoipMetrics | None:
        """What we tell of the far end's stream where that is wanted (RFC 3611, section 4.7)."""
        leg = self._leg
        received, playout = leg.received, leg.playout
        if received is None:
            return None
        expected = max(1, received.expected)
        buffer_ms = round(playout.delay_ms) if playout is not None else 0
        rating = came.rating if came.rating is not None and came.rating.scale == "nb" else None
        return VoipMetrics(
            ssrc,
            loss=received.loss,
            discard=playout.counters.packets_discarded / expected if playout is not None else 0.0,
            gap_density=received.loss,
            round_trip_ms=round(round_trip_ms or 0.0),
            end_system_ms=buffer_ms,
            r=round(rating.r) if rating is not None else None,
            mos_lq=rating.mos if rating is not None else None,
            mos_cq=rating.mos if rating is not None else None,
            concealment=_STANDARD_CONCEALMENT | _ADAPTIVE_BUFFER if playout is not None else 0,
            buffer_ms=buffer_ms,
            buffer_most_ms=buffer_ms,
        )


@lru_cache(maxsize=32)
def _best_r(codec: str) -> float | None:
    best = mos.rate(codec, loss=0.0, delay_ms=0.0)
    return best.r if best is not None else None
