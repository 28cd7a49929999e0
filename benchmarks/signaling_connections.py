"""Claim: 5,000 signed-in clients that only sit there cost a tenth of a core and 40 kB each, with what is kept for their replay.

The same crowd (``crowd/``) connects to our hub and to Node's Socket.IO server, with the same heartbeat of 10 s; ours signs each client in
by a token, has 500 rooms of ten and keeps the last messages of each. Memory is the server process's own; CPU is its user and system time
over whole heartbeats.
"""

import time

from benchmarks.crowd.drive import NODE, Scene
from benchmarks.report import Options, Row

_HEARTBEAT_S = 10.0
_KEPT = 128


def run(options: Options) -> list[Row]:
    clients = 100 if options.quick else 5_000
    idle_s = 1.0 if options.quick else 2 * _HEARTBEAT_S
    ours = _measure(None, clients, idle_s)
    theirs = {} if options.quick else _measure(NODE, clients, idle_s)
    case = f"{clients:,} clients"

    def row(metric: str, unit: str, goal: str = "") -> Row:
        return Row(case, metric, ours[metric], unit, NODE, theirs.get(metric), goal)

    return [
        row("idle, of one core", "%", "<= 10"),
        row("memory each", "kB", "<= 40"),
        row("memory each, replay logs full", "kB", "<= 40"),
        row("CPU to connect one", "ms"),
    ]


def _measure(peer: str | None, clients: int, idle_s: float) -> dict[str, float]:
    with Scene(peer, clients=clients, rooms=clients // 10) as scene:
        before = scene.server.ask("look")
        scene.arrive(clients)
        there = scene.server.ask("look")
        time.sleep(idle_s)
        later = scene.server.ask("none")
        scene.server.ask("pace", clients // 10 * _KEPT, 4_000)
        scene.crowd.ask("wait", clients * _KEPT, 10_000)
        full = scene.server.ask("look")
    return {
        "idle, of one core": 100 * (later["cpu_s"] - there["cpu_s"]) / idle_s,
        "memory each": (there["rss"] - scene.bare_rss) / clients / 1e3,
        "memory each, replay logs full": (full["rss"] - scene.bare_rss) / clients / 1e3,
        "CPU to connect one": 1e3 * (there["cpu_s"] - before["cpu_s"]) / clients,
    }
