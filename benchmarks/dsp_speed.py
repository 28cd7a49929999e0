"""Claim: the whole 16 kHz chain costs at most 30 µs per leg per 10 ms from 64 legs on, and blocks no other thread while it computes.

Every leg is in another place of a conversation with echo and noise, so that all stages work; blocks of 20 ms, as the media tick gives.
Costs are processor time of this process (all threads), the least of several stretches; wall time stands beside it. The stages are timed
inside the chain, by the objects that it hands the signal to. Peers run in the same process on the same signals, one leg at a time,
which is all they can do. Run it on a machine that has nothing else to do, with OPENBLAS_NUM_THREADS=1.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import Samples, find
from benchmarks.report import Options, Row
from benchmarks.scenes import RATE_HZ, Corpus, EchoPath, decaying_noise, echo_scene, noisy_mixes
from dsp.chain import Chain, FullBandChain
from ml.suppressor import Suppressor as Learned

_TICK_S, _HOPS = 0.02, 2
_LEGS = (1, 8, 64, 128, 256)
_GOAL_US = {RATE_HZ: 30.0, 48_000: 45.0}
_TICK_LEGS = 125
_COSTLY = ("aec3", "aec3+ns", "speex+res", "rnnoise", "livekit-aec3+ns")
_START = """
import time
begun = time.perf_counter()
import numpy as np
from dsp.chain import Chain
from ml.suppressor import Suppressor
chain = Chain(16, Suppressor(16))
chain.process(np.zeros((16, 320), np.float32), np.zeros((16, 320), np.float32))
print(time.perf_counter() - begun, time.process_time())
"""


@dataclass(frozen=True, slots=True)
class Legs:
    """``count`` legs that talk and hear, each somewhere else in the same conversation. ``near``, ``far`` (n,)."""

    near: Samples
    far: Samples
    count: int
    rate_hz: int

    def blocks(self, ticks: int) -> Iterable[tuple[Samples, Samples]]:
        """Blocks (legs, 20 ms) of what each leg says and of what it heard."""
        size = int(_TICK_S * self.rate_hz)
        begins = (np.arange(self.count) * 7919 * size // 8) % len(self.near)
        for tick in range(ticks):
            index = (begins[:, None] + tick * size + np.arange(size)) % len(self.near)
            yield self.near[index], self.far[index]


@dataclass
class Timed:
    """Stands for a stage inside the chain and adds up its processor time. Everything else passes."""

    stage: Any
    seconds: dict[str, float] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        what = getattr(self.stage, name)
        if not callable(what):
            return what

        def timed(*arguments: Any, **named: Any) -> Any:
            begun = time.thread_time()
            try:
                return what(*arguments, **named)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.thread_time() - begun

        return timed


@dataclass(frozen=True, slots=True)
class Cost:
    """µs per leg per 10 ms: least and median over stretches."""

    processor: float
    processor_median: float
    wall: float
    wall_median: float


def run(options: Options) -> list[Row]:
    near, far = conversation(options.data)
    counts = (1, 16) if options.quick else _LEGS
    ticks = 20 if options.quick else 150
    peers = peer_costs(near, far, options)
    rows = [Row("one leg, 16 kHz", f"{name}, processor time", value, "µs") for name, value in peers.items()]
    rival = "aec3" if "aec3" in peers else next(iter(peers), "")
    for count in counts:
        many = count >= 64
        cost = chain_cost(Legs(near, far, count, RATE_HZ), ticks)
        case = f"16 kHz chain, {count} leg{'s' * (count > 1)}"
        goal = f"<= {_GOAL_US[RATE_HZ]:g}" if many else ""
        rows += _cost_rows(case, cost, goal, rival, peers.get(rival))
        rows.append(Row(case, "legs per core", 10_000 / cost.processor, "legs", goal=">= 330" if many else ""))
        for stage, value in stage_costs(Legs(near, far, count, RATE_HZ), ticks).items():
            rows.append(Row(case, f"of it {stage}", value, "µs"))
    wide = np.repeat(near, 3), np.repeat(far, 3)
    for count in counts:
        cost = chain_cost(Legs(*wide, count, 48_000), ticks)
        goal = f"<= {_GOAL_US[48_000]:g}" if count >= 64 else ""
        rows += _cost_rows(f"48 kHz chain, {count} leg{'s' * (count > 1)}", cost, goal, "", None)
    legs = Legs(near, far, 16 if options.quick else _TICK_LEGS, RATE_HZ)
    rows += tick_rows(legs, 25 if options.quick else 1000)
    rows += lock_rows(legs, 0.5 if options.quick else 10.0)
    return rows + start_rows()


def conversation(data: Path | None) -> tuple[Samples, Samples]:
    """Near end with echo and noise, and far end, (n,) at 16 kHz."""
    corpus = Corpus(data or Path())
    scene = echo_scene(corpus, EchoPath("speed", (decaying_noise(0.3, RATE_HZ, seed=1),), drive=0.5, enr_db=30.0))
    noisy = noisy_mixes(corpus, 10.0, most=1)[0].noisy
    near = scene.mic + np.resize(noisy, len(scene.mic)) * np.float32(0.3)
    hop = RATE_HZ // 50
    whole = len(near) // hop * hop
    return near[:whole], scene.far[:whole]


def chain_cost(legs: Legs, ticks: int) -> Cost:
    return _cost(_chain(legs).process, legs, ticks)


def stage_costs(legs: Legs, ticks: int) -> dict[str, float]:
    """µs per leg per 10 ms of each object that the chain (or one of its stages) hands the signal to."""
    chain = _chain(legs)
    timed = timed_stages(chain)
    for near, far in legs.blocks(ticks // 3):
        chain.process(near, far)
    for one in timed.values():
        one.seconds.clear()
    for near, far in legs.blocks(ticks):
        chain.process(near, far)
    per = 1e6 / (ticks * _HOPS * legs.count)
    return {f"{name}.{method}": seconds * per for name, one in timed.items() for method, seconds in one.seconds.items()}


def peer_costs(near: Samples, far: Samples, options: Options) -> dict[str, float]:
    """µs per 10 ms of one leg, processor time, the least of three times over."""
    seconds = 4.0 if options.quick else 12.0
    n = int(seconds * RATE_HZ)
    near, far = near[:n], far[:n]
    peers = find(options.peers or ())
    costs = {}
    for name in options.peers or _COSTLY:
        if name in peers.cancellers:
            cancel = peers.cancellers[name].cancel
            costs[name] = _least(lambda cancel=cancel: cancel(near, far, RATE_HZ)) / (seconds * 100)  # type: ignore[misc]
        elif name in peers.suppressors:
            suppress = peers.suppressors[name].suppress
            costs[name] = _least(lambda suppress=suppress: suppress(near, RATE_HZ)) / (seconds * 100)  # type: ignore[misc]
    return costs


def tick_rows(legs: Legs, ticks: int) -> list[Row]:
    """Wall time of a tick of 20 ms at a clock's pace."""
    chain = _chain(legs)
    blocks = list(legs.blocks(50))
    walls = []
    due = time.perf_counter()
    for tick in range(ticks + 25):
        due += _TICK_S
        time.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        chain.process(*blocks[tick % len(blocks)])
        walls.append(1000 * (time.perf_counter() - begun))
    case = f"a tick of 20 ms, {legs.count} legs"
    times = np.array(walls[25:])
    return [
        Row(case, "median", float(np.median(times)), "ms"),
        Row(case, "p99", float(np.percentile(times, 99)), "ms", goal="<= 8"),
    ]


def lock_rows(legs: Legs, seconds: float) -> list[Row]:
    """By how much a thread that wants to run each millisecond comes late: beside an idle process, and beside the chain at full load."""
    idle = _lateness_ms(threading.Event().wait, seconds)
    chain, blocks = _chain(legs), list(legs.blocks(25))
    for block in blocks:
        chain.process(*block)

    def work(_: float) -> None:
        for near, far in blocks:
            chain.process(near, far)

    busy = _lateness_ms(work, seconds)
    case = f"another thread's loop of 1 ms, {legs.count} legs without a pause"
    return [
        Row(case, "p99 lateness", float(np.percentile(busy, 99)), "ms", "idle process", float(np.percentile(idle, 99)), "<= 1"),
        Row(case, "median lateness", float(np.median(busy)), "ms", "idle process", float(np.median(idle))),
    ]


def start_rows() -> list[Row]:
    """A process that imports the chain and makes its first block: with no compiled kernels, and with those of the start before."""
    with tempfile.TemporaryDirectory() as folder:
        starts = [(case, _start_s(folder)) for case in ("first start, kernels compiled", "later start, kernels from disk")]
    return [
        row
        for case, (wall_s, processor_s) in starts
        for row in (Row(case, "to the first block", wall_s, "s"), Row(case, "processor time", processor_s, "s"))
    ]


def _start_s(cache: str) -> tuple[float, float]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", _START], env=environment, capture_output=True, text=True, check=True)
    wall_s, processor_s = map(float, done.stdout.split())
    return wall_s, processor_s


def _lateness_ms(work: Callable[[float], object], seconds: float) -> list[float]:
    """``work`` is repeated in another thread meanwhile."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            work(0.01)

    worker = threading.Thread(target=repeat)
    worker.start()
    late = []
    try:
        due = end = time.perf_counter()
        end += seconds
        while due < end:
            due = max(due + 0.001, time.perf_counter() - 0.05)
            time.sleep(max(0.0, due - time.perf_counter()))
            late.append(1000 * (time.perf_counter() - due))
    finally:
        over.set()
        worker.join()
    return late


def _chain(legs: Legs) -> Chain | FullBandChain:
    return (Chain if legs.rate_hz == RATE_HZ else FullBandChain)(legs.count, Learned(legs.count))


def _cost(process: Callable[[Samples, Samples], object], legs: Legs, ticks: int, *, stretches: int = 5) -> Cost:
    """Blocks are made before, timed only is what the chain does with them; the first stretch is to get warm."""
    processor, wall = [], []
    per = 1e6 / (ticks // stretches * _HOPS * legs.count)
    blocks = list(legs.blocks(ticks // stretches))
    for _ in range(stretches + 1):
        begun, began = time.process_time(), time.perf_counter()
        for near, far in blocks:
            process(near, far)
        processor.append(per * (time.process_time() - begun))
        wall.append(per * (time.perf_counter() - began))
    return Cost(min(processor[1:]), float(np.median(processor[1:])), min(wall[1:]), float(np.median(wall[1:])))


def _cost_rows(case: str, cost: Cost, goal: str, rival: str, rival_us: float | None) -> list[Row]:
    return [
        Row(case, "per leg per 10 ms, processor time", cost.processor, "µs", rival if rival_us else "", rival_us, goal),
        Row(case, "the same, median", cost.processor_median, "µs"),
        Row(case, "per leg per 10 ms, wall time", cost.wall, "µs"),
        Row(case, "the same, median", cost.wall_median, "µs"),
    ]


def timed_stages(chain: object, prefix: str = "") -> dict[str, Timed]:
    """Put a stop-watch in front of each stage: attributes that can be reset, as stages can; those of the stages themselves too."""
    found: dict[str, Timed] = {}
    for name, stage in list(vars(chain).items()):
        if hasattr(stage, "reset") and not isinstance(stage, np.ndarray | type):
            label = prefix + name.strip("_")
            found |= timed_stages(stage, f"{label}/") if hasattr(stage, "__dict__") else {}
            found[label] = Timed(stage)
            setattr(chain, name, found[label])
    return found


def _least(work: Callable[[], object], *, times: int = 3) -> float:
    """µs of processor time."""
    spent = []
    for _ in range(times):
        begun = time.process_time()
        work()
        spent.append(1e6 * (time.process_time() - begun))
    return min(spent)
