"""One call's signalling once it talks: requests inside its dialog, from either side (RFC 3261 sections 12, 14, 15; 3311; 4028; 6086).

States, and what leads on:

    CALLING --2xx--> TALKING        we dialled
    ARRIVED --answer--> ANSWERED --ACK--> TALKING        they dialled
    any --hang-up, BYE, CANCEL, refusal, silence--> ENDED

An offer is under way from one side at a time. While ours is, theirs gets 491; while theirs is, ours waits (section 14.2). After a 491 to
ours the side that drew the Call-ID waits 2.1-4 s and the other one up to 2 s, so that the two do not meet again (section 14.1).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum, auto

from pbx.accepted import AcceptedInvite
from pbx.address import BadValue
from pbx.body import ACCEPT, UnsupportedBody, give_body, sdp_of
from pbx.dialog import Dialog, Key
from pbx.digits import digit_of_info, info_of_digit
from pbx.legs import Legs, NotReplaceable
from pbx.line import ALLOW, SUPPORTED, Asked, Line, OnAnswer
from pbx.message import Request, Response, respond, retry_after_s
from pbx.negotiation import Negotiation
from pbx.reason import cause_said, reason_headers
from pbx.refer import NotReferable, ReferTo, read_refer, refusal_of_event
from pbx.referral import OurReferral, TheirReferral
from pbx.sdp import BadSdp, NoCommonAudio
from pbx.session_timer import LONGEST_SESSION_S, MAX_LENGTHENED, Session, TooShort, read_min_se, session_of_called, session_of_caller
from pbx.sip_settings import SipTransport
from pbx.timers import Timer
from pbx.transaction import T1
from pbx.transactions import ServerTransaction
from pbx.trunk import Confirmed, DigitArrived, HungUp, Reagreed, TransferAsked, TransferProgressed
from rooms.causes import Cause, EndReason

MAX_DIGITS = 64


class LegState(StrEnum):
    CALLING = auto()
    ARRIVED = auto()
    ANSWERED = auto()
    TALKING = auto()
    ENDED = auto()


# Requests that carry our Contact: those that move the dialog's target, or open a use of it (RFC 3261, 12.2; 3515; 6665).
_TARGET_REFRESHING = frozenset({"INVITE", "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY"})


@dataclass(frozen=True, slots=True)
class Agreement:
    """The session timer that a 2xx of ours settles, and the headers that say so; nothing before the call is answered."""

    session: Session | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)


class SipLeg:
    """What calls we dial and calls we get have in common. ``legs`` is told once that it ended, whatever ended it.

    ``key``: Call-ID and our tag, by which requests of the peer find this leg.
    """

    def __init__(self, line: Line, leg_id: str, legs: Legs, key: Key, *, owns_call_id: bool) -> None:
        self.line = line
        self.leg_id = leg_id
        self.key = key
        self.legs = legs
        self.state = LegState.CALLING if owns_call_id else LegState.ARRIVED
        self.dialog: Dialog | None = None
        wanted = line.settings
        self.negotiation = Negotiation(
            line.random.getrandbits(48), wanted.srtp, wanted.codecs, comfort_noise=wanted.comfort_noise, draw=line.random.randbytes
        )
        self.peer_allows: set[str] = set()
        self._owns_call_id = owns_call_id
        self._offering: Asked | None = None
        self._offer_again = False
        self._accepted: AcceptedInvite | None = None
        self._late_offer = False
        self._digits: list[str] = []
        self._bye_after_ack: Cause | None = None
        self._session: Session | None = None
        self._min_se = line.settings.min_session_expires_s
        self._lengthened = 0
        self._timers: dict[str, Timer] = {}
        self._our_referral: OurReferral | None = None

    @property
    def contact(self) -> str:
        secure = self.dialog is not None and self.dialog.secure and self.line.transport == SipTransport.TLS
        return self.line.secure_contact if secure else self.line.contact

    @property
    def answered(self) -> bool:
        return self.state in (LegState.ANSWERED, LegState.TALKING)

    @property
    def replaceable(self) -> bool:
        """A call that rings here may not be taken from us: only one that was answered, or that we dialled (RFC 3891, section 3)."""
        return self.state is not LegState.ARRIVED

    # -- what the trunk's user wants --

    def hold(self, held: bool) -> None:
        """Hold the peer, or take it back, as soon as no other offer is under way."""
        if self.negotiation.held != held:
            self.negotiation.held = held
            self._offer_now()

    def send_digit(self, digit: str) -> None:
        """One digit by INFO. The next one waits for the answer: over UDP two could overtake one another."""
        if self.state is not LegState.TALKING or len(self._digits) >= MAX_DIGITS:
            return
        self._digits.append(digit)
        if len(self._digits) == 1:
            self._send_info(digit)

    def _send_info(self, digit: str) -> None:
        content_type, body = info_of_digit(digit)
        request = self.in_dialog("INFO")
        request.add("Content-Type", content_type)
        request.body = body
        self.ask(request, self._info_answered)

    def _info_answered(self, response: Response, words: str) -> None:
        if response.status < 200:
            return
        self.survives(response)
        self._digits.pop(0)
        if self._digits and self.state is LegState.TALKING:
            self._send_info(self._digits[0])

    @property
    def can_refer(self) -> bool:
        return self.state is LegState.TALKING and self.line.settings.refer and "REFER" in self.peer_allows

    def refer(self, refer_to: str) -> None:
        """Ask the peer to call ``refer_to``, a name-addr."""
        if self.state is not LegState.TALKING or self._refers:
            self.line.timers.start(0.0, lambda: self.line.emit(TransferProgressed(self.leg_id, 491 if self._refers else 481)))
            return
        request = self.in_dialog("REFER")
        request.headers += [("Refer-To", refer_to), ("Referred-By", f"<{self.line.identity.uri}>"), ("Supported", SUPPORTED)]
        self._our_referral = OurReferral(self, request)

    @property
    def _refers(self) -> bool:
        return self._our_referral is not None and not self._our_referral.ended

    def bye(self, cause: Cause) -> None:
        """End a call that talks, without an event: whoever asks for it knows."""
        if self.state is LegState.ANSWERED and self._accepted is not None:
            # No BYE before the ACK or its time-out (section 15).
            self._bye_after_ack = cause
            return
        self._send_bye(cause)
        self.end()

    def end(self) -> None:
        """Forget everything that could still happen to this leg."""
        if self.state is LegState.ENDED:
            return
        self.state = LegState.ENDED
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._accepted is not None:
            self._accepted.stop()
        self._accepted = None
        if self._our_referral is not None:
            self._our_referral.stop()
        self.legs.ended(self)

    # -- what the peer wants --

    def request_arrived(self, request: Request, server: ServerTransaction) -> None:
        """A request inside this leg's dialog, except ACK and CANCEL."""
        dialog = self._dialog_with(request.from_address.tag)
        if dialog is None:
            self.respond(server, 481)
        elif not dialog.takes(request):
            self._respond_later(server)
        elif request.method == "INVITE":
            self._reinvited(request, server)
        elif request.method == "UPDATE":
            self._updated(request, server)
        elif request.method == "OPTIONS":
            self.respond(server, 200, [("Allow", ALLOW), ("Accept", ACCEPT), ("Supported", SUPPORTED)])
        elif self.state is LegState.CALLING:
            self.respond(server, 481)
        elif request.method == "BYE":
            self.respond(server, 200)
            self._peer_left(cause_said(request, Cause(EndReason.COMPLETED, 200, "The other side hung up.")))
        elif request.method == "PRACK":
            self._pracked(request, server)
        elif request.method == "INFO":
            self._informed(request, server)
        elif request.method == "REFER":
            self._referred(request, server)
        elif request.method == "NOTIFY":
            if self._our_referral is None or not self._our_referral.notified(request, server):
                self._unsubscribed(request, server)
        elif request.method == "SUBSCRIBE":
            referral = self.legs.referrals.get(self.leg_id)
            if referral is None or not referral.subscribed(request, server):
                self._unsubscribed(request, server)
        else:
            self.respond(server, 405, [("Allow", ALLOW)])

    def _dialog_with(self, tag: str | None) -> Dialog | None:
        """The dialog that the peer with this tag has with us."""
        return self.dialog if self.dialog is not None and self.dialog.remote.tag == tag else None

    def talks_to(self, tag: str) -> bool:
        """Is there a dialog with this peer? "0" stands for one without a tag (RFC 3891, section 6.1)."""
        return self._dialog_with(tag) is not None or (tag == "0" and self._dialog_with(None) is not None)

    def _respond_later(self, server: ServerTransaction) -> None:
        self.respond(server, 500, [("Retry-After", str(self.line.random.randint(1, 10)))])

    def acknowledged(self, request: Request) -> None:
        """An ACK inside this leg's dialog. It may carry the answer to an offer that our 2xx made."""
        accepted = self._accepted
        if accepted is None or accepted.cseq != request.cseq[0]:
            return
        accepted.stop()
        self._accepted = None
        first = self.state is LegState.ANSWERED
        if first:
            self.state = LegState.TALKING
        if self._bye_after_ack is not None:
            self._send_bye(self._bye_after_ack)
            self.end()
            return
        changed = None
        if self._late_offer:
            self._late_offer = False
            before = self.negotiation.theirs
            try:
                changed = self.negotiation.take_answer(self._sdp_in(request))
            except (BadSdp, NoCommonAudio) as error:
                self._give_up(Cause(EndReason.INCOMPATIBLE, 488, str(error)))
                return
            changed = changed if first or changed != before else None
        if first:
            self.line.emit(Confirmed(self.leg_id, changed))
        elif changed is not None:
            self.line.emit(Reagreed(self.leg_id, changed))
        self._offer_waiting()

    def _reinvited(self, request: Request, server: ServerTransaction) -> None:
        if self._accepted is not None or self.state is LegState.ARRIVED:
            self._respond_later(server)
            return
        if self._offering is not None or self.state is LegState.CALLING:
            self.respond(server, 491)
            return
        session = self._session_of(request, server)
        answered = self._answer_offer(request, server, self.negotiation) if session is not None else None
        if session is None or answered is None:
            return
        body, changed = answered
        if not body:
            body = self.negotiation.offer()
            self._late_offer = True
        self._retarget(request)
        self._accept(server, body, session)
        if changed:
            self._tell_agreed(self.negotiation)

    def _updated(self, request: Request, server: ServerTransaction) -> None:
        """RFC 3311, section 5.2."""
        if request.body and (objection := self._offer_objection(request)):
            self._respond_later(server) if objection == 500 else self.respond(server, objection)
            return
        session = self._session_of(request, server) if self.answered else Agreement()
        answered = self._answer_offer(request, server, self._negotiation_with(request)) if session is not None else None
        if session is None or answered is None:
            return
        body, changed = answered
        self._retarget(request, self._dialog_with(request.from_address.tag))
        response = respond(request, 200, headers=[("Contact", self.contact), ("Allow", ALLOW), *session.headers])
        give_body(response, body)
        self.line.transactions.respond(server, response)
        self._keep_agreement(session)
        if changed:
            self._tell_agreed(self._negotiation_with(request))

    def _negotiation_with(self, request: Request) -> Negotiation:
        return self.negotiation

    def _offer_objection(self, request: Request) -> int:
        """Why the peer may make no offer now: 491 while ours is under way, 500 while its own has no answer yet; 0: it may."""
        return 491 if self._offering is not None or self._late_offer else 0

    def _tell_agreed(self, negotiation: Negotiation) -> None:
        if negotiation.theirs is not None:
            self.line.emit(Reagreed(self.leg_id, negotiation.theirs))

    def _pracked(self, request: Request, server: ServerTransaction) -> None:
        """A PRACK for nothing that we sent (RFC 3262, section 3)."""
        self.respond(server, 481)

    def _informed(self, request: Request, server: ServerTransaction) -> None:
        digit = digit_of_info(request.content_type, request.body)
        if request.body and digit is None:
            self.respond(server, 415, [("Accept", "application/dtmf-relay, application/dtmf")])
            return
        self.respond(server, 200)
        if digit:
            self.line.emit(DigitArrived(self.leg_id, digit))

    def _referred(self, request: Request, server: ServerTransaction) -> None:
        """RFC 3515, section 2.4.2: accepted, told that we try, and handed up."""
        if self.state is not LegState.TALKING or self.leg_id in self.legs.referrals:
            self.respond(server, 491)
            return
        try:
            asked = read_refer(request)
            replaces = self._leg_of(asked)
        except NotReferable as refusal:
            self.respond(server, refusal.status)
            return
        headers = [("Contact", self.contact)] + ([("Refer-Sub", "false")] if asked.silent else [])
        self.respond(server, 202, headers)
        referral = TheirReferral(self, request, asked)
        self.legs.referrals[self.leg_id] = referral
        referral.tell(100)
        self.line.emit(TransferAsked(self.leg_id, asked.number, replaces, asked.referrer))

    def _leg_of(self, asked: ReferTo) -> str:
        """Our leg that the REFER wants to be replaced, where it names one of ours. Raises ``NotReferable`` for this very call."""
        if asked.replaces is None:
            return ""
        try:
            leg = self.legs.replaced_by(asked.replaces)
        except NotReplaceable:
            if not asked.number:
                raise NotReferable(400) from None
            return ""
        if leg is self:
            raise NotReferable(400)
        return leg.leg_id

    def _unsubscribed(self, request: Request, server: ServerTransaction) -> None:
        self.respond(server, *refusal_of_event(request))

    def _answer_offer(self, request: Request, server: ServerTransaction, negotiation: Negotiation) -> tuple[bytes, bool] | None:
        """Our answer to a later offer, and whether anything changed; empty where there is no offer; None where it was refused."""
        try:
            offer = sdp_of(request)
            if not offer:
                return b"", False
            body, _, changed = negotiation.answer_again(offer)
        except UnsupportedBody as error:
            self.respond(server, 415, error.headers)
        except BadSdp:
            self.respond(server, 400)
        except NoCommonAudio as error:
            self.respond(server, 488, [("Warning", _warning(self.line, str(error)))])
        else:
            return body, changed
        return None

    def _sdp_in(self, message: Request | Response) -> bytes:
        """The session description that an answer carries; nothing where it cannot be read, for there is nobody to refuse it to."""
        try:
            return sdp_of(message)
        except UnsupportedBody:
            self.line.counts["unreadable_answers"] += 1
            return b""

    def _session_of(self, request: Request, server: ServerTransaction) -> Agreement | None:
        settings = self.line.settings
        try:
            return Agreement(*session_of_called(request, wanted_s=settings.session_expires_s, smallest_s=settings.min_session_expires_s))
        except TooShort:
            self.respond(server, 422, [("Min-SE", str(settings.min_session_expires_s))])
            return None

    def _keep_agreement(self, agreement: Agreement) -> None:
        if agreement.session is not None:
            self._keep_session(agreement.session)

    def _accept(self, server: ServerTransaction, body: bytes, agreement: Agreement) -> None:
        """Send the 2xx of an INVITE, and again until its ACK comes."""
        response = respond(server.request, 200, to_tag=self.dialog.local.tag or "" if self.dialog else "")
        response.headers += [("Contact", self.contact), ("Allow", ALLOW), ("Supported", SUPPORTED), *agreement.headers]
        give_body(response, body)
        self._keep_agreement(agreement)
        self._accepted = AcceptedInvite(self.line, server, response, self._never_acknowledged)

    def _never_acknowledged(self) -> None:
        self._accepted = None
        if self._bye_after_ack is not None:
            self._send_bye(self._bye_after_ack)
            self.end()
            return
        self._give_up(Cause(EndReason.UNREACHABLE, 408, "The other side never confirmed the call (no ACK): look at its network or NAT."))

    # -- our own offers and refreshes --

    def _offer_now(self) -> None:
        if self.state is not LegState.TALKING or self._offering is not None or self._accepted is not None or "glare" in self._timers:
            self._offer_again = True
            return
        self._offer_again = False
        request = self.in_dialog("INVITE")
        self._add_session(request)
        give_body(request, self.negotiation.offer())
        self._offering = self.ask(request, self._offer_answered)

    def _offer_waiting(self) -> None:
        if self._offer_again and self.state is LegState.TALKING:
            self._offer_now()

    def _offer_answered(self, response: Response, words: str) -> None:
        if response.status < 200:
            return
        asked, self._offering = self._offering, None
        if 200 <= response.status < 300 and asked is not None:
            self._acknowledge(asked, response)
        if self.state is not LegState.TALKING:
            return
        if response.status >= 300:
            self._refused_inside(response, "glare", self._offer_now)
        else:
            self._lengthened = 0
            self._settle(response)
        self._offer_waiting()

    def _settle(self, response: Response) -> None:
        self._retarget(response)
        self._keep_session(session_of_caller(response, asked_s=self._asked_s()))
        before = self.negotiation.theirs
        try:
            theirs = self.negotiation.take_answer(self._sdp_in(response))
        except (BadSdp, NoCommonAudio) as error:
            self._give_up(Cause(EndReason.INCOMPATIBLE, 488, str(error)))
            return
        if theirs != before:
            self.line.emit(Reagreed(self.leg_id, theirs))

    def _acknowledge(self, asked: Asked, response: Response) -> None:
        """ACK a 2xx, and every repetition of it: the same callback gets those (section 13.2.2.4)."""
        assert self.dialog is not None
        self._retarget(response)
        ack = self.dialog.request("ACK", asked.sent.request.cseq[0])
        for name in ("Authorization", "Proxy-Authorization"):
            ack.headers += [(name, value) for value in asked.sent.request.lines(name)]
        hop = self.line.hop_of(self.dialog.next_uri())
        self.line.transactions.send_ack(ack, hop)
        asked.sent.on_response = lambda repeated: self.line.transactions.send_ack(ack, hop)

    def _refresh(self) -> None:
        """Show that we are still there: by UPDATE where the peer knows it, else by the same offer again (RFC 4028, section 7.4)."""
        if self.state is not LegState.TALKING:
            return
        if "UPDATE" not in self.peer_allows:
            self._offer_now()
            return
        request = self.in_dialog("UPDATE")
        self._add_session(request)
        self.ask(request, self._refreshed)

    def _refreshed(self, response: Response, words: str) -> None:
        if response.status < 200 or self.state is not LegState.TALKING:
            return
        if response.status < 300:
            self._lengthened = 0
            self._retarget(response)
            self._keep_session(session_of_caller(response, asked_s=self._asked_s()))
        elif response.status in (405, 501):
            # Its Allow promised more than it does.
            self.peer_allows.discard("UPDATE")
            self._refresh()
        else:
            self._refused_inside(response, "refresh", self._refresh)

    def _refused_inside(self, response: Response, name: str, again: Callable[[], None]) -> None:
        """A refusal of our own request leaves the session as it was (section 14.1), unless it says that there is none any more.

        ``again`` is done under the timer ``name`` where the refusal holds for now only. A refresh is tried again in any case: without
        one the call would end.
        """
        session = self._session
        if response.status == 491:
            self._restart(name, self._glare_s(), again)
        elif response.status == 422 and self._lengthen(response):
            self._restart(name, T1, again)
        elif response.status in (408, 481):
            self.survives(response)
        elif (wait_s := retry_after_s(response)) is not None:
            self._restart(name, wait_s, again)
        elif session is not None and session.ours and "refresh" not in self._timers:
            self._restart("refresh", session.interval_s / 4, self._refresh)

    def _lengthen(self, response: Response) -> bool:
        """Take the longer session interval that a 422 wants (RFC 4028, section 7.3); a few times at most."""
        wanted = read_min_se(response)
        self._lengthened += 1
        if not self._min_se < wanted <= LONGEST_SESSION_S or self._lengthened > MAX_LENGTHENED:
            return False
        self._min_se = wanted
        return True

    def survives(self, response: Response) -> None:
        """481 and 408 to a request inside the dialog end the call (section 12.2.1.2)."""
        if response.status in (408, 481) and self.state is LegState.TALKING:
            self._give_up(Cause(EndReason.MEDIA_LOST, response.status, "The other side lost this call, or cannot be reached any more."))

    def _add_session(self, request: Request) -> None:
        """Who refreshes goes on doing so, whoever sends this request (RFC 4028, section 7.4)."""
        refresher = "uac" if self._session is None or self._session.ours else "uas"
        request.headers += [("Supported", SUPPORTED), ("Session-Expires", f"{self._asked_s()};refresher={refresher}")]
        request.add("Min-SE", str(self._min_se))

    def _asked_s(self) -> int:
        return max(self._session.interval_s if self._session else self.line.settings.session_expires_s, self._min_se)

    def _keep_session(self, session: Session) -> None:
        self._session = session
        self._restart("expiry", session.interval_s if session.ours else session.expiry_s, self._session_over)
        if session.ours:
            self._restart("refresh", session.refresh_s, self._refresh)
        elif "refresh" in self._timers:
            self._timers.pop("refresh").cancel()

    def _session_over(self) -> None:
        self._give_up(Cause(EndReason.MEDIA_LOST, 408, "The other side is gone: nothing refreshed the call in time."))

    def _glare_s(self) -> float:
        low, high = (210, 400) if self._owns_call_id else (0, 200)
        return self.line.random.randint(low, high) / 100

    # -- building blocks --

    def in_dialog(self, method: str, dialog: Dialog | None = None) -> Request:
        """A request in this dialog, by default in the one that the call has."""
        dialog = dialog or self._own_dialog()
        request = dialog.request(method, dialog.next_cseq())
        if method in _TARGET_REFRESHING:
            request.headers += [("Contact", self.contact), ("Allow", ALLOW)]
        return request

    def ask(self, request: Request, on_answer: OnAnswer, dialog: Dialog | None = None) -> Asked:
        dialog = dialog or self._own_dialog()
        return self.line.ask(request, self.line.hop_of(dialog.next_uri()), dialog.next_cseq, on_answer, theirs=not self._owns_call_id)

    def _own_dialog(self) -> Dialog:
        assert self.dialog is not None
        return self.dialog

    def _send_bye(self, cause: Cause, dialog: Dialog | None = None) -> None:
        request = self.in_dialog("BYE", dialog)
        request.headers += reason_headers(cause)
        self.ask(request, lambda response, words: None, dialog)

    def _peer_left(self, cause: Cause) -> None:
        """The other side ended the call."""
        if self.state is not LegState.ENDED:
            self.end()
            self.line.emit(HungUp(self.leg_id, cause))

    def _give_up(self, cause: Cause) -> None:
        """We end the call because something broke: BYE, and an event."""
        if self.state is not LegState.ENDED:
            self._send_bye(cause)
            self._peer_left(cause)

    def respond(self, server: ServerTransaction, status: int, headers: list[tuple[str, str]] | None = None) -> None:
        tag = self.dialog.local.tag or "" if self.dialog else self.line.token()
        self.line.transactions.respond(server, respond(server.request, status, to_tag=tag, headers=headers or ()))

    def _retarget(self, message: Request | Response, dialog: Dialog | None = None) -> None:
        try:
            (dialog or self._own_dialog()).retarget(message.contact())
        except BadValue:
            self.line.counts["bad_contacts"] += 1
        allowed = {method.upper() for method in message.tokens("Allow")}
        self.peer_allows = allowed or self.peer_allows

    def _restart(self, name: str, delay_s: float, step: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers.pop(name).cancel()

        def fire() -> None:
            self._timers.pop(name, None)
            step()

        self._timers[name] = self.line.timers.start(delay_s, fire)


def _warning(line: Line, words: str) -> str:
    clean = words.replace('"', "'").replace("\\", "/")
    return f'399 {line.host} "{clean}"'
