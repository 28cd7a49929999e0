"""`[media.opus]`: what is sent in Opus."""

from typing import Annotated

from pydantic import Field

from api.settings.section import Section

_Bitrate = Annotated[int, Field(ge=6_000, le=128_000)]


class OpusSection(Section):
    """What is sent in Opus where something is encoded, in bit/s; FEC adds a quarter. No more than the far end asks for."""

    bitrate: _Bitrate = 40_000
    narrow_bitrate: _Bitrate = 24_000
    """For what has nothing above 4 kHz."""
    sparing_bitrate: _Bitrate = 64_000
    """While the processor is spared: a coder that takes two thirds of it for more bits."""
    sparing_narrow_bitrate: _Bitrate = 32_000
    sparing_from: Annotated[float, Field(ge=0, le=1)] = 0.35
    """The share of the mixing clock's time from which on the processor is spared."""
    complexity: Annotated[int, Field(ge=0, le=10)] = 0
    """0 is within 0.1 PESQ of the highest, which takes three times as long."""
    dtx: bool = True
    """Send nothing in silence to those who asked for that."""
    fec_from_loss: Annotated[float, Field(ge=0.01, le=1)] = 0.01
    """From this loss at the far end on packets carry a copy of the one before."""
    browser_bitrate: _Bitrate | None = None
    """The most that browsers are asked to send; None leaves it to them."""
    browser_dtx: bool = False
    """Ask browsers to send nothing in silence."""
