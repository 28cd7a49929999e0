"""What the load says, and how well it was heard: canned speech of several speakers, and PESQ and PLCMOS of the streams that came.

A speaker's loop is some seconds of speech, encoded twice in a row, of which the second time is sent over and over, so that it follows on
itself. What comes is decoded at leisure by the timestamps of its packets and laid over what was said by cross-correlation: speech is
compared with the same loop turned to where it agrees best, a mix with the sum of its speakers, each turned by itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np

from api.load.streams import Payloads, Tape
from benchmarks.metrics import MetricMissing, pesq_nb, pesq_wb, plcmos
from benchmarks.report import Options
from benchmarks.speech import RATE_HZ, Utterance, frames, utterances
from media import rtp
from media.codec import OpusSettings, Samples, make_decoder, make_encoder
from rooms.audio import AudioCodec

LOOP_S = 6.0
_SHORTEST_S = 3.0
_AS_BROWSERS = OpusSettings(bitrate=32_000, complexity=9)


@dataclass(frozen=True, slots=True)
class Quality:
    """PESQ (band as told) and PLCMOS (None where speechmos is not installed): mean, and the worst speaker."""

    band: str
    pesq: float
    worst: float
    plcmos: float | None


@lru_cache
def speakers(folder: Path | None, seconds: float = LOOP_S) -> tuple[Utterance, ...]:
    """One loop of ``seconds`` for each speaker: the files whose names differ only in their last number, one after the other."""
    found = []
    for name, files in groupby(utterances(folder), lambda one: re.sub(r"_?[a-z]?\d+$", "", one.name)):
        said = np.concatenate([one.samples for one in files])
        if len(said) >= _SHORTEST_S * RATE_HZ:
            found.append(Utterance(name, np.resize(said, int(seconds * RATE_HZ))))
    return tuple(found)


def canned(codec: AudioCodec, samples: Samples, *, dtx: bool = False) -> Payloads:
    """``samples``: a loop at 16 kHz, of whole frames."""
    settings = OpusSettings(_AS_BROWSERS.bitrate, _AS_BROWSERS.complexity, dtx=dtx)
    encoder = make_encoder(codec, rate_hz=RATE_HZ, settings=settings)
    twice = [encoder.encode(frame) for frame in frames(np.concatenate([samples, samples]))]
    return Payloads(codec.name, codec.payload_type, codec.clock_rate, tuple(twice[len(twice) // 2 :]))


Spoken = list[tuple[Payloads, Samples]]
"""For each speaker the packets of a loop, and the loop."""


def spoken(codec: AudioCodec, options: Options) -> Spoken:
    return [(canned(codec, one.samples), one.samples) for one in speakers(options.data)[: 2 if options.quick else None]]


def heard(tape: Tape, codec: AudioCodec) -> Samples:
    """A stream decoded at 16 kHz: each packet at its timestamp's place, silence where there was none."""
    decoder, place = make_decoder(codec, rate_hz=RATE_HZ), rtp.Unwrapper(32)
    step = codec.clock_rate // 50
    sound: dict[int, Samples] = {}
    for _, packet in tape:
        header = rtp.parse(packet)
        if header is not None and header.payload_type == codec.payload_type:
            sound[place.unwrap(header.timestamp)] = decoder.decode(packet[header.payload_start : header.payload_end])
    if not sound:
        return np.zeros(0, np.float32)
    out = np.zeros(((max(sound) - min(sound)) // step + 1) * RATE_HZ // 50, np.float32)
    for timestamp, samples in sound.items():
        at = (timestamp - min(sound)) // step * RATE_HZ // 50
        out[at : at + len(samples)] = samples[: len(out) - at]
    return out


def turned(loop: Samples, sound: Samples) -> Samples:
    """The loop begun where it agrees best with as much of the sound."""
    likeness = np.fft.irfft(np.fft.rfft(sound[: len(loop)], len(loop)) * np.conj(np.fft.rfft(loop)), len(loop))
    return np.roll(loop, int(np.argmax(likeness)))


def quality(tapes: Sequence[tuple[Tape, Sequence[Samples]]], codec: AudioCodec, band: str) -> Quality:
    """Of streams in ``codec``, each with the loops of those who are to be heard in it. ``band``: ``nb`` or ``wb``."""
    pesq, scores, natural = pesq_wb if band == "wb" else pesq_nb, [], []
    for tape, loops in tapes:
        sound = heard(tape, codec)[RATE_HZ // 2 :]
        length = len(loops[0])
        if len(sound) < length:
            scores.append(1.0)
            continue
        sound = sound[:length]
        wanted = np.stack([turned(loop, sound) for loop in loops]).sum(axis=0)
        scores.append(pesq(wanted, sound))
        try:
            natural.append(plcmos(sound))
        except MetricMissing:
            continue
    return Quality(band, float(np.mean(scores)), min(scores), float(np.mean(natural)) if natural else None)
