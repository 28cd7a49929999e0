"""Claims: 250 calls set up each second and 500 at once, none fails and nothing is sent twice; a call costs the bare agent 1.0 ms of CPU,
and the whole product, with call control and record, 2.0 ms.

SIPp calls, each call lasts 2 s. ``agent``: our trunk with nobody behind it, which answers at once, is a process of its own on a core of its
own; beside it aiosipua and pjsua2 in the same run. ``product``: ``centralita serve`` with one media worker; each call rings at an agent of
its own, who is signed in by Socket.IO and accepts as soon as the page hears of it, without a browser's audio. Hub and worker share a core.
``--minutes`` makes as many calls as 250 a second are in so long (1.6: 24,000), beside those that warm up, and holds memory to what it was
after as many seconds as transactions are remembered. The whole product, whose hub and worker have one core together, makes them 100 times a
second: what is to be seen is whether anything stays behind or fails, and not how fast it goes.
"""

import asyncio
import importlib.util
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop

from api.demo_call.process import ChildProcess, free_port
from benchmarks.load import process
from benchmarks.load.claims import peers
from benchmarks.load.product import product, records
from benchmarks.load.servers import SERVER_CORE
from benchmarks.load.sip_calls import Called, Load, call, check_sipp
from benchmarks.report import CannotRun, Options, Row

_WITHIN_S = 10.0
_REMEMBERED_S = 40.0
"""Longer than a transaction over UDP (RFC 3261: 32 s)."""
_RATE, _STEADY_RATE = 250, 100
_LOOK_EVERY_S = 0.5
_PEERS = ("aiosipua", "pjsua2")
_AGENT_GOAL, _PRODUCT_GOAL = "<= 1.0", "<= 2.0"


@dataclass(frozen=True, slots=True)
class _Carried:
    """``cpu_s`` by process, and resident bytes of all after warming up (``warm``), half-way and at the end (``resident``); ``more``:
    figures of its own, each with its goal.
    """

    load: Load
    whole: Called
    failed: int
    repeated: int
    cpu_s: Mapping[str, float]
    warm: int
    halfway: int
    resident: int
    more: Mapping[str, tuple[float, str]] = field(default_factory=dict)


def run(options: Options) -> list[Row]:
    check_sipp()
    return uvloop.run(_measure(options))


async def _measure(options: Options) -> list[Row]:
    load = Load(20, 20, 0.2) if options.quick else Load(_RATE, int(_RATE * max(8.0, 60 * options.minutes)), 2.0)
    wanted = options.only or ("agent", "product")
    rows: list[Row] = []
    if "agent" in wanted:
        ours = await _bare("ours", load)
        beside = await peers(options, **{name: lambda name=name: _bare(name, load) for name in _PEERS})
        rows += _rows(_case(load), ours, beside, options, _AGENT_GOAL)
    if "product" in wanted:
        carried = await _product(replace(load, rate=_STEADY_RATE) if options.minutes and not options.quick else load)
        rows += _rows(f"whole product, {_case(carried.load)}", carried, {}, options, _PRODUCT_GOAL)
    return rows


def _case(load: Load) -> str:
    return f"{load.rate} calls/s of {load.lasts_s:g} s"


def _rows(case: str, ours: _Carried, beside: Mapping[str, _Carried], options: Options, cost: str) -> list[Row]:
    goals = {"calls failed": "<= 0", "requests and responses repeated": "<= 0"}
    if not options.quick:
        goals |= {"calls at once, most": f">= {int(0.98 * ours.load.rate * ours.load.lasts_s)}", "CPU per call": cost}
    if options.minutes:
        goals["memory since it had warmed up"] = "<= 16"
    rows = []
    theirs = {name: _figures(carried) for name, carried in beside.items()}
    for metric, (value, unit) in _figures(ours).items():
        goal = goals.get(metric, "")
        for name, figures in (theirs or {"": {}}).items():
            rows.append(Row(case, metric, value, unit, name, figures[metric][0] if figures else None, goal))
            goal = ""
    return rows + [Row(case, metric, value, "", goal=goal) for metric, (value, goal) in ours.more.items()]


def _figures(carried: _Carried) -> dict[str, tuple[float, str]]:
    per_call = {name: (1000 * cpu_s / carried.load.calls, "ms") for name, cpu_s in carried.cpu_s.items()}
    parts = {f"CPU per call, {name}": figure for name, figure in per_call.items()} if len(per_call) > 1 else {}
    return {
        "calls failed": (carried.failed, ""),
        "requests and responses repeated": (carried.repeated, ""),
        "calls at once, most": (carried.whole.most, ""),
        "CPU per call": (sum(value for value, _ in per_call.values()), "ms"),
        **parts,
        "calls answered after 50 ms": (carried.whole.slow, ""),
        "memory when it had warmed up": (carried.warm / 1e6, "MB"),
        "memory half-way": (carried.halfway / 1e6, "MB"),
        "memory at the end": (carried.resident / 1e6, "MB"),
        "memory since it had warmed up": ((carried.resident - carried.warm) / 1e6, "MB"),
    }


async def _carry(directory: Path, port: int, load: Load, pids: Mapping[str, int]) -> _Carried:
    """Warm up, then carry the load; memory is looked at meanwhile."""
    warming = replace(load, calls=min(load.calls // 2, int(_REMEMBERED_S * load.rate)))
    warm = await call(directory / "warm", port, warming)
    before = {name: process.usage([pid]) for name, pid in pids.items()}
    calling = asyncio.create_task(call(directory / "calls", port, load), name="sipp")
    seen = await _memory(pids.values(), calling)
    whole = await calling
    after = {name: process.usage([pid]) for name, pid in pids.items()}
    return _Carried(
        load,
        whole,
        whole.failed + warm.failed,
        whole.repeated + warm.repeated,
        {name: after[name].cpu_s - before[name].cpu_s for name in pids},
        sum(usage.bytes for usage in before.values()),
        seen[len(seen) // 2],
        sum(usage.bytes for usage in after.values()),
        {"calls made": (load.calls + warming.calls, "")},
    )


async def _memory(pids: Iterable[int], meanwhile: "asyncio.Task[Called]") -> list[int]:
    """Resident bytes of all, time after time."""
    seen = [process.usage(pids).bytes]
    while not (await asyncio.wait({meanwhile}, timeout=_LOOK_EVERY_S))[0]:
        seen.append(process.usage(pids).bytes)
    return seen


async def _bare(name: str, load: Load) -> _Carried:
    if name != "ours" and importlib.util.find_spec(name) is None:
        raise CannotRun(f"--peer {name}: pip install {name}")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        command = [sys.executable, "-m", "benchmarks.load.sip_agents", name, str(port)]
        async with ChildProcess(name, command, log=directory / "agent.log", directory=Path.cwd()) as agent:
            if cannot := (await agent.said("^(?:ready|cannot: (.*))$", _WITHIN_S)).group(1):
                raise CannotRun(cannot)
            process.pin(agent.pid, SERVER_CORE)
            carried = await _carry(directory, port, load, {name: agent.pid})
            await agent.stop()
            counted = json.loads((await agent.said(r"^\{.*\}$", _WITHIN_S)).group())
    return replace(carried, repeated=carried.repeated + counted.get("retransmissions", 0))


async def _product(load: Load) -> _Carried:
    """Half as many agents again as calls at once, so that whoever is called has long been free."""
    agents = tuple(f"agent{number}" for number in range(10 + int(1.5 * load.rate * load.lasts_s)))
    with tempfile.TemporaryDirectory(prefix="centralita-calls-") as folder:
        directory = Path(folder)
        async with product(directory, agents) as found:
            carried = await _carry(directory, found.port, replace(load, called=agents), {"hub": found.hub, "worker": found.worker})
        kept, whole, callers = await records(found)
        made = int(carried.more["calls made"][0])
        more = {
            **carried.more,
            "records of calls, whole and each once": (whole, f">= {made}"),
            "records too many": (kept - min(made, callers), "<= 0"),
            "calls accepted": (found.accepted, ""),
            "requests of agents refused": (sum(found.refused.values()), "<= 0"),
            **{f"refused with {code}": (number, "") for code, number in found.refused.items()},
            "errors in the server's log": (found.node.faults, "<= 0"),
        }
    return replace(carried, more=more)
