"""Claim: recording a forwarded call adds at most 1.5 microseconds of processor time to each of its packets, writing included.

A media worker of its own forwards calls over real sockets, with SRTP, driven by the load generator, which verifies every packet that comes
out. All calls are recorded, but their recordings pause and go on in turns, so that recorded and unrecorded packets are measured in one
run. Processor time is that of the whole worker: packet path, writing thread, AES-256-GCM, hash chain and the kernel's share of the write.
Each window begins when what the former one left is written. The median over neighbouring windows is shown, because other programs of the
machine disturb some. ``browsers``: rooms of two, Opus, SRTP on both sides. ``calls``: G.711 of a browser and a phone, SRTP on one side.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.load.bench import PACKETS_PER_S, Bench, Measured
from benchmarks.load.servers import Ours, Side
from benchmarks.load.voices import spoken
from benchmarks.report import Options, Row
from media import rtp
from media.recording.file import Ending
from media.recording.keys import KeyRing
from media.recording.recordings import RecordingSettings
from media.recording.records import Recorded, RecordedPacket, read_recording
from media.recording.records import Side as Channel
from rooms.audio import OPUS, PCMA

_KEY = bytes(32)
_SETTLED_S = 1.2
_CASES = {
    "browsers": ("browsers in rooms of two, Opus", [Side("browser", OPUS), Side("browser", OPUS)]),
    "calls": ("calls of a browser and a phone, G.711", [Side("browser", PCMA), Side("phone", PCMA)]),
}


@dataclass(frozen=True, slots=True)
class _Kept:
    """What all files hold: ``packets``, and how many are ``missing`` in between."""

    packets: int
    missing: int
    bytes: int


def run(options: Options) -> list[Row]:
    return [row for name in options.only or tuple(_CASES) for row in uvloop.run(_case(*_CASES[name], options))]


async def _case(case: str, sides: list[Side], options: Options) -> list[Row]:
    carried = 100 if Ours(wire=options.wire).wire == "c" else 40
    calls, rounds, seconds = (2, 1, 0.4) if options.quick else (carried, 12, 3.0)
    windows: dict[bool, list[Measured]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        recording = RecordingSettings(Path(folder), (_KEY,))
        server = Ours(wire=options.wire, recording=recording)
        async with Bench(server, 2 * calls) as bench:
            await bench.add(calls, sides, [spoken(side.codec, options) for side in sides], forwarded=True)
            for number in range(2 * rounds):
                recorded = number % 4 in (0, 3)  # each comes first as often: what drifts meanwhile hits both
                await server.record(recorded)
                windows[recorded].append(await bench.measure(seconds, warm_s=_SETTLED_S))
            await server.record(False)  # before the load ends
        kept = _kept(Path(folder), calls, rounds)
    added = [one.frame_us - other.frame_us for one, other in zip(windows[True], windows[False], strict=True)]
    every = [measured.counts for found in windows.values() for measured in found]
    case = f"{case}, {calls} at once, wire {server.wire}"
    return [
        Row(case, "unrecorded packet", median(measured.frame_us for measured in windows[False]), "us"),
        Row(case, "recorded packet", median(measured.frame_us for measured in windows[True]), "us"),
        Row(case, "recording adds", median(added), "us", goal="<= 1.5"),
        Row(case, "packets in the files", float(kept.packets), "", goal=f">= {calls * PACKETS_PER_S * rounds * seconds:.0f}"),
        Row(case, "packets not in the files", float(kept.missing), "", goal="<= 0"),
        Row(case, "packets lost on the way", float(sum(counts.lost for counts in every)), "", goal="<= 0"),
        Row(case, "packets altered, forged, out of order", float(sum(c.altered + c.forged + c.disordered for c in every)), "", goal="<= 0"),
        Row(case, "on disk per packet", kept.bytes / max(1, kept.packets), "B"),
    ]


def _kept(folder: Path, calls: int, rounds: int) -> _Kept:
    ring = KeyRing([_KEY])
    paths = list(folder.glob("*.rec"))
    packets, missing = 0, (calls - len(paths)) * rounds
    for path in paths:
        recorded = read_recording(path, ring)
        packets += len(recorded.packets)
        missing += _missing(recorded) + (recorded.ending is not Ending.COMPLETE)
    return _Kept(packets, missing, sum(path.stat().st_size for path in paths))


def _missing(recorded: Recorded) -> int:
    """Holes in the numbers of each side between two pauses; one that is silent throughout is missing too."""
    pauses_s = [(0.0, 0.0), *recorded.pauses_s, (recorded.length_s, recorded.length_s)]
    missing = sum(int(event.details["packets"]) for event in recorded.events if event.name == "lost")
    for (_, begin_s), (end_s, _) in pairwise(pauses_s):
        for channel in Channel:
            held = [packet for packet in recorded.packets if packet.side is channel and begin_s <= packet.at_s <= end_s]
            missing += _span(held) - len(held) if held else end_s - begin_s > _SETTLED_S
    return missing


def _span(packets: Iterable[RecordedPacket]) -> int:
    order = rtp.Unwrapper()
    numbers = [order.unwrap(packet.header.sequence) for packet in packets]
    return max(numbers) - min(numbers) + 1
