"""One far phone that our INVITE reached, before it answers: an early dialog of its own (RFC 3261, section 12.1.2)."""

import re
from dataclasses import dataclass

from pbx.dialog import Dialog
from pbx.message import Response
from pbx.negotiation import Negotiation


@dataclass(slots=True)
class Fork:
    """``agreed``: its answer to our offer came reliably, so that it stands whatever comes later (RFC 3262, section 5)."""

    dialog: Dialog
    negotiation: Negotiation
    rseq: int | None = None
    agreed: bool = False

    def takes(self, rseq: int) -> bool:
        """Is this reliable response the next one in order? Repetitions and those after a gap are not (RFC 3262, section 4)."""
        if self.rseq is not None and rseq != self.rseq + 1:
            return False
        self.rseq = rseq
        return True


def rseq_of(response: Response) -> int | None:
    """The number of a provisional response that wants a PRACK; None for one that wants none."""
    value = response.get("RSeq") or ""
    if "100rel" not in response.tokens("Require") or not re.fullmatch(r"[0-9]{1,10}", value) or not 0 < int(value) < 2**32:
        return None
    return int(value)
