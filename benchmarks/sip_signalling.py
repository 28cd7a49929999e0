"""Claims: 250 calls set up each second and 500 at once, none fails and nothing is sent twice; a call costs the bare agent 1.0 ms of CPU.

SIPp (Debian: ``sip-tester``) calls, rings are answered at once, each call lasts 2 s: INVITE, 180, 200, ACK, BYE, 200. The agent, our trunk
with nobody behind it, is a process of its own on a core of its own; beside it aiosipua in the same run. ``--minutes`` goes on for so long
(1.6: 24,000 calls) and holds memory to what it was after as many seconds as transactions are remembered.
"""

import asyncio
import csv
import importlib.util
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from api.demo_call.process import ChildProcess, free_port
from benchmarks.load import process
from benchmarks.load.claims import peers
from benchmarks.load.servers import SERVER_CORE
from benchmarks.load.sip_agents import HOST
from benchmarks.report import CannotRun, Options, Row

_SCENARIO = Path(__file__).parent / "load" / "sip_call.xml"
_LOAD_CORE = 0
_WITHIN_S = 10.0
_REMEMBERED_S = 40.0
"""Longer than a transaction over UDP (RFC 3261: 32 s)."""


@dataclass(frozen=True, slots=True)
class _Load:
    """``rate``: calls begun each second, ``calls``: in all."""

    rate: int
    calls: int
    lasts_s: float


@dataclass(frozen=True, slots=True)
class _Carried:
    """``cpu_s``, and resident bytes after warming up (``warm``) and at the end (``resident``), of the agent; ``slow``: calls that it
    answered after more than 50 ms.
    """

    calls: int
    failed: int
    repeated: int
    most: int
    cpu_s: float
    warm: int
    resident: int
    slow: int


def run(options: Options) -> list[Row]:
    if shutil.which("sipp") is None:
        raise CannotRun("sip_signalling needs SIPp: apt install sip-tester")
    return uvloop.run(_measure(options))


async def _measure(options: Options) -> list[Row]:
    load = _Load(20, 20, 0.2) if options.quick else _Load(250, int(250 * max(8.0, 60 * options.minutes)), 2.0)
    ours = await _carry("ours", load)
    others = await peers(options, aiosipua=lambda: _carry("aiosipua", load))
    peer = others.get("aiosipua")
    case = f"{load.rate} calls/s of {load.lasts_s:g} s"

    def row(metric: str, unit: str, value: float, theirs: float | None, goal: str = "") -> Row:
        return Row(case, metric, value, unit, "aiosipua" if theirs is not None else "", theirs, goal)

    def of(carried: _Carried) -> dict[str, tuple[float, str]]:
        return {
            "calls failed": (carried.failed, ""),
            "requests and responses repeated": (carried.repeated, ""),
            "calls at once, most": (carried.most, ""),
            "CPU per call": (1000 * carried.cpu_s / carried.calls, "ms"),
            "calls answered after 50 ms": (carried.slow, ""),
            "memory": (carried.resident / 1e6, "MB"),
            "memory since it had warmed up": ((carried.resident - carried.warm) / 1e6, "MB"),
        }

    goals = {"calls failed": "<= 0", "requests and responses repeated": "<= 0"}
    if not options.quick:
        goals |= {"calls at once, most": ">= 490", "CPU per call": "<= 1.0"}
    if options.minutes:
        goals["memory since it had warmed up"] = "<= 16"
    theirs = of(peer) if peer is not None else {}
    return [row(name, unit, value, theirs.get(name, (None, ""))[0], goals.get(name, "")) for name, (value, unit) in of(ours).items()]


async def _carry(name: str, load: _Load) -> _Carried:
    if name != "ours" and importlib.util.find_spec(name) is None:
        raise CannotRun(f"--peer {name}: pip install {name}")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        command = [sys.executable, "-m", "benchmarks.load.sip_agents", name, str(port)]
        async with ChildProcess(name, command, log=directory / "agent.log", directory=Path.cwd()) as agent:
            await agent.said("ready", _WITHIN_S)
            process.pin(agent.pid, SERVER_CORE)
            warming = replace(load, calls=min(load.calls // 2, int(_REMEMBERED_S * load.rate)))
            warm = await _call(_made(directory / "warm"), port, warming)
            before = process.usage([agent.pid])
            whole = await _call(_made(directory / "calls"), port, load)
            after = process.usage([agent.pid])
            await agent.stop()
            counted = json.loads((await agent.said(r"^\{.*\}$", _WITHIN_S)).group())
    return _Carried(
        load.calls,
        whole.failed + warm.failed,
        whole.repeated + warm.repeated + counted.get("retransmissions", 0),
        whole.most,
        after.cpu_s - before.cpu_s,
        before.bytes,
        after.bytes,
        whole.slow,
    )


@dataclass(frozen=True, slots=True)
class _Called:
    failed: int
    repeated: int
    most: int
    slow: int


async def _call(directory: Path, port: int, load: _Load) -> _Called:
    """Make so many calls, and wait until the last one is over."""
    statistics = directory / "calls.csv"
    command = ["sipp", f"{HOST}:{port}", "-sf", str(_SCENARIO), "-s", "bench", "-i", HOST, "-p", str(free_port()), "-t", "u1"]
    command += ["-r", str(load.rate), "-m", str(load.calls), "-l", str(10 * load.rate), "-d", str(int(1000 * load.lasts_s)), "-nostdin"]
    command += ["-trace_stat", "-stf", str(statistics), "-fd", "1", "-timeout", str(60 + 2 * load.calls // load.rate)]
    async with ChildProcess("sipp", command, log=directory / "sipp.log", directory=directory, environment={"TERM": "xterm"}) as sipp:
        process.pin(sipp.pid, _LOAD_CORE)
        await sipp.ended(90 + 2 * load.calls / load.rate)
    rows = await asyncio.to_thread(_rows, statistics)
    end = rows[-1]
    failed = load.calls - int(end["SuccessfulCall(C)"])
    most = max(int(row["CurrentCall"]) for row in rows)
    in_time = sum(int(end[f"ResponseTimeRepartition1_<{bound}"]) for bound in (1, 2, 5, 10, 20, 50))
    return _Called(failed, int(end["Retransmissions(C)"]), most, load.calls - failed - in_time)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))
