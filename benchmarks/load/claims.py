"""What a capacity benchmark says: the load that was carried, what it cost, whether all of it came, and how it sounded, beside its peers."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from api.load.streams import percentile_s
from benchmarks.load.bench import FULL, PACKETS_PER_S, Measured
from benchmarks.load.voices import Quality
from benchmarks.report import CannotRun, Options, Row

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``carried`` units (calls, legs, participants) of ``legs`` far ends each. ``qualities``: by what is heard where, "" for all."""

    carried: int
    legs: int
    measured: Measured
    qualities: Mapping[str, Quality] = field(default_factory=dict)
    forwarded: bool = True


def rows(case: str, unit: str, ours: Outcome, peers: Mapping[str, Outcome], goals: Mapping[str, str]) -> list[Row]:
    """One row for each figure, or as many as there are peers that have it. ``goals`` by the figure's name, or by ``name, peer``."""
    found = []
    theirs = {name: _figures(unit, outcome) for name, outcome in peers.items()}
    for metric, (value, measure) in _figures(unit, ours).items():
        beside = [(name, figures[metric][0]) for name, figures in theirs.items() if metric in figures]
        goal = goals.get(metric, "")
        if not beside:
            found.append(Row(case, metric, value, measure, goal=goal))
        for name, figure in beside:
            found.append(Row(case, metric, value, measure, name, figure, goals.get(f"{metric}, {name}", goal)))
            goal = ""
    return found


def _figures(unit: str, outcome: Outcome) -> dict[str, tuple[float, str]]:
    measured, counts = outcome.measured, outcome.measured.counts
    found = {
        f"{unit} carried": (float(outcome.carried), ""),
        "server's share": (measured.utilisation, "cores"),
        "server kept waiting for its core": (100 * measured.waited_s / measured.seconds, "%"),
        "load generator's share": (measured.load_cpu_s / measured.seconds, "cores"),
        "load generator's pace": (100 * counts.frames_said / (PACKETS_PER_S * measured.seconds * measured.legs), "%"),
        "load generator late, p99": (1000 * percentile_s(counts.lateness, 99), "ms"),
        "CPU per packet in and out" if outcome.forwarded else "CPU per leg and 20 ms": (measured.frame_us, "us"),
        f"{unit} per core at {FULL:.0%}": (measured.legs_per_core / outcome.legs, ""),
    }
    if outcome.forwarded:
        found |= {f"added delay, p{percent}": (measured.delay_ms(percent), "ms") for percent in (50, 95, 99)}
        found["far ends that heard it recoded"] = (float(counts.unlike), "")
    else:
        found["behind the fastest packet, p99"] = (measured.delay_ms(99), "ms")
        found["far ends that heard nothing"] = (float(counts.silent), "")
    found |= {
        "packets late by more than 20 ms": (100 * counts.late / max(1, counts.sent), "%"),
        "packets lost": (float(counts.lost), ""),
        "packets altered, forged, out of order": (float(counts.altered + counts.forged + counts.disordered), ""),
        "memory per leg": (measured.bytes_per_leg / 1000, "kB"),
    }
    for where, quality in outcome.qualities.items():
        heard, metric = f", {where}" if where else "", f"PESQ-{quality.band.upper()}"
        found |= {f"{metric}{heard}": (quality.pesq, "MOS"), f"{metric}{heard}, worst speaker": (quality.worst, "MOS")}
        if quality.plcmos is not None:
            found[f"PLCMOS{heard}"] = (quality.plcmos, "MOS")
    return found


async def peers(options: Options, **found: Callable[[], Awaitable[Found]]) -> dict[str, Found]:
    """Those that are wanted. A peer that is not installed is left out with a word about it, unless it was asked for by name."""
    outcomes = {}
    for name, measure in found.items():
        if options.quick or (options.peers and name not in options.peers):
            continue
        try:
            outcomes[name] = await measure()
        except CannotRun as error:
            if name in options.peers:
                raise
            print(f"without {name}: {error}", file=sys.stderr)
    return outcomes
