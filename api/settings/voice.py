"""`[media.voice]`: what is done to voices."""

from typing import Annotated, Literal

from pydantic import Field

from api.settings.section import Section


class VoiceSection(Section):
    """What is done to voices. ``auto``: to those of phones that are decoded anyway, and to others where something is left to do; ``on``: to
    all, so that no call is forwarded."""

    echo: Literal["auto", "on", "off"] = "auto"
    """Take out the echo of what the leg heard."""
    noise: Literal["auto", "on", "off"] = "auto"
    """Lower what is no voice. ``auto`` leaves clean voices alone."""
    suppressor: Literal["learned", "classical"] = "learned"
    """What tells voices from noise and echo: the trained network, or an estimator alone, which takes less of both and of the processor."""
    gain: Literal["auto", "on", "off"] = "auto"
    """Bring quiet and loud voices to one level."""
    sample_every_s: Annotated[float, Field(ge=0, le=3_600)] = 5.0
    """How often 200 ms of a voice that is only forwarded are looked at: with a clear echo, noise or wrong level it is decoded. 0: never."""
