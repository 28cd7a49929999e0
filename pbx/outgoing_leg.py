"""A call that we dial: INVITE, ringing, answer, refusal, CANCEL and forks (RFC 3261, sections 9 and 13)."""

from copy import copy
from dataclasses import dataclass, replace

from pbx.address import BadValue, SipUri
from pbx.body import SDP
from pbx.dialog import Dialog, dialog_of_caller
from pbx.fork import Fork, rseq_of
from pbx.identity import IdentityHeader, diversion_headers, from_of, identity_headers, under_name, under_number
from pbx.legs import Legs
from pbx.line import ALLOW, SUPPORTED, Asked, Line
from pbx.message import Request, Response, retry_after_s
from pbx.negotiation import Negotiation
from pbx.reason import cause_said, reason_headers
from pbx.redirect import Redirect
from pbx.refer import ReferTo
from pbx.sdp import BadSdp, NoCommonAudio
from pbx.session_timer import session_of_caller
from pbx.sip_leg import LegState, SipLeg
from pbx.transaction import T1, cancel_of
from pbx.transactions import Hop
from pbx.trunk import Answered, Rang, Refused
from rooms.audio import RtpEndpoint
from rooms.causes import Cause, EndReason, cause_of_sip

MAX_FORKS = 8


@dataclass(frozen=True, slots=True)
class Dialling:
    """What a new call says beside its offer: see ``pbx.trunk.Trunk.dial``."""

    number: str
    caller: str
    private: bool = False
    caller_number: str = ""
    diverted_by: str = ""
    referred: ReferTo | None = None


class OutgoingLeg(SipLeg):
    """Ends as ``Answered`` or ``Refused``, whichever way the messages cross."""

    def __init__(self, line: Line, leg_id: str, legs: Legs, wish: Dialling, offer: RtpEndpoint) -> None:
        self.call_id = line.token(16)
        self.tag = line.token()
        super().__init__(line, leg_id, legs, (self.call_id, self.tag), owns_call_id=True)
        self._wish = wish
        own = under_name(line.identity, wish.caller)
        self._told = under_number(own, wish.caller_number)
        # Where we are one of the PBX's phones, From says which one; it holds what we call ourselves to be a wish (RFC 3325, section 9.2).
        self._me = self._told if line.settings.told_identity is IdentityHeader.ASSERTED else own
        # A redirection changes where the call goes, not whom it was for (section 8.1.3.4).
        self._to = SipUri(line.settings.sip_domain, wish.number)
        self._redirect = Redirect(line.settings.max_redirects, wish.number)
        self._cseq = 0
        self._cancel_cause: Cause | None = None
        self._cancel_sent = False
        self.proceeding = False
        self._rang: RtpEndpoint | None = None
        self._ringing = False
        self._forks: dict[str, Fork] = {}
        self._acks: dict[str, tuple[Request, Hop]] = {}
        self._inviting = self._invite(self.negotiation.offer(offer))
        self._restart("ringing", line.settings.ring_longest_s, self._rang_too_long)

    def _invite(self, body: bytes) -> Asked:
        settings = self.line.settings
        uri, routes, hop = self.line.way_to(str(SipUri(settings.sip_domain, self._wish.number)))
        request = Request(method="INVITE", uri=uri, body=body)
        request.headers = [
            ("Max-Forwards", "70"),
            *routes,
            ("From", str(from_of(self._me, self.tag, private=self._wish.private))),
            ("To", f"<{self._to}>"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self._next_cseq()} INVITE"),
            ("Contact", self.line.contact),
            ("Allow", ALLOW),
            ("Supported", SUPPORTED),
            ("Session-Expires", str(self._asked_s())),
            ("Min-SE", str(self._min_se)),
            ("Content-Type", SDP),
        ]
        request.headers += self._more_headers()
        return self.line.ask(request, hop, self._next_cseq, self._invite_answered)

    def _more_headers(self) -> list[tuple[str, str]]:
        """Who calls and by way of whom, who asked for it and which call it takes the place of (RFC 3892, 3891)."""
        wish, settings = self._wish, self.line.settings
        headers = identity_headers(self._told, settings.told_identity, private=wish.private)
        if wish.diverted_by:
            headers += diversion_headers(wish.diverted_by, wish.number, settings.sip_domain)
        if wish.referred is not None and wish.referred.referred_by:
            headers.append(("Referred-By", wish.referred.referred_by))
        if wish.referred is not None and wish.referred.replaces is not None:
            headers.append(("Replaces", str(wish.referred.replaces)))
        return headers

    def _next_cseq(self) -> int:
        # A challenge may follow a provisional response: then it is a new transaction, and a CANCEL waits for its provisional response.
        self._cseq = max([self._cseq, *(fork.dialog.local_cseq for fork in self._forks.values())]) + 1
        self._forks.clear()
        self.proceeding = False
        return self._cseq

    def cancel(self, cause: Cause) -> None:
        """Give up before the answer. The CANCEL waits for a first provisional response (section 9.1); the outcome is ``Refused``."""
        if self._cancel_cause is not None:
            return
        self._cancel_cause = cause
        self._inviting.give_up()
        if self.proceeding:
            self._send_cancel()

    def _send_cancel(self) -> None:
        if self._cancel_sent:
            return
        self._cancel_sent = True
        invite = self._inviting.sent
        request = cancel_of(invite.request)
        if self._given_up().reason in (EndReason.ANSWERED_ELSEWHERE, EndReason.NO_ANSWER):
            # Everything else is our own business: to the called, the caller gave up.
            request.headers += reason_headers(self._given_up())
        self.line.transactions.request(request, invite.hop, lambda response: None)
        # Who answers neither CANCEL nor INVITE is not waited for (section 9.1, last paragraph).
        self._restart("cancel", 64 * T1, self._abandon)

    def _abandon(self) -> None:
        self._inviting.sent.end()
        self._refuse(Cause(EndReason.GAVE_UP, 487, "Cancelled before the answer; the PBX never confirmed it."))

    def _rang_too_long(self) -> None:
        self.cancel(Cause(EndReason.NO_ANSWER, 480, "Nobody answered in time."))

    def _invite_answered(self, response: Response, words: str) -> None:
        if 200 <= response.status < 300:
            self._succeeded(response)
        elif self.state is not LegState.CALLING:
            return
        elif response.status < 200:
            self._provisional(response)
        elif response.status == 422 and self._lengthen(response) and self._cancel_cause is None:
            self._inviting = self._invite(self._inviting.sent.request.body)
        elif response.status in (415, 488, 606) and self._cancel_cause is None and (plain := self.negotiation.plain_offer()):
            self._inviting = self._invite(plain)
        elif self._cancel_cause is not None or not self._redirected(response):
            self._refuse(self._cause_of(response, words))

    def _redirected(self, response: Response) -> bool:
        """Dial the next number that a 3xx named, where there is one that may be dialled (section 8.1.3.4)."""
        self._redirect.take(response)
        if response.status >= 600:
            return False
        while number := self._redirect.next():
            dialled = self.line.follow(self.leg_id, number)
            if dialled:
                self._wish = replace(self._wish, number=dialled, diverted_by=self._wish.number)
                self._inviting = self._invite(self._inviting.sent.request.body)
                return True
        return False

    def _provisional(self, response: Response) -> None:
        self.proceeding = True
        fork = self._fork_of(response) if response.status > 100 else None
        rseq = rseq_of(response)
        if fork is not None and rseq is not None:
            if not fork.takes(rseq):
                return
            self._send_prack(fork, rseq)
        if self._cancel_cause is not None:
            self._send_cancel()
        elif response.status > 100:
            early = self._take_early(response, fork, reliable=rseq is not None) if fork is not None else None
            self._tell_rang(early)

    def _fork_of(self, response: Response) -> Fork | None:
        """The far phone that says this, known or new; None where the response makes no dialog."""
        tag = response.to_address.tag or ""
        fork = self._forks.get(tag)
        if fork is None and len(self._forks) < MAX_FORKS:
            try:
                dialog = dialog_of_caller(self._inviting.sent.request, response)
            except BadValue:
                self.line.counts["early_without_dialog"] += 1
                return None
            fork = self._forks[tag] = Fork(dialog, copy(self.negotiation))
            self.dialog = dialog
        elif fork is not None:
            self._retarget(response, fork.dialog)
        return fork

    def _take_early(self, response: Response, fork: Fork, *, reliable: bool) -> RtpEndpoint | None:
        """What the far phone wants to be sent before it answers. An answer that came reliably stands (RFC 3262, section 5)."""
        body = b"" if fork.agreed else self._sdp_in(response)
        if not body:
            return None
        try:
            early = fork.negotiation.take_answer(body)
        except (BadSdp, NoCommonAudio):
            # The final answer is what counts; until then our own ringing tone does.
            self.line.counts["bad_early_sdp"] += 1
            return None
        fork.agreed = reliable
        return early

    def _tell_rang(self, early: RtpEndpoint | None) -> None:
        if not self._ringing or (early is not None and early != self._rang):
            self._ringing = True
            self._rang = early or self._rang
            self.line.emit(Rang(self.leg_id, early))

    def _send_prack(self, fork: Fork, rseq: int) -> None:
        """RFC 3262, section 4. Its outcome changes nothing: who does not get it repeats its response, then gives the call up."""
        request = self.in_dialog("PRACK", fork.dialog)
        number, method = self._inviting.sent.request.cseq
        request.add("RAck", f"{rseq} {number} {method}")
        self.ask(request, lambda response, words: None, fork.dialog)

    def _dialog_with(self, tag: str | None) -> Dialog | None:
        if self.state is not LegState.CALLING:
            return super()._dialog_with(tag)
        fork = self._forks.get(tag or "")
        return fork.dialog if fork is not None else None

    def _negotiation_with(self, request: Request) -> Negotiation:
        fork = self._forks.get(request.from_address.tag or "")
        return fork.negotiation if fork is not None and self.state is LegState.CALLING else self.negotiation

    def _offer_objection(self, request: Request) -> int:
        fork = self._forks.get(request.from_address.tag or "")
        if self.state is LegState.CALLING and (fork is None or not fork.agreed):
            return 491
        return super()._offer_objection(request)

    def _tell_agreed(self, negotiation: Negotiation) -> None:
        if self.state is LegState.CALLING:
            self._tell_rang(negotiation.theirs)
        else:
            super()._tell_agreed(negotiation)

    def _succeeded(self, response: Response) -> None:
        """The first 2xx is the call, its repetitions get the same ACK, another fork gets ACK and BYE (section 13.2.2.4)."""
        tag = response.to_address.tag or ""
        if tag in self._acks:
            self._send_ack(tag)
            return
        if len(self._acks) >= MAX_FORKS:
            self.line.counts["forks_ignored"] += 1
            return
        try:
            confirmed = dialog_of_caller(self._inviting.sent.request, response)
        except BadValue:
            self._refuse(Cause(EndReason.FAILED, 502, "The PBX answered the call without saying where it is (no Contact)."))
            return
        fork = self._forks.get(tag) or Fork(confirmed, copy(self.negotiation))
        # Target and route come from the 2xx, the counts of requests go on from the early dialog.
        confirmed.local_cseq = max(confirmed.local_cseq, fork.dialog.local_cseq)
        confirmed.remote_cseq = fork.dialog.remote_cseq
        fork.dialog = confirmed
        ack = confirmed.request("ACK", self._inviting.sent.request.cseq[0])
        for name in ("Authorization", "Proxy-Authorization"):
            ack.headers += [(name, value) for value in self._inviting.sent.request.lines(name)]
        self._acks[tag] = ack, self.line.hop_of(confirmed.next_uri())
        self._send_ack(tag)
        mine = self.state is LegState.CALLING
        if mine and self._cancel_cause is None:
            self._talk(response, fork)
            return
        self._send_bye(self._given_up(), confirmed)
        if mine:
            self._refuse(self._given_up())

    def _talk(self, response: Response, fork: Fork) -> None:
        self._timers.pop("ringing").cancel()
        self.state = LegState.TALKING
        self.dialog, self.negotiation = fork.dialog, fork.negotiation
        self._retarget(response)
        theirs = self.negotiation.theirs if fork.agreed else None
        try:
            theirs = theirs or self.negotiation.take_answer(self._sdp_in(response))
        except (BadSdp, NoCommonAudio) as error:
            cause = Cause(EndReason.INCOMPATIBLE, 488, str(error))
            self._send_bye(cause)
            self._refuse(cause)
            return
        self._keep_session(session_of_caller(response, asked_s=self._asked_s()))
        self.line.emit(Answered(self.leg_id, theirs))
        self._offer_waiting()

    def _send_ack(self, tag: str) -> None:
        self.line.transactions.send_ack(*self._acks[tag])

    def _refuse(self, cause: Cause) -> None:
        if self.state is not LegState.ENDED:
            self.end()
            self.line.emit(Refused(self.leg_id, cause))

    def _given_up(self) -> Cause:
        """Why it was cancelled, where that says more than that it was: nobody answered, or somebody else did."""
        if self._cancel_cause is not None and (self._cancel_cause.sip or self._cancel_cause.reason is EndReason.ANSWERED_ELSEWHERE):
            return self._cancel_cause
        return Cause(EndReason.GAVE_UP, 487, "Cancelled before the answer.")

    def _cause_of(self, response: Response, words: str) -> Cause:
        """What a final refusal means, in words for the person who dialled."""
        status = response.status
        if self._cancel_cause is not None:
            return self._given_up()
        if response.local:
            what = "does not answer" if status == 408 else "cannot be reached"
            return Cause(EndReason.UNREACHABLE, status, f"The PBX {what}: check that it runs and that its address and port are right.")
        if status in (401, 407):
            return Cause(EndReason.FORBIDDEN, status, f"The call was not allowed: {words or 'the PBX wants a password'}.")
        if 300 <= status < 400:
            return Cause(EndReason.FAILED, status, "The PBX redirects this number elsewhere, which is not followed: dial the new number.")
        wait_s = retry_after_s(response)
        later = f" It asks to be tried again after {wait_s:.0f} s." if wait_s is not None else ""
        return cause_said(response, cause_of_sip(status, response.reason + later))
