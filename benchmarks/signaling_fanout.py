"""Claims: 10,000 messages a second reach their readers with p95 <= 50 ms, at half or more of the throughput per core of Node's Socket.IO
server; after a reconnect storm everybody has everything exactly once; who does not read costs 1 MB and then its connection; who floods
costs others nothing.

The same crowd (``crowd/``: one thread of C, whose share of a core is shown) hears our hub and the Node server. Ages are from the monotonic
clock read at publishing to the crowd's reading. Throughput is deliveries per second of the server's own CPU time.
"""

from benchmarks.crowd.drive import NODE, Scene
from benchmarks.report import Options, Row

_ROOM = 10
_ASKED = 45
"""At once, 5 ms apart: with ten to begin with, what a client may by default."""
_KERNEL_KB = 262.144
"""What the kernel may hold of a connection that is not read, beside the server's own memory (``signaling/conduit.py``)."""


def run(options: Options) -> list[Row]:
    parts = options.only or ("fanout", "storm", "frozen", "flood")
    rows: list[Row] = []
    if "fanout" in parts:
        rows += _fanout(options.quick)
    if "storm" in parts:
        rows += _storm(options.quick)
    if "frozen" in parts:
        rows += _frozen(options.quick)
    if "flood" in parts:
        rows += _flood(options.quick)
    return rows


def _fanout(quick: bool) -> list[Row]:
    clients, seconds = (100, 1) if quick else (1_000, 10)
    rows = []
    for case, room in ((f"rooms of {_ROOM}", _ROOM), ("one room", clients)):
        ours = _measure(None, clients, room, seconds)
        theirs = {} if quick else _measure(NODE, clients, room, seconds)
        for metric, unit, goal in (
            ("p50", "ms", ""),
            ("p95", "ms", "<= 50"),
            ("p99", "ms", ""),
            ("of one core", "%", ""),
            ("load's own core", "%", ""),
            ("throughput per core", "/s", ">= 0.5 x peer"),
        ):
            rows.append(Row(f"{case}, 10,000/s", metric, ours[metric], unit, NODE, theirs.get(metric), goal))
    return rows


def _measure(peer: str | None, clients: int, room: int, seconds: int) -> dict[str, float]:
    with Scene(peer, clients=clients, rooms=clients // room) as scene:
        scene.arrive(clients)
        per_s = 10_000 // room
        began = scene.crowd.ask("count") | scene.crowd.ask("report"), scene.server.ask("look")
        scene.server.write(f"pace {per_s * seconds} {per_s}\n")
        paced = scene.crowd.ask("wait", per_s * seconds * room, 2_000 * seconds)
        after = scene.server.answer()
        scene.crowd.ask("count")
        before = scene.server.ask("look")
        count = 20 * 10_000 // room
        scene.server.write(f"burst {count}\n")
        burst = scene.crowd.ask("wait", count * room, 60_000)
        scene.server.answer()
        done = scene.server.ask("none")
    return {
        "p50": paced["p50_ms"],
        "p95": paced["p95_ms"],
        "p99": paced["p99_ms"],
        "of one core": 100 * (after["cpu_s"] - began[1]["cpu_s"]) / seconds,
        "load's own core": 100 * (paced["cpu_s"] - began[0]["cpu_s"]) / seconds,
        "throughput per core": burst["messages"] / (done["cpu_s"] - before["cpu_s"]),
    }


def _storm(quick: bool) -> list[Row]:
    clients, rooms, count, seconds = (200, 10, 1_000, 1) if quick else (2_000, 100, 10_000, 10)
    with Scene(None, clients=clients, rooms=rooms) as scene:
        scene.arrive(clients)
        scene.crowd.ask("count")
        scene.server.write(f"numbered {count} {count // seconds}\n")
        scene.crowd.ask("wait", 2 * clients, 5_000)  # everybody has heard something
        scene.crowd.ask("leave", clients, 200 * seconds)
        back = scene.arrive(600 * seconds, "return")
        scene.server.answer()
        heard = scene.crowd.ask("wait", count // rooms * clients, 5_000)
        found = scene.crowd.ask("numbers", count, rooms)
    case = f"storm: {clients:,} drop and return, {count:,} messages"
    return [
        Row(case, "missing", found["missing"], "", goal="<= 0"),
        Row(case, "twice", found["twice"], "", goal="<= 0"),
        Row(case, "out of order", found["disorder"], "", goal="<= 0"),
        Row(case, "heard", heard["messages"], ""),
        Row(case, "return took", back["took_ms"] / 1e3, "s", goal="<= 10"),
    ]


def _frozen(quick: bool) -> list[Row]:
    frozen = 5 if quick else 50
    with Scene(None, clients=frozen, rooms=frozen) as scene:
        scene.arrive(frozen)
        scene.server.ask("pace", 200 * frozen, 20_000)  # the replay logs are full
        scene.crowd.ask("wait", 200 * frozen, 10_000)
        before = peak = scene.server.ask("look")["rss"]
        scene.crowd.ask("freeze", frozen)
        most, there = 0, frozen
        while there and most < 40_000:
            scene.server.ask("pace", 200 * frozen, 100_000)
            most += 200
            peak = max(peak, scene.server.rss)
            there = scene.server.ask("look")["there"]
    case = f"{frozen} readers that stopped"
    return [
        Row(case, "memory each, with the kernel's", (peak - before) / frozen / 1e3 + _KERNEL_KB, "kB", goal="<= 1000"),
        Row(case, "still connected", there, "", goal="<= 0"),
    ]


def _flood(quick: bool) -> list[Row]:
    flood = 2_000 if quick else 20_000
    quiet, flooded = (_answers(sent) for sent in (0, flood))
    case = f"a client sends {flood:,} requests at once"
    return [
        Row(case, "another's answer, p95", flooded["p95_ms"], "ms", "without", quiet["p95_ms"], "<= peer + 5"),
        Row(case, "flooder disconnected", flooded["ended"], "", goal=">= 1"),
    ]


def _answers(flood: int) -> dict[str, float]:
    with Scene(None, clients=10, rooms=1) as scene:
        scene.arrive(10)
        scene.crowd.ask("ask", 10, 0)
        scene.crowd.ask("count")
        return scene.crowd.ask("ask", _ASKED, flood)
