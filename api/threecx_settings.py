"""How this server works with a 3CX: what of it is kept here, and what is kept in step."""

from dataclasses import dataclass, field

from pbx.threecx.agent_step import Words
from pbx.threecx.settings import ThreeCxSettings


@dataclass(frozen=True, slots=True)
class ThreeCxWork:
    """``pbx``: how it is reached. ``own_numbers``: DNs under which the PBX knows our line. ``extensions``: by identity, where it does not
    follow from e-mail or number. Times in seconds."""

    pbx: ThreeCxSettings
    own_numbers: frozenset[str] = frozenset()
    extensions: dict[str, str] = field(default_factory=dict)
    import_people: bool = False
    import_every_s: float = 3_600.0
    look_every_s: float = 15.0
    retry_s: float = 30.0
    in_step: bool = True
    words: Words = field(default_factory=Words)
    join_after_s: tuple[float, ...] = (20.0, 120.0, 900.0)
    """After a call's end the PBX's log is asked so late, until it has the call: it writes some time afterwards."""
