"""Claim: the automatic gain brings any voice to its level within seconds and holds it there: no pumping, no noise lifted, nothing clipped.

Voices of every level, after a second of their room's noise 40 dB below, through high-pass, noise suppression, gain and limiter.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import active_level_dbfs, level_dbfs, pesq_wb
from benchmarks.ours import chained
from benchmarks.report import Row
from benchmarks.scenes import RATE_HZ, Clip, Samples, talk
from dsp.chain import Chain, Stages
from dsp.gain import CEILING, MOST_NOISE_DBFS, TARGET_DBFS

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

_LEVELS_DBFS = (-45.0, -36.0, -26.0, -16.0, -6.0)
_TALK_S, _LEAD_S, _SETTLED_S = 24.0, 1.0, 8.0
_ROOM_DB = 40.0
"""The room's noise lies so far below the voice."""
_BLOCK_S = 0.02
_ARRIVED_DB = 3.0


class Heard(NamedTuple):
    """What one voice of a level became. ``gains_db`` for each 20 ms."""

    clean: Samples
    out: Samples
    gains_db: NDArray[np.float64]


def rows(bench: "Bench") -> list[Row]:
    return [row for dbfs in (_LEVELS_DBFS[1:2] if bench.quick else _LEVELS_DBFS) for row in _level_rows(bench, dbfs)] + _square_rows()


def _level_rows(bench: "Bench", dbfs: float) -> list[Row]:
    heard = _heard(bench, dbfs)
    last = slice(-round(_SETTLED_S * RATE_HZ), None)
    settled = [one.gains_db[-round(_SETTLED_S / _BLOCK_S) :] for one in heard]
    off = max(abs(active_level_dbfs(one.out[last]) - TARGET_DBFS) for one in heard)
    case = f"voices at {dbfs:g} dBFS"
    arrivals = [_arrival_s(one.gains_db) for one in heard]
    untouched = min(pesq_wb(one.clean[last], one.out[last]) for one in heard)
    return [
        Row(case, "level missed by at most", off, "dB", goal="<= 3"),
        Row(case, "level reached after (median voice)", float(np.median(arrivals)), "s", goal="<= 6"),
        Row(case, "level reached after (slowest voice)", max(arrivals), "s"),
        Row(case, "gain moves, once settled", max(float(np.ptp(gains)) for gains in settled), "dB", goal="<= 3"),
        Row(case, "largest peak", max(20 * np.log10(float(np.abs(one.out).max())) for one in heard), "dBFS", goal="<= -1"),
        Row(
            case,
            "noise before the voice",
            max(level_dbfs(one.out[: round(_LEAD_S * RATE_HZ)]) for one in heard),
            "dBFS",
            goal=f"<= {MOST_NOISE_DBFS:g}",
        ),
        Row(case, "settled, least of the voices", untouched, "PESQ"),
    ]


def _heard(bench: "Bench", dbfs: float) -> list[Heard]:
    rng = np.random.default_rng(1)
    voices: dict[str, list[Clip]] = {}
    for clip in bench.corpus.speech():
        voices.setdefault(clip.speaker, []).append(clip)
    lead = np.zeros(round(_LEAD_S * RATE_HZ), np.float32)
    clean = [
        np.concatenate((lead, talk(clips, _TALK_S, active_dbfs=dbfs))) for clips in list(voices.values())[: 2 if bench.quick else None]
    ]
    room = np.float32(10 ** ((dbfs - _ROOM_DB) / 20))
    noisy = [np.clip(one + room * rng.standard_normal(len(one)).astype(np.float32), -1.0, 1.0) for one in clean]
    gains: list[NDArray[np.float32]] = []

    def watch(chain: Chain) -> None:
        gains.append(chain.gain_db[: len(clean)].copy())

    outs = chained(noisy, stages=Stages(echo=False), watch=watch)
    for number, (before, after) in enumerate(zip(noisy, outs, strict=True)):
        bench.keep("gain", f"{dbfs:g} dBFS, voice {number}", {"before": before, "after": after})
    told = np.array(gains, np.float64).T
    return [Heard(*one) for one in zip(clean, outs, told, strict=True)]


def _arrival_s(gains_db: NDArray[np.float64]) -> float:
    """When the gain came within 3 dB of where it settles (median), to stay; since the voice began."""
    away = np.flatnonzero(np.abs(gains_db - np.median(gains_db[-round(_SETTLED_S / _BLOCK_S) :])) > _ARRIVED_DB)
    return max(0.0, (away[-1] + 1) * _BLOCK_S - _LEAD_S) if len(away) else 0.0


def _square_rows() -> list[Row]:
    n = np.arange(5 * RATE_HZ)
    squares = [np.sign(np.sin(2 * np.pi * frequency_hz * n / RATE_HZ)).astype(np.float32) for frequency_hz in (50, 440, 3_000)]
    peak = max(float(np.abs(one).max()) for one in chained(squares, stages=Stages(echo=False)))
    return [Row("squares at full scale", "largest peak", 20 * np.log10(peak), "dBFS", goal=f"<= {20 * np.log10(CEILING):.1f}")]
