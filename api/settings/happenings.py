"""`[happenings]`: what is told of calls while they go on."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from api.settings.section import Section, split_text


class HappeningsSection(Section):
    """What is told of calls while they go on, to rules and to other programs."""

    waits_s: Annotated[tuple[Annotated[float, Field(ge=1, le=7_200)], ...], BeforeValidator(split_text), Field(max_length=8)] = (120.0,)
    """A caller who has waited so long in a queue is told of (``call.waited``), each of these times."""
