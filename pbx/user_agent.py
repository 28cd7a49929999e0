"""The SIP user agent as a whole, sans-IO: messages and commands in, messages and events out, time told from outside.

It checks a new request in the order of RFC 3261, section 8.2: method, dialog, extensions, content; then load; then opens a leg.
"""

from dataclasses import replace
from enum import Enum

from pbx.address import BadValue, SipUri, parse_uri
from pbx.admission import RateLimit
from pbx.body import ACCEPT, SDP, UnsupportedBody, sdp_of
from pbx.incoming_leg import IncomingLeg
from pbx.legs import Legs, NotReplaceable
from pbx.line import ALLOW, METHODS, SUPPORTED, Line
from pbx.message import REASONS, AnyMessage, BadMessage, Request, Response, respond
from pbx.numbers import is_emergency
from pbx.outgoing_leg import Dialling, OutgoingLeg
from pbx.refer import refusal_of_event
from pbx.registrar import Registrar
from pbx.registration import Registration
from pbx.replaces import Replaces, read_replaces
from pbx.sdp import BadSdp, NoCommonAudio
from pbx.session_timer import TooShort, session_of_called
from pbx.sip_leg import LegState
from pbx.transactions import Hop, ServerTransaction
from pbx.trunk import Refused, StatusChanged, TransferProgressed, TrunkStatus
from rooms.audio import RtpEndpoint
from rooms.causes import Cause, EndReason

_KNOWN_EXTENSIONS = frozenset({"100rel", "timer", "replaces", "norefersub"})
_OTHER_METHODS = frozenset({"REGISTER", "PUBLISH", "MESSAGE"})
"""Methods that exist and that are not for us, 405; any other word is 501 (RFC 3261, sections 8.2.1 and 21.5.2)."""
_SCHEMES = ("sip:", "sips:", "tel:")


class _Door(Enum):
    OPEN = 1
    CLOSING = 2


class UserAgent:
    """Calls by leg id, dialogs by Call-ID and our tag. Every entry takes ``now``, monotonic seconds."""

    def __init__(self, line: Line) -> None:
        self.line = line
        line.attach(self)
        self._registrar = Registrar(line, line.settings.registrar, self._status_changed) if line.settings.registrar is not None else None
        self.registration: Registration | Registrar = self._registrar or Registration(line, self._status_changed)
        self.legs = Legs()
        self._rate = RateLimit(line.settings.invites_per_s)
        self._door = _Door.OPEN

    # -- time and the wire --

    def knows(self, host: str, now: float) -> bool:
        """May whoever is there keep a connection open? Where a PBX may register from anywhere, only where one has."""
        return self._registrar is None or self._registrar.knows(host, now)

    def hears(self, data: bytes, source: Hop, now: float) -> bool:
        """Is a message from there looked at at all? Asked before it is read. Where a PBX may register from anywhere, not everybody is."""
        return self._registrar is None or self._registrar.hears(data, source.host, now)

    def receive(self, message: AnyMessage, source: Hop, now: float) -> None:
        """A message from a trusted source. What it carries can be wrong in any way; nothing is raised."""
        self.line.timers.advance(now)
        try:
            self.line.transactions.receive(message, source)
        except BadValue:
            # A header that only this message's own purpose needs, and that cannot be read.
            self.line.counts["dropped_unreadable"] += 1

    def receive_bad(self, error: BadMessage, source: Hop, now: float) -> None:
        """Bytes that were no message: answered where that is possible, else dropped."""
        self.line.timers.advance(now)
        self.line.counts["bad_messages"] += 1
        if error.request is not None:
            self.line.transactions.refuse_unread(error.request, source, error.status, f"{REASONS[error.status]} ({error})")

    def unreachable(self, message: AnyMessage, now: float) -> None:
        """The transport could not deliver a message of ours."""
        self.line.timers.advance(now)
        self.line.transactions.unreachable(message)

    def connection_lost(self, hop: Hop, now: float) -> None:
        """A connection to or from a peer is over."""
        self.line.timers.advance(now)
        self.line.transactions.connection_lost(hop)
        if hop == self.line.server_hop or (self._registrar is None and hop in self.line.targets):
            self.registration.connection_lost()

    def expire(self, now: float) -> None:
        self.line.timers.expire(now)

    def next_deadline(self) -> float | None:
        return self.line.timers.next_deadline()

    # -- commands --

    def open(self, now: float) -> None:
        self.line.timers.advance(now)
        self.registration.start()

    def close(self, now: float) -> None:
        """End every call with BYE, CANCEL or a refusal, and unregister."""
        self.line.timers.advance(now)
        self._door = _Door.CLOSING
        for leg in self.legs:
            self.hang_up(leg.leg_id, Cause(EndReason.SERVER_STOPPED), now)
        self.registration.stop()

    @property
    def busy(self) -> bool:
        """Is anything still under way that a closing trunk should wait for?"""
        return self.line.transactions.waiting > 0 or len(self.legs) > 0

    @property
    def calls(self) -> int:
        """How many are under way, from the first INVITE to the last word."""
        return len(self.legs)

    def proceeds(self, leg_id: str) -> bool:
        """Has the PBX said anything yet to this call of ours?"""
        leg = self.legs.by_id.get(leg_id)
        return not isinstance(leg, OutgoingLeg) or leg.proceeding

    def dial(
        self,
        leg_id: str,
        number: str,
        caller: str,
        offer: RtpEndpoint,
        now: float,
        *,
        private: bool = False,
        caller_number: str = "",
        diverted_by: str = "",
        referred: str = "",
    ) -> None:
        self.line.timers.advance(now)
        objection = self._dial_objection(number, diverted_by)
        if objection is not None:
            self.line.timers.start(0.0, lambda: self.line.emit(Refused(leg_id, objection)))
            return
        referral = self.legs.referrals.get(referred)
        wish = Dialling(number, caller, private, caller_number, diverted_by, referral.asked if referral is not None else None)
        self.legs.add(OutgoingLeg(self.line, leg_id, self.legs, wish, offer))

    def ring(self, leg_id: str, now: float) -> None:
        self.line.timers.advance(now)
        leg = self.legs.by_id.get(leg_id)
        if isinstance(leg, IncomingLeg):
            leg.ring()

    def progress(self, leg_id: str, early: RtpEndpoint, now: float) -> None:
        self.line.timers.advance(now)
        leg = self.legs.by_id.get(leg_id)
        if isinstance(leg, IncomingLeg):
            leg.progress(early)

    def answer(self, leg_id: str, answer: RtpEndpoint, now: float) -> None:
        self.line.timers.advance(now)
        leg = self.legs.by_id.get(leg_id)
        if isinstance(leg, IncomingLeg):
            leg.answer(answer)

    def hang_up(self, leg_id: str, cause: Cause, now: float) -> None:
        self.line.timers.advance(now)
        leg = self.legs.by_id.get(leg_id)
        if leg is None:
            return
        if isinstance(leg, OutgoingLeg) and leg.state is LegState.CALLING:
            leg.cancel(cause)
        elif isinstance(leg, IncomingLeg) and leg.state is LegState.ARRIVED:
            leg.refuse(cause)
        else:
            leg.bye(cause)

    def hold(self, leg_id: str, held: bool, now: float) -> None:
        self.line.timers.advance(now)
        leg = self.legs.by_id.get(leg_id)
        if leg is not None:
            leg.hold(held)

    def send_digit(self, leg_id: str, digit: str, now: float) -> None:
        self.line.timers.advance(now)
        leg = self.legs.by_id.get(leg_id)
        if leg is not None:
            leg.send_digit(digit)

    def can_refer(self, leg_id: str) -> bool:
        leg = self.legs.by_id.get(leg_id)
        return leg is not None and leg.can_refer

    def refer(self, leg_id: str, target: str, replaces: str, now: float) -> None:
        self.line.timers.advance(now)
        leg = self.legs.by_id.get(leg_id)
        if leg is None:
            return
        try:
            leg.refer(self._refer_to(target, replaces))
        except BadValue:
            self.line.timers.start(0.0, lambda: self.line.emit(TransferProgressed(leg_id, 484)))

    def _refer_to(self, target: str, replaces: str) -> str:
        """The number at the PBX, or the peer of another call of ours with that call's own dialog to take (RFC 5589, section 7.1).

        Raises ``BadValue`` for a number that cannot be dialled, and for a call that is over or not yet answered.
        """
        if not replaces:
            if not target or not target.isprintable():
                raise BadValue("no number to dial")
            return f"<{SipUri(self.line.settings.sip_domain, target)}>"
        other = self.legs.by_id.get(replaces)
        if other is None or other.dialog is None or other.state is not LegState.TALKING:
            raise BadValue("no call whose place could be taken")
        dialog = other.dialog
        place = Replaces(dialog.call_id, dialog.remote.tag or "0", dialog.local.tag or "0")
        return f"<{replace(parse_uri(dialog.target), headers=place.escaped)}>"

    def transfer_progress(self, leg_id: str, status: int, now: float) -> None:
        self.line.timers.advance(now)
        referral = self.legs.referrals.get(leg_id)
        if referral is not None:
            referral.tell(status)

    def _dial_objection(self, number: str, diverted_by: str) -> Cause | None:
        if self._door is _Door.CLOSING:
            return Cause(EndReason.SERVER_STOPPED, 503, "The server is stopping.")
        if self._registrar is not None and self.line.reach is None:
            return Cause(EndReason.UNREACHABLE, 503, self.registration.status.detail)
        full = len(self.legs) >= self.line.settings.max_calls
        if (full or self.line.locked_out) and not is_emergency(number, self.line.settings.region):
            words = f"The line carries {len(self.legs)} calls already, as many as it may: try again soon."
            return Cause(EndReason.UNREACHABLE, 503, words if full else self.registration.status.detail)
        if not number or not (number + diverted_by).isprintable():
            return Cause(EndReason.NOT_FOUND, 484, "The number cannot be dialled: it is empty or has control characters.")
        return None

    def _status_changed(self, status: TrunkStatus) -> None:
        self.line.emit(StatusChanged(self.line.settings.name, status))

    # -- requests (TransactionUser) --

    def request_arrived(self, request: Request, server: ServerTransaction | None) -> None:
        tag = request.to_address.tag
        leg = self.legs.by_dialog.get((request.call_id, tag)) if tag else None
        if server is None:
            if leg is not None:
                leg.acknowledged(request)
            return
        if request.method not in METHODS and not (request.method == "REGISTER" and self._registrar is not None):
            self._respond(server, 405 if request.method in _OTHER_METHODS else 501, [("Allow", ALLOW)])
        elif not request.uri.lower().startswith(_SCHEMES):
            self._respond(server, 416)
        elif request.method != "INVITE" and request.get("Replaces") is not None:
            self._respond(server, 400)
        elif unknown := self._unknown_extensions(request):
            self._respond(server, 420, [("Unsupported", ", ".join(unknown))])
        elif tag:
            if leg is not None:
                leg.request_arrived(request, server)
            else:
                self._respond(server, 481)
        else:
            self._outside_dialog(request, server)

    def is_full(self) -> bool:
        counts, overrun = self.line.counts, self.line.is_overrun(self.line.timers.now)
        full = (
            self._door is _Door.CLOSING or len(self.legs) >= self.line.settings.max_calls or not self._rate.has_room(self.line.timers.now)
        )
        counts["calls_refused_full"] += full
        counts["calls_refused_overrun"] += overrun and not full
        return full or overrun

    def cancel_arrived(self, cancel: Request, invite: ServerTransaction) -> None:
        for leg in self.legs:
            if isinstance(leg, IncomingLeg) and leg.invite is invite:
                leg.cancelled(cancel)

    def _outside_dialog(self, request: Request, server: ServerTransaction) -> None:
        if request.method == "REGISTER" and self._registrar is not None:
            self._registrar.register(request, server)
        elif request.method == "OPTIONS":
            self._respond(server, 200, [("Allow", ALLOW), ("Accept", ACCEPT), ("Supported", SUPPORTED)])
        elif request.method in ("SUBSCRIBE", "NOTIFY"):
            self._respond(server, *refusal_of_event(request))
        elif request.method == "REFER":
            # Whoever wants a call of us that nobody here talks in gets none.
            self._respond(server, 603)
        elif request.method != "INVITE":
            self._respond(server, 481)
        else:
            self._invited(request, server)

    def _invited(self, request: Request, server: ServerTransaction) -> None:
        registrar, host = self._registrar, server.source.host
        refusal = (registrar.objection(request, host) if registrar is not None else None) or self._refusal(request)
        if refusal is not None:
            self._respond(server, *refusal)
            return
        self._rate.take(self.line.timers.now)
        self.line.transactions.respond(server, respond(request, 100))
        leg_id = f"{self.line.settings.name}-{self.line.token(16)}"
        try:
            replaces = read_replaces(request)
            replaced = self.legs.replaced_by(replaces).leg_id if replaces is not None else ""
            leg = IncomingLeg(self.line, leg_id, self.legs, server, replaced)
        except (BadSdp, BadValue):
            self._respond(server, 400)
            return
        except NotReplaceable as error:
            self._respond(server, error.status)
            return
        except NoCommonAudio as mismatch:
            words = str(mismatch).replace('"', "'").replace("\\", "/")
            self._respond(server, 488, [("Warning", f'399 {self.line.host} "{words}"')])
            return
        self.legs.add(leg)
        leg.announce()

    def _refusal(self, request: Request) -> tuple[int, list[tuple[str, str]]] | None:
        """Why a new INVITE cannot become a call, as status and headers."""
        settings = self.line.settings
        try:
            sdp_of(request)
        except UnsupportedBody as error:
            return 415, error.headers
        if not _accepts_sdp(request):
            return 406, []
        try:
            session_of_called(request, wanted_s=settings.session_expires_s, smallest_s=settings.min_session_expires_s)
        except TooShort:
            return 422, [("Min-SE", str(settings.min_session_expires_s))]
        return None

    def _unknown_extensions(self, request: Request) -> list[str]:
        return sorted(request.tokens("Require") - _KNOWN_EXTENSIONS)

    def _respond(self, server: ServerTransaction, status: int, headers: list[tuple[str, str]] | None = None) -> None:
        response: Response = respond(server.request, status, to_tag=self.line.token(), headers=headers or ())
        self.line.transactions.respond(server, response)


def _accepts_sdp(request: Request) -> bool:
    """May the answer carry a session description? No Accept means yes, an empty one no (RFC 3261, section 20.1)."""
    accepted = request.lines("Accept")
    types = {value.split(";")[0].strip().lower() for line in accepted for value in line.split(",")}
    return not accepted or bool(types & {SDP, "application/*", "*/*"})
