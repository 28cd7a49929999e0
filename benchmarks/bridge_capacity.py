"""Claims: forwarding costs a packet at most 8 us in and out on the compiled path (25 us on the Python one) and at most 0.6 of what
rtpengine takes in user space; one worker carries 1,000 browsers, or 500 calls of a browser and a phone, and loses and alters nothing.

``browsers``: rooms of two, Opus, SRTP on both sides. ``calls``: G.711 end to end, SRTP on the browser's side alone. Peers: rtpengine
(the calls; SDES instead of DTLS), Janus' echo test and aiortc's relay (the browsers, each hearing himself; aiortc decodes and encodes).
``--minutes 10`` holds the load for that long and compares the memory.
"""

import uvloop

from benchmarks.load.bench import Bench, climb
from benchmarks.load.claims import Outcome, peers, rows
from benchmarks.load.janus import Janus
from benchmarks.load.rtpengine import Rtpengine
from benchmarks.load.servers import Ours, Server, Side
from benchmarks.load.stock import Aiortc
from benchmarks.load.voices import Spoken, spoken
from benchmarks.report import Options, Row
from rooms.audio import OPUS, PCMA

_BROWSERS = [Side("browser", OPUS), Side("browser", OPUS)]
_CALL = [Side("browser", PCMA), Side("phone", PCMA)]
_MOST_LEGS = 1_000


def run(options: Options) -> list[Row]:
    return uvloop.run(_measure(options))


async def _measure(options: Options) -> list[Row]:
    found: list[Row] = []
    compiled = Ours(wire=options.wire).wire == "c"
    dear = {"CPU per packet in and out": "<= 8" if compiled else "<= 25"}
    whole = {"packets lost": "<= 0", "packets altered, forged, out of order": "<= 0"}
    wanted = options.only or (("calls",) if options.quick else ("browsers", "calls"))
    if "browsers" in wanted:
        opus = spoken(OPUS, options)
        ours = await _carried(Ours(wire=options.wire), _BROWSERS, opus, "wb", options)
        others = await peers(
            options,
            janus=lambda: _carried(Janus("echotest"), _BROWSERS[:1], opus, "wb", options),
            aiortc=lambda: _carried(Aiortc(), _BROWSERS[:1], opus, "wb", options, most=14),
        )
        share = {"server's share": "<= 0.5", "legs carried": ">= 1000"} if compiled else {}
        found += rows("browsers in rooms of two, Opus", "legs", ours, others, dear | whole | share)
        found += await _held("browsers in rooms of two, Opus", ours.carried // 2, _BROWSERS, opus, options)
    if "calls" in wanted:
        pcma = spoken(PCMA, options)
        ours = await _carried(Ours(wire=options.wire), _CALL, pcma, "nb", options)
        others = await peers(options, rtpengine=lambda: _carried(Rtpengine(), _CALL, pcma, "nb", options))
        if compiled:
            dear |= {"CPU per packet in and out, rtpengine": "<= 0.6 x peer", "calls carried": ">= 500"}
        found += rows("calls of a browser and a phone, G.711", "calls", ours, others, dear | whole | {"added delay, p99": "<= 10"})
        found += await _held("calls of a browser and a phone, G.711", ours.carried, _CALL, pcma, options)
    return found


async def _carried(server: Server, sides: list[Side], voices: Spoken, band: str, options: Options, *, most: int = _MOST_LEGS) -> Outcome:
    """``sides`` of one: who hears himself. aiortc hears and speaks anew, so its packets are not compared."""
    seconds, warm_s = (1.0, 0.5) if options.quick else (8.0, 2.0)
    forwarded = server.name != "aiortc"
    async with Bench(server, most) as bench:

        async def grow(rooms: int) -> None:
            listening = range(0 if len(bench.loop.endpoints) else 4)
            await bench.add(rooms, sides, [voices] * len(sides), forwarded=forwarded, listen_to=listening, listen_s=seconds + 2)

        legs = len(sides)
        first = 2 if options.quick else min(100, most // 2) // legs
        rooms, measured = await climb(
            bench, grow, first=first, most=first if options.quick else most // legs, seconds=seconds, warm_s=warm_s
        )
        quality = {} if options.quick else {"": bench.quality(measured, sides[0].codec, band)}
    return Outcome(rooms * (2 if sides is _BROWSERS else 1), 1 if sides is not _CALL else 2, measured, quality, forwarded)


async def _held(case: str, rooms: int, sides: list[Side], voices: Spoken, options: Options) -> list[Row]:
    """What was carried, by another worker, for as long as was asked for."""
    if not options.minutes:
        return []
    async with Bench(Ours(wire=options.wire), len(sides) * rooms) as bench:
        await bench.add(rooms, sides, [voices] * len(sides), forwarded=True)
        held = await bench.measure(60 * options.minutes, warm_s=5.0)
    counts, during = held.counts, f"in {options.minutes:g} minutes"
    harmed = float(counts.altered + counts.forged + counts.disordered)
    return [
        Row(case, f"server's share {during}", held.utilisation, "cores"),
        Row(case, f"added delay, p99, {during}", held.delay_ms(99), "ms", goal="<= 10"),
        Row(case, f"packets sent {during}", float(counts.sent), ""),
        Row(case, f"packets lost {during}", float(counts.lost), "", goal="<= 0"),
        Row(case, f"packets altered, forged, out of order {during}", harmed, "", goal="<= 0"),
        Row(case, "memory after that", held.bytes_after / 1e6, "MB", "at the beginning", held.bytes_before / 1e6, "<= 1.05 x peer"),
    ]
