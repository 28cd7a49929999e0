"""The fixed sentences of both sides, and the WAV files that carry them."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.io import wavfile

from media.codec import make_decoder, to_pcm16
from rooms.audio import G722

Samples = NDArray[np.float32]
PLAYED_HZ = 48_000
_SENTENCE_HZ = 16_000
LEAD_S = 1.0
"""Before the sentence: what is lost while a path comes up is not speech."""
GAP_S = 1.0
_HUM_HZ, _HUM_DBFS, _HUSH_S = 200.0, -40.0, 0.4
"""The lead hums faintly, so that the first audio can be seen at once, and hushes before the sentence."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """``pcm``: float32 (n,) at 16 kHz, -1..1, no silence around it. ``wav``: 48 kHz, lead, sentence and gap, ``repeats`` times."""

    pcm: Samples
    wav: Path

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / _SENTENCE_HZ

    @property
    def period_s(self) -> float:
        return LEAD_S + self.duration_s + GAP_S

    def at(self, rate_hz: int) -> Samples:
        return at_rate(self.pcm, _SENTENCE_HZ, rate_hz)


def sentence(prompt: str, wav: Path, *, repeats: int = 12) -> Sentence:
    """Decodes a shipped prompt (``media/prompts``, by name) and writes the WAV that a side speaks. Players loop or play to the end:
    twelve times is a minute and a half, longer than any take."""
    decoder = make_decoder(G722, rate_hz=_SENTENCE_HZ)
    data = files("media").joinpath("prompts", f"{prompt}.g722").read_bytes()
    pcm = _trimmed(np.concatenate([decoder.decode(data[at : at + 160]) for at in range(0, len(data) - 159, 160)]))
    lead, gap = _lead(), np.zeros(round(GAP_S * _SENTENCE_HZ), np.float32)
    played = np.tile(at_rate(np.concatenate([lead, pcm, gap]), _SENTENCE_HZ, PLAYED_HZ), repeats)
    wavfile.write(wav, PLAYED_HZ, to_pcm16(played))
    return Sentence(pcm, wav)


def _lead() -> Samples:
    hum = (
        10 ** (_HUM_DBFS / 20)
        * np.sqrt(2)
        * np.sin(2 * np.pi * _HUM_HZ * np.arange(round((LEAD_S - _HUSH_S) * _SENTENCE_HZ)) / _SENTENCE_HZ)
    )
    return np.concatenate([hum, np.zeros(round(_HUSH_S * _SENTENCE_HZ))]).astype(np.float32)


def at_rate(pcm: Samples, rate_in_hz: int, rate_out_hz: int) -> Samples:
    """The whole signal at another rate, by soxr's best conversion without delay."""
    if rate_in_hz == rate_out_hz:
        return pcm
    converted: Samples = soxr.resample(pcm, rate_in_hz, rate_out_hz, quality="VHQ").astype(np.float32)
    return converted


def read_wav(path: Path, rate_hz: int) -> Samples:
    """A mono WAV (or the first channel of one) as float32 -1..1 at ``rate_hz``. Empty where nothing was recorded."""
    found_hz, data = wavfile.read(path)
    if data.ndim > 1:
        data = data[:, 0]
    scale = 32_768.0 if data.dtype == np.int16 else 1.0
    pcm: Samples = (data / scale).astype(np.float32)
    return at_rate(pcm, found_hz, rate_hz) if len(pcm) else pcm


def _trimmed(pcm: Samples, floor_dbfs: float = -50.0) -> Samples:
    """Without the near-silence before and after, judged by 10 ms frames."""
    frame = _SENTENCE_HZ // 100
    frames = pcm[: len(pcm) // frame * frame].reshape(-1, frame)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > 10 ** (floor_dbfs / 20))
    return pcm[loud[0] * frame : (loud[-1] + 1) * frame]
