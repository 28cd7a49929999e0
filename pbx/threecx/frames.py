"""What the event socket says, frame by frame. Pure. A frame only names what changed; what it is now has to be asked for."""

import json
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from pbx.threecx.objects import fields_of


class FrameKind(StrEnum):
    CHANGED = "changed"
    REMOVED = "removed"
    DIGITS = "digits"
    OTHER = "other"


_KINDS = {
    **{0: FrameKind.CHANGED, "0": FrameKind.CHANGED, "upsert": FrameKind.CHANGED, "upset": FrameKind.CHANGED},
    **{1: FrameKind.REMOVED, "1": FrameKind.REMOVED, "remove": FrameKind.REMOVED},
    **{2: FrameKind.DIGITS, "2": FrameKind.DIGITS, "dtmfstring": FrameKind.DIGITS},
}


@dataclass(frozen=True, slots=True)
class Frame:
    """``participant``: 0 where the entity is a DN or one of its devices. ``digits``: of ``DIGITS``."""

    kind: FrameKind
    dn: str
    participant: int
    sequence: int = 0
    digits: str = ""

    @property
    def entity(self) -> tuple[str, int]:
        return (self.dn, self.participant)


def read_frame(text: str) -> Frame | None:
    """None for what is no event about an entity under ``/callcontrol``."""
    try:
        outer = fields_of(json.loads(text))
    except ValueError:
        return None
    event = fields_of(outer.get("event"))
    parts = str(event.get("entity") or "").strip("/").split("/")
    if len(parts) < 2 or parts[0].lower() != "callcontrol":
        return None
    raw = event.get("eventtype")
    kind = _KINDS.get(raw.lower() if isinstance(raw, str) else raw if isinstance(raw, int) else -1, FrameKind.OTHER)
    participant = int(parts[3]) if len(parts) > 3 and parts[2].lower() == "participants" and parts[3].isdecimal() else 0
    data = event.get("attacheddata")
    said = fields_of(data).get("dtmfinput", "") if isinstance(data, dict) else data
    digits = "".join(each for each in str(said or "") if each in "0123456789*#ABCD") if kind is FrameKind.DIGITS else ""
    sequence = outer.get("sequence")
    return Frame(kind, unquote(parts[1]), participant, sequence if isinstance(sequence, int) else 0, digits)
