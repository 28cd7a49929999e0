"""What was said by SIP of each of the last calls, message by message, for who looks for what went wrong. In memory, and bounded.

Of a message it has what tells something about the call: its first line, the headers that matter and what its session description agrees
on. Credentials, keys of media and tokens are in none of it. What is taken (``take``) is the taker's, and here only counted.
"""

import re
from collections import OrderedDict
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pbx.message import AnyMessage, Request, spelled
from pbx.transactions import Hop

MOST_DIALOGS = 2_000
"""Of more the oldest give way: a server with a call a second remembers half an hour of them."""
MOST_RUNGS = 64
"""Of one call; what comes behind them is counted."""
MOST_ATTEMPTS = 4
"""Of one leg, at different lines."""
QUIET_S, LONGEST_S = 3.0, 10.0
"""Taken is what was said when nothing was for a while, or it waits for long: a call is two or three portions then."""
UNKNOWN_S = 60.0
"""So long a call of which nobody knows is waited for."""
HEADERS = frozenset(
    spelled(name)
    for name in (
        *("From", "To", "Call-ID", "Contact", "Via", "Record-Route", "Route", "P-Asserted-Identity", "Remote-Party-ID", "Privacy"),
        *("Diversion", "History-Info", "Reason", "Warning", "Retry-After", "Refer-To", "Referred-By", "Allow", "Supported", "Require"),
        *(
            "Unsupported",
            "RSeq",
            "RAck",
            "Session-Expires",
            "Min-SE",
            "User-Agent",
            "Server",
            "Content-Type",
            "Event",
            "Subscription-State",
        ),
    )
)
"""Those that matter; what asks for credentials or gives them is not among them."""
MOST_CHARACTERS, MOST_HEADERS, MOST_SDP_LINES = 200, 32, 40
_SECRET = re.compile(r"([;?&](?:[\w.-]*(?:token|secret|passw|key|prid|replaces|nonce|identity)[\w.-]*)=)[^;?&>\s]+", re.IGNORECASE)
_SDP_SHOWN = re.compile(
    r"(?:[vosctmb]=|a=(?:rtpmap|fmtp|ptime|maxptime|sendrecv|sendonly|recvonly|inactive|rtcp|rtcp-mux|setup|mid|group)\b)"
)
_SDP_KEY = re.compile(r"(a=crypto:\d+ \S+) .*")


class Rung(NamedTuple):
    """A message. ``at``: monotonic seconds; ``line``: ``INVITE sip:600@pbx`` or ``180 Ringing``; ``status``: 0 of a request; ``peer``: with
    whom; ``cseq``: number and method; ``sdp``: does it carry a session description? ``headers``: names and values, in order;
    ``described``: lines of that description."""

    at: float
    sent: bool
    peer: str
    line: str
    status: int
    cseq: str
    sdp: bool
    headers: tuple[tuple[str, str], ...] = ()
    described: tuple[str, ...] = ()


class Portion(NamedTuple):
    """What was said of a leg since the portion before. ``number``: which one it is, from 0 on; ``left_out``: how many messages more."""

    leg_id: str
    number: int
    rungs: list[Rung]
    left_out: int


@dataclass(slots=True)
class _Dialog:
    rungs: list[Rung] = field(default_factory=list)
    count: int = 0
    left_out: int = 0


@dataclass(slots=True)
class _Leg:
    dialogs: tuple[str, ...] = ()
    portions: int = 0


class Ladder:
    """Of all lines. A call's ladder begins with an INVITE; what belongs to none is not kept."""

    def __init__(self, *, most_dialogs: int = MOST_DIALOGS, most_rungs: int = MOST_RUNGS) -> None:
        self._most_dialogs, self._most_rungs = most_dialogs, most_rungs
        self._dialogs: OrderedDict[str, _Dialog] = OrderedDict()
        self._legs: OrderedDict[str, _Leg] = OrderedDict()
        self._named: OrderedDict[str, str] = OrderedDict()
        """Legs by Call-ID."""
        self._said: dict[str, None] = {}
        """Dialogs with something that was not taken."""

    def note(self, message: AnyMessage, peer: Hop, now: float, *, sent: bool) -> None:
        """A message came or goes."""
        call_id = message.call_id
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            if not (isinstance(message, Request) and message.method == "INVITE"):
                return
            dialog = self._dialogs[call_id] = _Dialog()
            if len(self._dialogs) > self._most_dialogs:
                gone, _ = self._dialogs.popitem(last=False)
                self._said.pop(gone, None)
        self._said[call_id] = None
        if dialog.count >= self._most_rungs:
            dialog.left_out += 1
            return
        dialog.count += 1
        dialog.rungs.append(rung_of(message, peer, now, sent=sent))

    def name(self, leg_id: str, call_id: str) -> None:
        """This leg is the call with this Call-ID; one that was tried elsewhere has several."""
        leg = self._legs.setdefault(leg_id, _Leg())
        leg.dialogs = (*(known for known in leg.dialogs if known != call_id), call_id)[-MOST_ATTEMPTS:]
        self._named[call_id] = leg_id
        for known in (self._legs, self._named):
            if len(known) > self._most_dialogs:
                known.popitem(last=False)

    def of(self, leg_id: str) -> tuple[list[Rung], int]:
        """The messages of a leg that were not taken, in order, and how many more there were."""
        leg = self._legs.get(leg_id, _Leg())
        dialogs = [self._dialogs[call_id] for call_id in leg.dialogs if call_id in self._dialogs]
        return [rung for dialog in dialogs for rung in dialog.rungs], sum(dialog.left_out for dialog in dialogs)

    def take(self, now: float, known: Container[str], *, all_of_it: bool = False) -> Iterator[Portion]:
        """What was said of ``known`` legs since it was taken before, of each in order, where it is quiet about it or waited long."""
        for call_id in tuple(self._said):
            dialog = self._dialogs[call_id]
            leg_id = self._named.get(call_id, "")
            leg = self._legs.get(leg_id)
            waited_s = now - dialog.rungs[0].at if dialog.rungs else LONGEST_S
            quiet_s = now - dialog.rungs[-1].at if dialog.rungs else QUIET_S
            if leg is None or leg_id not in known:
                if waited_s >= UNKNOWN_S:
                    del self._said[call_id]  # refused before there was a leg
            elif all_of_it or quiet_s >= QUIET_S or waited_s >= LONGEST_S:
                del self._said[call_id]
                yield Portion(leg_id, leg.portions, dialog.rungs, dialog.left_out)
                leg.portions += 1
                dialog.rungs, dialog.left_out = [], 0


def rung_of(message: AnyMessage, peer: Hop, now: float, *, sent: bool) -> Rung:
    """What is kept of a message."""
    line = f"{message.method} {message.uri}" if isinstance(message, Request) else f"{message.status} {message.reason}"
    status = 0 if isinstance(message, Request) else message.status
    told = f"{peer.transport} {peer.host}:{peer.port}"
    headers = tuple((name, _shown(value)) for name, value in message.headers if name in HEADERS)[:MOST_HEADERS]
    has_sdp = bool(message.body) and message.content_type == "application/sdp"
    described = tuple(described_by(message.body)) if has_sdp else ()
    return Rung(now, sent, told, _shown(line), status, message.get("CSeq") or "", bool(message.body), headers, described)


def described_by(body: bytes) -> list[str]:
    """The lines of a session description that say what is agreed; of keys only that there is one, and by which cipher."""
    lines = body[:8_192].decode("utf-8", "replace").splitlines()
    shown = [_SDP_KEY.sub(r"\1 …", line) for line in lines if _SDP_SHOWN.match(line) or _SDP_KEY.match(line)]
    return [line[:MOST_CHARACTERS] for line in shown[:MOST_SDP_LINES]]


def _shown(value: str) -> str:
    return _SECRET.sub(r"\1…", value)[:MOST_CHARACTERS]
