"""Claims: one core mixes 200 participants in rooms of five who all talk, at PESQ-WB 3.6 or better; 600 of whom one in five talks and the
others' browsers pause (DTX); 100 who all talk with the full chain of voice care on every leg.

Browsers, Opus, SRTP. The score compares what each one heard with the sum of what the four others said; with voice care the level is
altered and noise taken away on purpose, so that its score is told without a goal. Peer: Janus' audio bridge at 48 kHz.
"""

import numpy as np
import uvloop

from benchmarks.load.bench import Bench, climb
from benchmarks.load.claims import Outcome, peers, rows
from benchmarks.load.janus import Janus
from benchmarks.load.servers import Ours, Server, Side
from benchmarks.load.voices import LOOP_S, Spoken, canned, spoken
from benchmarks.report import Options, Row
from benchmarks.speech import RATE_HZ
from media.voice_care import VoiceSettings
from rooms.audio import OPUS

_ROOM = [Side("browser", OPUS)] * 5
_MOST_PARTICIPANTS = 1_000
_PER_CORE = "participants per core at 90%"


def run(options: Options) -> list[Row]:
    return uvloop.run(_measure(options))


async def _measure(options: Options) -> list[Row]:
    voices = spoken(OPUS, options)
    nothing = np.zeros(int(LOOP_S * RATE_HZ), np.float32)
    paused = [(canned(OPUS, nothing, dtx=True), nothing)]
    all_talk, one_talks = [voices] * 5, [voices, *[paused] * 4]
    found: list[Row] = []
    wanted = options.only or (("all",) if options.quick else ("all", "one", "care"))
    heard = {"packets lost": "<= 0", "PESQ-WB": ">= 3.6"}
    everybody = {"packets lost": "<= 0", "far ends that heard nothing": "<= 0"}
    if "all" in wanted:
        ours = await _mixed(Ours(wire=options.wire), all_talk, options)
        others = await peers(options, janus=lambda: _mixed(Janus("audiobridge"), all_talk, options))
        found += rows("rooms of five, all talk, DSP off", "participants", ours, others, heard | everybody | {_PER_CORE: ">= 200"})
    if "one" in wanted:
        ours = await _mixed(Ours(wire=options.wire), one_talks, options)
        others = await peers(options, janus=lambda: _mixed(Janus("audiobridge"), one_talks, options))
        found += rows("rooms of five, one talks, DSP off", "participants", ours, others, heard | {_PER_CORE: ">= 600"})
    if "care" in wanted:
        ours = await _mixed(Ours(wire=options.wire, voice=VoiceSettings("on", "on", "on")), all_talk, options)
        found += rows("rooms of five, all talk, full DSP", "participants", ours, {}, everybody | {_PER_CORE: ">= 100"})
    return found


async def _mixed(server: Server, voices: list[Spoken], options: Options) -> Outcome:
    seconds, warm_s = (1.0, 0.5) if options.quick else (8.0, 4.0)
    silent = [side for side, choice in enumerate(voices) if not choice[0][1].any()]
    async with Bench(server, _MOST_PARTICIPANTS) as bench:

        async def grow(rooms: int) -> None:
            listening = range(0 if len(bench.loop.endpoints) else 2 if not silent else 4)
            await bench.add(rooms, _ROOM, voices, forwarded=False, listen_to=listening, listen_s=seconds + 2, silent=silent)

        first, most = (1, 1) if options.quick else (8, _MOST_PARTICIPANTS // 5)
        rooms, measured = await climb(bench, grow, first=first, most=most, seconds=seconds, warm_s=warm_s)
        quality = {} if options.quick else {"": bench.quality(measured, OPUS, "wb")}
    return Outcome(5 * rooms, 1, measured, quality, forwarded=False)
