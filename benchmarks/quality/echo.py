"""Claim: echo goes, and who talks over it is heard better than with any peer; devices, rooms, codecs and delays of 300 ms included.

The whole chain without its gain control, as a leg gets it, beside whole peers: what AEC3 has in itself it has here. Conversations of 24 s:
the far end alone, both, the far end alone again.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics import EchoMos, aecmos, convergence_s, erle_db, pesq_wb
from benchmarks.ours import chained
from benchmarks.peers import Samples
from benchmarks.report import Row
from benchmarks.scenes import EchoPath, EchoRecording, EchoScene, delayed_paths, echo_paths, echo_scene, talk
from dsp.chain import Stages

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

_RATE_HZ = 16_000
_SERS_DB = (-10.0, 0.0, 10.0, 20.0)
_TAKES = ((1, 2), (1, 5), (0, 7), (2, 9))
"""Double talk is judged over so many (room, pair of voices)."""
_STRONGEST = "aec3+ns"
_ENOUGH_DB = 50.0
_SETTLED_S = 8.0
_SCENARIOS = {"double": "double talk", "far": "far end alone", "near": "near end alone"}
_NEAR_S = 8.0

Cancel = Callable[[Sequence[Samples], Sequence[Samples]], list[Samples]]


def rows(bench: "Bench") -> list[Row]:
    ours = _ours()
    return [*_devices(bench, ours), *_double_talk(bench, ours), *_rooms(bench, ours), *_made(bench, ours), *_near_end(bench, ours)]


def _ours() -> Cancel:
    return lambda near, far: chained(near, far, stages=Stages(gain=False))


def _by_peer(bench: "Bench", name: str) -> Cancel:
    return lambda near, far: [bench.cancelled(name, heard, played) for heard, played in zip(near, far, strict=True)]


def _peers(bench: "Bench") -> dict[str, Cancel]:
    return {name: _by_peer(bench, name) for name in bench.peers.cancellers}


def _best(values: dict[str, float]) -> tuple[str, float | None]:
    name = max(values, key=lambda name: values[name], default="")
    return name, values.get(name)


def _devices(bench: "Bench", ours: Cancel) -> list[Row]:
    """Recordings of real devices, by who talks, and those in which the device is moved by themselves."""
    found = []
    recordings = bench.corpus.echo_real()[: 1 if bench.quick else None]
    for case, clips in _grouped(recordings).items():
        mine = _mos(clips, ours)
        scores = {name: _mos(clips, peer) for name, peer in _peers(bench).items()}
        peer, echo = _best({name: score.echo for name, score in scores.items()})
        found.append(Row(case, "AECMOS echo", mine.echo, "MOS", peer, echo, ">= 4.4"))
        peer, degradation = _best({name: score.degradation for name, score in scores.items()})
        found.append(Row(case, "AECMOS degradation", mine.degradation, "MOS", peer, degradation, ">= 4.0"))
        near, far = [clip.mic for clip in clips], [clip.far for clip in clips]
        for clip, heard in zip(clips, ours(near, far), strict=True):
            bench.keep("echo", clip.name, {"far": clip.far, "before": clip.mic, "after": heard})
    return found


def _grouped(recordings: Sequence[EchoRecording]) -> dict[str, list[EchoRecording]]:
    groups: dict[str, list[EchoRecording]] = {}
    for clip in recordings:
        groups.setdefault(f"devices, {_SCENARIOS[clip.talk]}", []).append(clip)
    if len(groups) > 1:
        groups["devices, all"] = list(recordings)
    return groups


def _mos(clips: Sequence[EchoRecording], cancel: Cancel) -> EchoMos:
    heard = cancel([clip.mic for clip in clips], [clip.far for clip in clips])
    scores = [aecmos(clip.far, clip.mic, one, clip.talk) for clip, one in zip(clips, heard, strict=True)]
    return EchoMos(float(np.mean([score.echo for score in scores])), float(np.mean([score.degradation for score in scores])))


def _double_talk(bench: "Bench", ours: Cancel) -> list[Row]:
    found, paths = [], echo_paths(bench.corpus, quick=bench.quick)
    for ser_db in _SERS_DB[1:2] if bench.quick else _SERS_DB:
        takes = _TAKES[2:3] if bench.quick else _TAKES
        scenes = [echo_scene(bench.corpus, paths[room], ser_db=ser_db, take=take) for room, take in takes]
        peer, best = _best({name: _pesq(scenes, cancel) for name, cancel in _peers(bench).items()})
        found.append(Row(f"double talk, SER {ser_db:g} dB", "PESQ-WB", _pesq(scenes, ours), "PESQ", peer, best, ">= peer + 0.2"))
    return found


def _pesq(scenes: Sequence[EchoScene], cancel: Cancel) -> float:
    heard = cancel([scene.mic for scene in scenes], [scene.far for scene in scenes])
    return float(np.mean([_talked(scene, one) for scene, one in zip(scenes, heard, strict=True)]))


def _talked(scene: EchoScene, heard: Samples) -> float:
    both = slice(*scene.double)
    return pesq_wb(scene.near[both], heard[both])


def _rooms(bench: "Bench", ours: Cancel) -> list[Row]:
    paths = echo_paths(bench.corpus, quick=bench.quick) + ([] if bench.quick else delayed_paths())
    scenes = [echo_scene(bench.corpus, path, take=take) for take, path in enumerate(paths)]
    near, far = [scene.mic for scene in scenes], [scene.far for scene in scenes]
    heard, others = ours(near, far), {name: cancel(near, far) for name, cancel in _peers(bench).items()}
    found = []
    for at, (path, scene) in enumerate(zip(paths, scenes, strict=True)):
        found += _room(path, scene, heard[at], {name: outs[at] for name, outs in others.items()})
        bench.keep("echo", path.name, {"far": scene.far, "before": scene.mic, "after": heard[at]})
    return found


def _room(path: EchoPath, scene: EchoScene, heard: Samples, others: dict[str, Samples]) -> list[Row]:
    settled = slice(int(_SETTLED_S * _RATE_HZ), scene.far_only[1])
    left = {name: erle_db(scene.mic[settled], out[settled]) for name, out in others.items()}
    enough = min(_ENOUGH_DB, left.get(_STRONGEST, _ENOUGH_DB))
    changed_s = path.change_s if len(path.rooms) > 1 else path.jump_s if len(path.delays_ms) > 1 else 0.0
    spans = [("echo lost by 20 dB after", 0.0, changed_s or _SETTLED_S, 1.0)]
    if changed_s:
        spans.append(("the same after the change", changed_s + path.delays_ms[-1] / 1000, scene.far_only[1] / _RATE_HZ, 1.5))
    found = [
        Row(path.name, "ERLE", erle_db(scene.mic[settled], heard[settled]), "dB", _STRONGEST, left.get(_STRONGEST), f">= {enough:.1f}")
    ]
    for metric, begin_s, end_s, goal_s in spans:
        part = slice(int(begin_s * _RATE_HZ), int(end_s * _RATE_HZ))
        taken = {name: convergence_s(scene.mic[part], out[part]) for name, out in others.items()}
        peer = min(taken, key=lambda name: taken[name], default="")
        found.append(
            Row(
                path.name, metric, _finite(convergence_s(scene.mic[part], heard[part])), "s", peer, _finite(taken.get(peer)), f"<= {goal_s}"
            )
        )
    peer, best = _best({name: _talked(scene, out) for name, out in others.items()})
    found.append(Row(path.name, "PESQ-WB in double talk", _talked(scene, heard), "PESQ", peer, best, ">= peer + 0.2"))
    return found


def _finite(seconds: float | None) -> float:
    """Never is 99 s: JSON has no infinity."""
    return 99.0 if seconds is None or math.isinf(seconds) else seconds


def _made(bench: "Bench", ours: Cancel) -> list[Row]:
    """Made echo from elsewhere, of which the near end is known; no goal was promised for it."""
    clips = [clip for clip in bench.corpus.echo_made() if clip.near is not None][: 1 if bench.quick else None]
    if not clips:
        return []

    def score(cancel: Cancel) -> float:
        heard = cancel([clip.mic for clip in clips], [clip.far for clip in clips])
        return float(np.mean([pesq_wb(clip.near, one) for clip, one in zip(clips, heard, strict=True) if clip.near is not None]))

    peer, best = _best({name: score(cancel) for name, cancel in _peers(bench).items()})
    return [Row("made echo from elsewhere", "PESQ-WB", score(ours), "PESQ", peer, best)]


def _near_end(bench: "Bench", ours: Cancel) -> list[Row]:
    """Nobody far talks: what echo cancellation does to a voice, without and with the chain around it."""
    voices: dict[str, list[Samples]] = {}
    clips = bench.corpus.speech(unseen=True)
    for clip in clips:
        voices.setdefault(clip.speaker, []).append(clip.samples)
    said = [talk([clip for clip in clips if clip.speaker == voice], _NEAR_S) for voice in list(voices)[: 1 if bench.quick else 4]]
    silence = [np.zeros_like(one) for one in said]

    def score(cancel: Cancel) -> float:
        return float(np.mean([pesq_wb(one, out) for one, out in zip(said, cancel(said, silence), strict=True)]))

    def echo_only(near: Sequence[Samples], far: Sequence[Samples]) -> list[Samples]:
        return chained(near, far, stages=Stages(high_pass=False, noise=False, gain=False))

    peer, best = _best({name: score(cancel) for name, cancel in _peers(bench).items()})
    return [
        Row("near end alone, echo cancellation", "PESQ-WB", score(echo_only), "PESQ", peer, best, ">= 4.5"),
        Row("near end alone, with noise suppression", "PESQ-WB", score(ours), "PESQ", peer, best),
    ]
