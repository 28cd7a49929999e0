"""What entered and left the server, packet by packet: which call leg a log belongs to, what was forwarded, what our share is.

The server logs decrypted RTP per leg and direction (``media/recorder.py``). ``in`` is what came from that leg, ``out`` what went to it.
"""

import collections
import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from api.demo_call import score
from api.demo_call.process import PeerFailure
from api.demo_call.speech import Samples, at_rate
from media import rtp
from media.codec import make_decoder, make_encoder, native_rate_hz
from media.recorder import decode_capture, read_capture
from rooms.audio import G722, KNOWN_CODECS, OPUS, PCMA, PCMU, AudioCodec

_STATIC = {codec.payload_type: codec for codec in (PCMU, PCMA, G722)}
_TELEPHONE_EVENT_BYTES = 4
_CODED_HZ = 16_000
_SETTLE_S = 1.0
"""Left out at both ends of a comparison: ringing tone before, hanging up after."""


@dataclass(frozen=True, slots=True)
class Packet:
    """``at_s`` on the log's clock; ``sequence`` and ``timestamp`` unwrapped."""

    at_s: float
    sequence: int
    timestamp: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """One direction of one leg: its speech packets in order of arrival, each sequence number once. Silent logs have no codec."""

    path: Path
    codec: AudioCodec | None
    packets: tuple[Packet, ...]

    @property
    def missing(self) -> int:
        """Sequence numbers that never came, between the first and the last."""
        if not self.packets:
            return 0
        numbers = [packet.sequence for packet in self.packets]
        return max(numbers) - min(numbers) + 1 - len(numbers)

    @property
    def longest_gap_s(self) -> float:
        times = [packet.at_s for packet in self.packets]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    def speech(self, rate_hz: int) -> Samples:
        return decode_capture(self.path, self.codec, rate_hz=rate_hz) if self.codec else np.zeros(0, np.float32)

    def at_s(self, sample: int, rate_hz: int) -> float:
        """When that sample of :meth:`speech` was on the wire: from the packets' own clock, anchored at their median transit."""
        if self.codec is None:
            raise PeerFailure(f"{self.path.name} holds no speech")
        clock = self.codec.clock_rate
        first = min(packet.timestamp for packet in self.packets)
        anchor = float(np.median([packet.at_s - (packet.timestamp - first) / clock for packet in self.packets]))
        return anchor + sample / rate_hz


@dataclass(frozen=True, slots=True)
class LegLogs:
    heard: Log
    """What came from the leg."""
    told: Log
    """What went to the leg."""


def read_log(path: Path) -> Log:
    """Reads one log. The codec is the payload type of most packets: static ones by RFC 3551, any other is our only dynamic codec, Opus."""
    rows = []
    order, clock = rtp.Unwrapper(), rtp.Unwrapper(32)
    for at_s, packet in read_capture(path):
        header = rtp.parse(packet)
        if header is None or header.payload_end - header.payload_start == 0:
            continue
        payload = packet[header.payload_start : header.payload_end]
        if header.payload_type not in _STATIC and len(payload) == _TELEPHONE_EVENT_BYTES:
            continue
        rows.append((header.payload_type, Packet(at_s, order.unwrap(header.sequence), clock.unwrap(header.timestamp), payload)))
    if not rows:
        return Log(path, None, ())
    payload_type = collections.Counter(kind for kind, _ in rows).most_common(1)[0][0]
    codec = _STATIC.get(payload_type) or replace(OPUS, payload_type=payload_type)
    unique = {packet.sequence: packet for kind, packet in reversed(rows) if kind == payload_type}
    return Log(path, codec, tuple(sorted(unique.values(), key=lambda packet: packet.at_s)))


def read_legs(paths: list[Path]) -> list[LegLogs]:
    """The legs whose logs these are, by the recorder's names ``LEG-in`` and ``LEG-out``; a leg that has only one of them is left out."""
    stems = {path.stem: path for path in paths}
    legs = sorted(stem.removesuffix("-in") for stem in stems if stem.endswith("-in") and f"{stem.removesuffix('-in')}-out" in stems)
    return [LegLogs(read_log(stems[f"{leg}-in"]), read_log(stems[f"{leg}-out"])) for leg in legs]


def leg_that_said(sentence: Samples, legs: list[LegLogs]) -> LegLogs:
    """The leg from which this sentence (16 kHz) came. Raises PeerFailure when none did."""
    best: tuple[float, LegLogs] | None = None
    for leg in legs:
        try:
            alike = score.find(sentence, leg.heard.speech(16_000)).correlation
        except score.NotHeard:
            continue
        if best is None or alike > best[0]:
            best = (alike, leg)
    if best is None:
        raise PeerFailure(f"none of the {len(legs)} logged legs carried the sentence into the server")
    return best[1]


@dataclass(frozen=True, slots=True)
class Passage:
    """How speech crossed the server, from one leg to the other.

    ``identical``: fraction of the packets that came in whose payload went out unchanged, where forwarded, else None.
    ``added_ms``: from arrival to departure, median (forwarded: of the packets; decoded: of the same sound in both).
    ``slowest_ms``: 99th percentile, where forwarded. ``quality_in``, ``quality_out``: PESQ of what entered and what left, decoded alike.
    ``share``: what the server cost. Forwarded unchanged: nothing. Decoded and encoded: PESQ of what left, below that of the same packets
    decoded, resampled and encoded for the other side at leisure; the loss that lies in the other side's codec itself (0.3-0.4 of PESQ-NB
    from Opus to G.711) is nobody's share.
    """

    codec_in: str
    codec_out: str
    identical: float | None
    added_ms: float
    slowest_ms: float | None
    share: float
    missing_in: int
    silence_ms: float
    """Longest silence inside speech, as it left the server."""
    excursion_ms: float
    """Longest stretch in which delay differed by more than 10 ms from its usual value."""
    quality_in: float
    quality_out: float


def passage(came: Log, went: Log, sentence: Samples, sentence_hz: int) -> Passage:
    """Measures what the server did to one direction. ``sentence``: as sent, at ``sentence_hz`` (the rate that decides PESQ's band)."""
    if came.codec is None or went.codec is None:
        raise PeerFailure(f"no speech in {came.path.name if came.codec is None else went.path.name}: nothing crossed the server")
    before, after = came.speech(sentence_hz), went.speech(sentence_hz)
    quality_out = score.pesq(sentence, after, sentence_hz)
    pairs = _forwarded_pairs(came, went) if came.codec.name == went.codec.name else []
    identical = slowest_ms = None
    if pairs:
        added = [(later.at_s - earlier.at_s) * 1000 for earlier, later in pairs]
        identical = sum(earlier.payload == later.payload for earlier, later in pairs) / len(pairs)
        added_ms, slowest_ms = float(np.mean(added)), float(np.percentile(added, 99))
    else:
        entered = came.at_s(score.find(sentence, before).start, sentence_hz)
        added_ms = (went.at_s(score.find(sentence, after).start, sentence_hz) - entered) * 1000
    return Passage(
        codec_in=came.codec.name,
        codec_out=went.codec.name,
        identical=identical,
        added_ms=added_ms,
        slowest_ms=slowest_ms,
        share=0.0 if identical == 1.0 else _at_leisure(came, went.codec, sentence, sentence_hz) - quality_out,
        missing_in=came.missing,
        silence_ms=score.longest_silence_ms(sentence, after, sentence_hz),
        excursion_ms=_longest_excursion_ms(score.delays_ms(sentence, after, sentence_hz)),
        quality_in=score.pesq(sentence, before, sentence_hz),
        quality_out=quality_out,
    )


def _at_leisure(came: Log, codec: AudioCodec, sentence: Samples, sentence_hz: int) -> float:
    """PESQ after a transcoding without a clock: the whole recording decoded, resampled by soxr's best, encoded with our encoder."""
    rate_hz = native_rate_hz(codec.name, _CODED_HZ)
    pcm = at_rate(came.speech(_CODED_HZ), _CODED_HZ, rate_hz)
    frame = rate_hz // 50
    encoder, decoder = make_encoder(codec, rate_hz=rate_hz), make_decoder(codec, rate_hz=sentence_hz)
    decoded = [decoder.decode(encoder.encode(pcm[at : at + frame])) for at in range(0, len(pcm) - frame + 1, frame)]
    return score.pesq(sentence, np.concatenate(decoded), sentence_hz)


def _forwarded_pairs(came: Log, went: Log) -> list[tuple[Packet, Packet]]:
    """Each packet that came with the one that went out for it. Forwarding keeps the distance between sequence numbers, so the commonest
    distance between a packet and the next departure is the map; where fewer than half of the packets agree, nothing was forwarded."""
    end = min(came.packets[-1].at_s, went.packets[-1].at_s) - _SETTLE_S
    begin = max(came.packets[0].at_s, went.packets[0].at_s) + _SETTLE_S
    middle = [packet for packet in came.packets if begin <= packet.at_s <= end]
    times = np.array([packet.at_s for packet in went.packets])
    distances: collections.Counter[int] = collections.Counter()
    for packet in middle:
        following = int(np.searchsorted(times, packet.at_s - 0.0005))
        if following < len(times):
            distances[went.packets[following].sequence - packet.sequence] += 1
    if not distances:
        return []
    distance, votes = distances.most_common(1)[0]
    if votes < len(middle) / 2:
        return []
    departures = {packet.sequence: packet for packet in went.packets}
    lost = Packet(float("nan"), 0, 0, b"")
    pairs = [(packet, departures.get(packet.sequence + distance, lost)) for packet in middle]
    return [(earlier, later if later is not lost else replace(lost, at_s=earlier.at_s)) for earlier, later in pairs]


def _longest_excursion_ms(lags: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Length of the longest run of windows whose delay is off; the window's own 160 ms see a change from both sides and count once."""
    longest, start = 0.0, None
    for centre, lag in lags:
        if abs(lag) > 10.0:
            start = centre if start is None else start
            longest = max(longest, float(centre - start) + 20.0)
        else:
            start = None
    return longest


def wide_band(*codecs: str) -> bool:
    """Is speech through all of these wide band? Then PESQ-WB measures it, else PESQ-NB."""
    return all(KNOWN_CODECS[name] in (G722, OPUS) for name in codecs)
