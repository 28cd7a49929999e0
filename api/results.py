"""What was measured: rows with their goals, and the machine they were measured on. For the demo call and the benchmarks."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. ``goal`` is ``">= 3.5"``, ``"<= 0.6 x peer"``, ``">= peer + 0.2"`` or ``""`` (shown for comparison only).

    A goal that speaks of a peer which was not measured cannot be judged: ``holds`` is None.
    """

    case: str
    metric: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    goal: str = ""
    ratio: float | None = field(init=False)
    holds: bool | None = field(init=False)

    def __post_init__(self) -> None:
        ratio = self.value / self.peer_value if self.peer_value else None
        object.__setattr__(self, "ratio", ratio)
        judged = self.peer_value is not None or "peer" not in self.goal
        object.__setattr__(self, "holds", holds(self.goal, self.value, self.peer_value) if judged else None)


def holds(goal: str, value: float, peer_value: float | None = None) -> bool | None:
    """Does ``value`` keep what ``goal`` promises? None without a goal. Raises ValueError for a goal that cannot be read."""
    if not goal:
        return None
    sign, _, bound = goal.partition(" ")
    match bound.split():
        case ["peer"] | [_, "x", "peer"] | ["peer", "+" | "-", _] if peer_value is None:
            raise ValueError(f"goal {goal!r} speaks of a peer that was not measured")
        case ["peer"]:
            limit = float(peer_value or 0.0)
        case [figure]:
            limit = float(figure)
        case [factor, "x", "peer"]:
            limit = float(factor) * float(peer_value or 0.0)
        case ["peer", "+" | "-" as plus, figure]:
            limit = float(peer_value or 0.0) + float(f"{plus}{figure}")
        case _:
            raise ValueError(f"goal {goal!r} cannot be read")
    if sign == ">=":
        return bool(value >= limit)
    if sign == "<=":
        return bool(value <= limit)
    raise ValueError(f"goal {goal!r} begins with neither >= nor <=")


def machine(packages: Iterable[str]) -> dict[str, Any]:
    """CPU, cores, Python, versions of those packages that are there, and load, as far as this machine tells. No name and no address."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: found for name in packages if (found := _version(name))},
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def as_json(name: str, rows: list[Row], packages: Iterable[str]) -> str:
    """The one line that programs read."""
    return json.dumps({"benchmark": name, "machine": machine(packages), "rows": [_rounded(asdict(row)) for row in rows]})


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _cpu_name() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
