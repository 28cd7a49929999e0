"""What the server itself plays: recorded prompts and call tones, as frames for the tick. All float32 mono at RATE_HZ."""

from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files

import numpy as np

from dsp import tones
from media.codec import Samples, make_decoder
from media.messages import MediaRefusal
from media.settings import FRAME_SAMPLES, RATE_HZ
from rooms.audio import G722

PROMPTS = (
    "en-queue-youarenext",
    "es-queue-youarenext",
    "en-vm-intro",
    "es-vm-intro",
    "en-queue-periodic-announce",
    "es-queue-periodic-announce",
    "en-vm-review",
    "es-vm-rec-unv",
)
"""Recorded sentences, see media/prompts/ATTRIBUTION.md."""
TONES = {"ringback": tones.ringback, "busy": tones.busy, "hold": tones.hold_melody}
BEEPS = {"recording": tones.RECORDING_BEEP, "message": tones.MESSAGE_BEEP}
"""Tones that are heard once: the first of their cadence."""
_BEEP_DBFS = -24.0
FADE_FRAMES = 10
_DECODED_AT_ONCE = 800  # bytes: 100 ms of G.722


class Sound:
    """Frames out of ``samples`` (n,), n > 0: played round and round, or once where ``on_end`` is to hear that they were played.

    ``soft``: comes and goes within ``FADE_FRAMES``. ``then``: what goes on behind a sound that is played once; where that is soft, it goes
    while this one begins.
    """

    def __init__(self, samples: Samples, on_end: Callable[[], None] | None = None, *, soft: bool = False) -> None:
        self._samples = samples
        self.on_end = on_end
        self.soft = soft
        self.then: Sound | None = None
        self.position = 0
        self.over = False
        self._level = 0 if soft else FADE_FRAMES
        self._step = 1

    @property
    def has_end(self) -> bool:
        """Will it be over by itself?"""
        return self.on_end is not None or self._step < 0

    def fade_out(self) -> None:
        """Let it go softly; it is ``over`` when it is gone."""
        self._step = -1

    def go_on(self) -> None:
        """From where it was, softly where it is soft."""
        self.over, self._step = False, 1

    def frame(self) -> Samples:
        """The next 20 ms, (FRAME_SAMPLES,)."""
        found = self._plain_frame()
        if self.then is not None and self.then.soft and not self.then.over:
            found = found + self.then.frame()
        level = min(FADE_FRAMES, max(0, self._level + self._step))
        if level != self._level or level < FADE_FRAMES:
            found = found * np.linspace(self._level / FADE_FRAMES, level / FADE_FRAMES, FRAME_SAMPLES, dtype=np.float32)
            self._level = level
            self.over = self.over or level == 0
        return found

    def _plain_frame(self) -> Samples:
        start, end = self.position, self.position + FRAME_SAMPLES
        samples, size = self._samples, len(self._samples)
        if self.on_end is not None and end >= size:
            last = np.zeros(FRAME_SAMPLES, np.float32)
            if not self.over:
                last[: size - start] = samples[start:]
            self.over = True
            return last
        self.position = end % size
        if end <= size:
            return samples[start:end]
        return np.take(samples, np.arange(start, end), mode="wrap")


@lru_cache(maxsize=len(PROMPTS))
def load_prompt(name: str) -> Samples:
    """A recorded prompt, (n,). Read-only, decoded once. Raises KeyError for an unknown name."""
    if name not in PROMPTS:
        raise KeyError(name)
    data = files("media").joinpath("prompts", f"{name}.g722").read_bytes()
    decoder = make_decoder(G722, rate_hz=RATE_HZ)
    pieces = [decoder.decode(data[at : at + _DECODED_AT_ONCE]) for at in range(0, len(data), _DECODED_AT_ONCE)]
    return _frozen(np.concatenate(pieces))


@lru_cache(maxsize=4)
def load_tone(name: str) -> Samples:
    """One period of ``ringback``, ``busy`` or ``hold``, (n,). Read-only. Raises KeyError for an unknown name."""
    return _frozen(TONES[name](RATE_HZ))


@lru_cache(maxsize=4)
def load_beep(name: str) -> Samples:
    """The sounding part of a tone that is heard once, (n,). Read-only. Raises KeyError for an unknown name."""
    signal = BEEPS[name]
    return _frozen(tones.cadenced(tones.Signal(signal.frequencies_hz, signal.cadence_s[:1]), RATE_HZ, level_dbfs=_BEEP_DBFS))


def make_sound(name: str) -> Sound:
    """A sound by the name that ``Play`` uses. Raises MediaRefusal for an unknown one."""
    if name not in TONES:
        raise MediaRefusal("unknown_sound", f"There is no sound {name!r}: use one of {', '.join(TONES)}.")
    return Sound(load_tone(name))


def make_once(name: str, on_end: Callable[[], None]) -> Sound:
    """A sound by the name that ``PlayOnce`` uses. Raises MediaRefusal for an unknown one."""
    if name not in BEEPS:
        raise MediaRefusal("unknown_sound", f"There is no sound {name!r} to be played once: use one of {', '.join(BEEPS)}.")
    return Sound(load_beep(name), on_end)


def silence(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * RATE_HZ), np.float32)


def _frozen(samples: Samples) -> Samples:
    samples.flags.writeable = False
    return samples
