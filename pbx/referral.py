"""Transfers by REFER: one that the peer asks of us, and one that we ask of the peer (RFC 3515).

A REFER opens a subscription by itself. Whoever carries it out tells how it goes in NOTIFYs, up to the one that says ``terminated``. The
subscription is a use of the dialog of its own: a BYE ends the call and leaves it alone (RFC 5057, section 4.1), so these objects may
outlive their leg.
"""

from typing import TYPE_CHECKING

from pbx.message import Request, Response
from pbx.refer import SIPFRAG, ReferTo, event_of, sipfrag, status_of_sipfrag
from pbx.timers import Timer
from pbx.transaction import T1
from pbx.transactions import ServerTransaction
from pbx.trunk import TransferProgressed

if TYPE_CHECKING:
    from pbx.sip_leg import SipLeg

BEYOND_RINGING_S = 60.0


class TheirReferral:
    """The peer asked us to call somebody else (``asked``). ``tell`` a status; one of 200 or more is the last word.

    NOTIFYs go one at a time: over UDP two could overtake one another. What was not sent when a newer status comes is left out.
    """

    def __init__(self, leg: "SipLeg", refer: Request, asked: ReferTo) -> None:
        self.leg_id = leg.leg_id
        self.asked = asked
        self._cseq = refer.cseq[0]
        self._leg = leg
        self._silent = asked.silent
        self._waiting: int | None = None
        self._sending = False
        self._ended = False
        self._life_s = leg.line.settings.ring_longest_s + BEYOND_RINGING_S
        self._until = leg.line.timers.now + self._life_s
        self._end_timer: Timer = leg.line.timers.start(self._life_s, lambda: self._close("timeout"))
        self._last_status = 100

    def tell(self, status: int) -> None:
        if self._ended:
            return
        self._last_status = status
        if self._silent:
            if status >= 200:
                self._end()
        elif self._sending:
            self._waiting = status
        else:
            self._notify(status)

    def subscribed(self, request: Request, server: ServerTransaction) -> bool:
        """A SUBSCRIBE for this very subscription: it may only be shortened to nothing, or asked for its state. False: not this one's."""
        name, number = event_of(request)
        if self._ended or self._silent or name != "refer" or number not in ("", str(self._cseq)):
            return False
        leaves = (request.get("Expires") or "").strip() == "0"
        left_s = 0 if leaves else self._left_s()
        self._leg.respond(server, 200, [("Expires", str(left_s)), ("Contact", self._leg.contact)])
        if leaves:
            self._close("timeout")
        else:
            self.tell(self._last_status)
        return True

    def _left_s(self) -> int:
        return max(int(self._until - self._leg.line.timers.now), 1)

    def _close(self, reason: str) -> None:
        if not self._ended and not self._silent:
            self._send(self._last_status, f"terminated;reason={reason}")
        self._end()

    def _notify(self, status: int) -> None:
        if status >= 200:
            self._send(status, "terminated;reason=noresource")
            self._end()
        else:
            self._sending = True
            self._send(status, f"active;expires={self._left_s()}")

    def _send(self, status: int, state: str) -> None:
        request = self._leg.in_dialog("NOTIFY")
        # Only the first subscription of a dialog may go without an id (section 2.4.6); with one it is never wrong.
        request.headers += [("Event", f"refer;id={self._cseq}"), ("Subscription-State", state), ("Content-Type", SIPFRAG)]
        request.body = sipfrag(status)
        self._leg.ask(request, self._answered)

    def _answered(self, response: Response, words: str) -> None:
        if response.status < 200 or self._ended:
            return
        self._sending = False
        if response.status in (408, 481, 489) or response.local:
            # Nobody listens any more (RFC 6665, section 4.2.2); the transfer goes on.
            self._silent = True
        elif self._waiting is not None:
            status, self._waiting = self._waiting, None
            self._notify(status)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._end_timer.cancel()
            self._leg.legs.referral_ended(self)


class OurReferral:
    """We asked the peer to call somebody else. Told as ``TransferProgressed`` until a status of 200 or more has come."""

    def __init__(self, leg: "SipLeg", refer: Request) -> None:
        self._leg = leg
        self._cseqs = {str(refer.cseq[0])}
        self._ended = False
        self._notified = False
        self._timer: Timer | None = None
        self._asked = leg.ask(refer, self._answered)

    @property
    def ended(self) -> bool:
        return self._ended

    def notified(self, request: Request, server: ServerTransaction) -> bool:
        """A NOTIFY of the dialog. False: it is not about this REFER."""
        name, number = event_of(request)
        self._cseqs.add(str(self._asked.sent.request.cseq[0]))
        if self._ended or name != "refer" or (number and number not in self._cseqs):
            return False
        self._leg.respond(server, 200)
        state, *params = (part.strip().lower() for part in (request.get("Subscription-State") or "").split(";"))
        status = status_of_sipfrag(request.body) if request.content_type == SIPFRAG else None
        if not self._notified:
            self._notified = True
            self._watch(self._leg.line.settings.ring_longest_s + BEYOND_RINGING_S)
        if state == "terminated" and (status is None or status < 200):
            # It stopped telling before it knew: what became of the transfer is not known.
            status = 603 if "reason=rejected" in params else 408 if "reason=timeout" in params else 500
        if status is not None:
            self._progressed(status)
        return True

    def stop(self) -> None:
        """The call is over, and who told it knows enough."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()

    def _answered(self, response: Response, words: str) -> None:
        if response.status < 200 or self._ended:
            return
        if response.status >= 300:
            self._progressed(response.status)
            self._leg.survives(response)
        elif (response.get("Refer-Sub") or "").strip().lower() == "false":
            self._progressed(200)
        elif not self._notified:
            # RFC 6665, section 4.1.2.4, timer N: a subscription without NOTIFY is none.
            self._watch(64 * T1)

    def _watch(self, longest_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._leg.line.timers.start(longest_s, lambda: self._progressed(408))

    def _progressed(self, status: int) -> None:
        if status >= 200:
            self.stop()
        self._leg.line.emit(TransferProgressed(self._leg.leg_id, status))
