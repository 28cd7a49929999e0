"""Claims: at half of what a core carries, the server delays what it forwards by at most 5 ms (p99), and what it mixes by at most 50 ms
beyond the jitter buffers' target (p95).

Half of it is found by a first measurement with a few rooms. Forwarded packets are compared one by one; where sound is decoded and
encoded the speakers beep (``benchmarks/load/beeps.py``). Peers: Janus' echo test forwards, aiortc's relay decodes and encodes, both at half
of what they carry.
"""

from collections.abc import Sequence

import numpy as np
import uvloop

from api.load.streams import Payloads, first_frame, percentile_s
from benchmarks.load import beeps
from benchmarks.load.bench import FULL, Bench, Measured
from benchmarks.load.claims import peers
from benchmarks.load.janus import Janus
from benchmarks.load.servers import Ours, Server, Side
from benchmarks.load.stock import Aiortc
from benchmarks.load.voices import spoken
from benchmarks.report import Options, Row
from media.codec import Samples
from rooms.audio import OPUS, PCMA

_BROWSERS = [Side("browser", OPUS), Side("browser", OPUS)]
_CALL = [Side("browser", PCMA), Side("phone", PCMA)]
_UNLIKE = [Side("browser", OPUS), Side("phone", PCMA)]
_MOST_LEGS = 1_000
_LISTENED_ROOMS = 10
_NOTHING = np.zeros(1, np.float32)
Voices = Sequence[Sequence[tuple[Payloads, Samples]]]


def run(options: Options) -> list[Row]:
    return uvloop.run(_measure(options))


async def _measure(options: Options) -> list[Row]:
    found: list[Row] = []
    wanted = options.only or (("calls", "mixing") if options.quick else ("browsers", "calls", "mixing"))
    if "browsers" in wanted:
        opus = [spoken(OPUS, options)]
        measured, _ = await _at_half(Ours(wire=options.wire), _BROWSERS, opus * 2, True, options)
        others = await peers(options, janus=lambda: _at_half(Janus("echotest"), _BROWSERS[:1], opus, True, options))
        found += _forwarding("forwarding Opus between browsers", measured, {name: other[0] for name, other in others.items()})
    if "calls" in wanted:
        measured, _ = await _at_half(Ours(wire=options.wire), _CALL, [spoken(PCMA, options)] * 2, True, options)
        found += _forwarding("forwarding G.711 between browser and phone", measured, {})
    if "mixing" in wanted:
        beeping = [[(beeps.beeping(side.codec), _NOTHING)] for side in _UNLIKE]
        server = Ours(wire=options.wire)
        measured, delays_s = await _at_half(server, _UNLIKE, beeping, False, options)
        others = await peers(options, aiortc=lambda: _at_half(Aiortc(), _UNLIKE[:1], beeping[:1], False, options))
        found += _mixing(measured, delays_s, measured.jitter_target_ms, {name: other[1] for name, other in others.items()})
    return found


async def _at_half(server: Server, sides: list[Side], voices: Voices, forwarded: bool, options: Options) -> tuple[Measured, list[float]]:
    """The window at half load, and the delays of the beeps where somebody beeps."""
    first, seconds, warm_s = (2, 1.0, 1.0) if options.quick else (8 if server.name == "aiortc" else 100, 10.0, 2.0 if forwarded else 8.0)
    first = max(1, first // len(sides) // (1 if forwarded else 4))
    async with Bench(server, _MOST_LEGS) as bench:

        async def grow(rooms: int, *, listened: int) -> None:
            kept_s = 3 * (warm_s + seconds)
            await bench.add(rooms, sides, voices, forwarded=forwarded, listen_to=range(listened), listen_s=kept_s)

        await grow(first, listened=0 if forwarded else _LISTENED_ROOMS)
        measured = await bench.measure(seconds / 2, warm_s=warm_s / 2)
        half = min(_MOST_LEGS // len(sides), int(first * FULL / 2 / measured.utilisation))
        if half > first and not options.quick:
            await grow(half - first, listened=0)
        measured = await bench.measure(seconds, warm_s=warm_s)
        if not forwarded:
            return measured, _beep_delays_s(measured, sides)
    return measured, []


def _beep_delays_s(measured: Measured, sides: list[Side]) -> list[float]:
    found: list[float] = []
    for index, tape in measured.counts.tapes.items():
        other = index ^ 1 if len(sides) == 2 else index
        said, heard = sides[other % len(sides)].codec, sides[index % len(sides)].codec
        begun = first_frame(other, beeps.beeping(said))
        found += beeps.delays_s(said, measured.counts.departures[other], begun, heard, tape)
    return found


def _forwarding(case: str, ours: Measured, others: dict[str, Measured]) -> list[Row]:
    name, theirs = next(iter(others.items()), ("", None))
    found = [
        Row(
            case,
            f"added delay, p{percent}",
            ours.delay_ms(percent),
            "ms",
            name,
            theirs.delay_ms(percent) if theirs is not None else None,
            "<= 5" if percent == 99 else "",
        )
        for percent in (50, 95, 99)
    ]
    return found + _load(case, ours)


def _mixing(ours: Measured, delays_s: list[float], target_ms: float, others: dict[str, list[float]]) -> list[Row]:
    case = "mixing Opus and G.711"
    name, theirs = next(iter(others.items()), ("", None))

    def delay(percent: int, goal: str = "") -> Row:
        value, peer = (1000 * float(np.percentile(times, percent)) if times else None for times in (delays_s, theirs or []))
        return Row(case, f"added delay, p{percent}", value if value is not None else float("inf"), "ms", name, peer, goal)

    target_ms = round(target_ms, 1)
    found = [delay(50), delay(95, f"<= {50 + target_ms:g}"), Row(case, "jitter buffers' target, p95", target_ms, "ms")]
    return found + _load(case, ours)


def _load(case: str, ours: Measured) -> list[Row]:
    counts = ours.counts
    return [
        Row(case, "legs carried", float(ours.legs), ""),
        Row(case, "server's share", ours.utilisation, "cores"),
        Row(case, "server kept waiting for its core", 100 * ours.waited_s / ours.seconds, "%"),
        Row(case, "packets lost", float(counts.lost), "", goal="<= 0"),
        Row(case, "packets altered, forged, out of order", float(counts.altered + counts.forged + counts.disordered), "", goal="<= 0"),
        Row(case, "load generator late, p99", 1000 * percentile_s(counts.lateness, 99), "ms"),
    ]
