"""What every benchmark is asked for, and what it hands back: rows with their goals (``api/results.py``), as table or JSON."""

from dataclasses import dataclass
from pathlib import Path

from api import results
from api.results import Row, machine

__all__ = ["CannotRun", "Options", "Row", "as_json", "as_table"]

_PACKAGES = ("aiortc", "av", "numpy", "scipy", "numba", "G722", "pesq", "pywebrtc-audio", "livekit", "pyrnnoise", "speechmos")


class CannotRun(Exception):
    """Not as it was asked for; the message says why, or what to install."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line's wishes: ``data`` a folder of recordings in place of the shipped speech, ``quick`` only proves that it runs,
    ``only`` these parts of the benchmark, ``plots`` and ``samples`` folders for pictures and listening samples. ``wire``: the packet path
    of our workers, ``auto`` the one they would take; ``minutes``: that long in place of seconds."""

    data: Path | None = None
    quick: bool = False
    peers: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    plots: Path | None = None
    samples: Path | None = None
    wire: str = "auto"
    minutes: float = 0.0


def as_json(benchmark: str, rows: list[Row]) -> str:
    """The one line that programs read."""
    return results.as_json(benchmark, rows, _PACKAGES)


def as_table(benchmark: str, rows: list[Row]) -> str:
    """The same for people."""
    facts = machine(())
    lines = [f"{benchmark}: {facts['cpu']}, {facts['cores']} cores, Python {facts['python']}, load {facts['load'][0]}"]
    case = max(len(row.case) for row in rows)
    metric = max(len(row.metric) for row in rows)
    for row in rows:
        peer = f"  {row.peer} {row.peer_value:.3f}" if row.peer_value is not None else ""
        word = {True: "holds", False: "MISSED", None: "no peer to compare with"}[row.holds]
        verdict = f"  goal {row.goal}: {word}" if row.goal else ""
        lines.append(f"{row.case:{case}}  {row.metric:{metric}}  {row.value:9.3f} {row.unit:4}{peer}{verdict}")
    return "\n".join(lines)
