"""Claim: our own Ie and Bpl of Opus and G.722 say what PESQ hears of our decoder and concealment under loss, within 0.6 MOS.

ITU-T gives no figures for Opus, and none for G.722 with our concealment. Speech goes through encoder, lossy path and playout; its PESQ-WB
is turned into a rating on the wideband scale (G.107.1); Ie is what is missing to the scale's end without loss, Bpl the least-squares fit
of G.107's equation 7-29. The rating of a PESQ value comes from conditions whose rating is published: uncoded wideband speech (129),
G.722 at 64, 56 and 48 kbit/s (G.113, appendix IV), G.711 without concealment at 0 to 10 % random loss (G.113, appendix I). A parabola
through the P.862 raw score of these is the scale; how far they lie beside it is printed.

Fitted on random loss of 0 to 20 % and on loss in bursts, with the burst ratio as measured. The equation holds neither codec's behaviour
well in both: PESQ hears less of bursts than it says where holes are mended from the sound around them, and more where in-band FEC mends
single losses only; the error of either is printed. PLCMOS is a second witness that never heard the original: its correlation with the
fitted MOS over all conditions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from G722 import G722 as G722Codec
from numpy.typing import NDArray
from scipy.optimize import least_squares

from benchmarks.metrics import aligned, pesq_wb, plcmos
from benchmarks.quality.conceal import FRAME, LAG_MOST, RATE_HZ, Loss, encoded, losses, played
from benchmarks.report import Row
from benchmarks.scenes import talk
from dsp.mos import CODECS, WIDEBAND, BurstRatio, loss_impairment, mos_from_r
from media.codec import OpusSettings, Samples, to_pcm16
from rooms.audio import G722, OPUS, PCMA, AudioCodec

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

_VOICES, _TALK_S, _LEAD_IN_S, _WITNESSED = 4, 7.0, 2.0, 1
_RANDOM = (0.0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2)
_BURSTS = (Loss(0.05, 2.0), Loss(0.1, 2.0), Loss(0.1, 3.0), Loss(0.2, 3.0))
_BARE = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
_RANDOM_BURST = 1.001
_G722_IE = {64_000: 13.0, 56_000: 20.0, 48_000: 31.0}
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coded:
    """``key`` in ``dsp.mos.CODECS``; ``bitrate`` and ``fec`` of Opus; ``ie`` where a standard gives it."""

    key: str
    name: str
    codec: AudioCodec
    bitrate: int = 0
    fec: bool = False
    ie: float | None = None

    def settings(self, loss: float) -> OpusSettings | None:
        """FEC is told the loss, as reports would tell it."""
        if not self.bitrate:
            return None
        return OpusSettings(bitrate=self.bitrate, fec=self.fec, expected_loss=min(0.2, max(0.05, loss)) if self.fec else 0.0)


CODED = (
    Coded("g722", "G.722 64k", G722, ie=_G722_IE[64_000]),
    Coded("opus", "Opus 32k", OPUS, 32_000),
    Coded("opus-fec", "Opus 32k with FEC", OPUS, 32_000, True),
    Coded("opus-24", "Opus 24k", OPUS, 24_000),
    Coded("opus-24-fec", "Opus 24k with FEC", OPUS, 24_000, True),
    Coded("opus-16", "Opus 16k", OPUS, 16_000),
    Coded("opus-16-fec", "Opus 16k with FEC", OPUS, 16_000, True),
)


@dataclass(frozen=True, slots=True)
class Heard:
    """Means over the voices: ``loss`` 0-1 and ``burst_ratio`` as they came, PESQ-WB, PLCMOS of some."""

    loss: float
    burst_ratio: float
    pesq: float
    plcmos: float = math.nan


def rows(bench: "Bench") -> list[Row]:
    speech = _speech(bench)
    scale, found = _scale(speech, quick=bench.quick)
    fitted_mos: list[float] = []
    witness: list[float] = []
    for coded in CODED[:2] if bench.quick else CODED:
        random = [_hear(speech, coded, Loss(loss, _RANDOM_BURST)) for loss in (_RANDOM[::3] if bench.quick else _RANDOM)]
        bursts = [] if bench.quick else [_hear(speech, coded, loss) for loss in _BURSTS]
        ie = WIDEBAND.ceiling - scale(random[0].pesq) if coded.ie is None else coded.ie
        bpl = fit(random + bursts, scale, ie)
        found += _rows(coded, scale, random, bursts, ie, bpl)
        for one in random + bursts:
            fitted_mos.append(_mos(WIDEBAND.ceiling - impairment(ie, bpl, one.loss, one.burst_ratio)))
            witness.append(one.plcmos)
    agreement = float(np.corrcoef(fitted_mos, witness)[0, 1])
    return [*found, Row("all codecs and losses", "correlation of PLCMOS with the fitted MOS", agreement, "", goal=">= 0.8")]


def fit(heard: list[Heard], scale: Callable[[float], float], ie: float) -> float:
    """Bpl by least squares of MOS."""
    measured = np.array([_mos(scale(one.pesq)) for one in heard])

    def off(bpl: Values) -> Values:
        ratings = [WIDEBAND.ceiling - impairment(ie, float(bpl[0]), one.loss, one.burst_ratio) for one in heard]
        wrong: Values = np.array([_mos(rating) for rating in ratings]) - measured
        return wrong

    return float(least_squares(off, (10.0,), bounds=((0.5,), (100.0,))).x[0])


def impairment(ie: float, bpl: float, loss: float, burst_ratio: float) -> float:
    """Ie,eff (G.107, equation 7-29)."""
    percent = 100.0 * loss
    return ie + (95.0 - ie) * percent / (percent / max(1.0, burst_ratio) + bpl)


def _rows(coded: Coded, scale: Callable[[float], float], random: list[Heard], bursts: list[Heard], ie: float, bpl: float) -> list[Row]:
    case = f"{coded.name}, random loss 0-20 %"
    table = CODECS.get(coded.key)
    found = [
        Row(case, "Ie,WB of G.113" if coded.ie else "Ie,WB measured", ie, "R", "table", table.ie if table else None),
        Row(case, "Bpl fitted", bpl, "%", "table", table.bpl if table else None),
        Row(case, "error of the fit, rms", _rms(scale, random, lambda one: impairment(ie, bpl, one.loss, one.burst_ratio)), "MOS"),
    ]
    if table is not None:
        wrong = _rms(scale, random + bursts, lambda one: loss_impairment(table, one.loss, one.burst_ratio))
        found.append(Row(f"{coded.name}, all losses", "error of dsp/mos.py's table, rms", wrong, "MOS", goal="<= 0.6"))
    if bursts:
        wrong = _rms(scale, bursts, lambda one: impairment(ie, bpl, one.loss, one.burst_ratio))
        found.append(Row(f"{coded.name}, loss in bursts", "error of the fit, rms", wrong, "MOS"))
    return found


def _rms(scale: Callable[[float], float], heard: list[Heard], missing: Callable[[Heard], float]) -> float:
    wrong = [_mos(scale(one.pesq)) - _mos(WIDEBAND.ceiling - missing(one)) for one in heard]
    return math.sqrt(float(np.mean(np.square(wrong))))


def _mos(r: float) -> float:
    return mos_from_r(r / WIDEBAND.stretch)


# -- what is heard


def _speech(bench: "Bench") -> list[Samples]:
    """Some seconds of each of a few voices."""
    voices: dict[str, list] = {}  # type: ignore[type-arg]
    for clip in bench.corpus.speech():
        voices.setdefault(clip.speaker, []).append(clip)
    chosen = list(voices.values())[: 1 if bench.quick else _VOICES]
    return [talk(clips, _TALK_S)[: int(_TALK_S * RATE_HZ) // FRAME * FRAME] for clips in chosen]


def _hear(speech: list[Samples], coded: Coded, loss: Loss, *, concealment: bool = True) -> Heard:
    lost_share, ratios, quality, witness = [], [], [], []
    lead_in = int(_LEAD_IN_S * RATE_HZ)  # the jitter buffer finds its delay meanwhile
    for seed, x in enumerate(speech):
        packets = encoded(np.concatenate((x[-lead_in:], x)), coded.codec, coded.settings(loss.fraction))
        first = lead_in // FRAME
        lost, ratio = losses(len(packets) - first, seed, loss), BurstRatio()
        here = [*range(first), *(np.flatnonzero(~lost) + first)]
        y = played(packets, coded.codec, [(0.02 * (index + 1), int(index)) for index in here], concealment=concealment)[lead_in:]
        for gone in lost:
            ratio.count(lost=bool(gone))
        lost_share.append(lost.mean())
        ratios.append(ratio.value or 1.0)
        quality.append(pesq_wb(x, aligned(x, y, most=LAG_MOST)))
        if seed < _WITNESSED and concealment:
            witness.append(plcmos(y))
    return Heard(
        float(np.mean(lost_share)), float(np.mean(ratios)), float(np.mean(quality)), float(np.mean(witness)) if witness else math.nan
    )


# -- the scale


def _scale(speech: list[Samples], *, quick: bool) -> tuple[Callable[[float], float], list[Row]]:
    """Rating of a PESQ-WB value, from conditions whose rating is published."""
    known = [(pesq_wb(speech[0], speech[0]), WIDEBAND.ceiling)]
    for bitrate, ie in _G722_IE.items():
        known.append((float(np.mean([pesq_wb(x, _through_g722(x, bitrate)) for x in speech])), WIDEBAND.ceiling - ie))
    g711 = Coded("pcma", "G.711", PCMA)
    for loss in _BARE[::3] if quick else _BARE:
        heard = _hear(speech, g711, Loss(loss, _RANDOM_BURST), concealment=False)
        known.append((heard.pesq, 93.2 - loss_impairment(CODECS["g711-bare"], heard.loss)))
    measured, ratings = (np.array(column) for column in zip(*known, strict=True))
    curve = np.polynomial.Polynomial.fit(_raw(measured), ratings, 2)

    def scale(pesq: float) -> float:
        return float(np.clip(curve(_raw(np.array(pesq))), 0.0, WIDEBAND.ceiling))

    wrong = float(np.sqrt(np.mean([(_mos(scale(at)) - _mos(r)) ** 2 for at, r in known])))
    mended = _hear(speech, g711, Loss(0.05, _RANDOM_BURST))
    published = 93.2 - loss_impairment(CODECS["pcma"], mended.loss)
    case = "PESQ-WB as a rating"
    return scale, [
        Row(case, "published conditions beside the curve, rms", wrong, "MOS", goal="<= 0.3"),
        Row(case, "G.711 with our concealment at 5 %", scale(mended.pesq), "R", "G.113, appendix I", published),
    ]


def _raw(pesq: Values) -> Values:
    """P.862's raw score of a P.862.2 value (inverse of its mapping)."""
    within = np.clip(pesq, 1.02, 4.64)
    raw: Values = (3.8224 - np.log(4.0 / (within - 0.999) - 1.0)) / 1.3669
    return raw


def _through_g722(x: Samples, bitrate: int) -> Samples:
    data = G722Codec(RATE_HZ, bitrate).encode(to_pcm16(x))
    return np.frombuffer(G722Codec(RATE_HZ, bitrate).decode(data), np.int16).astype(np.float32) / np.float32(32768)
