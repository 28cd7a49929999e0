"""What was said by SIP of each of the last calls, message by message, for who looks for what went wrong. In memory, and bounded."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from pbx.message import AnyMessage, Request
from pbx.transactions import Hop

MOST_DIALOGS = 2_000
"""Of more the oldest give way: a server with a call a second remembers half an hour of them."""
MOST_RUNGS = 64
"""Of one call; what comes behind them is counted."""
MOST_ATTEMPTS = 4
"""Of one leg, at different lines."""


class Rung(NamedTuple):
    """A message. ``at``: monotonic seconds; ``line``: ``INVITE sip:600@pbx`` or ``180 Ringing``; ``status``: 0 of a request; ``peer``: with
    whom; ``cseq``: number and method; ``sdp``: does it carry a session description?"""

    at: float
    sent: bool
    peer: str
    line: str
    status: int
    cseq: str
    sdp: bool


@dataclass(slots=True)
class _Dialog:
    rungs: list[Rung] = field(default_factory=list)
    left_out: int = 0


class Ladder:
    """Of all lines. A call's ladder begins with an INVITE; what belongs to none is not kept."""

    def __init__(self, *, most_dialogs: int = MOST_DIALOGS, most_rungs: int = MOST_RUNGS) -> None:
        self._most_dialogs, self._most_rungs = most_dialogs, most_rungs
        self._dialogs: OrderedDict[str, _Dialog] = OrderedDict()
        self._legs: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def note(self, message: AnyMessage, peer: Hop, now: float, *, sent: bool) -> None:
        """A message came or goes."""
        dialog = self._dialogs.get(message.call_id)
        if dialog is None:
            if not (isinstance(message, Request) and message.method == "INVITE"):
                return
            dialog = self._dialogs[message.call_id] = _Dialog()
            if len(self._dialogs) > self._most_dialogs:
                self._dialogs.popitem(last=False)
        if len(dialog.rungs) >= self._most_rungs:
            dialog.left_out += 1
            return
        line = f"{message.method} {message.uri}" if isinstance(message, Request) else f"{message.status} {message.reason}"
        status = 0 if isinstance(message, Request) else message.status
        told = f"{peer.transport} {peer.host}:{peer.port}"
        dialog.rungs.append(Rung(now, sent, told, line, status, message.get("CSeq") or "", bool(message.body)))

    def name(self, leg_id: str, call_id: str) -> None:
        """This leg is the call with this Call-ID; one that was tried elsewhere has several."""
        before = self._legs.get(leg_id, ())
        self._legs[leg_id] = (*(known for known in before if known != call_id), call_id)[-MOST_ATTEMPTS:]
        if len(self._legs) > self._most_dialogs:
            self._legs.popitem(last=False)

    def of(self, leg_id: str) -> tuple[list[Rung], int]:
        """The messages of a leg in order, and how many more there were."""
        dialogs = [self._dialogs[call_id] for call_id in self._legs.get(leg_id, ()) if call_id in self._dialogs]
        return [rung for dialog in dialogs for rung in dialog.rungs], sum(dialog.left_out for dialog in dialogs)
