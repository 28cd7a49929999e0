"""A call that comes to us: INVITE answered or refused, CANCEL, and the 200 repeated until its ACK (RFC 3261, sections 9 and 13)."""

import re

from pbx.address import BadValue
from pbx.body import give_body, sdp_of
from pbx.dialog import dialog_of_called
from pbx.identity import caller_of, diversions_of, user_of
from pbx.legs import Legs
from pbx.line import ALLOW, Line
from pbx.message import Request, respond
from pbx.provisionals import Provisionals
from pbx.reason import cause_said
from pbx.sdp import BadSdp, NoCommonAudio
from pbx.sip_leg import LegState, SipLeg
from pbx.transactions import ServerTransaction
from pbx.trunk import Arrived, HungUp, Reagreed
from rooms.audio import RtpEndpoint
from rooms.causes import Cause, EndReason, sip_of_cause

# A proxy gives a call up that it hears nothing of for three minutes; section 13.3.1.1 asks for a sign each minute.
STILL_RINGING_S = 60.0


class IncomingLeg(SipLeg):
    """Opened once its INVITE has passed every check. Raises ``BadValue``, ``BadSdp``, ``NoCommonAudio``, ``UnsupportedBody`` where not.

    ``_agreed``: offer and answer are complete before the 200, because a reliable 183 carried one of them; then the 200 carries none.
    """

    def __init__(self, line: Line, leg_id: str, legs: Legs, server: ServerTransaction, replaces: str = "") -> None:
        dialog = dialog_of_called(server.request, line.token())
        super().__init__(line, leg_id, legs, dialog.key, owns_call_id=False)
        self.invite = server
        self._request = server.request
        self._replaces = replaces
        self.dialog = dialog
        self.peer_allows = {method.upper() for method in self._request.tokens("Allow")}
        self._caller_takes = self._request.tokens("Supported") | self._request.tokens("Require")
        self._provisionals: Provisionals | None = None
        """Once one of them was sent reliably."""
        self._agreed = False
        self._answering: RtpEndpoint | None = None
        offer = sdp_of(self._request)
        self.remote = self.negotiation.take_offer(offer) if offer else None

    def announce(self) -> None:
        """Tell that the call arrived."""
        settings = self.line.settings
        caller = caller_of(self._request, settings.trusted_caller)
        self.line.emit(
            Arrived(
                self.leg_id,
                settings.name,
                caller.number,
                caller.name,
                called_of(self._request, settings.extension, settings.contact_user),
                self.remote,
                diversions=diversions_of(self._request),
                private=caller.private,
                verified=caller.verified,
                replaces=self._replaces,
            )
        )
        self._restart("ringing", self._patience_s(), self._rang_too_long)

    def _patience_s(self) -> float:
        """How long the caller waits at most: its own Expires, or our bound (section 13.3.1)."""
        longest_s = self.line.settings.ring_longest_s
        value = self._request.get("Expires") or ""
        return min(float(value), longest_s) if re.fullmatch(r"[1-9][0-9]{0,6}", value) else longest_s

    def _rang_too_long(self) -> None:
        """480; 487 where it is the caller's own Expires that is over (section 13.3.1)."""
        status = 487 if self._patience_s() < self.line.settings.ring_longest_s else 480
        cause = Cause(EndReason.NO_ANSWER, status, "Nobody took the call in time.")
        self.refuse(cause)
        self.line.emit(HungUp(self.leg_id, cause))

    def ring(self) -> None:
        if self.state is LegState.ARRIVED:
            self._tell(180, b"", reliably="100rel" in self._request.tokens("Require"))

    def progress(self, early: RtpEndpoint) -> None:
        """183 with our answer, or with our offer where the INVITE had none: the answer to that comes in the PRACK, or not at all."""
        reliably = "100rel" in self._caller_takes
        if self.state is not LegState.ARRIVED or self.negotiation.ours is not None or (self.remote is None and not reliably):
            return
        body = self._description(early)
        if body is not None:
            self._tell(183, body, reliably=reliably)

    def _tell(self, status: int, body: bytes, *, reliably: bool) -> None:
        headers = [("Contact", self.contact), ("Allow", ALLOW)]
        response = respond(self._request, status, to_tag=self.key[1], headers=headers)
        give_body(response, body)
        if reliably:
            self._provisionals = self._provisionals or Provisionals(self.line, self.invite, self._never_pracked)
            self._provisionals.send(response)
        else:
            self.line.transactions.respond(self.invite, response)
        self._restart("still ringing", STILL_RINGING_S, lambda: self._tell(status, b"" if reliably else body, reliably=reliably))

    def _never_pracked(self) -> None:
        """RFC 3262, section 3: the caller cannot be reached, so it is refused with a 5xx."""
        cause = Cause(EndReason.UNREACHABLE, 504, "The caller never confirmed that it hears us (no PRACK): look at its network or NAT.")
        self.refuse(cause)
        self.line.emit(HungUp(self.leg_id, cause))

    def _pracked(self, request: Request, server: ServerTransaction) -> None:
        told = self._provisionals.acknowledged(request.get("RAck") or "") if self._provisionals is not None else None
        if told is None or self.state is not LegState.ARRIVED:
            self.respond(server, 481)
            return
        if told.body and self.remote is None:
            self._take_early_answer(request, server)
        else:
            self._agreed = self._agreed or bool(told.body)
            self._answer_in_prack(request, server)
        if self._answering is not None:
            self.answer(self._answering)

    def _take_early_answer(self, request: Request, server: ServerTransaction) -> None:
        """The answer to the offer that our 183 made (RFC 3262, section 5)."""
        try:
            theirs = self.negotiation.take_answer(self._sdp_in(request))
        except (BadSdp, NoCommonAudio) as error:
            self.respond(server, 488)
            cause = Cause(EndReason.INCOMPATIBLE, 488, str(error))
            self.refuse(cause)
            self.line.emit(HungUp(self.leg_id, cause))
            return
        self._agreed = True
        self.respond(server, 200)
        self.line.emit(Reagreed(self.leg_id, theirs))

    def _answer_in_prack(self, request: Request, server: ServerTransaction) -> None:
        """The 200 to a PRACK; where that carried another offer, with the answer. A refused offer acknowledges all the same."""
        answered = self._answer_offer(request, server, self.negotiation)
        if answered is None:
            return
        body, changed = answered
        response = respond(request, 200)
        give_body(response, body)
        self.line.transactions.respond(server, response)
        if changed:
            self._tell_agreed(self.negotiation)

    def _offer_objection(self, request: Request) -> int:
        if self.state is not LegState.ARRIVED or self._agreed:
            return super()._offer_objection(request)
        return 491 if self.remote is None and self.negotiation.ours is not None else 500

    def _description(self, ours: RtpEndpoint) -> bytes | None:
        """Our answer, or our offer where the INVITE had none; None where there is no common codec, and the call was refused."""
        try:
            return self.negotiation.offer(ours) if self.remote is None else self.negotiation.answer(ours)
        except NoCommonAudio as error:
            cause = Cause(EndReason.INCOMPATIBLE, 488, str(error))
            self.refuse(cause)
            self.line.emit(HungUp(self.leg_id, cause))
            return None

    def answer(self, ours: RtpEndpoint) -> None:
        """200 with our answer, or with our offer where the INVITE had none. It waits for the PRACKs under way (RFC 3262, section 3)."""
        if self.state is not LegState.ARRIVED:
            return
        if self._provisionals is not None and self._provisionals.pending:
            self._answering = ours
            return
        body = b"" if self._agreed else self._description(ours)
        if body is None:
            return
        agreement = self._session_of(self._request, self.invite)
        if agreement is None:
            # 422 is the answer: the caller comes again with a longer interval.
            self._peer_left(Cause(EndReason.FAILED, 422, "The caller's session interval is too short."))
            return
        for name in ("ringing", "still ringing"):
            if name in self._timers:
                self._timers.pop(name).cancel()
        self._late_offer = self.remote is None and not self._agreed
        self.state = LegState.ANSWERED
        self._accept(self.invite, body, agreement)

    def end(self) -> None:
        if self._provisionals is not None:
            self._provisionals.stop()
            self._provisionals = None
        super().end()

    def refuse(self, cause: Cause) -> None:
        """A final refusal, without an event: whoever asks for it knows."""
        status = sip_of_cause(cause)
        headers = [("Retry-After", "10")] if status == 503 else []
        self.respond(self.invite, status if status >= 300 else 480, headers)
        self.end()

    def cancelled(self, cancel: Request) -> None:
        """A CANCEL; after our final response it has no effect (section 9.2)."""
        if self.state is LegState.ARRIVED:
            self._peer_left(cause_said(cancel, Cause(EndReason.GAVE_UP, 487, "The caller gave up.")))

    def _peer_left(self, cause: Cause) -> None:
        if self.state is LegState.ARRIVED:
            self.respond(self.invite, 487)
        super()._peer_left(cause)


def called_of(request: Request, *own: str) -> str:
    """The number that was dialled: the Request-URI, or To where the Request-URI names only us: our ``own`` extension or Contact."""
    dialled = user_of(request.uri)
    try:
        meant = user_of(request.to_address.uri)
    except BadValue:
        return dialled
    return meant if dialled in ("", *own) and meant else dialled
