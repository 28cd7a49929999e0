"""Claim: on a path that loses 5 % in bursts and jitters by 60 ms, a voice through our receiver scores at least 1.0 PESQ more than through
stock aiortc's.

The same packets (seeded, ``dsp/netem.py``) go to both receivers as in ``loss_concealment``; what comes out is scored as it is, before
anybody encodes it again. Jitter is exponential, packets stay in order. 60 ms of it is what 95 % of the packets stay within (20 ms on
average); told beside it, without a goal, is 60 ms on average, where now and then one comes 300 ms late and others wait behind it.
MOS is PLCMOS' (speechmos), which listens to the sound alone, and the E-model's, which counts the delay too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.load.voices import speakers
from benchmarks.loss_concealment import Heard, arrivals, encoded, played, played_by_aiortc
from benchmarks.metrics import MetricMissing, aligned, delay_samples, pesq_nb, pesq_wb, plcmos
from benchmarks.report import Options, Row
from benchmarks.speech import RATE_HZ, Utterance
from dsp import mos
from media.codec import Samples
from rooms.audio import OPUS, PCMA, AudioCodec

LOSS = 0.05
_JITTERS = ((20.0, "95 % within 60 ms", ">= peer + 1.0"), (60.0, "60 ms on average", ""))
"""(mean in ms, what it is called, what is promised)."""
_CODECS = ((OPUS, "wb"), (PCMA, "nb"))
_LONGEST_DELAY_S = 2.0


@dataclass(frozen=True, slots=True)
class _Score:
    """``mos``: the E-model's; ``delay_ms``: of the sound, from being spoken to being heard, median over the receivers' frames."""

    pesq: float
    plcmos: float | None
    mos: float
    delay_ms: float


def run(options: Options) -> list[Row]:
    said = speakers(options.data)[: 1 if options.quick else None]
    rows: list[Row] = []
    for mean_ms, jitter, goal in _JITTERS[: 1 if options.quick else None]:
        for codec, band in _CODECS[: 1 if options.quick else None]:
            case = f"{codec.name}, {LOSS:.0%} lost in bursts of 2, jitter {jitter}"
            rows += _rows(case, band, goal, _heard(said, codec, band, mean_ms, range(1 if options.quick else 2)))
    return rows


def _heard(said: Sequence[Utterance], codec: AudioCodec, band: str, jitter_ms: float, seeds: range) -> list[tuple[_Score, _Score]]:
    """(ours, stock aiortc's) of each speaker and seed."""
    found = []
    for number, one in enumerate(said):
        payloads = encoded(one.samples, codec)
        for seed in seeds:
            packets = arrivals(payloads, seed=100 * number + seed, loss=LOSS, jitter_ms=jitter_ms)
            mended = played(packets, len(payloads) + 50, codec, concealment=True)
            stock = played_by_aiortc(packets, len(payloads) + 50, codec)
            made_up, lost = mended.concealed_s * RATE_HZ / len(one.samples), 1 - len(packets) / len(payloads)
            found.append((_score(one.samples, mended, made_up, codec, band), _score(one.samples, stock, lost, codec, band)))
    return found


def _score(said: Samples, heard: Heard, lost: float, codec: AudioCodec, band: str) -> _Score:
    """``lost``: the share of the sound that had to be made up."""
    most = int(_LONGEST_DELAY_S * RATE_HZ)
    delay_ms = 1000 * delay_samples(said, heard.samples, most=most) / RATE_HZ
    sound = aligned(said, heard.samples, most=most)
    rating = mos.rate(codec.name, loss=lost, delay_ms=max(0.0, delay_ms))
    try:
        natural = plcmos(sound)
    except MetricMissing:
        natural = None
    return _Score((pesq_wb if band == "wb" else pesq_nb)(said, sound), natural, rating.mos if rating is not None else 1.0, delay_ms)


def _rows(case: str, band: str, goal: str, scores: list[tuple[_Score, _Score]]) -> list[Row]:
    ours, theirs = [mine for mine, _ in scores], [stock for _, stock in scores]

    def row(metric: str, value: float, peer: float, unit: str, goal: str = "") -> Row:
        return Row(case, metric, value, unit, "aiortc", peer, goal)

    metric = f"PESQ-{band.upper()}"
    rows = [
        row(metric, _mean(ours, "pesq"), _mean(theirs, "pesq"), "MOS", goal),
        row(f"{metric}, worst", min(one.pesq for one in ours), min(one.pesq for one in theirs), "MOS"),
        row("MOS, E-model", _mean(ours, "mos"), _mean(theirs, "mos"), "MOS", ">= 1.0 x peer"),
        row("delay", _mean(ours, "delay_ms"), _mean(theirs, "delay_ms"), "ms"),
    ]
    if all(one.plcmos is not None for one in ours):
        rows.append(row("MOS, PLCMOS", _mean(ours, "plcmos"), _mean(theirs, "plcmos"), "MOS", ">= 1.0 x peer"))
    return rows


def _mean(scores: list[_Score], name: str) -> float:
    return float(np.mean([getattr(one, name) for one in scores]))
