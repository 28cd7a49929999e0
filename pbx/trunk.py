"""The one protocol of every line to the outside: a SIP trunk, or the demo line inside the server.

A trunk only signals. The RTP socket of a leg is opened elsewhere and described to the trunk as an ``RtpEndpoint``; what the other side
wants comes back the same way. Calls never block: the outcome of every call comes as an event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rooms.audio import Endpoint, RtpEndpoint
from rooms.causes import Cause


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """``detail`` says in words whose fault it is and what to do when ``ready`` is false. ``stuck``: nothing is tried any more before
    somebody has done that.
    """

    ready: bool
    detail: str
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class LineStatus:
    """One PBX as people see it: its name, whether it is there, how many calls it has and may have, and what share of its new calls it
    takes (0-1): all, unless it failed a while ago and there are others.
    """

    name: str
    status: TrunkStatus
    calls: int
    most_calls: int
    share: float = 1.0

    @property
    def full(self) -> bool:
        return self.calls >= self.most_calls


@dataclass(frozen=True, slots=True)
class Arrived:
    """An INVITE for us. ``leg_id`` was drawn by the trunk. ``remote`` is None when it carried no SDP: then our answer is the offer.

    ``diversions``: who diverted the call, the last one first (RFC 5806; History-Info, RFC 7044, folded in). ``private``: the caller asked
    for privacy (RFC 3323, 3325). ``verified``: somebody whom we trust asserted the caller's number. ``replaces``: our leg whose place
    this call takes (RFC 3891), checked already: it is put there once answered, and the old one hung up.
    """

    leg_id: str
    trunk: str
    caller: str
    caller_name: str
    called: str
    remote: Endpoint | None
    diversions: tuple[str, ...] = ()
    private: bool = False
    verified: bool = False
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Rang:
    """The far phone rings; ``remote`` where early media comes with it (183)."""

    leg_id: str
    remote: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The far phone answered. ``remote.codecs[0]`` is what both sides now speak."""

    leg_id: str
    remote: Endpoint


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The caller acknowledged our answer (ACK). ``remote`` is set when the ACK carried its SDP (offer without SDP in the INVITE)."""

    leg_id: str
    remote: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Our INVITE got a final refusal, or no answer in time."""

    leg_id: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class HungUp:
    """The other side ended it: BYE, CANCEL, or a session timer that ran out."""

    leg_id: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Reagreed:
    """A re-INVITE or UPDATE changed address, codec or direction. Already answered by the trunk."""

    leg_id: str
    remote: Endpoint


@dataclass(frozen=True, slots=True)
class DigitArrived:
    """A digit by SIP INFO (RFC 4733 digits come through the media plane)."""

    leg_id: str
    digit: str


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The peer asks us to call ``target`` for its own place in this call (REFER, RFC 3515). It was told that we try.

    ``replaces``: our leg whose peer is to be talked to, where the REFER names a call of ours (attended transfer): nothing is dialled then.
    ``by``: who asks, as it says itself (RFC 3892). The outcome goes back with ``Trunk.transfer_progress``.
    """

    leg_id: str
    target: str
    replaces: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class TransferProgressed:
    """How a transfer goes that we asked of the peer: a SIP status, final from 200 on. A ``HungUp`` of the leg ends it as well."""

    leg_id: str
    status: int


@dataclass(frozen=True, slots=True)
class StatusChanged:
    trunk: str
    status: TrunkStatus


TrunkEvent = (
    Arrived | Rang | Answered | Confirmed | Refused | HungUp | Reagreed | DigitArrived | TransferAsked | TransferProgressed | StatusChanged
)
OnTrunkEvent = Callable[[TrunkEvent], None]


class Trunk(Protocol):
    """A line to the outside. Used as ``async with trunk:``; leaving ends its calls with BYE and unregisters."""

    name: str
    carries_rtp: bool
    """False for the demo line, whose far end is a programme in the media plane: it needs no port and ignores offers."""

    @property
    def status(self) -> TrunkStatus: ...

    def lines(self) -> list[LineStatus]:
        """The PBX behind it, or each of several."""

    def line_of(self, leg_id: str) -> str:
        """The name of the line that has this call, one of ``lines``: only calls of one line can be joined at the PBX."""

    async def __aenter__(self) -> "Trunk": ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    def dial(
        self,
        leg_id: str,
        number: str,
        caller: str,
        offer: RtpEndpoint,
        *,
        private: bool = False,
        caller_number: str = "",
        diverted_by: str = "",
        referred: str = "",
    ) -> None:
        """Place a call. Outcome: ``Rang``, then ``Answered`` or ``Refused``.

        ``caller``: the name to show; ``caller_number``: the number, where it is another one than the line's own. ``private``: the called
        person is not to see who calls. ``diverted_by``: the number that sends the call on. ``referred``: the leg
        whose ``TransferAsked`` this call carries out: who asked for it is passed on, and the call to be replaced elsewhere, where it
        named one.
        """

    def ring(self, leg_id: str) -> None:
        """Tell a caller that it rings here (180)."""

    def progress(self, leg_id: str, early: RtpEndpoint) -> None:
        """Let a caller hear us before the call is answered (183 with SDP). ``answer`` then has to be given the same endpoint."""

    def answer(self, leg_id: str, answer: RtpEndpoint) -> None:
        """Accept a call (200). Outcome: ``Confirmed`` or ``HungUp``."""

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        """End a leg in whatever state: CANCEL, BYE, or a final refusal. Unknown legs are ignored: it may just have ended."""

    def hold(self, leg_id: str, held: bool) -> None:
        """Re-INVITE with ``sendonly`` or ``sendrecv``."""

    def send_digit(self, leg_id: str, digit: str) -> None:
        """One digit by SIP INFO, for peers that did not agree to RFC 4733."""

    def can_refer(self, leg_id: str) -> bool:
        """May this call be handed over with ``refer``: is it answered, does its peer know REFER, and do the settings allow it?"""

    def refer(self, leg_id: str, target: str, *, replaces: str = "") -> None:
        """Ask the peer to call ``target``, or to take the place that our leg ``replaces`` has. Outcome: ``TransferProgressed``."""

    def transfer_progress(self, leg_id: str, status: int) -> None:
        """Tell who asked us to transfer how it goes; a status of 200 or more is the last word."""
