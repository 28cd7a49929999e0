"""Claim: echo that comes 300 ms late, whose delay jumps, or that went through Opus, is found by itself and cancelled like any other."""

import math
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics import convergence_s, erle_db, pesq_wb
from benchmarks.ours import chained
from benchmarks.report import Row
from benchmarks.scenes import RATE_HZ, EchoPath, EchoScene, Samples, delayed_paths, echo_scene
from dsp.chain import Chain, Stages

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

_TAKES = 2
_BLOCK_S = 0.02
_SETTLED_S = 3.0
"""The last seconds of the far end alone: there the echo return loss enhancement is that of a canceller that had its time."""
_REFERENCE = "aec3+ns"
_NEAR_S = 0.015
"""A delay told is right within so much."""


def rows(bench: "Bench") -> list[Row]:
    paths = delayed_paths()[:1] if bench.quick else delayed_paths()
    scenes = [(path, echo_scene(bench.corpus, path, take=take)) for path in paths for take in range(1 if bench.quick else _TAKES)]
    told: list[Samples] = []

    def watch(chain: Chain) -> None:
        told.append(chain.echo_delay_s[: len(scenes)].copy())

    outs = chained([scene.mic for _, scene in scenes], [scene.far for _, scene in scenes], stages=Stages(gain=False), watch=watch)
    delays = np.array(told).T
    found: list[Row] = []
    for path in paths:
        mine = [number for number, (other, _) in enumerate(scenes) if other is path]
        found += _delay_rows(path, [scenes[number][1] for number in mine], delays[mine])
        found += _echo_rows(bench, path, [scenes[number][1] for number in mine], [outs[number] for number in mine])
    return found


def _delay_rows(path: EchoPath, scenes: list[EchoScene], delays: Samples) -> list[Row]:
    """After how much echo (or echo after a jump) the delay is told, and how well at the end; the worst of the takes."""
    first = max(_until_found_s(scene, told, path.delays_ms[0] / 1000, 0.0) for scene, told in zip(scenes, delays, strict=True))
    error_ms = 1000 * float(np.abs(delays[:, -1] - path.delays_ms[-1] / 1000).max())
    rows = [
        Row(path.name, "delay found after", first, "s", goal="<= 1"),
        Row(path.name, "delay error at the end", math.inf if math.isnan(error_ms) else error_ms, "ms", goal="<= 20"),
    ]
    if len(path.delays_ms) > 1:
        again = max(_until_found_s(scene, told, path.delays_ms[1] / 1000, path.jump_s) for scene, told in zip(scenes, delays, strict=True))
        rows.insert(1, Row(path.name, "delay found after the jump", again, "s", goal="<= 1"))
    return rows


def _until_found_s(scene: EchoScene, told: Samples, delay_s: float, since_s: float) -> float:
    """Seconds of echo heard after ``since_s`` until the right delay is told (a pause tells nothing); infinity if it never is."""
    size = round(_BLOCK_S * RATE_HZ)
    power = np.mean(scene.echo[: len(scene.echo) // size * size].reshape(-1, size) ** 2, axis=1)
    begin = math.ceil(since_s / _BLOCK_S)
    heard = np.cumsum(power[begin:] > 1e-3 * power.max()) * _BLOCK_S
    right = np.abs(told[begin : len(power)] - delay_s) < _NEAR_S
    return float(heard[np.argmax(right)]) if right.any() else math.inf


def _echo_rows(bench: "Bench", path: EchoPath, scenes: list[EchoScene], outs: list[Samples]) -> list[Row]:
    """What is left of the echo, and of near speech in double talk: means over the takes, beside the peers'."""
    for scene, out in zip(scenes, outs, strict=True):
        bench.keep("bulk_delay", scene.name, {"far": scene.far, "mic": scene.mic, "out": out})
    names = () if bench.quick else tuple(bench.peers.cancellers)
    theirs = {name: [bench.cancelled(name, scene.mic, scene.far) for scene in scenes] for name in names}
    reference = (
        float(np.mean([_settled_db(*pair) for pair in zip(scenes, theirs[_REFERENCE], strict=True)])) if _REFERENCE in theirs else None
    )
    pesq = {name: float(np.mean([_talk_pesq(*pair) for pair in zip(scenes, theirs[name], strict=True)])) for name in names}
    best = max(pesq, key=lambda name: pesq[name], default="")
    rows = [
        Row(
            path.name,
            "echo return loss enhancement",
            float(np.mean([_settled_db(*pair) for pair in zip(scenes, outs, strict=True)])),
            "dB",
            _REFERENCE if reference is not None else "",
            reference,
            goal=f">= {min(50.0, reference):.2f}" if reference is not None else ">= 50",
        ),
        Row(path.name, "20 dB after", _converged_s(scenes, outs, 0.0, path.jump_s), "s", goal="<= 1"),
    ]
    if len(path.delays_ms) > 1:
        rows.append(Row(path.name, "20 dB again after the jump", _converged_s(scenes, outs, path.jump_s, math.inf), "s", goal="<= 1.5"))
    talk = float(np.mean([_talk_pesq(*pair) for pair in zip(scenes, outs, strict=True)]))
    rows.append(Row(path.name, "double talk", talk, "PESQ", best, pesq.get(best), goal=">= peer + 0.2"))
    return rows


def _settled_db(scene: EchoScene, heard: Samples) -> float:
    end = scene.far_only[1]
    last = slice(end - round(_SETTLED_S * RATE_HZ), end)
    return erle_db(scene.mic[last], heard[last])


def _converged_s(scenes: list[EchoScene], outs: list[Samples], begin_s: float, end_s: float) -> float:
    """The slowest of the takes."""
    slowest = 0.0
    for scene, out in zip(scenes, outs, strict=True):
        span = slice(round(begin_s * RATE_HZ), min(scene.far_only[1], round(min(end_s, 1e3) * RATE_HZ)))
        slowest = max(slowest, convergence_s(scene.mic[span], out[span]))
    return slowest


def _talk_pesq(scene: EchoScene, heard: Samples) -> float:
    return pesq_wb(scene.near[slice(*scene.double)], heard[slice(*scene.double)])
