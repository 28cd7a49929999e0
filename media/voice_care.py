"""What is done to one leg's voice, decided anew each second.

A stage that is ``on`` or ``off`` stays so. ``auto`` takes care of the echo and the level of phones always, and of their noise but for
phones without an echo that were quiet for ten seconds: no suppression leaves a clean voice quite as it was. A browser has processing of
its own, which sees the loudspeaker: there a stage is switched on where something is left for it to do, and off again when there was
nothing for ten seconds. An echo that was found once is looked after until the leg is decoded no longer.
"""

from dataclasses import dataclass
from typing import Literal

from dsp.chain import Stages

Switch = Literal["auto", "on", "off"]

_TARGET_DBFS = -23.0
_OFF_TARGET_DB = 7.0
_NOISY_DBFS, _NOISY_SNR_DB = -62.0, 28.0
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """What may be done to the voices of decoded legs, stage by stage."""

    echo: Switch = "auto"
    noise: Switch = "auto"
    gain: Switch = "auto"

    @classmethod
    def untouched(cls) -> "VoiceSettings":
        """Every voice as it came."""
        return cls("off", "off", "off")


@dataclass(frozen=True, slots=True)
class Condition:
    """What was measured of a voice as it came; None where nothing was."""

    has_echo: bool
    noise_dbfs: float | None
    speech_dbfs: float | None


class VoiceCare:
    """Of one leg of this ``kind`` (``peer`` or ``phone``)."""

    def __init__(self, settings: VoiceSettings, kind: str) -> None:
        self._settings = settings
        self._phone = kind == "phone"
        self._echo = False
        self._noise_until_s: float | None = None
        self._gain_until_s = -1.0

    def stages(self, condition: Condition, now_s: float) -> Stages:
        """What is to be done from now on."""
        settings = self._settings
        self._echo = self._echo or condition.has_echo
        if self._noise_until_s is None:
            self._noise_until_s = now_s + _PATIENCE_S if self._phone else now_s
        noise, speech = condition.noise_dbfs, condition.speech_dbfs
        if noise is not None and speech is not None:
            if noise > _NOISY_DBFS and speech - noise < _NOISY_SNR_DB:
                self._noise_until_s = now_s + _PATIENCE_S
            if abs(speech - _TARGET_DBFS) > _OFF_TARGET_DB:
                self._gain_until_s = now_s + _PATIENCE_S
        return Stages(
            high_pass=True,
            echo=_wanted(settings.echo, self._phone or self._echo),
            noise=_wanted(settings.noise, (self._phone and self._echo) or now_s < self._noise_until_s),
            gain=_wanted(settings.gain, self._phone or now_s < self._gain_until_s),
        )


def _wanted(switch: Switch, needed: bool) -> bool:
    return switch == "on" or (switch == "auto" and needed)
