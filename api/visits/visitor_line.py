"""The line on which visitors of other people's sites call: a trunk without a network of its own, whose far ends are browsers.

Signalling only, in the same events as a SIP trunk. Their sound comes by peer connections in the media plane, which come and go beneath a
call: a browser that is away for less than ``patience_s`` has its call again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from pbx.trunk import Arrived, Confirmed, DigitArrived, HungUp, LineStatus, OnTrunkEvent, Refused, TransferProgressed, TrunkStatus
from rooms.audio import BrowserEndpoint, RtpEndpoint
from rooms.causes import Cause, EndReason

NAME = "web"
_AWAY = Cause(EndReason.MEDIA_LOST, 480, "The visitor's browser went away.")
_NEVER_CAME = Cause(EndReason.MEDIA_LOST, 480, "The visitor's browser brought up no sound.")


@dataclass(slots=True)
class _Leg:
    patience: asyncio.TimerHandle | None = None


class VisitorLine:
    """Satisfies ``pbx.trunk.Trunk``. ``most``: calls at once. ``on_over(leg_id, cause)`` hears of each call that we end."""

    carries_rtp = False

    def __init__(self, on_event: OnTrunkEvent, *, most: int, patience_s: float = 30.0, name: str = NAME) -> None:
        self.name = name
        self._on_event = on_event
        self._most = most
        self._patience_s = patience_s
        self._legs: dict[str, _Leg] = {}
        self._open = False
        self.on_over: Callable[[str, Cause], None] = lambda leg_id, cause: None

    @property
    def status(self) -> TrunkStatus:
        return TrunkStatus(self._open, "Visitors of the sites can call." if self._open else "The line of the sites is closed.")

    def lines(self) -> list[LineStatus]:
        return [LineStatus(self.name, self.status, len(self._legs), self._most)]

    def line_of(self, leg_id: str) -> str:
        return self.name

    async def __aenter__(self) -> "VisitorLine":
        self._open = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._open = False
        for leg_id in list(self._legs):
            self._forget(leg_id)

    # ------------------------------------------------------------------ what visitors and their browsers do

    @property
    def full(self) -> bool:
        return not self._open or len(self._legs) >= self._most

    def has(self, leg_id: str) -> bool:
        return leg_id in self._legs

    def call(self, called: str) -> str:
        """A visitor calls; the leg that this draws. ``Arrived`` is told before it returns."""
        leg_id = f"web-{uuid4().hex}"
        self._legs[leg_id] = _Leg()
        self._wait(leg_id, _NEVER_CAME)
        self._on_event(Arrived(leg_id, self.name, "", "", called, BrowserEndpoint(), private=True))
        return leg_id

    def connected(self, leg_id: str) -> None:
        """The browser's sound is up."""
        leg = self._legs.get(leg_id)
        if leg is not None:
            self._stop_waiting(leg)

    def lost(self, leg_id: str) -> None:
        """The browser's sound is gone; it may come back."""
        if leg_id in self._legs:
            self._wait(leg_id, _AWAY)

    def press(self, leg_id: str, digits: str) -> None:
        for digit in digits:
            self._on_event(DigitArrived(leg_id, digit))

    def leave(self, leg_id: str, cause: Cause | None = None) -> None:
        """The visitor hangs up, or is not there any more. One that is over is over."""
        if leg_id in self._legs:
            self._forget(leg_id)
            self._on_event(HungUp(leg_id, cause or Cause(EndReason.COMPLETED)))

    # ------------------------------------------------------------------ what call control wants

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
        """No route leads here, and nobody can be called: visitors call us."""
        missing = Cause(EndReason.NOT_FOUND, 404, "On this line visitors call us: it cannot be dialled.")
        asyncio.get_running_loop().call_soon(self._on_event, Refused(leg_id, missing))

    def ring(self, leg_id: str) -> None:
        """Nothing to do: their page is told how the call stands."""

    def progress(self, leg_id: str, early: RtpEndpoint) -> None:
        """Nothing to do: what they hear comes by their peer connection."""

    def answer(self, leg_id: str, answer: RtpEndpoint) -> None:
        # Never inside the caller's own call: an event must not overtake the command that caused it.
        asyncio.get_running_loop().call_soon(self._confirm, leg_id)

    def _confirm(self, leg_id: str) -> None:
        if leg_id in self._legs:
            self._on_event(Confirmed(leg_id))

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        if leg_id in self._legs:
            self._forget(leg_id)
            self.on_over(leg_id, cause)

    def hold(self, leg_id: str, held: bool) -> None:
        """Nothing to signal: hold is a matter of the room's gains."""

    def send_digit(self, leg_id: str, digit: str) -> None:
        """A browser listens to no digits."""

    def can_refer(self, leg_id: str) -> bool:
        return False

    def refer(self, leg_id: str, target: str, *, replaces: str = "") -> None:
        """It cannot be sent elsewhere."""
        asyncio.get_running_loop().call_soon(self._on_event, TransferProgressed(leg_id, 501))

    def transfer_progress(self, leg_id: str, status: int) -> None:
        """Nothing to do: no visitor asks to be transferred."""

    # ------------------------------------------------------------------ patience

    def _wait(self, leg_id: str, cause: Cause) -> None:
        leg = self._legs[leg_id]
        self._stop_waiting(leg)
        leg.patience = asyncio.get_running_loop().call_later(self._patience_s, self._give_up, leg_id, cause)

    def _give_up(self, leg_id: str, cause: Cause) -> None:
        self.leave(leg_id, cause)
        self.on_over(leg_id, cause)

    @staticmethod
    def _stop_waiting(leg: _Leg) -> None:
        if leg.patience is not None:
            leg.patience.cancel()
            leg.patience = None

    def _forget(self, leg_id: str) -> None:
        self._stop_waiting(self._legs.pop(leg_id))
