"""`[sip.failover]`: when calls leave one PBX of several, and how it gets them back."""

from typing import Annotated

from pydantic import Field

from api.settings.section import Section


class FailoverSection(Section):
    """When calls leave one PBX of several, and how it gets them back: ``pbx/trunk_health.py``."""

    silent_s: Annotated[float, Field(ge=0.5, le=30)] = 2.0
    """A call without any answer from a PBX for so long goes to the next one."""
    rest_s: Annotated[float, Field(ge=1, le=3_600)] = 10.0
    """How long a PBX that failed must be healthy before it takes calls; doubled each time that it fails again."""
    longest_rest_s: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    step_s: Annotated[float, Field(ge=1, le=3_600)] = 30.0
    """How long it must be healthy at 5, 20 and 50 % of its new calls before it takes more."""
    steady_s: Annotated[float, Field(ge=1, le=86_400)] = 900.0
    """After so long with all of its calls, earlier failures are forgotten."""
