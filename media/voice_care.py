"""What is done to one leg's voice, decided anew each second.

A stage that is ``on`` or ``off`` stays so. ``auto`` takes care of the echo and the level of phones always, and of their noise but for
phones without an echo that were quiet for ten seconds: no suppression leaves a clean voice quite as it was. A browser has processing of
its own, which sees the loudspeaker: there a stage is switched on where something is left for it to do, and off again when there was
nothing for ten seconds. An echo that was found once is looked after until the leg is decoded no longer.

A voice that is only forwarded is let alone unless something is clearly wrong with it (``is_clear``), and then decoded until nothing was
left to do for ten seconds (``is_needed``).
"""

from dataclasses import dataclass
from typing import Literal

from dsp.chain import Stages

Switch = Literal["auto", "on", "off"]

_TARGET_DBFS = -23.0
_OFF_TARGET_DB = 7.0
_NOISY_DBFS, _NOISY_SNR_DB = -62.0, 28.0
_CLEARLY_OFF_TARGET_DB = 12.0
_CLEARLY_NOISY_DBFS, _CLEARLY_NOISY_SNR_DB = -55.0, 20.0
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """What may be done to voices, stage by stage. ``sample_every_s``: how often a voice that is only forwarded is looked at; 0: never."""

    echo: Switch = "auto"
    noise: Switch = "auto"
    gain: Switch = "auto"
    sample_every_s: float = 5.0

    @classmethod
    def untouched(cls) -> "VoiceSettings":
        """Every voice as it came."""
        return cls("off", "off", "off")

    @property
    def touches_all(self) -> bool:
        """Is something to be done to every voice, so that none can be forwarded?"""
        return "on" in (self.echo, self.noise, self.gain)

    @property
    def looks(self) -> bool:
        """May a voice that is forwarded come to be cared for?"""
        return "auto" in (self.echo, self.noise, self.gain) and not self.touches_all and self.sample_every_s > 0


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
        self._begun_s: float | None = None

    def is_needed(self, now_s: float) -> bool:
        """Was there anything to do in the last ten seconds, or is it not known yet? An echo stays watched."""
        settings, begun_s = self._settings, self._begun_s
        if begun_s is None or now_s < begun_s + _PATIENCE_S or settings.touches_all or (self._echo and settings.echo == "auto"):
            return True
        noisy, off_target = now_s < (self._noise_until_s or 0.0), now_s < self._gain_until_s
        return (noisy and settings.noise == "auto") or (off_target and settings.gain == "auto")

    def stages(self, condition: Condition, now_s: float) -> Stages:
        """What is to be done from now on."""
        settings = self._settings
        self._echo = self._echo or condition.has_echo
        if self._begun_s is None:
            self._begun_s = now_s
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


def is_clear(settings: VoiceSettings, condition: Condition) -> bool:
    """Is so much wrong with a voice that is only forwarded, as far as a few glimpses tell, that it is worth being decoded?"""
    if condition.has_echo and settings.echo == "auto":
        return True
    noise, speech = condition.noise_dbfs, condition.speech_dbfs
    if speech is None:
        return False
    if abs(speech - _TARGET_DBFS) > _CLEARLY_OFF_TARGET_DB and settings.gain == "auto":
        return True
    return settings.noise == "auto" and noise is not None and noise > _CLEARLY_NOISY_DBFS and speech - noise < _CLEARLY_NOISY_SNR_DB


def _wanted(switch: Switch, needed: bool) -> bool:
    return switch == "on" or (switch == "auto" and needed)
