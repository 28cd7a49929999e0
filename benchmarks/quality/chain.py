"""Claim: the whole chain is at most 20 ms late, leaves alone what needs nothing, and no leg's garbage reaches another or lasts."""

from collections import deque
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics import delay_samples, pesq_wb, stoi
from benchmarks.ours import chained
from benchmarks.peers import Samples
from benchmarks.report import Row
from benchmarks.scenes import RATE_HZ, talk
from dsp.chain import Chain, FullBandChain, Stages
from dsp.lanes import LANES
from ml.suppressor import Suppressor as Learned

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

_BLOCK = RATE_HZ // 50
_PEER = "aec3+ns"


def rows(bench: "Bench") -> list[Row]:
    return _delay(bench) + _clean(bench) + _garbage(bench)


def _delay(bench: "Bench") -> list[Row]:
    """From a sample in to the same sample out, with everything on; ``chained`` takes back what the chain says it is."""
    found = []
    for rate_hz, name, said in ((RATE_HZ, "16 kHz", Chain.delay_samples), (48_000, "48 kHz", FullBandChain.delay_samples)):
        voice = talk(bench.corpus.speech(rate_hz=rate_hz)[:1], 4.0)
        late = np.concatenate([voice, np.zeros(rate_hz // 10, np.float32)])
        heard = chained([late], rate_hz=rate_hz)[0]
        measured = delay_samples(late, heard, most=rate_hz // 20) + said
        found.append(Row(f"the whole chain, {name}", "delay", 1000 * measured / rate_hz, "ms", goal="<= 20"))
    return found


def _clean(bench: "Bench") -> list[Row]:
    """Clean speech while the far end is silent: there is nothing to do."""
    voices = list({clip.speaker: clip for clip in bench.corpus.speech(unseen=True)}.values())[: 2 if bench.quick else 6]
    speech = [talk([voice], 6.0) for voice in voices]
    rows = []
    for name, stages, goal in (
        ("echo stage", Stages(high_pass=False, noise=False, gain=False), ">= 4.5"),
        ("all but gain", Stages(gain=False), ""),
    ):
        heard = chained(speech, stages=stages)
        case = f"clean speech, far end silent, {name}"
        scores = [pesq_wb(one, other) for one, other in zip(speech, heard, strict=True)]
        clear = [stoi(one, other) for one, other in zip(speech, heard, strict=True)]
        peer = [pesq_wb(one, bench.cancelled(_PEER, one, np.zeros_like(one))) for one in speech] if _PEER in bench.peers.cancellers else []
        rows.append(
            Row(case, "PESQ-WB", float(np.mean(scores)), "MOS", _PEER if peer else "", float(np.mean(peer)) if peer else None, goal)
        )
        rows.append(Row(case, "STOI", float(np.mean(clear)), ""))
    return rows


def _garbage(bench: "Bench") -> list[Row]:
    """One tile of legs: half of them speak, between them what no phone should send. Then the same with silence in place of the garbage."""
    voice = talk(bench.corpus.speech()[:1], 2.0 if bench.quick else 8.0)
    voice = voice[: len(voice) // _BLOCK * _BLOCK]
    garbage = _garbage_of(len(voice))
    near = np.zeros((LANES, len(voice)), np.float32)
    near[::2] = [np.roll(voice, 1600 * row) for row in range(LANES // 2)]
    far = np.roll(near, 8000, axis=1)
    spoilt, spoilt_far = near.copy(), far.copy()
    for number, row in enumerate(range(1, LANES, 2)):
        spoilt[row], spoilt_far[row] = garbage[number % len(garbage)], garbage[(number + 3) % len(garbage)]
    quiet, _ = _through(near, far)
    beside, chain = _through(spoilt, spoilt_far)
    begun = _size(_through(spoilt[:, : 5 * _BLOCK], spoilt_far[:, : 5 * _BLOCK])[1])
    changed = int((quiet[::2] != beside[::2]).any(axis=1).sum())
    after = _settled(chain, voice)
    case = "NaN, infinity, direct current, square waves and noise in every second leg"
    return [
        Row(case, "other legs whose samples change", changed, "legs", goal="<= 0"),
        Row(case, "samples out that are no number or beyond full scale", int((~(np.abs(beside) <= 1.0)).sum()), "", goal="<= 0"),
        Row(case, "state grows after 0.1 s by", _size(chain) - begun, "byte", goal="<= 0"),
        Row(case, "PESQ-WB of speech in the spoilt legs afterwards, least", after, "MOS"),
    ]


def _garbage_of(n: int) -> list[Samples]:
    rng, t = np.random.default_rng(3), np.arange(n)
    vanishing = np.where(t // _BLOCK % 2 == 0, 0.0, rng.standard_normal(n))
    kinds = (
        np.full(n, np.nan),
        np.where(t % 2 == 0, np.inf, -np.inf),
        np.full(n, 1.0),
        np.where(t // 40 % 2 == 0, 1.0, -1.0),
        rng.standard_normal(n) * 1e30,
        vanishing,
        rng.standard_normal(n) * 1e-38,
    )
    return [kind.astype(np.float32) for kind in kinds]


def _through(near: Samples, far: Samples) -> tuple[Samples, Chain]:
    chain, out = _chain(), np.empty_like(near)
    for row in range(LANES):
        chain.switch(row, Stages())
    for at in range(0, near.shape[1], _BLOCK):
        out[:, at : at + _BLOCK] = chain.process(near[:, at : at + _BLOCK], far[:, at : at + _BLOCK])
    return out, chain


def _size(state: object) -> int:
    """Bytes of all arrays and numbers of items of all containers that an object holds."""
    if isinstance(state, np.ndarray):
        return state.nbytes
    if isinstance(state, dict):
        return len(state) + sum(_size(each) for each in state.values())
    if isinstance(state, list | tuple | set | deque):
        return len(state) + sum(_size(each) for each in state)
    return _size(vars(state)) if hasattr(state, "__dict__") and not isinstance(state, type | ModuleType) and not callable(state) else 0


def _chain() -> Chain:
    return Chain(LANES, Learned(LANES))


def _settled(chain: Chain, voice: Samples) -> float:
    """A voice in every leg after all that, nothing reset: its second time through is scored."""
    said = np.tile(voice, (LANES, 2))
    silence = np.zeros((LANES, _BLOCK), np.float32)
    out = np.concatenate([chain.process(said[:, at : at + _BLOCK], silence) for at in range(0, said.shape[1], _BLOCK)], axis=1)
    return min(pesq_wb(voice, out[row, len(voice) :]) for row in range(1, LANES, 2))
