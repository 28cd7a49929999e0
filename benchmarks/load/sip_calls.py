"""SIPp (Debian: ``sip-tester``) as those who call: INVITE, 180, 200, ACK, BYE, 200."""

import asyncio
import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api.demo_call.process import ChildProcess, free_port
from benchmarks.load import process
from benchmarks.load.servers import HOST, LOAD_CORE
from benchmarks.report import CannotRun

_SCENARIO = Path(__file__).parent / "sip_call.xml"


@dataclass(frozen=True, slots=True)
class Load:
    """``rate``: calls begun each second, ``calls``: in all; each rings at one of ``called`` in turn. From ``load-...``, each another."""

    rate: int
    calls: int
    lasts_s: float
    called: Sequence[str] = ("bench",)


@dataclass(frozen=True, slots=True)
class Called:
    """``repeated``: sent twice by SIPp; ``most``: calls at once; ``slow``: answered after more than 50 ms."""

    failed: int
    repeated: int
    most: int
    slow: int


def check_sipp() -> None:
    """Raises CannotRun."""
    if shutil.which("sipp") is None:
        raise CannotRun("calls by SIP need SIPp: apt install sip-tester")


async def call(directory: Path, port: int, load: Load) -> Called:
    """Make so many calls, and wait until the last one is over. ``directory`` is made."""
    statistics, called = directory / "calls.csv", directory / "called.csv"
    await asyncio.to_thread(_prepare, called, load)
    command = ["sipp", f"{HOST}:{port}", "-sf", str(_SCENARIO), "-inf", str(called), "-i", HOST, "-p", str(free_port()), "-t", "u1"]
    command += ["-r", str(load.rate), "-m", str(load.calls), "-l", str(10 * load.rate), "-d", str(int(1000 * load.lasts_s)), "-nostdin"]
    command += ["-trace_stat", "-stf", str(statistics), "-fd", "1", "-timeout", str(60 + 2 * load.calls // load.rate)]
    async with ChildProcess("sipp", command, log=directory / "sipp.log", directory=directory, environment={"TERM": "xterm"}) as sipp:
        process.pin(sipp.pid, LOAD_CORE)
        await sipp.ended(90 + 2 * load.calls / load.rate)
    rows = await asyncio.to_thread(_rows, statistics)
    end = rows[-1]
    failed = load.calls - int(end["SuccessfulCall(C)"])
    most = max(int(row["CurrentCall"]) for row in rows)
    in_time = sum(int(end[f"ResponseTimeRepartition1_<{bound}"]) for bound in (1, 2, 5, 10, 20, 50))
    return Called(failed, int(end["Retransmissions(C)"]), most, load.calls - failed - in_time)


def _prepare(called: Path, load: Load) -> None:
    called.parent.mkdir()
    called.write_text("\n".join(("SEQUENTIAL", *load.called)) + "\n")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))
