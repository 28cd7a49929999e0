"""Claim: the learned suppressor beats RNNoise at 0-10 dB and every peer at 20 dB, the classical one WebRTC's at its strongest by 0.05 PESQ.

Speech in real noises, two seconds of noise before it. Means over the mixes, scored on the part with speech; STOI beside that of the
noisy speech, which no suppression may make less intelligible.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.metrics import dnsmos, pesq_wb, stoi
from benchmarks.ours import chained
from benchmarks.peers import Samples
from benchmarks.report import Row
from benchmarks.scenes import NoisyMix, noisy_mixes
from dsp.chain import Stages
from dsp.suppress import LogSpectralSuppressor
from dsp.suppress import Suppressor as Estimator
from ml.suppressor import Suppressor as LearnedSuppressor

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

_SNRS_DB = (0.0, 5.0, 10.0, 20.0)
_MIXES = 20
_STAGES = Stages(high_pass=False, echo=False, gain=False)
_STRONGEST, _NETWORK = "webrtc-ns4", "rnnoise"
_ONLY_NETWORK_DB = 10.0
"""Up to here RNNoise is the peer to beat, above it the best of all."""


class Score(NamedTuple):
    """Means over mixes."""

    pesq: float
    overall: float
    stoi: float


def rows(bench: "Bench") -> list[Row]:
    found: list[Row] = []
    for snr_db in _SNRS_DB[1:2] if bench.quick else _SNRS_DB:
        mixes = noisy_mixes(bench.corpus, snr_db, most=1 if bench.quick else _MIXES)
        noisy = [mix.noisy for mix in mixes]
        untouched = _score(mixes, noisy)
        peers = {name: _score(mixes, [bench.suppressed(name, one) for one in noisy]) for name in bench.peers.suppressors}
        for name, make in estimators().items():
            ours = _score(mixes, chained(noisy, stages=_STAGES, suppressor=make))
            found += _rows(f"{name}, {snr_db:g} dB", snr_db, name == "classical", ours, untouched, peers)
    return found


def estimators() -> dict[str, Callable[[int], Estimator]]:
    """Ours by name, each made for so many rows."""
    return {"classical": LogSpectralSuppressor, "learned": LearnedSuppressor}


def _score(mixes: Sequence[NoisyMix], heard: Sequence[Samples]) -> Score:
    pairs = [(mix.spoken(mix.clean), mix.spoken(one)) for mix, one in zip(mixes, heard, strict=True)]
    return Score(
        float(np.mean([pesq_wb(*pair) for pair in pairs])),
        float(np.mean([dnsmos(one).overall for _, one in pairs])),
        float(np.mean([stoi(*pair) for pair in pairs])),
    )


def _rows(case: str, snr_db: float, is_fallback: bool, ours: Score, noisy: Score, peers: Mapping[str, Score]) -> list[Row]:
    found = []
    for metric, unit in (("pesq", "PESQ"), ("overall", "MOS")):
        values = {name: float(getattr(score, metric)) for name, score in peers.items()}
        if is_fallback:
            peer, goal = _STRONGEST, ">= peer + 0.05" if metric == "pesq" else ""
        else:
            peer = _NETWORK if snr_db <= _ONLY_NETWORK_DB else max(values, key=lambda name: values[name], default="")
            goal = ">= peer"
        named = "PESQ-WB" if metric == "pesq" else "DNSMOS overall"
        found.append(Row(case, named, getattr(ours, metric), unit, peer, values.get(peer), goal))
    return [*found, Row(case, "STOI", ours.stoi, "", "noisy", noisy.stoi, ">= peer")]
