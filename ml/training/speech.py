"""Speech and music for training, from Debian's asterisk-core-sounds-*-g722 and asterisk-moh-opsound-g722, and voices made of it."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from G722 import G722
from numpy.typing import NDArray
from scipy import fft, signal

RATE_HZ = 16_000
Samples = NDArray[np.float32]
Pcm = NDArray[np.int16]

_NO_SPEECH = ("beep", "ascending", "descending", "tt-", "silence", "confbridge-join", "confbridge-leave")
_KEPT_OUT = 3
"""So many of a language's longest prompts are never trained on: demo-instruct is used to judge."""
_NARROW = "es_"
"""The Spanish prompts end at 4 kHz."""
_WINDOW = 512
_HOP = 256
_LIFTER = 26
"""Quefrencies below 1.6 ms make the envelope: shorter than any pitch period."""
_FEMALE = (0.6, 0.68, 0.76, 0.86, 1.0, 1.14)
_MALE = (0.84, 0.92, 1.0, 1.12, 1.3, 1.55)


@dataclass(frozen=True, slots=True)
class Voice:
    """One speaker's prompts behind each other, ``pcm`` int16 at 16 kHz; ``narrow`` when nothing is above 4 kHz."""

    name: str
    pcm: Pcm
    narrow: bool


def voices(sounds: Path, rng: np.random.Generator) -> list[Voice]:
    """Every language in ``sounds`` in several pitches, each with a vocal tract of its own. Raises ValueError when there is none."""
    made = []
    for folder in sorted(one for one in sounds.iterdir() if one.is_dir()):
        prompts = _prompts(folder)
        for ratio in _MALE if "_m_" in folder.name else _FEMALE:
            order = rng.permutation(len(prompts))
            part = order if ratio == 1.0 else order[: len(order) // 2]
            told = _joined([prompts[at] for at in part], rng)
            if ratio != 1.0:
                tract = float(np.clip(ratio ** rng.uniform(0.2, 0.6), 0.78, 1.22))
                told = revoiced(told, ratio, tract, rng)
            made.append(Voice(f"{folder.name}*{ratio}", _pcm(told), folder.name.startswith(_NARROW)))
    if not made:
        raise ValueError(f"no prompts in {sounds}")
    return made


def music(folder: Path) -> list[Pcm]:
    """Each piece of ``folder`` as int16 at 16 kHz."""
    return [_pcm(decoded(path)) for path in sorted(folder.glob("*.g722"))]


def decoded(path: Path) -> Samples:
    """A 64 kbit/s G.722 file as float32, full scale ±1."""
    return np.asarray(G722(RATE_HZ, 64_000).decode(path.read_bytes()), np.float32) / np.float32(32768)


def revoiced(x: Samples, pitch: float, tract: float, rng: np.random.Generator) -> Samples:
    """``x`` with its pitch times ``pitch`` and its formants times ``tract``; the tempo follows the pitch.

    Resampled, then each frame's cepstral envelope replaced by the original's, scaled; where lowering leaves no high band, noise under
    that envelope fills it.
    """
    ratio = Fraction(pitch).limit_denominator(50)
    moved = np.asarray(signal.resample_poly(x, ratio.denominator, ratio.numerator), np.float32)
    spectra, before = _frames(moved), _frames(x)
    count = len(spectra)
    nearest = np.minimum((np.arange(count) * float(ratio)).round().astype(np.intp), len(before) - 1)
    bins = np.arange(_WINDOW // 2 + 1)
    source = np.minimum(bins / tract, bins[-1])
    low = source.astype(np.intp)
    weight = (source - low).astype(np.float32)
    out = np.zeros(count * _HOP + _HOP, np.float32)
    window = np.sin(np.pi * (np.arange(_WINDOW) + 0.5) / _WINDOW).astype(np.float32)
    top = int(min(0.94 * float(ratio), 1.0) * bins[-1])
    for at in range(0, count, 4096):
        part = slice(at, min(at + 4096, count))
        wanted = _envelope(before[nearest[part]])
        wanted = wanted[:, low] * (1 - weight) + wanted[:, np.minimum(low + 1, bins[-1])] * weight
        spectrum = spectra[part] * np.exp(np.clip(wanted - _envelope(spectra[part]), -3.0, 3.0))
        shape = (len(spectrum), len(bins) - top)
        phase = rng.uniform(0, 2 * np.pi, shape).astype(np.float32)
        # the log envelope of a noisy frame lies 2.5 dB below its power
        spectrum[:, top:] = np.exp(wanted[:, top:] + 0.29 + 1j * phase)
        frames = fft.irfft(spectrum, _WINDOW, axis=1).astype(np.float32) * window
        for half in (0, 1):
            start = (at + half) * _HOP
            out[start : start + len(frames) * _HOP] += frames[:, half * _HOP : (half + 1) * _HOP].ravel()
    return out


def _frames(x: Samples) -> NDArray[np.complex64]:
    window = np.sin(np.pi * (np.arange(_WINDOW) + 0.5) / _WINDOW).astype(np.float32)
    count = max(len(x) // _HOP - 1, 1)
    padded = np.pad(x, (0, max(0, (count + 1) * _HOP - len(x))))
    view = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:count]
    return np.asarray(fft.rfft(view * window, axis=1), np.complex64)


def _envelope(spectra: NDArray[np.complex64]) -> Samples:
    cepstrum = fft.irfft(np.log(np.abs(spectra) + 1e-5), axis=1)
    cepstrum[:, _LIFTER : _WINDOW - _LIFTER + 1] = 0
    return np.asarray(fft.rfft(cepstrum, axis=1).real, np.float32)


def _prompts(folder: Path) -> list[Samples]:
    found = sorted(folder.rglob("*.g722"), key=lambda path: (-path.stat().st_size, str(path)))[_KEPT_OUT:]
    kept = sorted(path for path in found if not path.name.startswith(_NO_SPEECH) and path.parent.name != "silence")
    return [prompt for path in kept if len(prompt := _trimmed(decoded(path))) > RATE_HZ // 4]


def _trimmed(x: Samples) -> Samples:
    """Without the silence before and after, at -23 dBFS while talking."""
    hop = RATE_HZ // 100
    power = np.square(x[: len(x) // hop * hop]).reshape(-1, hop).mean(1)
    if not len(power) or power.max() < 1e-6:
        return x[:0]
    loud = np.flatnonzero(power > power.max() * 1e-4)
    talking = power[power > power.max() * 1e-2].mean()
    cut = x[max(loud[0] - 3, 0) * hop : (loud[-1] + 6) * hop]
    return np.asarray(cut * np.sqrt(10**-2.3 / talking), np.float32)


def _joined(prompts: list[Samples], rng: np.random.Generator) -> Samples:
    """Behind each other with pauses of 20 ms to 1 s, mostly short, each a little louder or softer."""
    parts: list[Samples] = []
    for prompt in prompts:
        pause = int(RATE_HZ * min(rng.exponential(0.25) + 0.02, 1.0))
        parts += [prompt * np.float32(10 ** rng.normal(0, 0.08)), np.zeros(pause, np.float32)]
    return np.concatenate(parts)


def _pcm(x: Samples) -> Pcm:
    return np.asarray(np.clip(np.rint(x * 32767), -32768, 32767), np.int16)
