"""Speech for benchmarks, and its score."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pesq import pesq

import media
from dsp.resample import Resampler
from media.codec import Samples, make_decoder
from rooms.audio import G722

RATE_HZ = 16_000
_FRAME = RATE_HZ // 50


@dataclass(frozen=True, slots=True)
class Utterance:
    """``samples`` float32 (n,) at 16 kHz, n a multiple of 320."""

    name: str
    samples: Samples


def utterances(folder: Path | None, *, longest_s: float = 12.0) -> list[Utterance]:
    """The shipped prompts, or the 16 kHz mono WAV files of ``folder``. Raises ValueError when there is none of that kind."""
    if folder is None:
        found = [Utterance(path.stem, _prompt(path)) for path in sorted((Path(media.__path__[0]) / "prompts").glob("*.g722"))]
    else:
        found = [Utterance(path.stem, _wav(path)) for path in sorted(folder.glob("*.wav"))]
    if not found:
        raise ValueError(f"no speech in {folder or 'media/prompts'}")
    return [Utterance(one.name, one.samples[: int(longest_s * 50) * _FRAME]) for one in found]


def frames(samples: Samples, rate_hz: int = RATE_HZ) -> list[Samples]:
    """Cut into 20 ms."""
    step = rate_hz // 50
    return [samples[at : at + step] for at in range(0, len(samples) - step + 1, step)]


def score(reference: Samples, heard: Samples, band: str) -> float:
    """PESQ (ITU-T P.862) of ``heard`` against ``reference``, both at 16 kHz: ``wb`` (P.862.2) or ``nb`` (at 8 kHz, P.862.1)."""
    if band == "nb":
        reference, heard = at_8_khz(reference), at_8_khz(heard)
    value: float = pesq(8_000 if band == "nb" else RATE_HZ, reference, heard, band)
    return value


def at_8_khz(samples: Samples) -> Samples:
    resampler = Resampler(RATE_HZ, 8_000)
    return np.concatenate([resampler.process(frame) for frame in frames(samples)])


def _prompt(path: Path) -> Samples:
    decoder = make_decoder(G722, rate_hz=RATE_HZ)
    data = path.read_bytes()
    return np.concatenate([decoder.decode(data[at : at + 160]) for at in range(0, len(data) - 159, 160)])


def _wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE_HZ, 1, 2):
            raise ValueError(f"{path} is not 16 kHz, mono, 16 bit")
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return samples[: len(samples) // _FRAME * _FRAME].astype(np.float32) / np.float32(32768)
