"""`[media.recording]`: which calls and consultations are recorded, and how who is heard agrees."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from api.settings.section import Section
from api.settings.values import SoundName, check_keys
from rooms.policy import ConsultationRecordingPolicy, RecordingMode

_LEAST_BEEP_S = 5.0


class RecordingSection(Section):
    """Calls are recorded only where this is enabled and the call's consent is known."""

    enabled: bool = False
    incoming: RecordingMode = RecordingMode.ON_DEMAND
    """Which calls that arrive are recorded: ``never``, ``on_demand`` (the agent or a supervisor begins) or ``always``."""
    outgoing: RecordingMode = RecordingMode.ON_DEMAND
    consent: Literal["asked", "announced", "given", "not needed"] = "announced"
    """How the other side agreed. ``asked``: by key 1 to ``question``; key 2, or no key within ``answer_s``, is a no, and no file is made.
    ``announced``: nothing is kept before ``announcement`` was said to them whole."""
    announcement: SoundName = "recording-notice"
    """The text of ``media.prompts`` that is said."""
    question: SoundName = "recording-question"
    """The same where they are asked."""
    answer_s: Annotated[float, Field(ge=2, le=60)] = 10.0
    """So long after the question they may think."""
    consultations: Literal["never", "on_demand"] = "on_demand"
    """May a host record a consultation? Everybody in it sees that it is recorded."""
    consultation_consent: Literal["asked", "told"] = "asked"
    """``asked``: of each person nothing is kept before they agreed on their page. ``told``: they see it there and may refuse."""
    picture_height: Annotated[int, Field(ge=90, le=2_160)] = 480
    """Of a consultation's cameras the smallest layer that is so high is kept; screens are kept as they come."""
    key_frame_every_s: Annotated[float, Field(ge=1, le=600)] = 10.0
    """A kept picture is asked for a key frame so often, where none came for another reason: what a loss costs at most."""
    beep: bool = True
    """A tone for both sides when recording begins and goes on."""
    beep_every_s: Annotated[float, Field(ge=0, le=3_600)] = 0.0
    """The same tone so often in between; 0: not."""
    folder: Path | None = None
    """Folder of recordings; None: ``recordings`` in the data folder."""
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """Recordings are erased so long after their end; None keeps them."""
    key: SecretStr = SecretStr("")
    """Wraps the key of each recording and signs: 64 hexadecimal digits. Empty: drawn at the first start and kept in the data folder."""
    previous_keys: tuple[SecretStr, ...] = ()
    """Still open older recordings, never used for new ones."""

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        check_keys("a key of recordings", self.key, *self.previous_keys)
        return self

    @model_validator(mode="after")
    def _spaced_beeps(self) -> Self:
        if 0 < self.beep_every_s < _LEAST_BEEP_S:
            raise ValueError(f"beep_every_s is 0 (no tone in between) or at least {_LEAST_BEEP_S:g}")
        return self

    def consultation_policy(self) -> ConsultationRecordingPolicy:
        """How consultations are recorded."""
        return ConsultationRecordingPolicy(
            possible=self.enabled and self.consultations != "never",
            asks=self.consultation_consent == "asked",
            picture_height_px=self.picture_height,
        )
