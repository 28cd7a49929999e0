"""The voices of a worker's decoded legs, one row each: at every tick they go through ``dsp/chain`` together, whatever room they are in.

    bridges put what each leg said ─▶ process ─▶ bridges take it cleaned, mix, and note what each leg was given to hear

What a leg heard in the tick before is the far end from which its echo comes. The chain is 10 ms late; so that a leg which joins in
mid-speech is not cut, its first frame flows over into the late one.
"""

import math
from dataclasses import dataclass

import numpy as np

from dsp.chain import Chain, Stages
from dsp.levels import FLOOR_DBFS
from dsp.slots import Slots
from media.codec import Samples
from media.settings import FRAME_SAMPLES
from media.voice_care import Condition, VoiceCare, VoiceSettings

_UNKNOWN = Condition(has_echo=False, noise_dbfs=None, speech_dbfs=None)


@dataclass(frozen=True, slots=True)
class Measures:
    """What the chain knows of a voice at present; None while it does not. Names as in ``media.messages.LegSample``."""

    noise_dbfs: float | None
    echo_return_loss_db: float | None
    echo_return_loss_enhancement_db: float | None


class Voice:
    """One leg's row. ``said`` and ``heard`` are written by its bridge, ``cleaned`` is read; all float32 (FRAME_SAMPLES,) at RATE_HZ."""

    def __init__(self, row: int, chain: Chain, care: VoiceCare, said: Samples, heard: Samples, cleaned: Samples) -> None:
        self.row = row
        self.care = care
        self._chain = chain
        self.said, self.heard, self.cleaned = said, heard, cleaned
        self.begins = True

    def condition(self) -> Condition:
        """How the voice came in, for its care."""
        row, levels = self.row, self._chain.levels
        speaks = levels.speech_dbfs[row] > FLOOR_DBFS
        return Condition(
            has_echo=not math.isnan(self._chain.echo_delay_s[row]),
            noise_dbfs=float(levels.noise_dbfs[row]) if speaks else None,
            speech_dbfs=float(levels.speech_dbfs[row]) if speaks else None,
        )

    def measures(self) -> Measures:
        chain = self._chain
        losses = (chain.echo_return_loss_db, chain.echo_return_loss_enhancement_db)
        return Measures(self.condition().noise_dbfs, *(None if math.isnan(loss[self.row]) else float(loss[self.row]) for loss in losses))


class Voices:
    """``most`` legs can be cleaned at the same time; ``refused`` counts those that had to go without."""

    def __init__(self, chain: Chain, settings: VoiceSettings, most: int) -> None:
        self.chain = chain
        self._settings = settings
        self.refused = 0
        self._slots = Slots(most)
        self._said = np.zeros((self._slots.capacity, FRAME_SAMPLES), np.float32)
        self._heard = np.zeros_like(self._said)
        self._cleaned = np.zeros_like(self._said)
        self._voices: dict[int, Voice] = {}

    def __len__(self) -> int:
        return len(self._voices)

    def open(self, kind: str, now_s: float) -> Voice | None:
        """A row for a leg of this kind that begins to be decoded; None when all are taken, or nothing is ever to be done to it."""
        care = VoiceCare(self._settings, kind)
        stages = care.stages(_UNKNOWN, now_s)
        if stages is None:
            return None
        row = self._slots.take()
        if row is None:
            self.refused += 1
            return None
        self.chain.reset(np.array([row]))
        self.chain.switch(row, stages)
        voice = Voice(row, self.chain, care, self._said[row], self._heard[row], self._cleaned[row])
        self._voices[row] = voice
        return voice

    def close(self, voice: Voice) -> None:
        """The leg is decoded no longer."""
        del self._voices[voice.row]
        self._slots.free(voice.row)
        self.chain.switch(voice.row, Stages.none())
        for samples in (voice.said, voice.heard, voice.cleaned):
            samples[:] = 0.0

    def adapt(self, now_s: float) -> None:
        """Decide anew what is done to each voice; once a second will do."""
        for voice in self._voices.values():
            stages = voice.care.stages(voice.condition(), now_s)
            if stages is not None:
                self.chain.switch(voice.row, stages)

    def process(self) -> None:
        """Clean what was said in this tick; a leg about which nothing was put is silent."""
        used = self._slots.used
        if not used:
            return
        said = self._said[:used]
        self._cleaned[:used] = said  # heard as it is, should the chain fail
        self._cleaned[:used] = self.chain.process(said, self._heard[:used])
        for voice in self._voices.values():
            if voice.begins:
                voice.begins = False
                voice.cleaned[:] = _flowing(voice.said, self.chain.delay_samples)
        said[:] = 0.0
        self._heard[:used] = 0.0


def _flowing(said: Samples, delay: int) -> Samples:
    """``said`` at first, then more and more what was said ``delay`` samples before, with which the next frame goes on."""
    late = np.concatenate((said[:delay], said[:-delay])) if delay else said
    ramp = np.linspace(0.0, 1.0, len(said) - delay, dtype=np.float32)
    ramp = np.concatenate((np.zeros(delay, np.float32), ramp))
    flowing: Samples = said * (1.0 - ramp) + late * ramp
    return flowing
