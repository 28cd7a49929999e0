"""Claims: one core carries 200 calls of a browser that speaks Opus and a phone that speaks G.711 at PESQ-NB 3.6 or better (the worst
speaker 3.2), and 120 at 4.0 or better.

Voices are left as they come: what cleaning them costs is ``dsp_speed``'s and ``mix_capacity``'s claim. The score is that of the very
calls that made the load, in both directions. Peer: rtpengine, which transcodes with its own settings (SDES instead of DTLS).
"""

import uvloop

from benchmarks.load.bench import Bench, climb
from benchmarks.load.claims import Outcome, peers, rows
from benchmarks.load.rtpengine import Rtpengine
from benchmarks.load.servers import Ours, Server, Side
from benchmarks.load.voices import Spoken, spoken
from benchmarks.report import Options, Row
from rooms.audio import OPUS, PCMA

_CALL = [Side("browser", OPUS), Side("phone", PCMA)]
_MOST_CALLS = 400
_ENOUGH, _GOOD = (3.6, 200), (4.0, 120)
"""(PESQ-NB, calls per core): both are promised, and may be kept by one."""


def run(options: Options) -> list[Row]:
    return uvloop.run(_measure(options))


async def _measure(options: Options) -> list[Row]:
    voices = [spoken(OPUS, options), spoken(PCMA, options)]
    ours = await _carried(Ours(wire=options.wire), voices, options)
    others = await peers(options, rtpengine=lambda: _carried(Rtpengine(), voices, options))
    case = "calls of Opus and G.711, DSP off"
    goals = {"packets lost": "<= 0", "far ends that heard nothing": "<= 0", "calls per core at 90%": f">= {_ENOUGH[1]}"}
    for where in ours.qualities:
        goals |= {f"PESQ-NB, {where}": f">= {_ENOUGH[0]}", f"PESQ-NB, {where}, worst speaker": ">= 3.2"}
    found = rows(case, "calls", ours, others, goals)
    good = all(quality.pesq >= _GOOD[0] for quality in ours.qualities.values())
    per_core = ours.measured.legs_per_core / 2 if good else 0.0
    return [*found, Row(case, f"calls per core at PESQ-NB {_GOOD[0]} or better", per_core, "", goal=f">= {_GOOD[1]}")]


async def _carried(server: Server, voices: list[Spoken], options: Options) -> Outcome:
    seconds, warm_s = (1.0, 0.5) if options.quick else (8.0, 3.0)
    async with Bench(server, 2 * _MOST_CALLS) as bench:

        async def grow(rooms: int) -> None:
            listening = range(0 if len(bench.loop.endpoints) else len(voices[0]))
            await bench.add(rooms, _CALL, voices, forwarded=False, listen_to=listening, listen_s=seconds + 2)

        first, most = (2, 2) if options.quick else (25, _MOST_CALLS)
        rooms, measured = await climb(bench, grow, first=first, most=most, seconds=seconds, warm_s=warm_s)
        ears = {} if options.quick else {"at the browser": OPUS, "at the phone": PCMA}
        quality = {where: bench.quality(measured, codec, "nb") for where, codec in ears.items()}
    return Outcome(rooms, 2, measured, quality, forwarded=False)
