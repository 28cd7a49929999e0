"""Claim: with 10 % of the packets lost in bursts of 2, what is heard is rated at least PLCMOS 3.9 at 16 kHz.

Twice: concealment alone on frames of 20 ms, told nothing of what comes behind a hole or knowing the next one or two packets, with the claim
on the middle one; and the product's own playout, whose jitter buffer decides what is known and whose decoders have to find their way
back (G.722's predictor takes 60 ms for that, which costs more than the hole), without one. Random loss and longer bursts are shown beside
it. The peer is libopus with the same holes, at 24 kbit/s and its own concealment; and zeros, to say what is at stake.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import aligned, pesq_nb, pesq_wb, plcmos
from benchmarks.peers.signal import resampled
from benchmarks.report import Row
from dsp.conceal import Concealer
from dsp.netem import NetworkEmulator
from media.codec import OpusDecoder, OpusSettings, Samples, make_encoder
from media.playout import Playout
from rooms.audio import G722, OPUS, PCMA, AudioCodec

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

RATE_HZ, FRAME = 16_000, 320
PEER = "libopus"
_LONGEST_S, _SHORTEST_S, _MOST_CLIPS = 6, 1.5, 8
LAG_MOST = 3_200  # samples: PESQ's own search for the delay costs up to 0.5 when it is no whole number of its frames
_DELAY_MS, _JITTER_MS, _TICK_S, _TRAILING_TICKS = 20.0, 3.0, 0.02, 10
_OPUS = OpusSettings(bitrate=24_000, complexity=9)
_OPUS_FEC = OpusSettings(bitrate=24_000, complexity=9, fec=True, expected_loss=0.1)
Lost = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Loss:
    """A fraction of the packets in bursts of a mean length."""

    fraction: float
    burst: float

    def __str__(self) -> str:
        return f"{self.fraction:.0%} loss, " + (f"bursts of {self.burst:g}" if self.burst > 1.3 else "random")


CLAIMED = Loss(0.10, 2.0)
_OTHERS = (Loss(0.05, 1.06), Loss(0.20, 3.0))
_CODECS = (("G.722", G722, None), ("Opus 24k", OPUS, _OPUS), ("Opus 24k with FEC", OPUS, _OPUS_FEC), ("G.711", PCMA, None))


def rows(bench: "Bench") -> list[Row]:
    clips = [clip.samples for clip in bench.corpus.speech() if len(clip.samples) >= _SHORTEST_S * RATE_HZ]
    clips = clips[:: max(1, -(-len(clips) // _MOST_CLIPS))]
    speech = [clip[: min(len(clip), _LONGEST_S * RATE_HZ) // FRAME * FRAME] for clip in clips[: 1 if bench.quick else None]]
    found: list[Row] = []
    for loss in (CLAIMED,) if bench.quick else (CLAIMED, *_OTHERS):
        found += _alone(bench, speech, loss) + _played(bench, speech, loss)
    return found


def _alone(bench: "Bench", speech: list[Samples], loss: Loss) -> list[Row]:
    case = f"concealment alone, {loss}"
    courses = [losses(len(x) // FRAME, seed, loss) for seed, x in enumerate(speech)]

    def mean(made: Callable[[Samples, Lost], Samples]) -> tuple[float, float]:
        return _mean([(x, made(x, lost)) for x, lost in zip(speech, courses, strict=True)], "wb")

    peer, zeros = mean(by_libopus), mean(_holed)
    bench.keep("conceal", str(loss), {"clean": speech[0], "ours": mended(speech[0], courses[0], 1), "zeros": _holed(speech[0], courses[0])})
    bench.plot("conceal", str(loss), lambda figure: _draw(figure, speech[0], courses[0]))
    found = [Row(case, "PLCMOS, zeros", zeros[0], "MOS"), Row(case, "PESQ-WB, zeros", zeros[1], "MOS")]
    for ahead, words in enumerate(("nothing known of what follows", "the next packet known", "the next two packets known")):
        ours = mean(lambda x, lost, ahead=ahead: mended(x, lost, ahead))  # type: ignore[misc]
        goal = ">= 3.9" if loss == CLAIMED and ahead == 1 else ""
        found.append(Row(case, f"PLCMOS, {words}", ours[0], "MOS", PEER, peer[0], goal))
        found.append(Row(case, f"PESQ-WB, {words}", ours[1], "MOS", PEER, peer[1]))
    return found


def _played(bench: "Bench", speech: list[Samples], loss: Loss) -> list[Row]:
    found: list[Row] = []
    for name, codec, settings in _CODECS:
        band = "nb" if codec is PCMA else "wb"
        heard = []
        for seed, x in enumerate(speech):
            packets = encoded(x, codec, settings)
            heard.append((x, aligned(x, played(packets, codec, arrivals(packets, seed, loss)), most=LAG_MOST)))
        score = _mean(heard, band)
        case = f"{name} through the playout, {loss}"
        found += [Row(case, "PLCMOS", score[0], "MOS"), Row(case, f"PESQ-{band.upper()}", score[1], "MOS")]
        bench.keep("conceal", f"{name} {loss}", {"played": heard[0][1]})
    return found


def losses(packets: int, seed: int, loss: Loss) -> Lost:
    """Which packets are lost, (packets,)."""
    network = NetworkEmulator(seed, loss=loss.fraction, burst=loss.burst)
    return np.array([not network.fates(index * _TICK_S, 1) for index in range(packets)])


def mended(x: Samples, lost: Lost, ahead: int) -> Samples:
    """``x`` (n,) with its holes filled, knowing up to ``ahead`` packets beyond the one to be made up."""
    frames, concealer, out = x.reshape(-1, FRAME), Concealer(RATE_HZ), []
    for index, frame in enumerate(frames):
        if not lost[index]:
            out.append(concealer.received(frame))
            continue
        known = [later for later in range(index + 1, min(len(frames), index + 1 + ahead)) if not lost[later]]
        if known:
            behind, distance = frames[known[0]], (known[0] - index) * FRAME
            out.append(concealer.conceal(FRAME, following=behind, distance=distance))
        else:
            out.append(concealer.conceal(FRAME))
    return np.concatenate(out)


def by_libopus(x: Samples, lost: Lost) -> Samples:
    """Coded and decoded by libopus, which makes up what is lost, without FEC."""
    decoder = OpusDecoder(RATE_HZ)
    packets = encoded(x, OPUS, _OPUS)
    return np.concatenate([decoder.conceal(FRAME) if gone else decoder.decode(packet) for packet, gone in zip(packets, lost, strict=True)])


def encoded(x: Samples, codec: AudioCodec, settings: OpusSettings | None) -> list[bytes]:
    encoder = make_encoder(codec, rate_hz=RATE_HZ, settings=settings)
    return [encoder.encode(frame) for frame in x.reshape(-1, FRAME)]


def arrivals(packets: list[bytes], seed: int, loss: Loss) -> list[tuple[float, int]]:
    """When which packet arrives, over a path with such loss and 3 ms of jitter."""
    network = NetworkEmulator(seed, loss=loss.fraction, burst=loss.burst, delay_ms=_DELAY_MS, jitter_ms=_JITTER_MS)
    sent = enumerate(packets)
    return sorted((at_s, index) for index, packet in sent for at_s in network.fates(index * _TICK_S, len(packet)))


def played(packets: list[bytes], codec: AudioCodec, arriving: list[tuple[float, int]], *, concealment: bool = True) -> Samples:
    """What the product plays of ``packets``, one sent every 20 ms, at 16 kHz."""
    playout, waiting, out = Playout(codec, rate_hz=RATE_HZ, concealment=concealment), deque(arriving), []
    for tick in range(len(packets) + _TRAILING_TICKS):
        now_s = tick * _TICK_S + 0.007
        while waiting and waiting[0][0] <= now_s:
            at_s, index = waiting.popleft()
            playout.put(index & 0xFFFF, index * codec.clock_rate // 50, index == 0, packets[index], at_s)
        out.append(playout.pull(now_s))
    return np.concatenate(out)


def _mean(pairs: list[tuple[Samples, Samples]], band: str) -> tuple[float, float]:
    """Mean PLCMOS and PESQ of (clean, heard)."""
    if band == "nb":
        quality = [pesq_nb(resampled(clean, RATE_HZ, 8_000), resampled(heard, RATE_HZ, 8_000), 8_000) for clean, heard in pairs]
    else:
        quality = [pesq_wb(clean, heard) for clean, heard in pairs]
    return float(np.mean([plcmos(heard) for _, heard in pairs])), float(np.mean(quality))


def _holed(x: Samples, lost: Lost) -> Samples:
    return np.where(np.repeat(lost, FRAME), np.float32(0), x)


def _draw(figure: object, x: Samples, lost: Lost) -> None:
    axes = figure.subplots(3, 1, sharex=True)  # type: ignore[attr-defined]
    for plot, (name, sound) in zip(axes, (("clean", x), ("lost", _holed(x, lost)), ("made up", mended(x, lost, 1))), strict=True):
        plot.specgram(sound + 1e-6 * np.random.default_rng(0).standard_normal(len(sound)), NFFT=512, noverlap=384, Fs=RATE_HZ, vmin=-140)
        plot.set_title(name)
